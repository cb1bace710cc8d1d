/* SPDX-License-Identifier: Apache-2.0
 *
 * Which frames are late, as the QoS events from downstream say, and how late the pipeline's
 * latency makes them: plain rules without clocks. Not thread safe.
 */
#ifndef GST_GEMMA4_EMBED_LATE_H
#define GST_GEMMA4_EMBED_LATE_H

#include <gst/gst.h>

#include "gstgemma4embedtiming.h"

G_BEGIN_DECLS

typedef struct {
    GstClockTime earliest; /* running time; a frame before it comes too late. NONE: unknown */
    gdouble proportion;    /* of the last event; above 1: downstream is slower than the stream */
} GstGemma4Late;

/* Nothing is late: at the start and after a flush. */
void gst_gemma4_late_reset(GstGemma4Late *late);

/* Takes a QoS event's word: a buffer of running time `timestamp` came `diff` ns late (early where
 * negative), so what is older than timestamp + diff comes late as well. */
void gst_gemma4_late_update(GstGemma4Late *late, gdouble proportion, GstClockTimeDiff diff,
                            GstClockTime timestamp);

/* Whether a frame of this running time (may be NONE: no) is late; by how much in `jitter`. */
gboolean gst_gemma4_late_is_late(const GstGemma4Late *late, GstClockTime running_time,
                                 GstClockTimeDiff *jitter);

/* Whether the latency told, `reported`, is off by more than a quarter; the one to tell, the 95th
 * percentile of `durations`, in `latency`. */
gboolean gst_gemma4_latency_moved(const GstGemma4Timing *durations, GstClockTime reported,
                                  GstClockTime *latency);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_LATE_H */
