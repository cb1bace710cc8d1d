/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed: the element. In place; the picture goes on untouched. Frames are computed on the
 * streaming thread, or on one of their own (async), by an embedder that can be swapped or put to
 * sleep between two of them. Its other files are listed in gstgemma4embedprivate.h.
 *
 * The base class does the rest: a buffer that others share is copied as metadata and references
 * to its memory; ALLOCATION queries go on to the peer, since the same memory does.
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
 * With `region=roi` each region of interest that an upstream element told
 * (#GstVideoRegionOfInterestMeta; from GStreamer 1.24 also each object detection in the
 * #GstAnalyticsRelationMeta) gets an embedding of its own, with `region=both` beside the whole
 * frame's, which comes first. Rectangles are in pixels of the frame and are clipped to it, those of
 * entries are fractions of the (cropped) picture. A region has the pixels that the whole frame,
 * converted to RGB, has there; in a format with subsampled chroma they differ a little from those
 * of a frame cropped before its conversion. `label` of an entry is the region's type or the
 * object's class; `region-id` the region's id, where it is not 0; `track` the `id` of its parameter
 * `object_id`, or of the tracking that is related to the object. An object that is there in both
 * forms is embedded once. #GstGemma4Embed:inference-interval, max-rate, late-policy and async
 * decide about a frame with all its regions; `embedded` and `reused` in the statistics count
 * vectors, the other counts frames; a window has whole frames alone.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 uridecodebin uri=file:///film.mp4 ! gemma4embed model=gemma-4-E2B-it ! \
 *   embeddingsink location=film.npy
 * ]|
 *
 * Since: 0.1
 */
#include "gstgemma4embedprivate.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>

GST_DEBUG_CATEGORY(gst_gemma4_embed_debug);
#define GST_CAT_DEFAULT gst_gemma4_embed_debug

enum {
    PROP_STATS = GST_GEMMA4_SETTING_END,
};

#define CAPS GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

G_DEFINE_TYPE(GstGemma4Embed, gst_gemma4_embed, GST_TYPE_BASE_TRANSFORM)

GST_ELEMENT_REGISTER_DEFINE(gemma4embed, "gemma4embed", GST_RANK_NONE, GST_TYPE_GEMMA4_EMBED)

/* ------------------------------------------------------------------------------------------
 * Start and stop
 */

/* The frame in work would be waited for. */
static GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
        gst_gemma4_embed_set_cancelled(GST_GEMMA4_EMBED(element), TRUE);
    return GST_ELEMENT_CLASS(gst_gemma4_embed_parent_class)->change_state(element, transition);
}

/* ------------------------------------------------------------------------------------------
 * Caps, queries and events
 */
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
    return async || gst_gemma4_embed_prepare(self, &info);
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
        gst_gemma4_tracks_reset(&self->tracks);
        self->flushes++;
        gst_gemma4_pick_reset(&self->pick);
        gst_gemma4_late_reset(&self->late);
    }
    GST_OBJECT_UNLOCK(self);
}

/* The stream ends here: results for which no buffer is left go out alone, and how many there were,
 * for those that did not get through. */
static void send_rest(GstGemma4Embed *self)
{
    g_autoptr(GPtrArray) results = self->async ? gst_gemma4_async_drain(self->async) : NULL;

    for (guint i = 0; results && i < results->len; i++)
        gst_pad_push_event(GST_BASE_TRANSFORM_SRC_PAD(self),
                           gst_event_new_gemma4_embedding(results->pdata[i]));
    GST_OBJECT_LOCK(self);
    GstEvent *count = gst_gemma4_series_count(&self->series, self->flushes);
    GST_OBJECT_UNLOCK(self);
    if (count)
        gst_pad_push_event(GST_BASE_TRANSFORM_SRC_PAD(self), count);
}

static gboolean sink_event(GstBaseTransform *base, GstEvent *event)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);

    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
        set_flushing(self, TRUE);
        gst_gemma4_embed_set_cancelled(self, TRUE);
        break;
    case GST_EVENT_FLUSH_STOP:
        gst_gemma4_embed_set_cancelled(self, FALSE);
        set_flushing(self, FALSE);
        break;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
    case GST_EVENT_STREAM_START: /* of another stream, to which they do not belong */
        send_rest(self);
        GST_OBJECT_LOCK(self);
        self->stretches++;
        gst_gemma4_tracks_reset(&self->tracks);
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
    gst_gemma4_tracks_clear(&self->tracks);
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

    GST_DEBUG_CATEGORY_INIT(gst_gemma4_embed_debug, "gemma4embed", 0, "Gemma 4 vision encoder");

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
    g_signal_new("model-updated", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, 1, G_TYPE_STRING);

    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "Gemma 4 frame embedder", "Filter/Analyzer/Video",
        "Attaches embeddings of the frames, computed by the Gemma 4 vision encoder",
        "gst-gemma4 developers");

    element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
    base_class->start = GST_DEBUG_FUNCPTR(gst_gemma4_embed_start);
    base_class->stop = GST_DEBUG_FUNCPTR(gst_gemma4_embed_stop);
    base_class->set_caps = GST_DEBUG_FUNCPTR(set_caps);
    base_class->query = GST_DEBUG_FUNCPTR(query);
    base_class->sink_event = GST_DEBUG_FUNCPTR(sink_event);
    base_class->src_event = GST_DEBUG_FUNCPTR(src_event);
    base_class->transform_ip = GST_DEBUG_FUNCPTR(gst_gemma4_embed_transform_ip);

    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_OUTPUT, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_META_TYPES, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_LATE_POLICY, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_REGIONS, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_RESIZE, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_PRECISION, 0);
}

static void gst_gemma4_embed_init(GstGemma4Embed *self)
{
    g_mutex_init(&self->lock);
    gst_gemma4_settings_init(&self->settings);
    gst_gemma4_tracks_init(&self->tracks);
    gst_gemma4_swap_init(&self->swap, gst_gemma4_embed_load_aside, G_OBJECT(self));
    gst_gemma4_idle_init(&self->idle, GST_OBJECT(self), gst_gemma4_embed_idle_expired);
    gst_video_info_init(&self->info);
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
    gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE); /* GAP flags pass */
}
