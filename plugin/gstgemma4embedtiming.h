/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations: the mean of all, percentiles of the latest. Plain data, not thread safe; nothing is
 * allocated.
 */
#ifndef GST_GEMMA4_EMBED_TIMING_H
#define GST_GEMMA4_EMBED_TIMING_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_GEMMA4_TIMING_WINDOW 128

typedef struct {
    GstClockTime last; /* 0 before the first */
    GstClockTime sum;  /* of all */
    guint64 count;
    GstClockTime window[GST_GEMMA4_TIMING_WINDOW]; /* the latest min(count, WINDOW), a ring */
} GstGemma4Timing;

void gst_gemma4_timing_reset(GstGemma4Timing *timing);
void gst_gemma4_timing_add(GstGemma4Timing *timing, GstClockTime duration);

/* 0 without a duration. */
GstClockTime gst_gemma4_timing_mean(const GstGemma4Timing *timing);

/* The smallest duration of the window that at least `percent` % of the window do not exceed;
 * 0 without a duration. */
GstClockTime gst_gemma4_timing_percentile(const GstGemma4Timing *timing, guint percent);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_TIMING_H */
