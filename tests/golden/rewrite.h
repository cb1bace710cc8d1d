/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints derived from a case: the same tensors under other names, or fewer of them.
 */
#ifndef REWRITE_H
#define REWRITE_H

#include <glib.h>

/* The new name of a tensor (g_malloc'd), or NULL to leave it out. Its dtype is F32; `data` holds
 * its bytes. */
typedef char *(*RewriteTensor)(const char *name, const guint8 *data, gsize size);

/* Writes `to`/model.safetensors from `from`/model.safetensors, and copies the JSON files, in
 * config.json with each `before` replaced by `after` (NULL: unchanged). `to` exists. */
void rewrite_checkpoint(const char *from, const char *to, RewriteTensor tensor, const char *before,
                        const char *after);

/* A new folder under G4_TEST_TMP, and its removal with the files in it. */
char *rewrite_make_folder(void);
void rewrite_remove_folder(const char *folder);

#endif /* REWRITE_H */
