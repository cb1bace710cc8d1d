/* SPDX-License-Identifier: Apache-2.0
 *
 * The regions of a frame that are to be embedded, as its metas say them: each
 * GstVideoRegionOfInterestMeta and, from GStreamer 1.24, each object detection of the
 * GstAnalyticsRelationMeta.
 *
 * Their rectangles are in pixels of the frame, those of a cropped frame too: the crop is taken off
 * here. They are an upstream element's word: what reaches out of the picture is clipped, what lies
 * outside of it or has no pixels is left out, whatever the numbers.
 */
#ifndef GST_GEMMA4_EMBED_REGION_H
#define GST_GEMMA4_EMBED_REGION_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* The rectangle is in pixels of the (cropped) picture and lies inside of it. */
typedef struct {
    guint x, y, w, h;
    GQuark label; /* class of what is in it; 0: none */
    gint64 track; /* identity of a tracked object; -1: none */
    gint id;      /* the GstVideoRegionOfInterestMeta's; 0: none */
} GstGemma4Region;

/* Appends the regions of `buffer` to `regions` (of GstGemma4Region), those of interest first, the
 * detections then, both in the order of the buffer. An object that is there as both, with the same
 * rectangle and class, is one region. `width` and `height` are the caps'.
 *
 * The track is the parameter `object_id` of a region of interest (a structure of that name with an
 * integer `id`, or the integer field `object_id` of any other parameter); that of a detection, a
 * tracking to which it is related. Negative ones are none.
 *
 * `classes`: names, comma separated, spaces round them ignored; others are left out. NULL or empty:
 * any. `min_size`: of what is visible of it, in pixels; those with a shorter side are left out. */
void gst_gemma4_regions_find(GstBuffer *buffer, guint width, guint height, const gchar *classes,
                             guint min_size, GArray *regions);

/* Whether both are the same one's, seen again: of a track, its class; without one, the same class
 * in the same place. */
gboolean gst_gemma4_region_is_same(const GstGemma4Region *a, const GstGemma4Region *b);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_REGION_H */
