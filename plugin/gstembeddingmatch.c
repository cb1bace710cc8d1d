/* SPDX-License-Identifier: Apache-2.0 */
/**
 * SECTION:element-embeddingmatch
 * @title: embeddingmatch
 *
 * Compares the embeddings that buffers carry (#GstGemma4EmbeddingMeta) with sentences, example
 * pictures and vectors. The best #embeddingmatch:top-k scores of each embedding go on with the
 * buffer as #GstGemma4ScoreMeta, and as classifications of #GstAnalyticsRelationMeta where
 * GStreamer has it. A score is the cosine, or with #embeddingmatch:softmax a probability over all
 * labels.
 *
 * A label begins to match when its score reaches #embeddingmatch:threshold and is above that of
 * every negative label; it ends when the score falls more than #embeddingmatch:hysteresis below
 * either. Both are told by an element message `gemma4-match` with the fields `label` (string),
 * `score` (double: at the beginning that frame's, at the end the best of all), `start` and `end`
 * (uint64, PTS; `end` is none at the beginning) and `entering` (boolean); of a region also
 * `region-id` (string) and `track` (int64). Between two embeddings, and on buffers without one,
 * what matched goes on.
 *
 * The request pad `text` sends the labels that match by now, for each buffer of video one of text
 * with its time, or a GAP. Between it and an overlay belongs a queue.
 *
 * Labels that are set while the pipeline plays are embedded on another thread, each once; until
 * that is done the former ones are compared with, and where it fails, which is a warning, they
 * stay.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! gemma4embed model=DIR async=true ! \
 *   embeddingmatch name=m model=DIR labels="a person; an empty room" ! textoverlay name=t ! \
 *   videoconvert ! autovideosink m.text ! queue ! t.text_sink
 * ]|
 *
 * Since: 0.1
 */
#include "gstembeddingmatch.h"
#include "gstembeddingmatchanalytics.h"
#include "gstembeddingmatchsettings.h"
#include "gstembeddingmatchstate.h"
#include "gstembeddingmatchtext.h"
#include "gstembeddingvector.h"
#include "gstgemma4error.h"

#include <gst/gemma4/gstgemma4scoremeta.h>

GST_DEBUG_CATEGORY_STATIC(gst_embedding_match_debug);
#define GST_CAT_DEFAULT gst_embedding_match_debug

struct _GstEmbeddingMatch {
    GstElement parent;

    GstPad *sinkpad, *srcpad;

    /* under the object lock */
    GstPad *textpad; /* NULL unless it was requested */
    GstEmbeddingMatchSettings settings;
    gboolean started;              /* labels that are set are made by `builder` */
    gboolean dirty;                /* sources were set that no set was made of yet */
    GstEmbeddingMatchSet *newest;  /* the last that was made */
    GstEmbeddingMatchSet *pending; /* the same, until the stream has taken it */
    guint32 seqnum;                /* of the last seek, which comes from each pad */
    gboolean seek_result;

    /* from start to stop */
    GstEmbeddingMatchModel *model; /* NULL: none is set */
    GThreadPool *builder;          /* of one thread */
    gint cancelled;                /* atomic */

    /* of the streaming thread */
    GstSegment segment;
    guint width, height; /* of the video; 0 when it is none */
    gint fps_n, fps_d;
    GstEmbeddingMatchScorer scorer;
    GstEmbeddingMatchStates *states;
    gboolean *matches; /* [size of the set] */
    GArray *order;     /* of guint: labels, the best first */
    GPtrArray *batch;  /* of GstGemma4Score, borrowed: those of an embedding */
    GString *text;     /* what matches by now */
    GstClockTime end;  /* where the last buffer ended, or NONE */
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE(
    "text", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS(GST_EMBEDDING_MATCH_TEXT_CAPS));

G_DEFINE_TYPE(GstEmbeddingMatch, gst_embedding_match, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE(embeddingmatch, "embeddingmatch", GST_RANK_NONE,
                            GST_TYPE_EMBEDDING_MATCH)

/* ------------------------------------------------------------------------------------------
 * Messages
 */

/* One error or warning with the text of `error`. */
static void post(GstEmbeddingMatch *self, GstMessageType type, const GError *error)
{
    GQuark domain = GST_LIBRARY_ERROR;
    gint code = GST_LIBRARY_ERROR_FAILED;

    gst_gemma4_error_translate(error, &domain, &code);
    gst_element_message_full(GST_ELEMENT(self), type, domain, code, g_strdup(error->message), NULL,
                             __FILE__, GST_FUNCTION, __LINE__);
}

static void post_change(const GstEmbeddingMatchChange *change, gpointer data)
{
    GstElement *element = data;
    GstStructure *s = gst_structure_new(
        "gemma4-match", "label", G_TYPE_STRING, change->label, "score", G_TYPE_DOUBLE,
        change->score, "start", G_TYPE_UINT64, change->start, "end", G_TYPE_UINT64, change->end,
        "entering", G_TYPE_BOOLEAN, change->entering, NULL);

    if (!change->whole)
        gst_structure_set(s, "region-id", G_TYPE_STRING, change->region_id, "track", G_TYPE_INT64,
                          change->track, NULL);
    gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), s));
}

/* ------------------------------------------------------------------------------------------
 * Labels
 */

/* Takes the set as the one that the stream compares with. */
static void use_set(GstEmbeddingMatch *self, GstEmbeddingMatchSet *set)
{
    guint n = gst_embedding_match_set_get_size(set);

    gst_embedding_match_states_set_labels(self->states, set);
    gst_embedding_match_scorer_clear(&self->scorer);
    gst_embedding_match_scorer_init(&self->scorer, set);
    g_free(self->matches);
    self->matches = g_new0(gboolean, n);
    g_array_set_size(self->order, 0);
    for (guint i = 0; i < n; i++)
        if (!gst_embedding_match_set_is_negative(set, i))
            g_array_append_val(self->order, i);
    GST_DEBUG_OBJECT(self, "comparing with %u vectors", n);
}

static void describe(GstEmbeddingMatch *self)
{
    GST_OBJECT_LOCK(self);
    guint top_k = self->settings.top_k;
    GST_OBJECT_UNLOCK(self);
    gst_embedding_match_states_describe(self->states, top_k, self->text);
}

/* Labels that were set since, if they are ready. */
static void take_pending(GstEmbeddingMatch *self)
{
    GST_OBJECT_LOCK(self);
    GstEmbeddingMatchSet *set = g_steal_pointer(&self->pending);
    GST_OBJECT_UNLOCK(self);

    if (set == NULL)
        return;
    use_set(self, set);
    describe(self);
    gst_embedding_match_set_unref(set);
}

/* On the builder's thread: makes a set of what the properties say now. */
static void build(gpointer task, gpointer data)
{
    GstEmbeddingMatch *self = data;
    GstEmbeddingMatchSources sources;
    g_autoptr(GstEmbeddingMatchSet) before = NULL;
    g_autoptr(GError) error = NULL;

    GST_OBJECT_LOCK(self);
    gboolean dirty = self->dirty && self->started;
    self->dirty = FALSE;
    if (dirty) {
        gst_embedding_match_sources_copy(&sources, &self->settings.sources);
        before = gst_embedding_match_set_ref(self->newest);
    }
    GST_OBJECT_UNLOCK(self);
    if (!dirty) /* an earlier turn took this change along */
        return;

    GstEmbeddingMatchSet *set =
        gst_embedding_match_set_new(&sources, self->model, before, &self->cancelled, &error);
    gst_embedding_match_sources_clear(&sources);
    if (set == NULL) {
        if (!g_atomic_int_get(&self->cancelled))
            post(self, GST_MESSAGE_WARNING, error);
        return;
    }
    GST_OBJECT_LOCK(self);
    g_clear_pointer(&self->newest, gst_embedding_match_set_unref);
    g_clear_pointer(&self->pending, gst_embedding_match_set_unref);
    self->newest = set;
    self->pending = gst_embedding_match_set_ref(set);
    GST_OBJECT_UNLOCK(self);
}

/* ------------------------------------------------------------------------------------------
 * Scores
 */
static gint compare_labels(gconstpointer a, gconstpointer b, gpointer data)
{
    const gdouble *scores = data;
    guint x = *(const guint *)a, y = *(const guint *)b;

    if (scores[x] != scores[y])
        return scores[x] < scores[y] ? 1 : -1;
    return x < y ? -1 : x > y;
}

static GstGemma4Score *make_score(const GstEmbeddingMatch *self,
                                  const GstGemma4Embedding *embedding, guint label)
{
    GstGemma4ScoreParams params = {
        .label = gst_embedding_match_set_get_name(self->scorer.set, label),
        .score = self->scorer.scores[label],
        .match = self->matches[label],
        .frame = gst_gemma4_embedding_get_frame(embedding),
        .pts = gst_gemma4_embedding_get_pts(embedding),
        .region_id = gst_gemma4_embedding_get_region_id(embedding),
        .track = gst_gemma4_embedding_get_track(embedding),
    };

    gst_gemma4_embedding_get_region(embedding, &params.x, &params.y, &params.w, &params.h);
    return gst_gemma4_score_new(&params);
}

/* The best scores of the embedding that was scored last, onto `buffer`, which is writable. */
static void attach(GstEmbeddingMatch *self, GstBuffer *buffer, const GstGemma4Embedding *embedding,
                   guint top_k)
{
    guint n = top_k > 0 ? MIN(top_k, self->order->len) : self->order->len;
    GstGemma4ScoreMeta *meta = gst_buffer_add_gemma4_score_meta(buffer);

    g_array_sort_with_data(self->order, compare_labels, self->scorer.scores);
    g_ptr_array_set_size(self->batch, 0);
    for (guint i = 0; i < n; i++) {
        GstGemma4Score *score = make_score(self, embedding, g_array_index(self->order, guint, i));
        g_ptr_array_add(self->batch, score);
        gst_gemma4_score_meta_append(meta, score);
    }
#ifdef HAVE_GST_ANALYTICS
    gst_embedding_match_analytics_append(buffer, (GstGemma4Score *const *)self->batch->pdata,
                                         self->batch->len, self->width, self->height);
#endif
}

/* Scores an embedding, which came with `buffer` (NULL: alone), at that running time. FALSE after an
 * error. */
static gboolean match(GstEmbeddingMatch *self, const GstGemma4Embedding *embedding,
                      GstBuffer *buffer, GstClockTime time)
{
    g_autoptr(GError) error = NULL;

    GST_OBJECT_LOCK(self);
    gdouble threshold = self->settings.threshold;
    gdouble hysteresis = self->settings.hysteresis;
    gdouble temperature = self->settings.softmax ? self->settings.temperature : 0;
    guint top_k = self->settings.top_k;
    GST_OBJECT_UNLOCK(self);

    if (gst_embedding_match_set_get_size(self->scorer.set) == 0)
        return TRUE;
    if (!gst_embedding_match_scorer_run(&self->scorer, self->model, embedding, temperature,
                                        &error)) {
        if (error == NULL)
            return TRUE;
        post(self, GST_MESSAGE_ERROR, error);
        return FALSE;
    }
    gst_embedding_match_states_update(self->states, embedding, time, self->scorer.scores, threshold,
                                      hysteresis, self->matches);
    if (buffer != NULL)
        attach(self, buffer, embedding, top_k);
    return TRUE;
}

/* All embeddings on the buffer, which becomes writable. */
static gboolean match_all(GstEmbeddingMatch *self, GstBuffer **buffer)
{
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(*buffer);
    GstClockTime time = GST_CLOCK_TIME_NONE;
    gboolean ok = TRUE;

    if (self->segment.format == GST_FORMAT_TIME)
        time =
            gst_segment_to_running_time(&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(*buffer));
    gboolean changed = gst_embedding_match_states_expire(self->states, time);
    if (meta != NULL && gst_embedding_match_set_get_size(self->scorer.set) > 0) {
        *buffer = gst_buffer_make_writable(*buffer);
        meta = gst_buffer_get_gemma4_embedding_meta(*buffer);
        guint n = gst_gemma4_embedding_meta_get_n_entries(meta);
        for (guint i = 0; i < n && ok; i++)
            ok = match(self, gst_gemma4_embedding_meta_get_entry(meta, i), *buffer, time);
        changed = TRUE;
    }
    if (changed)
        describe(self);
    return ok;
}

/* ------------------------------------------------------------------------------------------
 * The stream
 */

/* The text pad, to be given back; NULL without one. */
static GstPad *get_textpad(GstEmbeddingMatch *self)
{
    GST_OBJECT_LOCK(self);
    GstPad *pad = self->textpad != NULL ? gst_object_ref(self->textpad) : NULL;
    GST_OBJECT_UNLOCK(self);
    return pad;
}

/* Of a buffer that does not say it: a frame of the rate that the caps have. */
static GstClockTime duration_of(const GstEmbeddingMatch *self, GstBuffer *buffer)
{
    if (GST_BUFFER_DURATION_IS_VALID(buffer))
        return GST_BUFFER_DURATION(buffer);
    return self->fps_n > 0 ? gst_util_uint64_scale_int(GST_SECOND, self->fps_d, self->fps_n)
                           : 40 * GST_MSECOND;
}

static void start_text(GstEmbeddingMatch *self, GstPad *pad)
{
    g_autoptr(GstEvent) video = gst_pad_get_sticky_event(self->sinkpad, GST_EVENT_STREAM_START, 0);

    gst_embedding_match_text_start(pad, video, &self->segment);
}

static GstFlowReturn push_text(GstEmbeddingMatch *self, GstClockTime pts, GstClockTime duration)
{
    g_autoptr(GstPad) pad = get_textpad(self);

    if (pad == NULL || self->segment.format != GST_FORMAT_TIME)
        return GST_FLOW_NOT_LINKED;
    start_text(self, pad);
    return gst_embedding_match_text_push(pad, self->text->str, pts, duration);
}

/* The video decides; of the text only what is a fault. */
static GstFlowReturn combine(GstFlowReturn video, GstFlowReturn text)
{
    if (text == GST_FLOW_NOT_NEGOTIATED || text == GST_FLOW_ERROR)
        return text;
    if ((video == GST_FLOW_NOT_LINKED || video == GST_FLOW_EOS) && text == GST_FLOW_OK)
        return GST_FLOW_OK;
    return video;
}

static GstFlowReturn gst_embedding_match_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(parent);
    GstClockTime pts = GST_BUFFER_PTS(buffer), duration = duration_of(self, buffer);

    take_pending(self);
    if (!match_all(self, &buffer)) {
        gst_buffer_unref(buffer);
        return GST_FLOW_ERROR;
    }
    if (GST_CLOCK_TIME_IS_VALID(pts))
        self->end = pts + duration;
    /* The text first: an overlay holds the picture until it has the text of its time. */
    GstFlowReturn text = push_text(self, pts, duration);
    return combine(gst_pad_push(self->srcpad, buffer), text);
}

static void take_caps(GstEmbeddingMatch *self, GstEvent *event)
{
    GstCaps *caps;
    gint width, height;

    gst_event_parse_caps(event, &caps);
    const GstStructure *s = gst_caps_get_structure(caps, 0);
    self->width = gst_structure_get_int(s, "width", &width) && width > 0 ? width : 0;
    self->height = gst_structure_get_int(s, "height", &height) && height > 0 ? height : 0;
    if (!gst_structure_get_fraction(s, "framerate", &self->fps_n, &self->fps_d) ||
        self->fps_n <= 0 || self->fps_d <= 0)
        self->fps_n = 0;
}

/* What matches ends, and nothing is known of the stream any more. */
static void forget_stream(GstEmbeddingMatch *self)
{
    if (self->states != NULL)
        gst_embedding_match_states_leave(self->states, self->end);
    g_string_truncate(self->text, 0);
    gst_segment_init(&self->segment, GST_FORMAT_UNDEFINED);
    self->end = GST_CLOCK_TIME_NONE;
}

/* What the text pad must hear of the video's events, before the video does. */
static void tell_text(GstEmbeddingMatch *self, GstEvent *event)
{
    g_autoptr(GstPad) pad = get_textpad(self);
    GstClockTime time, duration;

    if (pad == NULL)
        return;
    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
        gst_pad_push_event(pad, gst_event_ref(event));
        break;
    case GST_EVENT_STREAM_START:
        if (gst_pad_has_current_caps(pad))
            gst_embedding_match_text_restart(pad, event);
        break;
    case GST_EVENT_SEGMENT:
        if (gst_pad_has_current_caps(pad) && self->segment.format == GST_FORMAT_TIME)
            gst_pad_push_event(pad, gst_event_ref(event));
        break;
    case GST_EVENT_GAP:
        gst_event_parse_gap(event, &time, &duration);
        push_text(self, time, duration);
        break;
    case GST_EVENT_EOS:
        start_text(self, pad);
        gst_pad_push_event(pad, gst_event_ref(event));
        break;
    default:
        break;
    }
}

static gboolean gst_embedding_match_sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(parent);
    const GstGemma4Embedding *embedding = gst_event_get_gemma4_embedding(event);

    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS:
        take_caps(self, event);
        break;
    case GST_EVENT_SEGMENT:
        gst_event_copy_segment(event, &self->segment);
        break;
    case GST_EVENT_FLUSH_STOP:
        forget_stream(self);
        break;
    case GST_EVENT_EOS:
        take_pending(self);
        gst_embedding_match_states_leave(self->states, self->end);
        break;
    default:
        break;
    }
    if (embedding != NULL) {
        take_pending(self);
        if (!match(self, embedding, NULL, gst_gemma4_embedding_get_running_time(embedding))) {
            gst_event_unref(event);
            return FALSE;
        }
        describe(self);
    }
    tell_text(self, event);
    return gst_pad_event_default(pad, parent, event);
}

/* Of both source pads. A seek of the pipeline comes from each sink, but is one. */
static gboolean gst_embedding_match_src_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(parent);

    if (GST_EVENT_TYPE(event) == GST_EVENT_QOS && pad != self->srcpad) {
        gst_event_unref(event);
        return TRUE;
    }
    if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK)
        return gst_pad_event_default(pad, parent, event);

    guint32 seqnum = gst_event_get_seqnum(event);
    GST_OBJECT_LOCK(self);
    gboolean known = self->seqnum == seqnum;
    gboolean result = self->seek_result;
    self->seqnum = seqnum;
    GST_OBJECT_UNLOCK(self);
    if (known) {
        gst_event_unref(event);
        return result;
    }
    result = gst_pad_event_default(pad, parent, event);
    GST_OBJECT_LOCK(self);
    if (self->seqnum == seqnum)
        self->seek_result = result;
    GST_OBJECT_UNLOCK(self);
    return result;
}

/* Video and text both come of the sink pad, but only the video is what came in. */
static GstIterator *gst_embedding_match_iterate_links(GstPad *pad, GstObject *parent)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(parent);
    GValue value = G_VALUE_INIT;

    g_value_init(&value, GST_TYPE_PAD);
    g_value_set_object(&value, pad == self->sinkpad ? self->srcpad : self->sinkpad);
    GstIterator *it = gst_iterator_new_single(GST_TYPE_PAD, &value);
    g_value_unset(&value);
    return it;
}

/* ------------------------------------------------------------------------------------------
 * The text pad
 */
static GstPad *gst_embedding_match_request_new_pad(GstElement *element, GstPadTemplate *templ,
                                                   const gchar *name, const GstCaps *caps)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(element);
    GstPad *pad = gst_pad_new_from_template(templ, "text");

    gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(gst_embedding_match_src_event));
    gst_pad_set_iterate_internal_links_function(
        pad, GST_DEBUG_FUNCPTR(gst_embedding_match_iterate_links));
    GST_PAD_SET_ACCEPT_TEMPLATE(pad);
    gst_pad_use_fixed_caps(pad);

    GST_OBJECT_LOCK(self);
    gboolean taken = self->textpad != NULL;
    if (!taken)
        self->textpad = gst_object_ref(pad);
    GST_OBJECT_UNLOCK(self);
    if (taken) {
        gst_object_unref(gst_object_ref_sink(pad));
        return NULL;
    }
    gst_pad_set_active(pad, TRUE);
    gst_element_add_pad(element, pad);
    return pad;
}

static void gst_embedding_match_release_pad(GstElement *element, GstPad *pad)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(element);

    GST_OBJECT_LOCK(self);
    gboolean ours = self->textpad == pad;
    if (ours)
        self->textpad = NULL;
    GST_OBJECT_UNLOCK(self);
    if (!ours)
        return;
    gst_pad_set_active(pad, FALSE);
    gst_element_remove_pad(element, pad);
    gst_object_unref(pad);
}

/* ------------------------------------------------------------------------------------------
 * Start and stop
 */
static void stop(GstEmbeddingMatch *self)
{
    GST_OBJECT_LOCK(self);
    self->started = FALSE;
    GST_OBJECT_UNLOCK(self);
    g_atomic_int_set(&self->cancelled, TRUE);
    if (self->model != NULL)
        gst_embedding_match_model_cancel(self->model);
    if (self->builder != NULL)
        g_thread_pool_free(self->builder, TRUE, TRUE);
    self->builder = NULL;
    g_clear_pointer(&self->newest, gst_embedding_match_set_unref);
    g_clear_pointer(&self->pending, gst_embedding_match_set_unref);
    g_clear_pointer(&self->states, gst_embedding_match_states_free);
    forget_stream(self);
    gst_embedding_match_scorer_clear(&self->scorer);
    g_clear_pointer(&self->matches, g_free);
    g_array_set_size(self->order, 0);
    g_clear_pointer(&self->model, gst_embedding_match_model_free);
    self->width = self->height = 0;
    self->fps_n = 0;
}

static gboolean start(GstEmbeddingMatch *self)
{
    GstEmbeddingMatchSources sources;
    g_autoptr(GError) error = NULL;

    GST_OBJECT_LOCK(self);
    gst_embedding_match_sources_copy(&sources, &self->settings.sources);
    g_autofree gchar *path = g_strdup(self->settings.model);
    G4Precision precision = self->settings.precision;
    guint threads = self->settings.threads;
    self->dirty = FALSE;
    GST_OBJECT_UNLOCK(self);

    g_atomic_int_set(&self->cancelled, FALSE);
    if (path != NULL && *path != '\0')
        self->model = gst_embedding_match_model_new(path, precision, threads);
    if (self->model == NULL || gst_embedding_match_model_open(self->model, &error))
        self->newest = gst_embedding_match_set_new(&sources, self->model, NULL, NULL, &error);
    gst_embedding_match_sources_clear(&sources);
    if (self->newest == NULL) {
        post(self, GST_MESSAGE_ERROR, error);
        stop(self);
        return FALSE;
    }
    self->states = gst_embedding_match_states_new(post_change, self);
    use_set(self, self->newest);
    self->builder = g_thread_pool_new(build, self, 1, FALSE, NULL);

    GST_OBJECT_LOCK(self);
    self->started = TRUE;
    gboolean dirty = self->dirty; /* set while the first labels were made */
    GST_OBJECT_UNLOCK(self);
    if (dirty)
        g_thread_pool_push(self->builder, self, NULL);
    return TRUE;
}

static GstStateChangeReturn gst_embedding_match_change_state(GstElement *element,
                                                             GstStateChange transition)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(element);

    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !start(self))
        return GST_STATE_CHANGE_FAILURE;
    GstStateChangeReturn ret =
        GST_ELEMENT_CLASS(gst_embedding_match_parent_class)->change_state(element, transition);
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
        (transition == GST_STATE_CHANGE_READY_TO_PAUSED && ret == GST_STATE_CHANGE_FAILURE))
        stop(self);
    return ret;
}

/* ------------------------------------------------------------------------------------------
 * The object
 */
static void gst_embedding_match_set_property(GObject *object, guint id, const GValue *value,
                                             GParamSpec *pspec)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(object);

    GST_OBJECT_LOCK(self);
    GstEmbeddingMatchKind kind = gst_embedding_match_settings_set(&self->settings, id, value);
    if (kind == GST_EMBEDDING_MATCH_SOURCE) {
        self->dirty = TRUE;
        if (self->started)
            g_thread_pool_push(self->builder, self, NULL);
    }
    GST_OBJECT_UNLOCK(self);
    if (kind == GST_EMBEDDING_MATCH_UNKNOWN)
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_embedding_match_get_property(GObject *object, guint id, GValue *value,
                                             GParamSpec *pspec)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(object);

    GST_OBJECT_LOCK(self);
    GstEmbeddingMatchKind kind = gst_embedding_match_settings_get(&self->settings, id, value);
    GST_OBJECT_UNLOCK(self);
    if (kind == GST_EMBEDDING_MATCH_UNKNOWN)
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_embedding_match_dispose(GObject *object)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(object);

    if (self->textpad != NULL)
        gst_element_release_request_pad(GST_ELEMENT(self), self->textpad);
    G_OBJECT_CLASS(gst_embedding_match_parent_class)->dispose(object);
}

static void gst_embedding_match_finalize(GObject *object)
{
    GstEmbeddingMatch *self = GST_EMBEDDING_MATCH(object);

    gst_embedding_match_settings_clear(&self->settings);
    g_array_unref(self->order);
    g_ptr_array_unref(self->batch);
    g_string_free(self->text, TRUE);
    G_OBJECT_CLASS(gst_embedding_match_parent_class)->finalize(object);
}

static void gst_embedding_match_class_init(GstEmbeddingMatchClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);

    GST_DEBUG_CATEGORY_INIT(gst_embedding_match_debug, "embeddingmatch", 0,
                            "embeddings against sentences and examples");

    object_class->set_property = gst_embedding_match_set_property;
    object_class->get_property = gst_embedding_match_get_property;
    object_class->dispose = gst_embedding_match_dispose;
    object_class->finalize = gst_embedding_match_finalize;
    gst_embedding_match_settings_install(object_class);

    element_class->change_state = GST_DEBUG_FUNCPTR(gst_embedding_match_change_state);
    element_class->request_new_pad = GST_DEBUG_FUNCPTR(gst_embedding_match_request_new_pad);
    element_class->release_pad = GST_DEBUG_FUNCPTR(gst_embedding_match_release_pad);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_add_static_pad_template(element_class, &text_template);
    gst_element_class_set_static_metadata(
        element_class, "Embedding matcher", "Filter/Analyzer/Metadata",
        "Compares embeddings with sentences, example pictures and vectors, and tells what matches",
        "gst-gemma4 developers");
}

static void gst_embedding_match_init(GstEmbeddingMatch *self)
{
    self->sinkpad = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_match_chain));
    gst_pad_set_event_function(self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_match_sink_event));
    gst_pad_set_iterate_internal_links_function(
        self->sinkpad, GST_DEBUG_FUNCPTR(gst_embedding_match_iterate_links));
    GST_PAD_SET_PROXY_CAPS(self->sinkpad);
    GST_PAD_SET_PROXY_ALLOCATION(self->sinkpad);
    gst_element_add_pad(GST_ELEMENT(self), self->sinkpad);

    self->srcpad = gst_pad_new_from_static_template(&src_template, "src");
    gst_pad_set_event_function(self->srcpad, GST_DEBUG_FUNCPTR(gst_embedding_match_src_event));
    gst_pad_set_iterate_internal_links_function(
        self->srcpad, GST_DEBUG_FUNCPTR(gst_embedding_match_iterate_links));
    GST_PAD_SET_PROXY_CAPS(self->srcpad);
    gst_element_add_pad(GST_ELEMENT(self), self->srcpad);

    gst_embedding_match_settings_init(&self->settings);
    gst_segment_init(&self->segment, GST_FORMAT_UNDEFINED);
    self->order = g_array_new(FALSE, FALSE, sizeof(guint));
    self->batch = g_ptr_array_new();
    self->text = g_string_new(NULL);
    self->end = GST_CLOCK_TIME_NONE;
    self->seqnum = GST_SEQNUM_INVALID;
}
