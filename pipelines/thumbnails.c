/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeks through a film in PAUSED and takes the frame that prerolls after each seek.
 */
#include "thumbnails.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <math.h>

#define WAIT (20 * GST_SECOND) /* for one seek; a stuck decoder must not hang the picture */

/* The sample's picture, scaled down to fit. */
static cairo_surface_t *shrink(GstSample *sample, guint width, guint height)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    cairo_surface_t *whole, *small = NULL;

    if (!gst_sample_get_caps(sample) || !gst_sample_get_buffer(sample) ||
        !gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
        !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
        return NULL;

    /* BGRx in memory is what cairo calls RGB24 on a little-endian machine, and xRGB its twin. */
    whole = cairo_image_surface_create_for_data(
        GST_VIDEO_FRAME_PLANE_DATA(&frame, 0), CAIRO_FORMAT_RGB24, GST_VIDEO_FRAME_WIDTH(&frame),
        GST_VIDEO_FRAME_HEIGHT(&frame), GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0));
    if (cairo_surface_status(whole) == CAIRO_STATUS_SUCCESS) {
        double w = GST_VIDEO_FRAME_WIDTH(&frame), h = GST_VIDEO_FRAME_HEIGHT(&frame);
        double scale = MIN(width / w, height / h);
        int out_w = MAX(1, (int)lrint(w * scale)), out_h = MAX(1, (int)lrint(h * scale));
        cairo_t *cr;

        small = cairo_image_surface_create(CAIRO_FORMAT_RGB24, out_w, out_h);
        cr = cairo_create(small);
        cairo_scale(cr, out_w / w, out_h / h);
        cairo_set_source_surface(cr, whole, 0, 0);
        cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
        cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
        cairo_paint(cr);
        cairo_destroy(cr);
    }
    cairo_surface_destroy(whole);
    gst_video_frame_unmap(&frame);
    return small;
}

/* TRUE once the pipeline has prerolled; else `error` from the bus. */
static gboolean preroll(GstElement *pipeline, const char *uri, GError **error)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    g_autoptr(GstMessage) message = NULL;

    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    message = gst_bus_timed_pop_filtered(bus, WAIT, GST_MESSAGE_ERROR | GST_MESSAGE_ASYNC_DONE);
    if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ASYNC_DONE)
        return TRUE;
    if (message) {
        gst_message_parse_error(message, error, NULL);
        g_prefix_error(error, "%s: ", uri);
    } else {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "%s: no picture within 20 s",
                    uri);
    }
    return FALSE;
}

gboolean g4_thumbnails_decode(const char *uri, const double *seconds, guint n, guint width,
                              guint height, cairo_surface_t **out, GError **error)
{
    const char *format = G_BYTE_ORDER == G_LITTLE_ENDIAN ? "BGRx" : "xRGB";
    g_autofree char *line = g_strdup_printf(
        "uridecodebin name=film ! videoconvert ! videoscale ! appsink name=sink sync=false "
        "max-buffers=1 caps=video/x-raw,format=%s,pixel-aspect-ratio=1/1",
        format);
    g_autoptr(GstElement) pipeline = NULL;
    g_autoptr(GstElement) film = NULL;
    g_autoptr(GstElement) sink = NULL;
    gboolean ok;

    for (guint i = 0; i < n; i++)
        out[i] = NULL;
    pipeline = gst_parse_launch_full(line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!pipeline)
        return FALSE;
    film = gst_bin_get_by_name(GST_BIN(pipeline), "film");
    sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    g_object_set(film, "uri", uri, NULL);

    ok = preroll(pipeline, uri, error);
    for (guint i = 0; ok && i < n; i++) {
        g_autoptr(GstSample) sample = NULL;

        if (isnan(seconds[i]) || seconds[i] < 0 || seconds[i] > 1e9)
            continue;
        /* Half a millisecond on: the time may have been rounded down to before its frame. */
        if (!gst_element_seek_simple(pipeline, GST_FORMAT_TIME,
                                     GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
                                     (gint64)(seconds[i] * 1e9) + GST_MSECOND / 2))
            continue;
        sample = gst_app_sink_try_pull_preroll(GST_APP_SINK(sink), WAIT);
        if (sample)
            out[i] = shrink(sample, width, height);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return ok;
}
