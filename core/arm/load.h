/* SPDX-License-Identifier: Apache-2.0
 *
 * What the products of integers do with rows of floats before they round them.
 */
#ifndef G4_ARM_LOAD_H
#define G4_ARM_LOAD_H

#include <arm_neon.h>
#include <glib.h>

/* Values that are rounded at a time. */
#define BLOCK 16

/* The n < BLOCK values of a row's end, and its last value again and again: that changes neither the
 * largest nor the smallest, and what lies behind a row meets weights that are 0. */
static inline const float *filled_up(float *block, const float *end, guint n)
{
    for (guint i = 0; i < BLOCK; i++)
        block[i] = end[MIN(i, n - 1)];
    return block;
}

/* Values x[k .. k + BLOCK - 1] of a row of n, or those at `room` that stand for them. */
static inline const float *block_of(const float *x, guint k, guint n, float *room)
{
    return n - k >= BLOCK ? x + k : filled_up(room, x + k, n - k);
}

/* v[4 .. ] clamped, then scaled unless scale is NULL. Of a number and a NaN the number, as fminf
 * and fmaxf have it. */
static inline float32x4_t bounded(const float *v, const float *scale, float32x4_t lo,
                                  float32x4_t hi)
{
    const float32x4_t x = vminnmq_f32(vmaxnmq_f32(vld1q_f32(v), lo), hi);

    return scale ? vmulq_f32(x, vld1q_f32(scale)) : x;
}

#endif /* G4_ARM_LOAD_H */
