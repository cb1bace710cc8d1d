/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of float32 rows with bfloat16 weights in plain C.
 */
#include "gemm.h"
#include "gemm_bf16.h"

#define NR 8

static gsize packed_size(guint out, guint in)
{
    return bf16_packed_size(NR, out, in);
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    (void)out;
    for (guint j = 0; j < count; j++)
        bf16_pack_row(packed, NR, in, first + j, 0, rows + j * stride);
}

static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    for (guint k = 0; k < count; k++)
        for (guint j = 0; j < out; j++)
            *bf16_at(packed, NR, in, j, first + k) = bf16_from_f32(rows[k * stride + j]);
}

static void run(const void *a, gsize a_stride, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate)
{
    (void)out;
    for (guint j0 = 0; j0 < n; j0 += NR)
        for (guint i = 0; i < rows; i++) {
            const float *x = (const float *)((const guint8 *)a + i * a_stride);
            float *row = c + i * ldc + j0, sum[NR];
            for (guint j = 0; j < NR; j++)
                sum[j] = accumulate ? row[j] : 0.0f;
            for (guint kk = 0; kk < k; kk++) {
                const guint16 *b = bf16_at((void *)packed, NR, in, n0 + j0, k0 + kk);
                for (guint j = 0; j < NR; j++)
                    sum[j] += x[kk] * f32_from_bf16(b[2 * j]);
            }
            for (guint j = 0; j < NR; j++)
                row[j] = sum[j];
        }
}

const G4Gemm g4_gemm_bf16_c = {
    .name = "c",
    .nr = NR,
    .row_block = 96,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .run = run,
};
