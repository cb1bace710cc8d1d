/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's regions: which are embedded, of which pixels, and what their entries say.
 */
#include "regionfixture.h"

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

/* ------------------------------------------------------------------------------------------
 * Pixels
 */

/* The embedding, by `plain`, of what a pipeline makes of the frame, as a frame of its own. */
static GstBuffer *embed_through(GstHarness *plain, const char *line, GstCaps *caps, GstBuffer *in)
{
    GstHarness *h = gst_harness_new_parse(line);

    gst_harness_set_src_caps(h, caps);
    g_autoptr(GstBuffer) made = gst_harness_push_and_pull(h, in);
    g_assert_nonnull(made);
    gst_harness_set_src_caps(plain, gst_pad_get_current_caps(h->sinkpad));
    gst_harness_teardown(h);
    return fixture_pass(plain, g_steal_pointer(&made));
}

#define WIDTH 97
#define HEIGHT 75

/* Even and odd offsets and sides, at each edge, and all of it. */
static const GstVideoRectangle rectangles[] = {
    {0, 0, 32, 32}, {6, 10, 40, 20},  {7, 11, 33, 21},       {WIDTH - 31, 3, 31, 40},
    {1, 1, 17, 64}, {63, 42, 34, 33}, {0, 0, WIDTH, HEIGHT},
};

/* Each rectangle of the frame as a region, against `line`, whose %s is the crop. */
static void check_pixels(const char *model, const char *format, const char *line)
{
    GstCaps *caps = fixture_caps(format, WIDTH, HEIGHT);
    GstHarness *h = region_harness(model, "roi");
    GstHarness *plain = fixture_harness_case(model);
    GstVideoInfo info;

    g_test_message("%s, %s", format, line);
    g_assert_true(gst_video_info_from_caps(&info, caps));
    guint8 *bytes = fixture_noise(info.size + 256, 5);
    g_autoptr(GstBuffer) in = gst_buffer_new_wrapped(bytes, info.size + 256);
    gst_harness_set_src_caps(h, gst_caps_ref(caps));
    GstBuffer *marked = gst_buffer_copy(in);
    for (guint i = 0; i < G_N_ELEMENTS(rectangles); i++) {
        const GstVideoRectangle *r = &rectangles[i];
        region_add(marked, "thing", r->x, r->y, r->w, r->h);
    }
    g_autoptr(GstBuffer) out = fixture_pass(h, marked);
    g_assert_cmpuint(region_count(out), ==, G_N_ELEMENTS(rectangles));

    for (guint i = 0; i < G_N_ELEMENTS(rectangles); i++) {
        const GstVideoRectangle *r = &rectangles[i];
        g_autofree char *crop = g_strdup_printf("videocrop left=%d top=%d right=%d bottom=%d", r->x,
                                                r->y, WIDTH - r->x - r->w, HEIGHT - r->y - r->h);
        g_auto(GStrv) parts = g_strsplit(line, "%s", 2);
        g_autofree char *whole = g_strconcat(parts[0], crop, parts[1], NULL);
        g_autoptr(GstBuffer) expected =
            embed_through(plain, whole, gst_caps_ref(caps), gst_buffer_copy(in));
        region_assert_equal(region_entry(out, i), fixture_embedding(expected));
        region_assert(out, i, r->x, r->y, r->w, r->h, WIDTH, HEIGHT);
    }
    gst_caps_unref(caps);
    fixture_teardown(h);
    fixture_teardown(plain);
}

static void test_pixels_are_those_of_a_cropped_frame(void)
{
    static const char *const formats[] = {"RGB", "BGR", "RGBx", "RGBA", "GRAY8", "Y444"};

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        check_pixels("square", formats[i], "%s");
    check_pixels("aspect", "RGB", "%s");
}

/* In a subsampled format the chroma is that of the whole frame, whatever the offset. */
static void test_pixels_are_those_of_the_converted_frame(void)
{
    static const char *const formats[] = {"NV12", "I420", "YUY2", "P010_10LE", "A420", "Y41B"};

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autofree char *line = g_strdup_printf(
            "videoconvert dither=none ! capsfilter caps=video/x-raw,format=%s ! %%s",
            i == 4 ? "RGBA" : "RGB");
        check_pixels("square", formats[i], line);
    }
}

static void test_tokens_of_each_region(void)
{
    g_autofree char *path = fixture_case("aspect");
    GstElement *element = fixture_element(path);

    gst_util_set_object_arg(G_OBJECT(element), "output", "tokens");
    gst_util_set_object_arg(G_OBJECT(element), "region", "both");
    GstHarness *h = fixture_harness(element);
    gst_harness_set_src_caps(h, fixture_caps("RGB", FIXTURE_WIDTH, FIXTURE_HEIGHT));
    GstBuffer *in = fixture_frame(0);
    region_add(in, "wide", 0, 0, 32, 16);
    region_add(in, "high", 3, 0, 16, 24);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpuint(region_count(out), ==, 3);
    for (guint i = 0; i < 3; i++) {
        GstGemma4Embedding *e = region_entry(out, i);
        gsize n;
        gst_gemma4_embedding_get_values(e, &n);
        g_assert_cmpstr(gst_gemma4_embedding_get_id(e), ==, "gemma4-tokens");
        g_assert_cmpuint(
            n, ==, (gsize)gst_gemma4_embedding_get_rows(e) * gst_gemma4_embedding_get_cols(e));
    }
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Entries
 */
static void test_whole_frame_comes_first(void)
{
    GstHarness *h = region_harness("square", "both");
    GstHarness *plain = fixture_harness_case("square");
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);

    fixture_set_caps(h);
    fixture_set_caps(plain);
    g_object_set(h->element, "post-messages", TRUE, NULL);
    GstBuffer *in = fixture_frame(3);
    region_add(in, "person", 1, 2, 20, 18)->id = 41;
    region_add_tracked(in, "car", 7, 8, 0, 24, 24);
    gst_buffer_add_video_region_of_interest_meta_id(in, 0, 0, 0, 16, 16);
    g_autoptr(GstBuffer) expected = fixture_pass(plain, fixture_frame(3));
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpuint(region_count(out), ==, 4);
    region_assert_equal(region_entry(out, 0), fixture_embedding(expected));
    region_assert(out, 0, 0, 0, 1, 1, 1, 1);
    region_assert(out, 1, 1, 2, 20, 18, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    region_assert(out, 2, 8, 0, 24, 24, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    region_assert(out, 3, 0, 0, 16, 16, FIXTURE_WIDTH, FIXTURE_HEIGHT);

    static const struct {
        const char *label, *region_id;
        gint64 track;
    } names[] = {{NULL, NULL, -1}, {"person", "41", -1}, {"car", NULL, 7}, {NULL, NULL, -1}};
    for (guint i = 0; i < 4; i++) {
        GstGemma4Embedding *e = region_entry(out, i);
        g_assert_cmpstr(gst_gemma4_embedding_get_label(e), ==, names[i].label);
        g_assert_cmpstr(gst_gemma4_embedding_get_region_id(e), ==, names[i].region_id);
        g_assert_cmpint(gst_gemma4_embedding_get_track(e), ==, names[i].track);
        g_assert_cmpuint(gst_gemma4_embedding_get_frame(e), ==, 0);
        g_assert_cmpuint(gst_gemma4_embedding_get_pts(e), ==, 120 * GST_MSECOND);
        g_assert_true(gst_gemma4_embedding_is_normalized(e));

        /* a message each, in the same order; those of a region say which */
        g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT);
        g_assert_nonnull(message);
        const GstStructure *s = gst_message_get_structure(message);
        gint64 track;
        gdouble w;
        g_assert_true(gst_structure_has_name(s, "gemma4-embedding"));
        g_assert_cmpint(gst_structure_has_field(s, "w"), ==, i > 0);
        g_assert_cmpstr(gst_structure_get_string(s, "label"), ==, names[i].label);
        g_assert_cmpstr(gst_structure_get_string(s, "region-id"), ==, names[i].region_id);
        if (i == 0)
            continue;
        g_assert_true(gst_structure_get_int64(s, "track", &track));
        g_assert_cmpint(track, ==, names[i].track);
        g_assert_true(gst_structure_get_double(s, "w", &w));
        g_assert_cmpfloat(w, <, 1.0);
    }
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT));
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 4); /* vectors */
    g_assert_cmpuint(fixture_stat(h->element, "frames"), ==, 1);
    fixture_teardown(h);
    fixture_teardown(plain);
}

/* `frame` is the default and looks at no region. */
static void test_frame_alone_is_the_default(void)
{
    GstHarness *h = fixture_harness_case("square");

    fixture_set_caps(h);
    GstBuffer *in = fixture_frame(0);
    region_add(in, "person", 0, 0, 20, 20);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_nonnull(fixture_embedding(out)); /* the only one */
    region_assert(out, 0, 0, 0, 1, 1, 1, 1);
    fixture_teardown(h);
}

static void test_frame_without_a_region_passes(void)
{
    GstHarness *h = region_harness("square", "roi");

    fixture_set_caps(h);
    gst_util_set_object_arg(G_OBJECT(h->element), "max-rate", "10/1");
    g_autoptr(GstBuffer) bare = fixture_pass(h, fixture_frame(0));
    g_assert_null(gst_buffer_get_gemma4_embedding_meta(bare));
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 0);

    /* it did not use up its period of max-rate, this one does */
    GstBuffer *in = fixture_frame(1);
    region_add(in, "person", 0, 0, 20, 20);
    g_assert_cmpuint(region_pass(h, in), ==, 1);
    in = fixture_frame(2);
    region_add(in, "person", 0, 0, 20, 20);
    g_assert_cmpuint(region_pass(h, in), ==, 0);
    g_assert_cmpuint(fixture_stat(h->element, "skipped-rate"), ==, 1);
    g_assert_cmpuint(fixture_stat(h->element, "frames"), ==, 3);
    g_assert_cmpuint(fixture_stat(h->element, "skipped-interval"), ==, 0);
    fixture_teardown(h);
}

static void test_a_hundred_regions(void)
{
    GstHarness *h = region_harness("square", "both");
    GstHarness *alone = region_harness("square", "roi");

    fixture_set_caps(h);
    fixture_set_caps(alone);
    GstBuffer *in = fixture_frame(0);
    for (guint i = 0; i < 100; i++)
        region_add(in, "thing", i % 10, i / 10 % 4, 16 + i % 7, 16 + i % 5)->id = i + 1;
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpuint(region_count(out), ==, 101);
    for (guint i = 0; i < 100; i += 9) {
        in = fixture_frame(0);
        region_add(in, "thing", i % 10, i / 10 % 4, 16 + i % 7, 16 + i % 5);
        g_autoptr(GstBuffer) single = fixture_pass(alone, in);
        g_autofree char *id = g_strdup_printf("%u", i + 1);
        region_assert_equal(region_entry(out, i + 1), fixture_embedding(single));
        g_assert_cmpstr(gst_gemma4_embedding_get_region_id(region_entry(out, i + 1)), ==, id);
    }
    fixture_teardown(h);
    fixture_teardown(alone);
}

/* ------------------------------------------------------------------------------------------
 * Which are left out
 */
static void test_regions_are_clipped(void)
{
    GstHarness *h = region_harness("square", "roi");
    GstHarness *clipped = region_harness("square", "roi");

    fixture_set_caps(h);
    fixture_set_caps(clipped);
    GstBuffer *in = fixture_frame(0);
    region_add(in, "corner", 10, 6, 1000, 1000);
    region_add(in, "all", 0, 0, G_MAXUINT, G_MAXUINT);
    region_add(in, "edge", 12, 0, G_MAXUINT - 5, 20);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpuint(region_count(out), ==, 3);
    region_assert(out, 0, 10, 6, 22, 18, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    region_assert(out, 1, 0, 0, 32, 24, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    region_assert(out, 2, 12, 0, 20, 20, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    in = fixture_frame(0);
    region_add(in, "corner", 10, 6, 22, 18);
    g_autoptr(GstBuffer) expected = fixture_pass(clipped, in);
    region_assert_equal(region_entry(out, 0), fixture_embedding(expected));
    fixture_teardown(h);
    fixture_teardown(clipped);
}

static void test_regions_without_pixels_are_left_out(void)
{
    static const guint hostile[][4] = {
        {0, 0, 0, 0},
        {0, 0, 0, 20},
        {5, 5, 20, 0},
        {32, 0, 20, 20},
        {0, 24, 20, 20},
        {1000, 1000, 20, 20},
        {G_MAXUINT, 0, 20, 20},
        {0, G_MAXUINT, G_MAXUINT, G_MAXUINT},
        {G_MAXUINT, G_MAXUINT, G_MAXUINT, G_MAXUINT},
        {(guint)G_MAXINT + 1, 0, (guint)G_MAXINT + 1, 20},
    };
    GstHarness *h = region_harness("square", "roi");

    fixture_set_caps(h);
    g_object_set(h->element, "min-region-size", 0, NULL);
    GstBuffer *in = fixture_frame(0);
    for (guint i = 0; i < G_N_ELEMENTS(hostile); i++)
        region_add(in, "x", hostile[i][0], hostile[i][1], hostile[i][2], hostile[i][3]);
    g_assert_cmpuint(region_pass(h, in), ==, 0);

    /* a single pixel is enough */
    in = fixture_frame(1);
    region_add(in, "x", 31, 23, 1, 1);
    region_add(in, "x", 0, 0, 32, 1);
    region_add(in, "x", 3, 0, 1, 24);
    g_assert_cmpuint(region_pass(h, in), ==, 3);
    fixture_teardown(h);
}

static void test_small_regions_are_left_out(void)
{
    GstHarness *h = region_harness("square", "roi");

    fixture_set_caps(h);
    for (guint i = 0; i < 3; i++) {
        static const guint expected[] = {2, 4, 0};
        if (i > 0) /* while playing */
            g_object_set(h->element, "min-region-size", i == 1 ? 4 : 25, NULL);
        GstBuffer *in = fixture_frame(i);
        region_add(in, "x", 0, 0, 16, 16);
        region_add(in, "x", 0, 0, 15, 24);
        region_add(in, "x", 0, 0, 32, 4);
        region_add(in, "x", 8, 8, 500, 16); /* 24 x 16 of it are in the picture */
        g_assert_cmpuint(region_pass(h, in), ==, expected[i]);
    }
    fixture_teardown(h);
}

static void check_classes(GstHarness *h, const char *classes, const char *expected)
{
    static const char *const labels[] = {"person", "car", "person on a bike", "per", NULL};
    g_autoptr(GString) found = g_string_new(NULL);

    g_object_set(h->element, "object-class", classes, NULL);
    GstBuffer *in = fixture_frame(0);
    for (guint i = 0; i < G_N_ELEMENTS(labels); i++) {
        if (labels[i])
            region_add(in, labels[i], i, 0, 20, 20);
        else
            gst_buffer_add_video_region_of_interest_meta_id(in, 0, i, 0, 20, 20);
    }
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    for (guint i = 0; i < region_count(out); i++) {
        const char *label = gst_gemma4_embedding_get_label(region_entry(out, i));
        g_string_append_printf(found, "[%s]", label ? label : "");
    }
    g_assert_cmpstr(found->str, ==, expected);
}

static void test_classes(void)
{
    GstHarness *h = region_harness("square", "roi");

    fixture_set_caps(h);
    check_classes(h, NULL, "[person][car][person on a bike][per][]");
    check_classes(h, "", "[person][car][person on a bike][per][]");
    check_classes(h, "person", "[person]");
    check_classes(h, "car,person", "[person][car]");
    check_classes(h, "  per ,, person on a bike", "[person on a bike][per]");
    check_classes(h, "Person, ca, r,bike", "");
    check_classes(h, " , ", "");
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Streams
 */
static void test_property_changes_with_the_next_frame(void)
{
    static const char *const modes[] = {"frame", "both", "roi", "frame"};
    static const guint counts[] = {1, 3, 2, 1};
    GstHarness *h = region_harness("square", "frame");
    gint value;

    fixture_set_caps(h);
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        gst_util_set_object_arg(G_OBJECT(h->element), "region", modes[i]);
        g_object_get(h->element, "region", &value, NULL);
        g_assert_cmpint(value, ==, i % 3 == 0 ? 0 : 3 - i);
        GstBuffer *in = fixture_frame(i);
        region_add(in, "a", 0, 0, 20, 20);
        region_add(in, "b", 4, 4, 20, 20);
        g_assert_cmpuint(region_pass(h, in), ==, counts[i]);
    }
    fixture_teardown(h);
}

static void test_caps_change_in_mid_stream(void)
{
    GstHarness *h = region_harness("square", "roi");
    static const struct {
        const char *format;
        guint width, height;
    } streams[] = {{"RGB", 64, 48}, {"NV12", 30, 60}, {"RGBA", 200, 20}, {"I420", 17, 17}};

    for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
        GstCaps *caps = fixture_caps(streams[i].format, streams[i].width, streams[i].height);
        GstVideoInfo info;
        g_assert_true(gst_video_info_from_caps(&info, caps));
        gst_harness_set_src_caps(h, caps);
        GstBuffer *in = gst_buffer_new_wrapped(fixture_noise(info.size, i), info.size);
        region_add(in, "x", 1, 0, 100, 100);
        g_autoptr(GstBuffer) out = fixture_pass(h, in);
        g_assert_cmpuint(region_count(out), ==, 1);
        region_assert(out, 0, 1, 0, MIN(streams[i].width - 1, 100), MIN(streams[i].height, 100),
                      streams[i].width, streams[i].height);
    }
    fixture_teardown(h);
}

/* The rectangles of metas are the frame's, those of entries are of what the crop leaves. */
static void test_cropped_frame(void)
{
    GstHarness *h = region_harness("square", "both");
    GstHarness *plain = region_harness("square", "roi");
    g_autofree guint8 *rgb = fixture_noise(64 * 48 * 3, 9);

    gst_harness_set_src_caps(h, fixture_caps("RGB", 64, 48));
    gst_harness_set_src_caps(plain, fixture_caps("RGB", 64, 48));
    GstBuffer *in = fixture_rgb_buffer(rgb, 64, 48);
    GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta(in);
    crop->x = 10;
    crop->y = 8;
    crop->width = 40;
    crop->height = 32;
    region_add(in, "inside", 15, 9, 20, 16);
    region_add(in, "across", 0, 0, 30, 30);
    region_add(in, "outside", 50, 0, 14, 48);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpuint(region_count(out), ==, 3);
    region_assert(out, 1, 5, 1, 20, 16, 40, 32);
    region_assert(out, 2, 0, 0, 20, 22, 40, 32);

    in = fixture_rgb_buffer(rgb, 64, 48);
    region_add(in, "inside", 15, 9, 20, 16);
    region_add(in, "across", 10, 8, 20, 22);
    g_autoptr(GstBuffer) expected = fixture_pass(plain, in);
    for (guint i = 0; i < 2; i++)
        region_assert_equal(region_entry(out, i + 1), region_entry(expected, i));

    /* a crop that reaches outside of the picture is an error with regions, too */
    in = fixture_rgb_buffer(rgb, 64, 48);
    crop = gst_buffer_add_video_crop_meta(in);
    crop->x = 10;
    crop->width = crop->height = G_MAXUINT;
    region_add(in, "x", 12, 0, G_MAXUINT, G_MAXUINT);
    g_assert_cmpint(gst_harness_push(plain, in), ==, GST_FLOW_ERROR);
    g_autofree char *text =
        fixture_error(plain->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
    g_assert_nonnull(strstr(text, "GstVideoCropMeta"));
    fixture_teardown(h);
    fixture_teardown(plain);
}

/* Without it being asked for by the caller, nothing of the buffer but the meta is new. */
static void test_buffer_is_otherwise_untouched(void)
{
    GstHarness *h = region_harness("square", "both");
    g_autoptr(GstBuffer) original = fixture_frame(4);

    fixture_set_caps(h);
    GstBuffer *in = fixture_frame(4);
    region_add(in, "a", 0, 0, 20, 20);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    GstMapInfo a, b;
    g_assert_true(gst_buffer_map(original, &a, GST_MAP_READ));
    g_assert_true(gst_buffer_map(out, &b, GST_MAP_READ));
    g_assert_cmpmem(a.data, a.size, b.data, b.size);
    gst_buffer_unmap(original, &a);
    gst_buffer_unmap(out, &b);
    g_assert_cmpuint(GST_BUFFER_PTS(out), ==, GST_BUFFER_PTS(original));
    g_assert_cmpuint(gst_buffer_get_n_meta(out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), ==, 1);
    fixture_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * GStreamer's analytics
 */
#ifdef HAVE_GST_ANALYTICS
static void test_detected_objects(void)
{
    GstHarness *h = region_harness("square", "roi");
    GstHarness *interest = region_harness("square", "roi");
    GstAnalyticsODMtd objects[5];
    GstAnalyticsTrackingMtd tracks[2];
    GstAnalyticsClsMtd other;

    fixture_set_caps(h);
    fixture_set_caps(interest);
    GstBuffer *in = fixture_frame(0);
    GstAnalyticsRelationMeta *meta = gst_buffer_add_analytics_relation_meta(in);
    static const gint at[5][4] = {
        {2, 3, 20, 20}, {-10, -4, 30, 24}, {40, 0, 20, 20}, {0, 0, -20, 20}, {5, 1, 27, 17}};
    static const char *const labels[] = {"person", "car", "gone", "nothing", "dog"};
    gfloat level = 0.5f;
    GQuark class = g_quark_from_static_string("red");
    for (guint i = 0; i < 5; i++) {
        g_assert_true(gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string(labels[i]),
                                                             at[i][0], at[i][1], at[i][2], at[i][3],
                                                             0.9f, &objects[i]));
    }
    g_assert_true(gst_analytics_relation_meta_add_cls_mtd(meta, 1, &level, &class, &other));
    gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_CONTAIN, objects[0].id,
                                             other.id);
    for (guint i = 0; i < 2; i++)
        g_assert_true(gst_analytics_relation_meta_add_tracking_mtd(meta, 1000 + i, 0, &tracks[i]));
    /* either way round */
    gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, objects[1].id,
                                             tracks[1].id);
    gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_CONTAIN, tracks[0].id,
                                             objects[4].id);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpuint(region_count(out), ==, 3);
    region_assert(out, 0, 2, 3, 20, 20, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    region_assert(out, 1, 0, 0, 20, 20, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    region_assert(out, 2, 5, 1, 27, 17, FIXTURE_WIDTH, FIXTURE_HEIGHT);
    static const gint64 expected_tracks[] = {-1, 1001, 1000};
    static const char *const expected_labels[] = {"person", "car", "dog"};
    for (guint i = 0; i < 3; i++) {
        g_assert_cmpint(gst_gemma4_embedding_get_track(region_entry(out, i)), ==,
                        expected_tracks[i]);
        g_assert_cmpstr(gst_gemma4_embedding_get_label(region_entry(out, i)), ==,
                        expected_labels[i]);
    }
    in = fixture_frame(0);
    region_add(in, "x", 2, 3, 20, 20);
    region_add(in, "x", 0, 0, 20, 20);
    region_add(in, "x", 5, 1, 27, 17);
    g_autoptr(GstBuffer) expected = fixture_pass(interest, in);
    for (guint i = 0; i < 3; i++)
        region_assert_equal(region_entry(out, i), region_entry(expected, i));
    fixture_teardown(h);
    fixture_teardown(interest);
}

/* A detector that says each object in both forms says it once. */
static void test_object_in_both_forms(void)
{
    GstHarness *h = region_harness("square", "roi");
    GstAnalyticsODMtd object;
    GstAnalyticsTrackingMtd track;

    fixture_set_caps(h);
    GstBuffer *in = fixture_frame(0);
    region_add(in, "person", 2, 3, 20, 20);
    region_add(in, "car", 0, 0, 20, 20);
    GstAnalyticsRelationMeta *meta = gst_buffer_add_analytics_relation_meta(in);
    gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("dog"), 2, 3, 20, 20, 1.0f,
                                           &object);
    gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("person"), 2, 3, 20, 20, 1.0f,
                                           &object);
    gst_analytics_relation_meta_add_tracking_mtd(meta, 12, 0, &track);
    gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, object.id,
                                             track.id);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    g_assert_cmpuint(region_count(out), ==, 3);
    g_assert_cmpstr(gst_gemma4_embedding_get_label(region_entry(out, 0)), ==, "person");
    g_assert_cmpint(gst_gemma4_embedding_get_track(region_entry(out, 0)), ==, 12);
    g_assert_cmpstr(gst_gemma4_embedding_get_label(region_entry(out, 1)), ==, "car");
    g_assert_cmpstr(gst_gemma4_embedding_get_label(region_entry(out, 2)), ==, "dog");
    fixture_teardown(h);
}
#endif

#ifdef HAVE_GST_TENSOR_META
static void test_tensor_of_each_region(void)
{
    GstHarness *h = region_harness("square", "both");

    fixture_set_caps(h);
    GstBuffer *in = fixture_frame(0);
    region_add(in, "a", 0, 0, 20, 20);
    region_add(in, "b", 9, 4, 20, 20);
    g_autoptr(GstBuffer) out = fixture_pass(h, in);
    GstTensorMeta *meta = gst_buffer_get_tensor_meta(out);
    g_assert_nonnull(meta);
    g_assert_cmpuint(meta->num_tensors, ==, 3);
    for (guint i = 0; i < 3; i++) {
        const GstTensor *tensor = gst_tensor_meta_get(meta, i);
        GstMapInfo map;
        gsize n;
        const gfloat *values = gst_gemma4_embedding_get_values(region_entry(out, i), &n);
        g_assert_true(gst_buffer_map(tensor->data, &map, GST_MAP_READ));
        g_assert_cmpmem(map.data, map.size, values, n * sizeof(gfloat));
        gst_buffer_unmap(tensor->data, &map);
    }
    fixture_teardown(h);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/region/pixels-are-those-of-a-cropped-frame",
                    test_pixels_are_those_of_a_cropped_frame);
    g_test_add_func("/region/pixels-are-those-of-the-converted-frame",
                    test_pixels_are_those_of_the_converted_frame);
    g_test_add_func("/region/tokens-of-each-region", test_tokens_of_each_region);
    g_test_add_func("/region/whole-frame-comes-first", test_whole_frame_comes_first);
    g_test_add_func("/region/frame-alone-is-the-default", test_frame_alone_is_the_default);
    g_test_add_func("/region/frame-without-a-region-passes", test_frame_without_a_region_passes);
    g_test_add_func("/region/a-hundred-regions", test_a_hundred_regions);
    g_test_add_func("/region/regions-are-clipped", test_regions_are_clipped);
    g_test_add_func("/region/regions-without-pixels-are-left-out",
                    test_regions_without_pixels_are_left_out);
    g_test_add_func("/region/small-regions-are-left-out", test_small_regions_are_left_out);
    g_test_add_func("/region/classes", test_classes);
    g_test_add_func("/region/property-changes-with-the-next-frame",
                    test_property_changes_with_the_next_frame);
    g_test_add_func("/region/caps-change-in-mid-stream", test_caps_change_in_mid_stream);
    g_test_add_func("/region/cropped-frame", test_cropped_frame);
    g_test_add_func("/region/buffer-is-otherwise-untouched", test_buffer_is_otherwise_untouched);
#ifdef HAVE_GST_ANALYTICS
    g_test_add_func("/region/detected-objects", test_detected_objects);
    g_test_add_func("/region/object-in-both-forms", test_object_in_both_forms);
#endif
#ifdef HAVE_GST_TENSOR_META
    g_test_add_func("/region/tensor-of-each-region", test_tensor_of_each_region);
#endif
    int status = g_test_run();
    gst_deinit();
    return status;
}
