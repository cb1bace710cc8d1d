/* SPDX-License-Identifier: Apache-2.0 */
/**
 * SECTION:element-embeddingtensor
 * @title: embeddingtensor
 *
 * Sends each embedding that arrives, as a #GstGemma4EmbeddingMeta on a buffer or alone in a
 * `gemma4-embedding` event, as a buffer of its own with the time stamp of the frame that it was
 * computed from. By what the peer takes, that is
 *
 * - `other/tensors` as NNStreamer has it: raw float32 in native byte order, dimensions innermost
 *   first, or
 * - `application/x-json`: the line that embeddingsink writes.
 *
 * Caps, and with them the segment, go out with the first embedding, since only it tells the shape;
 * from then on a buffer without one becomes a GAP event. Another shape or frame rate is
 * negotiated anew.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=2 ! gemma4embed model=DIR ! embeddingtensor ! \
 *   application/x-json ! filesink location=/dev/stdout
 * ]|
 *
 * Since: 0.1
 */
#include "gstembeddingtensor.h"
#include "gstgemma4record.h"

#include <gst/video/video.h>

GST_DEBUG_CATEGORY_STATIC(gst_embedding_tensor_debug);
#define GST_CAT_DEFAULT gst_embedding_tensor_debug

struct _GstEmbeddingTensor {
    GstElement parent;

    GstPad *sinkpad, *srcpad;

    /* of the streaming thread */
    gint fps_n, fps_d; /* the video's, 0/1 when it has none */
    GQueue held;       /* sticky events that came before our caps and belong after them */
    guint rows, cols;  /* what the caps say; 0 before the first embedding */
    gboolean json;
    gboolean renegotiate;
    gboolean discont;
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("other/tensors, format = (string) static, num_tensors = (int) 1, "
                    "types = (string) float32, framerate = (fraction) [ 0/1, max ]; "
                    "application/x-json"));

G_DEFINE_TYPE(GstEmbeddingTensor, gst_embedding_tensor, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE(embeddingtensor, "embeddingtensor", GST_RANK_NONE,
                            GST_TYPE_EMBEDDING_TENSOR)

/* All that we can send for [rows, cols], the preferred first. NNStreamer compares the strings, and
 * its versions differ in how many trailing ones they write. */
static GstCaps *caps_for_shape(const GstEmbeddingTensor *self, guint rows, guint cols)
{
    GstCaps *caps = gst_caps_new_empty();

    for (guint rank = 4; rank >= (rows == 1 ? 1 : 2); rank--) {
        g_autoptr(GString) dimensions = g_string_new(NULL);
        g_string_append_printf(dimensions, "%u", cols);
        if (rank >= 2)
            g_string_append_printf(dimensions, ":%u", rows);
        for (guint i = 2; i < rank; i++)
            g_string_append(dimensions, ":1");
        gst_caps_append_structure(
            caps, gst_structure_new("other/tensors", "format", G_TYPE_STRING, "static",
                                    "num_tensors", G_TYPE_INT, 1, "types", G_TYPE_STRING, "float32",
                                    "dimensions", G_TYPE_STRING, dimensions->str, "framerate",
                                    GST_TYPE_FRACTION, self->fps_n, self->fps_d, NULL));
    }
    gst_caps_append_structure(caps, gst_structure_new_empty("application/x-json"));
    return caps;
}

/* Once they are out, what was held back for the caps follows. */
static void release_held(GstEmbeddingTensor *self)
{
    GstEvent *event;

    while ((event = g_queue_pop_head(&self->held)) != NULL)
        gst_pad_push_event(self->srcpad, event);
}

static GstFlowReturn negotiate(GstEmbeddingTensor *self, guint rows, guint cols)
{
    g_autoptr(GstCaps) ours = caps_for_shape(self, rows, cols);
    g_autoptr(GstCaps) theirs = gst_pad_peer_query_caps(self->srcpad, NULL);
    GstCaps *common = gst_caps_intersect_full(theirs, ours, GST_CAPS_INTERSECT_FIRST);

    if (!gst_caps_is_empty(common)) {
        common = gst_caps_fixate(common);
        GST_DEBUG_OBJECT(self, "sending %" GST_PTR_FORMAT, common);
        gboolean accepted = gst_pad_push_event(self->srcpad, gst_event_new_caps(common));
        if (accepted || !gst_pad_is_linked(self->srcpad)) {
            self->json =
                gst_structure_has_name(gst_caps_get_structure(common, 0), "application/x-json");
            self->rows = rows;
            self->cols = cols;
            self->renegotiate = FALSE;
            gst_caps_unref(common);
            release_held(self);
            return GST_FLOW_OK;
        }
    }
    gst_caps_unref(common);
    if (GST_PAD_IS_FLUSHING(self->srcpad))
        return GST_FLOW_FLUSHING;
    GST_ELEMENT_ERROR(self, CORE, NEGOTIATION,
                      ("Downstream does not take embeddings of shape [%u, %u].", rows, cols),
                      ("ours: %" GST_PTR_FORMAT ", the peer's: %" GST_PTR_FORMAT, ours, theirs));
    return GST_FLOW_NOT_NEGOTIATED;
}

/* A buffer with the embedding's values, whose memory is shared, or with its line of JSON. */
static GstBuffer *make_buffer(GstEmbeddingTensor *self, const GstGemma4Embedding *embedding)
{
    GstBuffer *out;

    if (self->json) {
        g_autofree gchar *stream = gst_pad_get_stream_id(self->sinkpad);
        GString *line = g_string_new(NULL);
        gst_gemma4_record_append(line, embedding, stream, GST_GEMMA4_RECORD_FULL);
        gsize size = line->len;
        out = gst_buffer_new_wrapped(g_string_free(line, FALSE), size);
    } else {
        out = gst_buffer_new();
        gst_buffer_copy_into(out, gst_gemma4_embedding_get_data(embedding), GST_BUFFER_COPY_MEMORY,
                             0, -1);
    }
    GST_BUFFER_PTS(out) = gst_gemma4_embedding_get_pts(embedding);
    GST_BUFFER_OFFSET(out) = gst_gemma4_embedding_get_frame(embedding);
    return out;
}

/* The wall-clock time of a frame goes with its embedding. */
static gboolean copy_reference_timestamp(GstBuffer *from, GstMeta **meta, gpointer to)
{
    if ((*meta)->info->api == GST_REFERENCE_TIMESTAMP_META_API_TYPE) {
        const GstReferenceTimestampMeta *time = (GstReferenceTimestampMeta *)*meta;
        gst_buffer_add_reference_timestamp_meta(to, time->reference, time->timestamp,
                                                time->duration);
    }
    return TRUE;
}

/* `from` is the buffer that the embedding came with, NULL for an event. */
static GstFlowReturn send(GstEmbeddingTensor *self, const GstGemma4Embedding *embedding,
                          GstBuffer *from)
{
    guint rows = gst_gemma4_embedding_get_rows(embedding);
    guint cols = gst_gemma4_embedding_get_cols(embedding);

    if (gst_pad_check_reconfigure(self->srcpad) || self->renegotiate || rows != self->rows ||
        cols != self->cols) {
        GstFlowReturn flow = negotiate(self, rows, cols);
        if (flow != GST_FLOW_OK) {
            gst_pad_mark_reconfigure(self->srcpad);
            return flow;
        }
    }

    GstBuffer *out = make_buffer(self, embedding);
    if (from != NULL && GST_BUFFER_PTS(from) == GST_BUFFER_PTS(out)) {
        GST_BUFFER_DURATION(out) = GST_BUFFER_DURATION(from);
        gst_buffer_foreach_meta(from, copy_reference_timestamp, out);
    }
    if (self->discont)
        GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DISCONT);
    self->discont = FALSE;
    return gst_pad_push(self->srcpad, out);
}

static GstFlowReturn gst_embedding_tensor_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    GstEmbeddingTensor *self = GST_EMBEDDING_TENSOR(parent);
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    guint n = meta != NULL ? gst_gemma4_embedding_meta_get_n_entries(meta) : 0;
    GstFlowReturn flow = GST_FLOW_OK;

    if (GST_BUFFER_IS_DISCONT(buffer))
        self->discont = TRUE;
    for (guint i = 0; i < n && flow == GST_FLOW_OK; i++)
        flow = send(self, gst_gemma4_embedding_meta_get_entry(meta, i), buffer);
    if (n == 0 && self->rows != 0 && GST_BUFFER_PTS_IS_VALID(buffer))
        gst_pad_push_event(self->srcpad,
                           gst_event_new_gap(GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer)));
    gst_buffer_unref(buffer);
    return flow;
}

/* The caps of the video tell the frame rate and are not passed on. */
static void take_caps(GstEmbeddingTensor *self, GstEvent *event)
{
    GstCaps *caps;
    gint n, d;

    gst_event_parse_caps(event, &caps);
    if (!gst_structure_get_fraction(gst_caps_get_structure(caps, 0), "framerate", &n, &d) ||
        n < 0 || d <= 0) {
        n = 0;
        d = 1;
    }
    if (n != self->fps_n || d != self->fps_d) {
        self->fps_n = n;
        self->fps_d = d;
        self->renegotiate = TRUE;
    }
}

/* Keeps the latest of its kind, as a pad does with its sticky events. */
static void hold(GstEmbeddingTensor *self, GstEvent *event)
{
    for (GList *l = self->held.head; l != NULL; l = l->next) {
        GstEvent *other = l->data;
        if (GST_EVENT_TYPE(other) == GST_EVENT_TYPE(event) &&
            ((GST_EVENT_TYPE(event) & GST_EVENT_TYPE_STICKY_MULTI) == 0 ||
             gst_event_has_name_id(other,
                                   gst_structure_get_name_id(gst_event_get_structure(event))))) {
            gst_event_unref(other);
            l->data = event;
            return;
        }
    }
    g_queue_push_tail(&self->held, event);
}

static void forget_held(GstEmbeddingTensor *self, gboolean segment_only)
{
    for (GList *l = self->held.head, *next; l != NULL; l = next) {
        next = l->next;
        if (segment_only && GST_EVENT_TYPE(l->data) != GST_EVENT_SEGMENT)
            continue;
        gst_event_unref(l->data);
        g_queue_delete_link(&self->held, l);
    }
}

static gboolean gst_embedding_tensor_sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    GstEmbeddingTensor *self = GST_EMBEDDING_TENSOR(parent);
    const GstGemma4Embedding *embedding = gst_event_get_gemma4_embedding(event);

    if (embedding != NULL) {
        GstFlowReturn flow = send(self, embedding, NULL);
        gst_event_unref(event);
        return flow == GST_FLOW_OK;
    }

    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS:
        take_caps(self, event);
        gst_event_unref(event);
        return TRUE;
    case GST_EVENT_GAP:
        if (self->rows == 0) { /* nothing may flow before the caps */
            gst_event_unref(event);
            return TRUE;
        }
        break;
    case GST_EVENT_FLUSH_STOP:
        forget_held(self, TRUE);
        self->discont = TRUE;
        break;
    case GST_EVENT_EOS:
        release_held(self);
        break;
    case GST_EVENT_STREAM_START:
        break;
    default:
        if (GST_EVENT_IS_STICKY(event) && self->rows == 0) {
            hold(self, event);
            return TRUE;
        }
    }
    return gst_pad_event_default(pad, parent, event);
}

static gboolean gst_embedding_tensor_sink_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
    switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS: {
        GstCaps *filter;
        GstCaps *caps = gst_pad_get_pad_template_caps(pad);
        gst_query_parse_caps(query, &filter);
        if (filter != NULL)
            gst_caps_replace(&caps, filter);
        gst_query_set_caps_result(query, caps);
        gst_caps_unref(caps);
        return TRUE;
    }
    case GST_QUERY_ACCEPT_CAPS:
        gst_query_set_accept_caps_result(query, TRUE);
        return TRUE;
    case GST_QUERY_ALLOCATION:
        /* The pixels are not looked at, so any layout of them will do. */
        gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
        gst_query_add_allocation_meta(query, GST_VIDEO_CROP_META_API_TYPE, NULL);
        return TRUE;
    default:
        return gst_pad_query_default(pad, parent, query);
    }
}

/* What we send does not follow from what we get: no proxying of caps. */
static gboolean gst_embedding_tensor_src_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
    GstCaps *filter;

    if (GST_QUERY_TYPE(query) != GST_QUERY_CAPS)
        return gst_pad_query_default(pad, parent, query);

    GstCaps *caps = gst_pad_get_pad_template_caps(pad);
    gst_query_parse_caps(query, &filter);
    if (filter != NULL) {
        GstCaps *filtered = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(caps);
        caps = filtered;
    }
    gst_query_set_caps_result(query, caps);
    gst_caps_unref(caps);
    return TRUE;
}

static void reset(GstEmbeddingTensor *self)
{
    forget_held(self, FALSE);
    self->fps_n = 0;
    self->fps_d = 1;
    self->rows = self->cols = 0;
    self->json = FALSE;
    self->renegotiate = FALSE;
    self->discont = TRUE;
}

static GstStateChangeReturn gst_embedding_tensor_change_state(GstElement *element,
                                                              GstStateChange transition)
{
    GstStateChangeReturn ret =
        GST_ELEMENT_CLASS(gst_embedding_tensor_parent_class)->change_state(element, transition);

    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
        reset(GST_EMBEDDING_TENSOR(element));
    return ret;
}

static void gst_embedding_tensor_finalize(GObject *object)
{
    forget_held(GST_EMBEDDING_TENSOR(object), FALSE);
    G_OBJECT_CLASS(gst_embedding_tensor_parent_class)->finalize(object);
}

static void gst_embedding_tensor_class_init(GstEmbeddingTensorClass *klass)
{
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);

    GST_DEBUG_CATEGORY_INIT(gst_embedding_tensor_debug, "embeddingtensor", 0,
                            "embeddings as buffers");

    G_OBJECT_CLASS(klass)->finalize = gst_embedding_tensor_finalize;
    element_class->change_state = GST_DEBUG_FUNCPTR(gst_embedding_tensor_change_state);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "Embedding to tensor converter", "Converter/Metadata",
        "Sends the embeddings that buffers carry as tensor buffers or as JSON lines",
        "gst-gemma4 developers");
}

static void gst_embedding_tensor_init(GstEmbeddingTensor *self)
{
    self->sinkpad = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_tensor_chain));
    gst_pad_set_event_function(self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_tensor_sink_event));
    gst_pad_set_query_function(self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_tensor_sink_query));
    gst_element_add_pad(GST_ELEMENT(self), self->sinkpad);

    self->srcpad = gst_pad_new_from_static_template(&src_template, "src");
    gst_pad_set_query_function(self->srcpad, GST_DEBUG_FUNCPTR(gst_embedding_tensor_src_query));
    gst_element_add_pad(GST_ELEMENT(self), self->srcpad);

    g_queue_init(&self->held);
    reset(self);
}
