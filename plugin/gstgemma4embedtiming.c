/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations: the mean of all, percentiles of the latest.
 */
#include "gstgemma4embedtiming.h"

#include <stdlib.h>
#include <string.h>

void gst_gemma4_timing_reset(GstGemma4Timing *timing)
{
    *timing = (GstGemma4Timing){0};
}

void gst_gemma4_timing_add(GstGemma4Timing *timing, GstClockTime duration)
{
    timing->window[timing->count % GST_GEMMA4_TIMING_WINDOW] = duration;
    timing->last = duration;
    timing->sum += duration;
    timing->count++;
}

GstClockTime gst_gemma4_timing_mean(const GstGemma4Timing *timing)
{
    return timing->count ? timing->sum / timing->count : 0;
}

static int compare(const void *a, const void *b)
{
    GstClockTime x = *(const GstClockTime *)a, y = *(const GstClockTime *)b;

    return (x > y) - (x < y);
}

GstClockTime gst_gemma4_timing_percentile(const GstGemma4Timing *timing, guint percent)
{
    GstClockTime sorted[GST_GEMMA4_TIMING_WINDOW];
    guint n = MIN(timing->count, GST_GEMMA4_TIMING_WINDOW);
    guint rank = (n * percent + 99) / 100; /* 1-based */

    if (n == 0)
        return 0;
    memcpy(sorted, timing->window, n * sizeof(sorted[0]));
    qsort(sorted, n, sizeof(sorted[0]), compare);
    return sorted[CLAMP(rank, 1, n) - 1];
}
