/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of float32 rows with bfloat16 weights for AVX-512.
 */
#include "simd_avx512.h"

#define LEVEL "avx512"
#define TILE_ROWS 12 /* x 2 vectors: 24 sums of the 32 registers */
#define KC 256       /* a panel of it: 16 KB of a first-level cache of 32 KB */
#define ROW_BLOCK 96 /* x 768 floats of `a`: 288 KB of the second-level cache */

#include "gemm_bf16_tmpl.h"
