/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen floats at a time, for vec_tmpl.h.
 */
#include <immintrin.h>

#define VF_WIDTH 16
#define VF_NAME(name) name##_avx512

typedef __m512 vf;

static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

static inline __mmask16 vf_mask(unsigned n)
{
    return (__mmask16)((1u << n) - 1);
}

/* The first n lanes; the others are 0 and touch no memory. */
static inline vf vf_load_n(const float *p, unsigned n)
{
    return _mm512_maskz_loadu_ps(vf_mask(n), p);
}

static inline void vf_store_n(float *p, vf v, unsigned n)
{
    _mm512_mask_storeu_ps(p, vf_mask(n), v);
}

static inline vf vf_select_n(vf v, vf other, unsigned n)
{
    return _mm512_mask_mov_ps(other, vf_mask(n), v);
}

static inline vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}

static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

static inline vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x * 2^n for whole n in -126 .. 127 */
static inline vf vf_scale2(vf x, vf n)
{
    return _mm512_scalef_ps(x, n);
}

/* Whole floats as 8-bit integers: VF_WIDTH bytes. */
static inline void vf_store_8(signed char *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

static inline float vf_sum(vf v)
{
    return _mm512_reduce_add_ps(v);
}

static inline float vf_max_lane(vf v)
{
    return _mm512_reduce_max_ps(v);
}

/* Each 32-bit lane: its low half as the high one; its high half alone. */
static inline vf vf_shift_left_16(vf v)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(v), 16));
}

static inline vf vf_and_high_16(vf v)
{
    return _mm512_and_ps(v, _mm512_castsi512_ps(_mm512_set1_epi32((int)0xffff0000u)));
}
