/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize kernels for AVX-512 (F and BW): those of resize_avx2.c on twice the width. The horizontal
 * one has four rows in a register, the vertical one takes the rest of a row under a mask.
 */
#include "../resize.h"

#include <immintrin.h>
#include <string.h>

#define ROUND (1 << (G4_RESIZE_BITS - 1))

/* What the sums of both halves of the weights make, before the clamp. */
static inline __m512i rounded(__m512i hi, __m512i lo)
{
    lo = _mm512_add_epi32(lo, _mm512_set1_epi32(ROUND));
    return _mm512_srai_epi32(_mm512_add_epi32(_mm512_slli_epi32(hi, 8), lo), G4_RESIZE_BITS);
}

/* Two weights, for every lane. */
static inline __m512i pair_of(const gint16 *split)
{
    gint32 pair;
    memcpy(&pair, split, sizeof pair);
    return _mm512_set1_epi32(pair);
}

static inline __m128i load(const guint8 *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* Output pixel i of four rows, a quarter of a register each: 3 bytes and a 0. */
static inline void four_pixels(const guint8 *const src[4], const G4ResizePass *pass, guint i,
                               guint32 pixels[4])
{
    /* Two pixels to words: (R0 R1) (G0 G1) (B0 B1) 0. */
    const __m512i spread = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;
    gsize at = (gsize)pass->first[i] * 3;
    guint pairs = (pass->count[i] + 1) / 2;
    __m512i hi = _mm512_setzero_si512(), lo = hi;

    for (guint p = 0; p < pairs; p++, split += 4, at += 6) {
        __m512i in = _mm512_castsi128_si512(load(src[0] + at));
        in = _mm512_mask_broadcast_i32x4(in, 0x00f0, load(src[1] + at));
        in = _mm512_mask_broadcast_i32x4(in, 0x0f00, load(src[2] + at));
        in = _mm512_mask_broadcast_i32x4(in, 0xf000, load(src[3] + at));
        in = _mm512_shuffle_epi8(in, spread);
        hi = _mm512_add_epi32(hi, _mm512_madd_epi16(in, pair_of(split)));
        lo = _mm512_add_epi32(lo, _mm512_madd_epi16(in, pair_of(split + 2)));
    }
    /* This narrowing takes its input as unsigned. */
    __m512i sums = _mm512_max_epi32(rounded(hi, lo), _mm512_setzero_si512());
    _mm_storeu_si128((__m128i *)pixels, _mm512_cvtusepi32_epi8(sums));
}

void g4_resize_horizontal_rgb_avx512(guint8 *dst, gsize dst_stride, const guint8 *src,
                                     gsize src_stride, guint rows, const G4ResizePass *pass)
{
    const guint8 *in[4];
    guint8 *out[4];
    guint32 pixels[4];
    guint last = pass->n_out - 1;

    /* Fewer rows than four: the last one is done again and again. */
    for (guint y = 0; y < 4; y++) {
        in[y] = src + MIN(y, rows - 1) * src_stride;
        out[y] = dst + MIN(y, rows - 1) * dst_stride;
    }
    /* The fourth byte of each store is overwritten by the next pixel's. */
    for (guint i = 0; i < last; i++) {
        four_pixels(in, pass, i, pixels);
        for (guint y = 0; y < 4; y++)
            memcpy(out[y] + (gsize)i * 3, &pixels[y], 4);
    }
    four_pixels(in, pass, last, pixels);
    for (guint y = 0; y < 4; y++)
        memcpy(out[y] + (gsize)last * 3, &pixels[y], 3);
}

/* Those of the bytes x .. x + 63 of an output row that are in `mask`. */
static inline void vertical_64(guint8 *dst, const guint8 *const *rows, gsize x, __mmask64 mask,
                               const gint16 *split, guint count)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i hi0 = zero, hi1 = zero, hi2 = zero, hi3 = zero;
    __m512i lo0 = zero, lo1 = zero, lo2 = zero, lo3 = zero;

    for (guint j = 0; j < count; j += 2, split += 4) {
        __m512i w_hi = pair_of(split), w_lo = pair_of(split + 2);
        __m512i a = _mm512_maskz_loadu_epi8(mask, rows[j] + x);
        __m512i b = _mm512_maskz_loadu_epi8(mask, rows[j + 1] + x);
        __m512i ab, in;
        /* In each quarter bytes 0-3, 4-7, 8-11, 12-15: the order that packing undoes. */
        ab = _mm512_unpacklo_epi8(a, b);
        in = _mm512_unpacklo_epi8(ab, zero);
        hi0 = _mm512_add_epi32(hi0, _mm512_madd_epi16(in, w_hi));
        lo0 = _mm512_add_epi32(lo0, _mm512_madd_epi16(in, w_lo));
        in = _mm512_unpackhi_epi8(ab, zero);
        hi1 = _mm512_add_epi32(hi1, _mm512_madd_epi16(in, w_hi));
        lo1 = _mm512_add_epi32(lo1, _mm512_madd_epi16(in, w_lo));
        ab = _mm512_unpackhi_epi8(a, b);
        in = _mm512_unpacklo_epi8(ab, zero);
        hi2 = _mm512_add_epi32(hi2, _mm512_madd_epi16(in, w_hi));
        lo2 = _mm512_add_epi32(lo2, _mm512_madd_epi16(in, w_lo));
        in = _mm512_unpackhi_epi8(ab, zero);
        hi3 = _mm512_add_epi32(hi3, _mm512_madd_epi16(in, w_hi));
        lo3 = _mm512_add_epi32(lo3, _mm512_madd_epi16(in, w_lo));
    }
    __m512i words01 = _mm512_packs_epi32(rounded(hi0, lo0), rounded(hi1, lo1));
    __m512i words23 = _mm512_packs_epi32(rounded(hi2, lo2), rounded(hi3, lo3));
    _mm512_mask_storeu_epi8(dst + x, mask, _mm512_packus_epi16(words01, words23));
}

void g4_resize_vertical_u8_avx512(guint8 *dst, const guint8 *const *rows, gsize bytes,
                                  const G4ResizePass *pass, guint i)
{
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;

    for (gsize x = 0; x < bytes; x += 64) {
        gsize left = bytes - x;
        __mmask64 mask = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
        vertical_64(dst, rows, x, mask, split, pass->count[i]);
    }
}
