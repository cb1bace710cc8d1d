/* SPDX-License-Identifier: Apache-2.0
 *
 * A GstBuffer of raw video as the G4Frame that the core takes: map, convert whole, crop.
 */
#include "gstgemma4frame.h"

#include <string.h>

static void drop_converter(GstGemma4Frame *frame)
{
    g_clear_pointer(&frame->converter, gst_video_converter_free);
    g_free(frame->rgb.data[0]);
    frame->rgb = (GstVideoFrame){0};
}

/* The same picture for the converter: everything but rate and shape of a pixel. */
static gboolean same_picture(const GstVideoInfo *a, const GstVideoInfo *b)
{
    GstVideoInfo x = *a;

    x.par_n = b->par_n;
    x.par_d = b->par_d;
    x.fps_n = b->fps_n;
    x.fps_d = b->fps_d;
    return gst_video_info_is_equal(&x, b);
}

void gst_gemma4_frame_set_info(GstGemma4Frame *frame, const GstVideoInfo *info)
{
    if (frame->converter && !same_picture(info, &frame->info))
        drop_converter(frame);
    frame->info = *info;
}

void gst_gemma4_frame_clear(GstGemma4Frame *frame)
{
    drop_converter(frame);
    g_free(frame->kept);
    *frame = (GstGemma4Frame){0};
}

/* gst_video_frame_map() takes these for granted. */
static gboolean check_meta(const GstVideoInfo *info, const GstVideoMeta *meta, GError **error)
{
    if (meta->format == GST_VIDEO_INFO_FORMAT(info) &&
        meta->n_planes == GST_VIDEO_INFO_N_PLANES(info) &&
        meta->width >= (guint)GST_VIDEO_INFO_WIDTH(info) &&
        meta->height >= (guint)GST_VIDEO_INFO_HEIGHT(info) && meta->width <= G_MAXINT &&
        meta->height <= G_MAXINT)
        return TRUE;

    g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                "the buffer's GstVideoMeta says %s %ux%u in %u planes, the caps say %s %dx%d in %u",
                gst_video_format_to_string(meta->format), meta->width, meta->height, meta->n_planes,
                gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(info)), GST_VIDEO_INFO_WIDTH(info),
                GST_VIDEO_INFO_HEIGHT(info), GST_VIDEO_INFO_N_PLANES(info));
    return FALSE;
}

/* Bytes of the last row of a plane that a reader of `width` pixels touches. */
static gsize row_bytes(const GstVideoInfo *info, guint plane)
{
    const GstVideoFormatInfo *finfo = info->finfo;
    gsize bytes = 0;

    for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo); c++) {
        if (GST_VIDEO_FORMAT_INFO_PLANE(finfo, c) != plane)
            continue;
        gsize w = GST_VIDEO_FORMAT_INFO_SCALE_WIDTH(finfo, c, GST_VIDEO_INFO_WIDTH(info));
        gsize end =
            GST_VIDEO_FORMAT_INFO_POFFSET(finfo, c) +
            (w - 1) * GST_VIDEO_FORMAT_INFO_PSTRIDE(finfo, c) +
            (GST_VIDEO_FORMAT_INFO_SHIFT(finfo, c) + GST_VIDEO_FORMAT_INFO_DEPTH(finfo, c) + 7) / 8;
        bytes = MAX(bytes, end);
    }
    return bytes;
}

/* Rows of a plane: those of its first component. */
static gsize plane_rows(const GstVideoInfo *info, guint plane)
{
    const GstVideoFormatInfo *finfo = info->finfo;

    for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo); c++) {
        if (GST_VIDEO_FORMAT_INFO_PLANE(finfo, c) == plane)
            return GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(finfo, c, GST_VIDEO_INFO_HEIGHT(info));
    }
    return 0;
}

/* A GstVideoMeta's offsets and strides are its producer's word: what lies outside of the mapped
 * memory is not read. Without the meta gst_video_frame_map() has compared the sizes. The rows of
 * tiled formats are not at stride intervals, and packed ones with no pixel stride have rows of
 * |stride| bytes. */
static gboolean check_planes(const GstVideoFrame *video, GError **error)
{
    const GstVideoInfo *info = &video->info;
    const GstVideoFormatInfo *finfo = info->finfo;

    if (!video->meta || GST_VIDEO_FORMAT_INFO_IS_TILED(finfo))
        return TRUE;

    for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES(info); p++) {
        const GstMapInfo *map = &video->map[p];
        gint64 stride = info->stride[p];
        gint64 rows = plane_rows(info, p);
        gint64 row = GST_VIDEO_FORMAT_INFO_IS_COMPLEX(finfo) ? ABS(stride) : row_bytes(info, p);

        if (rows == 0 || map->data == NULL) /* a palette; memory that is mapped otherwise */
            continue;

        gint64 first = (guint8 *)video->data[p] - map->data;
        gint64 low = first + MIN(0, (rows - 1) * stride);
        gint64 high = first + MAX(0, (rows - 1) * stride) + row;
        if (low < 0 || high > (gint64)map->size) {
            g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                        "plane %u of the %s %dx%d buffer has %" G_GSIZE_FORMAT
                        " bytes, its GstVideoMeta (stride %d) reaches from %" G_GINT64_FORMAT
                        " to %" G_GINT64_FORMAT,
                        p, finfo->name, GST_VIDEO_INFO_WIDTH(info), GST_VIDEO_INFO_HEIGHT(info),
                        map->size, info->stride[p], low, high);
            return FALSE;
        }
    }
    return TRUE;
}

/* Makes the converter for pictures of width x height as videoconvert configures it: colours only
 * by the matrix and range, no dither, alpha copied. */
static gboolean make_converter(GstGemma4Frame *frame, gint width, gint height, GError **error)
{
    GstVideoFormat format =
        GST_VIDEO_INFO_HAS_ALPHA(&frame->info) ? GST_VIDEO_FORMAT_RGBA : GST_VIDEO_FORMAT_RGB;
    GstVideoInfo in = frame->info;
    GstVideoInfo out;

    if (frame->converter && GST_VIDEO_FRAME_WIDTH(&frame->rgb) == width &&
        GST_VIDEO_FRAME_HEIGHT(&frame->rgb) == height)
        return TRUE;
    drop_converter(frame);

    in.width = width;
    in.height = height;
    in.fps_n = 0; /* the converter wants the same rate on both sides and does not use it */
    in.fps_d = 1;
    if (!gst_video_info_set_interlaced_format(&out, format, GST_VIDEO_INFO_INTERLACE_MODE(&in),
                                              width, height)) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME, "a picture of %dx%d is too large", width,
                    height);
        return FALSE;
    }
    out.fps_n = 0;
    out.fps_d = 1;
    /* As videoconvert fixes its output: between RGB formats the colorimetry stays, otherwise the
     * primaries and the transfer function, while matrix and range are those of RGB. */
    if (GST_VIDEO_INFO_IS_RGB(&in)) {
        out.colorimetry = in.colorimetry;
    } else {
        out.colorimetry.primaries = in.colorimetry.primaries;
        out.colorimetry.transfer = in.colorimetry.transfer;
    }

    guint8 *pixels = g_try_malloc(GST_VIDEO_INFO_SIZE(&out));
    if (!pixels) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME, "no memory for a picture of %dx%d", width,
                    height);
        return FALSE;
    }
    frame->converter = gst_video_converter_new(
        &in, &out,
        gst_structure_new(
            "gemma4", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_VIDEO_DITHER_METHOD,
            GST_VIDEO_DITHER_NONE, GST_VIDEO_CONVERTER_OPT_CHROMA_RESAMPLER_METHOD,
            GST_TYPE_VIDEO_RESAMPLER_METHOD, GST_VIDEO_RESAMPLER_METHOD_LINEAR,
            GST_VIDEO_CONVERTER_OPT_ALPHA_MODE, GST_TYPE_VIDEO_ALPHA_MODE,
            GST_VIDEO_ALPHA_MODE_COPY, GST_VIDEO_CONVERTER_OPT_CHROMA_MODE,
            GST_TYPE_VIDEO_CHROMA_MODE, GST_VIDEO_CHROMA_MODE_FULL,
            GST_VIDEO_CONVERTER_OPT_MATRIX_MODE, GST_TYPE_VIDEO_MATRIX_MODE,
            GST_VIDEO_MATRIX_MODE_FULL, GST_VIDEO_CONVERTER_OPT_GAMMA_MODE,
            GST_TYPE_VIDEO_GAMMA_MODE, GST_VIDEO_GAMMA_MODE_NONE,
            GST_VIDEO_CONVERTER_OPT_PRIMARIES_MODE, GST_TYPE_VIDEO_PRIMARIES_MODE,
            GST_VIDEO_PRIMARIES_MODE_NONE, GST_VIDEO_CONVERTER_OPT_THREADS, G_TYPE_UINT, 1, NULL));
    if (!frame->converter) {
        g_free(pixels);
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME, "%s cannot be converted to %s", in.finfo->name,
                    out.finfo->name);
        return FALSE;
    }
    frame->rgb.info = out;
    frame->rgb.data[0] = pixels;
    return TRUE;
}

/* TRUE when the mapped pixels are in a layout that the core reads. */
static gboolean layout_of(const GstVideoFrame *video, G4PixelFormat *format, guint *pixel_bytes)
{
    switch (GST_VIDEO_FRAME_FORMAT(video)) {
    case GST_VIDEO_FORMAT_RGB:
        *format = G4_PIXELS_RGB;
        break;
    case GST_VIDEO_FORMAT_RGBx:
        *format = G4_PIXELS_RGBX;
        break;
    case GST_VIDEO_FORMAT_RGBA:
        *format = G4_PIXELS_RGBA;
        break;
    default:
        return FALSE;
    }
    *pixel_bytes = *format == G4_PIXELS_RGB ? 3 : 4;
    /* a bottom-up picture has a negative stride */
    return GST_VIDEO_FRAME_PLANE_STRIDE(video, 0) >=
           (gint64)GST_VIDEO_FRAME_WIDTH(video) * *pixel_bytes;
}

/* The rectangle to embed of a mapped picture: that of the crop meta, or what the caps say. */
static gboolean find_rectangle(const GstGemma4Frame *frame, const GstVideoCropMeta *crop,
                               GstVideoRectangle *rect, GError **error)
{
    guint width = GST_VIDEO_FRAME_WIDTH(&frame->video);
    guint height = GST_VIDEO_FRAME_HEIGHT(&frame->video);

    if (!crop) {
        *rect = (GstVideoRectangle){.w = GST_VIDEO_INFO_WIDTH(&frame->info),
                                    .h = GST_VIDEO_INFO_HEIGHT(&frame->info)};
        return TRUE;
    }
    if (crop->width == 0 || crop->height == 0 || crop->x > width || crop->width > width - crop->x ||
        crop->y > height || crop->height > height - crop->y) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "GstVideoCropMeta says %ux%u at %u,%u, the picture has %ux%u", crop->width,
                    crop->height, crop->x, crop->y, width, height);
        return FALSE;
    }
    *rect = (GstVideoRectangle){crop->x, crop->y, crop->width, crop->height};
    return TRUE;
}

gboolean gst_gemma4_frame_map(GstGemma4Frame *frame, GstBuffer *buffer, G4Frame *picture,
                              GError **error)
{
    const GstVideoMeta *meta = gst_buffer_get_video_meta(buffer);
    const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
    GstVideoRectangle rect;
    guint pixel_bytes;

    if (meta && !check_meta(&frame->info, meta, error))
        return FALSE;
    if (!gst_video_frame_map(&frame->video, &frame->info, buffer, GST_MAP_READ)) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "a buffer of %" G_GSIZE_FORMAT
                    " bytes does not map as %s %dx%d (%" G_GSIZE_FORMAT " bytes)",
                    gst_buffer_get_size(buffer), frame->info.finfo->name,
                    GST_VIDEO_INFO_WIDTH(&frame->info), GST_VIDEO_INFO_HEIGHT(&frame->info),
                    GST_VIDEO_INFO_SIZE(&frame->info));
        frame->video.buffer = NULL;
        return FALSE;
    }
    if (!check_planes(&frame->video, error) || !find_rectangle(frame, crop, &rect, error))
        goto failed;

    const GstVideoFrame *pixels = &frame->video;
    if (!layout_of(pixels, &picture->format, &pixel_bytes)) {
        /* without a crop the caps' part of a larger allocation, as videoconvert takes it */
        gint width = crop ? GST_VIDEO_FRAME_WIDTH(&frame->video) : rect.w;
        gint height = crop ? GST_VIDEO_FRAME_HEIGHT(&frame->video) : rect.h;

        if (!make_converter(frame, width, height, error))
            goto failed;
        pixels = &frame->rgb;
        frame->rgb.flags = frame->video.flags; /* the converter reads both for interlacing */
        gst_video_converter_frame(frame->converter, &frame->video, &frame->rgb);
        picture->format = GST_VIDEO_FRAME_FORMAT(pixels) == GST_VIDEO_FORMAT_RGBA ? G4_PIXELS_RGBA
                                                                                  : G4_PIXELS_RGB;
        pixel_bytes = picture->format == G4_PIXELS_RGBA ? 4 : 3;
    }

    picture->width = rect.w;
    picture->height = rect.h;
    picture->stride = GST_VIDEO_FRAME_PLANE_STRIDE(pixels, 0);
    picture->data = (const guint8 *)GST_VIDEO_FRAME_PLANE_DATA(pixels, 0) +
                    (gsize)rect.y * picture->stride + (gsize)rect.x * pixel_bytes;
    return TRUE;

failed:
    gst_gemma4_frame_unmap(frame);
    return FALSE;
}

void gst_gemma4_frame_unmap(GstGemma4Frame *frame)
{
    if (!frame->video.buffer)
        return;
    gst_video_frame_unmap(&frame->video);
    frame->video.buffer = NULL;
}

gboolean gst_gemma4_frame_keep(GstGemma4Frame *frame, G4Frame *picture, GError **error)
{
    G4PixelFormat format;
    guint pixel_bytes;

    if (!layout_of(&frame->video, &format, &pixel_bytes)) { /* they are in frame->rgb */
        gst_gemma4_frame_unmap(frame);
        return TRUE;
    }

    gsize row = (gsize)picture->width * pixel_bytes;
    gsize size = row * picture->height;
    if (size > frame->kept_size) {
        g_free(frame->kept);
        frame->kept = g_try_malloc(size);
        frame->kept_size = frame->kept ? size : 0;
        if (!frame->kept) {
            g_set_error(error, G4_ERROR, G4_ERROR_FRAME, "no memory for a picture of %ux%u",
                        picture->width, picture->height);
            return FALSE;
        }
    }
    for (guint y = 0; y < picture->height; y++)
        memcpy(frame->kept + y * row, picture->data + y * picture->stride, row);
    picture->data = frame->kept;
    picture->stride = row;
    gst_gemma4_frame_unmap(frame);
    return TRUE;
}

G4Frame gst_gemma4_frame_cut(const G4Frame *picture, guint x, guint y, guint width, guint height)
{
    G4Frame part = *picture;

    part.data += y * part.stride + (gsize)x * (part.format == G4_PIXELS_RGB ? 3 : 4);
    part.width = width;
    part.height = height;
    return part;
}
