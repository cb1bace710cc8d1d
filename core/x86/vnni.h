/* SPDX-License-Identifier: Apache-2.0
 *
 * The dot products of AVX-512 VNNI. Written as assembly where they are compiled for it: around the
 * intrinsics gcc 12 copies each sum to another register and to the stack, in every step of a tile's
 * loop (110 instructions for 24 products, now 44).
 */
#ifndef G4_X86_VNNI_H
#define G4_X86_VNNI_H

#include <immintrin.h>

/* sum[i] += four products of unsigned a and signed b */
static inline __m512i vnni_add_fours(__m512i sum, __m512i a, __m512i b)
{
#ifdef __AVX512VNNI__
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_dpbusd_epi32(sum, a, b);
#endif
}

/* sum[i] += two products of 16-bit integers */
static inline __m512i vnni_add_pairs(__m512i sum, __m512i a, __m512i b)
{
#ifdef __AVX512VNNI__
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_dpwssd_epi32(sum, a, b);
#endif
}

#endif /* G4_X86_VNNI_H */
