/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit product's numbers, one definition for every level. It is what stands for bfloat16 on
 * processors that multiply 16-bit integers in pairs but no bfloat16: as fast as 8 bits there, and
 * more exact than bfloat16.
 *
 * A row of either side has a scale s = max |x| / 4095, its values are q = round(x / s), so that
 * G4_INT16_SUM products fit into 32 bits whatever they are. The products of a part of K of that
 * length are summed as integers, the parts as floats in their order:
 *
 *     c = sum over parts of (float)(sum a_q b_q) * (s_i * s_j)
 *
 * Packed by columns, each k has a scale instead, by which `a` is multiplied before its own scale is
 * chosen. Equal at every level. Included by kernel files: static functions alone.
 */
#ifndef G4_GEMM_INT16_H
#define G4_GEMM_INT16_H

#include <glib.h>
#include <math.h>

#define G4_INT16_LARGEST 4095.0f
#define G4_INT16_SUM 128 /* 4095^2 * 128 < 2^31 */

/* Ahead of each row of loaded values: its scale, a float. The values follow, aligned. */
#define INT16_ROW_HEADER 64

static inline gsize int16_loaded_stride(guint in)
{
    const gsize bytes = INT16_ROW_HEADER + ((gsize)in * sizeof(gint16) + 63) / 64 * 64;
    return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

/* Panels of nr columns and pairs of products; behind them a scale for each column, and one for each
 * k, of which one or the other is used. */
static inline gsize int16_columns(guint nr, guint out)
{
    return ((gsize)out + nr - 1) / nr * nr;
}

static inline gsize int16_panels_size(guint nr, guint out, guint in)
{
    return (int16_columns(nr, out) * ((in + 1) & ~1u) * sizeof(gint16) + 63) / 64 * 64;
}

static inline gsize int16_packed_size(guint nr, guint out, guint in)
{
    return int16_panels_size(nr, out, in) + (int16_columns(nr, out) + in) * sizeof(float);
}

static inline float *int16_column_scales(void *packed, guint nr, guint out, guint in)
{
    return (float *)((guint8 *)packed + int16_panels_size(nr, out, in));
}

static inline float *int16_k_scales(void *packed, guint nr, guint out, guint in)
{
    return int16_column_scales(packed, nr, out, in) + int16_columns(nr, out);
}

/* Where b[j][k] lies. */
static inline gint16 *int16_at(void *packed, guint nr, guint in, guint j, guint k)
{
    const gsize panel = (gsize)(j / nr) * nr * ((in + 1) & ~1u);

    return (gint16 *)packed + panel + (gsize)(k / 2) * nr * 2 + j % nr * 2 + k % 2;
}

/* The scale of a row whose largest absolute value is given, and its inverse. */
static inline float int16_scale(float largest, float *inverse)
{
    const float i = G4_INT16_LARGEST / largest;

    *inverse = isfinite(i) ? i : 0.0f;
    return largest / G4_INT16_LARGEST;
}

static inline gint16 int16_round(float x, float inverse)
{
    return (gint16)fminf(fmaxf(rintf(x * inverse), -G4_INT16_LARGEST), G4_INT16_LARGEST);
}

/* Values first_k .. in - 1 of row j. */
static inline void int16_pack_row(void *packed, guint nr, guint in, guint j, guint first_k,
                                  const float *row, float inverse)
{
    for (guint k = first_k; k < in; k++)
        *int16_at(packed, nr, in, j, k) = int16_round(row[k], inverse);
}

/* Values first_j .. out - 1 of the k-th row of columns. */
static inline void int16_pack_column(void *packed, guint nr, guint out, guint in, guint k,
                                     guint first_j, const float *row, float inverse)
{
    for (guint j = first_j; j < out; j++)
        *int16_at(packed, nr, in, j, k) = int16_round(row[j], inverse);
}

#endif /* G4_GEMM_INT16_H */
