/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product's numbers, one definition for every level.
 *
 * A weight row j has a scale s_j = max |w| / 127, its values are round(w / s_j). A row i of `a` has
 * a scale and a zero point, chosen anew for each row and for each part of K that is taken at a
 * time: with lo = min(0, min x), hi = max(0, max x),
 *
 *     s_i = (hi - lo) / 255,  z_i = round(-lo / s_i),  q = clamp(round(x / s_i) + z_i, 0, 255)
 *     c = (float)(sum (q - z_i) w_q) * (s_i * s_j)
 *
 * The sum is of integers: equal at every level, whatever the order.
 * Included by kernel files: static functions alone.
 */
#ifndef G4_GEMM_INT8_H
#define G4_GEMM_INT8_H

#include <glib.h>
#include <math.h>
#include <string.h>

/* Ahead of each row of loaded values. */
typedef struct Int8Row {
    float scale;
    gint32 zero;
} Int8Row;

#define INT8_ROW_HEADER 64 /* bytes; the values follow, aligned */

static inline guint int8_round_up(guint in, guint kr)
{
    return (in + kr - 1) / kr * kr;
}

/* Panels of nr columns and groups of kr products; behind them a scale for each column and, for each
 * G4_K_UNIT products, the sum of each column's weights. */
static inline gsize int8_panels_size(guint nr, guint kr, guint out, guint in)
{
    return ((gsize)out + nr - 1) / nr * nr * int8_round_up(in, kr);
}

static inline gsize int8_columns(guint nr, guint out)
{
    return ((gsize)out + nr - 1) / nr * nr;
}

static inline gsize int8_packed_size(guint nr, guint kr, guint out, guint in)
{
    const gsize groups = (in + G4_K_UNIT - 1) / G4_K_UNIT;
    const gsize panels = (int8_panels_size(nr, kr, out, in) + 63) / 64 * 64;

    return panels + int8_columns(nr, out) * (sizeof(float) + groups * sizeof(gint32));
}

static inline float *int8_scales(void *packed, guint nr, guint kr, guint out, guint in)
{
    return (float *)((guint8 *)packed + (int8_panels_size(nr, kr, out, in) + 63) / 64 * 64);
}

/* sums[group * columns + j] */
static inline gint32 *int8_sums(void *packed, guint nr, guint kr, guint out, guint in)
{
    return (gint32 *)(int8_scales(packed, nr, kr, out, in) + int8_columns(nr, out));
}

static inline gint8 *int8_at(void *packed, guint nr, guint kr, guint in, guint j, guint k)
{
    const gsize panel = (gsize)(j / nr) * nr * int8_round_up(in, kr);

    return (gint8 *)packed + panel + (gsize)(k / kr) * nr * kr + j % nr * kr + k % kr;
}

/* The scale of a row of weights whose largest absolute value is given, and its inverse. */
static inline float int8_weight_scale(float largest, float *inverse)
{
    *inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
    return largest / 127.0f;
}

static inline void int8_pack(void *packed, guint nr, guint kr, guint out, guint in, guint first,
                             guint count, const float *rows, gsize stride)
{
    float *scales = int8_scales(packed, nr, kr, out, in);
    gint32 *sums = int8_sums(packed, nr, kr, out, in);
    const gsize columns = int8_columns(nr, out);

    for (guint j = first; j < first + count; j++, rows += stride) {
        float largest = 0.0f, inverse;
        for (guint k = 0; k < in; k++)
            largest = fmaxf(largest, fabsf(rows[k]));
        scales[j] = int8_weight_scale(largest, &inverse);
        for (guint k = 0; k < in; k += kr) {
            gint8 *group = int8_at(packed, nr, kr, in, j, k);
            gint32 sum = 0;
            for (guint i = 0; i < kr && k + i < in; i++) {
                const float q = rintf(rows[k + i] * inverse);
                group[i] = (gint8)fminf(fmaxf(q, -127.0f), 127.0f);
                sum += group[i];
            }
            sums[k / G4_K_UNIT * columns + j] += sum;
        }
    }
}

/* Scale and zero point of a row whose values lie in lo .. hi; *inverse is 1 / scale. */
static inline Int8Row int8_row(float lo, float hi, float *inverse)
{
    const float range = fmaxf(hi, 0.0f) - fminf(lo, 0.0f);
    Int8Row r = {.scale = range / 255.0f};

    *inverse = r.scale > 0.0f && isfinite(255.0f / range) ? 255.0f / range : 0.0f;
    r.zero = (gint32)fminf(fmaxf(rintf(-fminf(lo, 0.0f) * *inverse), 0.0f), 255.0f);
    return r;
}

#endif /* G4_GEMM_INT8_H */
