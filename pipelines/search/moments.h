/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers out of scores: the best frames, each with its neighbours in one moment.
 *
 * A moment is a run of frames of one stream around its best one, for as long as they score at
 * least half way from the average of all frames to the best one, and follow each other without a
 * gap: no more than GAP times the stream's usual step. It ends where a better one begins.
 */
#ifndef SEARCH_MOMENTS_H
#define SEARCH_MOMENTS_H

#include "vectors.h"

typedef struct {
    gint64 stream, id; /* id of the best frame's embedding */
    gint64 start, end, best; /* pts */
    float score;             /* of the best frame */
    guint frames;
} Moment;

double moments_mean(const Score *scores, guint64 n); /* 0 of none */

/* The `top` best moments, best first; of equal scores the one written first. `scores` may be of
 * any order and stays as it is; `mean` is the average of all frames of the index, whether they are
 * among these or not. */
GArray *moments_find(const Score *scores, guint64 n, double mean, guint top);

/* The `top` best frames, each a moment of its own; in the same order. */
GArray *moments_of_frames(const Score *scores, guint64 n, guint top);

#endif /* SEARCH_MOMENTS_H */
