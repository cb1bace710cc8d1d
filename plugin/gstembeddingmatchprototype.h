/* SPDX-License-Identifier: Apache-2.0
 *
 * One of the vectors that frames are compared with; for the set alone.
 */
#ifndef GST_EMBEDDING_MATCH_PROTOTYPE_H
#define GST_EMBEDDING_MATCH_PROTOTYPE_H

#include "gstembeddingmatchset.h"

G_BEGIN_DECLS

/* Everything is its own. Vectors have length 1; those that it does not have are NULL. */
typedef struct {
    gchar *name;
    gboolean negative;
    gboolean sentence;      /* `joint` is that of a text */
    gchar *key;             /* what was embedded, the same for the same; NULL for `given` */
    gfloat *joint, *pooled; /* of the set's model */
    gfloat *given;          /* of whatever kind the user says */
    guint joint_cols, pooled_cols, given_cols;
    gchar *digest; /* of the model that `given` is of, where it is known */
    gchar *file;   /* that `given` is from, for messages */
} GstEmbeddingMatchPrototype;

GstEmbeddingMatchPrototype *gst_embedding_match_prototype_new(const gchar *name, gboolean negative);
GstEmbeddingMatchPrototype *
gst_embedding_match_prototype_copy(const GstEmbeddingMatchPrototype *prototype, const gchar *name,
                                   gboolean negative);
void gst_embedding_match_prototype_rename(GstEmbeddingMatchPrototype *prototype, const gchar *name,
                                          gboolean negative);
void gst_embedding_match_prototype_free(GstEmbeddingMatchPrototype *prototype);

/* i less than the set's size. */
const GstEmbeddingMatchPrototype *gst_embedding_match_set_get(const GstEmbeddingMatchSet *set,
                                                              guint i);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_PROTOTYPE_H */
