/* SPDX-License-Identifier: Apache-2.0
 *
 * A GstBuffer of raw video as the G4Frame that the core takes.
 *
 * What the core sees is by definition `videoconvert dither=none ! video/x-raw,format=RGB` of the
 * same GStreamer, then the rectangle of GstVideoCropMeta: the whole picture is converted and the
 * crop is made in RGB, because a converter that starts inside a subsampled picture picks other
 * chroma. Formats with alpha become RGBA (same colours), which the core composites on white.
 * RGB, RGBx and RGBA are handed on where they lie. A region of the picture is a rectangle of that
 * RGB picture, too: whatever its offset, odd ones in a subsampled format as well, its pixels are
 * those that the whole frame has there.
 *
 *   GstGemma4Frame frame = {0};
 *   gst_gemma4_frame_set_info(&frame, &info);              at each caps
 *   if (gst_gemma4_frame_map(&frame, buffer, &picture, &error)) {
 *       ... picture ...
 *       gst_gemma4_frame_unmap(&frame);
 *   }
 *   gst_gemma4_frame_clear(&frame);
 *
 * Belongs to one stream; not thread safe.
 */
#ifndef GST_GEMMA4_FRAME_H
#define GST_GEMMA4_FRAME_H

#include <gst/video/video.h>

#include "gemma4.h"

G_BEGIN_DECLS

typedef struct {
    GstVideoInfo info;            /* of the caps */
    GstVideoFrame video;          /* the mapped buffer; buffer NULL: none */
    GstVideoConverter *converter; /* made with the first frame that needs one, kept until the caps
                                     or the mapped size change */
    GstVideoFrame rgb;            /* what it writes, RGB or RGBA; data[0] owned */
    guint8 *kept;                 /* what gst_gemma4_frame_keep() copied */
    gsize kept_size;              /* bytes allocated there */
} GstGemma4Frame;

/* Takes the format of the following buffers. Converter and its picture are kept when nothing
 * but the frame rate or the pixel aspect ratio differs. */
void gst_gemma4_frame_set_info(GstGemma4Frame *frame, const GstVideoInfo *info);

/* Maps `buffer` for reading and describes its (cropped) pixels in `picture`, valid until
 * gst_gemma4_frame_unmap(). Holds a reference on `buffer` until then. Never changes the buffer.
 *
 * FALSE with G4_ERROR_FRAME when the buffer is smaller than its caps or its GstVideoMeta say, the
 * meta contradicts the caps, or the crop rectangle is empty or reaches outside of the picture. */
gboolean gst_gemma4_frame_map(GstGemma4Frame *frame, GstBuffer *buffer, G4Frame *picture,
                              GError **error);
void gst_gemma4_frame_unmap(GstGemma4Frame *frame); /* as often as one likes */

/* Unmaps the buffer now and keeps the pixels of `picture`, which stays valid until the next map or
 * clear: what was converted lies here already, the rest is copied. FALSE with G4_ERROR_FRAME where
 * there is no memory for that. */
gboolean gst_gemma4_frame_keep(GstGemma4Frame *frame, G4Frame *picture, GError **error);

/* A rectangle inside of `picture`, without a copy. */
G4Frame gst_gemma4_frame_cut(const G4Frame *picture, guint x, guint y, guint width, guint height);

/* Frees everything; the struct can be used again. */
void gst_gemma4_frame_clear(GstGemma4Frame *frame);

G_END_DECLS

#endif /* GST_GEMMA4_FRAME_H */
