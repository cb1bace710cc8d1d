/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit product for AVX2.
 */
#include "madd_avx2.h"

#include "gemm_int16_tmpl.h"
