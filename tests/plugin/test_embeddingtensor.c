/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingtensor: caps, buffers, gaps.
 */
#include "producer.h"

#include <jansson.h>
#include <string.h>

#define VIDEO_CAPS "video/x-raw,format=RGB,width=4,height=1,framerate=25/1"

/* `peer` is what downstream takes. */
static GstHarness *start(const gchar *peer)
{
    GstHarness *h = producer_harness("embeddingtensor");

    if (peer != NULL)
        gst_harness_set_sink_caps_str(h, peer);
    gst_harness_set_src_caps_str(h, VIDEO_CAPS);
    return h;
}

static void expect_caps(GstHarness *h, const gchar *expected)
{
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(h->sinkpad);
    g_autoptr(GstCaps) wanted = gst_caps_from_string(expected);

    g_assert_nonnull(caps);
    if (!gst_caps_is_equal(caps, wanted)) {
        g_autofree gchar *found = gst_caps_to_string(caps);
        g_error("caps are %s, expected %s", found, expected);
    }
}

/* The next event that is no stream-start, caps or segment; NULL without one. */
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

static void expect_event(GstHarness *h, GstEventType type)
{
    g_autoptr(GstEvent) event = next_event(h);

    g_assert_nonnull(event);
    g_assert_cmpstr(GST_EVENT_TYPE_NAME(event), ==, gst_event_type_get_name(type));
}

static void expect_values(GstBuffer *buffer, guint64 frame, gsize n)
{
    GstMapInfo map;

    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, frame * 40 * GST_MSECOND);
    g_assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
    g_assert_cmpuint(map.size, ==, n * sizeof(gfloat));
    for (gsize i = 0; i < n; i++)
        g_assert_true(((const gfloat *)map.data)[i] == producer_value(frame, i));
    gst_buffer_unmap(buffer, &map);
}

#define TENSOR_CAPS(dimensions, rate)                                                              \
    "other/tensors,format=(string)static,num_tensors=(int)1,types=(string)float32,"                \
    "dimensions=(string)" dimensions ",framerate=(fraction)" rate

static void any_peer_gets_padded_tensors(void)
{
    GstHarness *h = start(NULL);

    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 8, 3)), ==,
                    GST_FLOW_OK);
    expect_caps(h, TENSOR_CAPS("8:1:1:1", "25/1"));
    g_autoptr(GstBuffer) out = gst_harness_pull(h);
    expect_values(out, 3, 8);
    g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, 40 * GST_MSECOND);
    g_assert_true(GST_BUFFER_IS_DISCONT(out));
    gst_harness_teardown(h);
}

static void tokens_have_rows_second(void)
{
    GstHarness *h = start(NULL);

    gst_harness_push(h, producer_embedded("gemma4-tokens", 6, 8, 0));
    expect_caps(h, TENSOR_CAPS("8:6:1:1", "25/1"));
    g_autoptr(GstBuffer) out = gst_harness_pull(h);
    expect_values(out, 0, 48);
    gst_harness_teardown(h);
}

/* NNStreamer's versions write a different number of trailing ones. */
static void peer_chooses_the_padding(gconstpointer dimensions)
{
    g_autofree gchar *peer = g_strdup_printf(
        "other/tensors,format=static,num_tensors=1,types=float32,dimensions=(string)%s,"
        "framerate=(fraction)[0/1,max]",
        (const gchar *)dimensions);
    g_autofree gchar *expected = g_strdup_printf(
        "other/tensors,format=(string)static,num_tensors=(int)1,types=(string)float32,"
        "dimensions=(string)%s,framerate=(fraction)25/1",
        (const gchar *)dimensions);
    GstHarness *h = start(peer);

    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 8, 0)), ==,
                    GST_FLOW_OK);
    expect_caps(h, expected);
    gst_harness_teardown(h);
}

static void video_without_rate_gives_0_1(void)
{
    GstHarness *h = producer_harness("embeddingtensor");

    gst_harness_set_src_caps_str(h, "application/x-whatever");
    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    expect_caps(h, TENSOR_CAPS("8:1:1:1", "0/1"));
    gst_harness_teardown(h);
}

static void json_peer_gets_lines(void)
{
    GstHarness *h = start("application/x-json");
    GstMapInfo map;

    for (guint frame = 0; frame < 2; frame++) {
        g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 5, frame)), ==,
                        GST_FLOW_OK);
        g_autoptr(GstBuffer) out = gst_harness_pull(h);
        g_assert_cmpuint(GST_BUFFER_PTS(out), ==, frame * 40 * GST_MSECOND);
        g_assert_true(gst_buffer_map(out, &map, GST_MAP_READ));
        g_assert_cmpint(map.data[map.size - 1], ==, '\n');
        json_t *o = json_loadb((const char *)map.data, map.size, 0, NULL);
        g_assert_nonnull(o);
        g_assert_true(json_is_string(json_object_get(o, "stream")));
        g_assert_cmpint(json_integer_value(json_object_get(o, "frame")), ==, frame);
        for (guint i = 0; i < 5; i++)
            g_assert_true((gfloat)json_real_value(json_array_get(json_object_get(o, "embedding"),
                                                                 i)) == producer_value(frame, i));
        json_decref(o);
        gst_buffer_unmap(out, &map);
    }
    expect_caps(h, "application/x-json");
    gst_harness_teardown(h);
}

static void peer_prefers_by_its_order(void)
{
    GstHarness *h = start("application/x-json; other/tensors");

    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 5, 0));
    expect_caps(h, "application/x-json");
    gst_harness_teardown(h);
}

static void peer_that_takes_neither_is_an_error(void)
{
    GstHarness *h = start("other/tensors,format=static,num_tensors=1,types=float32,"
                          "dimensions=(string)99:1:1:1,framerate=(fraction)[0/1,max]");

    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 5, 0)), ==,
                    GST_FLOW_NOT_NEGOTIATED);
    producer_expect_error(h->element, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "[1, 5]");
    gst_harness_teardown(h);
}

static void every_entry_is_a_buffer(void)
{
    GstHarness *h = start(NULL);
    GstBuffer *buffer = producer_embedded("gemma4-pooled", 1, 4, 2);

    for (guint i = 0; i < 3; i++)
        gst_gemma4_embedding_meta_append(gst_buffer_get_gemma4_embedding_meta(buffer),
                                         producer_embedding("gemma4-pooled", 1, 4, i + 10));
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 4);
    for (guint i = 0; i < 4; i++) {
        g_autoptr(GstBuffer) out = gst_harness_pull(h);
        expect_values(out, i == 0 ? 2 : i + 9, 4);
        g_assert_true(GST_BUFFER_IS_DISCONT(out) == (i == 0));
        /* Only the embedding of this very frame lasts as long as it. */
        g_assert_true(GST_BUFFER_DURATION_IS_VALID(out) == (i == 0));
    }
    gst_harness_teardown(h);
}

static void nothing_goes_out_before_the_first(void)
{
    GstHarness *h = start(NULL);

    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(gst_harness_push(h, producer_buffer(i)), ==, GST_FLOW_OK);
    gst_harness_push_event(h, gst_event_new_gap(120 * GST_MSECOND, 40 * GST_MSECOND));
    gst_harness_push_event(h, gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "a", NULL)));
    gst_harness_push_event(h, gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "b", NULL)));
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 0);
    g_assert_cmpuint(gst_harness_events_received(h), ==, 1); /* the stream-start */
    g_assert_false(gst_pad_has_current_caps(h->sinkpad));

    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 3));
    static const GstEventType order[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT,
                                         GST_EVENT_TAG};
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        g_autoptr(GstEvent) event = gst_harness_try_pull_event(h);
        g_assert_nonnull(event);
        g_assert_cmpint(GST_EVENT_TYPE(event), ==, order[i]);
    }
    g_assert_null(gst_harness_try_pull_event(h));
    gst_harness_teardown(h);
}

static void later_buffers_without_one_become_gaps(void)
{
    GstHarness *h = start(NULL);

    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 0));
    gst_harness_push(h, producer_buffer(1));
    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 2));
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 2);
    g_autoptr(GstEvent) gap = next_event(h);
    GstClockTime time, duration;
    g_assert_true(gap != NULL && GST_EVENT_TYPE(gap) == GST_EVENT_GAP);
    gst_event_parse_gap(gap, &time, &duration);
    g_assert_cmpuint(time, ==, 40 * GST_MSECOND);
    g_assert_cmpuint(duration, ==, 40 * GST_MSECOND);
    g_assert_null(next_event(h));

    gst_harness_push_event(h, gst_event_new_gap(120 * GST_MSECOND, 40 * GST_MSECOND));
    expect_event(h, GST_EVENT_GAP);
    gst_harness_teardown(h);
}

static void event_is_as_good_as_a_meta(void)
{
    GstHarness *h = start(NULL);
    g_autoptr(GstGemma4Embedding) first = producer_embedding("gemma4-pooled", 1, 4, 5);

    g_assert_true(gst_harness_push_event(h, gst_event_new_gemma4_embedding(first)));
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    expect_caps(h, TENSOR_CAPS("4:1:1:1", "25/1"));
    g_autoptr(GstBuffer) out = gst_harness_pull(h);
    expect_values(out, 5, 4);
    expect_event(h, GST_EVENT_EOS);
    g_assert_null(next_event(h));
    gst_harness_teardown(h);
}

static void other_events_pass(void)
{
    GstHarness *h = start(NULL);

    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 0));
    gst_harness_push_event(
        h, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("other")));
    g_autoptr(GstEvent) event = next_event(h);
    g_assert_true(event != NULL && gst_event_has_name(event, "other"));
    gst_harness_teardown(h);
}

static void eos_without_any_passes(void)
{
    GstHarness *h = start(NULL);

    gst_harness_push(h, producer_buffer(0));
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    expect_event(h, GST_EVENT_EOS);
    gst_harness_teardown(h);
}

static void another_shape_is_negotiated(void)
{
    GstHarness *h = start(NULL);

    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 0));
    expect_caps(h, TENSOR_CAPS("4:1:1:1", "25/1"));
    gst_harness_push(h, producer_embedded("gemma4-tokens", 3, 4, 1));
    expect_caps(h, TENSOR_CAPS("4:3:1:1", "25/1"));
    gst_harness_teardown(h);
}

static void another_rate_is_negotiated_and_another_size_is_not(void)
{
    GstHarness *h = start(NULL);
    guint caps_events = 0;

    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 0));
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=9,height=9,framerate=25/1");
    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 1));
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=9,height=9,framerate=50/1");
    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 2));
    expect_caps(h, TENSOR_CAPS("4:1:1:1", "50/1"));
    for (GstEvent *event; (event = gst_harness_try_pull_event(h)) != NULL; gst_event_unref(event))
        caps_events += GST_EVENT_TYPE(event) == GST_EVENT_CAPS;
    g_assert_cmpuint(caps_events, ==, 2);
    gst_harness_teardown(h);
}

static void flush_starts_anew(void)
{
    GstHarness *h = start(NULL);
    GstSegment segment;

    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 0));
    gst_buffer_unref(gst_harness_pull(h));
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = GST_SECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 7)), ==,
                    GST_FLOW_OK);
    g_autoptr(GstBuffer) out = gst_harness_pull(h);
    expect_values(out, 7, 4);
    g_assert_true(GST_BUFFER_IS_DISCONT(out));
    g_autoptr(GstEvent) event = gst_pad_get_sticky_event(h->sinkpad, GST_EVENT_SEGMENT, 0);
    const GstSegment *received;
    gst_event_parse_segment(event, &received);
    g_assert_cmpuint(received->start, ==, GST_SECOND);
    gst_harness_teardown(h);
}

/* A seek before the first embedding: only the segment after the flush may arrive. */
static void flush_before_the_first_forgets_the_old_segment(void)
{
    GstHarness *h = start(NULL);
    GstSegment segment;
    guint segments = 0;

    gst_harness_push(h, producer_buffer(0));
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 3 * GST_SECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4, 80));
    for (GstEvent *event; (event = gst_harness_try_pull_event(h)) != NULL; gst_event_unref(event))
        if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
            const GstSegment *received;
            gst_event_parse_segment(event, &received);
            g_assert_cmpuint(received->start, ==, 3 * GST_SECOND);
            segments++;
        }
    g_assert_cmpuint(segments, ==, 1);
    gst_harness_teardown(h);
}

static void reference_time_goes_along(void)
{
    GstHarness *h = start(NULL);
    GstBuffer *buffer = producer_embedded("gemma4-pooled", 1, 4, 0);
    g_autoptr(GstCaps) reference = gst_caps_from_string("timestamp/x-ntp");

    gst_buffer_add_reference_timestamp_meta(buffer, reference, 12345, GST_CLOCK_TIME_NONE);
    gst_harness_push(h, buffer);
    g_autoptr(GstBuffer) out = gst_harness_pull(h);
    const GstReferenceTimestampMeta *meta = gst_buffer_get_reference_timestamp_meta(out, reference);
    g_assert_nonnull(meta);
    g_assert_cmpuint(meta->timestamp, ==, 12345);
    gst_harness_teardown(h);
}

static void downstream_cannot_change_the_meta(void)
{
    GstHarness *h = start(NULL);
    g_autoptr(GstBuffer) in = producer_embedded("gemma4-pooled", 1, 4, 0);
    const GstGemma4Embedding *e =
        gst_gemma4_embedding_meta_get_entry(gst_buffer_get_gemma4_embedding_meta(in), 0);
    gsize n;

    gst_harness_push(h, gst_buffer_ref(in));
    g_autoptr(GstBuffer) out = gst_buffer_make_writable(gst_harness_pull(h));
    gst_buffer_memset(out, 0, 0xff, 16);
    g_assert_true(gst_gemma4_embedding_get_values(e, &n)[0] == producer_value(0, 0));
    gst_harness_teardown(h);
}

static void goes_through_the_states_again(void)
{
    GstHarness *h = start(NULL);

    for (guint round = 0; round < 3; round++) {
        gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 4 + round, 0));
        g_autoptr(GstBuffer) out = gst_harness_pull(h);
        expect_values(out, 0, 4 + round);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_NULL), ==,
                        GST_STATE_CHANGE_SUCCESS);
        gst_harness_set_src_caps_str(h, VIDEO_CAPS);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_PLAYING), ==,
                        GST_STATE_CHANGE_SUCCESS);
        gst_harness_play(h);
        gst_harness_push_event(h, gst_event_new_stream_start("again"));
        gst_harness_set_src_caps_str(h, VIDEO_CAPS);
    }
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tensor/any-peer-gets-padded-tensors", any_peer_gets_padded_tensors);
    g_test_add_func("/tensor/tokens-have-rows-second", tokens_have_rows_second);
    g_test_add_data_func("/tensor/peer-chooses/8:1:1:1", "8:1:1:1", peer_chooses_the_padding);
    g_test_add_data_func("/tensor/peer-chooses/8:1:1", "8:1:1", peer_chooses_the_padding);
    g_test_add_data_func("/tensor/peer-chooses/8:1", "8:1", peer_chooses_the_padding);
    g_test_add_data_func("/tensor/peer-chooses/8", "8", peer_chooses_the_padding);
    g_test_add_func("/tensor/video-without-rate-gives-0-1", video_without_rate_gives_0_1);
    g_test_add_func("/tensor/json-peer-gets-lines", json_peer_gets_lines);
    g_test_add_func("/tensor/peer-prefers-by-its-order", peer_prefers_by_its_order);
    g_test_add_func("/tensor/peer-that-takes-neither-is-an-error",
                    peer_that_takes_neither_is_an_error);
    g_test_add_func("/tensor/every-entry-is-a-buffer", every_entry_is_a_buffer);
    g_test_add_func("/tensor/nothing-goes-out-before-the-first", nothing_goes_out_before_the_first);
    g_test_add_func("/tensor/later-buffers-without-one-become-gaps",
                    later_buffers_without_one_become_gaps);
    g_test_add_func("/tensor/event-is-as-good-as-a-meta", event_is_as_good_as_a_meta);
    g_test_add_func("/tensor/other-events-pass", other_events_pass);
    g_test_add_func("/tensor/eos-without-any-passes", eos_without_any_passes);
    g_test_add_func("/tensor/another-shape-is-negotiated", another_shape_is_negotiated);
    g_test_add_func("/tensor/another-rate-is-negotiated-and-another-size-is-not",
                    another_rate_is_negotiated_and_another_size_is_not);
    g_test_add_func("/tensor/flush-starts-anew", flush_starts_anew);
    g_test_add_func("/tensor/flush-before-the-first-forgets-the-old-segment",
                    flush_before_the_first_forgets_the_old_segment);
    g_test_add_func("/tensor/reference-time-goes-along", reference_time_goes_along);
    g_test_add_func("/tensor/downstream-cannot-change-the-meta", downstream_cannot_change_the_meta);
    g_test_add_func("/tensor/goes-through-the-states-again", goes_through_the_states_again);
    return g_test_run();
}
