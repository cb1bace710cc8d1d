/* SPDX-License-Identifier: Apache-2.0
 *
 * What turns sentences and pictures into vectors that frames can be compared with: the text
 * encoder and the vision encoder of one checkpoint, each opened when it is first needed.
 *
 * What embeds is called by one thread at a time; has_digest and cancel by any, meanwhile.
 */
#ifndef GST_EMBEDDING_MATCH_MODEL_H
#define GST_EMBEDDING_MATCH_MODEL_H

#include <glib.h>

#include "gemma4.h"

G_BEGIN_DECLS

typedef struct GstEmbeddingMatchModel GstEmbeddingMatchModel;

/* Opens nothing yet. `threads` 0: g4_default_threads(). Never NULL. */
GstEmbeddingMatchModel *gst_embedding_match_model_new(const gchar *path, G4Precision precision,
                                                      guint threads);
void gst_embedding_match_model_free(GstEmbeddingMatchModel *model); /* NULL allowed */

/* Gives up what is being embedded, soon, and all that would be: FALSE or NULL with CANCELLED from
 * now on. Waits for a checkpoint that is being opened. Thread safe. */
void gst_embedding_match_model_cancel(GstEmbeddingMatchModel *model);

/* Opens the text encoder, or in a checkpoint that has none the vision encoder. */
gboolean gst_embedding_match_model_open(GstEmbeddingMatchModel *model, GError **error);

/* The text of the task prompt `name`, the model's; NULL for "none" and, when `name` is NULL, in a
 * checkpoint without the prompt "query", which is the default. FALSE and `error` (SETTINGS, or what
 * opening the model gave) on a name that the checkpoint does not have. */
gboolean gst_embedding_match_model_find_prompt(GstEmbeddingMatchModel *model, const gchar *name,
                                               const gchar **prompt, GError **error);

/* The vector of a sentence, of length 1, to be freed by the caller; *cols floats. */
gfloat *gst_embedding_match_model_embed_text(GstEmbeddingMatchModel *model, const gchar *prompt,
                                             const gchar *text, guint *cols, GError **error);

/* Both vectors of a picture file, of length 1, to be freed by the caller: of the space shared with
 * text (NULL in a checkpoint without a text encoder), and the mean of its soft tokens. */
typedef struct {
    gfloat *joint, *pooled;
    guint joint_cols, pooled_cols;
} GstEmbeddingMatchPictureVectors;
gboolean gst_embedding_match_model_embed_picture(GstEmbeddingMatchModel *model, const gchar *path,
                                                 const gint *cancelled,
                                                 GstEmbeddingMatchPictureVectors *vectors,
                                                 GError **error);

/* Whether embeddings of that digest are of this checkpoint. Opens the vision encoder if the text
 * encoder's digest is another; what cannot be opened does not match. Thread safe. */
gboolean gst_embedding_match_model_has_digest(GstEmbeddingMatchModel *model, const gchar *digest);

/* For messages. */
const gchar *gst_embedding_match_model_get_path(const GstEmbeddingMatchModel *model);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_MODEL_H */
