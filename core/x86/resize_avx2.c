/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize kernels for AVX2. A weight of 24 bits is hi * 256 + lo; each half meets two samples at
 * once in vpmaddwd, the sums stay apart until the end. All of it is exact modulo 2^32.
 *
 * The horizontal kernel turns its rows into columns of two pixels first, so that both passes are
 * the same: one pair of weights for all lanes.
 */
#include "../resize.h"

#include <immintrin.h>
#include <string.h>

#define ROUND (1 << (G4_RESIZE_BITS - 1))

/* What the sums of both halves of the weights make, before the clamp. */
static inline __m256i rounded(__m256i hi, __m256i lo)
{
    lo = _mm256_add_epi32(lo, _mm256_set1_epi32(ROUND));
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(hi, 8), lo), G4_RESIZE_BITS);
}

/* Adds the products of two samples and two weights to each lane of the sum. The empty statement
 * keeps GCC 12 from gathering all products before the sums, for which there are no registers. */
static inline void add_products(__m256i *sum, __m256i in, __m256i w)
{
    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(in, w));
    __asm__("" : "+x"(*sum));
}

/* Two weights, for every lane. */
static inline __m256i pair_of(const gint16 *split)
{
    gint32 pair;
    memcpy(&pair, split, sizeof pair);
    return _mm256_set1_epi32(pair);
}

static inline __m128i load(const guint8 *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* Sixteen bytes of rows y and y + 4. */
static inline __m256i load_rows(const guint8 *const *src, guint y, gsize at)
{
    __m256i in = _mm256_castsi128_si256(load(src[y] + at));
    return _mm256_inserti128_si256(in, load(src[y + 4] + at), 1);
}

/* Two pixels of 8 rows, spread out to the words (R0 R1) (G0 G1) (B0 B1) 0 of each row, by
 * channels: 8 rows of R, of G and of B. */
static inline void store_column(__m256i *column, __m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i rg01 = _mm256_unpacklo_epi32(a, b), rg23 = _mm256_unpacklo_epi32(c, d);
    __m256i b01 = _mm256_unpackhi_epi32(a, b), b23 = _mm256_unpackhi_epi32(c, d);

    _mm256_store_si256(column, _mm256_unpacklo_epi64(rg01, rg23));
    _mm256_store_si256(column + 1, _mm256_unpackhi_epi64(rg01, rg23));
    _mm256_store_si256(column + 2, _mm256_unpacklo_epi64(b01, b23));
}

/* Four pixels of 8 rows, from byte `at` on, to two columns. */
static inline void make_columns(__m256i *columns, const guint8 *const *src, gsize at)
{
    const __m256i spread01 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i spread23 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    __m256i a = load_rows(src, 0, at), b = load_rows(src, 1, at);
    __m256i c = load_rows(src, 2, at), d = load_rows(src, 3, at);

    store_column(columns, _mm256_shuffle_epi8(a, spread01), _mm256_shuffle_epi8(b, spread01),
                 _mm256_shuffle_epi8(c, spread01), _mm256_shuffle_epi8(d, spread01));
    store_column(columns + 3, _mm256_shuffle_epi8(a, spread23), _mm256_shuffle_epi8(b, spread23),
                 _mm256_shuffle_epi8(c, spread23), _mm256_shuffle_epi8(d, spread23));
}

/* An output pixel of 8 rows, 3 bytes and one of no meaning each, from the columns of its window. */
static inline __m256i resize_column(const __m256i *column, const gint16 *split, guint pairs)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m256i zero = _mm256_setzero_si256();
    __m256i r_hi = zero, g_hi = zero, b_hi = zero;
    __m256i r_lo = zero, g_lo = zero, b_lo = zero;

    do {
        __m256i w_hi = pair_of(split), w_lo = pair_of(split + 2);
        add_products(&r_hi, column[0], w_hi);
        add_products(&r_lo, column[0], w_lo);
        add_products(&g_hi, column[1], w_hi);
        add_products(&g_lo, column[1], w_lo);
        add_products(&b_hi, column[2], w_hi);
        add_products(&b_lo, column[2], w_lo);
        split += 4;
        column += 3;
    } while (--pairs > 0);
    /* In each half four rows: R R R R G G G G B B B B, then row by row. */
    __m256i rg = _mm256_packs_epi32(rounded(r_hi, r_lo), rounded(g_hi, g_lo));
    __m256i bb = rounded(b_hi, b_lo);
    return _mm256_shuffle_epi8(_mm256_packus_epi16(rg, _mm256_packs_epi32(bb, bb)), order);
}

void g4_resize_horizontal_rgb_avx2(guint8 *dst, gsize dst_stride, const guint8 *src,
                                   gsize src_stride, guint rows, const G4ResizePass *pass,
                                   void *columns)
{
    const guint8 *in[8];
    guint8 *out[8];
    guint32 pixels[8];
    guint made = 0; /* columns of two pixels */

    /* Fewer rows than 8: the last one is done again and again. */
    for (guint y = 0; y < 8; y++) {
        in[y] = src + MIN(y, rows - 1) * src_stride;
        out[y] = dst + MIN(y, rows - 1) * dst_stride;
    }
    for (guint i = 0; i < pass->n_out; i++) {
        guint first = pass->first[i] / 2, pairs = (pass->count[i] + 1) / 2;

        for (; made < first + pairs; made += 2)
            make_columns((__m256i *)columns + (gsize)made * 3, in, (gsize)made * 6);
        _mm256_storeu_si256((__m256i *)(void *)pixels,
                            resize_column((__m256i *)columns + (gsize)first * 3,
                                          pass->split + (gsize)i * pass->taps * 2, pairs));
        /* The fourth byte is overwritten by the next pixel's first; the last pixel has no next. */
        if (i + 1 < pass->n_out) {
            for (guint y = 0; y < 8; y++)
                memcpy(out[y] + (gsize)i * 3, &pixels[y], 4);
        } else {
            for (guint y = 0; y < 8; y++)
                memcpy(out[y] + (gsize)i * 3, &pixels[y], 3);
        }
    }
}

/* Bytes x .. x + 31 of an output row. */
static inline void vertical_32(guint8 *dst, const guint8 *const *rows, gsize x, const gint16 *split,
                               guint pairs)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i hi0 = zero, hi1 = zero, hi2 = zero, hi3 = zero;
    __m256i lo0 = zero, lo1 = zero, lo2 = zero, lo3 = zero;

    do {
        __m256i w_hi = pair_of(split), w_lo = pair_of(split + 2);
        __m256i a = _mm256_loadu_si256((const __m256i *)(rows[0] + x));
        __m256i b = _mm256_loadu_si256((const __m256i *)(rows[1] + x));
        __m256i ab, in;
        /* In each half bytes 0-3, 4-7, 8-11, 12-15: the order that packing undoes. */
        ab = _mm256_unpacklo_epi8(a, b);
        in = _mm256_unpacklo_epi8(ab, zero);
        add_products(&hi0, in, w_hi);
        add_products(&lo0, in, w_lo);
        in = _mm256_unpackhi_epi8(ab, zero);
        add_products(&hi1, in, w_hi);
        add_products(&lo1, in, w_lo);
        ab = _mm256_unpackhi_epi8(a, b);
        in = _mm256_unpacklo_epi8(ab, zero);
        add_products(&hi2, in, w_hi);
        add_products(&lo2, in, w_lo);
        in = _mm256_unpackhi_epi8(ab, zero);
        add_products(&hi3, in, w_hi);
        add_products(&lo3, in, w_lo);
        split += 4;
        rows += 2;
    } while (--pairs > 0);
    __m256i words01 = _mm256_packs_epi32(rounded(hi0, lo0), rounded(hi1, lo1));
    __m256i words23 = _mm256_packs_epi32(rounded(hi2, lo2), rounded(hi3, lo3));
    _mm256_storeu_si256((__m256i *)(dst + x), _mm256_packus_epi16(words01, words23));
}

void g4_resize_vertical_u8_avx2(guint8 *dst, const guint8 *const *rows, gsize bytes,
                                const G4ResizePass *pass, guint i)
{
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;
    guint pairs = (pass->count[i] + 1) / 2;
    gsize x;

    if (bytes < 32) {
        g4_resize_vertical_u8_c(dst, rows, bytes, pass, i);
        return;
    }
    for (x = 0; x + 32 <= bytes; x += 32)
        vertical_32(dst, rows, x, split, pairs);
    if (x < bytes)
        vertical_32(dst, rows, bytes - 32, split, pairs);
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
