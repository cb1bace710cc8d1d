/* SPDX-License-Identifier: Apache-2.0
 *
 * A frame of gemma4embed on the thread that computes: its pixels to embeddings.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstgemma4embedprivate.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>

#define GST_CAT_DEFAULT gst_gemma4_embed_debug

/* lock held. Reads the picture into the embedder; the buffer is as it was and given back. */
static gboolean load(GstGemma4Embed *self, GstGemma4Job *job, GError **error)
{
    G4Frame picture;

    gst_gemma4_frame_set_info(&self->frame, &job->info);
    gboolean ok = gst_gemma4_frame_map(&self->frame, job->buffer, &picture, error);
    if (ok) {
        ok = gst_gemma4_embedder_load(self->embedder, &picture, error);
        gst_gemma4_frame_unmap(&self->frame);
    }
    gst_clear_buffer(&job->buffer);
    return ok;
}

static GstGemma4Embedding *make_embedding(GstGemma4Embed *self, const GstGemma4Job *job,
                                          const GstGemma4Vectors *vectors)
{
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
    GST_OBJECT_LOCK(self);
    gst_gemma4_series_number(&self->series, job->flushes, &params);
    GST_OBJECT_UNLOCK(self);
    return gst_gemma4_embedding_new(&params, vectors->values);
}

/* lock held. `moved`: the latency did. */
static gboolean embed(GstGemma4Embed *self, GstGemma4Job *job, GPtrArray *results, gboolean *moved,
                      GError **error)
{
    GstClockTime begin = gst_util_get_timestamp();
    GstGemma4Vectors vectors;

    if (job->stretch != self->stretch)
        gst_gemma4_embedder_restart(self->embedder);
    self->stretch = job->stretch;
    if (!load(self, job, error) ||
        !gst_gemma4_embedder_compute(self->embedder, job->normalize, job->reuse_threshold, &vectors,
                                     error))
        return FALSE;
    if (vectors.cancelled)
        return TRUE;
    if (vectors.values)
        g_ptr_array_add(results, make_embedding(self, job, &vectors));
    gst_gemma4_embed_update_bytes(self);

    gboolean computed = vectors.encoded > 0;
    GstClockTime total = gst_util_get_timestamp() - begin;
    GST_OBJECT_LOCK(self);
    if (vectors.left_out) {
        self->stats.skipped_interval++;
    } else if (computed) {
        self->stats.embedded++;
        gst_gemma4_timing_add(&self->stats.inference, vectors.encoded);
        gst_gemma4_timing_add(&self->stats.element, total - vectors.encoded);
    } else {
        self->stats.reused++;
    }
    GST_OBJECT_UNLOCK(self);
    *moved = computed && gst_gemma4_embed_add_latency(self, total);
    GST_LOG_OBJECT(self,
                   "frame %" G_GUINT64_FORMAT ", pts %" GST_TIME_FORMAT
                   ": %u x %u in %" G_GUINT64_FORMAT " ns%s",
                   job->frame, GST_TIME_ARGS(job->pts), vectors.rows, vectors.cols, total,
                   vectors.reused ? ", reused" : "");
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
