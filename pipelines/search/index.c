/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-search index: films into a database, several at once.
 *
 *   uridecodebin ! queue ! videoconvert ! videoflip ! gemma4embed max-rate=RATE ! embeddingsink
 *
 * Behind the queue a probe turns the time of each frame into its stream time, what a player shows
 * and seeks to, so that this is what the index holds. It also is what goes on with a film that was
 * broken off: it has the source seek to the last embedded frame and lets no frame pass that belongs
 * to that one's period or to an earlier one. As gemma4embed takes the first frame of each period of
 * 1 / RATE, the frames that follow are the same as if nothing had happened.
 *
 * Of a live source the times go on by the wall clock from one run to the next.
 */
#include "options.h"
#include "progress.h"
#include "timecode.h"

#include <glib-unix.h>
#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/gst.h>
#include <stdatomic.h>
#include <string.h>

#define LONGEST_WAIT 30 /* seconds between two attempts at a live source */

typedef struct Index Index;

enum {
    RUNNING,
    MUST_SEEK, /* no frame passes before */
    SEEKING,
};

typedef struct {
    Index *index;
    char *given; /* as on the command line */
    StoreStream stream;
    GstElement *pipeline; /* NULL: not yet, or no more */
    GstPad *pad;          /* the probe's */
    guint watch, retry, wait;
    gboolean live, counted, over;

    /* of the streaming thread */
    _Atomic int state;
    gint64 resume; /* pts of the last frame there is; -1: from the beginning */
    GstSegment segment;
    gint64 offset; /* added to the stream time of a live source */
    gboolean has_offset;

    _Atomic gint64 position;  /* pts of the last embedding; -1: none */
    _Atomic guint64 embedded; /* in this run */
} Job;

struct Index {
    Options *options;
    Store *store;
    StoreModel description; /* what goes into the database with the first vector */
    gboolean described;
    int rate_n, rate_d;
    gboolean rate_given;
    int streams;
    gboolean replace, quiet;
    gint64 max_age; /* ns */
    GPtrArray *jobs;
    guint next, running;
    GMainLoop *loop;
    Progress *progress;
    gboolean interrupted, fatal;
    guint failed;
};

static void start_jobs(Index *index);
static void start_job(Job *job);

/* floor(time x rate), as gemma4embed's max-rate has it; every frame its own without a rate. */
static guint64 period(const Index *index, gint64 time)
{
    return index->rate_n == 0
               ? (guint64)time
               : gst_util_uint64_scale((guint64)time, (guint64)index->rate_n,
                                       (guint64)index->rate_d * GST_SECOND);
}

/* ------------------------------------------------------------------------------------------
 * Frames, in the streaming thread
 */
static gboolean seek(gpointer data)
{
    Job *job = data;
    int expected = MUST_SEEK;

    if (!job->pad || !atomic_compare_exchange_strong(&job->state, &expected, SEEKING))
        return G_SOURCE_REMOVE;
    GstEvent *event =
        gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
                           GST_SEEK_TYPE_SET, job->resume, GST_SEEK_TYPE_NONE, -1);
    /* What cannot seek is decoded from its beginning. */
    gst_pad_push_event(job->pad, event);
    atomic_store(&job->state, RUNNING);
    return G_SOURCE_REMOVE;
}

static GstPadProbeReturn on_event(Job *job, GstPadProbeInfo *info)
{
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
    GstSegment plain;
    int expected = SEEKING;

    /* Frames from here on are those behind the seek, whose call may not have returned yet. */
    if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP)
        atomic_compare_exchange_strong(&job->state, &expected, RUNNING);
    if (GST_EVENT_TYPE(event) != GST_EVENT_SEGMENT)
        return GST_PAD_PROBE_OK;
    gst_event_copy_segment(event, &job->segment);
    gst_segment_init(&plain, GST_FORMAT_TIME);
    GstEvent *replacement = gst_event_new_segment(&plain);
    gst_event_set_seqnum(replacement, gst_event_get_seqnum(event));
    gst_event_unref(event);
    GST_PAD_PROBE_INFO_DATA(info) = replacement;
    return GST_PAD_PROBE_OK;
}

/* The time of a live frame: that of the first one ever, and the wall clock's since. */
static gint64 live_time(Job *job, gint64 time, GstBuffer *buffer)
{
    gint64 now = g_get_real_time() * 1000;

    if (!job->has_offset) {
        job->has_offset = TRUE;
        job->offset = -time;
        if (job->stream.last >= 0 && job->stream.last_utc >= 0)
            job->offset += job->stream.last + MAX(now - job->stream.last_utc, GST_SECOND);
        else if (job->stream.last >= 0)
            job->offset += job->stream.last + GST_SECOND;
    }
    if (!gst_buffer_get_meta(buffer, GST_REFERENCE_TIMESTAMP_META_API_TYPE)) {
        g_autoptr(GstCaps) caps = gst_caps_new_empty_simple("timestamp/x-unix");
        gst_buffer_add_reference_timestamp_meta(buffer, caps, (GstClockTime)now,
                                                GST_CLOCK_TIME_NONE);
    }
    return MAX(0, time + job->offset);
}

static GstPadProbeReturn on_frame(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Job *job = data;

    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_BOTH)
        return on_event(job, info);

    int state = atomic_load(&job->state);
    if (state == MUST_SEEK)
        g_idle_add(seek, job);
    if (state != RUNNING)
        return GST_PAD_PROBE_DROP;

    GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    GstClockTime time = GST_BUFFER_PTS(buffer);
    if (GST_CLOCK_TIME_IS_VALID(time) && job->segment.format == GST_FORMAT_TIME)
        time = gst_segment_to_stream_time(&job->segment, GST_FORMAT_TIME, time);
    if (!GST_CLOCK_TIME_IS_VALID(time) || time > G_MAXINT64 / 2)
        time = 0; /* a picture: its only frame */
    gint64 pts = job->live ? live_time(job, (gint64)time, buffer) : (gint64)time;
    if (job->resume >= 0 && period(job->index, pts) <= period(job->index, job->resume))
        return GST_PAD_PROBE_DROP;
    GST_BUFFER_PTS(buffer) = (GstClockTime)pts;
    GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
    return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_embedded(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    const GstGemma4EmbeddingMeta *meta =
        gst_buffer_get_gemma4_embedding_meta(GST_PAD_PROBE_INFO_BUFFER(info));
    Job *job = data;

    if (meta && gst_gemma4_embedding_meta_get_n_entries(meta) > 0) {
        const GstGemma4Embedding *e = gst_gemma4_embedding_meta_get_entry(meta, 0);
        atomic_store(&job->position, (gint64)gst_gemma4_embedding_get_pts(e));
        atomic_fetch_add(&job->embedded, 1);
    }
    return GST_PAD_PROBE_OK;
}

/* ------------------------------------------------------------------------------------------
 * A film's pipeline
 */
static void drop_pipeline(Job *job)
{
    g_autoptr(GstBus) bus = NULL;

    if (!job->pipeline)
        return;
    bus = gst_element_get_bus(job->pipeline);
    gst_bus_remove_watch(bus);
    /* The sink commits what it has. */
    gst_element_set_state(job->pipeline, GST_STATE_NULL);
    while (g_idle_remove_by_data(job))
        ;
    g_clear_object(&job->pad);
    gst_clear_object(&job->pipeline);
}

static void give_up(Index *index, GError *error)
{
    index->fatal = TRUE;
    progress_print(index->progress, "gemma4-search: %s", error->message);
    g_error_free(error);
    g_main_loop_quit(index->loop);
}

static void describe(Index *index)
{
    GError *error = NULL;

    if (index->described)
        return;
    g_autoptr(StoreModel) model = store_get_model(index->store, NULL);
    if (model && !model->described && g_str_equal(model->kind, "joint") &&
        !index->description.text_digest) {
        g_autoptr(Embedder) embedder = options_embedder(index->options, NULL, NULL);
        index->description.text_digest = g_strdup(
            embedder ? embedder_text_digest(embedder, NULL) : NULL);
    }
    if (model && !index->description.precision) {
        for (guint i = 0; i < index->jobs->len; i++) {
            Job *job = index->jobs->pdata[i];
            g_autoptr(GstStructure) stats = NULL;
            if (!job->pipeline)
                continue;
            g_autoptr(GstElement) embed = gst_bin_get_by_name(GST_BIN(job->pipeline), "embed");
            g_object_get(embed, "stats", &stats, NULL);
            const char *name = stats ? gst_structure_get_string(stats, "precision") : NULL;
            if (name && *name) {
                index->description.precision = g_strdup(name);
                break;
            }
        }
    }
    if (model && !store_describe_model(index->store, &index->description, &index->described,
                                       &error))
        give_up(index, error);
}

/* The film is through, well or not. */
static void end_job(Job *job, const char *why)
{
    Index *index = job->index;
    guint64 n = atomic_load(&job->embedded);
    gint64 position = atomic_load(&job->position);
    GError *error = NULL;

    describe(index);
    drop_pipeline(job);
    index->running--;
    job->over = TRUE;
    if (why) {
        g_autofree char *at = position >= 0 ? timecode_format(position, 0) : NULL;
        index->failed++;
        progress_print(index->progress, "%s: %s%s: %s", job->given,
                       at ? "broken off at " : "skipped", at ? at : "", why);
        g_autoptr(StoreStream) known = store_find_stream(index->store, job->stream.name, NULL);
        if (known && known->n == 0 &&
            !store_forget_stream(index->store, known->id, FALSE, &error)) {
            give_up(index, error);
            return;
        }
    } else {
        job->stream.done = TRUE;
        if (!store_put_stream(index->store, &job->stream, &error)) {
            give_up(index, error);
            return;
        }
        progress_print(index->progress, "%s: %" G_GUINT64_FORMAT " embeddings%s", job->given, n,
                       job->resume >= 0 ? " more" : "");
    }
    start_jobs(index);
}

static gboolean try_again(gpointer data)
{
    Job *job = data;

    job->retry = 0;
    start_job(job);
    return G_SOURCE_REMOVE;
}

/* A live source went away: once more, at once, then after 1, 2, 4, ... seconds. */
static void lose_live(Job *job, const char *why)
{
    g_autoptr(StoreStream) known = NULL;

    job->wait = atomic_load(&job->position) >= 0 ? 0 : MIN(MAX(1, job->wait * 2), LONGEST_WAIT);
    progress_print(job->index->progress, "%s: lost (%s); next attempt in %u s", job->given, why,
                   job->wait);
    drop_pipeline(job);
    known = store_find_stream(job->index->store, job->stream.name, NULL);
    if (known) {
        job->stream.last = known->last;
        job->stream.last_utc = known->last_utc;
    }
    atomic_store(&job->position, -1);
    job->has_offset = FALSE;
    job->retry = g_timeout_add(MAX(200, job->wait * 1000), try_again, job);
}

/* Whose fault an error is: that of one film, or of the model or the database, so of all. */
static gboolean concerns_all(GstMessage *message, const GError *error)
{
    GstElement *element = GST_IS_ELEMENT(GST_MESSAGE_SRC(message))
                              ? GST_ELEMENT(GST_MESSAGE_SRC(message))
                              : NULL;
    GstElementFactory *factory = element ? gst_element_get_factory(element) : NULL;
    const char *name = factory ? GST_OBJECT_NAME(factory) : "";

    return g_str_equal(name, "embeddingsink") ||
           (g_str_equal(name, "gemma4embed") && error->domain != GST_STREAM_ERROR &&
            error->domain != GST_CORE_ERROR);
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data)
{
    Job *job = data;

    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
        if (job->live)
            lose_live(job, "it ended");
        else
            end_job(job, NULL);
        return G_SOURCE_REMOVE;
    case GST_MESSAGE_ERROR: {
        g_autoptr(GError) error = NULL;
        gst_message_parse_error(message, &error, NULL);
        if (concerns_all(message, error))
            give_up(job->index, g_steal_pointer(&error));
        else if (job->live)
            lose_live(job, error->message);
        else if (g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN))
            end_job(job, "no video in it, or no decoder for it is installed");
        else
            end_job(job, error->message);
        return G_SOURCE_REMOVE;
    }
    case GST_MESSAGE_ASYNC_DONE:
    case GST_MESSAGE_DURATION_CHANGED: {
        gint64 duration;
        if (!job->live && gst_element_query_duration(job->pipeline, GST_FORMAT_TIME, &duration) &&
            duration > 0)
            job->stream.duration = duration;
        return G_SOURCE_CONTINUE;
    }
    default:
        return G_SOURCE_CONTINUE;
    }
}

static void start_job(Job *job)
{
    Index *index = job->index;
    GError *error = NULL;

    /* caps and expose-all-streams: sound is not even decoded. */
    job->pipeline = gst_parse_launch_full(
        "uridecodebin name=source caps=video/x-raw(ANY) expose-all-streams=false "
        "! queue name=queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 "
        "! videoconvert dither=none name=first ! videoflip video-direction=auto "
        "! gemma4embed name=embed ! embeddingsink name=sink format=sqlite",
        NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    if (!job->pipeline) {
        if (g_error_matches(error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT)) {
            g_autofree char *text = g_steal_pointer(&error->message);
            error->message = g_strconcat(text, "; is it installed? In a source tree run this in "
                                               "meson devenv -C build -w .", NULL);
        }
        give_up(index, error);
        return;
    }
    if (!job->counted)
        index->running++;
    job->counted = TRUE;
    g_autoptr(GstElement) source = gst_bin_get_by_name(GST_BIN(job->pipeline), "source");
    g_autoptr(GstElement) queue = gst_bin_get_by_name(GST_BIN(job->pipeline), "queue");
    g_autoptr(GstElement) first = gst_bin_get_by_name(GST_BIN(job->pipeline), "first");
    g_autoptr(GstElement) embed = gst_bin_get_by_name(GST_BIN(job->pipeline), "embed");
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(job->pipeline), "sink");
    g_autoptr(GstPad) sink_pad = gst_element_get_static_pad(sink, "sink");
    g_autoptr(GstBus) bus = gst_element_get_bus(job->pipeline);

    g_object_set(source, "uri", job->stream.uri, NULL);
    g_object_set(embed, "model", index->description.path, "threads", index->options->threads,
                 "max-soft-tokens", index->description.max_soft_tokens, "max-rate", index->rate_n,
                 index->rate_d, NULL);
    gst_util_set_object_arg(G_OBJECT(embed), "precision",
                            g4_precision_name(index->options->precision));
    g_object_set(sink, "location", store_path(index->store), "stream", job->stream.name, "replace",
                 index->replace, "max-age", (guint64)index->max_age, NULL);

    gst_segment_init(&job->segment, GST_FORMAT_UNDEFINED);
    atomic_store(&job->state, job->resume >= 0 ? MUST_SEEK : RUNNING);
    job->pad = gst_element_get_static_pad(first, "sink");
    gst_pad_add_probe(job->pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                          GST_PAD_PROBE_TYPE_EVENT_FLUSH,
                      on_frame, job, NULL);
    gst_pad_add_probe(sink_pad, GST_PAD_PROBE_TYPE_BUFFER, on_embedded, job, NULL);
    gst_bus_add_watch(bus, on_message, job);

    if (gst_element_set_state(job->pipeline, GST_STATE_PAUSED) == GST_STATE_CHANGE_NO_PREROLL) {
        /* The newest frame alone waits for the encoder. */
        job->live = TRUE;
        job->resume = -1;
        atomic_store(&job->state, RUNNING);
        gst_util_set_object_arg(G_OBJECT(queue), "leaky", "downstream");
        g_object_set(queue, "max-size-buffers", 1, NULL);
    }
    gst_element_set_state(job->pipeline, GST_STATE_PLAYING);
}

static void start_jobs(Index *index)
{
    while (!index->fatal && index->next < index->jobs->len &&
           index->running < (guint)index->streams)
        start_job(index->jobs->pdata[index->next++]);
    if (index->running == 0)
        g_main_loop_quit(index->loop);
}

/* ------------------------------------------------------------------------------------------
 * Progress
 */
typedef struct {
    gint64 started; /* monotonic time of the first embedding; 0: none yet */
    gint64 done_then;
} Pace;

static gboolean tick(gpointer data)
{
    Index *index = data;
    static Pace pace;
    gint64 done = 0, known = 0, new_time = 0;
    guint unknown = 0, over = 0;
    guint64 embedded = 0;
    const char *name = "";

    describe(index);
    for (guint i = 0; i < index->jobs->len; i++) {
        const Job *job = index->jobs->pdata[i];
        gint64 from = MAX(job->resume, 0), at = MAX(atomic_load(&job->position), from);
        gint64 length = job->stream.duration;
        if (job->pipeline && !*name)
            name = job->given;
        over += job->over;
        embedded += atomic_load(&job->embedded);
        if (job->over)
            at = MAX(length, at);
        else if (length < 0)
            unknown++;
        known += MAX(length, at);
        done += at;
        new_time += at - from;
    }
    if (embedded == 0)
        return G_SOURCE_CONTINUE;
    gint64 now = g_get_monotonic_time();
    if (pace.started == 0) {
        pace.started = now;
        pace.done_then = new_time;
    }
    double seconds = (double)(now - pace.started) / G_USEC_PER_SEC;
    double speed = seconds > 2 ? (double)(new_time - pace.done_then) / 1e9 / seconds : 0;
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%u of %u films, %" G_GUINT64_FORMAT " frames", over,
                           index->jobs->len, embedded);
    if (seconds > 0.5)
        g_string_append_printf(text, ", %.1f/s", (double)embedded / (seconds + 0.2));
    if (speed > 0 && known > done && unknown < index->jobs->len) {
        double each = (double)known / (index->jobs->len - unknown); /* of one not opened yet */
        double left = ((double)(known - done) + unknown * each) / 1e9 / speed;
        g_autofree char *code = timecode_format((gint64)(left * 1e9), 0);
        g_string_append_printf(text, ", %s left", code);
    }
    g_string_append_printf(text, "  %s", name);
    progress_show(index->progress,
                  known > 0 && unknown == 0 ? (double)done / (double)known : -1, text->str);
    g_string_free(text, TRUE);
    return G_SOURCE_CONTINUE;
}

static gboolean interrupt(gpointer data)
{
    Index *index = data;

    index->interrupted = TRUE;
    g_main_loop_quit(index->loop);
    return G_SOURCE_CONTINUE;
}

/* ------------------------------------------------------------------------------------------
 * What is to be done
 */
static void job_free(gpointer data)
{
    Job *job = data;

    drop_pipeline(job);
    if (job->retry)
        g_source_remove(job->retry);
    g_free(job->stream.name);
    g_free(job->stream.uri);
    g_free(job->given);
    g_free(job);
}

/* Adds a job, unless the film is there already. FALSE and `error` where the database fails. */
static gboolean add_job(Index *index, const char *given, GError **error)
{
    g_autoptr(StoreStream) known = NULL;
    g_autoptr(GError) problem = NULL;
    Job *job = g_new0(Job, 1);

    job->index = index;
    job->given = g_strdup(given);
    job->stream.size = job->stream.mtime = job->stream.duration = -1;
    job->stream.last = job->stream.last_utc = -1;
    job->resume = -1;
    atomic_init(&job->position, -1);
    g_ptr_array_add(index->jobs, job);
    if (!store_resolve(given, &job->stream.name, &job->stream.uri, &problem)) {
        progress_print(index->progress, "skipped: %s", problem->message);
        index->failed++;
        g_ptr_array_set_size(index->jobs, (gint)index->jobs->len - 1);
        return TRUE;
    }
    for (guint i = 0; i + 1 < index->jobs->len; i++) {
        const Job *other = index->jobs->pdata[i];
        if (g_str_equal(other->stream.name, job->stream.name)) { /* named twice */
            g_ptr_array_set_size(index->jobs, (gint)index->jobs->len - 1);
            return TRUE;
        }
    }
    store_stat(job->stream.name, &job->stream.size, &job->stream.mtime);
    known = store_find_stream(index->store, job->stream.name, &problem);
    if (problem) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    if (known && !index->replace) {
        gboolean changed =
            known->size >= 0 && (known->size != job->stream.size ||
                                 known->mtime != job->stream.mtime);
        if (known->done && !changed) {
            progress_print(index->progress, "%s: already there, %" G_GUINT64_FORMAT " embeddings",
                           given, known->n);
            g_ptr_array_set_size(index->jobs, (gint)index->jobs->len - 1);
            return TRUE;
        }
        if (changed) {
            progress_print(index->progress, "%s: has changed, so it is indexed anew", given);
            if (!store_forget_stream(index->store, known->id, TRUE, error))
                return FALSE;
        } else {
            job->resume = known->last;
            job->stream.last = known->last;
            job->stream.last_utc = known->last_utc;
            job->stream.duration = known->duration;
        }
    }
    return store_put_stream(index->store, &job->stream, error);
}

static gboolean parse_rate(Index *index, const char *text)
{
    GValue value = G_VALUE_INIT;
    gboolean ok;
    char *end;

    g_value_init(&value, GST_TYPE_FRACTION);
    double number = g_ascii_strtod(text, &end);
    if (end != text && *end == '\0' && number >= 0 && number <= 1000) {
        gst_util_double_to_fraction(number, &index->rate_n, &index->rate_d);
        ok = number == 0 || index->rate_n > 0;
    } else {
        ok = gst_value_deserialize(&value, text) && gst_value_get_fraction_numerator(&value) >= 0;
        if (ok) {
            index->rate_n = gst_value_get_fraction_numerator(&value);
            index->rate_d = gst_value_get_fraction_denominator(&value);
        }
    }
    if (index->rate_n == 0)
        index->rate_d = 1;
    g_value_unset(&value);
    if (!ok)
        g_printerr("gemma4-search: --rate %s: not a number of frames a second\n", text);
    return ok;
}

/* The index's model is the default of what is not given, and must be what is. */
static gboolean settle_model(Index *index, GError **error)
{
    Options *options = index->options;
    g_autoptr(StoreModel) model = store_get_model(index->store, NULL);

    if (!options->model && model && model->path)
        options->model = g_strdup(model->path);
    if (!options->model) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_MISSING, "--model DIR is missing");
        return FALSE;
    }
    if (!index->rate_given && model && model->rate && !parse_rate(index, model->rate))
        parse_rate(index, "1");
    if (model && model->described && !index->replace) {
        if (options->max_soft_tokens == 0)
            options->max_soft_tokens = (int)model->max_soft_tokens;
        if ((guint)options->max_soft_tokens != model->max_soft_tokens) {
            g_set_error(error, STORE_ERROR, STORE_ERROR_FOREIGN,
                        "%s: made with --max-soft-tokens %u, not %d; --replace makes it anew",
                        store_path(index->store), model->max_soft_tokens,
                        options->max_soft_tokens);
            return FALSE;
        }
    }
    char *real = realpath(options->model, NULL);
    index->description.path = g_strdup(real ? real : options->model);
    free(real);
    index->description.max_soft_tokens = (guint)options->max_soft_tokens;
    index->description.rate = g_strdup_printf("%d/%d", index->rate_n, index->rate_d);
    return TRUE;
}

static gboolean open_all(Index *index, int argc, char **argv, GError **error)
{
    index->store = store_open(index->options->db, STORE_WRITE, error);
    if (!index->store || !settle_model(index, error))
        return FALSE;
    for (int i = 1; i < argc; i++)
        if (!add_job(index, argv[i], error))
            return FALSE;
    return TRUE;
}

int index_command(Options *options, int argc, char **argv)
{
    Index index = {.options = options, .streams = 1};
    g_autofree char *rate = NULL;
    double max_age = 0;
    GError *error = NULL;
    const GOptionEntry entries[] = {
        {"rate", 0, 0, G_OPTION_ARG_STRING, &rate,
         "Frames a second of film, 0 for all. Default: the index's, else 1", "R"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &index.streams, "So many at once. Default: 1", "N"},
        {"replace", 0, 0, G_OPTION_ARG_NONE, &index.replace,
         "Delete what another model made, and index these films anew", NULL},
        {"max-age", 0, 0, G_OPTION_ARG_DOUBLE, &max_age,
         "Of a live source, keep only so much", "SECONDS"},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &index.quiet, "No progress bar", NULL},
        G_OPTION_ENTRY_NULL,
    };

    if (!options_parse(options, entries, "VIDEO|URI...", &argc, &argv, 1, G_MAXINT, TRUE) ||
        !parse_rate(&index, rate ? rate : "1"))
        return EXIT_USAGE;
    index.rate_given = rate != NULL;
    if (index.streams < 1 || index.streams > 64 || max_age < 0 || max_age > 1e9) {
        g_printerr("gemma4-search: --streams is a number from 1 to 64, --max-age from 0\n");
        return EXIT_USAGE;
    }
    index.max_age = (gint64)(max_age * 1e9);
    index.jobs = g_ptr_array_new_with_free_func(job_free);
    index.loop = g_main_loop_new(NULL, FALSE);
    index.progress = progress_new(index.quiet);

    if (open_all(&index, argc, argv, &error)) {
        guint sources[] = {g_unix_signal_add(SIGINT, interrupt, &index),
                           g_unix_signal_add(SIGTERM, interrupt, &index),
                           g_timeout_add(250, tick, &index)};
        if (index.jobs->len > 0) {
            start_jobs(&index);
            if (index.running > 0 && !index.fatal)
                g_main_loop_run(index.loop);
        }
        for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
            g_source_remove(sources[i]);
    } else {
        index.fatal = TRUE;
        progress_print(index.progress, "gemma4-search: %s", error->message);
        g_error_free(error);
    }

    gboolean live = TRUE;
    for (guint i = 0; i < index.jobs->len; i++)
        live = live && ((Job *)index.jobs->pdata[i])->live;
    if (index.store)
        describe(&index);
    g_ptr_array_unref(index.jobs);
    if (!index.fatal && !index.described && index.store)
        describe(&index); /* the last rows were written just now */
    if (index.interrupted && !live)
        progress_print(index.progress, "interrupted; the same command goes on from here");
    progress_free(index.progress);
    g_main_loop_unref(index.loop);
    store_close(index.store);
    g_free(index.description.path);
    g_free(index.description.text_digest);
    g_free(index.description.precision);
    g_free(index.description.rate);
    if (index.interrupted && !live)
        return 130;
    return index.fatal || index.failed > 0 ? EXIT_SOME_FAILED : EXIT_FINE;
}
