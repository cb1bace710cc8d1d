/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize kernels for AVX2. A weight of 24 bits is hi * 256 + lo; each half meets two samples at
 * once in vpmaddwd, the sums stay apart until the end. All of it is exact modulo 2^32.
 */
#include "../resize.h"

#include <immintrin.h>
#include <string.h>

#define ROUND (1 << (G4_RESIZE_BITS - 1))

/* Pixels x and x + 1 of two rows as words: (R0 R1) (G0 G1) (B0 B1) 0, one row in each half. */
static inline __m256i two_rows(const guint8 *upper, const guint8 *lower)
{
    const __m256i spread = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    __m256i in = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)upper));
    in = _mm256_inserti128_si256(in, _mm_loadu_si128((const __m128i *)lower), 1);
    return _mm256_shuffle_epi8(in, spread);
}

/* What the sums of both halves of the weights make, before the clamp. */
static inline __m256i rounded(__m256i hi, __m256i lo)
{
    lo = _mm256_add_epi32(lo, _mm256_set1_epi32(ROUND));
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(hi, 8), lo), G4_RESIZE_BITS);
}

/* Two weights, for every lane. */
static inline __m256i pair_of(const gint16 *split)
{
    gint32 pair;
    memcpy(&pair, split, sizeof pair);
    return _mm256_set1_epi32(pair);
}

/* Output pixel i of four rows: 3 bytes and a 0 each. */
static inline void four_pixels(const guint8 *const src[4], const G4ResizePass *pass, guint i,
                               guint32 pixels[4])
{
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;
    gsize at = (gsize)pass->first[i] * 3;
    guint pairs = (pass->count[i] + 1) / 2;
    __m256i hi01 = _mm256_setzero_si256(), lo01 = hi01;
    __m256i hi23 = hi01, lo23 = hi01;

    for (guint p = 0; p < pairs; p++, split += 4, at += 6) {
        __m256i w_hi = pair_of(split), w_lo = pair_of(split + 2);
        __m256i in01 = two_rows(src[0] + at, src[1] + at);
        __m256i in23 = two_rows(src[2] + at, src[3] + at);
        hi01 = _mm256_add_epi32(hi01, _mm256_madd_epi16(in01, w_hi));
        lo01 = _mm256_add_epi32(lo01, _mm256_madd_epi16(in01, w_lo));
        hi23 = _mm256_add_epi32(hi23, _mm256_madd_epi16(in23, w_hi));
        lo23 = _mm256_add_epi32(lo23, _mm256_madd_epi16(in23, w_lo));
    }
    /* Rows 0, 2 in the lower half, 1, 3 in the upper one. */
    __m256i words = _mm256_packs_epi32(rounded(hi01, lo01), rounded(hi23, lo23));
    __m256i bytes = _mm256_packus_epi16(words, words);
    __m128i even = _mm256_castsi256_si128(bytes);
    __m128i odd = _mm256_extracti128_si256(bytes, 1);
    pixels[0] = _mm_cvtsi128_si32(even);
    pixels[1] = _mm_cvtsi128_si32(odd);
    pixels[2] = _mm_extract_epi32(even, 1);
    pixels[3] = _mm_extract_epi32(odd, 1);
}

void g4_resize_horizontal_rgb_avx2(guint8 *dst, gsize dst_stride, const guint8 *src,
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

/* Bytes x .. x + 31 of an output row. */
static inline void vertical_32(guint8 *dst, const guint8 *const *rows, gsize x, const gint16 *split,
                               guint count)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i hi0 = zero, hi1 = zero, hi2 = zero, hi3 = zero;
    __m256i lo0 = zero, lo1 = zero, lo2 = zero, lo3 = zero;

    for (guint j = 0; j < count; j += 2, split += 4) {
        __m256i w_hi = pair_of(split), w_lo = pair_of(split + 2);
        __m256i a = _mm256_loadu_si256((const __m256i *)(rows[j] + x));
        __m256i b = _mm256_loadu_si256((const __m256i *)(rows[j + 1] + x));
        __m256i ab, in;
        /* In each half bytes 0-3, 4-7, 8-11, 12-15: the order that packing undoes. */
        ab = _mm256_unpacklo_epi8(a, b);
        in = _mm256_unpacklo_epi8(ab, zero);
        hi0 = _mm256_add_epi32(hi0, _mm256_madd_epi16(in, w_hi));
        lo0 = _mm256_add_epi32(lo0, _mm256_madd_epi16(in, w_lo));
        in = _mm256_unpackhi_epi8(ab, zero);
        hi1 = _mm256_add_epi32(hi1, _mm256_madd_epi16(in, w_hi));
        lo1 = _mm256_add_epi32(lo1, _mm256_madd_epi16(in, w_lo));
        ab = _mm256_unpackhi_epi8(a, b);
        in = _mm256_unpacklo_epi8(ab, zero);
        hi2 = _mm256_add_epi32(hi2, _mm256_madd_epi16(in, w_hi));
        lo2 = _mm256_add_epi32(lo2, _mm256_madd_epi16(in, w_lo));
        in = _mm256_unpackhi_epi8(ab, zero);
        hi3 = _mm256_add_epi32(hi3, _mm256_madd_epi16(in, w_hi));
        lo3 = _mm256_add_epi32(lo3, _mm256_madd_epi16(in, w_lo));
    }
    __m256i words01 = _mm256_packs_epi32(rounded(hi0, lo0), rounded(hi1, lo1));
    __m256i words23 = _mm256_packs_epi32(rounded(hi2, lo2), rounded(hi3, lo3));
    _mm256_storeu_si256((__m256i *)(dst + x), _mm256_packus_epi16(words01, words23));
}

void g4_resize_vertical_u8_avx2(guint8 *dst, const guint8 *const *rows, gsize bytes,
                                const G4ResizePass *pass, guint i)
{
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;
    gsize x;

    if (bytes < 32) {
        g4_resize_vertical_u8_c(dst, rows, bytes, pass, i);
        return;
    }
    for (x = 0; x + 32 <= bytes; x += 32)
        vertical_32(dst, rows, x, split, pass->count[i]);
    if (x < bytes)
        vertical_32(dst, rows, bytes - 32, split, pass->count[i]);
}

/* Eight pixels of four bytes to 24 bytes and 8 bytes of no meaning. */
static inline __m256i drop_fourth(__m256i pixels)
{
    const __m256i squeeze =
        _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6,
                         8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    const __m256i join = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(pixels, squeeze), join);
}

void g4_rgb_from_rgbx_avx2(guint8 *dst, const guint8 *src, gsize pixels)
{
    gsize i = 0;

    /* A store of 32 bytes for 24: only where three more pixels follow to overwrite the rest. */
    for (; pixels - i >= 11; i += 8) {
        __m256i in = _mm256_loadu_si256((const __m256i *)(src + 4 * i));
        _mm256_storeu_si256((__m256i *)(dst + 3 * i), drop_fourth(in));
    }
    g4_rgb_from_rgbx_c(dst + 3 * i, src + 4 * i, pixels - i);
}

/* Four channels of a pixel in words, `in` and the pixel's alpha: 255 - a (255 - c) / 255. */
static inline __m256i on_white(__m256i in, __m256i alpha)
{
    const __m256i white = _mm256_set1_epi16(255);
    __m256i t = _mm256_mullo_epi16(_mm256_sub_epi16(white, in), alpha);
    /* (t + 128 + (t + 128) / 256) / 256 is t / 255 to the nearest for every t up to 255^2. */
    t = _mm256_add_epi16(t, _mm256_set1_epi16(128));
    t = _mm256_srli_epi16(_mm256_add_epi16(t, _mm256_srli_epi16(t, 8)), 8);
    return _mm256_sub_epi16(white, t);
}

void g4_rgb_from_rgba_avx2(guint8 *dst, const guint8 *src, gsize pixels)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i alpha_lo =
        _mm256_setr_epi8(3, -1, 3, -1, 3, -1, 3, -1, 7, -1, 7, -1, 7, -1, 7, -1, 3, -1, 3, -1, 3,
                         -1, 3, -1, 7, -1, 7, -1, 7, -1, 7, -1);
    const __m256i alpha_hi =
        _mm256_setr_epi8(11, -1, 11, -1, 11, -1, 11, -1, 15, -1, 15, -1, 15, -1, 15, -1, 11, -1, 11,
                         -1, 11, -1, 11, -1, 15, -1, 15, -1, 15, -1, 15, -1);
    gsize i = 0;

    for (; pixels - i >= 11; i += 8) {
        __m256i in = _mm256_loadu_si256((const __m256i *)(src + 4 * i));
        __m256i lo = on_white(_mm256_unpacklo_epi8(in, zero), _mm256_shuffle_epi8(in, alpha_lo));
        __m256i hi = on_white(_mm256_unpackhi_epi8(in, zero), _mm256_shuffle_epi8(in, alpha_hi));
        _mm256_storeu_si256((__m256i *)(dst + 3 * i), drop_fourth(_mm256_packus_epi16(lo, hi)));
    }
    g4_rgb_from_rgba_c(dst + 3 * i, src + 4 * i, pixels - i);
}
