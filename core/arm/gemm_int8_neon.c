/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product where there is no sdot. Two products of 8 bits fit into 16, since a weight is
 * never -128: 2 * 128 * 127 < 2^15. Sixteen of a row with sixteen of a column become eight such
 * sums, which are added in pairs to the four of 32 bits that a row and a column have; at the end
 * these are summed.
 */
#include <arm_neon.h>
#include <glib.h>

#define NAME g4_gemm_int8_neon
#define LEVEL "neon"
#define NR 4
#define KR 16
#define FIRST_HEIGHT 4 /* x 4 columns: 16 sums, 4 rows, 4 columns and products in 32 registers */

static inline __attribute__((always_inline)) void sum_tile(const int height, const gint8 *a,
                                                           gsize a_stride, const gint8 *b, guint k,
                                                           int32x4_t sums[FIRST_HEIGHT][NR / 4])
{
    int32x4_t sum[FIRST_HEIGHT][4];

#pragma GCC unroll 4
    for (int i = 0; i < height; i++)
        sum[i][0] = sum[i][1] = sum[i][2] = sum[i][3] = vdupq_n_s32(0);
    for (; k > 0; k -= KR, a += KR, b += KR * NR) {
        const int8x16_t w[4] = {vld1q_s8(b), vld1q_s8(b + 16), vld1q_s8(b + 32), vld1q_s8(b + 48)};
#pragma GCC unroll 4
        for (int i = 0; i < height; i++) {
            const int8x16_t x = vld1q_s8(a + i * a_stride);
            int16x8_t products[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                products[j] = vmull_s8(vget_low_s8(x), vget_low_s8(w[j]));
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                products[j] = vmlal_high_s8(products[j], x, w[j]);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                sum[i][j] = vpadalq_s16(sum[i][j], products[j]);
            /* Keeps a compiler from beginning with the next rows, for whose products there are no
             * registers. Those of one row hide each other's latency. */
            __asm__ volatile("" ::: "memory");
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < height; i++)
        sums[i][0] = vpaddq_s32(vpaddq_s32(sum[i][0], sum[i][1]), vpaddq_s32(sum[i][2], sum[i][3]));
}

#include "gemm_int8_tmpl.h"
