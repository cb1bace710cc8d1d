/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen 16-bit integers at a time, multiplied and added in pairs: for the products of integers.
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

/* sum += pairs of a * b. All 16 registers are taken by a tile: written as two intrinsics, a
 * compiler computes products before it adds the last ones, and spills sums in every step. */
static inline __attribute__((always_inline)) vi vi_add_madd(vi sum, vi a, vi b)
{
    vi product;

    __asm__ volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+x"(sum), "=&x"(product)
                     : "x"(a), "x"(b));
    return sum;
}

static inline vi vi_load_16(const gint16 *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
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

/* Eight whole floats of an even k, and of the odd one after it, in pairs. */
static inline void vi16_store_pairs(gint16 *p, vf even, vf odd)
{
    const __m256i low = _mm256_and_si256(_mm256_cvtps_epi32(even), _mm256_set1_epi32(0xffff));
    const __m256i high = _mm256_slli_epi32(_mm256_cvtps_epi32(odd), 16);
    _mm256_storeu_si256((__m256i *)p, _mm256_or_si256(low, high));
}
