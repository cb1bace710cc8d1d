/* SPDX-License-Identifier: Apache-2.0
 *
 * The element-wise kernels for AVX-512.
 */
#include "simd_avx512.h"
#include "../vec_tmpl.h"
