/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product for AVX-512 without VNNI.
 */
#include "madd_avx512.h"

#include "gemm_int8_tmpl.h"
