/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize kernels for AVX-512 (F and BW): those of resize_avx2.c on twice the width. The vertical
 * one takes the rest of a row under a mask.
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

/* Sixteen bytes of rows y, y + 4, y + 8 and y + 12. */
static inline __m512i load_rows(const guint8 *const *src, guint y, gsize at)
{
    __m512i in = _mm512_castsi128_si512(load(src[y] + at));
    in = _mm512_mask_broadcast_i32x4(in, 0x00f0, load(src[y + 4] + at));
    in = _mm512_mask_broadcast_i32x4(in, 0x0f00, load(src[y + 8] + at));
    return _mm512_mask_broadcast_i32x4(in, 0xf000, load(src[y + 12] + at));
}

/* Two pixels of 16 rows, spread out to the words (R0 R1) (G0 G1) (B0 B1) 0 of each row, by
 * channels: 16 rows of R, of G and of B. */
static inline void store_column(__m512i *column, __m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i rg01 = _mm512_unpacklo_epi32(a, b), rg23 = _mm512_unpacklo_epi32(c, d);
    __m512i b01 = _mm512_unpackhi_epi32(a, b), b23 = _mm512_unpackhi_epi32(c, d);

    _mm512_store_si512(column, _mm512_unpacklo_epi64(rg01, rg23));
    _mm512_store_si512(column + 1, _mm512_unpackhi_epi64(rg01, rg23));
    _mm512_store_si512(column + 2, _mm512_unpacklo_epi64(b01, b23));
}

/* Four pixels of 16 rows, from byte `at` on, to two columns. */
static inline void make_columns(__m512i *columns, const guint8 *const *src, gsize at)
{
    const __m512i spread01 = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m512i spread23 = _mm512_broadcast_i32x4(
        _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    __m512i a = load_rows(src, 0, at), b = load_rows(src, 1, at);
    __m512i c = load_rows(src, 2, at), d = load_rows(src, 3, at);

    store_column(columns, _mm512_shuffle_epi8(a, spread01), _mm512_shuffle_epi8(b, spread01),
                 _mm512_shuffle_epi8(c, spread01), _mm512_shuffle_epi8(d, spread01));
    store_column(columns + 3, _mm512_shuffle_epi8(a, spread23), _mm512_shuffle_epi8(b, spread23),
                 _mm512_shuffle_epi8(c, spread23), _mm512_shuffle_epi8(d, spread23));
}

/* An output pixel of 16 rows, 3 bytes and one of no meaning each, from the columns of its window.
 */
static inline __m512i resize_column(const __m512i *column, const gint16 *split, guint pairs)
{
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m512i zero = _mm512_setzero_si512();
    __m512i r_hi = zero, g_hi = zero, b_hi = zero;
    __m512i r_lo = zero, g_lo = zero, b_lo = zero;

    do {
        __m512i w_hi = pair_of(split), w_lo = pair_of(split + 2);
        r_hi = _mm512_add_epi32(r_hi, _mm512_madd_epi16(column[0], w_hi));
        r_lo = _mm512_add_epi32(r_lo, _mm512_madd_epi16(column[0], w_lo));
        g_hi = _mm512_add_epi32(g_hi, _mm512_madd_epi16(column[1], w_hi));
        g_lo = _mm512_add_epi32(g_lo, _mm512_madd_epi16(column[1], w_lo));
        b_hi = _mm512_add_epi32(b_hi, _mm512_madd_epi16(column[2], w_hi));
        b_lo = _mm512_add_epi32(b_lo, _mm512_madd_epi16(column[2], w_lo));
        split += 4;
        column += 3;
    } while (--pairs > 0);
    /* In each quarter four rows: R R R R G G G G B B B B, then row by row. */
    __m512i rg = _mm512_packs_epi32(rounded(r_hi, r_lo), rounded(g_hi, g_lo));
    __m512i bb = rounded(b_hi, b_lo);
    return _mm512_shuffle_epi8(_mm512_packus_epi16(rg, _mm512_packs_epi32(bb, bb)), order);
}

void g4_resize_horizontal_rgb_avx512(guint8 *dst, gsize dst_stride, const guint8 *src,
                                     gsize src_stride, guint rows, const G4ResizePass *pass,
                                     void *columns)
{
    const guint8 *in[16];
    guint8 *out[16];
    guint32 pixels[16];
    guint made = 0; /* columns of two pixels */

    /* Fewer rows than 16: the last one is done again and again. */
    for (guint y = 0; y < 16; y++) {
        in[y] = src + MIN(y, rows - 1) * src_stride;
        out[y] = dst + MIN(y, rows - 1) * dst_stride;
    }
    for (guint i = 0; i < pass->n_out; i++) {
        guint first = pass->first[i] / 2, pairs = (pass->count[i] + 1) / 2;

        for (; made < first + pairs; made += 2)
            make_columns((__m512i *)columns + (gsize)made * 3, in, (gsize)made * 6);
        _mm512_storeu_si512((__m512i *)(void *)pixels,
                            resize_column((__m512i *)columns + (gsize)first * 3,
                                          pass->split + (gsize)i * pass->taps * 2, pairs));
        /* The fourth byte is overwritten by the next pixel's first; the last pixel has no next. */
        if (i + 1 < pass->n_out) {
            for (guint y = 0; y < 16; y++)
                memcpy(out[y] + (gsize)i * 3, &pixels[y], 4);
        } else {
            for (guint y = 0; y < 16; y++)
                memcpy(out[y] + (gsize)i * 3, &pixels[y], 3);
        }
    }
}

/* Those of the bytes x .. x + 63 of an output row that are in `mask`. */
static inline void vertical_64(guint8 *dst, const guint8 *const *rows, gsize x, __mmask64 mask,
                               const gint16 *split, guint pairs)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i hi0 = zero, hi1 = zero, hi2 = zero, hi3 = zero;
    __m512i lo0 = zero, lo1 = zero, lo2 = zero, lo3 = zero;

    do {
        __m512i w_hi = pair_of(split), w_lo = pair_of(split + 2);
        __m512i a = _mm512_maskz_loadu_epi8(mask, rows[0] + x);
        __m512i b = _mm512_maskz_loadu_epi8(mask, rows[1] + x);
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
        split += 4;
        rows += 2;
    } while (--pairs > 0);
    __m512i words01 = _mm512_packs_epi32(rounded(hi0, lo0), rounded(hi1, lo1));
    __m512i words23 = _mm512_packs_epi32(rounded(hi2, lo2), rounded(hi3, lo3));
    _mm512_mask_storeu_epi8(dst + x, mask, _mm512_packus_epi16(words01, words23));
}

void g4_resize_vertical_u8_avx512(guint8 *dst, const guint8 *const *rows, gsize bytes,
                                  const G4ResizePass *pass, guint i)
{
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;
    guint pairs = (pass->count[i] + 1) / 2;

    for (gsize x = 0; x < bytes; x += 64) {
        gsize left = bytes - x;
        __mmask64 mask = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
        vertical_64(dst, rows, x, mask, split, pairs);
    }
}
