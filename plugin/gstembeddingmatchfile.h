/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that embeddingmatch takes from its user: lists of labels, and vectors. They may hold
 * anything; what is wrong is said with file, place, what was found and what was expected.
 *
 * Errors are of G4_ERROR: MISSING, UNREADABLE, MALFORMED, SETTINGS.
 */
#ifndef GST_EMBEDDING_MATCH_FILE_H
#define GST_EMBEDDING_MATCH_FILE_H

#include <glib.h>

G_BEGIN_DECLS

/* Labels, pictures or rows that one element may have. */
#define GST_EMBEDDING_MATCH_MAX_LABELS 100000

/* Appends the parts of `list` to `names` (of gchar *): what stands between semicolons, without the
 * space around it; empty parts are left out, and "\;" stands for a semicolon. `list` may be NULL.
 * `property` is named in messages. FALSE and `error` when it is not UTF-8, or when there are too
 * many. */
gboolean gst_embedding_match_split(const gchar *property, const gchar *list, GPtrArray *names,
                                   GError **error);

/* Appends the lines of a text file of at most 16 MiB to `names`, without the space around them;
 * empty lines are left out. */
gboolean gst_embedding_match_read_labels(const gchar *path, GPtrArray *names, GError **error);

typedef struct {
    guint rows, cols;
    gfloat *values; /* [rows, cols] */
    gchar *digest; /* of the model, where embeddingsink's record beside the file says it; or NULL */
} GstEmbeddingMatchVectors;

/* Reads an NPY file of little-endian float32 in row-major order: [cols], [rows, cols], or
 * [rows, tokens, cols], whose tokens are averaged. PATH.jsonl, if it exists, is what embeddingsink
 * wrote beside it. FALSE leaves nothing to clear. */
gboolean gst_embedding_match_read_npy(const gchar *path, GstEmbeddingMatchVectors *vectors,
                                      GError **error);
void gst_embedding_match_vectors_clear(GstEmbeddingMatchVectors *vectors);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_FILE_H */
