/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product for AVX2.
 */
#include "madd_avx2.h"

#include "gemm_int8_tmpl.h"
