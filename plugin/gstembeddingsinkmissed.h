/* SPDX-License-Identifier: Apache-2.0
 *
 * How many embeddings were computed upstream and never got here, by their numbers.
 *
 * A gap in the numbers of a series is what was lost in a leaky queue, a valve or a rate limiter on
 * the way. Of a series that began before the count did, nobody knows what was sent before its
 * first embedding here; of one that began later (g_get_monotonic_time(), where it is told) it
 * counts from number 0 on. What a flush throws away is not missed. Embeddings of other series, of
 * other branches, twice or late, do not disturb it; those without a number are left out.
 *
 * Memory is bounded, whatever arrives: series long silent are forgotten, what they missed is not.
 * Not thread safe.
 */
#ifndef GST_EMBEDDING_SINK_MISSED_H
#define GST_EMBEDDING_SINK_MISSED_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>

G_BEGIN_DECLS

typedef struct {
    GQueue series; /* the last heard of first */
    gint64 since;
    guint64 total; /* missed so far */
} GstEmbeddingSinkMissed;

/* Counts from now on. */
void gst_embedding_sink_missed_start(GstEmbeddingSinkMissed *missed);

/* Releases what start() and the others took; all zero is fine. */
void gst_embedding_sink_missed_clear(GstEmbeddingSinkMissed *missed);

/* An embedding is here. */
void gst_embedding_sink_missed_arrived(GstEmbeddingSinkMissed *missed,
                                       const GstGemma4Embedding *embedding);

/* So many of a series should be. */
void gst_embedding_sink_missed_expected(GstEmbeddingSinkMissed *missed, guint64 series,
                                        gint64 series_start, guint64 count);

/* A flush came through: what it threw away is not missed. */
void gst_embedding_sink_missed_flushed(GstEmbeddingSinkMissed *missed);

G_END_DECLS

#endif /* GST_EMBEDDING_SINK_MISSED_H */
