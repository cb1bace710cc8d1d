/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens to a picture beside its resampling (resize.h): the size it is brought to, and its
 * cut into patches. Specification, section 2.
 */
#ifndef G4_PREPROCESS_H
#define G4_PREPROCESS_H

#include <glib.h>

#include "gemma4.h"

/* The size of a width x height picture within a budget of `max_soft_tokens` under the policy that
 * keeps the aspect ratio: each side a multiple of patch * pool. Transformers'
 * get_aspect_ratio_preserving_size in the same order of IEEE double operations, since on a rounding
 * edge another order gives another size (34x17 with patch * pool = 24 and 8 tokens: 72x24).
 *
 * FALSE and G4_ERROR_FRAME when the picture has a side of 0 or above 2^20, when both target sides
 * would be 0 (17x17 with patch * pool = 48 and a budget of 1), or when the sizes are too large to
 * be computed exactly. Thread safe. */
gboolean g4_target_size(guint width, guint height, guint patch, guint pool, guint max_soft_tokens,
                        guint *target_width, guint *target_height, GError **error);

/* Patches first .. first + count - 1, in row-major order over the grid of a picture `width` pixels
 * wide (a multiple of patch; RGB, packed rows), as rows of patch * patch * 3 floats: row in the
 * patch, column in the patch, channel. Each byte v becomes values[v]. `row_stride` counts the
 * floats from one row of `rows` to the next. Thread safe. */
void g4_patchify(const guint8 *pixels, guint width, guint patch, guint first, guint count,
                 const float values[256], float *rows, gsize row_stride);

#endif /* G4_PREPROCESS_H */
