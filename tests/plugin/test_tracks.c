/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's regions from frame to frame: tracks and reembed-interval, vectors of regions that
 * look the same, windows, the thread of async, and the elements that read the entries.
 */
#include "asyncfixture.h"
#include "regionfixture.h"

/* ------------------------------------------------------------------------------------------
 * Tracks
 */

/* Frame `n` with a tracked object in it. */
static GstBuffer *tracked_frame(guint n, const char *label, gint track)
{
    GstBuffer *in = fixture_frame(n);

    region_add_tracked(in, label, track, n % 8, n % 5, 20, 18);
    return in;
}

static GstHarness *tracked_harness(guint interval)
{
    GstHarness *h = region_harness("square", "roi");

    g_object_set(h->element, "reembed-interval", interval, NULL);
    fixture_set_caps(h);
    return h;
}

/* Which of so many frames with track 5 carry an embedding, as a word of x and -. */
static void check_rhythm(GstHarness *h, const char *expected)
{
    g_autoptr(GString) got = g_string_new(NULL);

    for (guint i = 0; i < strlen(expected); i++)
        g_string_append_c(got, region_pass(h, tracked_frame(i, "person", 5)) == 1 ? 'x' : '-');
    g_assert_cmpstr(got->str, ==, expected);
}

static void test_tracked_region_is_embedded_every_n_frames(void)
{
    GstHarness *h = tracked_harness(1);

    check_rhythm(h, "xxxx");
    g_object_set(h->element, "reembed-interval", 3, NULL); /* while playing */
    check_rhythm(h, "--x--x--x");
    g_object_set(h->element, "reembed-interval", G_MAXUINT, NULL);
    check_rhythm(h, "------");
    g_object_set(h->element, "reembed-interval", 2, NULL);
    check_rhythm(h, "x-x-x");
    fixture_teardown(h);

    /* frames that are not embedded count, too */
    h = tracked_harness(3);
    g_object_set(h->element, "inference-interval", 2, NULL);
    check_rhythm(h, "x---x---x");
    fixture_teardown(h);
}

static void test_in_between_the_others_are_embedded(void)
{
    GstHarness *h = tracked_harness(10);

    for (guint i = 0; i < 4; i++) {
        GstBuffer *in = tracked_frame(i, "person", 5);
        region_add(in, "person", 0, 0, 20, 20); /* without a track: always */
        if (i >= 1)
            region_add_tracked(in, "person", 6, 0, 0, 16, 16);
        if (i >= 2)
            region_add_tracked(in, "car", 5, 0, 0, 17, 17); /* numbered by class */
        g_autoptr(GstBuffer) out = fixture_pass(h, in);
        static const guint counts[] = {2, 2, 2, 1};
        g_assert_cmpuint(region_count(out), ==, counts[i]);
        GstGemma4Embedding *first = region_entry(out, 0);
        g_assert_cmpint(gst_gemma4_embedding_get_track(first), ==, i == 0 ? 5 : -1);
        if (i == 1 || i == 2)
            g_assert_cmpint(gst_gemma4_embedding_get_track(region_entry(out, 1)), ==,
                            i == 1 ? 6 : 5);
    }
    fixture_teardown(h);

    /* the whole frame has no interval of that kind */
    h = tracked_harness(10);
    gst_util_set_object_arg(G_OBJECT(h->element), "region", "both");
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GstBuffer) out = fixture_pass(h, tracked_frame(i, "person", 5));
        g_assert_cmpuint(region_count(out), ==, i == 0 ? 2 : 1);
        region_assert(out, 0, 0, 0, 1, 1, 1, 1);
    }
    fixture_teardown(h);
}

/* All regions of a track in one frame are embedded together. */
static void test_track_with_several_regions(void)
{
    GstHarness *h = tracked_harness(2);

    for (guint i = 0; i < 4; i++) {
        GstBuffer *in = tracked_frame(i, "hand", 5);
        region_add_tracked(in, "hand", 5, 10, 4, 16, 16);
        g_assert_cmpuint(region_pass(h, in), ==, i % 2 == 0 ? 2 : 0);
    }
    fixture_teardown(h);
}

/* How an upstream element says which track it is. */
static void test_forms_of_a_track(void)
{
    static const struct {
        const char *structure;
        gint64 track;
    } forms[] = {
        {"object_id, id=(int)0", 0},
        {"object_id, id=(uint)4000000000", 4000000000},
        {"object_id, id=(gint64)9007199254740993", 9007199254740993},
        {"object_id, id=(guint64)12", 12},
        {"object_id, id=(int)-7", -1},
        {"object_id, id=(guint64)18446744073709551615", -1},
        {"object_id, id=(string)12", -1},
        {"object_id, number=(int)12", -1},
        {"detection, object_id=(int)12, confidence=(double)0.5", 12},
        {"detection, id=(int)12", -1},
    };
    GstHarness *h = tracked_harness(1);

    GstBuffer *in = fixture_frame(0);
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        GstVideoRegionOfInterestMeta *meta = region_add(in, "x", i, 0, 20, 20);
        gst_video_region_of_interest_meta_add_param(meta, gst_structure_new_empty("other"));
        gst_video_region_of_interest_meta_add_param(
            meta, gst_structure_from_string(forms[i].structure, NULL));
    }
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_test_message("%s", forms[i].structure);
        g_assert_cmpint(gst_gemma4_embedding_get_track(region_entry(out, i)), ==, forms[i].track);
    }
    fixture_teardown(h);
}

static void flush(GstHarness *h)
{
    GstSegment segment;

    g_assert_true(gst_harness_push_event(h, gst_event_new_flush_start()));
    g_assert_true(gst_harness_push_event(h, gst_event_new_flush_stop(TRUE)));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
}

static void test_tracks_are_forgotten(void)
{
    GstHarness *h = tracked_harness(100);

    check_rhythm(h, "x--");
    flush(h);
    check_rhythm(h, "x--");
    g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_READY), ==,
                    GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_PLAYING), ==,
                    GST_STATE_CHANGE_SUCCESS);
    gst_harness_push_event(h, gst_event_new_stream_start("again"));
    fixture_set_caps(h);
    flush(h);
    check_rhythm(h, "x--");
    fixture_teardown(h);
}

/* What was not embedded is due with the next frame. */
static void test_late_frame_leaves_its_tracks_due(void)
{
    GstHarness *h = tracked_harness(100);

    g_assert_true(gst_harness_push_upstream_event(
        h, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 60 * GST_MSECOND, 0)));
    check_rhythm(h, "--x-");
    g_assert_cmpuint(fixture_stat(h->element, "skipped-late"), ==, 2);
    /* a frame of which nothing is due is not late */
    g_assert_true(gst_harness_push_upstream_event(
        h, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, GST_SECOND, 0)));
    check_rhythm(h, "--");
    g_assert_cmpuint(fixture_stat(h->element, "skipped-late"), ==, 2);
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Regions that look the same
 */
static GstBuffer *zones(guint seed, guint changed_column)
{
    GstBuffer *in = fixture_frame(seed);

    if (changed_column < FIXTURE_WIDTH)
        gst_buffer_memset(in, changed_column * 3, 7, 3);
    region_add(in, "left", 0, 0, 16, 24);
    region_add(in, "right", 16, 0, 16, 24);
    return in;
}

static void check_zones(GstHarness *h, GstBuffer *in, const char *expected)
{
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_autoptr(GString) got = g_string_new(NULL);

    for (guint i = 0; i < region_count(out); i++)
        g_string_append_c(got, gst_gemma4_embedding_is_reused(region_entry(out, i)) ? 'r' : 'x');
    g_assert_cmpstr(got->str, ==, expected);
}

static void test_equal_regions_are_computed_once(void)
{
    GstHarness *h = region_harness("square", "both");
    GstHarness *never = region_harness("square", "both");

    fixture_set_caps(h);
    fixture_set_caps(never);
    g_object_set(never->element, "reuse-threshold", -1.0, NULL);
    check_zones(h, zones(1, 99), "xxx");
    check_zones(h, zones(1, 99), "rrr");
    check_zones(h, zones(1, 3), "xxr");  /* something on the left */
    check_zones(h, zones(1, 20), "xxx"); /* that is gone, and something on the right */
    check_zones(h, zones(1, 20), "rrr");
    check_zones(never, zones(1, 99), "xxx");
    check_zones(never, zones(1, 99), "xxx");
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 8);
    g_assert_cmpuint(fixture_stat(h->element, "reused"), ==, 7);
    g_autoptr(GstBuffer) a = fixture_pass(h, zones(1, 20));
    g_autoptr(GstBuffer) b = fixture_pass(never, zones(1, 20));
    for (guint i = 0; i < 3; i++)
        region_assert_equal(region_entry(a, i), region_entry(b, i));
    fixture_teardown(h);
    fixture_teardown(never);
}

/* A tracked object takes its vector along. */
static void test_object_that_moves(void)
{
    GstHarness *h = region_harness("square", "roi");
    g_autofree guint8 *sprite = fixture_noise(16 * 16 * 3, 77);

    fixture_set_caps(h);
    for (guint n = 0; n < 4; n++) {
        g_autofree guint8 *rgb = g_malloc0(FIXTURE_WIDTH * FIXTURE_HEIGHT * 3);
        guint left = n == 3 ? 3 : n, top = n == 3 ? 0 : 2 * n;
        for (guint y = 0; y < 16; y++)
            memcpy(rgb + ((top + y) * FIXTURE_WIDTH + left) * 3, sprite + y * 48, 48);
        GstBuffer *in = fixture_rgb_buffer(rgb, FIXTURE_WIDTH, FIXTURE_HEIGHT);
        region_add_tracked(in, "ball", n < 3 ? 1 : 2, left, top, 16, 16);
        region_add(in, "ball", left, top, 16, 16);
        check_zones(h, in, n == 0 || n == 3 ? "xx" : "rx");
    }
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Windows
 */
static GstHarness *joint_harness(const char *region, guint window)
{
    g_autofree char *path = g_build_filename(g_getenv("G4_TEST_DATA"), "embedding_case", NULL);
    GstElement *element = fixture_element(path);

    g_object_set(element, "max-soft-tokens", 70, "window", window, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "region", region);
    GstHarness *h = fixture_harness(element);
    fixture_set_caps(h);
    return h;
}

/* Regions are pictures by themselves and leave the window alone. */
static void test_window_has_whole_frames_alone(void)
{
    GstHarness *both = joint_harness("both", 3);
    GstHarness *frames = joint_harness("frame", 3);
    GstHarness *regions = joint_harness("roi", 1);
    GstHarness *inert = joint_harness("roi", 3);
    static const guint films[] = {0, 1, 1, 2, 3, 3};

    for (guint i = 0; i < G_N_ELEMENTS(films); i++) {
        GstBuffer *in = fixture_frame(films[i]);
        region_add(in, "a", 2, 3, 20, 20);
        g_autoptr(GstBuffer) plain = fixture_pass(frames, fixture_frame(films[i]));
        g_autoptr(GstBuffer) single = fixture_pass(regions, gst_buffer_copy(in));
        g_autoptr(GstBuffer) windowed = fixture_pass(inert, gst_buffer_copy(in));
        g_autoptr(GstBuffer) out = fixture_pass(both, in);
        guint whole = i >= 2;
        g_assert_cmpuint(region_count(out), ==, whole + 1);
        g_assert_cmpuint(region_count(plain), ==, whole);
        if (whole)
            region_assert_equal(region_entry(out, 0), fixture_embedding(plain));
        region_assert_equal(region_entry(out, whole), fixture_embedding(single));
        region_assert_equal(fixture_embedding(windowed), fixture_embedding(single));
        g_assert_cmpstr(gst_gemma4_embedding_get_id(region_entry(out, whole)), ==, "gemma4-joint");
    }
    /* of the window's frames two looked like the one before, and so did their regions */
    g_assert_cmpuint(fixture_stat(frames->element, "reused"), ==, 2);
    g_assert_cmpuint(fixture_stat(both->element, "reused"), ==, 4);
    g_assert_cmpuint(fixture_stat(both->element, "embedded"), ==, 8);
    fixture_teardown(both);
    fixture_teardown(frames);
    fixture_teardown(regions);
    fixture_teardown(inert);
}

/* ------------------------------------------------------------------------------------------
 * On a thread of its own
 */
static GstHarness *async_region_harness(const char *region)
{
    GstElement *element = async_element("square");

    gst_util_set_object_arg(G_OBJECT(element), "region", region);
    return async_harness(element);
}

/* Waits until the worker has told so many results. */
static void wait_results(GstHarness *h, guint n)
{
    for (; n > 0; n--)
        async_wait(h);
}

static void test_entries_ride_together(void)
{
    GstHarness *h = async_region_harness("both");
    GstHarness *synchronous = region_harness("square", "both");
    Gate gate;

    fixture_set_caps(synchronous);
    gate_init(&gate);
    GstBuffer *in = fixture_frame(0);
    region_add(in, "a", 3, 1, 20, 20);
    region_add(in, "b", 8, 2, 20, 20);
    g_autoptr(GstBuffer) expected = fixture_pass(synchronous, gst_buffer_copy(in));
    in = gate_buffer(&gate, in);
    async_watch(h, in);
    g_assert_cmpuint(region_pass(h, in), ==, 0);
    gate_wait(&gate);
    GstBuffer *meanwhile = fixture_frame(1);
    region_add(meanwhile, "c", 0, 0, 20, 20);
    g_assert_cmpuint(region_pass(h, meanwhile), ==, 0);
    g_assert_cmpuint(fixture_stat(h->element, "dropped-async"), ==, 1);
    gate_open(&gate);
    wait_results(h, 3);
    /* the frame was given back before anything was computed, though it has three pictures */
    g_assert_cmpint(async_computed_by_then(h), ==, 0);

    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(2));
    g_assert_cmpuint(region_count(out), ==, 3);
    for (guint i = 0; i < 3; i++) {
        region_assert_equal(region_entry(out, i), region_entry(expected, i));
        g_assert_cmpuint(gst_gemma4_embedding_get_frame(region_entry(out, i)), ==, 0);
        g_assert_cmpstr(gst_gemma4_embedding_get_label(region_entry(out, i)), ==,
                        gst_gemma4_embedding_get_label(region_entry(expected, i)));
    }
    fixture_teardown(h);
    fixture_teardown(synchronous);
    gate_clear(&gate);
}

/* A frame without a region is none that the worker missed. */
static void test_empty_frames_do_not_reach_the_worker(void)
{
    GstHarness *h = async_region_harness("roi");
    Gate gate;

    gate_init(&gate);
    GstBuffer *in = fixture_frame(0);
    region_add(in, "a", 3, 1, 20, 20);
    g_assert_cmpuint(region_pass(h, gate_buffer(&gate, in)), ==, 0);
    gate_wait(&gate);
    g_assert_cmpuint(region_pass(h, fixture_frame(1)), ==, 0);
    g_assert_cmpuint(fixture_stat(h->element, "dropped-async"), ==, 0);
    gate_open(&gate);
    wait_results(h, 1);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(2));
    g_assert_cmpuint(region_count(out), ==, 1);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 1);
    fixture_teardown(h);
    gate_clear(&gate);
}

static GstPadProbeReturn count_events(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    if (gst_event_get_gemma4_embedding(GST_PAD_PROBE_INFO_EVENT(info)))
        ++*(guint *)data;
    return GST_PAD_PROBE_OK;
}

/* Also the rule for a track whose frame the worker had no time for: it is due still. */
static void test_dropped_frame_leaves_its_tracks_due(void)
{
    GstHarness *h = async_region_harness("roi");
    GstPad *src = gst_element_get_static_pad(h->element, "src");
    guint events = 0;
    Gate gate;

    gst_pad_add_probe(src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, count_events, &events, NULL);
    gst_object_unref(src);
    gate_init(&gate);
    g_object_set(h->element, "reembed-interval", 100, NULL);
    region_pass(h, gate_buffer(&gate, tracked_frame(0, "person", 1)));
    gate_wait(&gate);
    region_pass(h, tracked_frame(1, "person", 2)); /* dropped */
    gate_open(&gate);
    wait_results(h, 1);
    GstBuffer *in = tracked_frame(2, "person", 1);
    region_add_tracked(in, "person", 2, 0, 0, 20, 20);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpint(gst_gemma4_embedding_get_track(fixture_embedding(out)), ==, 1);
    wait_results(h, 1);
    /* no buffer is left for it */
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    g_assert_cmpuint(events, ==, 1);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 2);
    fixture_teardown(h);
    gate_clear(&gate);
}

/* ------------------------------------------------------------------------------------------
 * Readers
 */
static void test_gate_sees_no_region(void)
{
    g_autofree char *model = fixture_case("square");
    g_autofree char *line = g_strdup_printf("gemma4embed model=\"%s\" precision=f32 threads=1 "
                                            "region=roi ! embeddinggate",
                                            model);
    GstHarness *h = gst_harness_new_parse(line);

    fixture_set_caps(h);
    for (guint i = 0; i < 3; i++) {
        GstBuffer *in = fixture_frame(i);
        region_add(in, "a", 0, 0, 20, 20);
        region_add(in, "b", 0, 0, FIXTURE_WIDTH, FIXTURE_HEIGHT); /* a region all the same */
        g_assert_cmpint(gst_harness_push(h, in), ==, GST_FLOW_OK);
    }
    g_assert_cmpuint(gst_harness_buffers_received(h), ==, 0);
    gst_harness_teardown(h);
}

static void check_line(const char *text, double x, const char *region_id, gint64 track,
                       const char *label)
{
    json_t *line = json_loads(text, 0, NULL);
    json_t *region = json_object_get(line, "region");

    g_assert_nonnull(line);
    if (x < 0) {
        g_assert_true(json_is_null(region));
    } else {
        g_assert_cmpuint(json_array_size(region), ==, 4);
        g_assert_cmpfloat(json_real_value(json_array_get(region, 0)), ==, x);
    }
    g_assert_cmpstr(json_string_value(json_object_get(line, "region_id")), ==, region_id);
    g_assert_cmpstr(json_string_value(json_object_get(line, "label")), ==, label);
    if (track < 0)
        g_assert_true(json_is_null(json_object_get(line, "track")));
    else
        g_assert_cmpint(json_integer_value(json_object_get(line, "track")), ==, track);
    json_decref(line);
}

static void test_records_of_regions(void)
{
    g_autofree char *model = fixture_case("square");
    g_autofree char *folder = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    g_autofree char *written = g_build_filename(folder, "out.jsonl", NULL);
    g_autofree char *line = g_strdup_printf("gemma4embed model=\"%s\" precision=f32 threads=1 "
                                            "region=both ! embeddingsink location=\"%s\"",
                                            model, written);
    g_autofree char *text = NULL;
    GstHarness *h = gst_harness_new_parse(line);

    fixture_set_caps(h);
    GstBuffer *in = fixture_frame(0);
    region_add(in, "door", 8, 0, 20, 20)->id = 3;
    region_add_tracked(in, "person", 12, 16, 4, 16, 16);
    region_add(in, "room", 0, 0, FIXTURE_WIDTH, FIXTURE_HEIGHT); /* a region, not the frame */
    g_assert_cmpint(gst_harness_push(h, in), ==, GST_FLOW_OK);
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    gst_harness_teardown(h);

    g_assert_true(g_file_get_contents(written, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 4);
    check_line(lines[0], -1, NULL, -1, NULL);
    check_line(lines[1], 0.25, "3", -1, "door");
    check_line(lines[2], 0.5, NULL, 12, "person");
    check_line(lines[3], 0, NULL, -1, "room");
    fixture_remove(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/tracks/tracked-region-is-embedded-every-n-frames",
                    test_tracked_region_is_embedded_every_n_frames);
    g_test_add_func("/tracks/in-between-the-others-are-embedded",
                    test_in_between_the_others_are_embedded);
    g_test_add_func("/tracks/track-with-several-regions", test_track_with_several_regions);
    g_test_add_func("/tracks/forms-of-a-track", test_forms_of_a_track);
    g_test_add_func("/tracks/tracks-are-forgotten", test_tracks_are_forgotten);
    g_test_add_func("/tracks/late-frame-leaves-its-tracks-due",
                    test_late_frame_leaves_its_tracks_due);
    g_test_add_func("/tracks/equal-regions-are-computed-once",
                    test_equal_regions_are_computed_once);
    g_test_add_func("/tracks/object-that-moves", test_object_that_moves);
    g_test_add_func("/tracks/window-has-whole-frames-alone", test_window_has_whole_frames_alone);
    g_test_add_func("/tracks/entries-ride-together", test_entries_ride_together);
    g_test_add_func("/tracks/empty-frames-do-not-reach-the-worker",
                    test_empty_frames_do_not_reach_the_worker);
    g_test_add_func("/tracks/dropped-frame-leaves-its-tracks-due",
                    test_dropped_frame_leaves_its_tracks_due);
    g_test_add_func("/tracks/gate-sees-no-region", test_gate_sees_no_region);
    g_test_add_func("/tracks/records-of-regions", test_records_of_regions);
    int status = g_test_run();
    gst_deinit();
    return status;
}
