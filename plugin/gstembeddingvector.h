/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings as vectors to compare: of length 1, one for an embedding.
 */
#ifndef GST_EMBEDDING_VECTOR_H
#define GST_EMBEDDING_VECTOR_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>

G_BEGIN_DECLS

/* Whether the embedding is that of the whole picture, not of a region in it. An object with a
 * label, a track or an id is a region, even one that fills the picture. */
gboolean gst_embedding_vector_is_whole(const GstGemma4Embedding *embedding);

/* Writes what `embedding` is compared by into `vector`, whose length becomes the embedding's cols:
 * its values, those of several rows (soft tokens) averaged, scaled to length 1; zeros stay zeros.
 * Returns FALSE where a value is no finite number. Allocates only to make `vector` longer, and
 * that of gfloat. */
gboolean gst_embedding_vector_of(const GstGemma4Embedding *embedding, GArray *vector);

/* Scales `values` [n] to length 1, in place; zeros stay zeros. FALSE where one is not finite, or
 * their length is not. */
gboolean gst_embedding_vector_normalize(gfloat *values, gsize n);

/* Dot product; of two vectors of length 1 their cosine. */
gdouble gst_embedding_vector_dot(const gfloat *a, const gfloat *b, gsize n);

/* Cosine distance of two vectors of length 1 (or 0), 0..2: exactly 0 for equal ones, and near 0
 * without the rounding of 1 - cosine; 1 when just one of them has length 0. */
gdouble gst_embedding_vector_distance(const gfloat *a, const gfloat *b, gsize n);

G_END_DECLS

#endif /* GST_EMBEDDING_VECTOR_H */
