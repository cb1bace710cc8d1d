/* SPDX-License-Identifier: Apache-2.0
 *
 * The pad `text` of embeddingmatch: a stream beside the video, in step with it, of what matches.
 *
 * For each buffer of video it gets, before it, a buffer of text with the same time and duration,
 * or a GAP event of them where nothing matches, so that an overlay never waits for it.
 */
#ifndef GST_EMBEDDING_MATCH_TEXT_H
#define GST_EMBEDDING_MATCH_TEXT_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_EMBEDDING_MATCH_TEXT_CAPS "text/x-raw, format = (string) utf8"

/* Sends stream-start, caps and `segment`, unless the pad has sent them. `video` is the video's
 * stream-start, NULL where it had none. A segment that is not of time is not sent. */
void gst_embedding_match_text_start(GstPad *pad, GstEvent *video, const GstSegment *segment);

/* Sends stream-start and caps anew, for another stream. */
void gst_embedding_match_text_restart(GstPad *pad, GstEvent *video);

/* Sends `text`, or where it is empty a gap. Started by then. Nothing is sent without a time. */
GstFlowReturn gst_embedding_match_text_push(GstPad *pad, const gchar *text, GstClockTime pts,
                                            GstClockTime duration);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_TEXT_H */
