/* SPDX-License-Identifier: Apache-2.0
 *
 * The element-wise kernels for AVX2 and FMA.
 */
#include "simd_avx2.h"
#include "../vec_tmpl.h"
