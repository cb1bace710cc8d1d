/* SPDX-License-Identifier: Apache-2.0 */
/**
 * SECTION:element-embeddingsink
 * @title: embeddingsink
 *
 * Writes each embedding that arrives, as a #GstGemma4EmbeddingMeta on a buffer or alone in a
 * `gemma4-embedding` event, to a file, once. Buffers without one pass unseen, so that any caps
 * will do.
 *
 * `format=jsonl` writes one JSON object a line, `format=npy` one NumPy array and the rest of each
 * record in LOCATION.jsonl. An existing file is replaced when the first embedding arrives, or at
 * the end of a stream without any: a pipeline that fails before leaves it as it was. A process
 * that is killed leaves what was written so far, readable.
 *
 * `format=sqlite` adds to a SQLite database, in at most one transaction a second; an embedding
 * whose stream, time, region and track are there already takes that one's place. Any number of
 * processes may write to and read from the database at the same time. Vectors that another model
 * made are an error, unless `replace=true` lets them give way.
 *
 * Nothing is lost silently: embeddings that were computed upstream and never got here, because a
 * leaky queue, a valve or a rate limiter dropped their buffers on the way, are counted in `missed`,
 * those that could not be written in `failed`, and a warning message says so at the end, with both
 * numbers and `written` in its details. What a flush or #embeddinggate keeps back is not missed.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=film.mp4 ! decodebin ! gemma4embed model=DIR ! \
 *   embeddingsink location=film.npy
 * ]|
 *
 * Since: 0.1
 */
#include "gstembeddingsink.h"
#include "gstembeddingsinkmissed.h"
#include "gstembeddingsinkwriter.h"

#include <gst/video/video.h>

GST_DEBUG_CATEGORY_STATIC(gst_embedding_sink_debug);
#define GST_CAT_DEFAULT gst_embedding_sink_debug

typedef enum {
    FORMAT_AUTO,
    FORMAT_JSONL,
    FORMAT_NPY,
    FORMAT_SQLITE,
} Format;

enum {
    PROP_0,
    PROP_LOCATION,
    PROP_FORMAT,
    PROP_STREAM,
    PROP_REPLACE,
    PROP_MAX_ROWS,
    PROP_MAX_AGE,
    PROP_WRITTEN,
    PROP_MISSED,
    PROP_FAILED,
    N_PROPS,
};

struct _GstEmbeddingSink {
    GstBaseSink parent;

    /* properties, under the object lock */
    gchar *location;
    Format format;
    gchar *stream;
    gboolean replace;
    guint64 max_rows;
    GstClockTime max_age;
    gboolean started; /* they are fixed */

    /* under it, too; they stay after the end, until the next start */
    GstEmbeddingSinkMissed missed;
    guint64 written, n_failed;
    guint64 told; /* missed and failed, when the message was posted */

    /* of the streaming thread, between start and stop */
    const GstEmbeddingSinkFormatFuncs *funcs;
    GstEmbeddingSinkWriter *writer; /* NULL before the first embedding */
    gboolean failed;                /* the error was posted, nothing more is written */
};

static GParamSpec *properties[N_PROPS];

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

G_DEFINE_TYPE(GstEmbeddingSink, gst_embedding_sink, GST_TYPE_BASE_SINK)
GST_ELEMENT_REGISTER_DEFINE(embeddingsink, "embeddingsink", GST_RANK_NONE, GST_TYPE_EMBEDDING_SINK)

#define FORMAT_TYPE (format_get_type())
static GType format_get_type(void)
{
    static gsize type;

    if (g_once_init_enter(&type)) {
        static const GEnumValue values[] = {
            {FORMAT_AUTO, "By the suffix of the location: .jsonl .npy .db .sqlite", "auto"},
            {FORMAT_JSONL, "JSON Lines, one object an embedding", "jsonl"},
            {FORMAT_NPY, "NumPy array, the rest of each record in LOCATION.jsonl", "npy"},
            {FORMAT_SQLITE, "SQLite database", "sqlite"},
            {0, NULL, NULL},
        };
        g_once_init_leave(&type, g_enum_register_static("GstEmbeddingSinkFormat", values));
    }
    return type;
}

/* Posts `error` once and remembers that nothing more is to be written. */
static void fail(GstEmbeddingSink *self, const GError *error)
{
    if (self->failed) {
        GST_WARNING_OBJECT(self, "after the first error: %s", error->message);
        return;
    }
    self->failed = TRUE;
    gst_element_message_full(GST_ELEMENT(self), GST_MESSAGE_ERROR, error->domain, error->code,
                             g_strdup(error->message), NULL, __FILE__, GST_FUNCTION, __LINE__);
}

static gboolean ensure_open(GstEmbeddingSink *self, GError **error)
{
    if (self->writer == NULL)
        self->writer = self->funcs->open(
            &(GstEmbeddingSinkSettings){
                .location = self->location,
                .replace = self->replace,
                .max_rows = self->max_rows,
                .max_age = self->max_age,
            },
            error);
    return self->writer != NULL;
}

/* What the records call this stream; NULL without a name. */
static gchar *stream_name(GstEmbeddingSink *self)
{
    return self->stream != NULL ? g_strdup(self->stream)
                                : gst_pad_get_stream_id(GST_BASE_SINK_PAD(self));
}

/* `lost` of those that counted as written are not in the file. */
static void count(GstEmbeddingSink *self, guint64 written, guint64 failed, guint64 lost)
{
    GST_OBJECT_LOCK(self);
    self->written += written - lost;
    self->n_failed += failed + lost;
    GST_OBJECT_UNLOCK(self);
}

static GstFlowReturn write_embedding(GstEmbeddingSink *self, const GstGemma4Embedding *embedding)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *stream = stream_name(self);

    if (self->failed) {
        count(self, 0, 1, 0);
        return GST_FLOW_ERROR;
    }
    if (ensure_open(self, &error) && self->funcs->write(self->writer, embedding, stream, &error)) {
        count(self, 1, 0, 0);
        GST_LOG_OBJECT(self, "wrote frame %" G_GUINT64_FORMAT,
                       gst_gemma4_embedding_get_frame(embedding));
        return GST_FLOW_OK;
    }
    count(self, 0, 1, 0);
    fail(self, error);
    return GST_FLOW_ERROR;
}

/* Tells of what is not in the file, unless that is told. */
static void tell(GstEmbeddingSink *self)
{
    GST_OBJECT_LOCK(self);
    const guint64 missed = self->missed.total, failed = self->n_failed, written = self->written;
    const gboolean news = missed + failed != self->told;
    self->told = missed + failed;
    GST_OBJECT_UNLOCK(self);
    if (!news)
        return;

    GString *text = g_string_new(NULL);
    g_string_printf(text, "%s: %" G_GUINT64_FORMAT " embeddings are in it", self->location,
                    written);
    if (missed > 0)
        g_string_append_printf(text,
                               "; %" G_GUINT64_FORMAT " were dropped on the way here, as a leaky "
                               "queue does",
                               missed);
    if (failed > 0)
        g_string_append_printf(text, "; %" G_GUINT64_FORMAT " could not be written", failed);
    gst_element_message_full_with_details(
        GST_ELEMENT(self), GST_MESSAGE_WARNING,
        failed > 0 ? GST_RESOURCE_ERROR : GST_STREAM_ERROR,
        failed > 0 ? GST_RESOURCE_ERROR_WRITE : GST_STREAM_ERROR_FAILED,
        g_string_free(text, FALSE), NULL, __FILE__, GST_FUNCTION, __LINE__,
        gst_structure_new("embeddings", "written", G_TYPE_UINT64, written, "missed", G_TYPE_UINT64,
                          missed, "failed", G_TYPE_UINT64, failed, NULL));
}

/* All that comes in, before GstBaseSink drops what is outside of the segment. */
static void arrived(GstEmbeddingSink *self, GstBuffer *buffer)
{
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    guint n = meta != NULL ? gst_gemma4_embedding_meta_get_n_entries(meta) : 0;

    GST_OBJECT_LOCK(self);
    for (guint i = 0; i < n; i++)
        gst_embedding_sink_missed_arrived(&self->missed,
                                          gst_gemma4_embedding_meta_get_entry(meta, i));
    GST_OBJECT_UNLOCK(self);
}

static GstPadProbeReturn on_data(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    GstEmbeddingSink *self = GST_EMBEDDING_SINK(GST_PAD_PARENT(pad));

    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        arrived(self, GST_PAD_PROBE_INFO_BUFFER(info));
    } else {
        GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
        for (guint i = 0; i < gst_buffer_list_length(list); i++)
            arrived(self, gst_buffer_list_get(list, i));
    }
    return GST_PAD_PROBE_OK;
}

static GstFlowReturn gst_embedding_sink_render(GstBaseSink *sink, GstBuffer *buffer)
{
    GstEmbeddingSink *self = GST_EMBEDDING_SINK(sink);
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    guint n = meta != NULL ? gst_gemma4_embedding_meta_get_n_entries(meta) : 0;
    GstFlowReturn flow = self->failed ? GST_FLOW_ERROR : GST_FLOW_OK;

    for (guint i = 0; i < n; i++)
        if (write_embedding(self, gst_gemma4_embedding_meta_get_entry(meta, i)) != GST_FLOW_OK)
            flow = GST_FLOW_ERROR;
    return flow;
}

static gboolean gst_embedding_sink_event(GstBaseSink *sink, GstEvent *event)
{
    GstEmbeddingSink *self = GST_EMBEDDING_SINK(sink);
    const GstGemma4Embedding *embedding = gst_event_get_gemma4_embedding(event);
    guint64 series, n;
    gint64 series_start;
    gboolean ok = TRUE;

    GST_OBJECT_LOCK(self);
    if (embedding != NULL)
        gst_embedding_sink_missed_arrived(&self->missed, embedding);
    else if (gst_event_parse_gemma4_embedding_count(event, &series, &series_start, &n))
        gst_embedding_sink_missed_expected(&self->missed, series, series_start, n);
    else if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP)
        gst_embedding_sink_missed_flushed(&self->missed);
    GST_OBJECT_UNLOCK(self);

    if (embedding != NULL) {
        ok = write_embedding(self, embedding) == GST_FLOW_OK;
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && !self->failed) {
        g_autoptr(GError) error = NULL;
        ok = ensure_open(self, &error) &&
             (self->funcs->flush == NULL || self->funcs->flush(self->writer, &error));
        if (!ok)
            fail(self, error);
        else
            tell(self);
    }
    if (!ok) {
        gst_event_unref(event);
        return FALSE;
    }
    return GST_BASE_SINK_CLASS(gst_embedding_sink_parent_class)->event(sink, event);
}

/* The pixels are not looked at, so any layout of them will do. */
static gboolean gst_embedding_sink_propose_allocation(GstBaseSink *sink, GstQuery *query)
{
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
    gst_query_add_allocation_meta(query, GST_VIDEO_CROP_META_API_TYPE, NULL);
    return TRUE;
}

static const GstEmbeddingSinkFormatFuncs *find_format(const gchar *location, Format format,
                                                      GError **error)
{
    static const struct {
        const gchar *suffix;
        Format format;
    } suffixes[] = {
        {".jsonl", FORMAT_JSONL},
        {".npy", FORMAT_NPY},
        {".db", FORMAT_SQLITE},
        {".sqlite", FORMAT_SQLITE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(suffixes) && format == FORMAT_AUTO; i++)
        if (g_str_has_suffix(location, suffixes[i].suffix))
            format = suffixes[i].format;
    switch (format) {
    case FORMAT_JSONL:
        return &gst_embedding_sink_jsonl;
    case FORMAT_NPY:
        return &gst_embedding_sink_npy;
    case FORMAT_SQLITE:
        return &gst_embedding_sink_sqlite;
    default:
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: the suffix tells no format, expected .jsonl, .npy, .db or .sqlite, or "
                    "the property format",
                    location);
        return NULL;
    }
}

static gboolean start(GstEmbeddingSink *self)
{
    g_autoptr(GError) error = NULL;

    GST_OBJECT_LOCK(self);
    self->started = TRUE;
    gst_embedding_sink_missed_start(&self->missed);
    self->written = self->n_failed = self->told = 0;
    GST_OBJECT_UNLOCK(self);

    self->failed = FALSE;
    if (self->location == NULL || *self->location == '\0')
        g_set_error(&error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                    "The property location is not set: no file to write to");
    else
        self->funcs = find_format(self->location, self->format, &error);
    if (error == NULL && self->funcs->check(self->location, &error))
        return TRUE;

    fail(self, error);
    GST_OBJECT_LOCK(self);
    self->started = FALSE;
    GST_OBJECT_UNLOCK(self);
    return FALSE;
}

static void stop(GstEmbeddingSink *self)
{
    g_autoptr(GError) error = NULL;
    guint64 lost = 0;

    if (self->writer != NULL && !self->funcs->close(self->writer, &lost, &error))
        fail(self, error);
    self->writer = NULL;
    count(self, 0, 0, lost);
    tell(self);
    GST_OBJECT_LOCK(self);
    self->started = FALSE;
    GST_OBJECT_UNLOCK(self);
}

/* GstBaseSink's own start and stop would do, but that it follows the error of a start that fails
 * by a second one without a cause. */
static GstStateChangeReturn gst_embedding_sink_change_state(GstElement *element,
                                                            GstStateChange transition)
{
    GstEmbeddingSink *self = GST_EMBEDDING_SINK(element);

    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !start(self))
        return GST_STATE_CHANGE_FAILURE;
    GstStateChangeReturn ret =
        GST_ELEMENT_CLASS(gst_embedding_sink_parent_class)->change_state(element, transition);
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
        (transition == GST_STATE_CHANGE_READY_TO_PAUSED && ret == GST_STATE_CHANGE_FAILURE))
        stop(self);
    return ret;
}

static void gst_embedding_sink_set_property(GObject *object, guint id, const GValue *value,
                                            GParamSpec *pspec)
{
    GstEmbeddingSink *self = GST_EMBEDDING_SINK(object);

    GST_OBJECT_LOCK(self);
    if (self->started) {
        GST_OBJECT_UNLOCK(self);
        GST_WARNING_OBJECT(self, "%s can be set in NULL and READY only", pspec->name);
        return;
    }
    switch (id) {
    case PROP_LOCATION:
        g_free(self->location);
        self->location = g_value_dup_string(value);
        break;
    case PROP_FORMAT:
        self->format = g_value_get_enum(value);
        break;
    case PROP_STREAM:
        g_free(self->stream);
        self->stream = g_value_dup_string(value);
        break;
    case PROP_REPLACE:
        self->replace = g_value_get_boolean(value);
        break;
    case PROP_MAX_ROWS:
        self->max_rows = g_value_get_uint64(value);
        break;
    case PROP_MAX_AGE:
        self->max_age = g_value_get_uint64(value);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_embedding_sink_get_property(GObject *object, guint id, GValue *value,
                                            GParamSpec *pspec)
{
    GstEmbeddingSink *self = GST_EMBEDDING_SINK(object);

    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROP_LOCATION:
        g_value_set_string(value, self->location);
        break;
    case PROP_FORMAT:
        g_value_set_enum(value, self->format);
        break;
    case PROP_STREAM:
        g_value_set_string(value, self->stream);
        break;
    case PROP_REPLACE:
        g_value_set_boolean(value, self->replace);
        break;
    case PROP_MAX_ROWS:
        g_value_set_uint64(value, self->max_rows);
        break;
    case PROP_MAX_AGE:
        g_value_set_uint64(value, self->max_age);
        break;
    case PROP_WRITTEN:
        g_value_set_uint64(value, self->written);
        break;
    case PROP_MISSED:
        g_value_set_uint64(value, self->missed.total);
        break;
    case PROP_FAILED:
        g_value_set_uint64(value, self->n_failed);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_embedding_sink_finalize(GObject *object)
{
    GstEmbeddingSink *self = GST_EMBEDDING_SINK(object);

    gst_embedding_sink_missed_clear(&self->missed);
    g_free(self->location);
    g_free(self->stream);
    G_OBJECT_CLASS(gst_embedding_sink_parent_class)->finalize(object);
}

static void gst_embedding_sink_class_init(GstEmbeddingSinkClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS(klass);

    GST_DEBUG_CATEGORY_INIT(gst_embedding_sink_debug, "embeddingsink", 0, "embeddings to a file");

    object_class->set_property = gst_embedding_sink_set_property;
    object_class->get_property = gst_embedding_sink_get_property;
    object_class->finalize = gst_embedding_sink_finalize;

    properties[PROP_LOCATION] = g_param_spec_string(
        "location", "Location",
        "File to write; replaced when the first embedding arrives, a database added to. Default: "
        "none, which is an error at start",
        NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    properties[PROP_FORMAT] = g_param_spec_enum(
        "format", "Format",
        "Format of the file. Default: auto, by the suffix of the location; a suffix that tells "
        "none is an error at start",
        FORMAT_TYPE, FORMAT_AUTO,
        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    properties[PROP_STREAM] = g_param_spec_string(
        "stream", "Stream",
        "Name of the stream in each record. Default: none, the stream-id that comes from upstream",
        NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    properties[PROP_REPLACE] = g_param_spec_boolean(
        "replace", "Replace",
        "sqlite: the first embedding deletes the vectors of another model. Default: false, they "
        "are an error",
        FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    properties[PROP_MAX_ROWS] = g_param_spec_uint64(
        "max-rows", "Max rows",
        "sqlite: the oldest embeddings beyond so many are deleted. Default: 0, none are", 0,
        G_MAXINT64, 0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    properties[PROP_MAX_AGE] = g_param_spec_uint64(
        "max-age", "Max age",
        "sqlite: nanoseconds; embeddings that are so much older than the newest of their stream "
        "are deleted, by UTC where it is known, else by PTS. Default: 0, none are",
        0, G_MAXINT64, 0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    properties[PROP_WRITTEN] = g_param_spec_uint64(
        "written", "Written",
        "Embeddings that were written since the start; of a database also those on their way "
        "there",
        0, G_MAXUINT64, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    properties[PROP_MISSED] = g_param_spec_uint64(
        "missed", "Missed",
        "Embeddings that were computed since the start and never got here: a leaky queue, a valve "
        "or a rate limiter dropped them. A warning message says so at the end",
        0, G_MAXUINT64, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    properties[PROP_FAILED] = g_param_spec_uint64(
        "failed", "Failed",
        "Embeddings that came here and could not be written. A warning message says so at the end",
        0, G_MAXUINT64, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object_class, N_PROPS, properties);
    gst_type_mark_as_plugin_api(FORMAT_TYPE, 0);

    element_class->change_state = GST_DEBUG_FUNCPTR(gst_embedding_sink_change_state);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_set_static_metadata(
        element_class, "Embedding file sink", "Sink/Metadata/File",
        "Writes the embeddings that buffers carry to a JSON Lines, NumPy or SQLite file",
        "gst-gemma4 developers");

    sink_class->render = GST_DEBUG_FUNCPTR(gst_embedding_sink_render);
    sink_class->event = GST_DEBUG_FUNCPTR(gst_embedding_sink_event);
    sink_class->propose_allocation = GST_DEBUG_FUNCPTR(gst_embedding_sink_propose_allocation);
}

static void gst_embedding_sink_init(GstEmbeddingSink *self)
{
    gst_pad_add_probe(GST_BASE_SINK_PAD(self),
                      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_data, NULL,
                      NULL);
    gst_base_sink_set_sync(GST_BASE_SINK(self), FALSE);
    /* A last sample would keep a whole picture, and perhaps a buffer of a small pool. */
    gst_base_sink_set_last_sample_enabled(GST_BASE_SINK(self), FALSE);
}
