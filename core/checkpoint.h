/* SPDX-License-Identifier: Apache-2.0
 *
 * A checkpoint on disk: one safetensors file or shards with an index, as a table of tensors that
 * can be read in pieces. Only headers are read on open; files are kept open for reading until
 * g4_checkpoint_free, never mapped.
 */
#ifndef G4_CHECKPOINT_H
#define G4_CHECKPOINT_H

#include <glib.h>

typedef enum {
    G4_DTYPE_F32,
    G4_DTYPE_F16,
    G4_DTYPE_BF16,
    G4_DTYPE_U8,
    G4_DTYPE_I32,
    G4_DTYPE_OTHER, /* known to the format, of no use here */
} G4Dtype;

#define G4_MAX_DIMS 8

typedef struct G4Tensor {
    char *name;
    G4Dtype dtype;
    guint n_dims; /* 0: a scalar, one element */
    guint64 dims[G4_MAX_DIMS];
    guint64 elements;
    guint file;     /* which of the checkpoint's files */
    guint64 offset; /* of its first byte in that file */
    guint64 bytes;
} G4Tensor;

typedef struct G4Checkpoint G4Checkpoint;

/* `path`: a folder, a .safetensors file, or a model.safetensors.index.json. Checks every header
 * against its file's size. Errors: G4_ERROR. A .gguf is refused as unsupported. */
G4Checkpoint *g4_checkpoint_open(const char *path, GError **error);
void g4_checkpoint_free(G4Checkpoint *checkpoint); /* NULL allowed */

const char *g4_checkpoint_get_name(const G4Checkpoint *checkpoint); /* the path, for messages */
const char *g4_checkpoint_get_folder(const G4Checkpoint *checkpoint); /* where config.json lies */
guint g4_checkpoint_get_n_tensors(const G4Checkpoint *checkpoint);
/* NULL without one of that name. Lives as long as the checkpoint. */
const G4Tensor *g4_checkpoint_find(const G4Checkpoint *checkpoint, const char *name);

/* Whether every matrix (two dimensions or more) whose name begins so is stored in bfloat16. */
gboolean g4_checkpoint_is_bf16(const G4Checkpoint *checkpoint, const char *prefix);

/* The prefixes before "patch_embedder..." (tower) and "embedding_projection..." (embedder), from
 * the tensor whose name ends in patch_embedder.input_proj.weight; fails when there is none. The
 * embedder's is NULL where the tower was saved alone. */
gboolean g4_checkpoint_get_prefixes(const G4Checkpoint *checkpoint, const char **tower,
                                    const char **embedder, GError **error);

/* Finds a tensor that must exist with a dtype of F32, F16 or BF16 and exactly these dims
 * (n_dims of them; n_dims 0 also takes [1] for a scalar). The error names file, tensor, found,
 * expected. */
const G4Tensor *g4_checkpoint_bind(const G4Checkpoint *checkpoint, const char *name, guint n_dims,
                                   const guint64 *dims, GError **error);

/* Elements first .. first + count - 1 as float32 into dst, widening F16 and BF16. Reads by pread
 * through a bounded buffer. Fails (UNREADABLE) when the file ends early. Thread safe. */
gboolean g4_checkpoint_read_f32(const G4Checkpoint *checkpoint, const G4Tensor *tensor,
                                guint64 first, guint64 count, float *dst, GError **error);

/* Raw bytes of a tensor of any dtype. Thread safe. */
gboolean g4_checkpoint_read_bytes(const G4Checkpoint *checkpoint, const G4Tensor *tensor,
                                  guint64 offset, guint64 count, void *dst, GError **error);

/* Bytes read from all files so far, headers included. */
guint64 g4_checkpoint_get_bytes_read(const G4Checkpoint *checkpoint);

#endif /* G4_CHECKPOINT_H */
