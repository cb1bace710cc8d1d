/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed: map the frame, encode it, attach the vectors. In place and synchronous; the picture
 * goes on untouched.
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
#include "gstgemma4embedpick.h"
#include "gstgemma4embedsettings.h"
#include "gstgemma4embedtiming.h"
#include "gstgemma4embedtypes.h"
#include "gstgemma4frame.h"
#include "gstgemma4model.h"
#include "gstgemma4tensormeta.h"

GST_DEBUG_CATEGORY_STATIC(gemma4embed_debug);
#define GST_CAT_DEFAULT gemma4embed_debug

enum {
    PROP_STATS = GST_GEMMA4_SETTING_END,
};

typedef struct {
    guint64 frames, embedded, skipped_interval, skipped_rate, failed;
    GstGemma4Timing inference; /* the core's encode call */
    GstGemma4Timing element;   /* the rest of an embedded frame's time here */
    guint64 model_bytes, activation_bytes;
    gchar *precision, *kernels, *digest; /* owned; NULL before the first start */
} Stats;

struct _GstGemma4Embed {
    GstBaseTransform parent;

    /* Under the object lock. */
    GstGemma4Settings settings;
    Stats stats;
    GstClockTime latency; /* as reported; 0 before the first inference */

    /* From start to stop the streaming thread's. */
    GstGemma4Model *model;
    G4Encoder *encoder;
    GstGemma4Frame frame;
    GstGemma4Output output; /* pooled or tokens */
    GstGemma4MetaTypes meta_types;
    GstGemma4Pick pick;
    GstGemma4Timing latencies; /* whole time of embedded frames, the warm-up included */
    guint rows, cols;          /* soft tokens of the prepared size */
    float *tokens;             /* [rows, cols]; for pooled alone */
    gsize tokens_size;         /* floats allocated there */
};

#define CAPS GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

G_DEFINE_TYPE(GstGemma4Embed, gst_gemma4_embed, GST_TYPE_BASE_TRANSFORM)

GST_ELEMENT_REGISTER_DEFINE(gemma4embed, "gemma4embed", GST_RANK_NONE, GST_TYPE_GEMMA4_EMBED)

/* ------------------------------------------------------------------------------------------
 * Errors: one element error each, with the core's text.
 */
static void post_error(GstGemma4Embed *self, GError *error)
{
    GQuark domain = GST_RESOURCE_ERROR;
    gint code = GST_RESOURCE_ERROR_SETTINGS;

    switch ((G4Error)error->code) {
    case G4_ERROR_MISSING:
        code = GST_RESOURCE_ERROR_NOT_FOUND;
        break;
    case G4_ERROR_UNREADABLE:
        code = GST_RESOURCE_ERROR_OPEN_READ;
        break;
    case G4_ERROR_MALFORMED:
    case G4_ERROR_UNSUPPORTED:
    case G4_ERROR_SETTINGS:
        break;
    case G4_ERROR_FRAME:
        domain = GST_STREAM_ERROR;
        code = GST_STREAM_ERROR_FORMAT;
        break;
    }
    gst_element_message_full(GST_ELEMENT(self), GST_MESSAGE_ERROR, domain, code,
                             g_strdup(error->message), NULL, __FILE__, GST_FUNCTION, __LINE__);
}

/* ------------------------------------------------------------------------------------------
 * Start and stop
 */
static void free_stream(GstGemma4Embed *self)
{
    gst_gemma4_frame_clear(&self->frame);
    g_clear_pointer(&self->tokens, g_free);
    self->tokens_size = 0;
    self->rows = self->cols = 0;
    g_clear_pointer(&self->encoder, g4_encoder_free);
    g_clear_pointer(&self->model, gst_gemma4_model_release);
}

static void reset_stats(GstGemma4Embed *self, const G4Model *model)
{
    GST_OBJECT_LOCK(self);
    g_free(self->stats.precision);
    g_free(self->stats.kernels);
    g_free(self->stats.digest);
    self->stats = (Stats){
        .model_bytes = g4_model_get_bytes(model),
        .precision = g_strdup(g4_precision_name(g4_model_get_precision(model))),
        .kernels = g_strdup(g4_model_get_kernels(model)),
        .digest = g_strdup(g4_model_get_digest(model)),
    };
    self->latency = 0;
    GST_OBJECT_UNLOCK(self);
}

/* What the properties alone rule out. */
static gboolean check_settings(GstGemma4Embed *self, const GstGemma4Settings *settings)
{
    GstGemma4MetaTypes missing = settings->meta_types & ~GST_GEMMA4_META_AVAILABLE;

    if (!settings->model || !*settings->model) {
        GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND,
                          ("model: not set; expected the path of a checkpoint"), (NULL));
        return FALSE;
    }
    if (settings->output == GST_GEMMA4_OUTPUT_JOINT) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS,
                          ("output=joint: this build has no text encoder, so no joint vector; "
                           "expected auto, pooled or tokens"),
                          (NULL));
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

static gboolean start(GstBaseTransform *base)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    g_autoptr(GError) error = NULL;
    GstGemma4Settings settings;

    GST_OBJECT_LOCK(self);
    settings = self->settings;
    settings.model = g_strdup(settings.model);
    GST_OBJECT_UNLOCK(self);
    g_autofree gchar *path = settings.model;

    if (!check_settings(self, &settings))
        return FALSE;

    self->model = gst_gemma4_model_acquire(path, settings.precision, &error);
    if (self->model) {
        self->encoder = g4_encoder_new(gst_gemma4_model_get(self->model),
                                       &(G4EncoderOptions){
                                           .resize = settings.resize,
                                           .image_size = settings.image_size,
                                           .max_soft_tokens = settings.max_soft_tokens,
                                           .threads = settings.threads,
                                       },
                                       &error);
    }
    if (!self->encoder) {
        post_error(self, error);
        free_stream(self);
        return FALSE;
    }

    self->output = settings.output == GST_GEMMA4_OUTPUT_TOKENS ? GST_GEMMA4_OUTPUT_TOKENS
                                                               : GST_GEMMA4_OUTPUT_POOLED;
    self->meta_types = settings.meta_types;
    gst_gemma4_pick_reset(&self->pick);
    gst_gemma4_timing_reset(&self->latencies);
    reset_stats(self, gst_gemma4_model_get(self->model));
    GST_INFO_OBJECT(self, "%s: digest %s, precision %s, kernels %s, %" G_GUINT64_FORMAT " bytes",
                    path, self->stats.digest, self->stats.precision, self->stats.kernels,
                    self->stats.model_bytes);
    return TRUE;
}

static gboolean stop(GstBaseTransform *base)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);

    free_stream(self);
    GST_OBJECT_LOCK(self);
    self->stats.model_bytes = self->stats.activation_bytes = 0;
    GST_OBJECT_UNLOCK(self);
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * Size and latency
 */

/* Makes the encoder ready for pictures of this size. */
static gboolean prepare(GstGemma4Embed *self, guint width, guint height, GError **error)
{
    if (!g4_encoder_prepare(self->encoder, width, height, error))
        return FALSE;

    self->rows = g4_encoder_get_rows(self->encoder);
    self->cols = g4_encoder_get_cols(self->encoder);
    gsize n = (gsize)self->rows * self->cols;
    if (self->output == GST_GEMMA4_OUTPUT_POOLED && n > self->tokens_size) {
        g_free(self->tokens);
        self->tokens = g_try_new(float, n);
        self->tokens_size = self->tokens ? n : 0;
        if (!self->tokens) {
            g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                        "no memory for %u soft tokens of %u values", self->rows, self->cols);
            return FALSE;
        }
    }

    guint64 bytes = g4_encoder_get_bytes(self->encoder) + self->tokens_size * sizeof(float);
    GST_OBJECT_LOCK(self);
    self->stats.activation_bytes = bytes;
    GST_OBJECT_UNLOCK(self);
    return TRUE;
}

/* Takes the whole time of an inference into the latency, and tells the pipeline when that moved
 * by a quarter. */
static void add_latency(GstGemma4Embed *self, GstClockTime duration)
{
    gst_gemma4_timing_add(&self->latencies, duration);
    GstClockTime now = gst_gemma4_timing_percentile(&self->latencies, 95);

    GST_OBJECT_LOCK(self);
    GstClockTime reported = self->latency;
    gboolean moved = now > reported + reported / 4 || now < reported - reported / 4;
    if (moved)
        self->latency = now;
    GST_OBJECT_UNLOCK(self);

    if (moved) {
        GST_DEBUG_OBJECT(self, "latency %" GST_TIME_FORMAT ", was %" GST_TIME_FORMAT,
                         GST_TIME_ARGS(now), GST_TIME_ARGS(reported));
        gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
    }
}

/* One inference ahead of the first frame, so that the latency is known when the pipeline asks. */
static void warm_up(GstGemma4Embed *self, guint width, guint height)
{
    gsize row = (gsize)width * 3;
    g_autofree guint8 *black = g_try_malloc0(row);
    gsize n = (gsize)self->rows * self->cols;
    g_autofree float *tokens = g_try_new(float, n);

    if (!black || !tokens)
        return;
    GstClockTime begin = gst_util_get_timestamp();
    g4_encoder_load(self->encoder, &(G4Frame){
                                       .data = black,
                                       .stride = 0, /* every row is the same one */
                                       .width = width,
                                       .height = height,
                                       .format = G4_PIXELS_RGB,
                                   });
    g4_encoder_encode(self->encoder, tokens);
    add_latency(self, gst_util_get_timestamp() - begin);
}

static gboolean set_caps(GstBaseTransform *base, GstCaps *incaps, GstCaps *outcaps)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    g_autoptr(GError) error = NULL;
    GstVideoInfo info;

    if (!gst_video_info_from_caps(&info, incaps) || !info.finfo->unpack_func) {
        g_autofree gchar *text = gst_caps_to_string(incaps);
        GST_ELEMENT_ERROR(self, CORE, NEGOTIATION, ("not caps of raw video: %s", text), (NULL));
        return FALSE;
    }
    gst_gemma4_frame_set_info(&self->frame, &info);
    if (!prepare(self, info.width, info.height, &error)) {
        post_error(self, error);
        return FALSE;
    }
    if (self->latencies.count == 0)
        warm_up(self, info.width, info.height);

    guint width, height;
    g4_encoder_get_target(self->encoder, &width, &height);
    GST_DEBUG_OBJECT(self, "%s %dx%d resized to %ux%u, %u soft tokens", info.finfo->name,
                     info.width, info.height, width, height, self->rows);
    return TRUE;
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

static gboolean sink_event(GstBaseTransform *base, GstEvent *event)
{
    if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP)
        gst_gemma4_pick_reset(&GST_GEMMA4_EMBED(base)->pick);
    return GST_BASE_TRANSFORM_CLASS(gst_gemma4_embed_parent_class)->sink_event(base, event);
}

/* ------------------------------------------------------------------------------------------
 * A frame
 */

/* Nanoseconds since 1970 of a reference timestamp, NONE without one of a kind that tells. */
static GstClockTime find_utc(GstBuffer *buffer)
{
    const GstClockTime ntp_epoch = G_GUINT64_CONSTANT(2208988800) * GST_SECOND; /* RFC 5905 */
    GstReferenceTimestampMeta *meta;
    gpointer state = NULL;
    GstClockTime utc = GST_CLOCK_TIME_NONE;

    while ((meta = (GstReferenceTimestampMeta *)gst_buffer_iterate_meta_filtered(
                buffer, &state, GST_REFERENCE_TIMESTAMP_META_API_TYPE))) {
        const GstStructure *s = gst_caps_get_structure(meta->reference, 0);

        if (!GST_CLOCK_TIME_IS_VALID(meta->timestamp))
            continue;
        if (gst_structure_has_name(s, "timestamp/x-unix"))
            return meta->timestamp;
        if (gst_structure_has_name(s, "timestamp/x-ntp") && meta->timestamp >= ntp_epoch)
            utc = meta->timestamp - ntp_epoch;
    }
    return utc;
}

static void post_embedding(GstGemma4Embed *self, const GstGemma4EmbeddingParams *params,
                           GstClockTime stream_time, GstBuffer *values)
{
    GstStructure *s = gst_structure_new("gemma4-embedding", "id", G_TYPE_STRING, params->id,
                                        "frame", G_TYPE_UINT64, params->frame, "pts", G_TYPE_UINT64,
                                        params->pts, "stream-time", G_TYPE_UINT64, stream_time,
                                        "rows", G_TYPE_UINT, params->rows, "cols", G_TYPE_UINT,
                                        params->cols, "values", GST_TYPE_BUFFER, values, NULL);

    gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), s));
}

static void attach(GstGemma4Embed *self, GstBuffer *buffer, const GstGemma4EmbeddingParams *params,
                   GstBuffer *values)
{
    if (self->meta_types & GST_GEMMA4_META_OWN) {
        GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
        if (!meta)
            meta = gst_buffer_add_gemma4_embedding_meta(buffer);
        gst_gemma4_embedding_meta_append(meta,
                                         gst_gemma4_embedding_new(params, gst_buffer_ref(values)));
    }
#ifdef HAVE_GST_TENSOR_META
    if (self->meta_types & GST_GEMMA4_META_TENSOR)
        gst_gemma4_tensor_meta_append(buffer, params->id, values, params->rows, params->cols);
#endif
}

/* Runs the network on the loaded picture. Returns the vectors, float32 rows x cols; `encoded` is
 * the time of the core's call. */
static GstBuffer *compute(GstGemma4Embed *self, gboolean normalize, guint *rows,
                          GstClockTime *encoded)
{
    gboolean pooled = self->output == GST_GEMMA4_OUTPUT_POOLED;
    GstMapInfo map;

    *rows = pooled ? 1 : self->rows;
    GstBuffer *values =
        gst_buffer_new_allocate(NULL, (gsize)*rows * self->cols * sizeof(float), NULL);
    gst_buffer_map(values, &map, GST_MAP_WRITE);
    float *tokens = pooled ? self->tokens : (float *)map.data;

    GstClockTime begin = gst_util_get_timestamp();
    g4_encoder_encode(self->encoder, tokens);
    *encoded = gst_util_get_timestamp() - begin;

    if (pooled)
        g4_tokens_mean(tokens, self->rows, self->cols, normalize, (float *)map.data);
    gst_buffer_unmap(values, &map);
    return values;
}

/* Reads the picture into the encoder; the buffer is as it was and no longer in use. */
static gboolean load(GstGemma4Embed *self, GstBuffer *buffer, GError **error)
{
    G4Frame picture;

    if (!gst_gemma4_frame_map(&self->frame, buffer, &picture, error))
        return FALSE;
    gboolean ok = prepare(self, picture.width, picture.height, error);
    if (ok)
        g4_encoder_load(self->encoder, &picture);
    gst_gemma4_frame_unmap(&self->frame);
    return ok;
}

static GstFlowReturn transform_ip(GstBaseTransform *base, GstBuffer *buffer)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    const G4Model *model = gst_gemma4_model_get(self->model);
    GstClockTime begin = gst_util_get_timestamp();
    GstClockTime pts = GST_BUFFER_PTS(buffer);
    GstClockTime stream_time = GST_CLOCK_TIME_NONE, running_time = GST_CLOCK_TIME_NONE, encoded;
    g_autoptr(GError) error = NULL;

    if (base->segment.format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(pts)) {
        stream_time = gst_segment_to_stream_time(&base->segment, GST_FORMAT_TIME, pts);
        running_time = gst_segment_to_running_time(&base->segment, GST_FORMAT_TIME, pts);
    }

    GST_OBJECT_LOCK(self);
    guint64 frame = self->stats.frames++;
    gboolean normalize = self->settings.normalize;
    gboolean post_messages = self->settings.post_messages;
    GstGemma4PickResult picked =
        gst_gemma4_pick_frame(&self->pick, self->settings.inference_interval,
                              self->settings.max_rate_n, self->settings.max_rate_d, stream_time);
    if (picked == GST_GEMMA4_PICK_SKIP_INTERVAL)
        self->stats.skipped_interval++;
    else if (picked == GST_GEMMA4_PICK_SKIP_RATE)
        self->stats.skipped_rate++;
    GST_OBJECT_UNLOCK(self);
    if (picked != GST_GEMMA4_PICK_EMBED)
        return GST_FLOW_OK;

    if (!load(self, buffer, &error)) {
        GST_OBJECT_LOCK(self);
        self->stats.failed++;
        GST_OBJECT_UNLOCK(self);
        post_error(self, error);
        return GST_FLOW_ERROR;
    }

    GstGemma4EmbeddingParams params = GST_GEMMA4_EMBEDDING_PARAMS_INIT;
    g_autoptr(GstBuffer) values = compute(self, normalize, &params.rows, &encoded);
    gboolean pooled = self->output == GST_GEMMA4_OUTPUT_POOLED;
    params.id = pooled ? "gemma4-pooled" : "gemma4-tokens";
    params.cols = self->cols;
    params.frame = frame;
    params.pts = pts;
    params.running_time = running_time;
    params.utc = find_utc(buffer);
    params.model_name = g4_model_get_name(model);
    params.model_digest = g4_model_get_digest(model);
    params.normalized = pooled && normalize;
    attach(self, buffer, &params, values);
    if (post_messages)
        post_embedding(self, &params, stream_time, values);

    GstClockTime total = gst_util_get_timestamp() - begin;
    GST_OBJECT_LOCK(self);
    self->stats.embedded++;
    gst_gemma4_timing_add(&self->stats.inference, encoded);
    gst_gemma4_timing_add(&self->stats.element, total - encoded);
    GST_OBJECT_UNLOCK(self);
    add_latency(self, total);
    GST_LOG_OBJECT(self,
                   "frame %" G_GUINT64_FORMAT ", pts %" GST_TIME_FORMAT
                   ": %u x %u in %" G_GUINT64_FORMAT " ns",
                   frame, GST_TIME_ARGS(pts), params.rows, params.cols, total);
    return GST_FLOW_OK;
}

/* ------------------------------------------------------------------------------------------
 * Properties
 */
static GstStructure *get_stats(GstGemma4Embed *self)
{
    const Stats *s = &self->stats;

    GST_OBJECT_LOCK(self);
    GstStructure *structure = gst_structure_new(
        "application/x-gemma4-stats", "frames", G_TYPE_UINT64, s->frames, "embedded", G_TYPE_UINT64,
        s->embedded, "reused", G_TYPE_UINT64, G_GUINT64_CONSTANT(0), "skipped-interval",
        G_TYPE_UINT64, s->skipped_interval, "skipped-rate", G_TYPE_UINT64, s->skipped_rate,
        "skipped-late", G_TYPE_UINT64, G_GUINT64_CONSTANT(0), "dropped-async", G_TYPE_UINT64,
        G_GUINT64_CONSTANT(0), "failed", G_TYPE_UINT64, s->failed, "inference-mean", G_TYPE_UINT64,
        gst_gemma4_timing_mean(&s->inference), "inference-p50", G_TYPE_UINT64,
        gst_gemma4_timing_percentile(&s->inference, 50), "inference-p95", G_TYPE_UINT64,
        gst_gemma4_timing_percentile(&s->inference, 95), "inference-last", G_TYPE_UINT64,
        s->inference.last, "element-mean", G_TYPE_UINT64, gst_gemma4_timing_mean(&s->element),
        "model-bytes", G_TYPE_UINT64, s->model_bytes, "activation-bytes", G_TYPE_UINT64,
        s->activation_bytes, "precision", G_TYPE_STRING, s->precision, "kernels", G_TYPE_STRING,
        s->kernels, "digest", G_TYPE_STRING, s->digest, NULL);
    GST_OBJECT_UNLOCK(self);
    return structure;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(object);

    GST_OBJECT_LOCK(self);
    gboolean known = gst_gemma4_settings_set(&self->settings, id, value);
    GST_OBJECT_UNLOCK(self);
    if (!known)
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
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

    g_free(self->settings.model);
    g_free(self->stats.precision);
    g_free(self->stats.kernels);
    g_free(self->stats.digest);
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

    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "Gemma 4 frame embedder", "Filter/Analyzer/Video",
        "Attaches embeddings of the frames, computed by the Gemma 4 vision encoder",
        "gst-gemma4 developers");

    base_class->start = GST_DEBUG_FUNCPTR(start);
    base_class->stop = GST_DEBUG_FUNCPTR(stop);
    base_class->set_caps = GST_DEBUG_FUNCPTR(set_caps);
    base_class->query = GST_DEBUG_FUNCPTR(query);
    base_class->sink_event = GST_DEBUG_FUNCPTR(sink_event);
    base_class->transform_ip = GST_DEBUG_FUNCPTR(transform_ip);

    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_OUTPUT, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_META_TYPES, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_RESIZE, 0);
    gst_type_mark_as_plugin_api(GST_TYPE_GEMMA4_PRECISION, 0);
}

static void gst_gemma4_embed_init(GstGemma4Embed *self)
{
    gst_gemma4_settings_init(&self->settings);
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
    gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE); /* GAP flags pass */
}
