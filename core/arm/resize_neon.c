/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize kernels for Advanced SIMD. Samples are brought to 32 bits by one table look-up each four,
 * and multiplied and added there; all of it is exact modulo 2^32.
 */
#include "../resize.h"

#include <arm_neon.h>
#include <string.h>

#define ROUND (1 << (G4_RESIZE_BITS - 1))
#define ROWS 4 /* of the horizontal kernel: their sums hide each other's latency */

/* An index that is none gives 0. */
#define NONE 255, 255, 255

/* Four bytes each. */
static const guint8 bytes_of[4][16] = {
    {0, NONE, 1, NONE, 2, NONE, 3, NONE},
    {4, NONE, 5, NONE, 6, NONE, 7, NONE},
    {8, NONE, 9, NONE, 10, NONE, 11, NONE},
    {12, NONE, 13, NONE, 14, NONE, 15, NONE},
};

/* Three of a pixel each, and the first of the next. */
static const guint8 pixel_of[4][16] = {
    {0, NONE, 1, NONE, 2, NONE, 3, NONE},
    {3, NONE, 4, NONE, 5, NONE, 6, NONE},
    {6, NONE, 7, NONE, 8, NONE, 9, NONE},
    {9, NONE, 10, NONE, 11, NONE, 12, NONE},
};

static inline int32x4_t look_up(uint8x16_t bytes, uint8x16_t which)
{
    return vreinterpretq_s32_u8(vqtbl1q_u8(bytes, which));
}

/* Sixteen sums, shifted, clamped. */
static inline uint8x16_t rounded(const int32x4_t sums[4])
{
    const int16x8_t lo = vcombine_s16(vmovn_s32(vshrq_n_s32(sums[0], G4_RESIZE_BITS)),
                                      vmovn_s32(vshrq_n_s32(sums[1], G4_RESIZE_BITS)));
    const int16x8_t hi = vcombine_s16(vmovn_s32(vshrq_n_s32(sums[2], G4_RESIZE_BITS)),
                                      vmovn_s32(vshrq_n_s32(sums[3], G4_RESIZE_BITS)));

    return vcombine_u8(vqmovun_s16(lo), vqmovun_s16(hi));
}

void g4_resize_horizontal_rgb_neon(guint8 *dst, gsize dst_stride, const guint8 *src,
                                   gsize src_stride, guint rows, const G4ResizePass *pass,
                                   void *columns)
{
    const uint8x16_t pixel0 = vld1q_u8(pixel_of[0]), pixel1 = vld1q_u8(pixel_of[1]);
    const uint8x16_t pixel2 = vld1q_u8(pixel_of[2]), pixel3 = vld1q_u8(pixel_of[3]);
    const guint8 *in[ROWS];
    guint8 *out[ROWS];

    (void)columns;
    /* Fewer rows: the last one is done again and again. */
    for (guint y = 0; y < ROWS; y++) {
        in[y] = src + MIN(y, rows - 1) * src_stride;
        out[y] = dst + MIN(y, rows - 1) * dst_stride;
    }
    for (guint i = 0; i < pass->n_out; i++) {
        const gint32 *w = pass->weights + (gsize)i * pass->taps;
        const guint count = pass->count[i];
        gsize at = (gsize)pass->first[i] * 3;
        int32x4_t sums[ROWS];
        guint32 pixels[ROWS];
        guint j = 0;

        for (guint y = 0; y < ROWS; y++)
            sums[y] = vdupq_n_s32(ROUND);
        /* Weights after `count` are 0, and there are an even number of them. */
        for (; j < count && j + 4 <= pass->taps; j += 4, at += 12) {
            const int32x4_t weights = vld1q_s32(w + j);
            for (guint y = 0; y < ROWS; y++) {
                const uint8x16_t bytes = vld1q_u8(in[y] + at);
                sums[y] = vmlaq_laneq_s32(sums[y], look_up(bytes, pixel0), weights, 0);
                sums[y] = vmlaq_laneq_s32(sums[y], look_up(bytes, pixel1), weights, 1);
                sums[y] = vmlaq_laneq_s32(sums[y], look_up(bytes, pixel2), weights, 2);
                sums[y] = vmlaq_laneq_s32(sums[y], look_up(bytes, pixel3), weights, 3);
            }
        }
        if (j < count) {
            const int32x2_t weights = vld1_s32(w + j);
            for (guint y = 0; y < ROWS; y++) {
                const uint8x16_t bytes = vld1q_u8(in[y] + at);
                sums[y] = vmlaq_lane_s32(sums[y], look_up(bytes, pixel0), weights, 0);
                sums[y] = vmlaq_lane_s32(sums[y], look_up(bytes, pixel1), weights, 1);
            }
        }
        vst1q_u32(pixels, vreinterpretq_u32_u8(rounded(sums)));
        /* The fourth byte is overwritten by the next pixel's first; the last pixel has no next. */
        if (i + 1 < pass->n_out) {
            for (guint y = 0; y < ROWS; y++)
                memcpy(out[y] + (gsize)i * 3, &pixels[y], 4);
        } else {
            for (guint y = 0; y < ROWS; y++)
                memcpy(out[y] + (gsize)i * 3, &pixels[y], 3);
        }
    }
}

/* Bytes x .. x + 15 of an output row. */
static inline void vertical_16(guint8 *dst, const guint8 *const *rows, gsize x, const gint32 *w,
                               guint count)
{
    int32x4_t sums[4];

    for (int i = 0; i < 4; i++)
        sums[i] = vdupq_n_s32(ROUND);
    for (guint j = 0; j < count; j++) {
        const uint8x16_t bytes = vld1q_u8(rows[j] + x);
        for (int i = 0; i < 4; i++)
            sums[i] = vmlaq_n_s32(sums[i], look_up(bytes, vld1q_u8(bytes_of[i])), w[j]);
    }
    vst1q_u8(dst + x, rounded(sums));
}

void g4_resize_vertical_u8_neon(guint8 *dst, const guint8 *const *rows, gsize bytes,
                                const G4ResizePass *pass, guint i)
{
    const gint32 *w = pass->weights + (gsize)i * pass->taps;
    gsize x;

    if (bytes < 16) {
        g4_resize_vertical_u8_c(dst, rows, bytes, pass, i);
        return;
    }
    for (x = 0; x + 16 <= bytes; x += 16)
        vertical_16(dst, rows, x, w, pass->count[i]);
    if (x < bytes)
        vertical_16(dst, rows, bytes - 16, w, pass->count[i]);
}

void g4_rgb_from_rgbx_neon(guint8 *dst, const guint8 *src, gsize pixels)
{
    gsize i = 0;

    for (; pixels - i >= 16; i += 16) {
        const uint8x16x4_t in = vld4q_u8(src + 4 * i);
        const uint8x16x3_t rgb = {{in.val[0], in.val[1], in.val[2]}};
        vst3q_u8(dst + 3 * i, rgb);
    }
    g4_rgb_from_rgbx_c(dst + 3 * i, src + 4 * i, pixels - i);
}

/* 255 - a (255 - c) / 255 of eight values. (t + 128 + (t + 128) / 256) / 256 is t / 255 to the
 * nearest for every t up to 255^2. */
static inline uint8x8_t on_white(uint8x8_t c, uint8x8_t a)
{
    const uint16x8_t t = vaddq_u16(vmull_u8(vmvn_u8(c), a), vdupq_n_u16(128));

    return vmvn_u8(vaddhn_u16(t, vshrq_n_u16(t, 8)));
}

void g4_rgb_from_rgba_neon(guint8 *dst, const guint8 *src, gsize pixels)
{
    gsize i = 0;

    for (; pixels - i >= 8; i += 8) {
        const uint8x8x4_t in = vld4_u8(src + 4 * i);
        const uint8x8x3_t rgb = {{on_white(in.val[0], in.val[3]), on_white(in.val[1], in.val[3]),
                                  on_white(in.val[2], in.val[3])}};
        vst3_u8(dst + 3 * i, rgb);
    }
    g4_rgb_from_rgba_c(dst + 3 * i, src + 4 * i, pixels - i);
}
