/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize kernels for AVX-512 (F and BW): those of resize_avx2.c on twice the width. The horizontal
 * one has two rows in a register, the vertical one takes what is left of a row under a mask.
 */
#include "../resize.h"

#include <immintrin.h>
#include <string.h>

#define ROUND (1 << (G4_RESIZE_BITS - 1))

/* One output pixel of two rows, 3 bytes and a 0 each: the first and the third word of four bytes. */
static inline __m128i two_pixels(__m512i hi, __m512i lo)
{
    __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(hi, 8), lo);

    /* Quarters 0 and 1 hold the sums of the first row, 2 and 3 those of the second. */
    sum = _mm512_add_epi32(sum, _mm512_shuffle_i32x4(sum, sum, _MM_SHUFFLE(2, 3, 0, 1)));
    sum = _mm512_srai_epi32(_mm512_add_epi32(sum, _mm512_set1_epi32(ROUND)), G4_RESIZE_BITS);
    sum = _mm512_max_epi32(sum, _mm512_setzero_si512());
    return _mm512_cvtusepi32_epi8(sum);
}

/* Output pixel i of four rows. */
static inline void four_pixels(const guint8 *const src[4], const G4ResizePass *pass, guint i,
                               guint32 pixels[4])
{
    /* Bytes of four pixels to words: (R0 R1) (G0 G1) (B0 B1) 0 in one quarter, pixels 2 and 3 in
     * the next. */
    const __m512i spread = _mm512_broadcast_i64x4(_mm256_setr_epi8(
        0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8, -1,
        11, -1, -1, -1, -1, -1));
    const __m512i pick_hi = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1);
    const __m512i pick_lo = _mm512_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 2, 3, 3, 3, 3);
    const gint16 *split = pass->split + (gsize)i * pass->taps * 2;
    gsize at = (gsize)pass->first[i] * 3;
    guint groups = (pass->count[i] + 3) / 4;
    __m512i hi[2], lo[2];

    for (guint k = 0; k < 2; k++)
        hi[k] = lo[k] = _mm512_setzero_si512();
    for (guint g = 0; g < groups; g++, split += 8, at += 12) {
        __m512i w = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)split));
        __m512i w_hi = _mm512_permutexvar_epi32(pick_hi, w);
        __m512i w_lo = _mm512_permutexvar_epi32(pick_lo, w);
        for (guint k = 0; k < 2; k++) {
            const guint8 *upper = src[2 * k] + at;
            const guint8 *lower = src[2 * k + 1] + at;
            __m512i in = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)upper));
            in = _mm512_mask_broadcast_i32x4(in, 0xff00,
                                             _mm_loadu_si128((const __m128i *)lower));
            in = _mm512_shuffle_epi8(in, spread);
            hi[k] = _mm512_add_epi32(hi[k], _mm512_madd_epi16(in, w_hi));
            lo[k] = _mm512_add_epi32(lo[k], _mm512_madd_epi16(in, w_lo));
        }
    }
    for (guint k = 0; k < 2; k++) {
        __m128i packed = two_pixels(hi[k], lo[k]);
        pixels[2 * k] = _mm_cvtsi128_si32(packed);
        pixels[2 * k + 1] = _mm_extract_epi32(packed, 2);
    }
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
    __m512i hi[4], lo[4];

    for (guint k = 0; k < 4; k++)
        hi[k] = lo[k] = zero;
    for (guint j = 0; j < count; j += 2) {
        /* With an odd count the last row meets itself and a weight of 0. */
        const guint8 *second = rows[MIN(j + 1, count - 1)];
        __m512i a = _mm512_maskz_loadu_epi8(mask, rows[j] + x);
        __m512i b = _mm512_maskz_loadu_epi8(mask, second + x);
        const gint16 *pair = split + j / 4 * 8 + j % 4;
        gint32 pair_hi, pair_lo;
        memcpy(&pair_hi, pair, 4);
        memcpy(&pair_lo, pair + 4, 4);
        __m512i w_hi = _mm512_set1_epi32(pair_hi);
        __m512i w_lo = _mm512_set1_epi32(pair_lo);
        __m512i ab_lo = _mm512_unpacklo_epi8(a, b);
        __m512i ab_hi = _mm512_unpackhi_epi8(a, b);
        /* In each quarter bytes 0-3, 4-7, 8-11, 12-15: the order that packing undoes. */
        const __m512i in[4] = {
            _mm512_unpacklo_epi8(ab_lo, zero),
            _mm512_unpackhi_epi8(ab_lo, zero),
            _mm512_unpacklo_epi8(ab_hi, zero),
            _mm512_unpackhi_epi8(ab_hi, zero),
        };
        for (guint k = 0; k < 4; k++) {
            hi[k] = _mm512_add_epi32(hi[k], _mm512_madd_epi16(in[k], w_hi));
            lo[k] = _mm512_add_epi32(lo[k], _mm512_madd_epi16(in[k], w_lo));
        }
    }
    const __m512i round = _mm512_set1_epi32(ROUND);
    for (guint k = 0; k < 4; k++) {
        hi[k] = _mm512_add_epi32(_mm512_slli_epi32(hi[k], 8), _mm512_add_epi32(lo[k], round));
        hi[k] = _mm512_srai_epi32(hi[k], G4_RESIZE_BITS);
    }
    _mm512_mask_storeu_epi8(dst + x, mask,
                            _mm512_packus_epi16(_mm512_packs_epi32(hi[0], hi[1]),
                                                _mm512_packs_epi32(hi[2], hi[3])));
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
