/* SPDX-License-Identifier: Apache-2.0
 *
 * Late frames and the latency.
 */
#include "gstgemma4embedlate.h"

void gst_gemma4_late_reset(GstGemma4Late *late)
{
    *late = (GstGemma4Late){.earliest = GST_CLOCK_TIME_NONE, .proportion = 1.0};
}

void gst_gemma4_late_update(GstGemma4Late *late, gdouble proportion, GstClockTimeDiff diff,
                            GstClockTime timestamp)
{
    late->proportion = proportion;
    if (!GST_CLOCK_TIME_IS_VALID(timestamp))
        late->earliest = GST_CLOCK_TIME_NONE;
    else if (diff < 0) /* -(diff + 1) is a number for every diff */
        late->earliest = timestamp - MIN(timestamp, (GstClockTime)(-(diff + 1)) + 1);
    else
        late->earliest = timestamp + MIN((GstClockTime)diff, GST_CLOCK_TIME_NONE - 1 - timestamp);
}

gboolean gst_gemma4_late_is_late(const GstGemma4Late *late, GstClockTime running_time,
                                 GstClockTimeDiff *jitter)
{
    if (!GST_CLOCK_TIME_IS_VALID(late->earliest) || !GST_CLOCK_TIME_IS_VALID(running_time) ||
        running_time >= late->earliest)
        return FALSE;
    *jitter = MIN(late->earliest - running_time, (GstClockTime)G_MAXINT64);
    return TRUE;
}

gboolean gst_gemma4_latency_moved(const GstGemma4Timing *durations, GstClockTime reported,
                                  GstClockTime *latency)
{
    *latency = gst_gemma4_timing_percentile(durations, 95);
    return *latency > reported + reported / 4 || *latency < reported - reported / 4;
}
