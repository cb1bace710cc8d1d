/* SPDX-License-Identifier: Apache-2.0
 *
 * The float32 product for AVX2 and FMA.
 */
#include "simd_avx2.h"

#define LEVEL "avx2"
#define TILE_ROWS 6  /* x 2 vectors: 12 sums of the 16 registers */
#define KC 320       /* a panel of it, 20 KB, leaves room in a first-level cache of 32 KB */
#define ROW_BLOCK 96 /* x 768 floats of `a`: 288 KB of the second-level cache */

#include "gemm_f32_tmpl.h"
