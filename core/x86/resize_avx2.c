/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize kernels for AVX2. A weight of 24 bits is hi * 256 + lo; each half meets two samples at
 * once in vpmaddwd, the sums stay apart until the end. All of it is exact modulo 2^32.
 */
#include "../resize.h"

#include <immintrin.h>
#include <string.h>

#define ROUND (1 << (G4_RESIZE_BITS - 1))

/* One output pixel of four rows: 3 bytes and a 0 each, packed as rows 0, 2 in the lower and 1, 3 in
 * the upper half's first eight bytes. */
static inline __m256i four_pixels(const guint8 *const src[4], const G4ResizePass *pass, guint i)
{
    /* Bytes of four pixels to words: (R0 R1) (G0 G1) (B0 B1) 0 in the lower half, pixels 2 and 3 in
     * the upper one. */
    const __m256i spread = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,
                                            6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1,
                                            -1);
    const __m256i pick_hi = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i pick_lo = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;
    gsize at = (gsize)pass->first[i] * 3;
    guint groups = (pass->count[i] + 3) / 4;
    __m256i hi[4], lo[4];

    for (guint y = 0; y < 4; y++)
        hi[y] = lo[y] = _mm256_setzero_si256();
    for (guint g = 0; g < groups; g++, split += 8, at += 12) {
        __m256i w = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)split));
        __m256i w_hi = _mm256_permutevar8x32_epi32(w, pick_hi);
        __m256i w_lo = _mm256_permutevar8x32_epi32(w, pick_lo);
        for (guint y = 0; y < 4; y++) {
            __m256i in = _mm256_broadcastsi128_si256(
                _mm_loadu_si128((const __m128i *)(src[y] + at)));
            in = _mm256_shuffle_epi8(in, spread);
            hi[y] = _mm256_add_epi32(hi[y], _mm256_madd_epi16(in, w_hi));
            lo[y] = _mm256_add_epi32(lo[y], _mm256_madd_epi16(in, w_lo));
        }
    }
    for (guint y = 0; y < 4; y++)
        hi[y] = _mm256_add_epi32(_mm256_slli_epi32(hi[y], 8), lo[y]);

    /* Both halves of a row meet: rows 0 | 1, rows 2 | 3. */
    const __m256i round = _mm256_set1_epi32(ROUND);
    __m256i sum01 = _mm256_add_epi32(_mm256_permute2x128_si256(hi[0], hi[1], 0x20),
                                     _mm256_permute2x128_si256(hi[0], hi[1], 0x31));
    __m256i sum23 = _mm256_add_epi32(_mm256_permute2x128_si256(hi[2], hi[3], 0x20),
                                     _mm256_permute2x128_si256(hi[2], hi[3], 0x31));
    sum01 = _mm256_srai_epi32(_mm256_add_epi32(sum01, round), G4_RESIZE_BITS);
    sum23 = _mm256_srai_epi32(_mm256_add_epi32(sum23, round), G4_RESIZE_BITS);
    __m256i words = _mm256_packs_epi32(sum01, sum23);
    return _mm256_packus_epi16(words, words);
}

static inline void get_pixels(__m256i packed, guint32 pixels[4])
{
    __m128i even = _mm256_castsi256_si128(packed);
    __m128i odd = _mm256_extracti128_si256(packed, 1);
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
        get_pixels(four_pixels(in, pass, i), pixels);
        for (guint y = 0; y < 4; y++)
            memcpy(out[y] + (gsize)i * 3, &pixels[y], 4);
    }
    get_pixels(four_pixels(in, pass, last), pixels);
    for (guint y = 0; y < 4; y++)
        memcpy(out[y] + (gsize)last * 3, &pixels[y], 3);
}

/* Bytes x .. x + 31 of an output row. */
static inline void vertical_32(guint8 *dst, const guint8 *const *rows, gsize x,
                               const gint16 *split, guint count)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i hi[4], lo[4];

    for (guint k = 0; k < 4; k++)
        hi[k] = lo[k] = zero;
    for (guint j = 0; j < count; j += 2) {
        /* With an odd count the last row meets itself and a weight of 0. */
        const guint8 *second = rows[MIN(j + 1, count - 1)];
        __m256i a = _mm256_loadu_si256((const __m256i *)(rows[j] + x));
        __m256i b = _mm256_loadu_si256((const __m256i *)(second + x));
        const gint16 *pair = split + j / 4 * 8 + j % 4;
        gint32 pair_hi, pair_lo;
        memcpy(&pair_hi, pair, 4);
        memcpy(&pair_lo, pair + 4, 4);
        __m256i w_hi = _mm256_set1_epi32(pair_hi);
        __m256i w_lo = _mm256_set1_epi32(pair_lo);
        __m256i ab_lo = _mm256_unpacklo_epi8(a, b);
        __m256i ab_hi = _mm256_unpackhi_epi8(a, b);
        /* In each 128-bit half bytes 0-3, 4-7, 8-11, 12-15: the order that packing undoes. */
        const __m256i in[4] = {
            _mm256_unpacklo_epi8(ab_lo, zero),
            _mm256_unpackhi_epi8(ab_lo, zero),
            _mm256_unpacklo_epi8(ab_hi, zero),
            _mm256_unpackhi_epi8(ab_hi, zero),
        };
        for (guint k = 0; k < 4; k++) {
            hi[k] = _mm256_add_epi32(hi[k], _mm256_madd_epi16(in[k], w_hi));
            lo[k] = _mm256_add_epi32(lo[k], _mm256_madd_epi16(in[k], w_lo));
        }
    }
    const __m256i round = _mm256_set1_epi32(ROUND);
    for (guint k = 0; k < 4; k++) {
        hi[k] = _mm256_add_epi32(_mm256_slli_epi32(hi[k], 8), _mm256_add_epi32(lo[k], round));
        hi[k] = _mm256_srai_epi32(hi[k], G4_RESIZE_BITS);
    }
    _mm256_storeu_si256((__m256i *)(dst + x),
                        _mm256_packus_epi16(_mm256_packs_epi32(hi[0], hi[1]),
                                            _mm256_packs_epi32(hi[2], hi[3])));
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
    const __m256i squeeze = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
                                             0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1,
                                             -1);
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
    const __m256i alpha_lo = _mm256_setr_epi8(3, -1, 3, -1, 3, -1, 3, -1, 7, -1, 7, -1, 7, -1, 7, -1,
                                              3, -1, 3, -1, 3, -1, 3, -1, 7, -1, 7, -1, 7, -1, 7,
                                              -1);
    const __m256i alpha_hi = _mm256_setr_epi8(11, -1, 11, -1, 11, -1, 11, -1, 15, -1, 15, -1, 15, -1,
                                              15, -1, 11, -1, 11, -1, 11, -1, 11, -1, 15, -1, 15,
                                              -1, 15, -1, 15, -1);
    gsize i = 0;

    for (; pixels - i >= 11; i += 8) {
        __m256i in = _mm256_loadu_si256((const __m256i *)(src + 4 * i));
        __m256i lo = on_white(_mm256_unpacklo_epi8(in, zero), _mm256_shuffle_epi8(in, alpha_lo));
        __m256i hi = on_white(_mm256_unpackhi_epi8(in, zero), _mm256_shuffle_epi8(in, alpha_hi));
        _mm256_storeu_si256((__m256i *)(dst + 3 * i), drop_fourth(_mm256_packus_epi16(lo, hi)));
    }
    g4_rgb_from_rgba_c(dst + 3 * i, src + 4 * i, pixels - i);
}
