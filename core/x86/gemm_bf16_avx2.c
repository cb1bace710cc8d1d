/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of float32 rows with bfloat16 weights for AVX2 and FMA.
 */
#include "simd_avx2.h"

#define LEVEL "avx2"
#define TILE_ROWS 6  /* x 2 vectors: 12 sums of the 16 registers */
#define KC 384       /* a panel of it: 12 KB of a first-level cache of 32 KB */
#define ROW_BLOCK 96 /* x 768 floats of `a`: 288 KB of the second-level cache */

#include "gemm_bf16_tmpl.h"
