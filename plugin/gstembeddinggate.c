/* SPDX-License-Identifier: Apache-2.0 */
/**
 * SECTION:element-embeddinggate
 * @title: embeddinggate
 *
 * Lets a buffer pass only when the embedding of its whole frame (#GstGemma4EmbeddingMeta) is
 * farther than #embeddinggate:threshold from that of the last one that passed, by cosine distance
 * (1 - cosine, 0..2); of soft tokens the mean is compared. The first frame passes, as does the
 * first after a flush and the first of another model or kind of embedding. With
 * #embeddinggate:max-interval a frame also passes when so much running time has gone by since the
 * last one did.
 *
 * What does not pass is dropped and becomes a GAP event, and so does a buffer without such an
 * embedding; the next that passes is marked DISCONT. With #embeddinggate:drop false every buffer
 * passes, and those that would have passed anyway are marked DISCONT.
 *
 * A change is also told to the application, by an element message `scene-change` with the fields
 * `pts` (uint64, of the frame that differs) and `distance` (double); a frame that passes as the
 * first, or by time, changes nothing and is not told. An embedding that comes alone in a
 * `gemma4-embedding` event is treated as one on a buffer.
 *
 * Nothing here depends on the clock: the same stream gives the same result at any speed.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 uridecodebin uri=file:///film.mp4 ! gemma4embed model=DIR ! embeddinggate ! \
 *   videoconvert ! jpegenc ! multifilesink location=shot%05d.jpg
 * ]|
 *
 * Since: 0.1
 */
#include "gstembeddinggate.h"
#include "gstembeddingvector.h"
#include "gstembeddingwithheld.h"

#include <string.h>

GST_DEBUG_CATEGORY_STATIC(gst_embedding_gate_debug);
#define GST_CAT_DEFAULT gst_embedding_gate_debug

enum {
    PROP_THRESHOLD = 1,
    PROP_MAX_INTERVAL,
    PROP_DROP,
};

/* Of embeddings that may be compared with each other. */
typedef struct {
    gchar *id, *digest; /* owned */
} Kind;

struct _GstEmbeddingGate {
    GstElement parent;

    GstPad *sinkpad, *srcpad;

    /* under the object lock */
    gdouble threshold;
    guint64 max_interval;
    gboolean drop;

    /* of the streaming thread */
    GstSegment segment;
    Kind kind;                /* of `passed` */
    GArray *passed;           /* of gfloat: the last that passed; length 0: none has */
    GArray *current;          /* of gfloat: the one looked at */
    GstClockTime passed_time; /* running time of the last that passed, or NONE */
    gboolean discont;         /* something was dropped since */
    GstEmbeddingWithheld withheld;
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

G_DEFINE_TYPE(GstEmbeddingGate, gst_embedding_gate, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE(embeddinggate, "embeddinggate", GST_RANK_NONE, GST_TYPE_EMBEDDING_GATE)

/* ------------------------------------------------------------------------------------------
 * The decision
 */
static gboolean kind_matches(const GstEmbeddingGate *self, const GstGemma4Embedding *embedding)
{
    return self->passed->len == gst_gemma4_embedding_get_cols(embedding) &&
           g_strcmp0(self->kind.id, gst_gemma4_embedding_get_id(embedding)) == 0 &&
           g_strcmp0(self->kind.digest, gst_gemma4_embedding_get_model_digest(embedding)) == 0;
}

static void set_kind(GstEmbeddingGate *self, const GstGemma4Embedding *embedding)
{
    g_free(self->kind.id);
    g_free(self->kind.digest);
    self->kind.id = g_strdup(gst_gemma4_embedding_get_id(embedding));
    self->kind.digest = g_strdup(gst_gemma4_embedding_get_model_digest(embedding));
}

/* The embedding of the whole frame: where there are several the newest, of the kind that passed
 * last if there is one. NULL without any. */
static const GstGemma4Embedding *find_whole(const GstEmbeddingGate *self, GstBuffer *buffer)
{
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    const GstGemma4Embedding *found = NULL;
    guint n = meta != NULL ? gst_gemma4_embedding_meta_get_n_entries(meta) : 0;

    for (guint i = n; i-- > 0;) {
        const GstGemma4Embedding *entry = gst_gemma4_embedding_meta_get_entry(meta, i);
        if (!gst_embedding_vector_is_whole(entry))
            continue;
        if (kind_matches(self, entry))
            return entry;
        if (found == NULL)
            found = entry;
    }
    return found;
}

static void post_change(GstEmbeddingGate *self, const GstGemma4Embedding *embedding,
                        gdouble distance)
{
    GstStructure *s = gst_structure_new("scene-change", "pts", G_TYPE_UINT64,
                                        gst_gemma4_embedding_get_pts(embedding), "distance",
                                        G_TYPE_DOUBLE, distance, NULL);

    gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), s));
}

/* Whether so much time has gone by that a frame passes though it does not differ. */
static gboolean is_due(const GstEmbeddingGate *self, guint64 max_interval, GstClockTime time)
{
    return max_interval > 0 && GST_CLOCK_TIME_IS_VALID(time) &&
           GST_CLOCK_TIME_IS_VALID(self->passed_time) && time >= self->passed_time &&
           time - self->passed_time >= max_interval;
}

/* Whether what `embedding` (NULL: none) comes with passes; it then is what the next ones are
 * compared with. `time` is its running time. */
static gboolean decide(GstEmbeddingGate *self, const GstGemma4Embedding *embedding,
                       GstClockTime time)
{
    if (embedding == NULL || !gst_embedding_vector_of(embedding, self->current))
        return FALSE;

    GST_OBJECT_LOCK(self);
    gdouble threshold = self->threshold;
    guint64 max_interval = self->max_interval;
    GST_OBJECT_UNLOCK(self);

    if (!kind_matches(self, embedding)) {
        set_kind(self, embedding);
    } else {
        gdouble distance = gst_embedding_vector_distance(
            (const gfloat *)(gconstpointer)self->current->data,
            (const gfloat *)(gconstpointer)self->passed->data, self->current->len);
        GST_LOG_OBJECT(self, "pts %" GST_TIME_FORMAT ": distance %f",
                       GST_TIME_ARGS(gst_gemma4_embedding_get_pts(embedding)), distance);
        if (distance > threshold)
            post_change(self, embedding, distance);
        else if (!is_due(self, max_interval, time))
            return FALSE;
    }
    GArray *passed = self->current;
    self->current = self->passed;
    self->passed = passed;
    self->passed_time = time;
    return TRUE;
}

/* The next frame is the first again. */
static void forget(GstEmbeddingGate *self)
{
    gst_embedding_withheld_clear(&self->withheld);
    g_array_set_size(self->passed, 0);
    self->passed_time = GST_CLOCK_TIME_NONE;
}

/* ------------------------------------------------------------------------------------------
 * Buffers and events
 */
static void mark_discont(GstBuffer **buffer)
{
    if (GST_BUFFER_IS_DISCONT(*buffer))
        return;
    *buffer = gst_buffer_make_writable(*buffer);
    GST_BUFFER_FLAG_SET(*buffer, GST_BUFFER_FLAG_DISCONT);
}

static GstFlowReturn gst_embedding_gate_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    GstEmbeddingGate *self = GST_EMBEDDING_GATE(parent);
    GstClockTime pts = GST_BUFFER_PTS(buffer), duration = GST_BUFFER_DURATION(buffer);
    GstClockTime time = GST_CLOCK_TIME_NONE;

    if (self->segment.format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(pts))
        time = gst_segment_to_running_time(&self->segment, GST_FORMAT_TIME, pts);
    gboolean passes = decide(self, find_whole(self, buffer), time);

    GST_OBJECT_LOCK(self);
    gboolean drop = self->drop;
    GST_OBJECT_UNLOCK(self);

    if (!passes && drop) {
        gst_embedding_withheld_add_all(&self->withheld, buffer);
        gst_buffer_unref(buffer);
        self->discont = TRUE;
        if (GST_CLOCK_TIME_IS_VALID(pts))
            gst_pad_push_event(self->srcpad, gst_event_new_gap(pts, duration));
        return GST_FLOW_OK;
    }
    if (self->discont || (passes && !drop))
        mark_discont(&buffer);
    self->discont = FALSE;
    return gst_pad_push(self->srcpad, gst_embedding_withheld_pass(&self->withheld, buffer));
}

/* An embedding that no buffer carries. Where it does not pass it goes the way of its frame. */
static gboolean take_embedding(GstEmbeddingGate *self, GstEvent *event)
{
    const GstGemma4Embedding *embedding = gst_event_get_gemma4_embedding(event);
    gboolean passes = gst_embedding_vector_is_whole(embedding) &&
                      decide(self, embedding, gst_gemma4_embedding_get_running_time(embedding));

    GST_OBJECT_LOCK(self);
    gboolean drop = self->drop;
    GST_OBJECT_UNLOCK(self);

    if (passes || !drop)
        return gst_pad_push_event(self->srcpad,
                                  gst_embedding_withheld_pass_event(&self->withheld, event));
    gst_embedding_withheld_add(&self->withheld, embedding);
    gst_event_unref(event);
    return TRUE;
}

static gboolean gst_embedding_gate_sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    GstEmbeddingGate *self = GST_EMBEDDING_GATE(parent);

    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT:
        gst_event_copy_segment(event, &self->segment);
        break;
    case GST_EVENT_FLUSH_STOP:
        gst_segment_init(&self->segment, GST_FORMAT_UNDEFINED);
        self->discont = FALSE;
        forget(self);
        break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
        if (gst_event_get_gemma4_embedding(event) != NULL)
            return take_embedding(self, event);
        event = gst_embedding_withheld_pass_event(&self->withheld, event);
        break;
    default:
        break;
    }
    return gst_pad_event_default(pad, parent, event);
}

/* ------------------------------------------------------------------------------------------
 * The element
 */
static GstStateChangeReturn gst_embedding_gate_change_state(GstElement *element,
                                                            GstStateChange transition)
{
    GstEmbeddingGate *self = GST_EMBEDDING_GATE(element);
    GstStateChangeReturn ret =
        GST_ELEMENT_CLASS(gst_embedding_gate_parent_class)->change_state(element, transition);

    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
        gst_segment_init(&self->segment, GST_FORMAT_UNDEFINED);
        self->discont = FALSE;
        forget(self);
    }
    return ret;
}

static void gst_embedding_gate_set_property(GObject *object, guint id, const GValue *value,
                                            GParamSpec *pspec)
{
    GstEmbeddingGate *self = GST_EMBEDDING_GATE(object);

    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROP_THRESHOLD:
        self->threshold = g_value_get_double(value);
        break;
    case PROP_MAX_INTERVAL:
        self->max_interval = g_value_get_uint64(value);
        break;
    case PROP_DROP:
        self->drop = g_value_get_boolean(value);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_embedding_gate_get_property(GObject *object, guint id, GValue *value,
                                            GParamSpec *pspec)
{
    GstEmbeddingGate *self = GST_EMBEDDING_GATE(object);

    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROP_THRESHOLD:
        g_value_set_double(value, self->threshold);
        break;
    case PROP_MAX_INTERVAL:
        g_value_set_uint64(value, self->max_interval);
        break;
    case PROP_DROP:
        g_value_set_boolean(value, self->drop);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_embedding_gate_finalize(GObject *object)
{
    GstEmbeddingGate *self = GST_EMBEDDING_GATE(object);

    gst_embedding_withheld_clear(&self->withheld);
    g_free(self->kind.id);
    g_free(self->kind.digest);
    g_array_unref(self->passed);
    g_array_unref(self->current);
    G_OBJECT_CLASS(gst_embedding_gate_parent_class)->finalize(object);
}

static void gst_embedding_gate_class_init(GstEmbeddingGateClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    const GParamFlags flags =
        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

    GST_DEBUG_CATEGORY_INIT(gst_embedding_gate_debug, "embeddinggate", 0, "gate for what differs");

    object_class->set_property = gst_embedding_gate_set_property;
    object_class->get_property = gst_embedding_gate_get_property;
    object_class->finalize = gst_embedding_gate_finalize;
    g_object_class_install_property(
        object_class, PROP_THRESHOLD,
        g_param_spec_double("threshold", "Threshold",
                            "Cosine distance (1 - cosine, 0..2) from the last frame that passed "
                            "above which a frame passes; default 0.05",
                            0, 2, 0.05, flags));
    g_object_class_install_property(
        object_class, PROP_MAX_INTERVAL,
        g_param_spec_uint64("max-interval", "Max interval",
                            "Running time in nanoseconds after which a frame passes though it "
                            "does not differ; default 0: never",
                            0, G_MAXUINT64, 0, flags));
    g_object_class_install_property(
        object_class, PROP_DROP,
        g_param_spec_boolean("drop", "Drop",
                             "Drop what does not pass, leaving a GAP event; false: everything "
                             "passes, with DISCONT on what would have; default true",
                             TRUE, flags));

    element_class->change_state = GST_DEBUG_FUNCPTR(gst_embedding_gate_change_state);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "Embedding gate", "Filter/Metadata",
        "Lets a frame pass when its embedding differs from that of the last one that passed",
        "gst-gemma4 developers");
}

static void gst_embedding_gate_init(GstEmbeddingGate *self)
{
    self->sinkpad = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_gate_chain));
    gst_pad_set_event_function(self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_gate_sink_event));
    GST_PAD_SET_PROXY_CAPS(self->sinkpad);
    GST_PAD_SET_PROXY_ALLOCATION(self->sinkpad);
    gst_element_add_pad(GST_ELEMENT(self), self->sinkpad);

    self->srcpad = gst_pad_new_from_static_template(&src_template, "src");
    GST_PAD_SET_PROXY_CAPS(self->srcpad);
    gst_element_add_pad(GST_ELEMENT(self), self->srcpad);

    self->threshold = 0.05;
    self->drop = TRUE;
    self->passed = g_array_new(FALSE, FALSE, sizeof(gfloat));
    self->current = g_array_new(FALSE, FALSE, sizeof(gfloat));
    gst_segment_init(&self->segment, GST_FORMAT_UNDEFINED);
    forget(self);
}
