/* SPDX-License-Identifier: Apache-2.0
 *
 * Which frames are embedded: inference-interval first, then max-rate.
 */
#include "gstgemma4embedpick.h"

void gst_gemma4_pick_reset(GstGemma4Pick *pick)
{
    *pick = (GstGemma4Pick){.last = GST_CLOCK_TIME_NONE};
}

/* floor(time x rate); gint fractions keep the divisor below 2^61. */
static guint64 period(GstClockTime time, gint rate_n, gint rate_d)
{
    return gst_util_uint64_scale(time, rate_n, (guint64)rate_d * GST_SECOND);
}

GstGemma4PickResult gst_gemma4_pick_frame(GstGemma4Pick *pick, guint interval, gint rate_n,
                                          gint rate_d, GstClockTime stream_time)
{
    if (pick->waited != 0 && pick->waited < interval) {
        pick->waited++;
        return GST_GEMMA4_PICK_SKIP_INTERVAL;
    }
    pick->waited = 1;

    if (!GST_CLOCK_TIME_IS_VALID(stream_time))
        return GST_GEMMA4_PICK_EMBED;
    if (rate_n > 0 && GST_CLOCK_TIME_IS_VALID(pick->last) &&
        period(stream_time, rate_n, rate_d) == period(pick->last, rate_n, rate_d))
        return GST_GEMMA4_PICK_SKIP_RATE;
    return GST_GEMMA4_PICK_EMBED;
}

void gst_gemma4_pick_embedded(GstGemma4Pick *pick, GstClockTime stream_time)
{
    if (GST_CLOCK_TIME_IS_VALID(stream_time))
        pick->last = stream_time;
}
