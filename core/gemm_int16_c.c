/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit product in plain C.
 */
#include "gemm.h"
#include "gemm_int16.h"

#include <string.h>

#define NR 8

static gsize packed_size(guint out, guint in)
{
    return int16_packed_size(NR, out, in);
}

static float largest_of(const float *x, guint n)
{
    float largest = 0.0f;

    for (guint i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    return largest;
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    float *scales = int16_column_scales(packed, NR, out, in);

    for (guint j = first; j < first + count; j++, rows += stride) {
        float inverse;
        scales[j] = int16_scale(largest_of(rows, in), &inverse);
        int16_pack_row(packed, NR, in, j, 0, rows, inverse);
    }
}

static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    float *scales = int16_k_scales(packed, NR, out, in);

    for (guint k = first; k < first + count; k++, rows += stride) {
        float inverse;
        scales[k] = int16_scale(largest_of(rows, out), &inverse);
        int16_pack_column(packed, NR, out, in, k, 0, rows, inverse);
    }
}

static const float *scales_t(const void *packed, guint out, guint in)
{
    return int16_k_scales((void *)packed, NR, out, in);
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    for (guint i = 0; i < n; i++, x += x_stride) {
        guint8 *row = (guint8 *)a + i * a_stride;
        gint16 *values = (gint16 *)(row + INT16_ROW_HEADER);
        float largest = 0.0f, inverse;
        for (guint k = 0; k < in; k++)
            largest = fmaxf(largest, fabsf(fminf(fmaxf(x[k], lo), hi) * (scale ? scale[k] : 1.0f)));
        const float s = int16_scale(largest, &inverse);
        memcpy(row, &s, sizeof s);
        for (guint k = 0; k < in; k++)
            values[k] =
                int16_round(fminf(fmaxf(x[k], lo), hi) * (scale ? scale[k] : 1.0f), inverse);
        if (in % 2)
            values[in] = 0;
    }
}

/* Column scales NULL: 1. */
static void multiply(const void *a, gsize a_stride, guint rows, const void *packed,
                     const float *scales, guint in, guint n0, guint n, guint k0, guint k, float *c,
                     gsize ldc, gboolean accumulate)
{
    for (guint i = 0; i < rows; i++)
        for (guint j0 = 0; j0 < n; j0 += NR)
            for (guint first = 0; first < k; first += G4_INT16_SUM) {
                const guint8 *row = (const guint8 *)a + i * a_stride;
                const gint16 *x = (const gint16 *)(row + INT16_ROW_HEADER);
                float *dst = c + i * ldc + j0, s;
                gint32 sum[NR] = {0};
                memcpy(&s, row, sizeof s);
                for (guint kk = first; kk < MIN(k, first + G4_INT16_SUM); kk++) {
                    const gint16 *b = int16_at((void *)packed, NR, in, n0 + j0, k0 + kk);
                    for (guint j = 0; j < NR; j++)
                        sum[j] += x[kk] * b[j * 2];
                }
                for (guint j = 0; j < NR; j++) {
                    const float y = (float)sum[j] * (scales ? s * scales[n0 + j0 + j] : s);
                    dst[j] = accumulate || first > 0 ? dst[j] + y : y;
                }
            }
}

static void run(const void *a, gsize a_stride, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate)
{
    multiply(a, a_stride, rows, packed, int16_column_scales((void *)packed, NR, out, in), in, n0, n,
             k0, k, c, ldc, accumulate);
}

static void run_t(const void *a, gsize a_stride, guint rows, const void *packed, guint out,
                  guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                  gboolean accumulate)
{
    multiply(a, a_stride, rows, packed, NULL, in, n0, n, k0, k, c, ldc, accumulate);
}

const G4Gemm g4_gemm_int16_c = {
    .name = "int16",
    .nr = NR,
    .row_block = 96,
    .evens_out = TRUE,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .scales_t = scales_t,
    .loaded_stride = int16_loaded_stride,
    .load = load,
    .run = run,
    .run_t = run_t,
};
