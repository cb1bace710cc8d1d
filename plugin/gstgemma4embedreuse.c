/* SPDX-License-Identifier: Apache-2.0
 *
 * The last computed vectors, for pictures that look the same.
 */
#include "gstgemma4embedreuse.h"

#include <stdlib.h>
#include <string.h>

/* Whether the mean absolute difference of n bytes is at most `threshold`. */
static gboolean alike(const guint8 *a, const guint8 *b, gsize n, gdouble threshold)
{
    const gdouble most = threshold * (gdouble)n;
    guint64 sum = 0;

    if (threshold == 0)
        return memcmp(a, b, n) == 0;
    for (gsize i = 0; i < n;) {
        gsize end = MIN(n, i + 4096); /* an unequal picture is seen soon */
        guint32 part = 0;

        for (; i < end; i++)
            part += abs(a[i] - b[i]);
        sum += part;
        if ((gdouble)sum > most)
            return FALSE;
    }
    return TRUE;
}

GstBuffer *gst_gemma4_reuse_find(const GstGemma4Reuse *r, const guint8 *pixels, guint width,
                                 guint height, gboolean normalized, gdouble threshold)
{
    if (!r->values || r->width != width || r->height != height || r->normalized != normalized ||
        !(threshold >= 0))
        return NULL;
    if (!alike(r->pixels, pixels, (gsize)width * height * 3, threshold))
        return NULL;
    return gst_buffer_ref(r->values);
}

void gst_gemma4_reuse_keep(GstGemma4Reuse *r, const guint8 *pixels, guint width, guint height,
                           gboolean normalized, GstBuffer *values)
{
    gsize size = (gsize)width * height * 3;

    gst_clear_buffer(&r->values);
    if (size > r->size) {
        g_free(r->pixels);
        r->pixels = g_try_malloc(size);
        r->size = r->pixels ? size : 0;
        if (!r->pixels)
            return;
    }
    memcpy(r->pixels, pixels, size);
    r->width = width;
    r->height = height;
    r->normalized = normalized;
    r->values = gst_buffer_ref(values);
}

void gst_gemma4_reuse_clear(GstGemma4Reuse *r)
{
    gst_clear_buffer(&r->values);
    g_free(r->pixels);
    *r = (GstGemma4Reuse){0};
}

gsize gst_gemma4_reuse_get_bytes(const GstGemma4Reuse *r)
{
    return r->size;
}
