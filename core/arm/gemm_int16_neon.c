/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit product by multiply-adds of 16 bits into 32. A panel is
 *
 *     packed[panel][k][lane] = b[panel * NR + lane][k]
 *
 * with the scales where gemm_int16.h has them.
 */
#include "../gemm.h"
#include "../gemm_int16.h"
#include "load.h"

#include <string.h>

#define NR 8
#define FIRST_HEIGHT 8 /* x 2 vectors: 16 sums, 8 rows and the weights in 32 registers */

#include "tiles.h"

static gsize packed_size(guint out, guint in)
{
    return int16_packed_size(NR, out, in);
}

static inline gint16 *lane_at(void *packed, guint in, guint j, guint k)
{
    const gsize panel = (gsize)(j / NR) * NR * ((in + 1) & ~1u);

    return (gint16 *)packed + panel + (gsize)k * NR + j % NR;
}

static float largest_of(const float *x, const float *scale, guint n, float32x4_t lo, float32x4_t hi)
{
    float32x4_t largest = vdupq_n_f32(0.0f);
    float room[BLOCK], scale_room[BLOCK];

    for (guint k = 0; k < n; k += BLOCK) {
        const float *v = block_of(x, k, n, room);
        const float *s = scale ? block_of(scale, k, n, scale_room) : NULL;
        for (guint i = 0; i < BLOCK; i += 4)
            largest = vmaxnmq_f32(largest, vabsq_f32(bounded(v + i, s ? s + i : NULL, lo, hi)));
    }
    return vmaxnmvq_f32(largest);
}

static float unbounded_largest_of(const float *x, guint n)
{
    return largest_of(x, NULL, n, vdupq_n_f32(-INFINITY), vdupq_n_f32(INFINITY));
}

/* Eight values, to the nearest. */
static inline int16x8_t rounded(float32x4_t lo, float32x4_t hi, float inverse)
{
    const float32x4_t top = vdupq_n_f32(G4_INT16_LARGEST), bottom = vdupq_n_f32(-G4_INT16_LARGEST);

    lo = vminnmq_f32(vmaxnmq_f32(vrndnq_f32(vmulq_n_f32(lo, inverse)), bottom), top);
    hi = vminnmq_f32(vmaxnmq_f32(vrndnq_f32(vmulq_n_f32(hi, inverse)), bottom), top);
    return vcombine_s16(vmovn_s32(vcvtq_s32_f32(lo)), vmovn_s32(vcvtq_s32_f32(hi)));
}

/* dst[8 * k + row] = rows[row][k] for row, k = 0 .. 7 */
static inline void store_transposed(gint16 *dst, const int16x8_t rows[8])
{
    int16x8_t pairs[8];
    int32x4_t fours[8];

    for (int i = 0; i < 8; i += 2) {
        pairs[i] = vtrn1q_s16(rows[i], rows[i + 1]);
        pairs[i + 1] = vtrn2q_s16(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int odd = 0; odd < 2; odd++) {
            const int32x4_t a = vreinterpretq_s32_s16(pairs[i + odd]);
            const int32x4_t b = vreinterpretq_s32_s16(pairs[i + 2 + odd]);
            fours[i + odd] = vtrn1q_s32(a, b);
            fours[i + 2 + odd] = vtrn2q_s32(a, b);
        }
    for (int k = 0; k < 4; k++) {
        const int64x2_t a = vreinterpretq_s64_s32(fours[k]);
        const int64x2_t b = vreinterpretq_s64_s32(fours[k + 4]);
        vst1q_s16(dst + 8 * k, vreinterpretq_s16_s64(vtrn1q_s64(a, b)));
        vst1q_s16(dst + 8 * (k + 4), vreinterpretq_s16_s64(vtrn2q_s64(a, b)));
    }
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    float *scales = int16_column_scales(packed, NR, out, in);
    guint j = first;
    const guint last = first + count;

    while (j < last) {
        const guint n = j % NR == 0 && last - j >= NR ? NR : 1;
        float inverse[NR];
        guint k = 0;
        for (guint i = 0; i < n; i++)
            scales[j + i] = int16_scale(unbounded_largest_of(rows + i * stride, in), &inverse[i]);
        for (; n == NR && k + 8 <= in; k += 8) {
            int16x8_t r[NR];
            for (int i = 0; i < NR; i++) {
                const float *v = rows + i * stride + k;
                r[i] = rounded(vld1q_f32(v), vld1q_f32(v + 4), inverse[i]);
            }
            store_transposed(lane_at(packed, in, j, k), r);
        }
        for (guint i = 0; i < n; i++)
            for (guint kk = k; kk < in; kk++)
                *lane_at(packed, in, j + i, kk) = int16_round(rows[i * stride + kk], inverse[i]);
        j += n;
        rows += n * stride;
    }
}

static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    float *scales = int16_k_scales(packed, NR, out, in);

    for (guint k = first; k < first + count; k++, rows += stride) {
        guint j = 0;
        float inverse;
        scales[k] = int16_scale(unbounded_largest_of(rows, out), &inverse);
        for (; j + NR <= out; j += NR)
            vst1q_s16(lane_at(packed, in, j, k),
                      rounded(vld1q_f32(rows + j), vld1q_f32(rows + j + 4), inverse));
        for (; j < out; j++)
            *lane_at(packed, in, j, k) = int16_round(rows[j], inverse);
    }
}

static const float *scales_t(const void *packed, guint out, guint in)
{
    return int16_k_scales((void *)packed, NR, out, in);
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    const float32x4_t l = vdupq_n_f32(lo), h = vdupq_n_f32(hi);
    float room[BLOCK], scale_room[BLOCK];

    for (guint i = 0; i < n; i++, x += x_stride) {
        guint8 *row = (guint8 *)a + i * a_stride;
        gint16 *values = (gint16 *)(row + INT16_ROW_HEADER);
        float inverse;
        const float own = int16_scale(largest_of(x, scale, in, l, h), &inverse);
        memcpy(row, &own, sizeof own);
        for (guint k = 0; k < in; k += BLOCK) {
            const float *v = block_of(x, k, in, room);
            const float *s = scale ? block_of(scale, k, in, scale_room) : NULL;
            for (guint at = 0; at < BLOCK; at += 8)
                vst1q_s16(values + k + at,
                          rounded(bounded(v + at, s ? s + at : NULL, l, h),
                                  bounded(v + at + 4, s ? s + at + 4 : NULL, l, h), inverse));
        }
    }
}

/* c[height, NR] (+)= a[height, k] panel[k, NR] times their rows' scales, which stand ahead of the
 * rows, and their columns'. `a` is at the k that comes first. */
static inline __attribute__((always_inline)) void
tile(const int height, const guint8 *row, gsize a_stride, const gint16 *a, const gint16 *b, guint k,
     const float32x4_t columns[2], float *c, gsize ldc, gboolean accumulate)
{
    const gsize stride = a_stride / sizeof *a;
    int32x4_t sum[FIRST_HEIGHT][2];

#pragma GCC unroll 8
    for (int i = 0; i < height; i++)
        sum[i][0] = sum[i][1] = vdupq_n_s32(0);
    for (; k >= 8; k -= 8, a += 8, b += 8 * NR) {
        int16x8_t x[FIRST_HEIGHT];
#pragma GCC unroll 8
        for (int i = 0; i < height; i++) {
            x[i] = vld1q_s16(a + i * stride);
            /* One of the registers 0 .. 15, whose 16-bit lanes alone an instruction can name. */
            __asm__("" : "+x"(x[i]));
        }
#define STEP(kk)                                                                                   \
    do {                                                                                           \
        const int16x8_t w = vld1q_s16(b + (kk)*NR);                                                \
        _Pragma("GCC unroll 8") for (int i = 0; i < height; i++)                                   \
        {                                                                                          \
            sum[i][0] = vmlal_laneq_s16(sum[i][0], vget_low_s16(w), x[i], kk);                     \
            sum[i][1] = vmlal_high_laneq_s16(sum[i][1], w, x[i], kk);                              \
        }                                                                                          \
    } while (0)
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
        STEP(4);
        STEP(5);
        STEP(6);
        STEP(7);
#undef STEP
    }
    for (; k > 0; k--, a++, b += NR) {
        const int16x8_t w = vld1q_s16(b);
#pragma GCC unroll 8
        for (int i = 0; i < height; i++) {
            sum[i][0] = vmlal_n_s16(sum[i][0], vget_low_s16(w), a[i * stride]);
            sum[i][1] = vmlal_high_n_s16(sum[i][1], w, a[i * stride]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < height; i++, row += a_stride, c += ldc) {
        float own;
        memcpy(&own, row, sizeof own);
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            const float32x4_t y = vmulq_f32(vcvtq_f32_s32(sum[i][v]), vmulq_n_f32(columns[v], own));
            vst1q_f32(c + 4 * v, accumulate ? vaddq_f32(vld1q_f32(c + 4 * v), y) : y);
        }
    }
}

/* Column scales NULL: 1. */
static void multiply(const guint8 *a, gsize a_stride, guint rows, const void *packed,
                     const float *scales, guint in, guint n0, guint n, guint k0, guint k, float *c,
                     gsize ldc, gboolean accumulate)
{
    for (guint j = 0; j < n; j += NR) {
        const float32x4_t one = vdupq_n_f32(1.0f);
        const float32x4_t columns[2] = {scales ? vld1q_f32(scales + n0 + j) : one,
                                        scales ? vld1q_f32(scales + n0 + j + 4) : one};
        for (guint at = 0; at < k; at += G4_INT16_SUM) {
            const gint16 *b = lane_at((void *)packed, in, n0 + j, k0 + at);
            const gint16 *values = (const gint16 *)(a + INT16_ROW_HEADER) + at;
#define TILE(i, height)                                                                            \
    tile(height, a + (i)*a_stride, a_stride, values + (i) * (a_stride / sizeof *values), b,        \
         MIN(k - at, G4_INT16_SUM), columns, c + (i)*ldc + j, ldc, accumulate || at > 0)
            TILES(rows, TILE);
#undef TILE
        }
    }
}

static void run(const void *a, gsize a_stride, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate)
{
    multiply(a, a_stride, rows, packed, int16_column_scales((void *)packed, NR, out, in), in, n0, n,
             k0, k, c, ldc, accumulate);
}

static void run_t(const void *a, gsize a_stride, guint rows, const void *packed, guint out,
                  guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                  gboolean accumulate)
{
    (void)out;
    multiply(a, a_stride, rows, packed, NULL, in, n0, n, k0, k, c, ldc, accumulate);
}

const G4Gemm g4_gemm_int16_neon = {
    .name = "int16",
    .nr = NR,
    .row_block = 96,
    .evens_out = TRUE,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .scales_t = scales_t,
    .loaded_stride = int16_loaded_stride,
    .load = load,
    .run = run,
    .run_t = run_t,
};
