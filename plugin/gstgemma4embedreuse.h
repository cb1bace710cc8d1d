/* SPDX-License-Identifier: Apache-2.0
 *
 * The last computed vectors and the resized pixels they are of, for pictures that look the same.
 *
 * Pictures differ by the mean over all bytes of the absolute difference of their resized RGB
 * pixels, 0..255. Compared is always with those that were computed, not with those that took
 * over: a slow change cannot creep past the threshold. Plain data, not thread safe.
 */
#ifndef GST_GEMMA4_EMBED_REUSE_H
#define GST_GEMMA4_EMBED_REUSE_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
    guint8 *pixels; /* [height, width, 3]; NULL: none */
    gsize size;     /* bytes allocated there */
    guint width, height;
    gboolean normalized;
    GstBuffer *values;
} GstGemma4Reuse;

/* The kept vectors with a reference for the caller when `pixels` (RGB, packed rows) are of the same
 * size, the vectors are `normalized` alike, and the difference is at most `threshold`; else NULL.
 * Negative: always NULL. */
GstBuffer *gst_gemma4_reuse_find(const GstGemma4Reuse *reuse, const guint8 *pixels, guint width,
                                 guint height, gboolean normalized, gdouble threshold);

/* Keeps a copy of `pixels` and a reference on `values` in the place of what was kept. Without the
 * memory for it nothing is kept. */
void gst_gemma4_reuse_keep(GstGemma4Reuse *reuse, const guint8 *pixels, guint width, guint height,
                           gboolean normalized, GstBuffer *values);

/* Forgets and frees; the struct can be used again. */
void gst_gemma4_reuse_clear(GstGemma4Reuse *reuse);

gsize gst_gemma4_reuse_get_bytes(const GstGemma4Reuse *reuse);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_REUSE_H */
