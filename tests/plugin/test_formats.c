/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed on every raw format, size and layout: the embedding must be, float for float, that
 * of the same pixels as packed RGB, where "the same pixels" is what a real videoconvert makes of
 * the frame (dither=none), cropped afterwards.
 */
#include "embedfixture.h"

static GstHarness *embed; /* one element for all: its caps change all the time */

/* A frame of noise, padding bytes too, and some bytes behind it: for odd widths of a few packed
 * formats GStreamer's unpackers look past the end of the last row, and both ways to convert a frame
 * must find the same there. */
static GstBuffer *noise_frame(const GstVideoInfo *info, guint32 seed)
{
    gsize size = info->size + 256;

    return gst_buffer_new_wrapped(fixture_noise(size, seed), size);
}

static GstVideoInfo info_from_text(const char *text)
{
    g_autoptr(GstCaps) caps = gst_caps_from_string(text);
    GstVideoInfo info;

    g_assert_true(gst_video_info_from_caps(&info, caps));
    return info;
}

static GstBuffer *embed_frame(const char *caps, GstBuffer *buffer)
{
    gst_harness_set_src_caps_str(embed, caps);
    return fixture_pass(embed, buffer);
}

/* Two videoconverts, to RGB and to RGBA, whose input caps change all the time. */
static GstHarness *to_rgb, *to_rgba;

static GstHarness *make_converter(const char *format)
{
    g_autofree char *line =
        g_strdup_printf("videoconvert dither=none ! capsfilter caps=video/x-raw,format=%s", format);

    return gst_harness_new_parse(line);
}

/* The frame as videoconvert gives it, and the format of that. Takes the buffer. */
static GstBuffer *convert_frame(GstHarness *h, const char *caps, GstBuffer *buffer,
                                GstVideoInfo *info)
{
    gst_harness_set_src_caps_str(h, caps);
    GstBuffer *out = gst_harness_push_and_pull(h, buffer);
    g_assert_nonnull(out);
    g_autoptr(GstCaps) out_caps = gst_pad_get_current_caps(h->sinkpad);
    g_assert_true(gst_video_info_from_caps(info, out_caps));
    return out;
}

/* The rectangle of a frame as a packed frame without metas. */
static GstBuffer *cut(GstBuffer *buffer, const GstVideoInfo *info, guint x, guint y, guint width,
                      guint height, guint pixel_bytes)
{
    GstVideoFrame frame;
    gsize stride = GST_ROUND_UP_4(width * pixel_bytes);
    guint8 *packed = g_malloc0(stride * height);

    g_assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_READ));
    for (guint row = 0; row < height; row++)
        memcpy(packed + row * stride,
               (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, 0) +
                   (gsize)(y + row) * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0) +
                   (gsize)x * pixel_bytes,
               (gsize)width * pixel_bytes);
    gst_video_frame_unmap(&frame);
    return gst_buffer_new_wrapped(packed, stride * height);
}

/* `buffer` of `caps`, with `crop` NULL or added to it, gives the embedding of its pixels as packed
 * RGB (with alpha: RGBA). Takes the buffer. */
static void check(const char *caps, GstBuffer *buffer, const GstVideoRectangle *crop)
{
    GstVideoInfo info = info_from_text(caps), rgb_info;
    gboolean alpha = GST_VIDEO_INFO_HAS_ALPHA(&info);
    const char *format = alpha ? "RGBA" : "RGB";
    g_autoptr(GstBuffer) rgb =
        convert_frame(alpha ? to_rgba : to_rgb, caps, gst_buffer_copy_deep(buffer), &rgb_info);
    GstVideoRectangle all = {0, 0, info.width, info.height};
    const GstVideoRectangle *r = crop ? crop : &all;

    g_test_message("%s, %dx%d at %d,%d", caps, r->w, r->h, r->x, r->y);
    if (crop) {
        GstVideoCropMeta *meta = gst_buffer_add_video_crop_meta(buffer);
        meta->x = crop->x;
        meta->y = crop->y;
        meta->width = crop->w;
        meta->height = crop->h;
    }
    g_autofree char *packed_caps = g_strdup_printf(
        "video/x-raw,format=%s,width=%d,height=%d,framerate=25/1", format, r->w, r->h);
    g_autoptr(GstBuffer) expected =
        embed_frame(packed_caps, cut(rgb, &rgb_info, r->x, r->y, r->w, r->h, alpha ? 4 : 3));
    g_autoptr(GstBuffer) found = embed_frame(caps, buffer);
    fixture_assert_equal(found, expected);
}

static char *caps_text(const char *format, guint width, guint height, const char *more)
{
    return g_strdup_printf("video/x-raw,format=%s,width=%u,height=%u,framerate=25/1%s", format,
                           width, height, more);
}

static const struct {
    guint width, height;
} sizes[] = {{64, 48}, {63, 47}, {33, 62}, {16, 5}, {97, 31}};

/* What the pad template promises. */
static void for_all_formats(void (*check_format)(const char *format))
{
    GstPadTemplate *template = gst_element_get_pad_template(embed->element, "sink");
    g_autoptr(GstCaps) all = gst_pad_template_get_caps(template);
    const GValue *formats = gst_structure_get_value(gst_caps_get_structure(all, 0), "format");

    g_assert_cmpuint(gst_value_list_get_size(formats), >, 90);
    for (guint i = 0; i < gst_value_list_get_size(formats); i++)
        check_format(g_value_get_string(gst_value_list_get_value(formats, i)));
}

static void check_sizes(const char *format)
{
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *caps = caps_text(format, sizes[i].width, sizes[i].height, "");
        GstVideoInfo info = info_from_text(caps);
        check(caps, noise_frame(&info, i), NULL);
    }
}

static void test_every_format_equals_rgb(void)
{
    for_all_formats(check_sizes);
}

static void check_crops(const char *format)
{
    static const GstVideoRectangle crops[] = {
        {0, 0, 64, 48}, {1, 1, 41, 30}, {2, 0, 40, 48}, {7, 13, 33, 17}, {63, 47, 1, 1}};
    g_autofree char *caps = caps_text(format, 64, 48, "");
    GstVideoInfo info = info_from_text(caps);

    for (guint i = 0; i < G_N_ELEMENTS(crops); i++)
        check(caps, noise_frame(&info, i), &crops[i]);
}

static void test_crop_equals_cropped_rgb(void)
{
    for_all_formats(check_crops);
}

/* The same picture in rows and planes set apart, in one memory. Whole rows are copied: the last
 * pixel of an odd YUY2 row shares its chroma with one beyond it. */
static GstBuffer *pad_frame(GstBuffer *buffer, const GstVideoInfo *info, guint extra)
{
    gsize offset[GST_VIDEO_MAX_PLANES] = {0}, size = 37;
    gint stride[GST_VIDEO_MAX_PLANES] = {0};
    GstMapInfo from, to;

    for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES(info); p++) {
        offset[p] = size;
        stride[p] = GST_VIDEO_INFO_PLANE_STRIDE(info, p) + extra;
        size += (gsize)stride[p] * (GST_VIDEO_INFO_HEIGHT(info) + 1) + 11;
    }
    GstBuffer *padded = gst_buffer_new_wrapped(fixture_noise(size, 99), size);
    gst_buffer_add_video_meta_full(padded, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(info),
                                   GST_VIDEO_INFO_WIDTH(info), GST_VIDEO_INFO_HEIGHT(info),
                                   GST_VIDEO_INFO_N_PLANES(info), offset, stride);
    g_assert_true(gst_buffer_map(buffer, &from, GST_MAP_READ));
    g_assert_true(gst_buffer_map(padded, &to, GST_MAP_WRITE));
    for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES(info); p++) {
        gsize row = GST_VIDEO_INFO_PLANE_STRIDE(info, p);
        gsize end = p + 1 < GST_VIDEO_INFO_N_PLANES(info) ? info->offset[p + 1] : info->size;
        for (gsize y = 0; y < (end - info->offset[p]) / row; y++)
            memcpy(to.data + offset[p] + y * stride[p], from.data + info->offset[p] + y * row, row);
    }
    gst_buffer_unmap(padded, &to);
    gst_buffer_unmap(buffer, &from);
    return padded;
}

static void test_padded_planes_equal_packed(void)
{
    static const char *const formats[] = {"NV12",  "I420", "YV12",      "YUY2",      "RGB",
                                          "BGR",   "BGRx", "RGBx",      "RGBA",      "AYUV",
                                          "GRAY8", "NV16", "I420_10LE", "P010_10LE", "Y444"};

    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
        for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
            static const GstVideoRectangle crop = {3, 1, 11, 4};
            g_autofree char *caps = caps_text(formats[f], sizes[i].width, sizes[i].height, "");
            GstVideoInfo info = info_from_text(caps);
            g_autoptr(GstBuffer) tight = noise_frame(&info, i);
            /* multiples of 16, for formats of wide components, and not */
            guint extra = info.finfo->bits > 8 ? 32 : 13;
            g_autoptr(GstBuffer) expected = embed_frame(caps, gst_buffer_ref(tight));
            g_autoptr(GstBuffer) found = embed_frame(caps, pad_frame(tight, &info, extra));
            fixture_assert_equal(found, expected);
            check(caps, pad_frame(tight, &info, extra), NULL);
            check(caps, pad_frame(tight, &info, extra), &crop);
        }
    }
}

/* A decoder's allocation: the GstVideoMeta is larger than the caps, and only a crop meta says
 * where the picture is. */
static void test_picture_inside_larger_allocation(void)
{
    static const char *const formats[] = {"NV12", "I420", "RGB", "BGRx", "P010_10LE"};

    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
        g_autofree char *large_caps = caps_text(formats[f], 64, 48, "");
        g_autofree char *caps = caps_text(formats[f], 33, 21, "");
        GstVideoInfo large = info_from_text(large_caps), rgb_info;
        GstBuffer *in = noise_frame(&large, f);
        g_autoptr(GstBuffer) rgb =
            convert_frame(to_rgb, large_caps, gst_buffer_copy_deep(in), &rgb_info);
        g_autoptr(GstBuffer) expected =
            embed_frame("video/x-raw,format=RGB,width=33,height=21,framerate=25/1",
                        cut(rgb, &rgb_info, 31, 27, 33, 21, 3));

        gst_buffer_add_video_meta_full(in, GST_VIDEO_FRAME_FLAG_NONE, large.finfo->format, 64, 48,
                                       large.finfo->n_planes, large.offset, large.stride);
        GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta(in);
        crop->x = 31;
        crop->y = 27;
        crop->width = 33;
        crop->height = 21;
        g_autoptr(GstBuffer) found = embed_frame(caps, in);
        fixture_assert_equal(found, expected);
    }
}

static void test_planes_in_memories_of_their_own(void)
{
    g_autofree char *caps = caps_text("I420", 64, 48, "");
    GstVideoInfo info = info_from_text(caps);
    g_autoptr(GstBuffer) tight = noise_frame(&info, 5);
    GstBuffer *split = gst_buffer_new();

    for (guint p = 0; p < 3; p++)
        gst_buffer_append(
            split, gst_buffer_copy_region(tight, GST_BUFFER_COPY_MEMORY | GST_BUFFER_COPY_DEEP,
                                          info.offset[p], p ? 32 * 24 : 64 * 48));
    g_assert_cmpuint(gst_buffer_n_memory(split), ==, 3);
    gst_buffer_add_video_meta_full(split, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 64, 48,
                                   3, info.offset, info.stride);
    g_autoptr(GstBuffer) expected = embed_frame(caps, gst_buffer_ref(tight));
    g_autoptr(GstBuffer) found = embed_frame(caps, split);
    fixture_assert_equal(found, expected);
    g_assert_cmpuint(gst_buffer_n_memory(found), ==, 3); /* nothing was merged */
}

/* Rows from the bottom up, as some capture devices deliver them. */
static void test_negative_stride(void)
{
    g_autofree char *caps = caps_text("RGB", 32, 24, "");
    g_autofree guint8 *rgb = fixture_noise(96 * 24, 8);
    guint8 *flipped = g_malloc(96 * 24);
    gsize offset[GST_VIDEO_MAX_PLANES] = {96 * 23};
    gint stride[GST_VIDEO_MAX_PLANES] = {-96};

    for (guint y = 0; y < 24; y++)
        memcpy(flipped + 96 * (23 - y), rgb + 96 * y, 96);
    GstBuffer *in = gst_buffer_new_wrapped(flipped, 96 * 24);
    gst_buffer_add_video_meta_full(in, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 32, 24, 1,
                                   offset, stride);
    g_autoptr(GstBuffer) expected = embed_frame(caps, fixture_rgb_buffer(rgb, 32, 24));
    g_autoptr(GstBuffer) found = embed_frame(caps, in);
    fixture_assert_equal(found, expected);
}

static void test_colorimetry_interlacing_and_siting(void)
{
    static const char *const more[] = {
        ",colorimetry=bt601",        ",colorimetry=bt709",
        ",colorimetry=bt2020",       ",colorimetry=1:4:0:0",
        ",colorimetry=1:3:5:1",      ",interlace-mode=interleaved",
        ",interlace-mode=mixed",     ",chroma-site=cosited",
        ",pixel-aspect-ratio=12/11", ",colorimetry=bt709,chroma-site=mpeg2",
    };
    static const char *const formats[] = {"NV12",      "I420", "YUY2", "A420", "GRAY8",
                                          "P010_10LE", "RGB",  "BGRx", "Y444"};

    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
        for (guint m = 0; m < G_N_ELEMENTS(more); m++) {
            static const GstVideoRectangle crop = {5, 3, 22, 19};
            g_autofree char *caps = caps_text(formats[f], 64, 46, more[m]);
            GstVideoInfo info = info_from_text(caps);
            check(caps, noise_frame(&info, m), NULL);
            check(caps, noise_frame(&info, m), &crop);
        }
    }
}

static void test_alpha_is_composited_on_white(void)
{
    g_autofree char *caps = caps_text("RGBA", 32, 24, "");
    g_autofree char *rgb_caps = caps_text("RGB", 32, 24, "");
    g_autofree guint8 *white = g_malloc(96 * 24);
    g_autofree guint8 *rgb = g_malloc(96 * 24);
    guint8 *clear = fixture_noise(128 * 24, 3), *opaque = g_memdup2(clear, 128 * 24);

    memset(white, 255, 96 * 24);
    for (guint i = 0; i < 32 * 24; i++) {
        clear[4 * i + 3] = 0;
        opaque[4 * i + 3] = 255;
        memcpy(rgb + 3 * i, opaque + 4 * i, 3);
    }
    g_autoptr(GstBuffer) a = embed_frame(rgb_caps, fixture_rgb_buffer(white, 32, 24));
    g_autoptr(GstBuffer) b = embed_frame(caps, gst_buffer_new_wrapped(clear, 128 * 24));
    fixture_assert_equal(b, a);
    g_autoptr(GstBuffer) c = embed_frame(rgb_caps, fixture_rgb_buffer(rgb, 32, 24));
    g_autoptr(GstBuffer) d = embed_frame(caps, gst_buffer_new_wrapped(opaque, 128 * 24));
    fixture_assert_equal(d, c);
}

/* Another picture gives another embedding: the tests above compare something. */
static void test_pixels_matter(void)
{
    g_autofree char *caps = caps_text("NV12", 64, 48, "");
    GstVideoInfo info = info_from_text(caps);
    g_autoptr(GstBuffer) a = embed_frame(caps, noise_frame(&info, 1));
    g_autoptr(GstBuffer) b = embed_frame(caps, noise_frame(&info, 2));
    gsize n;
    const gfloat *x = gst_gemma4_embedding_get_values(fixture_embedding(a), &n);
    const gfloat *y = gst_gemma4_embedding_get_values(fixture_embedding(b), &n);

    g_assert_cmpint(memcmp(x, y, n * sizeof(gfloat)), !=, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);
    embed = fixture_harness_case("aspect");
    to_rgb = make_converter("RGB");
    to_rgba = make_converter("RGBA");

    g_test_add_func("/formats/pixels-matter", test_pixels_matter);
    g_test_add_func("/formats/every-format-equals-rgb", test_every_format_equals_rgb);
    g_test_add_func("/formats/crop-equals-cropped-rgb", test_crop_equals_cropped_rgb);
    g_test_add_func("/formats/padded-planes-equal-packed", test_padded_planes_equal_packed);
    g_test_add_func("/formats/picture-inside-larger-allocation",
                    test_picture_inside_larger_allocation);
    g_test_add_func("/formats/planes-in-memories-of-their-own",
                    test_planes_in_memories_of_their_own);
    g_test_add_func("/formats/negative-stride", test_negative_stride);
    g_test_add_func("/formats/colorimetry-interlacing-and-siting",
                    test_colorimetry_interlacing_and_siting);
    g_test_add_func("/formats/alpha-is-composited-on-white", test_alpha_is_composited_on_white);
    int status = g_test_run();
    fixture_teardown(embed);
    gst_harness_teardown(to_rgb);
    gst_harness_teardown(to_rgba);
    gst_deinit();
    return status;
}
