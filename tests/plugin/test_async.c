/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed with async=true: the picture never waits, and no result is lost.
 */
#include "asyncfixture.h"

static GstHarness *square_harness(void)
{
    return async_harness(async_element("square"));
}

/* The embedding of a frame as a synchronous element computes it. */
static GstBuffer *expected(GstBuffer *frame, GstCaps *caps)
{
    GstHarness *h = fixture_harness_case("square");

    gst_harness_set_src_caps(h, caps);
    GstBuffer *out = fixture_pass(h, frame);
    fixture_teardown(h);
    return out;
}

static GstBuffer *expected_frame(guint n)
{
    return expected(fixture_frame(n), fixture_caps("RGB", FIXTURE_WIDTH, FIXTURE_HEIGHT));
}

/* Pushes a frame, takes it out and asserts that it carries no embedding. */
static void pass_bare(GstHarness *h, GstBuffer *in)
{
    g_autoptr(GstBuffer) out = fixture_pass(h, in);

    g_assert_null(fixture_embedding(out));
}

static void test_picture_never_waits(void)
{
    GstHarness *h = square_harness();
    g_autoptr(GstBuffer) reference = expected_frame(0);
    Gate gate;

    gate_init(&gate);
    pass_bare(h, gate_buffer(&gate, fixture_frame(0)));
    gate_wait(&gate);
    for (guint i = 1; i < 5; i++)
        pass_bare(h, fixture_frame(i));
    g_assert_cmpuint(fixture_stat(h->element, "dropped-async"), ==, 4);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 0);
    gate_open(&gate);
    g_assert_cmpuint(async_wait(h), ==, 0);

    /* it rides on the next buffer, which the worker, free now, takes */
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(5));
    GstGemma4Embedding *e = fixture_embedding(out);
    g_assert_nonnull(e);
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(e), ==, 0);
    g_assert_cmpuint(gst_gemma4_embedding_get_pts(e), ==, 0);
    g_assert_cmpuint(gst_gemma4_embedding_get_running_time(e), ==, 0);
    fixture_assert_equal(out, reference);
    g_assert_cmpuint(async_wait(h), ==, 5);
    g_autoptr(GstBuffer) next = fixture_pass(h, fixture_frame(6));
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(fixture_embedding(next)), ==, 5);
    g_assert_cmpuint(gst_gemma4_embedding_get_pts(fixture_embedding(next)), ==, 200 * GST_MSECOND);
    g_assert_cmpuint(async_wait(h), ==, 6);

    g_assert_cmpuint(fixture_stat(h->element, "frames"), ==, 7);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 3);
    g_assert_cmpuint(fixture_stat(h->element, "dropped-async"), ==, 4);
    fixture_teardown(h);
    gate_clear(&gate);
}

static void test_worker_is_nice(void)
{
    GstHarness *h = square_harness();
    Gate gate;

    gate_init(&gate);
    gate_open(&gate);
    pass_bare(h, gate_buffer(&gate, fixture_frame(0)));
    async_wait(h);
    g_assert_cmpint(gate.nice, >=, 10);
    fixture_teardown(h);
    gate_clear(&gate);
}

static void test_frame_is_held_until_resized(void)
{
    GstHarness *h = square_harness();
    Gate gate;

    gate_init(&gate);
    GstBuffer *in = gate_buffer(&gate, fixture_frame(0));
    async_watch(h, in);
    pass_bare(h, in); /* the reference of whoever is downstream is gone with that */
    gate_wait(&gate);
    g_assert_cmpint(async_computed_by_then(h), ==, -1);
    gate_open(&gate);
    async_wait(h);
    g_assert_cmpint(async_computed_by_then(h), ==, 0);
    fixture_teardown(h);
    gate_clear(&gate);
}

/* ------------------------------------------------------------------------------------------
 * The end
 */
typedef struct {
    Gate *gate;
    guint embeddings;      /* events that carry one */
    guint64 frame;         /* of the last */
    gboolean eos;          /* seen */
    gboolean eos_too_soon; /* while the gate was shut */
} Events;

static GstPadProbeReturn watch(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Events *events = data;
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
    GstGemma4Embedding *e = gst_event_get_gemma4_embedding(event);

    if (e) {
        g_assert_false(events->eos);
        g_assert_true(GST_EVENT_IS_SERIALIZED(event));
        events->embeddings++;
        events->frame = gst_gemma4_embedding_get_frame(e);
    }
    if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
        events->eos = TRUE;
        if (events->gate) {
            g_mutex_lock(&events->gate->lock);
            events->eos_too_soon = !events->gate->open;
            g_mutex_unlock(&events->gate->lock);
        }
    }
    return GST_PAD_PROBE_OK;
}

static void watch_events(GstHarness *h, Events *events, Gate *gate)
{
    GstPad *src = gst_element_get_static_pad(h->element, "src");

    *events = (Events){.gate = gate};
    gst_pad_add_probe(src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, watch, events, NULL);
    gst_object_unref(src);
}

static gpointer push_eos(gpointer h)
{
    return GINT_TO_POINTER(gst_harness_push_event(h, gst_event_new_eos()));
}

static void test_eos_awaits_the_worker(void)
{
    GstHarness *h = square_harness();
    Events events;
    Gate gate;

    gate_init(&gate);
    watch_events(h, &events, &gate);
    pass_bare(h, gate_buffer(&gate, fixture_frame(0)));
    gate_wait(&gate);
    GThread *thread = g_thread_new("eos", push_eos, h);
    for (guint i = 0; i < 1000; i++)
        g_thread_yield(); /* an EOS that does not wait goes out meanwhile */
    gate_open(&gate);
    g_assert_true(GPOINTER_TO_INT(g_thread_join(thread)));

    g_assert_true(events.eos);
    g_assert_false(events.eos_too_soon);
    g_assert_cmpuint(events.embeddings, ==, 1);
    g_assert_cmpuint(events.frame, ==, 0);
    fixture_teardown(h);
    gate_clear(&gate);
}

static void test_result_without_buffer_goes_out_before_eos(void)
{
    GstHarness *h = square_harness();
    Events events;

    watch_events(h, &events, NULL);
    pass_bare(h, fixture_frame(0));
    async_wait(h);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(1));
    g_assert_nonnull(fixture_embedding(out));
    async_wait(h);
    g_assert_cmpuint(events.embeddings, ==, 0);
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    g_assert_cmpuint(events.embeddings, ==, 1);
    g_assert_cmpuint(events.frame, ==, 1);
    g_assert_true(events.eos);
    fixture_teardown(h);
}

/* A new stream may not get the results of the one before. */
static void test_next_stream_starts_without_results(void)
{
    GstHarness *h = square_harness();
    Events events;
    GstSegment segment;

    watch_events(h, &events, NULL);
    pass_bare(h, fixture_frame(0));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    g_assert_true(gst_harness_push_event(h, gst_event_new_stream_start("another")));
    g_assert_cmpuint(events.embeddings, ==, 1);
    gst_harness_set_src_caps(h, fixture_caps("RGB", FIXTURE_WIDTH, FIXTURE_HEIGHT));
    g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
    async_wait(h);
    pass_bare(h, fixture_frame(1));
    fixture_teardown(h);
}

static guint count_lines(const char *path)
{
    g_autofree char *text = NULL;
    gsize size;
    guint lines = 0;

    g_assert_true(g_file_get_contents(path, &text, &size, NULL));
    for (gsize i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

/* Every result arrives once, the last one at EOS, whatever else is between. The branch that carries
 * results alone does not preroll: the queues may be full before there is one. */
static void test_every_result_is_written(void)
{
    g_autofree char *model = fixture_case("square");
    g_autofree char *folder = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    g_autofree char *written = g_build_filename(folder, "written.jsonl", NULL);
    g_autofree char *sent = g_build_filename(folder, "sent.jsonl", NULL);
    g_autofree char *line = g_strdup_printf(
        "videotestsrc num-buffers=60 pattern=ball ! "
        "video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! "
        "gemma4embed name=embed model=\"%s\" precision=f32 threads=1 async=true ! tee name=t "
        "t. ! queue ! videoconvert ! embeddingsink location=\"%s\" "
        "t. ! queue ! embeddingtensor ! application/x-json ! filesink async=false location=\"%s\"",
        model, written, sent);
    g_autoptr(GError) error = NULL;
    GstElement *pipeline = gst_parse_launch(line, &error);

    g_assert_no_error(error);
    GstElement *embed = gst_bin_get_by_name(GST_BIN(pipeline), "embed");
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    g_autoptr(GstMessage) message =
        gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_EOS);
    guint64 results = fixture_stat(embed, "embedded") + fixture_stat(embed, "reused");
    guint64 dropped = fixture_stat(embed, "dropped-async");
    gst_element_set_state(pipeline, GST_STATE_NULL);

    g_assert_cmpuint(results, >, 0);
    g_assert_cmpuint(results + dropped, ==, 60);
    g_assert_cmpuint(count_lines(written), ==, results);
    g_assert_cmpuint(count_lines(sent), ==, results);
    gst_object_unref(embed);
    gst_object_unref(pipeline);
    fixture_remove(folder);
}

/* ------------------------------------------------------------------------------------------
 * Flushes, caps, errors, states
 */
static void flush(GstHarness *h)
{
    GstSegment segment;

    g_assert_true(gst_harness_push_event(h, gst_event_new_flush_start()));
    g_assert_true(gst_harness_push_event(h, gst_event_new_flush_stop(TRUE)));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
}

static void test_flush_discards(void)
{
    GstHarness *h = square_harness();
    Events events;
    Gate gate;

    /* a result that is there */
    watch_events(h, &events, NULL);
    pass_bare(h, fixture_frame(0));
    async_wait(h);
    flush(h);
    pass_bare(h, fixture_frame(1));
    g_assert_cmpuint(async_wait(h), ==, 1);
    flush(h);

    /* one that is still being computed, with frames of after the flush meanwhile */
    gate_init(&gate);
    pass_bare(h, gate_buffer(&gate, fixture_frame(2)));
    gate_wait(&gate);
    flush(h);
    pass_bare(h, fixture_frame(3));
    g_assert_cmpuint(fixture_stat(h->element, "dropped-async"), ==, 1);
    gate_open(&gate);
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos())); /* awaits it */
    g_assert_cmpuint(events.embeddings, ==, 0);
    fixture_teardown(h);
    gate_clear(&gate);
}

/* Keeps the worker in the post of frame 0's message, after which it could take another frame. */
static GstBusSyncReply hold_at_gate(GstBus *bus, GstMessage *message, gpointer gate)
{
    guint64 frame;

    if (gst_message_has_name(message, "gemma4-embedding") &&
        gst_structure_get_uint64(gst_message_get_structure(message), "frame", &frame) && frame == 0)
        gate_stand(gate);
    return GST_BUS_PASS;
}

/* A frame that the worker had not begun with when the flush came is of before it, too. */
static void test_flush_discards_what_is_not_begun(void)
{
    GstHarness *h = square_harness();
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    Events events;
    Gate gate;

    watch_events(h, &events, NULL);
    gate_init(&gate);
    gst_bus_set_sync_handler(bus, hold_at_gate, &gate, NULL);
    pass_bare(h, fixture_frame(0));
    gate_wait(&gate);
    gst_buffer_unref(fixture_pass(h, fixture_frame(1))); /* carries frame 0's result */
    flush(h);
    gate_open(&gate);
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos())); /* awaits the worker */
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 2);
    g_assert_cmpuint(events.embeddings, ==, 0);
    gst_bus_set_sync_handler(bus, NULL, NULL, NULL);
    fixture_teardown(h);
    gate_clear(&gate);
}

static void test_flush_ends_the_wait_of_eos(void)
{
    GstHarness *h = square_harness();
    Gate gate;

    gate_init(&gate);
    pass_bare(h, gate_buffer(&gate, fixture_frame(0)));
    gate_wait(&gate);
    GThread *thread = g_thread_new("eos", push_eos, h);
    for (guint i = 0; i < 1000; i++)
        g_thread_yield();
    g_assert_true(gst_harness_push_event(h, gst_event_new_flush_start()));
    g_thread_join(thread); /* while the gate is shut */
    g_assert_true(gst_harness_push_event(h, gst_event_new_flush_stop(TRUE)));
    gate_open(&gate);
    fixture_teardown(h);
    gate_clear(&gate);
}

static void test_caps_change_while_busy(void)
{
    static const char *const formats[] = {"RGB", "I420", "GRAY8"};
    static const guint widths[] = {32, 50, 17}, heights[] = {24, 31, 40};
    GstHarness *h = square_harness();
    GstBuffer *frames[3], *references[3];
    Gate gate;

    for (guint i = 0; i < 3; i++) {
        GstVideoInfo info;
        GstCaps *caps = fixture_caps(formats[i], widths[i], heights[i]);
        g_assert_true(gst_video_info_from_caps(&info, caps));
        frames[i] = gst_buffer_new_wrapped(fixture_noise(info.size, i), info.size);
        references[i] = expected(gst_buffer_copy_deep(frames[i]), caps);
    }
    gate_init(&gate);
    pass_bare(h, gate_buffer(&gate, frames[0]));
    gate_wait(&gate);
    for (guint i = 1; i < 3; i++) { /* those two are dropped, their caps not */
        gst_harness_set_src_caps(h, fixture_caps(formats[i], widths[i], heights[i]));
        pass_bare(h, gst_buffer_copy_deep(frames[i]));
    }
    gate_open(&gate);
    g_assert_cmpuint(async_wait(h), ==, 0);
    g_autoptr(GstBuffer) first = fixture_pass(h, frames[2]);
    fixture_assert_equal(first, references[0]);
    g_assert_cmpuint(async_wait(h), ==, 3);
    gst_harness_set_src_caps(h, fixture_caps(formats[1], widths[1], heights[1]));
    g_autoptr(GstBuffer) second = fixture_pass(h, frames[1]);
    fixture_assert_equal(second, references[2]);
    async_wait(h);
    for (guint i = 0; i < 3; i++)
        gst_buffer_unref(references[i]);
    fixture_teardown(h);
    gate_clear(&gate);
}

static void test_error_of_the_worker(void)
{
    GstHarness *h = square_harness();
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    GstBuffer *small = fixture_frame(0);

    gst_buffer_set_size(small, 100);
    pass_bare(h, small);
    g_autoptr(GstMessage) message =
        gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ERROR);
    g_autoptr(GError) error = NULL;
    gst_message_parse_error(message, &error, NULL);
    g_assert_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "100 bytes"));
    g_assert_cmpuint(fixture_stat(h->element, "failed"), ==, 1);

    /* the message comes before the failure is known to the stream: until then frames pass */
    while (gst_harness_push(h, fixture_frame(1)) == GST_FLOW_OK)
        gst_buffer_unref(gst_harness_pull(h));
    g_assert_cmpint(gst_harness_push(h, fixture_frame(2)), ==, GST_FLOW_ERROR);
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR));

    flush(h);
    pass_bare(h, fixture_frame(3));
    async_wait(h);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(4));
    g_assert_nonnull(fixture_embedding(out));
    fixture_teardown(h);
}

static gpointer open_gate(gpointer gate)
{
    for (guint i = 0; i < 1000; i++)
        g_thread_yield();
    gate_open(gate);
    return NULL;
}

static void test_stops_while_busy_and_starts_again(void)
{
    GstHarness *h = square_harness();
    Gate gate;

    for (guint i = 0; i < 3; i++) {
        gate_init(&gate);
        pass_bare(h, gate_buffer(&gate, fixture_frame(0)));
        gate_wait(&gate);
        GThread *opener = g_thread_new("opener", open_gate, &gate);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_NULL), ==,
                        GST_STATE_CHANGE_SUCCESS);
        g_thread_join(opener);
        g_assert_cmpuint(fixture_stat(h->element, "model-bytes"), ==, 0);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_PLAYING), ==,
                        GST_STATE_CHANGE_SUCCESS);
        g_assert_true(gst_harness_push_event(h, gst_event_new_stream_start("again")));
        fixture_set_caps(h);
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
        pass_bare(h, fixture_frame(0)); /* nothing of before the stop */
        gate_clear(&gate);
        g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
        gst_bus_set_flushing(bus, TRUE);
        gst_bus_set_flushing(bus, FALSE);
        /* the result of frame 0 rides on it, if it is there yet */
        gst_buffer_unref(fixture_pass(h, fixture_frame(1)));
        gst_harness_push_event(h, gst_event_new_eos());
        gst_element_set_state(h->element, GST_STATE_READY);
        gst_element_set_state(h->element, GST_STATE_PLAYING);
        g_assert_true(gst_harness_push_event(h, gst_event_new_stream_start("once more")));
        fixture_set_caps(h);
        g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
    }
    fixture_teardown(h);
}

static void test_adds_no_latency(void)
{
    GstHarness *h = fixture_harness(async_element("square"));
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    g_autoptr(GstQuery) query = gst_query_new_latency();
    GstPad *src = gst_element_get_static_pad(h->element, "src");
    GstClockTime min, max;
    gboolean live;

    gst_harness_set_upstream_latency(h, 20 * GST_MSECOND);
    fixture_set_caps(h);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(0));
    async_wait(h);
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_LATENCY));
    g_assert_true(gst_pad_query(src, query));
    gst_query_parse_latency(query, &live, &min, &max);
    g_assert_true(live);
    g_assert_cmpuint(min, ==, 20 * GST_MSECOND);
    gst_object_unref(src);
    fixture_teardown(h);
}

/* A frame that came while the worker was busy has not used up its period. */
static void test_dropped_frame_leaves_its_period(void)
{
    GstHarness *h = square_harness();
    Gate gate;

    gate_init(&gate);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "10/1");
    pass_bare(h, gate_buffer(&gate, fixture_frame(0)));
    gate_wait(&gate);
    pass_bare(h, fixture_frame(1)); /* of 40 ms: the first period has its own */
    pass_bare(h, fixture_frame(3)); /* of 120 ms: nobody is free for it */
    gate_open(&gate);
    async_wait(h);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(4));
    g_assert_cmpuint(async_wait(h), ==, 3);
    g_assert_cmpuint(fixture_stat(h->element, "skipped-rate"), ==, 1);
    g_assert_cmpuint(fixture_stat(h->element, "dropped-async"), ==, 1);
    fixture_teardown(h);
    gate_clear(&gate);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/async/picture-never-waits", test_picture_never_waits);
    g_test_add_func("/async/worker-is-nice", test_worker_is_nice);
    g_test_add_func("/async/frame-is-held-until-resized", test_frame_is_held_until_resized);
    g_test_add_func("/async/eos-awaits-the-worker", test_eos_awaits_the_worker);
    g_test_add_func("/async/result-without-buffer-goes-out-before-eos",
                    test_result_without_buffer_goes_out_before_eos);
    g_test_add_func("/async/next-stream-starts-without-results",
                    test_next_stream_starts_without_results);
    g_test_add_func("/async/every-result-is-written", test_every_result_is_written);
    g_test_add_func("/async/flush-discards", test_flush_discards);
    g_test_add_func("/async/flush-discards-what-is-not-begun",
                    test_flush_discards_what_is_not_begun);
    g_test_add_func("/async/flush-ends-the-wait-of-eos", test_flush_ends_the_wait_of_eos);
    g_test_add_func("/async/caps-change-while-busy", test_caps_change_while_busy);
    g_test_add_func("/async/error-of-the-worker", test_error_of_the_worker);
    g_test_add_func("/async/stops-while-busy-and-starts-again",
                    test_stops_while_busy_and_starts_again);
    g_test_add_func("/async/adds-no-latency", test_adds_no_latency);
    g_test_add_func("/async/dropped-frame-leaves-its-period", test_dropped_frame_leaves_its_period);
    int status = g_test_run();
    gst_deinit();
    return status;
}
