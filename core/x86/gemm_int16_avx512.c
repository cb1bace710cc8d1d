/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit product for AVX-512.
 */
#include "madd_avx512.h"

#include "gemm_int16_tmpl.h"
