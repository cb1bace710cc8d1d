/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product for AVX2.
 */
#include "simd_avx2.h"
#include <glib.h>

#define LEVEL "avx2"
#define TILE_ROWS 6 /* x 2 vectors: 12 sums of the 16 registers */

typedef __m256i vi;

static inline vi vi_zero(void)
{
    return _mm256_setzero_si256();
}

static inline vi vi_set1_32(int x)
{
    return _mm256_set1_epi32(x);
}

static inline vi vi_add_32(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

static inline vi vi_madd_16(vi a, vi b)
{
    return _mm256_madd_epi16(a, b);
}

static inline vi vi_load_8_to_16(const gint8 *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

static inline vf vi_to_float(vi a)
{
    return _mm256_cvtepi32_ps(a);
}

/* Eight whole floats as 16-bit integers. */
static inline void vi16_store(gint16 *p, vf v)
{
    const __m256i x = _mm256_cvtps_epi32(v);
    _mm_storeu_si128((__m128i *)p,
                     _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}

/* All 16 registers are taken: a row's products must not be computed before the last row's are
 * added, or sums are spilled in every step. */
#define IN_ORDER(v) __asm__ volatile("" : "+x"(v))

#include "gemm_int8_tmpl.h"
