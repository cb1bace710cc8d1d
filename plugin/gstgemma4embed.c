/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed: the element. In place; the picture goes on untouched. Frames are computed here, or
 * on a thread of their own (async), by an embedder that can be swapped or put to sleep between
 * two of them.
 *
 * The base class does the rest: a buffer that others share is copied as metadata and references
 * to its memory; ALLOCATION queries go on to the peer, since the same memory does.
 *
 * Locks, the outer one first: `lock` is held while a frame is computed, by whoever computes it;
 * the object lock for properties and counts, and never for long.
 */
/**
 * SECTION:element-gemma4embed
 * @title: gemma4embed
 *
 * Computes embeddings of the frames that pass with the Gemma 4 vision encoder and attaches them
 * to the buffers as #GstGemma4EmbeddingMeta, and as #GstTensorMeta where GStreamer has it. Any
 * raw format and size; the picture is never changed.
 *
 * With `async=true` the picture never waits: another thread takes a frame when it is free, and its
 * result rides on the next buffer out, with the number and time of the frame that it belongs to;
 * at the end of the stream it goes out alone in a `gemma4-embedding` event.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 uridecodebin uri=file:///film.mp4 ! gemma4embed model=gemma-4-E2B-it !
 * embeddingsink location=film.npy
 * ]|
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstgemma4embed.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/video/video.h>

#include "gemma4.h"
#include "gstgemma4embedasync.h"
#include "gstgemma4embedder.h"
#include "gstgemma4embedidle.h"
#include "gstgemma4embedjob.h"
#include "gstgemma4embedlate.h"
#include "gstgemma4embedpick.h"
#include "gstgemma4embedsettings.h"
#include "gstgemma4embedstats.h"
#include "gstgemma4embedswap.h"
#include "gstgemma4frame.h"
#include "gstgemma4tensormeta.h"

GST_DEBUG_CATEGORY_STATIC(gemma4embed_debug);
#define GST_CAT_DEFAULT gemma4embed_debug

enum {
    PROP_STATS = GST_GEMMA4_SETTING_END,
};

enum {
    SIGNAL_MODEL_UPDATED,
    N_SIGNALS,
};

static guint signals[N_SIGNALS];

struct _GstGemma4Embed {
    GstBaseTransform parent;

    /* Under the object lock. */
    GstGemma4Settings settings;
    GstGemma4Stats stats;
    GstGemma4Pick pick;
    GstGemma4Late late;
    guint stretches;       /* flushes and stream starts */
    GstClockTime latency;  /* as reported; 0 before the first inference */
    GstGemma4Async *async; /* from start to stop where asked for, else NULL */

    /* Thread safe. */
    GstGemma4Swap swap;
    GstGemma4Idle idle;

    /* Whoever computes; from start to stop. */
    GMutex lock;
    GstGemma4Embedder *embedder; /* NULL while the weights are given back; set with the object
                                    lock held, too, so that either lock is enough to look */
    GstGemma4Frame frame;
    guint stretch;             /* of the frame last computed */
    GstGemma4Timing latencies; /* whole time of computed frames, the warm-up included */

    /* From start to stop the streaming thread's. */
    GstVideoInfo info;
    GstGemma4MetaTypes meta_types;
};

#define CAPS GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

G_DEFINE_TYPE(GstGemma4Embed, gst_gemma4_embed, GST_TYPE_BASE_TRANSFORM)

GST_ELEMENT_REGISTER_DEFINE(gemma4embed, "gemma4embed", GST_RANK_NONE, GST_TYPE_GEMMA4_EMBED)

/* ------------------------------------------------------------------------------------------
 * Errors: one element message each, with the core's text
 */
static void post_message(GstGemma4Embed *self, GstMessageType type, const GError *error)
{
    GQuark domain = GST_RESOURCE_ERROR;
    gint code = GST_RESOURCE_ERROR_SETTINGS;

    if (error->domain != G4_ERROR) { /* no thread */
        code = GST_RESOURCE_ERROR_FAILED;
    } else if (error->code == G4_ERROR_MISSING) {
        code = GST_RESOURCE_ERROR_NOT_FOUND;
    } else if (error->code == G4_ERROR_UNREADABLE) {
        code = GST_RESOURCE_ERROR_OPEN_READ;
    } else if (error->code == G4_ERROR_FRAME) {
        domain = GST_STREAM_ERROR;
        code = GST_STREAM_ERROR_FORMAT;
    }
    gst_element_message_full(GST_ELEMENT(self), type, domain, code, g_strdup(error->message), NULL,
                             __FILE__, GST_FUNCTION, __LINE__);
}

/* ------------------------------------------------------------------------------------------
 * The model: opened at the start, swapped while playing, given back while no frame comes
 */
static GstGemma4Settings copy_settings(GstGemma4Embed *self)
{
    GST_OBJECT_LOCK(self);
    GstGemma4Settings settings = gst_gemma4_settings_copy(&self->settings);
    GST_OBJECT_UNLOCK(self);
    return settings;
}

/* lock held. Returns the one before, for the caller to free. */
static GstGemma4Embedder *set_embedder(GstGemma4Embed *self, GstGemma4Embedder *embedder)
{
    GST_OBJECT_LOCK(self);
    GstGemma4Embedder *old = self->embedder;
    self->embedder = embedder;
    if (embedder)
        gst_gemma4_stats_set_model(&self->stats, gst_gemma4_embedder_get_model(embedder),
                                   gst_gemma4_embedder_get_model_bytes(embedder));
    else
        self->stats.model_bytes = self->stats.activation_bytes = 0;
    GST_OBJECT_UNLOCK(self);
    return old;
}

/* A frame in work is given up, for a stream that flushes or stops. */
static void set_cancelled(GstGemma4Embed *self, gboolean cancelled)
{
    GST_OBJECT_LOCK(self);
    if (self->embedder)
        gst_gemma4_embedder_set_cancelled(self->embedder, cancelled);
    GST_OBJECT_UNLOCK(self);
}

/* lock held. The embedder is there, opened again if need be. */
static gboolean ensure_embedder(GstGemma4Embed *self, GError **error)
{
    if (self->embedder)
        return TRUE;

    GstGemma4Settings settings = copy_settings(self);
    GstGemma4Embedder *embedder = gst_gemma4_embedder_new(&settings, error);
    gst_gemma4_settings_clear(&settings);
    if (!embedder)
        return FALSE;
    set_embedder(self, embedder);
    return TRUE;
}

/* lock held. Takes the whole time of an inference into the latency. TRUE: that moved, and the
 * pipeline is to be told once the lock is free. Asynchronous inference delays no picture. */
static gboolean add_latency(GstGemma4Embed *self, GstClockTime duration)
{
    GstClockTime now;
    gboolean moved = FALSE;

    gst_gemma4_timing_add(&self->latencies, duration);
    GST_OBJECT_LOCK(self);
    if (!self->async)
        moved = gst_gemma4_latency_moved(&self->latencies, self->latency, &now);
    if (moved)
        self->latency = now;
    GST_OBJECT_UNLOCK(self);
    return moved;
}

static void post_latency(GstGemma4Embed *self)
{
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

static void update_activation_bytes(GstGemma4Embed *self)
{
    guint64 bytes = gst_gemma4_embedder_get_bytes(self->embedder);

    GST_OBJECT_LOCK(self);
    self->stats.activation_bytes = bytes;
    GST_OBJECT_UNLOCK(self);
}

/* lock held. One inference ahead of the first frame, so that the latency is known when the
 * pipeline asks. TRUE: it is to be told. */
static gboolean warm_up(GstGemma4Embed *self, GstGemma4Embedder *embedder, guint width,
                        guint height)
{
    GstClockTime duration = gst_gemma4_embedder_warm_up(embedder, width, height);

    return duration > 0 && add_latency(self, duration);
}

/* On the thread of `swap`: another model is asked for while the stream runs. */
static void load_aside(const gchar *path, gpointer user)
{
    GstGemma4Embed *self = user;
    g_autoptr(GError) error = NULL;
    GstGemma4Settings settings = copy_settings(self);
    GstGemma4Embedder *embedder = NULL;

    g_free(settings.model);
    settings.model = g_strdup(path);
    if (*path)
        embedder = gst_gemma4_embedder_new(&settings, &error);
    else
        g_set_error(&error, G4_ERROR, G4_ERROR_MISSING, "model: expected the path of a checkpoint");
    gst_gemma4_settings_clear(&settings);

    GST_OBJECT_LOCK(self);
    guint width = GST_VIDEO_INFO_WIDTH(&self->info), height = GST_VIDEO_INFO_HEIGHT(&self->info);
    gboolean async = self->async != NULL;
    GST_OBJECT_UNLOCK(self);
    if (embedder && width > 0 && !gst_gemma4_embedder_prepare(embedder, width, height, &error))
        g_clear_pointer(&embedder, gst_gemma4_embedder_free);
    if (!embedder) {
        post_message(self, GST_MESSAGE_WARNING, error);
        return;
    }

    GstClockTime duration =
        width > 0 && !async ? gst_gemma4_embedder_warm_up(embedder, width, height) : 0;
    g_mutex_lock(&self->lock);
    GstGemma4Embedder *old = set_embedder(self, embedder);
    gst_gemma4_timing_reset(&self->latencies);
    gboolean moved = duration > 0 && add_latency(self, duration);
    GST_OBJECT_LOCK(self);
    g_free(self->settings.model);
    self->settings.model = g_strdup(path);
    GST_OBJECT_UNLOCK(self);
    g_mutex_unlock(&self->lock);

    gst_gemma4_embedder_free(old);
    if (moved)
        post_latency(self);
    GST_INFO_OBJECT(self, "%s took over", path);
    gst_object_ref(self); /* a handler may let the last one but this go */
    g_object_notify(G_OBJECT(self), "model");
    g_signal_emit(self, signals[SIGNAL_MODEL_UPDATED], 0, path);
    gst_object_unref(self);
}

/* On a thread of GStreamer's. A frame may have come since the time was up. */
static void unload(GstElement *element, gpointer user)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(element);

    g_mutex_lock(&self->lock);
    gboolean due = self->embedder && gst_gemma4_idle_is_due(&self->idle);
    if (due)
        gst_gemma4_embedder_free(set_embedder(self, NULL));
    g_mutex_unlock(&self->lock);
    if (due)
        GST_INFO_OBJECT(self, "weights given back until the next frame");
}

static void idle_expired(GstObject *owner)
{
    gst_element_call_async(GST_ELEMENT(owner), unload, NULL, NULL);
}

/* ------------------------------------------------------------------------------------------
 * A frame, on the thread that computes
 */

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
    update_activation_bytes(self);

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
    *moved = computed && add_latency(self, total);
    GST_LOG_OBJECT(self,
                   "frame %" G_GUINT64_FORMAT ", pts %" GST_TIME_FORMAT
                   ": %u x %u in %" G_GUINT64_FORMAT " ns%s",
                   job->frame, GST_TIME_ARGS(job->pts), vectors.rows, vectors.cols, total,
                   vectors.reused ? ", reused" : "");
    return TRUE;
}

/* Adds the frame's GstGemma4Embedding to `results`. FALSE: one error was posted. */
static gboolean process(GstGemma4Embed *self, GstGemma4Job *job, GPtrArray *results)
{
    g_autoptr(GError) error = NULL;
    gboolean moved = FALSE;

    g_mutex_lock(&self->lock);
    gboolean ok = ensure_embedder(self, &error) && embed(self, job, results, &moved, &error);
    g_mutex_unlock(&self->lock);
    gst_gemma4_idle_touch(&self->idle);
    if (moved)
        post_latency(self);
    if (!ok) {
        GST_OBJECT_LOCK(self);
        self->stats.failed++;
        GST_OBJECT_UNLOCK(self);
        post_message(self, GST_MESSAGE_ERROR, error);
    }
    return ok;
}

static void post_embeddings(GstGemma4Embed *self, const GstGemma4Job *job, const GPtrArray *results)
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
    return process(user, item, results);
}

static void async_done(gpointer item, const GPtrArray *results, gpointer user)
{
    post_embeddings(user, item, results);
}

static const GstGemma4AsyncFuncs async_funcs = {
    .work = async_work,
    .done = async_done,
    .free_item = (void (*)(gpointer))gst_gemma4_job_free,
    .ref_result = (gpointer(*)(gpointer))gst_gemma4_embedding_ref,
    .unref_result = (void (*)(gpointer))gst_gemma4_embedding_unref,
};

/* ------------------------------------------------------------------------------------------
 * Start and stop
 */

/* What the properties alone rule out. */
static gboolean check_settings(GstGemma4Embed *self, const GstGemma4Settings *settings)
{
    GstGemma4MetaTypes missing = settings->meta_types & ~GST_GEMMA4_META_AVAILABLE;

    if (!settings->model || !*settings->model) {
        GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND,
                          ("model: not set; expected the path of a checkpoint"), (NULL));
        return FALSE;
    }
    if (missing) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS,
                          ("meta-types: %s is not in this build%s",
                           missing & GST_GEMMA4_META_TENSOR ? "tensor" : "analytics",
                           missing & GST_GEMMA4_META_TENSOR ? ", it needs GStreamer 1.26" : ""),
                          (NULL));
        return FALSE;
    }
    return TRUE;
}

static gboolean stop(GstBaseTransform *base)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    g_autofree gchar *wanted = gst_gemma4_swap_stop(&self->swap);

    gst_gemma4_idle_stop(&self->idle);
    GST_OBJECT_LOCK(self);
    GstGemma4Async *async = g_steal_pointer(&self->async);
    if (wanted) { /* as if it had been set after the stop */
        g_free(self->settings.model);
        self->settings.model = g_steal_pointer(&wanted);
    }
    gst_video_info_init(&self->info);
    GST_OBJECT_UNLOCK(self);
    gst_gemma4_async_free(async);

    g_mutex_lock(&self->lock);
    gst_gemma4_embedder_free(set_embedder(self, NULL));
    gst_gemma4_frame_clear(&self->frame);
    g_mutex_unlock(&self->lock);
    return TRUE;
}

/* lock held, against a load that is asked for meanwhile. */
static gboolean open_all(GstGemma4Embed *self)
{
    g_autoptr(GError) error = NULL;

    GST_OBJECT_LOCK(self);
    GstGemma4Settings settings = gst_gemma4_settings_copy(&self->settings);
    gst_gemma4_swap_start(&self->swap);
    GST_OBJECT_UNLOCK(self);

    gboolean ok = check_settings(self, &settings);
    GstGemma4Embedder *embedder = ok ? gst_gemma4_embedder_new(&settings, &error) : NULL;
    GstGemma4Async *async = NULL;
    if (embedder && settings.async)
        async = gst_gemma4_async_new(&async_funcs, self, &error);
    if (error) {
        post_message(self, GST_MESSAGE_ERROR, error);
        gst_gemma4_embedder_free(embedder);
        ok = FALSE;
    }
    if (ok) {
        GST_OBJECT_LOCK(self);
        self->embedder = embedder;
        self->async = async;
        self->meta_types = settings.meta_types;
        self->latency = 0;
        gst_gemma4_pick_reset(&self->pick);
        gst_gemma4_late_reset(&self->late);
        gst_gemma4_stats_reset(&self->stats, gst_gemma4_embedder_get_model(embedder),
                               gst_gemma4_embedder_get_model_bytes(embedder));
        GST_OBJECT_UNLOCK(self);
        gst_gemma4_timing_reset(&self->latencies);
        GST_INFO_OBJECT(self,
                        "%s: digest %s, precision %s, kernels %s, %" G_GUINT64_FORMAT " bytes",
                        settings.model, self->stats.digest, self->stats.precision,
                        self->stats.kernels, self->stats.model_bytes);
    }
    gst_gemma4_settings_clear(&settings);
    return ok;
}

/* The frame in work would be waited for. */
static GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
        set_cancelled(GST_GEMMA4_EMBED(element), TRUE);
    return GST_ELEMENT_CLASS(gst_gemma4_embed_parent_class)->change_state(element, transition);
}

static gboolean start(GstBaseTransform *base)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);

    g_mutex_lock(&self->lock);
    gboolean ok = open_all(self);
    g_mutex_unlock(&self->lock);
    if (ok)
        gst_gemma4_idle_start(&self->idle);
    else
        stop(base);
    return ok;
}

/* ------------------------------------------------------------------------------------------
 * Caps, queries and events
 */

/* Makes ready for the caps' pictures ahead of the first; `async` leaves that to its thread. */
static gboolean prepare_for_caps(GstGemma4Embed *self, const GstVideoInfo *info)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = TRUE, moved = FALSE;

    g_mutex_lock(&self->lock);
    if (self->embedder) {
        ok = gst_gemma4_embedder_prepare(self->embedder, info->width, info->height, &error);
        if (ok && self->latencies.count == 0)
            moved = warm_up(self, self->embedder, info->width, info->height);
        if (ok)
            update_activation_bytes(self);
    }
    g_mutex_unlock(&self->lock);
    if (moved)
        post_latency(self);
    if (!ok)
        post_message(self, GST_MESSAGE_ERROR, error);
    return ok;
}

static gboolean set_caps(GstBaseTransform *base, GstCaps *incaps, GstCaps *outcaps)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    GstVideoInfo info;

    if (!gst_video_info_from_caps(&info, incaps) || !info.finfo->unpack_func) {
        g_autofree gchar *text = gst_caps_to_string(incaps);
        GST_ELEMENT_ERROR(self, CORE, NEGOTIATION, ("not caps of raw video: %s", text), (NULL));
        return FALSE;
    }
    GST_OBJECT_LOCK(self);
    self->info = info;
    gboolean async = self->async != NULL;
    GST_OBJECT_UNLOCK(self);
    return async || prepare_for_caps(self, &info);
}

static gboolean query(GstBaseTransform *base, GstPadDirection direction, GstQuery *q)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    GstClockTime min, max, ours;
    gboolean live;

    if (!GST_BASE_TRANSFORM_CLASS(gst_gemma4_embed_parent_class)->query(base, direction, q))
        return FALSE;
    if (GST_QUERY_TYPE(q) != GST_QUERY_LATENCY || direction != GST_PAD_SRC)
        return TRUE;

    gst_query_parse_latency(q, &live, &min, &max);
    if (live) {
        GST_OBJECT_LOCK(self);
        ours = self->latency;
        GST_OBJECT_UNLOCK(self);
        min += ours;
        if (GST_CLOCK_TIME_IS_VALID(max))
            max += ours;
        gst_query_set_latency(q, live, min, max);
    }
    return TRUE;
}

static void set_flushing(GstGemma4Embed *self, gboolean flushing)
{
    GST_OBJECT_LOCK(self);
    if (self->async)
        gst_gemma4_async_set_flushing(self->async, flushing);
    if (!flushing) {
        self->stretches++;
        gst_gemma4_pick_reset(&self->pick);
        gst_gemma4_late_reset(&self->late);
    }
    GST_OBJECT_UNLOCK(self);
}

/* The stream ends here: results for which no buffer is left go out alone. */
static void send_rest(GstGemma4Embed *self)
{
    g_autoptr(GPtrArray) results = self->async ? gst_gemma4_async_drain(self->async) : NULL;

    for (guint i = 0; results && i < results->len; i++)
        gst_pad_push_event(GST_BASE_TRANSFORM_SRC_PAD(self),
                           gst_event_new_gemma4_embedding(results->pdata[i]));
}

static gboolean sink_event(GstBaseTransform *base, GstEvent *event)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);

    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
        set_flushing(self, TRUE);
        set_cancelled(self, TRUE);
        break;
    case GST_EVENT_FLUSH_STOP:
        set_cancelled(self, FALSE);
        set_flushing(self, FALSE);
        break;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
    case GST_EVENT_STREAM_START: /* of another stream, to which they do not belong */
        send_rest(self);
        GST_OBJECT_LOCK(self);
        self->stretches++;
        GST_OBJECT_UNLOCK(self);
        break;
    default:
        break;
    }
    return GST_BASE_TRANSFORM_CLASS(gst_gemma4_embed_parent_class)->sink_event(base, event);
}

/* The base class's own QoS would drop the picture, too. */
static gboolean src_event(GstBaseTransform *base, GstEvent *event)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);

    if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) {
        gdouble proportion;
        GstClockTimeDiff diff;
        GstClockTime timestamp;

        gst_event_parse_qos(event, NULL, &proportion, &diff, &timestamp);
        GST_OBJECT_LOCK(self);
        gst_gemma4_late_update(&self->late, proportion, diff, timestamp);
        GST_OBJECT_UNLOCK(self);
    }
    return GST_BASE_TRANSFORM_CLASS(gst_gemma4_embed_parent_class)->src_event(base, event);
}

/* ------------------------------------------------------------------------------------------
 * A frame, on the streaming thread
 */
static void attach(GstGemma4Embed *self, GstBuffer *buffer, const GPtrArray *results)
{
    for (guint i = 0; i < results->len; i++) {
        GstGemma4Embedding *e = results->pdata[i];

        if (self->meta_types & GST_GEMMA4_META_OWN)
            gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                             gst_gemma4_embedding_ref(e));
#ifdef HAVE_GST_TENSOR_META
        if (self->meta_types & GST_GEMMA4_META_TENSOR)
            gst_gemma4_tensor_meta_append(
                buffer, gst_gemma4_embedding_get_id(e), gst_gemma4_embedding_get_data(e),
                gst_gemma4_embedding_get_rows(e), gst_gemma4_embedding_get_cols(e));
#endif
    }
}

/* What is known of a frame without its pixels. */
static void describe(GstGemma4Embed *self, GstBuffer *buffer, GstGemma4Job *job)
{
    const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;
    GstClockTime pts = GST_BUFFER_PTS(buffer);

    *job = (GstGemma4Job){
        .info = self->info,
        .pts = pts,
        .running_time = GST_CLOCK_TIME_NONE,
        .stream_time = GST_CLOCK_TIME_NONE,
        .utc = gst_gemma4_job_find_utc(buffer),
    };
    if (segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(pts)) {
        job->stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, pts);
        job->running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, pts);
    }
}

/* The frame is late and its embedding skipped. */
static void post_qos(GstGemma4Embed *self, GstBuffer *buffer, const GstGemma4Job *job,
                     GstClockTimeDiff jitter)
{
    GST_OBJECT_LOCK(self);
    gdouble proportion = self->late.proportion;
    guint64 processed = self->stats.embedded + self->stats.reused;
    guint64 skipped = self->stats.skipped_late;
    GST_OBJECT_UNLOCK(self);

    GST_DEBUG_OBJECT(self, "frame %" G_GUINT64_FORMAT " is late by %" GST_STIME_FORMAT, job->frame,
                     GST_STIME_ARGS(jitter));
    GstMessage *message =
        gst_message_new_qos(GST_OBJECT(self), FALSE, job->running_time, job->stream_time, job->pts,
                            GST_BUFFER_DURATION(buffer));
    gst_message_set_qos_values(message, jitter, proportion, 1000000);
    gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, processed, skipped);
    gst_element_post_message(GST_ELEMENT(self), message);
}

/* Counts the frame and decides whether it is embedded. */
static gboolean choose(GstGemma4Embed *self, GstBuffer *buffer, GstGemma4Job *job)
{
    gboolean chosen = FALSE, late = FALSE;
    GstClockTimeDiff jitter = 0;

    GST_OBJECT_LOCK(self);
    const GstGemma4Settings *settings = &self->settings;
    job->frame = self->stats.frames++;
    job->stretch = self->stretches;
    job->normalize = settings->normalize;
    job->post_messages = settings->post_messages;
    job->reuse_threshold = settings->reuse_threshold;
    switch (gst_gemma4_pick_frame(&self->pick, settings->inference_interval, settings->max_rate_n,
                                  settings->max_rate_d, job->stream_time)) {
    case GST_GEMMA4_PICK_SKIP_INTERVAL:
        self->stats.skipped_interval++;
        break;
    case GST_GEMMA4_PICK_SKIP_RATE:
        self->stats.skipped_rate++;
        break;
    case GST_GEMMA4_PICK_EMBED:
        late = settings->late_policy == GST_GEMMA4_LATE_SKIP &&
               gst_gemma4_late_is_late(&self->late, job->running_time, &jitter);
        if (late) {
            self->stats.skipped_late++;
        } else if (self->async && !gst_gemma4_async_is_free(self->async)) {
            self->stats.dropped_async++;
        } else {
            gst_gemma4_pick_embedded(&self->pick, job->stream_time);
            chosen = TRUE;
        }
        break;
    }
    GST_OBJECT_UNLOCK(self);
    if (late)
        post_qos(self, buffer, job, jitter);
    return chosen;
}

static GstFlowReturn transform_ip(GstBaseTransform *base, GstBuffer *buffer)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    GstGemma4Job job;

    gst_gemma4_idle_touch(&self->idle);
    if (self->async) {
        g_autoptr(GPtrArray) results = gst_gemma4_async_take(self->async);

        if (results)
            attach(self, buffer, results);
        if (gst_gemma4_async_has_failed(self->async)) /* and has posted why */
            return GST_FLOW_ERROR;
    }
    describe(self, buffer, &job);
    if (!choose(self, buffer, &job))
        return GST_FLOW_OK;

    job.buffer = gst_buffer_ref(buffer);
    if (self->async) {
        gst_gemma4_async_give(self->async, gst_gemma4_job_copy(&job));
        return GST_FLOW_OK;
    }
    g_autoptr(GPtrArray) results =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);
    gboolean ok = process(self, &job, results);
    gst_clear_buffer(&job.buffer);
    if (!ok)
        return GST_FLOW_ERROR;
    attach(self, buffer, results);
    post_embeddings(self, &job, results);
    return GST_FLOW_OK;
}

/* ------------------------------------------------------------------------------------------
 * Properties
 */
static GstStructure *get_stats(GstGemma4Embed *self)
{
    GST_OBJECT_LOCK(self);
    GstStructure *structure = gst_gemma4_stats_to_structure(&self->stats);
    GST_OBJECT_UNLOCK(self);
    return structure;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(object);

    GST_OBJECT_LOCK(self);
    /* A model that is asked for while another runs is the property's value once it has taken
     * over. */
    gboolean known = (id == GST_GEMMA4_SETTING_MODEL &&
                      gst_gemma4_swap_request(&self->swap, g_value_get_string(value))) ||
                     gst_gemma4_settings_set(&self->settings, id, value);
    GST_OBJECT_UNLOCK(self);
    if (!known)
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    if (id == GST_GEMMA4_SETTING_IDLE_UNLOAD)
        gst_gemma4_idle_set_timeout(&self->idle, g_value_get_uint64(value));
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(object);

    if (id == PROP_STATS) {
        g_value_take_boxed(value, get_stats(self));
        return;
    }
    GST_OBJECT_LOCK(self);
    gboolean known = gst_gemma4_settings_get(&self->settings, id, value);
    GST_OBJECT_UNLOCK(self);
    if (!known)
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void finalize(GObject *object)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(object);

    gst_gemma4_settings_clear(&self->settings);
    gst_gemma4_stats_clear(&self->stats);
    gst_gemma4_swap_clear(&self->swap);
    gst_gemma4_idle_clear(&self->idle);
    g_mutex_clear(&self->lock);
    G_OBJECT_CLASS(gst_gemma4_embed_parent_class)->finalize(object);
}

static void gst_gemma4_embed_class_init(GstGemma4EmbedClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *base_class = GST_BASE_TRANSFORM_CLASS(klass);

    GST_DEBUG_CATEGORY_INIT(gemma4embed_debug, "gemma4embed", 0, "Gemma 4 vision encoder");

    object_class->set_property = set_property;
    object_class->get_property = get_property;
    object_class->finalize = finalize;
    gst_gemma4_settings_install(object_class);
    g_object_class_install_property(
        object_class, PROP_STATS,
        g_param_spec_boxed("stats", "Statistics",
                           "Counters of frames, times in nanoseconds (mean of all frames, "
                           "percentiles of the last 128), memory in bytes, and what runs",
                           GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));

    /**
     * GstGemma4Embed::model-updated:
     * @embed: the element
     * @model: the path that the property `model` now has
     *
     * A model that was set while another was in use has taken over; the next frame is computed
     * with it. Emitted on the thread that loaded it.
     *
     * Since: 0.1
     */
    signals[SIGNAL_MODEL_UPDATED] =
        g_signal_new("model-updated", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                     NULL, G_TYPE_NONE, 1, G_TYPE_STRING);

    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "Gemma 4 frame embedder", "Filter/Analyzer/Video",
        "Attaches embeddings of the frames, computed by the Gemma 4 vision encoder",
        "gst-gemma4 developers");

    element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
    base_class->start = GST_DEBUG_FUNCPTR(start);
    base_class->stop = GST_DEBUG_FUNCPTR(stop);
    base_class->set_caps = GST_DEBUG_FUNCPTR(set_caps);
    base_class->query = GST_DEBUG_FUNCPTR(query);
    base_class->sink_event = GST_DEBUG_FUNCPTR(sink_event);
    base_class->src_event = GST_DEBUG_FUNCPTR(src_event);
    base_class->transform_ip = GST_DEBUG_FUNCPTR(transform_ip);

    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_OUTPUT, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_META_TYPES, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_LATE_POLICY, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_RESIZE, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_PRECISION, 0);
}

static void gst_gemma4_embed_init(GstGemma4Embed *self)
{
    g_mutex_init(&self->lock);
    gst_gemma4_settings_init(&self->settings);
    gst_gemma4_swap_init(&self->swap, load_aside, self);
    gst_gemma4_idle_init(&self->idle, GST_OBJECT(self), idle_expired);
    gst_video_info_init(&self->info);
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
    gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE); /* GAP flags pass */
}
