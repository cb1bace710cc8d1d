/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors of what is searched for: texts and pictures, by the checkpoint that made the index.
 */
#ifndef SEARCH_EMBEDDER_H
#define SEARCH_EMBEDDER_H

#include "pictures.h"

#include <gemma4.h>

typedef struct {
    const char *path; /* of the checkpoint; never NULL */
    G4Precision precision;
    guint threads;         /* 0: all cores */
    guint max_soft_tokens; /* of pictures; 0: the checkpoint's */
    /* Those of the checkpoint that is expected; NULL: any. */
    const char *digest, *text_digest;
} EmbedderOptions;

/* Opens what is needed when it is needed: a text asks for no vision tower. What has another digest
 * than expected is an error then. One caller at a time. */
typedef struct Embedder Embedder;

Embedder *embedder_new(const EmbedderOptions *options);
void embedder_free(Embedder *embedder); /* NULL allowed */

/* The digest of the text encoder; the embedder's. NULL and `error` where there is none. */
const char *embedder_text_digest(Embedder *embedder, GError **error);

/* Whether the checkpoint puts texts and pictures into one space. */
gboolean embedder_is_joint(const Embedder *embedder);

/* A new array of *cols values, of length 1. `prompt` is a task prompt's name; "none" or NULL is
 * none. NULL and `error` on failure, also where the checkpoint has no such prompt (the message
 * lists those that it has). */
float *embedder_text(Embedder *embedder, const char *prompt, const char *text, guint *cols,
                     GError **error);

/* The same of a picture: joint, or, if not, the mean of its soft tokens (without a prompt). */
float *embedder_picture(Embedder *embedder, gboolean joint, const char *prompt,
                        const Picture *picture, guint *cols, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Embedder, embedder_free)

#endif /* SEARCH_EMBEDDER_H */
