/* SPDX-License-Identifier: Apache-2.0
 *
 * What gemma4embed has counted and measured since its start: its property `stats`. Plain data; the
 * element guards its own with its object lock.
 */
#ifndef GST_GEMMA4_EMBED_STATS_H
#define GST_GEMMA4_EMBED_STATS_H

#include "gemma4.h"
#include "gstgemma4embedtiming.h"

G_BEGIN_DECLS

typedef struct {
    guint64 frames;   /* that entered */
    guint64 embedded; /* vectors that were computed: the frame's, and one of each region */
    guint64 reused;   /* vectors taken from a frame or region that looked the same */
    /* Frames, of those that entered. A region that was left out is not counted. */
    guint64 skipped_interval, skipped_rate, skipped_late;
    guint64 dropped_async; /* came while the worker was busy */
    guint64 failed;
    GstGemma4Timing inference; /* the core's encode call */
    GstGemma4Timing element;   /* the rest of an embedded frame's time here */
    guint64 model_bytes, activation_bytes;
    gchar *precision, *kernels, *digest; /* owned; NULL before the first start */
} GstGemma4Stats;

/* Everything 0 and the model's facts, at a start. */
void gst_gemma4_stats_reset(GstGemma4Stats *stats, const G4Model *model, guint64 bytes);

/* The model's facts alone, when another one takes its place; `bytes` of weights. */
void gst_gemma4_stats_set_model(GstGemma4Stats *stats, const G4Model *model, guint64 bytes);

/* application/x-gemma4-stats, the caller's. */
GstStructure *gst_gemma4_stats_to_structure(const GstGemma4Stats *stats);

void gst_gemma4_stats_clear(GstGemma4Stats *stats);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_STATS_H */
