/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit product for AVX-512 VNNI: products and sums in one instruction.
 */
#define MADD_VNNI
#include "madd_avx512.h"

#undef VF_NAME
#define VF_NAME(name) name##_avx512vnni

#include "gemm_int16_tmpl.h"
