/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed: its results, what it leaves alone, which frames it takes, what it tells.
 */
#include "embedfixture.h"

#include "gemma4.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------
 * Results
 */

/* What the core says of a picture, called directly: [rows, cols]. */
static float *core_tokens(const char *name, const G4EncoderOptions *options, const guint8 *rgb,
                          guint width, guint height, guint *rows, guint *cols)
{
    g_autofree char *path = fixture_case(name);
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Model) model =
        g4_model_open(path, &(G4ModelOptions){.precision = G4_PRECISION_F32}, &error);
    g_assert_no_error(error);
    g_autoptr(G4Encoder) encoder = g4_encoder_new(model, options, &error);
    g_assert_no_error(error);
    g_assert_true(g4_encoder_prepare(encoder, width, height, &error));
    *rows = g4_encoder_get_rows(encoder);
    *cols = g4_encoder_get_cols(encoder);
    float *tokens = g_new(float, (gsize)*rows **cols);
    g4_encoder_load(encoder, &(G4Frame){rgb, (gsize)width * 3, width, height, G4_PIXELS_RGB});
    g4_encoder_encode(encoder, tokens);
    return tokens;
}

static void check_frame(const char *name, guint frame, guint budget, const char *output,
                        gboolean normalize)
{
    guint shape[3], rows, cols, golden_shape[3];
    g_autofree char *rgb_name = g_strdup_printf("frame%u.rgb", frame);
    g_autofree char *golden_name = g_strdup_printf(
        "frame%u.%s", frame, g_str_equal(output, "tokens") ? "projected" : "embedding");
    g_autofree guint8 *rgb = fixture_golden(name, rgb_name, shape);
    g_autofree float *golden = fixture_golden(name, golden_name, golden_shape);
    g_autofree char *path = fixture_case(name);
    g_autofree float *tokens =
        core_tokens(name, &(G4EncoderOptions){.max_soft_tokens = budget, .threads = 1}, rgb,
                    shape[1], shape[0], &rows, &cols);
    GstElement *element = fixture_element(path);

    gst_util_set_object_arg(G_OBJECT(element), "output", output);
    g_object_set(element, "max-soft-tokens", budget, "normalize", normalize, NULL);
    GstHarness *h = fixture_harness(element);
    gst_harness_set_src_caps(h, fixture_caps("RGB", shape[1], shape[0]));
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_rgb_buffer(rgb, shape[1], shape[0]));
    GstGemma4Embedding *e = fixture_embedding(out);
    gsize n;
    const gfloat *values = gst_gemma4_embedding_get_values(e, &n);

    if (g_str_equal(output, "tokens")) {
        g_assert_cmpstr(gst_gemma4_embedding_get_id(e), ==, "gemma4-tokens");
        g_assert_cmpuint(gst_gemma4_embedding_get_rows(e), ==, rows);
        g_assert_false(gst_gemma4_embedding_is_normalized(e));
        g_assert_cmpmem(values, n * 4, tokens, (gsize)rows * cols * 4);
        fixture_assert_close(values, golden, n);
    } else {
        g_autofree float *mean = g_new(float, cols);
        g4_tokens_mean(tokens, rows, cols, normalize, mean);
        g_assert_cmpstr(gst_gemma4_embedding_get_id(e), ==, "gemma4-pooled");
        g_assert_cmpuint(gst_gemma4_embedding_get_rows(e), ==, 1);
        g_assert_cmpint(gst_gemma4_embedding_is_normalized(e), ==, normalize);
        g_assert_cmpmem(values, n * 4, mean, cols * 4);
        if (normalize)
            fixture_assert_close(values, golden, n);
    }
    g_assert_cmpuint(gst_gemma4_embedding_get_cols(e), ==, cols);
    fixture_teardown(h);
}

static void test_pooled_equals_core_and_golden(void)
{
    check_frame("square", 0, 0, "pooled", TRUE);
    check_frame("square", 2, 0, "auto", TRUE);
    check_frame("square", 1, 0, "pooled", FALSE);
    for (guint i = 0; i < 9; i++) {
        guint shape[3];
        g_autofree char *name = g_strdup_printf("frame%u.max_soft_tokens", i);
        g_autofree gint32 *budget = fixture_golden("aspect", name, shape);
        check_frame("aspect", i, budget[0], "pooled", TRUE);
    }
}

static void test_tokens_equal_core_and_golden(void)
{
    check_frame("square", 0, 0, "tokens", TRUE);
    check_frame("square", 2, 0, "tokens", FALSE);
}

/* ------------------------------------------------------------------------------------------
 * The buffer
 */
static void check_untouched(gboolean shared)
{
    GstHarness *h = fixture_harness_case("square");
    GstBuffer *in = fixture_frame(3);
    g_autoptr(GstCaps) unix_time = gst_caps_new_empty_simple("timestamp/x-unix");
    GstMemory *memory = gst_buffer_peek_memory(in, 0);
    g_autofree guint8 *before = NULL;
    GstMapInfo map;
    gsize size;

    fixture_set_caps(h);
    gst_buffer_extract_dup(in, 0, -1, (gpointer *)&before, &size);
    GST_BUFFER_DTS(in) = 17;
    GST_BUFFER_OFFSET(in) = 5;
    GST_BUFFER_OFFSET_END(in) = 6;
    GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_GAP | GST_BUFFER_FLAG_DELTA_UNIT |
                                GST_BUFFER_FLAG_MARKER | GST_BUFFER_FLAG_CORRUPTED |
                                GST_BUFFER_FLAG_DISCONT);
    guint flags = GST_BUFFER_FLAGS(in);
    gst_buffer_add_reference_timestamp_meta(in, unix_time, 1234 * GST_SECOND, GST_CLOCK_TIME_NONE);
    gst_buffer_add_video_region_of_interest_meta(in, "face", 1, 2, 3, 4);

    GstBuffer *kept = shared ? gst_buffer_ref(in) : NULL;
    g_autoptr(GstBuffer) out = fixture_pass(h, in);

    if (shared) {
        g_assert_null(gst_buffer_get_gemma4_embedding_meta(kept));
        g_assert_true(gst_buffer_peek_memory(kept, 0) == memory);
        gst_buffer_unref(kept);
    } else {
        g_assert_true(out == in);
    }
    g_assert_cmpuint(gst_buffer_n_memory(out), ==, 1);
    g_assert_true(gst_buffer_peek_memory(out, 0) == memory);
    g_assert_true(gst_buffer_map(out, &map, GST_MAP_READ));
    g_assert_cmpmem(map.data, map.size, before, size);
    gst_buffer_unmap(out, &map);
    g_assert_cmpuint(GST_BUFFER_PTS(out), ==, 120 * GST_MSECOND);
    g_assert_cmpuint(GST_BUFFER_DTS(out), ==, 17);
    g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, 40 * GST_MSECOND);
    g_assert_cmpuint(GST_BUFFER_OFFSET(out), ==, 5);
    g_assert_cmpuint(GST_BUFFER_OFFSET_END(out), ==, 6);
    g_assert_cmphex(GST_BUFFER_FLAGS(out) & ~GST_BUFFER_FLAG_TAG_MEMORY, ==,
                    flags & ~GST_BUFFER_FLAG_TAG_MEMORY);
    g_assert_nonnull(gst_buffer_get_reference_timestamp_meta(out, unix_time));
    g_assert_nonnull(gst_buffer_get_video_region_of_interest_meta_id(out, 0));
    g_assert_nonnull(fixture_embedding(out));
    fixture_teardown(h);
}

static void test_frame_leaves_untouched(void)
{
    check_untouched(FALSE);
}

static void test_shared_frame_is_not_copied(void)
{
    check_untouched(TRUE);
}

static void test_record_says_where_it_is_from(void)
{
    g_autofree char *path = fixture_case("square");
    g_autoptr(G4Model) model = g4_model_open(path, NULL, NULL);
    GstHarness *h = fixture_harness_case("square");
    g_autoptr(GstCaps) unix_time = gst_caps_new_empty_simple("timestamp/x-unix");
    g_autoptr(GstCaps) ntp = gst_caps_new_empty_simple("timestamp/x-ntp");
    GstSegment segment;
    gdouble x, y, w, ht;

    fixture_set_caps(h);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 40 * GST_MSECOND;
    segment.base = GST_SECOND;
    segment.time = 5 * GST_SECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));

    for (guint i = 1; i < 4; i++) {
        GstBuffer *in = fixture_frame(i);
        if (i == 2)
            gst_buffer_add_reference_timestamp_meta(in, unix_time, 77, GST_CLOCK_TIME_NONE);
        if (i == 3)
            gst_buffer_add_reference_timestamp_meta(
                in, ntp, G_GUINT64_CONSTANT(2208988801) * GST_SECOND, GST_CLOCK_TIME_NONE);
        g_autoptr(GstBuffer) out = fixture_pass(h, in);
        GstGemma4Embedding *e = fixture_embedding(out);
        g_assert_cmpuint(gst_gemma4_embedding_get_frame(e), ==, i - 1);
        g_assert_cmpuint(gst_gemma4_embedding_get_pts(e), ==, i * 40 * GST_MSECOND);
        g_assert_cmpuint(gst_gemma4_embedding_get_running_time(e), ==,
                         GST_SECOND + (i - 1) * 40 * GST_MSECOND);
        g_assert_cmpuint(gst_gemma4_embedding_get_utc(e), ==,
                         i == 1   ? GST_CLOCK_TIME_NONE
                         : i == 2 ? 77
                                  : GST_SECOND);
        gst_gemma4_embedding_get_region(e, &x, &y, &w, &ht);
        g_assert_true(x == 0 && y == 0 && w == 1 && ht == 1);
        g_assert_null(gst_gemma4_embedding_get_region_id(e));
        g_assert_cmpint(gst_gemma4_embedding_get_track(e), ==, -1);
        g_assert_cmpstr(gst_gemma4_embedding_get_model_name(e), ==, "square");
        g_assert_cmpstr(gst_gemma4_embedding_get_model_digest(e), ==, g4_model_get_digest(model));
        g_assert_false(gst_gemma4_embedding_is_reused(e));
    }
    fixture_teardown(h);
}

/* A stream whose size, format and rate change in the middle, while the checkpoint is gone from
 * the disk: the weights are not read again, and each embedding is that of a fresh element. */
static void test_caps_change_without_reload(void)
{
    static const struct {
        const char *format;
        guint width, height, rate;
    } steps[] = {{"RGB", 32, 24, 25},  {"RGB", 32, 24, 30},   {"RGB", 50, 31, 30},
                 {"I420", 50, 31, 30}, {"GRAY8", 17, 40, 30}, {"RGB", 32, 24, 25}};
    g_autofree char *path = fixture_copy("aspect");
    GstHarness *h = fixture_harness(fixture_element(path));

    fixture_remove(path);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(GstCaps) caps = fixture_caps(steps[i].format, steps[i].width, steps[i].height);
        GstHarness *fresh = fixture_harness_case("aspect");
        GstVideoInfo info;

        gst_caps_set_simple(caps, "framerate", GST_TYPE_FRACTION, steps[i].rate, 1, NULL);
        g_assert_true(gst_video_info_from_caps(&info, caps));
        GstBuffer *in = gst_buffer_new_wrapped(fixture_noise(info.size, i), info.size);
        gst_harness_set_src_caps(fresh, gst_caps_ref(caps));
        gst_harness_set_src_caps(h, gst_caps_ref(caps));
        g_autoptr(GstBuffer) expected = fixture_pass(fresh, gst_buffer_copy_deep(in));
        g_autoptr(GstBuffer) out = fixture_pass(h, in);
        fixture_assert_equal(out, expected);
        g_assert_cmpuint(gst_gemma4_embedding_get_frame(fixture_embedding(out)), ==, i);
        fixture_teardown(fresh);
    }
    fixture_teardown(h);
}

static void test_second_producer_appends(void)
{
    GstHarness *h = fixture_harness_case("square");
    GstHarness *second = fixture_harness_case("square");

    fixture_set_caps(h);
    fixture_set_caps(second);
    g_autoptr(GstBuffer) out = fixture_pass(second, fixture_pass(h, fixture_frame(0)));
    g_assert_cmpuint(
        gst_gemma4_embedding_meta_get_n_entries(gst_buffer_get_gemma4_embedding_meta(out)), ==, 2);
    fixture_teardown(h);
    fixture_teardown(second);
}

/* ------------------------------------------------------------------------------------------
 * Which frames
 */

/* Pushes `n` frames at 25 a second from `first` on; a string of x (embedded) and - (not). */
static char *push_frames(GstHarness *h, guint first, guint n)
{
    GString *picked = g_string_new(NULL);

    for (guint i = first; i < first + n; i++) {
        g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(i));
        g_string_append_c(picked, fixture_embedding(out) ? 'x' : '-');
    }
    return g_string_free(picked, FALSE);
}

static void check_picked(GstHarness *h, guint first, guint n, const char *expected)
{
    g_autofree char *picked = push_frames(h, first, n);

    g_assert_cmpstr(picked, ==, expected);
}

static void test_interval_takes_every_nth(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    g_object_set(h->element, "inference-interval", 3, NULL);
    check_picked(h, 0, 8, "x--x--x-");
    g_object_set(h->element, "inference-interval", 1, NULL); /* while playing */
    check_picked(h, 8, 3, "xxx");
    g_assert_cmpuint(fixture_stat(h->element, "skipped-interval"), ==, 5);
    g_assert_cmpuint(fixture_stat(h->element, "skipped-rate"), ==, 0);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 6);
    g_assert_cmpuint(fixture_stat(h->element, "frames"), ==, 11);
    fixture_teardown(h);
}

static void test_rate_takes_first_of_each_period(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "10/1");
    /* frame times 0 40 80 120 160 200 ..., periods of 100 ms */
    check_picked(h, 0, 11, "x--x-x--x-x");
    g_assert_cmpuint(fixture_stat(h->element, "skipped-rate"), ==, 6);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "0/1");
    check_picked(h, 11, 2, "xx");
    fixture_teardown(h);
}

/* Played backwards the periods are those of the stream, and the running time goes up. */
static void test_rate_takes_first_of_each_period_backwards(void)
{
    GstHarness *h = fixture_harness_case("square");
    g_autoptr(GString) picked = g_string_new(NULL);
    GstSegment segment;

    fixture_set_caps(h);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "10/1");
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.rate = -1.0;
    segment.stop = 400 * GST_MSECOND;
    g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
    for (guint i = 10; i-- > 0;) { /* 360 320 | 280 240 200 | 160 120 | 80 40 0 */
        g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(i));
        GstGemma4Embedding *e = fixture_embedding(out);
        g_string_append_c(picked, e ? 'x' : '-');
        if (e)
            g_assert_cmpuint(gst_gemma4_embedding_get_running_time(e), ==,
                             (400 - i * 40) * GST_MSECOND);
    }
    g_assert_cmpstr(picked->str, ==, "x-x--x-x--");
    fixture_teardown(h);
}

static void test_interval_applies_before_rate(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    g_object_set(h->element, "inference-interval", 2, NULL);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "5/1");
    /* the interval leaves 0 80 160 240 320 400; periods of 200 ms */
    check_picked(h, 0, 11, "x-----x---x");
    g_assert_cmpuint(fixture_stat(h->element, "skipped-interval"), ==, 5);
    g_assert_cmpuint(fixture_stat(h->element, "skipped-rate"), ==, 3);
    fixture_teardown(h);
}

static void test_rate_takes_frames_without_pts(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "1/10");
    for (guint i = 0; i < 3; i++) {
        GstBuffer *in = fixture_frame(i);
        GST_BUFFER_PTS(in) = GST_CLOCK_TIME_NONE;
        g_autoptr(GstBuffer) out = fixture_pass(h, in);
        g_assert_nonnull(fixture_embedding(out));
    }
    check_picked(h, 3, 2, "x-");
    fixture_teardown(h);
}

static void test_flush_starts_anew(void)
{
    GstHarness *h = fixture_harness_case("square");
    GstSegment segment;

    fixture_set_caps(h);
    g_object_set(h->element, "inference-interval", 4, NULL);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "1/1");
    check_picked(h, 0, 3, "x--");
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(1));
    g_assert_nonnull(fixture_embedding(out));
    /* the frame count goes on */
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(fixture_embedding(out)), ==, 3);
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * What it tells
 */
static void test_messages(void)
{
    GstHarness *h = fixture_harness_case("square");
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);

    fixture_set_caps(h);
    check_picked(h, 0, 1, "x");
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT));
    g_object_set(h->element, "post-messages", TRUE, NULL);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(1));
    g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT);
    g_assert_nonnull(message);
    const GstStructure *s = gst_message_get_structure(message);
    GstGemma4Embedding *e = fixture_embedding(out);
    g_autoptr(GstBuffer) values = NULL;
    guint64 frame, pts, stream_time;
    guint rows, cols;
    gsize n;
    GstMapInfo map;

    g_assert_true(gst_structure_has_name(s, "gemma4-embedding"));
    g_assert_cmpstr(gst_structure_get_string(s, "id"), ==, "gemma4-pooled");
    g_assert_true(gst_structure_get(s, "frame", G_TYPE_UINT64, &frame, "pts", G_TYPE_UINT64, &pts,
                                    "stream-time", G_TYPE_UINT64, &stream_time, "rows", G_TYPE_UINT,
                                    &rows, "cols", G_TYPE_UINT, &cols, "values", GST_TYPE_BUFFER,
                                    &values, NULL));
    g_assert_cmpuint(frame, ==, 1);
    g_assert_cmpuint(pts, ==, 40 * GST_MSECOND);
    g_assert_cmpuint(stream_time, ==, 40 * GST_MSECOND);
    g_assert_cmpuint(rows, ==, 1);
    g_assert_cmpuint(cols, ==, gst_gemma4_embedding_get_cols(e));
    const gfloat *expected = gst_gemma4_embedding_get_values(e, &n);
    g_assert_true(gst_buffer_map(values, &map, GST_MAP_READ));
    g_assert_cmpmem(map.data, map.size, expected, n * sizeof(gfloat));
    gst_buffer_unmap(values, &map);
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT));
    fixture_teardown(h);
}

static void test_stats(void)
{
    g_autofree char *path = fixture_case("square");
    g_autoptr(G4Model) model =
        g4_model_open(path, &(G4ModelOptions){.precision = G4_PRECISION_F32}, NULL);
    GstHarness *h = fixture_harness_case("square");
    GstStructure *stats;

    fixture_set_caps(h);
    check_picked(h, 0, 5, "xxxxx");
    g_object_get(h->element, "stats", &stats, NULL);
    g_assert_cmpstr(gst_structure_get_string(stats, "precision"), ==, "f32");
    g_assert_cmpstr(gst_structure_get_string(stats, "kernels"), ==, g4_model_get_kernels(model));
    g_assert_cmpstr(gst_structure_get_string(stats, "digest"), ==, g4_model_get_digest(model));
    gst_structure_free(stats);
    g_assert_cmpuint(fixture_stat(h->element, "frames"), ==, 5);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 5);
    g_assert_cmpuint(fixture_stat(h->element, "failed"), ==, 0);
    g_assert_cmpuint(fixture_stat(h->element, "model-bytes"), ==, g4_model_get_bytes(model));
    g_assert_cmpuint(fixture_stat(h->element, "activation-bytes"), >, 0);
    guint64 p50 = fixture_stat(h->element, "inference-p50");
    g_assert_cmpuint(p50, >, 0);
    g_assert_cmpuint(fixture_stat(h->element, "inference-p95"), >=, p50);
    g_assert_cmpuint(fixture_stat(h->element, "inference-mean"), <=,
                     fixture_stat(h->element, "inference-p95"));
    g_assert_cmpuint(fixture_stat(h->element, "inference-last"), >, 0);
    static const char *const zero[] = {"reused", "skipped-late", "dropped-async",
                                       "skipped-interval", "skipped-rate"};
    for (guint i = 0; i < G_N_ELEMENTS(zero); i++)
        g_assert_cmpuint(fixture_stat(h->element, zero[i]), ==, 0);
    fixture_teardown(h);
}

static void test_latency_is_measured(void)
{
    GstHarness *h = fixture_harness_case("square");
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    GstPad *src = gst_element_get_static_pad(h->element, "src");

    g_autoptr(GstQuery) query = gst_query_new_latency();
    GstClockTime min, max;
    gboolean live;

    gst_harness_set_upstream_latency(h, 20 * GST_MSECOND);
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_LATENCY));
    fixture_set_caps(h);
    /* known before the first frame, and the pipeline is told */
    g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_LATENCY);
    g_assert_nonnull(message);
    g_assert_true(gst_pad_query(src, query));
    gst_query_parse_latency(query, &live, &min, &max);
    g_assert_true(live);
    g_assert_cmpuint(min, >, 20 * GST_MSECOND);
    g_assert_cmpuint(min, <, 20 * GST_SECOND);
    g_assert_true(max == GST_CLOCK_TIME_NONE || max > 0);
    gst_object_unref(src);
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Errors
 */

/* The element refuses to start with that one error, and then starts with a good checkpoint. */
static void check_refused(GstElement *element, GQuark domain, gint code, const char *word)
{
    g_autofree char *good = fixture_case("square");

    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    g_autofree char *text = fixture_error(element, domain, code);
    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, word));
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);

    g_object_set(element, "model", good, "image-size", 0, "threads", 1, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "output", "auto");
    gst_util_set_object_arg(G_OBJECT(element), "meta-types", "own");
    gst_util_set_object_arg(G_OBJECT(element), "resize", "auto");
    gst_util_set_object_arg(G_OBJECT(element), "precision", "f32");
    GstHarness *h = fixture_harness(element);
    fixture_set_caps(h);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(0));
    g_assert_nonnull(fixture_embedding(out));
    fixture_teardown(h);
}

static void test_unset_and_missing_model(void)
{
    check_refused(fixture_element(NULL), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "model");
    check_refused(fixture_element("/nonexistent/checkpoint"), GST_RESOURCE_ERROR,
                  GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/checkpoint");
}

static void test_settings_that_cannot_be_met(void)
{
    g_autofree char *path = fixture_case("square");
    GstElement *element = fixture_element(path);

    gst_util_set_object_arg(G_OBJECT(element), "output", "joint");
    check_refused(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "joint");
    element = fixture_element(path);
    gst_util_set_object_arg(G_OBJECT(element), "meta-types", "own+analytics");
    check_refused(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "analytics");
    element = fixture_element(path);
    g_object_set(element, "image-size", 97, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "resize", "square");
    check_refused(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "97");
    element = fixture_element(path);
    g_object_set(element, "image-size", 3840000000u, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "resize", "square");
    check_refused(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "3840000000");
}

/* How a copy of `square` is spoilt. */
typedef struct {
    const char *name;
    const char *file;
    const char *find;    /* first occurrence is replaced; NULL: see replace */
    const char *replace; /* find NULL: the whole contents; NULL too: the last 1000 bytes go */
    gint code;
    const char *word; /* in the error's text */
} Spoilt;

static const Spoilt spoilt[] = {
    {"empty-config", "config.json", NULL, "", GST_RESOURCE_ERROR_OPEN_READ, "config.json"},
    {"not-json", "config.json", NULL, "{\"vision_config\": ", GST_RESOURCE_ERROR_SETTINGS,
     "config.json"},
    {"layers", "config.json", "\"num_hidden_layers\": 2,\n    \"num_key_value_heads\": 2",
     "\"num_hidden_layers\": 2000000000, \"num_key_value_heads\": 2", GST_RESOURCE_ERROR_SETTINGS,
     "num_hidden_layers"},
    {"string", "config.json", "\"patch_size\": 16", "\"patch_size\": \"16\"",
     GST_RESOURCE_ERROR_SETTINGS, "patch_size"},
    {"negative", "config.json", "\"patch_size\": 16", "\"patch_size\": -16",
     GST_RESOURCE_ERROR_SETTINGS, "patch_size"},
    {"other-model", "config.json", NULL, "{\"model_type\": \"llama\"}", GST_RESOURCE_ERROR_SETTINGS,
     "config.json"},
    {"truncated", "model.safetensors", NULL, NULL, GST_RESOURCE_ERROR_OPEN_READ,
     "model.safetensors"},
    {"missing-tensor", "model.safetensors", "encoder.layers.0.self_attn.q_norm",
     "encoder.layers.0.self_attn.Q_norm", GST_RESOURCE_ERROR_SETTINGS, "q_norm"},
    {"shape", "model.safetensors", "[40,96]", "[96,40]", GST_RESOURCE_ERROR_SETTINGS, "[96, 40]"},
    {"dtype", "model.safetensors", "\"dtype\":\"F32\"", "\"dtype\":\"I32\"",
     GST_RESOURCE_ERROR_SETTINGS, "I32"},
};

static void test_spoilt_checkpoint(gconstpointer data)
{
    const Spoilt *how = data;
    g_autofree char *path = fixture_copy("square");
    gsize size;
    g_autofree char *bytes = fixture_read(path, how->file, &size);

    if (how->find) {
        /* a safetensors header's text follows 8 bytes of length */
        gsize skip = g_str_has_suffix(how->file, ".safetensors") ? 8 : 0;
        g_autoptr(GString) changed = g_string_new_len(bytes + skip, size - skip);
        g_assert_cmpuint(g_string_replace(changed, how->find, how->replace, 1), ==, 1);
        g_string_prepend_len(changed, bytes, skip);
        fixture_write(path, how->file, changed->str, changed->len);
    } else if (how->replace) {
        fixture_write(path, how->file, how->replace, strlen(how->replace));
    } else {
        fixture_write(path, how->file, bytes, size - 1000);
    }
    check_refused(fixture_element(path), GST_RESOURCE_ERROR, how->code, how->word);
    fixture_remove(path);
}

static void test_deep_json(void)
{
    g_autofree char *path = fixture_copy("square");
    g_autofree char *deep = g_strnfill(1000000, '[');

    fixture_write(path, "config.json", deep, strlen(deep));
    check_refused(fixture_element(path), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "config.json");
    fixture_remove(path);
}

static void test_folder_without_weights(void)
{
    g_autofree char *path = fixture_copy("square");
    g_autofree char *weights = g_build_filename(path, "model.safetensors", NULL);

    g_unlink(weights);
    check_refused(fixture_element(path), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                  "safetensors");
    fixture_remove(path);
}

/* Pushes one buffer that is refused with one STREAM FORMAT error. */
static void check_bad_frame(GstBuffer *buffer)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_ERROR);
    g_autofree char *text = fixture_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
    g_test_message("%s", text);
    g_assert_cmpuint(fixture_stat(h->element, "failed"), ==, 1);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 0);
    fixture_teardown(h);
}

static void test_bad_frames(void)
{
    GstBuffer *buffer = fixture_frame(0);
    gst_buffer_set_size(buffer, 100);
    check_bad_frame(buffer);

    check_bad_frame(gst_buffer_new());

    buffer = fixture_frame(0);
    GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta(buffer);
    crop->x = 20;
    crop->y = 0;
    crop->width = G_MAXUINT - 10;
    crop->height = 4;
    check_bad_frame(buffer);

    buffer = fixture_frame(0);
    crop = gst_buffer_add_video_crop_meta(buffer);
    crop->width = crop->height = crop->x = crop->y = 0;
    check_bad_frame(buffer);

    /* another format, a smaller picture, rows beyond the end, offset beyond the end */
    static const struct {
        GstVideoFormat format;
        guint width;
        gsize offset;
        gint stride;
    } metas[] = {{GST_VIDEO_FORMAT_BGR, 32, 0, 96},      {GST_VIDEO_FORMAT_RGB, 31, 0, 96},
                 {GST_VIDEO_FORMAT_RGB, 32, 0, 97},      {GST_VIDEO_FORMAT_RGB, 32, 1, 96},
                 {GST_VIDEO_FORMAT_RGB, 32, 0, -96},     {GST_VIDEO_FORMAT_RGB, 32, G_MAXSIZE, 96},
                 {GST_VIDEO_FORMAT_RGB, 32, 0, G_MAXINT}};
    for (guint i = 0; i < G_N_ELEMENTS(metas); i++) {
        gsize offset[GST_VIDEO_MAX_PLANES] = {metas[i].offset};
        gint stride[GST_VIDEO_MAX_PLANES] = {metas[i].stride};
        buffer = fixture_frame(0);
        gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, metas[i].format,
                                       metas[i].width, 24, 1, offset, stride);
        check_bad_frame(buffer);
    }
}

static void test_enormous_caps(void)
{
    GstHarness *h = fixture_harness_case("aspect");

    gst_harness_set_src_caps(h, fixture_caps("GRAY8", G_MAXINT, G_MAXINT));
    GstFlowReturn flow = gst_harness_push(h, gst_buffer_new());
    g_assert_cmpint(flow, <, GST_FLOW_OK);
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Sharing
 */

/* Overwrites the weights and puts their time back, so that nothing but reading them tells. */
static void spoil_unseen(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "model.safetensors", NULL);
    GStatBuf st;

    g_assert_cmpint(g_stat(path, &st), ==, 0);
    FILE *file = g_fopen(path, "r+");
    g_assert_nonnull(file);
    for (int i = 0; i < 4096; i++)
        fputc(0xff, file);
    fclose(file);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static void test_two_elements_load_once(void)
{
    g_autofree char *path = fixture_copy("square");
    GstHarness *first = fixture_harness(fixture_element(path));

    spoil_unseen(path);
    GstHarness *second = fixture_harness(fixture_element(path));
    fixture_set_caps(first);
    fixture_set_caps(second);
    g_autoptr(GstBuffer) a = fixture_pass(first, fixture_frame(0));
    fixture_teardown(first);
    g_autoptr(GstBuffer) b = fixture_pass(second, fixture_frame(0));
    fixture_assert_equal(a, b);

    /* by its file, through a link, and with precision auto where that is f32 */
    g_autofree char *link = g_strconcat(path, "-link", NULL);
    g_assert_cmpint(symlink(path, link), ==, 0);
    GstElement *third = fixture_element(link);
    GstHarness *h = fixture_harness(third);
    fixture_set_caps(h);
    g_autoptr(GstBuffer) c = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(a, c);
    fixture_teardown(h);
    g_unlink(link);

    /* with the last one gone the file is read again */
    fixture_teardown(second);
    check_refused(fixture_element(path), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "model.safetensors");
    fixture_remove(path);
}

static void test_changed_checkpoint_is_opened_anew(void)
{
    g_autofree char *path = fixture_copy("square");
    GstHarness *first = fixture_harness(fixture_element(path));

    fixture_write(path, "model.safetensors", "short", 5);
    GstElement *second = fixture_element(path);
    g_assert_cmpint(gst_element_set_state(second, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    gst_element_set_state(second, GST_STATE_NULL);
    gst_element_set_bus(second, NULL); /* whose messages hold the element */
    gst_object_unref(second);
    fixture_teardown(first);
    fixture_remove(path);
}

static gpointer start_and_pass(gpointer path)
{
    GstHarness *h = fixture_harness(fixture_element(path));

    fixture_set_caps(h);
    GstBuffer *out = fixture_pass(h, fixture_frame(0));
    fixture_teardown(h);
    return out;
}

static void test_elements_start_at_once(void)
{
    g_autofree char *path = fixture_case("square");
    GThread *threads[8];
    GstBuffer *first = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("embed", start_and_pass, path);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        GstBuffer *out = g_thread_join(threads[i]);
        if (first) {
            fixture_assert_equal(out, first);
            gst_buffer_unref(out);
        } else {
            first = out;
        }
    }
    gst_buffer_unref(first);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/embed/pooled-equals-core-and-golden", test_pooled_equals_core_and_golden);
    g_test_add_func("/embed/tokens-equal-core-and-golden", test_tokens_equal_core_and_golden);
    g_test_add_func("/embed/frame-leaves-untouched", test_frame_leaves_untouched);
    g_test_add_func("/embed/shared-frame-is-not-copied", test_shared_frame_is_not_copied);
    g_test_add_func("/embed/record-says-where-it-is-from", test_record_says_where_it_is_from);
    g_test_add_func("/embed/caps-change-without-reload", test_caps_change_without_reload);
    g_test_add_func("/embed/second-producer-appends", test_second_producer_appends);
    g_test_add_func("/embed/interval-takes-every-nth", test_interval_takes_every_nth);
    g_test_add_func("/embed/rate-takes-first-of-each-period", test_rate_takes_first_of_each_period);
    g_test_add_func("/embed/rate-takes-first-of-each-period-backwards",
                    test_rate_takes_first_of_each_period_backwards);
    g_test_add_func("/embed/interval-applies-before-rate", test_interval_applies_before_rate);
    g_test_add_func("/embed/rate-takes-frames-without-pts", test_rate_takes_frames_without_pts);
    g_test_add_func("/embed/flush-starts-anew", test_flush_starts_anew);
    g_test_add_func("/embed/messages", test_messages);
    g_test_add_func("/embed/stats", test_stats);
    g_test_add_func("/embed/latency-is-measured", test_latency_is_measured);
    g_test_add_func("/embed/unset-and-missing-model", test_unset_and_missing_model);
    g_test_add_func("/embed/settings-that-cannot-be-met", test_settings_that_cannot_be_met);
    for (guint i = 0; i < G_N_ELEMENTS(spoilt); i++) {
        g_autofree char *name = g_strdup_printf("/embed/spoilt-checkpoint/%s", spoilt[i].name);
        g_test_add_data_func(name, &spoilt[i], test_spoilt_checkpoint);
    }
    g_test_add_func("/embed/deep-json", test_deep_json);
    g_test_add_func("/embed/folder-without-weights", test_folder_without_weights);
    g_test_add_func("/embed/bad-frames", test_bad_frames);
    g_test_add_func("/embed/enormous-caps", test_enormous_caps);
    g_test_add_func("/embed/two-elements-load-once", test_two_elements_load_once);
    g_test_add_func("/embed/changed-checkpoint-is-opened-anew",
                    test_changed_checkpoint_is_opened_anew);
    g_test_add_func("/embed/elements-start-at-once", test_elements_start_at_once);
    int status = g_test_run();
    gst_deinit();
    return status;
}
