/* SPDX-License-Identifier: Apache-2.0
 *
 * 32 16-bit integers at a time, multiplied and added in pairs: for the products of integers.
 */
#include "simd_avx512.h"
#ifdef MADD_VNNI
#include "vnni.h"
#endif
#include <glib.h>

#define LEVEL "avx512"
#define TILE_ROWS 12 /* x 2 vectors: 24 sums of the 32 registers */

typedef __m512i vi;

static inline vi vi_zero(void)
{
    return _mm512_setzero_si512();
}

static inline vi vi_set1_32(int x)
{
    return _mm512_set1_epi32(x);
}

/* sum += pairs of a * b; MADD_VNNI: in one instruction, vnni.h. */
static inline vi vi_add_madd(vi sum, vi a, vi b)
{
#ifdef MADD_VNNI
    return vnni_add_pairs(sum, a, b);
#else
#ifdef __AVX512BW__
    /* Left to itself, gcc 12 multiplies ahead and spills the sums. */
    vi product;
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
            : "+v"(sum), "=&v"(product)
            : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
#endif
}

static inline vi vi_load_16(const gint16 *p)
{
    return _mm512_loadu_si512(p);
}

static inline vi vi_load_8_to_16(const gint8 *p)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}

static inline vf vi_to_float(vi a)
{
    return _mm512_cvtepi32_ps(a);
}

/* Sixteen whole floats as 16-bit integers. */
static inline void vi16_store(gint16 *p, vf v)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
}

/* Sixteen whole floats of an even k, and of the odd one after it, in pairs. */
static inline void vi16_store_pairs(gint16 *p, vf even, vf odd)
{
    const __m512i low = _mm512_and_si512(_mm512_cvtps_epi32(even), _mm512_set1_epi32(0xffff));
    const __m512i high = _mm512_slli_epi32(_mm512_cvtps_epi32(odd), 16);
    _mm512_storeu_si512(p, _mm512_or_si512(low, high));
}
