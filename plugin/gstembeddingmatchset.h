/* SPDX-License-Identifier: Apache-2.0
 *
 * What frames are compared with: a set of vectors with names, of sentences, of example pictures
 * and of files, and the scores of an embedding against them.
 *
 * A set is immutable and counted, made on whatever thread; a scorer belongs to the stream.
 */
#ifndef GST_EMBEDDING_MATCH_SET_H
#define GST_EMBEDDING_MATCH_SET_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>

#include "gstembeddingmatchmodel.h"

G_BEGIN_DECLS

/* As the properties of the same names have them; any may be NULL. */
typedef struct {
    gchar *labels, *labels_file, *negative_labels, *images, *vectors, *prompt;
} GstEmbeddingMatchSources;

void gst_embedding_match_sources_copy(GstEmbeddingMatchSources *to,
                                      const GstEmbeddingMatchSources *from);
void gst_embedding_match_sources_clear(GstEmbeddingMatchSources *sources);

typedef struct GstEmbeddingMatchSet GstEmbeddingMatchSet;

/* Embeds and reads what `sources` name. With a model the labels are sentences for its text encoder,
 * and the rows of the vectors are named after their file; without one the labels, and then the
 * negative ones, name the rows. Vectors of sentences and pictures that are in `before` already are
 * taken from there (NULL: none). `cancelled` may be set from another thread and ends it early.
 *
 * NULL and `error` (G4_ERROR) where a part fails, or it was cancelled. */
GstEmbeddingMatchSet *gst_embedding_match_set_new(const GstEmbeddingMatchSources *sources,
                                                  GstEmbeddingMatchModel *model,
                                                  const GstEmbeddingMatchSet *before,
                                                  const gint *cancelled, GError **error);
GstEmbeddingMatchSet *gst_embedding_match_set_ref(GstEmbeddingMatchSet *set);
void gst_embedding_match_set_unref(GstEmbeddingMatchSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstEmbeddingMatchSet, gst_embedding_match_set_unref)

guint gst_embedding_match_set_get_size(const GstEmbeddingMatchSet *set);
const gchar *gst_embedding_match_set_get_name(const GstEmbeddingMatchSet *set, guint i);
gboolean gst_embedding_match_set_is_negative(const GstEmbeddingMatchSet *set, guint i);

/* ------------------------------------------------------------------------------------------
 * Scores
 */
typedef struct {
    GstEmbeddingMatchSet *set;
    gdouble *scores; /* [size of the set], of the last embedding */

    /* private: the vectors fit for the kind of embedding that came last */
    gchar *id, *digest;
    guint cols;
    gfloat *matrix; /* [size, cols] */
    GArray *vector; /* of gfloat */
} GstEmbeddingMatchScorer;

/* Takes a reference on `set`. */
void gst_embedding_match_scorer_init(GstEmbeddingMatchScorer *scorer, GstEmbeddingMatchSet *set);
void gst_embedding_match_scorer_clear(GstEmbeddingMatchScorer *scorer);

/* The cosine of `embedding` with each of the set, or with `temperature` > 0 their softmax (all of
 * them, the negative ones too) at that temperature, into `scores`. Soft tokens count by their mean.
 *
 * FALSE with `error` (G4_ERROR_SETTINGS) when the embedding is of another model or size, or of a
 * kind that the set has no vectors for. FALSE without when its values are no numbers. */
gboolean gst_embedding_match_scorer_run(GstEmbeddingMatchScorer *scorer,
                                        GstEmbeddingMatchModel *model,
                                        const GstGemma4Embedding *embedding, gdouble temperature,
                                        GError **error);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_SET_H */
