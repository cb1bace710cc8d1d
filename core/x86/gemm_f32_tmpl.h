/* SPDX-License-Identifier: Apache-2.0
 *
 * The float32 product over the vector type of simd_*.h: tiles of TILE_ROWS x (2 vectors), b packed
 * into panels of that width:
 *
 *     packed[panel][k][lane] = b[panel * NR + lane][k]
 *
 * `a` is read in place, row-major: a row block of it stays in the second-level cache while a panel
 * of KC products stays in the first.
 */
#include "../gemm.h"
#include "tile_rest.h"
#include "transpose.h"

#include <string.h>

#define NR (2 * VF_WIDTH)

static gsize packed_size(guint out, guint in)
{
    return ((gsize)out + NR - 1) / NR * NR * in * sizeof(float);
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    float *dst = packed;
    guint j = first;
    const guint last = first + count;

    (void)out;
    while (j < last) {
        float *lane = dst + (gsize)(j / NR) * NR * in + j % NR;
        guint k = 0;
        if (j % 8 == 0 && last - j >= 8) {
            for (; k + 8 <= in; k += 8) {
                __m256 r[8];
                for (int i = 0; i < 8; i++)
                    r[i] = _mm256_loadu_ps(rows + i * stride + k);
                transpose_8x8(lane + (gsize)k * NR, NR, r);
            }
            for (; k < in; k++)
                for (guint i = 0; i < 8; i++)
                    lane[(gsize)k * NR + i] = rows[i * stride + k];
            j += 8;
            rows += 8 * stride;
        } else {
            for (; k < in; k++)
                lane[(gsize)k * NR] = rows[k];
            j++;
            rows += stride;
        }
    }
}

static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    for (guint i = 0; i < count; i++, rows += stride) {
        float *lane = (float *)packed + (gsize)(first + i) * NR;
        guint j = 0;
        for (; j + NR <= out; j += NR, lane += (gsize)NR * in)
            memcpy(lane, rows + j, NR * sizeof(float));
        if (j < out)
            memcpy(lane, rows + j, (out - j) * sizeof(float));
    }
}

/* c[rows, NR] (+)= a[rows, k] panel[k, NR]; rows is a constant in every call. */
static inline __attribute__((always_inline)) void tile(const int rows, const float *a, gsize lda,
                                                       const float *b, guint k, float *c, gsize ldc,
                                                       gboolean accumulate)
{
    vf sum[TILE_ROWS][2];

#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        sum[i][0] = accumulate ? vf_load(c + i * ldc) : vf_set1(0.0f);
        sum[i][1] = accumulate ? vf_load(c + i * ldc + VF_WIDTH) : vf_set1(0.0f);
    }
    /* Three rows to a pointer: what x86 addresses without another register. */
    const float *p0 = a, *p1 = a + 3 * lda, *p2 = a + 6 * lda, *p3 = a + 9 * lda;
    for (guint kk = 0; kk < k; kk++, b += NR) {
        const vf b0 = vf_load(b), b1 = vf_load(b + VF_WIDTH);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const float *p = i < 3 ? p0 : i < 6 ? p1 : i < 9 ? p2 : p3;
            const vf x = vf_set1(p[(i % 3) * lda]);
            sum[i][0] = vf_fma(x, b0, sum[i][0]);
            sum[i][1] = vf_fma(x, b1, sum[i][1]);
        }
        p0++;
        p1++;
        p2++;
        p3++;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        vf_store(c + i * ldc, sum[i][0]);
        vf_store(c + i * ldc + VF_WIDTH, sum[i][1]);
    }
}

static void run_rest(guint rows, const float *a, gsize lda, const float *b, guint k, float *c,
                     gsize ldc, gboolean accumulate)
{
#define TILE(n) tile(n, a, lda, b, k, c, ldc, accumulate)
    TILE_REST(rows, TILE)
#undef TILE
}

static void run(const void *rows_of_a, gsize a_stride, guint rows, const void *packed, guint out,
                guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                gboolean accumulate)
{
    const float *a = rows_of_a;
    const gsize lda = a_stride / sizeof(float);
    const float *panel = (const float *)packed + (gsize)n0 * in + (gsize)k0 * NR;

    (void)out;
    for (guint j = 0; j < n; j += NR, panel += (gsize)NR * in) {
        for (guint kk = 0; kk < k; kk += KC) {
            const guint kc = MIN(k - kk, KC);
            const float *b = panel + (gsize)kk * NR;
            const gboolean add = accumulate || kk > 0;
            guint i = 0;
            for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
                tile(TILE_ROWS, a + i * lda + kk, lda, b, kc, c + i * ldc + j, ldc, add);
            run_rest(rows - i, a + i * lda + kk, lda, b, kc, c + i * ldc + j, ldc, add);
        }
    }
}

const G4Gemm VF_NAME(g4_gemm_f32) = {
    .name = LEVEL,
    .nr = NR,
    .row_block = ROW_BLOCK,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .run = run,
};
