/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of weights into 8-bit panels, over the vector type of simd_*.h: what int8_pack does, value
 * for value. A row is rounded to bytes a part at a time, which are then dealt out.
 */
#ifndef G4_X86_INT8_PACK_H
#define G4_X86_INT8_PACK_H

#include "../gemm.h"
#include "../gemm_int8.h"

/* The largest absolute value; NaN counts as nothing, as with fmaxf. */
static inline float largest_weight(const float *row, guint n)
{
    const vf zero = vf_set1(0.0f);
    vf largest = zero;

    for (guint k = 0; k < n; k += VF_WIDTH) {
        const vf v = n - k < VF_WIDTH ? vf_load_n(row + k, n - k) : vf_load(row + k);
        largest = vf_max(vf_max(v, vf_sub(zero, v)), largest);
    }
    return vf_max_lane(largest);
}

/* One row of a part's n products from k0 on, which begins a unit of G4_K_UNIT. */
static inline void pack_part(void *packed, guint nr, guint kr, guint out, guint in, guint j,
                             guint k0, guint n, const float *row, vf inverse)
{
    signed char bytes[G4_K_UNIT + VF_WIDTH];
    gint32 sum = 0;

    for (guint k = 0; k < n; k += VF_WIDTH) {
        const vf v = n - k < VF_WIDTH ? vf_load_n(row + k, n - k) : vf_load(row + k);
        const vf q = vf_max(vf_round(vf_mul(v, inverse)), vf_set1(-127.0f));
        vf_store_8(bytes + k, vf_min(q, vf_set1(127.0f)));
    }
    gint8 *group = int8_at(packed, nr, kr, in, j, k0);
    for (guint k = 0; k < n; k += kr, group += nr * kr)
        memcpy(group, bytes + k, kr);
    for (guint k = 0; k < n; k++)
        sum += bytes[k];
    int8_sums(packed, nr, kr, out, in)[k0 / G4_K_UNIT * int8_columns(nr, out) + j] = sum;
}

static inline void pack_rows(void *packed, guint nr, guint kr, guint out, guint in, guint first,
                             guint count, const float *rows, gsize stride)
{
    float *scales = int8_scales(packed, nr, kr, out, in);

    for (guint j = first; j < first + count; j++, rows += stride) {
        float inverse;
        scales[j] = int8_weight_scale(largest_weight(rows, in), &inverse);
        for (guint k = 0; k < in; k += G4_K_UNIT)
            pack_part(packed, nr, kr, out, in, j, k, MIN(in - k, G4_K_UNIT), rows + k,
                      vf_set1(inverse));
    }
}

#endif /* G4_X86_INT8_PACK_H */
