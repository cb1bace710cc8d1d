/* SPDX-License-Identifier: Apache-2.0
 *
 * A picture file as pixels: a pipeline that is thrown away when its first frame is there.
 */
#include "gstembeddingmatchpicture.h"
#include "gstgemma4frame.h"

#include <gst/video/video.h>

#define PATIENCE (20 * GST_SECOND)
#define SIDE_MAX 16384 /* pixels; a larger picture is refused before it is decoded */

static gboolean fail(const gchar *path, GError **error, G4Error code, const gchar *why)
{
    g_set_error(error, G4_ERROR, code, "%s: %s; expected a picture", path, why);
    return FALSE;
}

/* Waits until the frame is there, an error, or neither any more. */
static gboolean wait_for_frame(GstElement *pipeline, const gchar *path, const gint *cancelled,
                               GError **error)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);

    for (GstClockTime waited = 0; waited < PATIENCE; waited += 100 * GST_MSECOND) {
        g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(
            bus, 100 * GST_MSECOND, GST_MESSAGE_ERROR | GST_MESSAGE_EOS | GST_MESSAGE_ASYNC_DONE);

        if (cancelled != NULL && g_atomic_int_get(cancelled))
            return fail(path, error, G4_ERROR_CANCELLED, "given up");
        if (message == NULL)
            continue;
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            g_autoptr(GError) reason = NULL;
            gst_message_parse_error(message, &reason, NULL);
            return fail(path, error,
                        g_error_matches(reason, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND)
                            ? G4_ERROR_MISSING
                            : G4_ERROR_UNREADABLE,
                        reason->message);
        }
        return TRUE;
    }
    return fail(path, error, G4_ERROR_UNREADABLE, "nothing was decoded within 20 seconds");
}

static gboolean use_sample(GstSample *sample, const gchar *path, GstEmbeddingMatchPictureFunc use,
                           gpointer data, GError **error)
{
    GstGemma4Frame frame = {0};
    GstVideoInfo info;
    G4Frame picture;

    if (sample == NULL || gst_sample_get_buffer(sample) == NULL ||
        !gst_video_info_from_caps(&info, gst_sample_get_caps(sample)))
        return fail(path, error, G4_ERROR_UNREADABLE, "nothing was decoded");
    gst_gemma4_frame_set_info(&frame, &info);
    gboolean ok = gst_gemma4_frame_map(&frame, gst_sample_get_buffer(sample), &picture, error);
    if (ok) {
        ok = use(&picture, data, error);
        gst_gemma4_frame_unmap(&frame);
    }
    gst_gemma4_frame_clear(&frame);
    return ok;
}

/* filesrc ! decodebin ! videoflip ! appsink; the elements are made by name, so that no path needs
 * to be quoted. */
static GstElement *make_pipeline(const gchar *path, GError **error)
{
    GstElement *pipeline = gst_parse_launch(
        "filesrc name=file ! decodebin ! videoflip method=automatic ! appsink name=frames "
        "sync=false max-buffers=1",
        error);

    if (pipeline == NULL)
        return NULL;
    g_autofree gchar *description =
        g_strdup_printf("video/x-raw, width=(int)[1,%d], height=(int)[1,%d]", SIDE_MAX, SIDE_MAX);
    g_autoptr(GstCaps) caps = gst_caps_from_string(description);
    g_autoptr(GstElement) file = gst_bin_get_by_name(GST_BIN(pipeline), "file");
    g_autoptr(GstElement) frames = gst_bin_get_by_name(GST_BIN(pipeline), "frames");
    g_object_set(file, "location", path, NULL);
    g_object_set(frames, "caps", caps, NULL);
    return pipeline;
}

gboolean gst_embedding_match_read_picture(const gchar *path, const gint *cancelled,
                                          GstEmbeddingMatchPictureFunc use, gpointer data,
                                          GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GstSample) sample = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return fail(path, error, G4_ERROR_MISSING, "no such file");
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return fail(path, error, G4_ERROR_UNREADABLE, "not a regular file");
    g_autoptr(GstElement) pipeline = make_pipeline(path, &reason);
    if (pipeline == NULL)
        return fail(path, error, G4_ERROR_UNREADABLE, reason->message);

    gst_object_ref_sink(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    gboolean ok = wait_for_frame(pipeline, path, cancelled, error);
    if (ok) {
        g_autoptr(GstElement) frames = gst_bin_get_by_name(GST_BIN(pipeline), "frames");
        g_signal_emit_by_name(frames, "try-pull-preroll", (guint64)0, &sample);
        ok = use_sample(sample, path, use, data, error);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return ok;
}
