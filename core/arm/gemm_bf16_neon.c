/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of float32 rows with bfloat16 weights for Advanced SIMD: the weights are widened in
 * registers, so the sums are those of float32 with half the memory.
 */
#include "../bf16.h"

#include <arm_neon.h>

#define NAME g4_gemm_bf16_neon
#define KC 1024 /* a panel of it: 16 KB of a first-level cache of 32 KB */

typedef guint16 Weight;

static inline Weight to_weight(float x)
{
    return bf16_from_f32(x);
}

static inline void widen(const Weight *w, float32x4_t v[2])
{
    const uint16x8_t both = vld1q_u16(w);

    v[0] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(both), 16));
    v[1] = vreinterpretq_f32_u32(vshll_high_n_u16(both, 16));
}

#include "gemm_float_tmpl.h"
