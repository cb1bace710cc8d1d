/* SPDX-License-Identifier: Apache-2.0
 *
 * A frame of gemma4embed on the thread that computes: its pixels to embeddings.
 */
#include "gstgemma4embedprivate.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>

#define GST_CAT_DEFAULT gst_gemma4_embed_debug

/* A frame in work. */
typedef struct {
    GstGemma4Job *job;
    G4Frame picture; /* all of it */
    GPtrArray *results;
    GstClockTime encoded; /* time in the core's encode calls */
    gboolean cancelled;
} Work;

static GstGemma4Embedding *make_embedding(GstGemma4Embed *self, const Work *work,
                                          const GstGemma4Region *region,
                                          const GstGemma4Vectors *vectors)
{
    const GstGemma4Job *job = work->job;
    gchar id[16];
    const G4Model *model = gst_gemma4_embedder_get_model(self->embedder);
    GstGemma4EmbeddingParams params = GST_GEMMA4_EMBEDDING_PARAMS_INIT;

    params.id = vectors->id;
    params.rows = vectors->rows;
    params.cols = vectors->cols;
    params.frame = job->frame;
    params.pts = job->pts;
    params.running_time = job->running_time;
    params.utc = job->utc;
    params.model_name = g4_model_get_name(model);
    params.model_digest = g4_model_get_digest(model);
    params.normalized = vectors->normalized;
    params.reused = vectors->reused;
    if (region) {
        params.x = region->x / (gdouble)work->picture.width;
        params.y = region->y / (gdouble)work->picture.height;
        params.w = region->w / (gdouble)work->picture.width;
        params.h = region->h / (gdouble)work->picture.height;
        params.track = region->track;
        params.label = region->label ? g_quark_to_string(region->label) : NULL;
        g_snprintf(id, sizeof id, "%d", region->id);
        params.region_id = region->id ? id : NULL;
    }
    GST_OBJECT_LOCK(self);
    gst_gemma4_series_number(&self->series, job->flushes, &params);
    GST_OBJECT_UNLOCK(self);
    return gst_gemma4_embedding_new(&params, vectors->values);
}

static void count(GstGemma4Embed *self, const GstGemma4Vectors *vectors)
{
    GST_OBJECT_LOCK(self);
    if (vectors->left_out) {
        self->stats.skipped_interval++;
    } else if (vectors->encoded > 0) {
        self->stats.embedded++;
        gst_gemma4_timing_add(&self->stats.inference, vectors->encoded);
    } else {
        self->stats.reused++;
    }
    GST_OBJECT_UNLOCK(self);
}

/* lock held. The loaded picture: the whole frame (`region` NULL) or that region of it. */
static gboolean compute(GstGemma4Embed *self, Work *work, const GstGemma4Region *region,
                        GError **error)
{
    const GstGemma4Job *job = work->job;
    GstGemma4Vectors vectors;

    if (!gst_gemma4_embedder_compute(self->embedder, region, job->normalize, job->reuse_threshold,
                                     &vectors, error))
        return FALSE;
    work->cancelled = vectors.cancelled;
    if (vectors.cancelled)
        return TRUE;
    work->encoded += vectors.encoded;
    if (vectors.values)
        g_ptr_array_add(work->results, make_embedding(self, work, region, &vectors));
    count(self, &vectors);
    GST_LOG_OBJECT(self,
                   "frame %" G_GUINT64_FORMAT ", pts %" GST_TIME_FORMAT
                   ", %s: %u x %u in %" G_GUINT64_FORMAT " ns%s",
                   job->frame, GST_TIME_ARGS(job->pts),
                   !region         ? "whole"
                   : region->label ? g_quark_to_string(region->label)
                                   : "region",
                   vectors.rows, vectors.cols, vectors.encoded, vectors.reused ? ", reused" : "");
    return TRUE;
}

/* lock held. The buffer is as it was and given back. */
static void release(GstGemma4Embed *self, GstGemma4Job *job)
{
    gst_gemma4_frame_unmap(&self->frame);
    gst_clear_buffer(&job->buffer);
}

/* lock held. A buffer is kept no longer than until the pixels for the encoder exist, and those of a
 * region exist when the one before it is computed: of several pictures we keep the pixels. */
static gboolean embed_all(GstGemma4Embed *self, Work *work, GError **error)
{
    GstGemma4Job *job = work->job;
    guint first = job->whole ? 0 : 1, n = 1 + (job->regions ? job->regions->len : 0);
    gboolean ok = TRUE;

    if (n - first > 1) {
        ok = gst_gemma4_frame_keep(&self->frame, &work->picture, error);
        release(self, job);
    }
    for (guint i = first; ok && !work->cancelled && i < n; i++) {
        const GstGemma4Region *r =
            i > 0 ? &g_array_index(job->regions, GstGemma4Region, i - 1) : NULL;
        G4Frame picture =
            r ? gst_gemma4_frame_cut(&work->picture, r->x, r->y, r->w, r->h) : work->picture;

        ok = gst_gemma4_embedder_load(self->embedder, &picture, r, error);
        release(self, job);
        ok = ok && compute(self, work, r, error);
    }
    return ok;
}

/* lock held. `moved`: the latency did. */
static gboolean embed(GstGemma4Embed *self, GstGemma4Job *job, GPtrArray *results, gboolean *moved,
                      GError **error)
{
    GstClockTime begin = gst_util_get_timestamp();
    Work work = {.job = job, .results = results};

    if (job->stretch != self->stretch)
        gst_gemma4_embedder_restart(self->embedder);
    self->stretch = job->stretch;
    gst_gemma4_frame_set_info(&self->frame, &job->info);
    gboolean ok = gst_gemma4_frame_map(&self->frame, job->buffer, &work.picture, error) &&
                  embed_all(self, &work, error);
    release(self, job);
    if (!ok)
        return FALSE;
    gst_gemma4_embed_update_bytes(self);

    GstClockTime total = gst_util_get_timestamp() - begin;
    if (work.encoded > 0 && !work.cancelled) {
        GST_OBJECT_LOCK(self);
        gst_gemma4_timing_add(&self->stats.element, total - work.encoded);
        GST_OBJECT_UNLOCK(self);
        *moved = gst_gemma4_embed_add_latency(self, total);
    }
    return TRUE;
}

gboolean gst_gemma4_embed_work(GstGemma4Embed *self, GstGemma4Job *job, GPtrArray *results)
{
    g_autoptr(GError) error = NULL;
    gboolean moved = FALSE;

    g_mutex_lock(&self->lock);
    gboolean ok =
        gst_gemma4_embed_ensure_embedder(self, &error) && embed(self, job, results, &moved, &error);
    g_mutex_unlock(&self->lock);
    gst_gemma4_idle_touch(&self->idle);
    if (moved)
        gst_gemma4_embed_post_latency(self);
    if (!ok) {
        GST_OBJECT_LOCK(self);
        self->stats.failed++;
        GST_OBJECT_UNLOCK(self);
        gst_gemma4_embed_post_error(self, GST_MESSAGE_ERROR, error);
    }
    return ok;
}

static void add_region(GstStructure *s, const GstGemma4Embedding *e)
{
    gdouble x, y, w, h;

    gst_gemma4_embedding_get_region(e, &x, &y, &w, &h);
    gst_structure_set(s, "x", G_TYPE_DOUBLE, x, "y", G_TYPE_DOUBLE, y, "w", G_TYPE_DOUBLE, w, "h",
                      G_TYPE_DOUBLE, h, "region-id", G_TYPE_STRING,
                      gst_gemma4_embedding_get_region_id(e), "track", G_TYPE_INT64,
                      gst_gemma4_embedding_get_track(e), "label", G_TYPE_STRING,
                      gst_gemma4_embedding_get_label(e), NULL);
}

void gst_gemma4_embed_post_embeddings(GstGemma4Embed *self, const GstGemma4Job *job,
                                      const GPtrArray *results)
{
    for (guint i = 0; job->post_messages && i < results->len; i++) {
        const GstGemma4Embedding *e = results->pdata[i];
        GstStructure *s = gst_structure_new(
            "gemma4-embedding", "id", G_TYPE_STRING, gst_gemma4_embedding_get_id(e), "frame",
            G_TYPE_UINT64, job->frame, "pts", G_TYPE_UINT64, job->pts, "stream-time", G_TYPE_UINT64,
            job->stream_time, "rows", G_TYPE_UINT, gst_gemma4_embedding_get_rows(e), "cols",
            G_TYPE_UINT, gst_gemma4_embedding_get_cols(e), "values", GST_TYPE_BUFFER,
            gst_gemma4_embedding_get_data(e), NULL);

        if (i > 0 || !job->whole)
            add_region(s, e);
        gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), s));
    }
}

/* ------------------------------------------------------------------------------------------
 * The same on a thread of its own
 */
static gboolean async_work(gpointer item, GPtrArray *results, gpointer user)
{
    return gst_gemma4_embed_work(user, item, results);
}

static void async_done(gpointer item, const GPtrArray *results, gpointer user)
{
    gst_gemma4_embed_post_embeddings(user, item, results);
}

const GstGemma4AsyncFuncs gst_gemma4_embed_async_funcs = {
    .work = async_work,
    .done = async_done,
    .free_item = (void (*)(gpointer))gst_gemma4_job_free,
    .ref_result = (gpointer(*)(gpointer))gst_gemma4_embedding_ref,
    .unref_result = (void (*)(gpointer))gst_gemma4_embedding_unref,
};
