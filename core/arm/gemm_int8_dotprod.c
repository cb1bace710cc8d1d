/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product by sdot: four products of a column with four of one row, a lane.
 */
#include <arm_neon.h>
#include <glib.h>
#include <string.h>

#define NAME g4_gemm_int8_dotprod
#define LEVEL "dotprod"
#define NR 8
#define KR 4
#define FIRST_HEIGHT 8 /* x 2 vectors: 16 sums, 8 rows and the weights in 32 registers */

/* Four groups of a row lie in one register, so that eight rows cost as many loads as their
 * weights. */
static inline __attribute__((always_inline)) void sum_tile(const int height, const gint8 *a,
                                                           gsize a_stride, const gint8 *b, guint k,
                                                           int32x4_t sums[FIRST_HEIGHT][NR / 4])
{
    int32x4_t sum[FIRST_HEIGHT][2];

#pragma GCC unroll 8
    for (int i = 0; i < height; i++)
        sum[i][0] = sum[i][1] = vdupq_n_s32(0);
    for (; k >= 4 * KR; k -= 4 * KR, a += 4 * KR, b += 4 * KR * NR) {
        int8x16_t x[FIRST_HEIGHT];
#pragma GCC unroll 8
        for (int i = 0; i < height; i++)
            x[i] = vld1q_s8(a + i * a_stride);
#define GROUP(g)                                                                                   \
    do {                                                                                           \
        const int8x16_t b0 = vld1q_s8(b + (g)*KR * NR), b1 = vld1q_s8(b + (g)*KR * NR + 16);       \
        _Pragma("GCC unroll 8") for (int i = 0; i < height; i++)                                   \
        {                                                                                          \
            sum[i][0] = vdotq_laneq_s32(sum[i][0], b0, x[i], g);                                   \
            sum[i][1] = vdotq_laneq_s32(sum[i][1], b1, x[i], g);                                   \
        }                                                                                          \
    } while (0)
        GROUP(0);
        GROUP(1);
        GROUP(2);
        GROUP(3);
#undef GROUP
    }
    for (; k > 0; k -= KR, a += KR, b += KR * NR) {
        const int8x16_t b0 = vld1q_s8(b), b1 = vld1q_s8(b + 16);
#pragma GCC unroll 8
        for (int i = 0; i < height; i++) {
            int word;
            memcpy(&word, a + i * a_stride, sizeof word);
            const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(word));
            sum[i][0] = vdotq_s32(sum[i][0], b0, x);
            sum[i][1] = vdotq_s32(sum[i][1], b1, x);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < height; i++) {
        sums[i][0] = sum[i][0];
        sums[i][1] = sum[i][1];
    }
}

#include "gemm_int8_tmpl.h"
