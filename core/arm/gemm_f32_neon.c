/* SPDX-License-Identifier: Apache-2.0
 *
 * The float32 product for Advanced SIMD: where there is no OpenBLAS.
 */
#include <arm_neon.h>

#define NAME g4_gemm_f32_neon
#define KC 512 /* a panel of it: 16 KB of a first-level cache of 32 KB */

typedef float Weight;

static inline Weight to_weight(float x)
{
    return x;
}

static inline void widen(const Weight *w, float32x4_t v[2])
{
    v[0] = vld1q_f32(w);
    v[1] = vld1q_f32(w + 4);
}

#include "gemm_float_tmpl.h"
