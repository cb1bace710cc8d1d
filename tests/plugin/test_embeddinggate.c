/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddinggate: what passes, what does not, and what is told of it.
 */
#include "producer.h"

#include <math.h>

#define CAPS "video/x-raw,format=RGB,width=4,height=1,framerate=25/1"
#define ID "gemma4-joint"

static GstHarness *start(void)
{
    GstHarness *h = producer_harness("embeddinggate");

    gst_harness_set_src_caps_str(h, CAPS);
    return h;
}

/* A unit vector at this angle, times a length that must not matter. */
static GstBuffer *frame_at(gdouble angle, guint64 frame)
{
    gfloat length = 1.0f + (frame % 3);
    gfloat values[3] = {length * (gfloat)cos(angle), length * (gfloat)sin(angle), 0};

    return producer_embedded_of(ID, values, 3, frame);
}

/* The angle whose distance is so large. */
static gdouble angle_of(gdouble distance)
{
    return acos(1 - distance);
}

/* The next buffer out is that frame. */
static void expect_frame(GstHarness *h, guint64 frame, gboolean discont)
{
    g_autoptr(GstBuffer) out = gst_harness_try_pull(h);

    g_assert_nonnull(out);
    g_assert_cmpuint(GST_BUFFER_PTS(out), ==, frame * 40 * GST_MSECOND);
    g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, 40 * GST_MSECOND);
    g_assert_true(GST_BUFFER_IS_DISCONT(out) == discont);
}

static GstEvent *next_event(GstHarness *h)
{
    GstEvent *event;

    while ((event = gst_harness_try_pull_event(h)) != NULL) {
        if (GST_EVENT_TYPE(event) > GST_EVENT_SEGMENT)
            return event;
        gst_event_unref(event);
    }
    return NULL;
}

/* The next event is the gap that this frame left. */
static void expect_gap(GstHarness *h, guint64 frame)
{
    g_autoptr(GstEvent) event = next_event(h);
    GstClockTime time, duration;

    g_assert_nonnull(event);
    g_assert_cmpint(GST_EVENT_TYPE(event), ==, GST_EVENT_GAP);
    gst_event_parse_gap(event, &time, &duration);
    g_assert_cmpuint(time, ==, frame * 40 * GST_MSECOND);
    g_assert_cmpuint(duration, ==, 40 * GST_MSECOND);
}

static void expect_change(GstHarness *h, guint64 frame, gdouble distance)
{
    g_autoptr(GstMessage) message = producer_pop_message(h->element, "scene-change");
    guint64 pts;
    gdouble told;

    g_assert_nonnull(message);
    const GstStructure *s = gst_message_get_structure(message);
    g_assert_true(gst_structure_get_uint64(s, "pts", &pts));
    g_assert_true(gst_structure_get_double(s, "distance", &told));
    g_assert_cmpint(gst_structure_n_fields(s), ==, 2);
    g_assert_cmpuint(pts, ==, frame * 40 * GST_MSECOND);
    g_assert_cmpfloat_with_epsilon(told, distance, 1e-6);
}

static void expect_quiet(GstHarness *h)
{
    g_assert_null(producer_pop_message(h->element, "scene-change"));
    g_assert_null(gst_harness_try_pull(h));
    g_assert_null(next_event(h));
}

static void push(GstHarness *h, GstBuffer *buffer)
{
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
}

static void only_what_differs_passes(void)
{
    GstHarness *h = start();

    push(h, frame_at(0, 0));
    expect_frame(h, 0, FALSE);
    push(h, frame_at(angle_of(0.049), 1));
    expect_gap(h, 1);
    push(h, frame_at(0, 2));
    expect_gap(h, 2);
    push(h, frame_at(angle_of(0.051), 3));
    expect_frame(h, 3, TRUE);
    expect_change(h, 3, 0.051);
    push(h, frame_at(G_PI, 4));
    expect_frame(h, 4, FALSE);
    expect_change(h, 4, 1 - cos(G_PI - angle_of(0.051)));
    expect_quiet(h);
    gst_harness_teardown(h);
}

/* A slow pan: each frame is compared with the last that passed, not with the one before it. */
static void slow_change_passes_in_the_end(void)
{
    GstHarness *h = start();
    guint passed = 0;

    for (guint i = 0; i < 100; i++)
        push(h, frame_at(i * 0.01, i));
    for (GstBuffer *out; (out = gst_harness_try_pull(h)) != NULL; gst_buffer_unref(out))
        passed++;
    /* 1 - cos(0.32) is the first of these beyond 0.05. */
    g_assert_cmpuint(passed, ==, 4);
    expect_change(h, 32, 1 - cos(0.32));
    expect_change(h, 64, 1 - cos(0.32));
    expect_change(h, 96, 1 - cos(0.32));
    gst_harness_teardown(h);
}

static void equal_frames_have_distance_zero(void)
{
    GstHarness *h = start();

    g_object_set(h->element, "threshold", 0.0, NULL);
    for (guint i = 0; i < 4; i++)
        push(h, producer_embedded(ID, 1, 768, 5));
    expect_frame(h, 5, FALSE);
    for (guint i = 0; i < 3; i++)
        expect_gap(h, 5);
    push(h, producer_embedded(ID, 1, 768, 6));
    expect_frame(h, 6, TRUE);
    gst_message_unref(producer_pop_message(h->element, "scene-change"));
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void without_an_embedding_nothing_passes(void)
{
    GstHarness *h = start();
    GstBuffer *region = producer_buffer(1);

    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(region),
                                     producer_full_embedding(1, 3, 1));
    push(h, producer_buffer(0));
    push(h, region);
    push(h, frame_at(0, 2));
    push(h, producer_buffer(3));
    expect_gap(h, 0);
    expect_gap(h, 1);
    expect_gap(h, 3);
    expect_frame(h, 2, TRUE);
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void regions_beside_the_frame_do_not_matter(void)
{
    GstHarness *h = start();
    GstBuffer *buffer = producer_buffer(0);
    GstGemma4EmbeddingMeta *meta = gst_buffer_add_gemma4_embedding_meta(buffer);
    gfloat values[3] = {1, 0, 0};

    gst_gemma4_embedding_meta_append(meta, producer_full_embedding(1, 3, 0));
    gst_gemma4_embedding_meta_append(meta, producer_embedding_of(ID, values, 3, 0));
    gst_gemma4_embedding_meta_append(meta, producer_full_embedding(1, 3, 0));
    push(h, buffer);
    expect_frame(h, 0, FALSE);
    push(h, frame_at(0.01, 1));
    expect_gap(h, 1);
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void no_drop_marks_instead(void)
{
    GstHarness *h = start();

    g_object_set(h->element, "drop", FALSE, NULL);
    push(h, producer_buffer(0));
    push(h, frame_at(0, 1));
    push(h, frame_at(0.01, 2));
    push(h, producer_buffer(3));
    push(h, frame_at(1, 4));
    expect_frame(h, 0, FALSE);
    expect_frame(h, 1, TRUE);
    expect_frame(h, 2, FALSE);
    expect_frame(h, 3, FALSE);
    expect_frame(h, 4, TRUE);
    expect_change(h, 4, 1 - cos(1));
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void time_lets_one_pass(void)
{
    GstHarness *h = start();

    g_object_set(h->element, "max-interval", (guint64)(120 * GST_MSECOND), NULL);
    for (guint i = 0; i < 8; i++)
        push(h, frame_at(0, i));
    expect_frame(h, 0, FALSE);
    expect_frame(h, 3, TRUE);
    expect_frame(h, 6, TRUE);
    for (guint i = 0; i < 8; i++)
        if (i % 3 != 0)
            expect_gap(h, i);
    expect_quiet(h);
    gst_harness_teardown(h);
}

/* Running time goes on over a new segment whose time stamps start at 0 again. */
static void time_goes_on_over_segments(void)
{
    GstHarness *h = start();
    GstSegment segment;

    g_object_set(h->element, "max-interval", (guint64)(200 * GST_MSECOND), NULL);
    push(h, frame_at(0, 0));
    expect_frame(h, 0, FALSE);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.base = 120 * GST_MSECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    push(h, frame_at(0, 0));
    push(h, frame_at(0, 1));
    push(h, frame_at(0, 2));
    expect_gap(h, 0);
    expect_gap(h, 1);
    expect_frame(h, 2, TRUE);
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void flush_starts_anew(void)
{
    GstHarness *h = start();
    GstSegment segment;

    push(h, frame_at(0, 0));
    push(h, frame_at(0, 1));
    expect_frame(h, 0, FALSE);
    expect_gap(h, 1);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    push(h, frame_at(0, 2));
    expect_frame(h, 2, FALSE);
    g_assert_null(producer_pop_message(h->element, "scene-change"));
    gst_harness_teardown(h);
}

static void another_model_starts_anew(void)
{
    GstHarness *h = start();
    gfloat longer[4] = {1, 0, 0, 0};

    push(h, frame_at(0, 0));
    push(h, producer_embedded_of("gemma4-pooled", longer, 3, 1));
    push(h, producer_embedded_of("gemma4-pooled", longer, 4, 2));
    push(h, producer_embedded_of("gemma4-pooled", longer, 4, 3));
    for (guint i = 0; i < 3; i++)
        expect_frame(h, i, FALSE);
    expect_gap(h, 3);
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void event_is_as_good_as_a_meta(void)
{
    GstHarness *h = start();
    gfloat values[3][3] = {{1, 0, 0}, {1, 0.01f, 0}, {0, 1, 0}};

    push(h, frame_at(0, 0));
    expect_frame(h, 0, FALSE);
    for (guint i = 1; i < 3; i++) {
        g_autoptr(GstGemma4Embedding) e = producer_embedding_of(ID, values[i], 3, i);
        gst_harness_push_event(h, gst_event_new_gemma4_embedding(e));
    }
    g_autoptr(GstEvent) event = next_event(h);
    g_assert_nonnull(event);
    g_assert_nonnull(gst_event_get_gemma4_embedding(event));
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(gst_event_get_gemma4_embedding(event)), ==, 2);
    expect_change(h, 2, 1);
    expect_quiet(h);

    /* And it is what the next frame is compared with. */
    push(h, frame_at(G_PI / 2, 3));
    expect_gap(h, 3);
    gst_harness_push_event(h, gst_event_new_eos());
    g_autoptr(GstEvent) eos = next_event(h);
    g_assert_true(eos != NULL && GST_EVENT_TYPE(eos) == GST_EVENT_EOS);
    gst_harness_teardown(h);
}

static void tokens_compare_by_their_mean(void)
{
    GstHarness *h = start();
    gfloat mean[4] = {0};

    for (guint r = 0; r < 5; r++)
        for (guint c = 0; c < 4; c++)
            mean[c] += producer_value(0, r * 4 + c) / 5;
    g_object_set(h->element, "threshold", 1e-6, NULL);
    push(h, producer_embedded("gemma4-tokens", 5, 4, 0));
    expect_frame(h, 0, FALSE);
    push(h, producer_embedded_of("gemma4-tokens", mean, 4, 1));
    expect_gap(h, 1);
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void values_that_are_no_numbers_do_not_pass(void)
{
    GstHarness *h = start();
    gfloat bad[3][3] = {{NAN, 0, 0}, {INFINITY, 1, 0}, {3e38f, -3e38f, 3e38f}};

    push(h, frame_at(0, 0));
    expect_frame(h, 0, FALSE);
    for (guint i = 0; i < 2; i++) {
        push(h, producer_embedded_of(ID, bad[i], 3, i + 1));
        expect_gap(h, i + 1);
    }
    push(h, producer_embedded_of(ID, bad[2], 3, 3));
    expect_frame(h, 3, TRUE);
    expect_change(h, 3, 1 - 1 / sqrt(3));
    push(h, producer_embedded_of(ID, (gfloat[3]){0}, 3, 4));
    expect_frame(h, 4, FALSE);
    expect_change(h, 4, 1);
    push(h, producer_embedded_of(ID, (gfloat[3]){0}, 3, 5));
    expect_gap(h, 5);
    expect_quiet(h);
    gst_harness_teardown(h);
}

static void shared_buffers_stay_as_they_are(void)
{
    GstHarness *h = start();
    g_autoptr(GstBuffer) buffer = frame_at(0, 1);

    push(h, producer_buffer(0));
    push(h, gst_buffer_ref(buffer));
    expect_frame(h, 1, TRUE);
    g_assert_false(GST_BUFFER_IS_DISCONT(buffer));
    gst_harness_teardown(h);
}

static void buffers_without_time_stamps_leave_no_gap(void)
{
    GstHarness *h = start();
    GstBuffer *buffer = producer_buffer(0);

    g_object_set(h->element, "max-interval", (guint64)1, NULL);
    GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
    push(h, buffer);
    buffer = frame_at(0, 0);
    GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
    push(h, gst_buffer_ref(buffer));
    push(h, buffer);
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 1);
    g_assert_null(next_event(h));
    gst_harness_teardown(h);
}

static void caps_and_queries_pass(void)
{
    GstHarness *h = producer_harness("embeddinggate");

    gst_harness_set_sink_caps_str(h, CAPS);
    g_autoptr(GstCaps) caps = gst_pad_peer_query_caps(h->srcpad, NULL);
    g_autoptr(GstCaps) wanted = gst_caps_from_string(CAPS);
    g_assert_true(gst_caps_is_equal(caps, wanted));
    gst_harness_set_src_caps_str(h, CAPS);
    push(h, frame_at(0, 0));
    g_autoptr(GstCaps) out = gst_pad_get_current_caps(h->sinkpad);
    g_assert_true(gst_caps_is_equal(out, wanted));

    gst_harness_set_upstream_latency(h, 7 * GST_MSECOND);
    g_assert_cmpuint(gst_harness_query_latency(h), ==, 7 * GST_MSECOND);
    gst_harness_teardown(h);
}

static void properties_are_kept(void)
{
    GstElement *element = gst_object_ref_sink(producer_element("embeddinggate"));
    gdouble threshold;
    guint64 max_interval;
    gboolean drop;

    g_object_get(element, "threshold", &threshold, "max-interval", &max_interval, "drop", &drop,
                 NULL);
    g_assert_true(threshold == 0.05 && max_interval == 0 && drop);
    g_object_set(element, "threshold", 0.5, "max-interval", (guint64)9, "drop", FALSE, NULL);
    g_object_get(element, "threshold", &threshold, "max-interval", &max_interval, "drop", &drop,
                 NULL);
    g_assert_true(threshold == 0.5 && max_interval == 9 && !drop);
    gst_object_unref(element);
}

static void goes_through_the_states_again(void)
{
    GstHarness *h = start();

    for (guint round = 0; round < 3; round++) {
        push(h, frame_at(0, 0));
        push(h, frame_at(0, 1));
        expect_frame(h, 0, FALSE);
        expect_gap(h, 1);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_NULL), ==,
                        GST_STATE_CHANGE_SUCCESS);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_PLAYING), ==,
                        GST_STATE_CHANGE_SUCCESS);
        gst_harness_play(h);
        gst_harness_push_event(h, gst_event_new_stream_start("again"));
        gst_harness_set_src_caps_str(h, CAPS);
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(h, gst_event_new_segment(&segment));
    }
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gate/only-what-differs-passes", only_what_differs_passes);
    g_test_add_func("/gate/slow-change-passes-in-the-end", slow_change_passes_in_the_end);
    g_test_add_func("/gate/equal-frames-have-distance-zero", equal_frames_have_distance_zero);
    g_test_add_func("/gate/without-an-embedding-nothing-passes",
                    without_an_embedding_nothing_passes);
    g_test_add_func("/gate/regions-beside-the-frame-do-not-matter",
                    regions_beside_the_frame_do_not_matter);
    g_test_add_func("/gate/no-drop-marks-instead", no_drop_marks_instead);
    g_test_add_func("/gate/time-lets-one-pass", time_lets_one_pass);
    g_test_add_func("/gate/time-goes-on-over-segments", time_goes_on_over_segments);
    g_test_add_func("/gate/flush-starts-anew", flush_starts_anew);
    g_test_add_func("/gate/another-model-starts-anew", another_model_starts_anew);
    g_test_add_func("/gate/event-is-as-good-as-a-meta", event_is_as_good_as_a_meta);
    g_test_add_func("/gate/tokens-compare-by-their-mean", tokens_compare_by_their_mean);
    g_test_add_func("/gate/values-that-are-no-numbers-do-not-pass",
                    values_that_are_no_numbers_do_not_pass);
    g_test_add_func("/gate/shared-buffers-stay-as-they-are", shared_buffers_stay_as_they_are);
    g_test_add_func("/gate/buffers-without-time-stamps-leave-no-gap",
                    buffers_without_time_stamps_leave_no_gap);
    g_test_add_func("/gate/caps-and-queries-pass", caps_and_queries_pass);
    g_test_add_func("/gate/properties-are-kept", properties_are_kept);
    g_test_add_func("/gate/goes-through-the-states-again", goes_through_the_states_again);
    return g_test_run();
}
