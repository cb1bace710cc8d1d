/* SPDX-License-Identifier: Apache-2.0
 *
 * All vectors of an index in one piece of memory, and their exact scores against a query.
 *
 * SQLite is no place to read gigabytes from in a fraction of a second, so the vectors are kept once
 * more in a file beside the database (DB.vectors), which is mapped. It is a cache: brought up to
 * date at each opening, made anew when it is missing or does not fit, and memory instead where
 * the folder cannot be written.
 *
 * Vectors are immutable and may be read by several threads.
 */
#ifndef SEARCH_VECTORS_H
#define SEARCH_VECTORS_H

#include "store.h"

typedef struct Vectors Vectors;

/* Fails with STORE_ERROR_FOREIGN for an index of soft tokens, which are no vectors of frames. */
Vectors *vectors_open(Store *store, const StoreModel *model, GError **error);
void vectors_free(Vectors *vectors); /* NULL allowed */

/* Whether the database is as it was when they were opened. */
gboolean vectors_are_current(const Vectors *vectors, Store *store);

guint64 vectors_count(const Vectors *vectors);
guint vectors_cols(const Vectors *vectors);
guint64 vectors_added(const Vectors *vectors); /* rows that opening took from the database */

typedef struct {
    gint64 id; /* of the embedding */
    gint64 pts;
    gint64 stream;
    float score; /* cosine; 0 for a vector of zeros, or one that is no vector */
} Score;

/* scores[count] in the order of their ids. `query` has cols values, of any length but 0. */
void vectors_score(const Vectors *vectors, const float *query, guint threads, Score *scores);

/* Removes the cache of the index. */
void vectors_discard(const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vectors, vectors_free)

#endif /* SEARCH_VECTORS_H */
