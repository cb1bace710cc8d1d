/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects on a frame as an upstream element said them, and those of them that are in GStreamer's
 * analytics meta (from 1.24 on; not compiled before).
 */
#ifndef GST_GEMMA4_EMBED_OBJECTS_H
#define GST_GEMMA4_EMBED_OBJECTS_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
    gint64 x, y, w, h; /* pixels of the frame, any that fit into 33 bits */
    GQuark label;      /* 0: none */
    gint64 track;      /* negative: none */
    gint id;           /* 0: none */
} GstGemma4Object;

#ifdef HAVE_GST_ANALYTICS

/* Calls `func` for each object detection of the buffer's GstAnalyticsRelationMeta, in its order.
 * Their track is that of the first tracking that is related to them, in either direction. */
void gst_gemma4_objects_foreach(GstBuffer *buffer,
                                void (*func)(const GstGemma4Object *object, gpointer user),
                                gpointer user);

#endif

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_OBJECTS_H */
