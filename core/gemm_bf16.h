/* SPDX-License-Identifier: Apache-2.0
 *
 * The bfloat16 panel, one form for every level: two products of a column lie side by side, which is
 * what the bf16 instructions multiply and what widens with a shift and a mask.
 *
 *     packed[panel][k / 2][lane][k % 2] = b[panel * nr + lane][k], k padded to an even number
 *
 * Included by kernel files: static functions alone.
 */
#ifndef G4_GEMM_BF16_H
#define G4_GEMM_BF16_H

#include "bf16.h"

#include <glib.h>

static inline guint bf16_even(guint in)
{
    return (in + 1) & ~1u;
}

static inline gsize bf16_packed_size(guint nr, guint out, guint in)
{
    return ((gsize)out + nr - 1) / nr * nr * bf16_even(in) * sizeof(guint16);
}

/* Where b[j][k] lies. */
static inline guint16 *bf16_at(void *packed, guint nr, guint in, guint j, guint k)
{
    const gsize panel = (gsize)(j / nr) * nr * bf16_even(in);

    return (guint16 *)packed + panel + (gsize)(k / 2) * nr * 2 + j % nr * 2 + k % 2;
}

/* One row of b, one value at a time: what is left where a vector does not fit. */
static inline void bf16_pack_row(void *packed, guint nr, guint in, guint j, guint first_k,
                                 const float *row)
{
    for (guint k = first_k; k < in; k++)
        *bf16_at(packed, nr, in, j, k) = bf16_from_f32(row[k]);
}

#endif /* G4_GEMM_BF16_H */
