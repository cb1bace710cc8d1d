/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures by GStreamer: seeks in PAUSED, and takes the frame that prerolls after each.
 */
#include "pictures.h"

#include "picture_header.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

#define WAIT (30 * GST_SECOND) /* for one picture; a stuck decoder must hang nobody */
#define MOST_PIXELS (100 * 1000 * 1000)

struct Film {
    char *uri;
    GstElement *pipeline;
    GstAppSink *sink;
    gboolean prerolled; /* and not moved since: the first picture waits */
};

void picture_clear(Picture *picture)
{
    g_free(picture->data);
    *picture = (Picture){0};
}

static gboolean take_sample(GstSample *sample, Picture *picture, GError **error)
{
    GstVideoInfo info;
    GstVideoFrame frame;

    if (!gst_sample_get_caps(sample) || !gst_sample_get_buffer(sample) ||
        !gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
        !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ)) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "a frame that is none");
        return FALSE;
    }
    guint width = GST_VIDEO_FRAME_WIDTH(&frame), height = GST_VIDEO_FRAME_HEIGHT(&frame);
    *picture = (Picture){.width = width, .height = height, .pixel_ratio = 1};
    if (GST_VIDEO_INFO_PAR_N(&info) > 0 && GST_VIDEO_INFO_PAR_D(&info) > 0)
        picture->pixel_ratio =
            CLAMP((double)GST_VIDEO_INFO_PAR_N(&info) / GST_VIDEO_INFO_PAR_D(&info), 0.1, 10);
    picture->data = g_try_malloc_n((gsize)width * height, 4);
    for (guint y = 0; picture->data && y < height; y++)
        memcpy(picture->data + (gsize)y * width * 4,
               (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, 0) +
                   (gssize)y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0),
               (gsize)width * 4);
    gst_video_frame_unmap(&frame);
    if (!picture->data)
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "%u x %u: no memory", width,
                    height);
    return picture->data != NULL;
}

/* TRUE once the pipeline has prerolled; else `error` from the bus. */
static gboolean preroll(GstElement *pipeline, GError **error)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    g_autoptr(GstMessage) message = NULL;

    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    message = gst_bus_timed_pop_filtered(
        bus, WAIT, GST_MESSAGE_ERROR | GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_EOS);
    if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ASYNC_DONE)
        return TRUE;
    if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
        gst_message_parse_error(message, error, NULL);
    else
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "no picture");
    return FALSE;
}

void film_close(Film *film)
{
    if (!film)
        return;
    if (film->pipeline)
        gst_element_set_state(film->pipeline, GST_STATE_NULL);
    g_clear_object(&film->sink);
    g_clear_object(&film->pipeline);
    g_free(film->uri);
    g_free(film);
}

/* dither=none: the colours that gemma4embed computes itself. */
#define UPRIGHT                                                                                    \
    "videoconvert dither=none ! videoflip video-direction=auto ! videoconvert dither=none ! "      \
    "appsink name=sink sync=false max-buffers=1 caps=video/x-raw,format=RGBA"

Film *film_open(const char *uri, GError **error)
{
    Film *film = g_new0(Film, 1);

    film->uri = g_strdup(uri);
    film->pipeline = gst_parse_launch_full(
        "uridecodebin name=film caps=video/x-raw(ANY) expose-all-streams=false ! " UPRIGHT, NULL,
        GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (film->pipeline) {
        g_autoptr(GstElement) source = gst_bin_get_by_name(GST_BIN(film->pipeline), "film");
        film->sink = GST_APP_SINK(gst_bin_get_by_name(GST_BIN(film->pipeline), "sink"));
        g_object_set(source, "uri", uri, NULL);
        film->prerolled = preroll(film->pipeline, error);
    }
    if (!film->prerolled) {
        g_prefix_error(error, "%s: ", uri);
        film_close(film);
        return NULL;
    }
    return film;
}

gboolean film_picture(Film *film, gint64 time, Picture *picture, GError **error)
{
    g_autoptr(GstSample) sample = NULL;

    /* Half a millisecond on: the time may have been rounded down to before its frame. */
    if (time >= 0 &&
        !gst_element_seek_simple(film->pipeline, GST_FORMAT_TIME,
                                 GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
                                 time + GST_MSECOND / 2) &&
        time > 0) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "%s: cannot seek",
                    film->uri);
        return FALSE;
    }
    sample = gst_app_sink_try_pull_preroll(film->sink, WAIT);
    if (!sample) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
                    "%s: no picture at %.3f s", film->uri, (double)MAX(time, 0) / 1e9);
        return FALSE;
    }
    if (take_sample(sample, picture, error))
        return TRUE;
    g_prefix_error(error, "%s: ", film->uri);
    return FALSE;
}

/* ------------------------------------------------------------------------------------------
 * In memory
 */
static gboolean is_too_large(guint64 width, guint64 height)
{
    return width > MOST_PIXELS || height > MOST_PIXELS || width * height > MOST_PIXELS;
}

/* A parser may have found another picture than the one that the header was read of. */
static GstPadProbeReturn on_decoder_input(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    gboolean *too_large = data;
    GstCaps *caps;
    int width, height;

    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER)
        return *too_large ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
    if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_CAPS)
        return GST_PAD_PROBE_OK;
    gst_event_parse_caps(GST_PAD_PROBE_INFO_EVENT(info), &caps);
    const GstStructure *s = gst_caps_get_structure(caps, 0);
    if (gst_structure_get(s, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, NULL) &&
        (width < 0 || height < 0 || is_too_large((guint64)width, (guint64)height)))
        *too_large = TRUE;
    return *too_large ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

/* The first picture of what is decoded; FALSE and `error` where there is none. */
static gboolean decode_one(const PictureHeader *header, GBytes *bytes, gboolean *too_large,
                           Picture *picture, GError **error)
{
    g_autofree char *line = g_strdup_printf("appsrc name=source ! %s ! " UPRIGHT, header->decoder);
    g_autoptr(GstElement) pipeline =
        gst_parse_launch_full(line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!pipeline)
        return FALSE;
    g_autoptr(GstElement) source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
    g_autoptr(GstElement) decoder = gst_bin_get_by_name(GST_BIN(pipeline), "decoder");
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    g_autoptr(GstPad) pad = gst_element_get_static_pad(decoder, "sink");
    g_autoptr(GstCaps) caps = gst_caps_from_string(header->caps);

    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                      on_decoder_input, too_large, NULL);
    g_object_set(source, "caps", caps, NULL);
    gst_app_src_push_buffer(GST_APP_SRC(source), gst_buffer_new_wrapped_bytes(bytes));
    gst_app_src_end_of_stream(GST_APP_SRC(source));

    gboolean ok = preroll(pipeline, error);
    if (ok) {
        g_autoptr(GstSample) sample = gst_app_sink_try_pull_preroll(GST_APP_SINK(sink), WAIT);
        ok = sample && take_sample(sample, picture, error);
        if (!sample)
            g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "no picture in it");
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return ok;
}

gboolean picture_from_memory(GBytes *bytes, Picture *picture, GError **error)
{
    g_autoptr(GError) problem = NULL;
    PictureHeader header;
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);

    if (!picture_header_parse(data, size, &header)) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND,
                    "neither JPEG, PNG, WebP, GIF nor BMP");
        return FALSE;
    }
    gboolean too_large = is_too_large(header.width, header.height);
    if (!too_large && decode_one(&header, bytes, &too_large, picture, &problem))
        return TRUE;
    if (too_large)
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND,
                    "a picture of more than %d million pixels", MOST_PIXELS / 1000000);
    else
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE,
                    "the picture cannot be decoded: %s", problem->message);
    return FALSE;
}

/* ------------------------------------------------------------------------------------------
 * Small ones
 */
static cairo_surface_t *surface_of(const Picture *picture)
{
    cairo_surface_t *whole =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, picture->width, picture->height);

    if (cairo_surface_status(whole) != CAIRO_STATUS_SUCCESS)
        return whole;
    for (guint y = 0; y < picture->height; y++) {
        const guint8 *in = picture->data + (gsize)y * picture->width * 4;
        guint32 *out = (guint32 *)(gpointer)(cairo_image_surface_get_data(whole) +
                                             (gsize)y * cairo_image_surface_get_stride(whole));
        for (guint x = 0; x < picture->width; x++, in += 4) {
            guint white = 255 * (255 - in[3]);
            guint r = (in[0] * in[3] + white + 127) / 255, g = (in[1] * in[3] + white + 127) / 255,
                  b = (in[2] * in[3] + white + 127) / 255;
            out[x] = r << 16 | g << 8 | b;
        }
    }
    cairo_surface_mark_dirty(whole);
    return whole;
}

cairo_surface_t *picture_shrink(const Picture *picture, guint width, guint height)
{
    cairo_surface_t *whole = surface_of(picture);
    double w = picture->width * picture->pixel_ratio, h = picture->height;
    double scale = MIN(width / w, height / h);
    int out_w = MAX(1, (int)lrint(w * scale)), out_h = MAX(1, (int)lrint(h * scale));
    cairo_surface_t *small = cairo_image_surface_create(CAIRO_FORMAT_RGB24, out_w, out_h);
    cairo_t *cr = cairo_create(small);

    cairo_scale(cr, (double)out_w / picture->width, (double)out_h / picture->height);
    cairo_set_source_surface(cr, whole, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_paint(cr);
    cairo_destroy(cr);
    cairo_surface_destroy(whole);
    return small;
}
