/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512 for processors without it. First in the include path of the kernels in core/x86, this
 * stands for the compiler's header: SIMDe computes each intrinsic with AVX2 or plain C, under the
 * intrinsic's own name, so that the kernels' sources stay as they are. What SIMDe 0.7.4 lacks, or
 * has so slowly that a check would take minutes, follows below. A name that neither has is an
 * error of the compiler's: "target specific option mismatch".
 *
 * Unlike the processor: no flush of subnormals in _mm512_dpbf16_ps.
 */
#ifndef G4_SIMDE_IMMINTRIN_H
#define G4_SIMDE_IMMINTRIN_H

#include_next <immintrin.h> /* the types, and AVX2 itself */

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <stdint.h>
#include <string.h>

#define EMULATED(type) static inline __attribute__((always_inline, unused)) type

typedef union SimdeLanes {
    __m512 ps;
    __m512i si;
    __m256 half_ps[2];
    __m256i half[2];
    float f32[16];
    uint32_t u32[16];
    int32_t i32[16];
    int16_t i16[32];
    uint8_t u8[64];
} SimdeLanes;

#define lanes_ps(v) ((SimdeLanes){.ps = (v)})
#define lanes_si(v) ((SimdeLanes){.si = (v)})

/* Masked loads and stores: only what the mask names is touched. */
EMULATED(__m512) emulated_maskz_loadu_ps(__mmask16 mask, const void *p)
{
    SimdeLanes r = {.u32 = {0}};

    if (mask == 0xffff)
        memcpy(&r, p, sizeof r);
    else
        for (int i = 0; i < 16; i++)
            if (mask >> i & 1)
                memcpy(&r.f32[i], (const char *)p + 4 * i, 4);
    return r.ps;
}

EMULATED(void) emulated_mask_storeu_ps(void *p, __mmask16 mask, __m512 v)
{
    const SimdeLanes r = lanes_ps(v);

    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            memcpy((char *)p + 4 * i, &r.f32[i], 4);
}

EMULATED(__m512i) emulated_maskz_loadu_epi8(__mmask64 mask, const void *p)
{
    SimdeLanes r = {.u32 = {0}};

    if (mask == UINT64_MAX)
        memcpy(&r, p, sizeof r);
    else
        for (int i = 0; i < 64; i++)
            if (mask >> i & 1)
                r.u8[i] = ((const uint8_t *)p)[i];
    return r.si;
}

EMULATED(void) emulated_mask_storeu_epi8(void *p, __mmask64 mask, __m512i v)
{
    const SimdeLanes r = lanes_si(v);

    if (mask == UINT64_MAX)
        memcpy(p, &r, sizeof r);
    else
        for (int i = 0; i < 64; i++)
            if (mask >> i & 1)
                ((uint8_t *)p)[i] = r.u8[i];
}

/* Conversions */
EMULATED(__m512) emulated_cvtepi32_ps(__m512i v)
{
    const SimdeLanes a = lanes_si(v);
    return (SimdeLanes){
        .half_ps = {_mm256_cvtepi32_ps(a.half[0]), _mm256_cvtepi32_ps(a.half[1])}}.ps;
}

EMULATED(__m512i) emulated_cvtps_epi32(__m512 v)
{
    const SimdeLanes a = lanes_ps(v);
    return (SimdeLanes){
        .half = {_mm256_cvtps_epi32(a.half_ps[0]), _mm256_cvtps_epi32(a.half_ps[1])}}.si;
}

EMULATED(__m512i) emulated_cvtepu16_epi32(__m256i v)
{
    return (SimdeLanes){.half = {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)),
                                 _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1))}}.si;
}

/* The low halves and quarters of each lane. */
EMULATED(__m256i) emulated_cvtepi32_epi16(__m512i v)
{
    const SimdeLanes a = lanes_si(v);
    SimdeLanes r = {.u32 = {0}};

    for (int i = 0; i < 16; i++)
        r.i16[i] = (int16_t)a.u32[i];
    return r.half[0];
}

EMULATED(__m128i) emulated_cvtepi32_epi8(__m512i v)
{
    const SimdeLanes a = lanes_si(v);
    SimdeLanes r = {.u32 = {0}};

    for (int i = 0; i < 16; i++)
        r.u8[i] = (uint8_t)a.u32[i];
    return _mm256_castsi256_si128(r.half[0]);
}

/* To nearest, ties to even; subnormals to zero, NaN to a quiet one, as the instruction does. */
EMULATED(__m256bh) emulated_cvtneps_pbh(__m512 v)
{
    const SimdeLanes a = lanes_ps(v);
    SimdeLanes r = {.u32 = {0}};

    for (int i = 0; i < 16; i++) {
        const uint32_t bits = a.u32[i], magnitude = bits & 0x7fffffff;
        uint32_t high = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        high = magnitude > 0x7f800000 ? bits >> 16 | 0x40 : high;
        high = magnitude < 0x00800000 ? bits >> 16 & 0x8000 : high;
        r.i16[i] = (int16_t)high;
    }
    return (__m256bh)r.half[0];
}

/* Arithmetic */
EMULATED(__m512i) emulated_srai_epi32(__m512i v, unsigned n)
{
    const SimdeLanes a = lanes_si(v);
    return (SimdeLanes){
        .half = {_mm256_srai_epi32(a.half[0], (int)n), _mm256_srai_epi32(a.half[1], (int)n)}}.si;
}

/* The sum in the order of the compilers' own: halves onto each other. */
EMULATED(float) emulated_reduce_add_ps(__m512 v)
{
    SimdeLanes a = lanes_ps(v);

    for (int n = 8; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            a.f32[i] += a.f32[i + n];
    return a.f32[0];
}

EMULATED(float) emulated_reduce_max_ps(__m512 v)
{
    const SimdeLanes a = lanes_ps(v);
    float r = a.f32[0];

    for (int i = 1; i < 16; i++)
        r = r > a.f32[i] ? r : a.f32[i];
    return r;
}

EMULATED(float) emulated_reduce_min_ps(__m512 v)
{
    const SimdeLanes a = lanes_ps(v);
    float r = a.f32[0];

    for (int i = 1; i < 16; i++)
        r = r < a.f32[i] ? r : a.f32[i];
    return r;
}

/* a * 2^floor(b): by two powers of two, so that each of them and their product is exact from
 * 2^-252 to 2^254. SIMDe calls exp2f for each lane. */
EMULATED(__m256) emulated_scalef_half(__m256 a, __m256 b)
{
    const __m256 limit = _mm256_set1_ps(252.0f);
    const __m256i n = _mm256_cvtps_epi32(_mm256_min_ps(
        _mm256_max_ps(_mm256_floor_ps(b), _mm256_sub_ps(_mm256_setzero_ps(), limit)), limit));
    const __m256i n0 = _mm256_srai_epi32(n, 1), n1 = _mm256_sub_epi32(n, n0);
    const __m256i bias = _mm256_set1_epi32(127);

    a = _mm256_mul_ps(a, (__m256)_mm256_slli_epi32(_mm256_add_epi32(n0, bias), 23));
    return _mm256_mul_ps(a, (__m256)_mm256_slli_epi32(_mm256_add_epi32(n1, bias), 23));
}

EMULATED(__m512) emulated_scalef_ps(__m512 a, __m512 b)
{
    const SimdeLanes x = lanes_ps(a), n = lanes_ps(b);
    return (SimdeLanes){.half_ps = {emulated_scalef_half(x.half_ps[0], n.half_ps[0]),
                                    emulated_scalef_half(x.half_ps[1], n.half_ps[1])}}.ps;
}

/* Both products of a pair, the odd one first, each rounded once with its sum. */
EMULATED(__m256) emulated_dpbf16_half(__m256 sum, __m256i a, __m256i b)
{
    const __m256i high = _mm256_set1_epi32((int)0xffff0000u);

    sum = _mm256_fmadd_ps((__m256)_mm256_and_si256(a, high), (__m256)_mm256_and_si256(b, high),
                          sum);
    return _mm256_fmadd_ps((__m256)_mm256_slli_epi32(a, 16), (__m256)_mm256_slli_epi32(b, 16), sum);
}

EMULATED(__m512) emulated_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b)
{
    const SimdeLanes s = lanes_ps(sum), x = lanes_si((__m512i)a), y = lanes_si((__m512i)b);
    return (SimdeLanes){.half_ps = {emulated_dpbf16_half(s.half_ps[0], x.half[0], y.half[0]),
                                    emulated_dpbf16_half(s.half_ps[1], x.half[1], y.half[1])}}.ps;
}

/* Four products of an unsigned and a signed byte, their sum exact in 32 bits. */
EMULATED(__m256i) emulated_dpbusd_half(__m256i sum, __m256i a, __m256i b)
{
    const __m256i low = _mm256_set1_epi16(0xff);
    const __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, low),
                                           _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

EMULATED(__m512i) emulated_dpbusd_epi32(__m512i sum, __m512i a, __m512i b)
{
    const SimdeLanes s = lanes_si(sum), x = lanes_si(a), y = lanes_si(b);
    return (SimdeLanes){.half = {emulated_dpbusd_half(s.half[0], x.half[0], y.half[0]),
                                 emulated_dpbusd_half(s.half[1], x.half[1], y.half[1])}}.si;
}

#undef _mm512_madd_epi16 /* SIMDe's takes four arguments */
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_maskz_loadu_epi8
#undef _mm512_mask_storeu_epi8
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtps_epi32
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi32_epi16
#undef _mm512_cvtepi32_epi8
#undef _mm512_cvtneps_pbh
#undef _mm512_srai_epi32
#undef _mm512_reduce_add_ps
#undef _mm512_reduce_max_ps
#undef _mm512_reduce_min_ps
#undef _mm512_scalef_ps
#undef _mm512_dpbf16_ps
#undef _mm512_dpbusd_epi32
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#define _mm512_maskz_loadu_ps(mask, p) emulated_maskz_loadu_ps(mask, p)
#define _mm512_mask_storeu_ps(p, mask, v) emulated_mask_storeu_ps(p, mask, v)
#define _mm512_maskz_loadu_epi8(mask, p) emulated_maskz_loadu_epi8(mask, p)
#define _mm512_mask_storeu_epi8(p, mask, v) emulated_mask_storeu_epi8(p, mask, v)
#define _mm512_cvtepi32_ps(v) emulated_cvtepi32_ps(v)
#define _mm512_cvtps_epi32(v) emulated_cvtps_epi32(v)
#define _mm512_cvtepu16_epi32(v) emulated_cvtepu16_epi32(v)
#define _mm512_cvtepi32_epi16(v) emulated_cvtepi32_epi16(v)
#define _mm512_cvtepi32_epi8(v) emulated_cvtepi32_epi8(v)
#define _mm512_cvtneps_pbh(v) emulated_cvtneps_pbh(v)
#define _mm512_srai_epi32(v, n) emulated_srai_epi32(v, n)
#define _mm512_reduce_add_ps(v) emulated_reduce_add_ps(v)
#define _mm512_reduce_max_ps(v) emulated_reduce_max_ps(v)
#define _mm512_reduce_min_ps(v) emulated_reduce_min_ps(v)
#define _mm512_scalef_ps(a, b) emulated_scalef_ps(a, b)
#define _mm512_dpbf16_ps(sum, a, b) emulated_dpbf16_ps(sum, a, b)
#define _mm512_dpbusd_epi32(sum, a, b) emulated_dpbusd_epi32(sum, a, b)

#endif /* G4_SIMDE_IMMINTRIN_H */
