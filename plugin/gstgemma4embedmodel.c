/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's model: opened at the start, swapped while playing, given back while no frame comes.
 */
#include "gstgemma4embedprivate.h"
#include "gstgemma4error.h"

#define GST_CAT_DEFAULT gst_gemma4_embed_debug

/* ------------------------------------------------------------------------------------------
 * Errors: one element message each, with the core's text
 */
void gst_gemma4_embed_post_error(GstGemma4Embed *self, GstMessageType type, const GError *error)
{
    GQuark domain = GST_RESOURCE_ERROR;
    gint code = GST_RESOURCE_ERROR_FAILED; /* no thread */

    gst_gemma4_error_translate(error, &domain, &code);
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

void gst_gemma4_embed_set_cancelled(GstGemma4Embed *self, gboolean cancelled)
{
    GST_OBJECT_LOCK(self);
    if (self->embedder)
        gst_gemma4_embedder_set_cancelled(self->embedder, cancelled);
    GST_OBJECT_UNLOCK(self);
}

gboolean gst_gemma4_embed_ensure_embedder(GstGemma4Embed *self, GError **error)
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

gboolean gst_gemma4_embed_add_latency(GstGemma4Embed *self, GstClockTime duration)
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

void gst_gemma4_embed_post_latency(GstGemma4Embed *self)
{
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

void gst_gemma4_embed_update_bytes(GstGemma4Embed *self)
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

    return duration > 0 && gst_gemma4_embed_add_latency(self, duration);
}

/* On the thread of `swap`. */
void gst_gemma4_embed_load_aside(const gchar *path, GObject *owner)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(owner);
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
        gst_gemma4_embed_post_error(self, GST_MESSAGE_WARNING, error);
        return;
    }

    GstClockTime duration =
        width > 0 && !async ? gst_gemma4_embedder_warm_up(embedder, width, height) : 0;
    g_mutex_lock(&self->lock);
    GstGemma4Embedder *old = set_embedder(self, embedder);
    gst_gemma4_timing_reset(&self->latencies);
    gboolean moved = duration > 0 && gst_gemma4_embed_add_latency(self, duration);
    GST_OBJECT_LOCK(self);
    g_free(self->settings.model);
    self->settings.model = g_strdup(path);
    gst_gemma4_tracks_reset(&self->tracks);
    GST_OBJECT_UNLOCK(self);
    g_mutex_unlock(&self->lock);

    gst_gemma4_embedder_free(old);
    if (moved)
        gst_gemma4_embed_post_latency(self);
    GST_INFO_OBJECT(self, "%s took over", path);
    g_object_notify(G_OBJECT(self), "model");
    g_signal_emit_by_name(self, "model-updated", path);
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

void gst_gemma4_embed_idle_expired(GstObject *owner)
{
    gst_element_call_async(GST_ELEMENT(owner), unload, NULL, NULL);
}

gboolean gst_gemma4_embed_prepare(GstGemma4Embed *self, const GstVideoInfo *info)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = TRUE, moved = FALSE;

    g_mutex_lock(&self->lock);
    if (self->embedder) {
        ok = gst_gemma4_embedder_prepare(self->embedder, info->width, info->height, &error);
        if (ok && self->latencies.count == 0)
            moved = warm_up(self, self->embedder, info->width, info->height);
        if (ok)
            gst_gemma4_embed_update_bytes(self);
    }
    g_mutex_unlock(&self->lock);
    if (moved)
        gst_gemma4_embed_post_latency(self);
    if (!ok)
        gst_gemma4_embed_post_error(self, GST_MESSAGE_ERROR, error);
    return ok;
}

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

gboolean gst_gemma4_embed_stop(GstBaseTransform *base)
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
        async = gst_gemma4_async_new(&gst_gemma4_embed_async_funcs, self, &error);
    if (error) {
        gst_gemma4_embed_post_error(self, GST_MESSAGE_ERROR, error);
        gst_gemma4_embedder_free(embedder);
        ok = FALSE;
    }
    if (ok) {
        GST_OBJECT_LOCK(self);
        self->embedder = embedder;
        self->async = async;
        self->meta_types = settings.meta_types;
        self->latency = 0;
        self->series = (GstGemma4Series){0};
        gst_gemma4_pick_reset(&self->pick);
        gst_gemma4_late_reset(&self->late);
        gst_gemma4_tracks_reset(&self->tracks);
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

gboolean gst_gemma4_embed_start(GstBaseTransform *base)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);

    g_mutex_lock(&self->lock);
    gboolean ok = open_all(self);
    g_mutex_unlock(&self->lock);
    if (ok)
        gst_gemma4_idle_start(&self->idle);
    else
        gst_gemma4_embed_stop(base);
    return ok;
}
