/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product in plain C.
 */
#include "gemm.h"
#include "gemm_int8.h"

#define NR 8
#define KR 2

static gsize packed_size(guint out, guint in)
{
    return int8_packed_size(NR, KR, out, in);
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    int8_pack(packed, NR, KR, out, in, first, count, rows, stride);
}

/* Values are kept as q - z, which need 9 bits. */
static gsize loaded_stride(guint in)
{
    return INT8_ROW_HEADER + (gsize)int8_round_up(in, KR) * sizeof(gint16);
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    for (guint i = 0; i < n; i++, x += x_stride) {
        guint8 *row = (guint8 *)a + i * a_stride;
        gint16 *values = (gint16 *)(row + INT8_ROW_HEADER);
        float smallest = 0.0f, largest = 0.0f, inverse;
        for (guint k = 0; k < in; k++) {
            const float v = fminf(fmaxf(x[k], lo), hi) * (scale ? scale[k] : 1.0f);
            smallest = fminf(smallest, v);
            largest = fmaxf(largest, v);
        }
        const Int8Row r = int8_row(smallest, largest, &inverse);
        memcpy(row, &r, sizeof r);
        for (guint k = 0; k < in; k++) {
            const float v = fminf(fmaxf(x[k], lo), hi) * (scale ? scale[k] : 1.0f);
            const float q = fminf(fmaxf(rintf(v * inverse) + (float)r.zero, 0.0f), 255.0f);
            values[k] = (gint16)(q - (float)r.zero);
        }
        for (guint k = in; k < int8_round_up(in, KR); k++)
            values[k] = 0;
    }
}

static void run(const void *a, gsize a_stride, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate)
{
    const float *scales = int8_scales((void *)packed, NR, KR, out, in) + n0;

    for (guint j0 = 0; j0 < n; j0 += NR)
        for (guint i = 0; i < rows; i++) {
            const guint8 *row = (const guint8 *)a + i * a_stride;
            const gint16 *x = (const gint16 *)(row + INT8_ROW_HEADER);
            gint32 sum[NR] = {0};
            Int8Row r;
            memcpy(&r, row, sizeof r);
            for (guint kk = 0; kk < k; kk++) {
                const gint8 *b = int8_at((void *)packed, NR, KR, in, n0 + j0, k0 + kk);
                for (guint j = 0; j < NR; j++)
                    sum[j] += x[kk] * b[j * KR];
            }
            for (guint j = 0; j < NR; j++) {
                const float y = (float)sum[j] * (r.scale * scales[j0 + j]);
                c[i * ldc + j0 + j] = accumulate ? c[i * ldc + j0 + j] + y : y;
            }
        }
}

const G4Gemm g4_gemm_int8_c = {
    .name = "c",
    .nr = NR,
    .row_block = 96,
    .evens_out = TRUE,
    .packed_size = packed_size,
    .pack = pack,
    .loaded_stride = loaded_stride,
    .load = load,
    .run = run,
};
