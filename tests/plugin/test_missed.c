/* SPDX-License-Identifier: Apache-2.0
 *
 * What never reached embeddingsink, or could not be written, is counted and said once, at the end;
 * what was skipped, flushed or held back on purpose is not.
 */
#include "producer.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------
 * The sink alone, and embeddings with the numbers that a test wants
 */
typedef struct {
    GstHarness *h;
    gchar *path;
    gint64 start; /* of a series that began after the sink did */
} Sink;

static Sink sink_start_at(const gchar *location)
{
    Sink s = {.path = g_strdup(location)};
    GstElement *element = gst_element_factory_make("embeddingsink", NULL);
    g_autoptr(GstBus) bus = gst_bus_new();

    gst_element_set_bus(element, bus);
    g_object_set(element, "location", location, NULL);
    s.h = gst_harness_new_with_element(element, "sink", NULL);
    gst_object_unref(element);
    gst_harness_set_src_caps_str(s.h, "application/x-whatever");
    s.start = g_get_monotonic_time();
    return s;
}

static Sink sink_start(void)
{
    const gchar *base = g_getenv("G4_TEST_TMP");
    g_autofree gchar *path =
        g_build_filename(base != NULL ? base : g_get_tmp_dir(), "missed-XXXXXX", NULL);
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_unlink(path);
    g_autofree gchar *location = g_strconcat(path, ".jsonl", NULL);
    return sink_start_at(location);
}

/* Removes the file, too. */
static void sink_stop(Sink *s)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(s->h->element);

    gst_bus_set_flushing(bus, TRUE); /* its messages hold the element, which holds it */
    gst_harness_teardown(s->h);
    g_unlink(s->path);
    g_free(s->path);
}

static GstGemma4Embedding *numbered(guint64 series, gint64 start, guint64 number)
{
    GstGemma4EmbeddingParams p = GST_GEMMA4_EMBEDDING_PARAMS_INIT;
    const gfloat values[] = {number % 2, 1 - number % 2};

    p.id = "gemma4-pooled";
    p.rows = 1;
    p.cols = G_N_ELEMENTS(values);
    p.pts = p.running_time = (number % 1000000) * 40 * GST_MSECOND;
    p.model_digest = "0123456789abcdef";
    p.series = series;
    p.sequence = number;
    p.series_start = start;
    return gst_gemma4_embedding_new(&p, gst_buffer_new_memdup(values, sizeof values));
}

static GstBuffer *buffer_of(GstGemma4Embedding *embedding)
{
    GstBuffer *buffer = gst_buffer_new();

    GST_BUFFER_PTS(buffer) = gst_gemma4_embedding_get_pts(embedding);
    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer), embedding);
    return buffer;
}

static void push(Sink *s, guint64 series, guint64 number)
{
    g_assert_cmpint(gst_harness_push(s->h, buffer_of(numbered(series, s->start, number))), ==,
                    GST_FLOW_OK);
}

static void flush(Sink *s)
{
    GstSegment segment;

    gst_harness_push_event(s->h, gst_event_new_flush_start());
    gst_harness_push_event(s->h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(s->h, gst_event_new_segment(&segment));
}

static void expect(GstElement *sink, guint64 written, guint64 missed, guint64 failed)
{
    guint64 w, m, f;

    g_object_get(sink, "written", &w, "missed", &m, "failed", &f, NULL);
    g_assert_cmpuint(w, ==, written);
    g_assert_cmpuint(m, ==, missed);
    g_assert_cmpuint(f, ==, failed);
}

/* The one warning on the bus, whose text has `part` in it; none for NULL. */
static void expect_warning(GstElement *sink, const gchar *part, guint64 missed, guint64 failed)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(sink);
    g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING);
    g_autoptr(GError) error = NULL;
    const GstStructure *details;
    guint64 m, f;

    if (part == NULL) {
        g_assert_null(message);
        return;
    }
    g_assert_nonnull(message);
    gst_message_parse_warning(message, &error, NULL);
    if (strstr(error->message, part) == NULL)
        g_error("\"%s\" is not in \"%s\"", part, error->message);
    gst_message_parse_warning_details(message, &details);
    g_assert_true(gst_structure_get(details, "missed", G_TYPE_UINT64, &m, "failed", G_TYPE_UINT64,
                                    &f, NULL));
    g_assert_cmpuint(m, ==, missed);
    g_assert_cmpuint(f, ==, failed);
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING));
}

static void end(Sink *s)
{
    g_assert_true(gst_harness_push_event(s->h, gst_event_new_eos()));
}

/* ------------------------------------------------------------------------------------------ */
static void gaps_are_counted_and_told_once(void)
{
    static const guint64 numbers[] = {0, 1, 4, 5, 9};
    Sink s = sink_start();

    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        push(&s, 7, numbers[i]);
    expect(s.h->element, 5, 5, 0);
    expect_warning(s.h->element, NULL, 0, 0);
    end(&s);
    expect_warning(s.h->element, ": 5 embeddings are in it; 5 were dropped on the way", 5, 0);
    gst_element_set_state(s.h->element, GST_STATE_READY);
    expect_warning(s.h->element, NULL, 0, 0);
    expect(s.h->element, 5, 5, 0); /* and can still be asked for */

    gst_element_set_state(s.h->element, GST_STATE_PAUSED);
    expect(s.h->element, 0, 0, 0);
    sink_stop(&s);
}

static void without_eos_it_is_told_at_the_stop(void)
{
    Sink s = sink_start();

    push(&s, 7, 0);
    push(&s, 7, 2);
    gst_element_set_state(s.h->element, GST_STATE_READY);
    expect_warning(s.h->element, "1 were dropped on the way", 1, 0);
    sink_stop(&s);
}

static void nothing_missed_is_not_told(void)
{
    Sink s = sink_start();

    for (guint i = 0; i < 5; i++)
        push(&s, 7, i);
    gst_harness_push_event(s.h, gst_event_new_gemma4_embedding_count(7, s.start, 5));
    end(&s);
    expect(s.h->element, 5, 0, 0);
    gst_element_set_state(s.h->element, GST_STATE_READY);
    expect_warning(s.h->element, NULL, 0, 0);
    sink_stop(&s);
}

/* Of a series that was there first nobody knows what was meant for this sink. */
static void the_first_counts_where_it_is_known(void)
{
    Sink s = sink_start();

    push(&s, 7, 3); /* began after the sink: 0 to 2 were on their way here */
    expect(s.h->element, 1, 3, 0);
    gst_harness_push(s.h, buffer_of(numbered(8, 1, 1000))); /* a branch that was added later */
    gst_harness_push(s.h, buffer_of(numbered(8, 1, 1001)));
    gst_harness_push(s.h, buffer_of(numbered(9, 0, 50))); /* from another process */
    expect(s.h->element, 4, 3, 0);
    gst_harness_push(s.h, buffer_of(numbered(9, 0, 52)));
    expect(s.h->element, 5, 4, 0);
    sink_stop(&s);
}

static void the_last_count_too(void)
{
    Sink s = sink_start();

    push(&s, 7, 0);
    for (guint i = 0; i < 2; i++) /* two ends of stream, nothing in between */
        gst_harness_push_event(s.h, gst_event_new_gemma4_embedding_count(7, s.start, 4));
    expect(s.h->element, 1, 3, 0);
    gst_harness_push_event(s.h, gst_event_new_gemma4_embedding_count(8, s.start, 2));
    expect(s.h->element, 1, 5, 0); /* of this one nothing came */
    gst_harness_push_event(s.h, gst_event_new_gemma4_embedding_count(9, 1, 100));
    expect(s.h->element, 1, 5, 0); /* and of this one nothing need have come */
    sink_stop(&s);
}

static void events_arrive_like_buffers(void)
{
    Sink s = sink_start();

    push(&s, 7, 0);
    for (guint i = 1; i < 3; i++) {
        g_autoptr(GstGemma4Embedding) embedding = numbered(7, s.start, i);
        gst_harness_push_event(s.h, gst_event_new_gemma4_embedding(embedding));
    }
    gst_harness_push_event(s.h, gst_event_new_gemma4_embedding_count(7, s.start, 3));
    expect(s.h->element, 3, 0, 0);
    sink_stop(&s);
}

static void flushed_is_not_missed(void)
{
    Sink s = sink_start();

    push(&s, 7, 0);
    push(&s, 8, 0);
    flush(&s); /* of a seek on 7, which goes on as 9; 8 is another stream of a funnel */
    push(&s, 9, 0);
    push(&s, 8, 6);
    gst_harness_push_event(s.h, gst_event_new_gemma4_embedding_count(9, s.start, 1));
    expect(s.h->element, 4, 0, 0);
    push(&s, 8, 8);
    expect(s.h->element, 5, 1, 0);
    flush(&s);
    gst_harness_push_event(s.h, gst_event_new_gemma4_embedding_count(8, s.start, 20));
    expect(s.h->element, 5, 1, 0);
    sink_stop(&s);
}

/* More of them than are remembered, in turns. */
static void many_streams_do_not_disturb_each_other(void)
{
    Sink s = sink_start();

    for (guint number = 0; number < 4; number++)
        for (guint series = 1; series <= 300; series++)
            push(&s, series, number);
    expect(s.h->element, 1200, 0, 0);
    sink_stop(&s);
}

static void a_slower_branch_fills_the_gap(void)
{
    static const guint64 numbers[] = {0, 5, 2, 2, 0, 6, 4};
    Sink s = sink_start();

    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        push(&s, 7, numbers[i]);
    expect(s.h->element, 7, 2, 0); /* 1 and 3 */
    push(&s, 7, 1);
    push(&s, 7, 3);
    push(&s, 7, 3);
    expect(s.h->element, 10, 0, 0);
    for (guint i = 10; i < 2010; i += 2) /* gaps without end */
        push(&s, 7, i);
    expect(s.h->element, 1010, 3 + 999, 0);
    sink_stop(&s);
}

/* Whatever comes in from another process. */
static void hostile_numbers_do_no_harm(void)
{
    static const guint64 extremes[] = {G_MAXUINT64, G_MAXUINT64 - 1, 0, G_MAXINT64, 1};
    Sink s = sink_start();

    for (guint i = 0; i < G_N_ELEMENTS(extremes); i++) {
        push(&s, 7, extremes[i]);
        push(&s, extremes[i], 3);
        gst_harness_push_event(s.h,
                               gst_event_new_gemma4_embedding_count(7, G_MAXINT64, extremes[i]));
    }
    for (guint i = 0; i < 2000; i++)
        push(&s, (guint64)g_test_rand_int() << 20, (guint64)g_test_rand_int() << 32);
    end(&s);
    sink_stop(&s);
}

static void without_a_number_nothing_is_missed(void)
{
    Sink s = sink_start();

    push(&s, 0, 3);
    push(&s, 0, 9);
    expect(s.h->element, 2, 0, 0);
    sink_stop(&s);
}

/* A seek that is not exact brings frames from before its start, which no sink shows. */
static void outside_of_the_segment_is_not_missed(void)
{
    Sink s = sink_start();
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 100 * GST_MSECOND;
    gst_harness_push_event(s.h, gst_event_new_segment(&segment));
    for (guint i = 0; i < 5; i++) {
        GstBuffer *buffer = buffer_of(numbered(7, s.start, i));
        GST_BUFFER_DURATION(buffer) = 40 * GST_MSECOND;
        g_assert_cmpint(gst_harness_push(s.h, buffer), ==, GST_FLOW_OK);
    }
    expect(s.h->element, 3, 0, 0); /* the frame of 80 ms lasts until 120 ms */
    sink_stop(&s);
}

static void what_a_full_disk_costs_is_told(void)
{
    g_autofree gchar *folder = g_dir_make_tmp("missed-XXXXXX", NULL);
    g_autofree gchar *path = g_build_filename(folder, "full.jsonl", NULL);

    if (symlink("/dev/full", path) < 0 || access("/dev/full", W_OK) < 0) {
        g_test_skip("no /dev/full");
    } else {
        Sink s = sink_start_at(path);
        for (guint i = 0; i < 3; i++)
            g_assert_cmpint(gst_harness_push(s.h, buffer_of(numbered(7, s.start, i))), ==,
                            GST_FLOW_ERROR);
        expect(s.h->element, 0, 0, 3);
        gst_element_set_state(s.h->element, GST_STATE_READY);
        expect_warning(s.h->element, ": 0 embeddings are in it; 3 could not be written", 0, 3);
        sink_stop(&s);
    }
    g_unlink(path);
    g_rmdir(folder);
}

/* A row that waits for its transaction is not in the file yet, and may not get there: the first
 * vector of another model is refused a second after it was taken. */
static void what_a_database_refuses_is_told(void)
{
    g_autofree gchar *folder = g_dir_make_tmp("missed-XXXXXX", NULL);
    g_autofree gchar *path = g_build_filename(folder, "films.db", NULL);
    Sink s = sink_start_at(path);

    for (guint i = 0; i < 3; i++)
        push(&s, 7, i);
    GstBuffer *other = producer_embedded("gemma4-pooled", 1, 5, 100);
    g_assert_cmpint(gst_harness_push(s.h, other), ==, GST_FLOW_OK);
    /* Taken before that is known, or refused after it: lost in either case. */
    gst_harness_push(s.h, buffer_of(numbered(7, s.start, 3)));
    gst_element_set_state(s.h->element, GST_STATE_READY);
    expect(s.h->element, 3, 0, 2);
    expect_warning(s.h->element, ": 3 embeddings are in it; 2 could not be written", 0, 2);
    sink_stop(&s);
    g_rmdir(folder);
}

/* ------------------------------------------------------------------------------------------
 * embeddinggate holds back on purpose
 */
static void expect_numbered(GstHarness *h, guint64 number, gfloat first)
{
    g_autoptr(GstBuffer) out = gst_harness_try_pull(h);
    gsize n;

    g_assert_nonnull(out);
    GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(out);
    GstGemma4Embedding *e = gst_gemma4_embedding_meta_get_entry(meta, 0);
    g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(meta), ==, 1);
    g_assert_cmpuint(gst_gemma4_embedding_get_series(e), ==, 7);
    g_assert_cmpuint(gst_gemma4_embedding_get_sequence(e), ==, number);
    g_assert_true(gst_gemma4_embedding_get_values(e, &n)[0] == first);
}

static void the_gate_closes_its_gaps(void)
{
    /* Even ones are alike, and so are odd ones: 2 and 8 are held back; 1 and 5 to 7 were lost. */
    static const guint64 numbers[] = {0, 2, 3, 4, 8, 9, 10};
    GstHarness *h = gst_harness_new("embeddinggate");
    guint64 series = 0, count = 0;
    gint64 start = 0;

    gst_harness_set_src_caps_str(h, "application/x-whatever");
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        gst_harness_push(h, buffer_of(numbered(7, 5, numbers[i])));
    gst_harness_push_event(h, gst_event_new_gemma4_embedding_count(7, 5, 12));

    expect_numbered(h, 0, 0);
    expect_numbered(h, 3 - 1, 1);
    expect_numbered(h, 4 - 1, 0);
    expect_numbered(h, 9 - 2, 1);
    expect_numbered(h, 10 - 2, 0);
    g_assert_null(gst_harness_try_pull(h));
    for (;;) {
        g_autoptr(GstEvent) event = gst_harness_try_pull_event(h);
        g_assert_nonnull(event);
        if (gst_event_parse_gemma4_embedding_count(event, &series, &start, &count))
            break;
    }
    g_assert_cmpuint(series, ==, 7);
    g_assert_cmpint(start, ==, 5);
    g_assert_cmpuint(count, ==, 12 - 2);
    gst_harness_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Whole pipelines
 */
typedef struct {
    gchar *folder, *path[2];
    GstElement *pipeline, *sink[2];
} Line;

/* `format` has MODEL for the path of the case, and SINK-A, SINK-B for sinks of those names. */
static Line line_start(const gchar *format, const gchar *model_case)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *model =
        g_build_filename(g_getenv("G4_TEST_DATA"), "cases", model_case, NULL);
    Line l = {.folder = g_dir_make_tmp("missed-XXXXXX", NULL)};
    GString *text = g_string_new(format);

    l.path[0] = g_build_filename(l.folder, "a.jsonl", NULL);
    l.path[1] = g_build_filename(l.folder, "b.jsonl", NULL);
    g_string_replace(text, "MODEL", model, 0);
    g_string_replace(text, "SINK-A", "embeddingsink name=a location=FILE-A", 0);
    g_string_replace(text, "SINK-B", "embeddingsink name=b location=FILE-B", 0);
    g_string_replace(text, "FILE-A", l.path[0], 0);
    g_string_replace(text, "FILE-B", l.path[1], 0);
    l.pipeline = gst_parse_launch(text->str, &error);
    g_assert_no_error(error);
    g_string_free(text, TRUE);
    l.sink[0] = gst_bin_get_by_name(GST_BIN(l.pipeline), "a");
    l.sink[1] = gst_bin_get_by_name(GST_BIN(l.pipeline), "b");
    g_assert_cmpint(gst_element_set_state(l.pipeline, GST_STATE_PLAYING), !=,
                    GST_STATE_CHANGE_FAILURE);
    return l;
}

/* Until the stream ends; a warning on the way is a failure. */
static void line_finish(Line *l)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(l->pipeline);
    g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

    g_assert_cmpstr(GST_MESSAGE_TYPE_NAME(message), ==, "eos");
}

static void line_stop(Line *l)
{
    gst_element_set_state(l->pipeline, GST_STATE_NULL);
    for (guint i = 0; i < G_N_ELEMENTS(l->sink); i++) {
        gst_clear_object(&l->sink[i]);
        g_unlink(l->path[i]);
        g_free(l->path[i]);
    }
    gst_object_unref(l->pipeline);
    g_rmdir(l->folder);
    g_free(l->folder);
}

static void wait_for_written(GstElement *sink, guint64 least)
{
    guint64 written = 0;

    while (written < least) {
        g_usleep(1000);
        g_object_get(sink, "written", &written, NULL);
    }
}

/* Two branches, some frames only, a seek and another model: nothing of that loses anything. */
static void seeks_branches_and_swaps_are_no_alarm(void)
{
    g_autofree gchar *other = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "square", NULL);
    Line l = line_start("videotestsrc ! video/x-raw,width=64,height=48,framerate=25/1 ! "
                        "gemma4embed name=embed inference-interval=2 max-rate=10/1 model=\"MODEL\" "
                        "! tee name=t t. ! queue ! SINK-A t. ! queue ! SINK-B",
                        "square");
    g_autoptr(GstElement) embed = gst_bin_get_by_name(GST_BIN(l.pipeline), "embed");

    wait_for_written(l.sink[0], 5);
    g_object_set(embed, "model", other, NULL);
    wait_for_written(l.sink[1], 10);
    for (guint i = 0; i < 3; i++) {
        g_assert_true(gst_element_seek(l.pipeline, 1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                       GST_SEEK_TYPE_SET, i * GST_SECOND, GST_SEEK_TYPE_SET,
                                       (i + 2) * GST_SECOND));
        gst_element_get_state(l.pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
    }
    line_finish(&l);
    for (guint i = 0; i < 2; i++) {
        guint64 written, missed;
        g_object_get(l.sink[i], "written", &written, "missed", &missed, NULL);
        g_assert_cmpuint(written, >=, 10);
        g_assert_cmpuint(missed, ==, 0);
    }
    line_stop(&l);
}

static void streams_of_a_funnel_are_no_alarm(void)
{
    Line l = line_start("funnel name=f ! queue ! SINK-A "
                        "videotestsrc num-buffers=20 ! video/x-raw,width=64,height=48 ! "
                        "gemma4embed model=\"MODEL\" ! f. "
                        "videotestsrc num-buffers=30 pattern=ball ! "
                        "video/x-raw,width=64,height=48 ! gemma4embed model=\"MODEL\" ! f.",
                        "square");

    line_finish(&l);
    expect(l.sink[0], 50, 0, 0);
    line_stop(&l);
}

static void async_is_no_alarm(void)
{
    Line l = line_start("videotestsrc num-buffers=200 ! video/x-raw,width=64,height=48 ! "
                        "gemma4embed name=embed async=true model=\"MODEL\" ! queue ! SINK-A",
                        "square");
    g_autoptr(GstElement) embed = gst_bin_get_by_name(GST_BIN(l.pipeline), "embed");
    g_autoptr(GstStructure) stats = NULL;
    guint64 embedded, reused;

    line_finish(&l);
    g_object_get(embed, "stats", &stats, NULL);
    g_assert_true(gst_structure_get(stats, "embedded", G_TYPE_UINT64, &embedded, "reused",
                                    G_TYPE_UINT64, &reused, NULL));
    expect(l.sink[0], embedded + reused, 0, 0);
    line_stop(&l);
}

/* A branch that joins while the stream runs. */
static void a_later_branch_is_no_alarm(void)
{
    Line l = line_start("videotestsrc ! video/x-raw,width=64,height=48 ! "
                        "gemma4embed model=\"MODEL\" ! tee name=t t. ! queue ! SINK-A",
                        "square");
    g_autoptr(GstElement) tee = gst_bin_get_by_name(GST_BIN(l.pipeline), "t");
    GstElement *queue = gst_element_factory_make("queue", NULL);
    guint64 written, missed;

    wait_for_written(l.sink[0], 5);
    l.sink[1] = gst_element_factory_make("embeddingsink", "b");
    g_object_set(l.sink[1], "location", l.path[1], "async", FALSE, NULL);
    gst_object_ref(l.sink[1]);
    gst_bin_add_many(GST_BIN(l.pipeline), queue, l.sink[1], NULL);
    g_assert_true(gst_element_link(queue, l.sink[1]));
    gst_element_sync_state_with_parent(l.sink[1]);
    gst_element_sync_state_with_parent(queue);
    g_assert_true(gst_element_link(tee, queue));
    wait_for_written(l.sink[1], 5);
    gst_element_send_event(l.pipeline, gst_event_new_eos());
    line_finish(&l);
    g_object_get(l.sink[1], "written", &written, "missed", &missed, NULL);
    g_assert_cmpuint(written, >, 0);
    g_assert_cmpuint(missed, ==, 0);
    line_stop(&l);
}

/* An element that holds back is on the way, to the end. */
static void the_gate_in_a_pipeline_is_no_alarm(void)
{
    Line l = line_start("videotestsrc num-buffers=30 pattern=ball ! "
                        "video/x-raw,width=64,height=48 ! gemma4embed model=\"MODEL\" ! "
                        "embeddinggate threshold=2 ! SINK-A",
                        "square");

    line_finish(&l);
    expect(l.sink[0], 1, 0, 0); /* nothing differs by more than the opposite does */
    line_stop(&l);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/missed/gaps-are-counted-and-told-once", gaps_are_counted_and_told_once);
    g_test_add_func("/missed/without-eos-it-is-told-at-the-stop",
                    without_eos_it_is_told_at_the_stop);
    g_test_add_func("/missed/nothing-missed-is-not-told", nothing_missed_is_not_told);
    g_test_add_func("/missed/the-first-counts-where-it-is-known",
                    the_first_counts_where_it_is_known);
    g_test_add_func("/missed/the-last-count-too", the_last_count_too);
    g_test_add_func("/missed/events-arrive-like-buffers", events_arrive_like_buffers);
    g_test_add_func("/missed/flushed-is-not-missed", flushed_is_not_missed);
    g_test_add_func("/missed/many-streams-do-not-disturb-each-other",
                    many_streams_do_not_disturb_each_other);
    g_test_add_func("/missed/a-slower-branch-fills-the-gap", a_slower_branch_fills_the_gap);
    g_test_add_func("/missed/hostile-numbers-do-no-harm", hostile_numbers_do_no_harm);
    g_test_add_func("/missed/without-a-number-nothing-is-missed",
                    without_a_number_nothing_is_missed);
    g_test_add_func("/missed/outside-of-the-segment-is-not-missed",
                    outside_of_the_segment_is_not_missed);
    g_test_add_func("/missed/what-a-full-disk-costs-is-told", what_a_full_disk_costs_is_told);
    g_test_add_func("/missed/what-a-database-refuses-is-told", what_a_database_refuses_is_told);
    g_test_add_func("/missed/the-gate-closes-its-gaps", the_gate_closes_its_gaps);
    g_test_add_func("/missed/seeks-branches-and-swaps-are-no-alarm",
                    seeks_branches_and_swaps_are_no_alarm);
    g_test_add_func("/missed/streams-of-a-funnel-are-no-alarm", streams_of_a_funnel_are_no_alarm);
    g_test_add_func("/missed/async-is-no-alarm", async_is_no_alarm);
    g_test_add_func("/missed/a-later-branch-is-no-alarm", a_later_branch_is_no_alarm);
    g_test_add_func("/missed/the-gate-in-a-pipeline-is-no-alarm",
                    the_gate_in_a_pipeline_is_no_alarm);
    return g_test_run();
}
