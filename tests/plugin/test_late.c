/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed and the clock downstream: late frames keep their picture and lose their embedding;
 * frames that look the same get the same vector.
 */
#include "embedfixture.h"

#include <gst/app/gstappsrc.h>
#include <gst/check/gsttestclock.h>

static void push_qos(GstHarness *h, gdouble proportion, GstClockTimeDiff diff,
                     GstClockTime timestamp)
{
    g_assert_true(gst_harness_push_upstream_event(
        h, gst_event_new_qos(diff > 0 ? GST_QOS_TYPE_UNDERFLOW : GST_QOS_TYPE_OVERFLOW, proportion,
                             diff, timestamp)));
}

/* Pushes frame `n`; whether it carries an embedding of its own. */
static gboolean embedded(GstHarness *h, guint n)
{
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(n));

    return fixture_embedding(out) != NULL;
}

static void test_late_frames_keep_their_picture(void)
{
    GstHarness *h = fixture_harness_case("square");
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    GstClockTime running, stream, pts, duration;
    guint64 processed, dropped;
    gint64 jitter;
    gdouble proportion;
    gint quality;
    gboolean live;
    GstFormat format;

    fixture_set_caps(h);
    g_assert_true(embedded(h, 0));
    /* frame 1, of 40 ms, came 50 ms late: what is older than 90 ms will, too */
    push_qos(h, 1.75, 50 * GST_MSECOND, 40 * GST_MSECOND);
    g_autoptr(GstEvent) forwarded = NULL;
    while ((forwarded = gst_harness_try_pull_upstream_event(h)) &&
           GST_EVENT_TYPE(forwarded) != GST_EVENT_QOS)
        g_clear_pointer(&forwarded, gst_event_unref);
    g_assert_nonnull(forwarded); /* upstream hears it as well */

    g_assert_false(embedded(h, 1));
    g_assert_false(embedded(h, 2));
    g_assert_true(embedded(h, 3)); /* 120 ms */
    g_assert_cmpuint(fixture_stat(h->element, "skipped-late"), ==, 2);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 2);
    g_assert_cmpuint(fixture_stat(h->element, "frames"), ==, 4);

    for (guint i = 1; i < 3; i++) {
        g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_QOS);
        g_assert_nonnull(message);
        gst_message_parse_qos(message, &live, &running, &stream, &pts, &duration);
        g_assert_cmpuint(running, ==, i * 40 * GST_MSECOND);
        g_assert_cmpuint(stream, ==, i * 40 * GST_MSECOND);
        g_assert_cmpuint(pts, ==, i * 40 * GST_MSECOND);
        g_assert_cmpuint(duration, ==, 40 * GST_MSECOND);
        gst_message_parse_qos_values(message, &jitter, &proportion, &quality);
        g_assert_cmpint(jitter, ==, (90 - (gint64)i * 40) * GST_MSECOND);
        g_assert_cmpfloat(proportion, ==, 1.75);
        gst_message_parse_qos_stats(message, &format, &processed, &dropped);
        g_assert_cmpint(format, ==, GST_FORMAT_BUFFERS);
        g_assert_cmpuint(processed, ==, 1);
        g_assert_cmpuint(dropped, ==, i);
    }
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_QOS));
    fixture_teardown(h);
}

static void test_late_frames_are_embedded_on_ignore(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    gst_util_set_object_arg(G_OBJECT(h->element), "late-policy", "ignore");
    push_qos(h, 1.5, GST_SECOND, 0);
    g_assert_true(embedded(h, 1));
    gst_util_set_object_arg(G_OBJECT(h->element), "late-policy", "skip"); /* while playing */
    g_assert_false(embedded(h, 2));
    push_qos(h, 0.9, -10 * GST_MSECOND, 120 * GST_MSECOND); /* it caught up */
    g_assert_true(embedded(h, 3));
    fixture_teardown(h);
}

/* The running time counts, not the PTS; a flush ends the lateness. */
static void test_lateness_is_of_the_running_time(void)
{
    GstHarness *h = fixture_harness_case("square");
    GstSegment segment;

    fixture_set_caps(h);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.base = GST_SECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    push_qos(h, 1.5, 10, GST_SECOND);
    g_assert_false(embedded(h, 0)); /* running time 1 s */
    g_assert_true(embedded(h, 1));
    push_qos(h, 1.5, 10 * GST_SECOND, GST_SECOND);
    g_assert_false(embedded(h, 2));
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    g_assert_true(embedded(h, 3));
    fixture_teardown(h);
}

/* A late frame does not use up its period of max-rate. */
static void test_late_frame_leaves_its_period(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "10/1");
    push_qos(h, 1.5, 50 * GST_MSECOND, 0);
    g_assert_false(embedded(h, 0));
    g_assert_false(embedded(h, 1)); /* 40 ms */
    g_assert_true(embedded(h, 2));  /* 80 ms, of the same period */
    g_assert_cmpuint(fixture_stat(h->element, "skipped-late"), ==, 2);
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * A sink that keeps time
 *
 * Its clock stands still but where the test moves it, so what is late is known to the frame. The
 * sink tells of each frame but the first on the thread that brings it: the next one knows.
 */
static GstPadProbeReturn note_embedding(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);

    g_string_append_c(data, fixture_embedding(buffer) ? 'x' : '-');
    return GST_PAD_PROBE_OK;
}

/* Until the sink waits for its time (in ms) to come or has found it to be past; then it goes on, at
 * the time `now`. */
static void let_go(GstTestClock *clock, guint expected, guint now)
{
    GstClockID id;

    gst_test_clock_wait_for_next_pending_id(clock, &id);
    g_assert_cmpuint(gst_clock_id_get_time(id), ==, expected * GST_MSECOND);
    gst_test_clock_set_time(clock, now * GST_MSECOND);
    GstClockID processed = gst_test_clock_process_next_clock_id(clock);
    g_assert_true(processed == id);
    gst_clock_id_unref(processed);
    gst_clock_id_unref(id);
}

/* Frames of 40 ms against a clock that shows 200 ms at the start, and is moved to 400 while the
 * sink waits for the time of frame 6. Which frames carry an embedding, as a word of x and -, and
 * how many have none because they were late. */
static void check_sink(const char *settings, const char *expected, guint late)
{
    g_autofree char *model = fixture_case("square");
    g_autofree char *line = g_strdup_printf(
        "appsrc name=src format=time max-bytes=0 caps=\"video/x-raw,format=RGB,width=%d,height=%d,"
        "framerate=25/1\" ! gemma4embed name=embed model=\"%s\" precision=f32 threads=1 "
        "%s ! fakesink name=sink sync=true qos=true processing-deadline=0",
        FIXTURE_WIDTH, FIXTURE_HEIGHT, model, settings);
    g_autoptr(GError) error = NULL;
    GstElement *pipeline = gst_parse_launch(line, &error);
    g_assert_no_error(error);
    g_autoptr(GstElement) src = gst_bin_get_by_name(GST_BIN(pipeline), "src");
    g_autoptr(GstElement) embed = gst_bin_get_by_name(GST_BIN(pipeline), "embed");
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    g_autoptr(GstPad) pad = gst_element_get_static_pad(sink, "sink");
    g_autoptr(GString) got = g_string_new(NULL);
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    GstClock *clock = gst_test_clock_new_with_start_time(200 * GST_MSECOND);
    guint n = strlen(expected), embedded_ones = 0;

    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, note_embedding, got, NULL);
    gst_pipeline_use_clock(GST_PIPELINE(pipeline), clock);
    gst_element_set_start_time(pipeline, GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(pipeline, 0);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (guint i = 0; i < n; i++)
        g_assert_cmpint(gst_app_src_push_buffer(GST_APP_SRC(src), fixture_frame(i)), ==,
                        GST_FLOW_OK);
    gst_app_src_end_of_stream(GST_APP_SRC(src));
    for (guint i = 0; i < n; i++)
        let_go(GST_TEST_CLOCK(clock), i * 40, i < 6 ? 200 : 400);
    let_go(GST_TEST_CLOCK(clock), n * 40, 440); /* the end of the last one */
    g_autoptr(GstMessage) end =
        gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_cmpint(GST_MESSAGE_TYPE(end), ==, GST_MESSAGE_EOS);
    g_assert_cmpstr(got->str, ==, expected); /* every picture arrived */
    for (guint i = 0; i < n; i++)
        embedded_ones += expected[i] == 'x';
    g_assert_cmpuint(fixture_stat(embed, "skipped-late"), ==, late);
    g_assert_cmpuint(fixture_stat(embed, "embedded"), ==, embedded_ones);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    gst_object_unref(clock);
}

static void test_clocked_sink(void)
{
    check_sink("late-policy=skip", "xx---xxx--x", 5);
    check_sink("late-policy=ignore", "xxxxxxxxxxx", 0);
    /* the interval leaves 0 2 4 6 8 10, of which 2 4 8 are late and use it up all the same */
    check_sink("inference-interval=2", "x-----x---x", 3);
    check_sink("inference-interval=2 late-policy=ignore", "x-x-x-x-x-x", 0);
    /* periods of 100 ms; a late frame leaves its own to the next */
    check_sink("max-rate=10/1", "x----x----x", 4);
    check_sink("max-rate=10/1 late-policy=ignore", "x--x-x--x-x", 0);
    /* of what the interval leaves, frame 2 is of the first one's period */
    check_sink("inference-interval=2 max-rate=10/1", "x-----x---x", 2);
}

/* ------------------------------------------------------------------------------------------
 * Frames that look the same
 */

/* A frame of one grey. */
static GstBuffer *grey(guint value, guint n)
{
    GstBuffer *buffer = fixture_frame(n);

    gst_buffer_memset(buffer, 0, value, -1);
    return buffer;
}

static void check_grey(GstHarness *h, guint value, guint n, gboolean reused)
{
    g_autoptr(GstBuffer) out = fixture_pass(h, grey(value, n));
    GstGemma4Embedding *e = fixture_embedding(out);

    g_assert_nonnull(e);
    g_assert_cmpint(gst_gemma4_embedding_is_reused(e), ==, reused);
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(e), ==, n); /* its own number and time */
    g_assert_cmpuint(gst_gemma4_embedding_get_pts(e), ==, n * 40 * GST_MSECOND);
}

static void test_equal_frames_are_computed_once(void)
{
    GstHarness *h = fixture_harness_case("square");
    GstHarness *fresh = fixture_harness_case("square");

    fixture_set_caps(h);
    fixture_set_caps(fresh);
    g_autoptr(GstBuffer) first = fixture_pass(h, fixture_frame(7));
    g_autoptr(GstBuffer) again = fixture_pass(h, fixture_frame(7));
    g_autoptr(GstBuffer) other = fixture_pass(h, fixture_frame(8));
    g_autoptr(GstBuffer) back = fixture_pass(h, fixture_frame(7));
    g_autoptr(GstBuffer) computed = fixture_pass(fresh, fixture_frame(8));

    g_assert_false(gst_gemma4_embedding_is_reused(fixture_embedding(first)));
    g_assert_true(gst_gemma4_embedding_is_reused(fixture_embedding(again)));
    g_assert_false(gst_gemma4_embedding_is_reused(fixture_embedding(other)));
    g_assert_false(gst_gemma4_embedding_is_reused(fixture_embedding(back)));
    fixture_assert_equal(first, again);
    fixture_assert_equal(first, back);
    fixture_assert_equal(other, computed);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 3);
    g_assert_cmpuint(fixture_stat(h->element, "reused"), ==, 1);

    /* what the vector is scaled to is part of what it is */
    g_object_set(h->element, "normalize", FALSE, NULL);
    g_autoptr(GstBuffer) long_one = fixture_pass(h, fixture_frame(7));
    g_assert_false(gst_gemma4_embedding_is_reused(fixture_embedding(long_one)));
    g_assert_false(gst_gemma4_embedding_is_normalized(fixture_embedding(long_one)));
    fixture_teardown(h);
    fixture_teardown(fresh);
}

static void test_threshold_is_a_mean_of_pixels(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    g_object_set(h->element, "reuse-threshold", 2.0, NULL);
    check_grey(h, 100, 0, FALSE);
    check_grey(h, 102, 1, TRUE);
    check_grey(h, 98, 2, TRUE);
    check_grey(h, 103, 3, FALSE);
    check_grey(h, 105, 4, TRUE);
    check_grey(h, 106, 5, FALSE); /* from the last computed, 103, not the last seen */
    g_object_set(h->element, "reuse-threshold", 0.0, NULL);
    check_grey(h, 106, 6, TRUE);
    check_grey(h, 107, 7, FALSE);
    g_object_set(h->element, "reuse-threshold", -1.0, NULL);
    check_grey(h, 107, 8, FALSE);
    check_grey(h, 107, 9, FALSE);
    g_assert_cmpuint(fixture_stat(h->element, "reused"), ==, 4);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 6);
    fixture_teardown(h);
}

static void test_reused_tokens(void)
{
    g_autofree char *path = fixture_case("square");
    GstElement *element = fixture_element(path);
    gsize n_first, n_again;

    gst_util_set_object_arg(G_OBJECT(element), "output", "tokens");
    GstHarness *h = fixture_harness(element);
    fixture_set_caps(h);
    g_autoptr(GstBuffer) first = fixture_pass(h, fixture_frame(1));
    g_autoptr(GstBuffer) again = fixture_pass(h, fixture_frame(1));
    g_assert_true(gst_gemma4_embedding_is_reused(fixture_embedding(again)));
    g_assert_cmpuint(gst_gemma4_embedding_get_rows(fixture_embedding(again)), >, 1);
    /* the memory is shared, not copied */
    g_assert_true(gst_gemma4_embedding_get_values(fixture_embedding(first), &n_first) ==
                  gst_gemma4_embedding_get_values(fixture_embedding(again), &n_again));
    fixture_teardown(h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/late/late-frames-keep-their-picture", test_late_frames_keep_their_picture);
    g_test_add_func("/late/late-frames-are-embedded-on-ignore",
                    test_late_frames_are_embedded_on_ignore);
    g_test_add_func("/late/lateness-is-of-the-running-time", test_lateness_is_of_the_running_time);
    g_test_add_func("/late/late-frame-leaves-its-period", test_late_frame_leaves_its_period);
    g_test_add_func("/late/clocked-sink", test_clocked_sink);
    g_test_add_func("/reuse/equal-frames-are-computed-once", test_equal_frames_are_computed_once);
    g_test_add_func("/reuse/threshold-is-a-mean-of-pixels", test_threshold_is_a_mean_of_pixels);
    g_test_add_func("/reuse/reused-tokens", test_reused_tokens);
    int status = g_test_run();
    gst_deinit();
    return status;
}
