/* SPDX-License-Identifier: Apache-2.0
 *
 * For an element that keeps embeddings back on purpose: it closes the gap that they leave in the
 * numbers of those that follow, so that what embeddingsink misses is what was lost.
 *
 * A number goes down by as many as were kept back before it; gaps that were there stay. Memory is
 * bounded, whatever arrives. Not thread safe.
 */
#ifndef GST_EMBEDDING_WITHHELD_H
#define GST_EMBEDDING_WITHHELD_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>

G_BEGIN_DECLS

/* All zero: nothing was kept back. */
typedef struct {
    GArray *series;
} GstEmbeddingWithheld;

/* Frees what the others took, and forgets what was kept back. */
void gst_embedding_withheld_clear(GstEmbeddingWithheld *withheld);

/* `embedding` is kept back, or all that are on `buffer`. */
void gst_embedding_withheld_add(GstEmbeddingWithheld *withheld,
                                const GstGemma4Embedding *embedding);
void gst_embedding_withheld_add_all(GstEmbeddingWithheld *withheld, GstBuffer *buffer);

/* `buffer` (taken) goes on: returned with its embeddings renumbered where that is needed. */
GstBuffer *gst_embedding_withheld_pass(GstEmbeddingWithheld *withheld, GstBuffer *buffer);

/* The same for an event with an embedding or a count of them; another is returned as it is. */
GstEvent *gst_embedding_withheld_pass_event(GstEmbeddingWithheld *withheld, GstEvent *event);

G_END_DECLS

#endif /* GST_EMBEDDING_WITHHELD_H */
