/* SPDX-License-Identifier: Apache-2.0
 *
 * An index opened for questions: what query, similar, timeline and serve have in common.
 */
#ifndef SEARCH_SEARCHER_H
#define SEARCH_SEARCHER_H

#include "moments.h"
#include "options.h"

typedef struct {
    const Options *options;
    Store *store;
    StoreModel *model;
    Vectors *vectors;
    Embedder *embedder; /* NULL until it is needed */
} Searcher;

/* FALSE and `error` where there is no index, or nothing in it. searcher_clear() in any case. */
gboolean searcher_open(Searcher *searcher, const Options *options, GError **error);
void searcher_clear(Searcher *searcher);

/* Takes in what was indexed since. */
gboolean searcher_refresh(Searcher *searcher, GError **error);

/* The vector of a sentence; fails for an index of pooled vectors, which sentences have no part in.
 * Or of a picture. cols values, a new array. */
float *searcher_text(Searcher *searcher, const char *text, GError **error);
float *searcher_picture(Searcher *searcher, const Picture *picture, GError **error);

/* Of an image's file, or of VIDEO@mm:ss. */
float *searcher_file(Searcher *searcher, const char *what, GError **error);

/* All scores; a new array of vectors_count(). */
Score *searcher_score(Searcher *searcher, const float *query);

/* One moment with what an answer says of it. */
typedef struct {
    Moment moment;
    StoreStream *stream; /* borrowed */
} Answer;

/* The `top` best as an array of Answer; `streams` gets what they borrow from. Neighbouring frames
 * are one answer, or with `single` each is one. */
GArray *searcher_answer(Searcher *searcher, const Score *scores, guint top, gboolean single,
                        GPtrArray **streams, GError **error);

/* The film's name without its folders. */
const char *answer_short_name(const StoreStream *stream);

#endif /* SEARCH_SEARCHER_H */
