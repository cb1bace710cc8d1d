/* SPDX-License-Identifier: Apache-2.0
 *
 * One of the vectors that frames are compared with.
 */
#include "gstembeddingmatchprototype.h"

GstEmbeddingMatchPrototype *gst_embedding_match_prototype_new(const gchar *name, gboolean negative)
{
    GstEmbeddingMatchPrototype *p = g_new0(GstEmbeddingMatchPrototype, 1);

    p->name = g_strdup(name);
    p->negative = negative;
    return p;
}

static gfloat *copy_vector(const gfloat *vector, guint cols)
{
    return vector != NULL ? g_memdup2(vector, cols * sizeof *vector) : NULL;
}

GstEmbeddingMatchPrototype *
gst_embedding_match_prototype_copy(const GstEmbeddingMatchPrototype *prototype, const gchar *name,
                                   gboolean negative)
{
    GstEmbeddingMatchPrototype *p = g_memdup2(prototype, sizeof *p);

    p->name = g_strdup(name);
    p->negative = negative;
    p->key = g_strdup(prototype->key);
    p->joint = copy_vector(prototype->joint, prototype->joint_cols);
    p->pooled = copy_vector(prototype->pooled, prototype->pooled_cols);
    p->given = copy_vector(prototype->given, prototype->given_cols);
    p->digest = g_strdup(prototype->digest);
    p->file = g_strdup(prototype->file);
    return p;
}

void gst_embedding_match_prototype_rename(GstEmbeddingMatchPrototype *prototype, const gchar *name,
                                          gboolean negative)
{
    g_free(prototype->name);
    prototype->name = g_strdup(name);
    prototype->negative = negative;
}

void gst_embedding_match_prototype_free(GstEmbeddingMatchPrototype *prototype)
{
    g_free(prototype->name);
    g_free(prototype->key);
    g_free(prototype->joint);
    g_free(prototype->pooled);
    g_free(prototype->given);
    g_free(prototype->digest);
    g_free(prototype->file);
    g_free(prototype);
}
