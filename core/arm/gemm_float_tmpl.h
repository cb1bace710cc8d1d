/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of float32 rows, read in place, with weights of either kind, which the file that
 * includes this defines:
 *
 *     NAME, KC (products of a panel that stay in the first-level cache)
 *     Weight, to_weight(float)
 *     widen(const Weight *w, float32x4_t v[2]): eight weights as floats
 *
 * A panel is packed[panel][k][lane] = b[panel * NR + lane][k].
 */
#include "../gemm.h"

#include <arm_neon.h>

#define NR 8
#define FIRST_HEIGHT 8 /* x 2 vectors: 16 sums, 8 rows and the weights in 32 registers */
#define ROW_BLOCK 96   /* x 768 floats of `a`: 288 KB of the second-level cache */

#include "tiles.h"

static gsize packed_size(guint out, guint in)
{
    return ((gsize)out + NR - 1) / NR * NR * in * sizeof(Weight);
}

static inline Weight *lane_at(void *packed, guint in, guint j, guint k)
{
    return (Weight *)packed + (gsize)(j / NR) * NR * in + (gsize)k * NR + j % NR;
}

/* Eight rows are dealt out together, so that a panel is written in its order. */
static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    guint j = first;
    const guint last = first + count;

    (void)out;
    while (j < last) {
        const guint n = j % NR == 0 && last - j >= NR ? NR : 1;
        Weight *lane = lane_at(packed, in, j, 0);
        for (guint k = 0; k < in; k++, lane += NR)
            for (guint i = 0; i < n; i++)
                lane[i] = to_weight(rows[i * stride + k]);
        j += n;
        rows += n * stride;
    }
}

static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    for (guint k = first; k < first + count; k++, rows += stride)
        for (guint j = 0; j < out; j += NR) {
            Weight *lane = lane_at(packed, in, j, k);
            for (guint i = 0; i < MIN(out - j, NR); i++)
                lane[i] = to_weight(rows[j + i]);
        }
}

/* c[height, NR] (+)= a[height, k] panel[k, NR] */
static inline __attribute__((always_inline)) void tile(const int height, const float *a, gsize lda,
                                                       const Weight *b, guint k, float *c,
                                                       gsize ldc, gboolean accumulate)
{
    float32x4_t sum[FIRST_HEIGHT][2];

#pragma GCC unroll 8
    for (int i = 0; i < height; i++) {
        sum[i][0] = accumulate ? vld1q_f32(c + i * ldc) : vdupq_n_f32(0.0f);
        sum[i][1] = accumulate ? vld1q_f32(c + i * ldc + 4) : vdupq_n_f32(0.0f);
    }
    for (; k >= 4; k -= 4, a += 4, b += 4 * NR) {
        float32x4_t x[FIRST_HEIGHT];
#pragma GCC unroll 8
        for (int i = 0; i < height; i++)
            x[i] = vld1q_f32(a + i * lda);
#define STEP(kk)                                                                                   \
    do {                                                                                           \
        float32x4_t w[2];                                                                          \
        widen(b + (kk)*NR, w);                                                                     \
        _Pragma("GCC unroll 8") for (int i = 0; i < height; i++)                                   \
        {                                                                                          \
            sum[i][0] = vfmaq_laneq_f32(sum[i][0], w[0], x[i], kk);                                \
            sum[i][1] = vfmaq_laneq_f32(sum[i][1], w[1], x[i], kk);                                \
        }                                                                                          \
    } while (0)
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
#undef STEP
    }
    for (; k > 0; k--, a++, b += NR) {
        float32x4_t w[2];
        widen(b, w);
#pragma GCC unroll 8
        for (int i = 0; i < height; i++) {
            sum[i][0] = vfmaq_n_f32(sum[i][0], w[0], a[i * lda]);
            sum[i][1] = vfmaq_n_f32(sum[i][1], w[1], a[i * lda]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < height; i++) {
        vst1q_f32(c + i * ldc, sum[i][0]);
        vst1q_f32(c + i * ldc + 4, sum[i][1]);
    }
}

static void run(const void *rows_of_a, gsize a_stride, guint rows, const void *packed, guint out,
                guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                gboolean accumulate)
{
    const gsize lda = a_stride / sizeof(float);

    (void)out;
    for (guint j = 0; j < n; j += NR)
        for (guint at = 0; at < k; at += KC) {
            const float *a = (const float *)rows_of_a + at;
            const Weight *b = lane_at((void *)packed, in, n0 + j, k0 + at);
#define TILE(i, height)                                                                            \
    tile(height, a + (i)*lda, lda, b, MIN(k - at, KC), c + (i)*ldc + j, ldc, accumulate || at > 0)
            TILES(rows, TILE);
#undef TILE
        }
}

const G4Gemm NAME = {
    .name = "neon",
    .nr = NR,
    .row_block = ROW_BLOCK,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .run = run,
};
