/* SPDX-License-Identifier: Apache-2.0
 *
 * Which frames are embedded: every n-th (inference-interval), and of those the first in each
 * period of max-rate. Plain state of one stream, not thread safe.
 */
#ifndef GST_GEMMA4_EMBED_PICK_H
#define GST_GEMMA4_EMBED_PICK_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
    GST_GEMMA4_PICK_EMBED,
    GST_GEMMA4_PICK_SKIP_INTERVAL,
    GST_GEMMA4_PICK_SKIP_RATE,
} GstGemma4PickResult;

typedef struct {
    guint waited;      /* frames since the interval last let one through; 0: none did yet */
    GstClockTime last; /* stream time of the last embedded frame that had one, or NONE */
} GstGemma4Pick;

/* Starts anew, as at the beginning of a stream and after a flush: the next frame is embedded. */
void gst_gemma4_pick_reset(GstGemma4Pick *pick);

/* Decides on the next frame, which then either is embedded (gst_gemma4_pick_embedded) or is not
 * after all, late as it is or with nobody free for it. `interval` >= 1; `rate_n`/`rate_d` frames a
 * second, rate_n 0: any; `stream_time` may be GST_CLOCK_TIME_NONE, which the rate always lets
 * through. */
GstGemma4PickResult gst_gemma4_pick_frame(GstGemma4Pick *pick, guint interval, gint rate_n,
                                          gint rate_d, GstClockTime stream_time);

/* The frame is embedded: the period of max-rate has its own. */
void gst_gemma4_pick_embedded(GstGemma4Pick *pick, GstClockTime stream_time);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_PICK_H */
