/* SPDX-License-Identifier: Apache-2.0
 *
 * The float32 product for AVX-512.
 */
#include "simd_avx512.h"

#define LEVEL "avx512"
#define TILE_ROWS 12 /* x 2 vectors: 24 sums of the 32 registers */
#define KC 192       /* a panel of it, 24 KB, leaves room in a first-level cache of 32 KB */
#define ROW_BLOCK 96 /* x 768 floats of `a`: 288 KB of the second-level cache */

#include "gemm_f32_tmpl.h"
