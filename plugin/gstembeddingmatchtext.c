/* SPDX-License-Identifier: Apache-2.0
 *
 * The stream of text beside the video.
 */
#include "gstembeddingmatchtext.h"

#include <string.h>

void gst_embedding_match_text_restart(GstPad *pad, GstEvent *video)
{
    g_autoptr(GstCaps) caps = gst_caps_from_string(GST_EMBEDDING_MATCH_TEXT_CAPS);
    const gchar *theirs = "video";
    guint group;

    if (video != NULL)
        gst_event_parse_stream_start(video, &theirs);
    g_autofree gchar *id = g_strconcat(theirs, "/text", NULL);
    GstEvent *start = gst_event_new_stream_start(id);
    if (video == NULL || !gst_event_parse_group_id(video, &group))
        group = gst_util_group_id_next();
    gst_event_set_group_id(start, group);
    gst_event_set_stream_flags(start, GST_STREAM_FLAG_SPARSE);
    gst_pad_push_event(pad, start);
    gst_pad_push_event(pad, gst_event_new_caps(caps));
}

void gst_embedding_match_text_start(GstPad *pad, GstEvent *video, const GstSegment *segment)
{
    g_autoptr(GstEvent) sent = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);

    if (sent != NULL)
        return;
    if (!gst_pad_has_current_caps(pad))
        gst_embedding_match_text_restart(pad, video);
    if (segment->format == GST_FORMAT_TIME)
        gst_pad_push_event(pad, gst_event_new_segment(segment));
}

GstFlowReturn gst_embedding_match_text_push(GstPad *pad, const gchar *text, GstClockTime pts,
                                            GstClockTime duration)
{
    if (!GST_CLOCK_TIME_IS_VALID(pts))
        return GST_FLOW_OK;
    if (*text == '\0') {
        gst_pad_push_event(pad, gst_event_new_gap(pts, duration));
        return gst_pad_is_linked(pad) ? GST_FLOW_OK : GST_FLOW_NOT_LINKED;
    }
    GstBuffer *buffer = gst_buffer_new_memdup(text, strlen(text));
    GST_BUFFER_PTS(buffer) = pts;
    GST_BUFFER_DURATION(buffer) = duration;
    return gst_pad_push(pad, buffer);
}
