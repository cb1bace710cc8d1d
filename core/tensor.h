/* SPDX-License-Identifier: Apache-2.0
 *
 * A tensor's description, and its elements as float32.
 */
#ifndef G4_TENSOR_H
#define G4_TENSOR_H

#include <glib.h>

#include "checkpoint.h"
#include "file.h"

/* An array of G4Tensor that owns their names. Free with g_array_unref. */
GArray *g4_tensor_array_new(void);

/* "[3072, 768]", "[]" for a scalar. Free with g_free. */
char *g4_shape_to_string(guint n_dims, const guint64 *dims);

/* "F32"; static. */
const char *g4_dtype_name(G4Dtype dtype);

/* Exact for every input, subnormals, infinities and NaNs included; a NaN keeps its sign and
 * payload (and becomes no other kind of NaN). */
void g4_widen_f16(const guint16 *src, gsize n, float *dst);
void g4_widen_bf16(const guint16 *src, gsize n, float *dst);

/* As g4_checkpoint_read_f32 and _read_bytes; `file` is the tensor's. Thread safe. */
gboolean g4_tensor_read_f32(const G4Tensor *tensor, G4File *file, guint64 first, guint64 count,
                            float *dst, GError **error);
gboolean g4_tensor_read_bytes(const G4Tensor *tensor, G4File *file, guint64 offset, guint64 count,
                              void *dst, GError **error);

#endif /* G4_TENSOR_H */
