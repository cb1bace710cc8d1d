/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product round a tile of sums, which the file that includes this defines:
 *
 *     NAME, LEVEL, NR, KR, FIRST_HEIGHT
 *     sum_tile(height, a, a_stride, b, k, sums): sums[height][NR / 4] = a[height, k] panel[k, NR],
 *         height a constant, k a multiple of KR
 *
 * Both sides are signed: rows are kept as q - 128, and by the sums of the weights the products are
 * brought from 128 to the row's own zero point. All of it is exact.
 */
#include "../gemm.h"
#include "../gemm_int8.h"
#include "load.h"
#include "tiles.h"

static gsize packed_size(guint out, guint in)
{
    return int8_packed_size(NR, KR, out, in);
}

static float largest_weight(const float *row, guint n)
{
    float32x4_t largest = vdupq_n_f32(0.0f);
    float room[BLOCK];

    for (guint k = 0; k < n; k += BLOCK) {
        const float *v = block_of(row, k, n, room);
        for (guint i = 0; i < BLOCK; i += 4)
            largest = vmaxnmq_f32(largest, vabsq_f32(vld1q_f32(v + i)));
    }
    return vmaxnmvq_f32(largest);
}

/* Whole floats -128 .. 127 as bytes. */
static inline int8x16_t to_bytes(const float32x4_t q[4])
{
    const int16x8_t lo =
        vcombine_s16(vmovn_s32(vcvtq_s32_f32(q[0])), vmovn_s32(vcvtq_s32_f32(q[1])));
    const int16x8_t hi =
        vcombine_s16(vmovn_s32(vcvtq_s32_f32(q[2])), vmovn_s32(vcvtq_s32_f32(q[3])));
    return vcombine_s8(vmovn_s16(lo), vmovn_s16(hi));
}

/* As keys are packed anew where others lay, nothing that is there counts. */
static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    float *scales = int8_scales(packed, NR, KR, out, in);
    gint32 *sums = int8_sums(packed, NR, KR, out, in);
    const gsize columns = int8_columns(NR, out);
    const float32x4_t bottom = vdupq_n_f32(-127.0f), top = vdupq_n_f32(127.0f);
    float room[BLOCK];

    for (guint j = first; j < first + count; j++, rows += stride) {
        float inverse;
        gint32 sum = 0;
        scales[j] = int8_weight_scale(largest_weight(rows, in), &inverse);
        for (guint k = 0; k < in; k += BLOCK) {
            const float *v = block_of(rows, k, in, room);
            gint8 bytes[BLOCK];
            float32x4_t q[4];
            for (int i = 0; i < 4; i++) {
                q[i] = vrndnq_f32(vmulq_n_f32(vld1q_f32(v + 4 * i), inverse));
                q[i] = vminnmq_f32(vmaxnmq_f32(q[i], bottom), top);
            }
            vst1q_s8(bytes, to_bytes(q));
            const guint n = MIN(in - k, BLOCK);
            memset(bytes + n, 0, BLOCK - n);
            if (k % G4_K_UNIT == 0)
                sum = 0;
            for (guint i = 0; i < BLOCK; i++)
                sum += bytes[i];
            for (guint i = 0; i < n; i += KR)
                memcpy(int8_at(packed, NR, KR, in, j, k + i), bytes + i, KR);
            sums[k / G4_K_UNIT * columns + j] = sum;
        }
    }
}

/* Not a multiple of 1024: rows would fall onto the same cache sets. */
static gsize loaded_stride(guint in)
{
    const gsize bytes = INT8_ROW_HEADER + ((gsize)in + 63) / 64 * 64;
    return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    const float32x4_t l = vdupq_n_f32(lo), h = vdupq_n_f32(hi);
    const float32x4_t nothing = vdupq_n_f32(0.0f), all = vdupq_n_f32(255.0f);
    const float32x4_t middle = vdupq_n_f32(128.0f);
    float room[BLOCK], scale_room[BLOCK];

    for (guint row = 0; row < n; row++, x += x_stride) {
        guint8 *head = (guint8 *)a + row * a_stride;
        gint8 *values = (gint8 *)(head + INT8_ROW_HEADER);
        float32x4_t smallest = nothing, largest = nothing;
        float inverse;
        for (guint k = 0; k < in; k += BLOCK) {
            const float *v = block_of(x, k, in, room);
            const float *s = scale ? block_of(scale, k, in, scale_room) : NULL;
            for (guint i = 0; i < BLOCK; i += 4) {
                const float32x4_t b = bounded(v + i, s ? s + i : NULL, l, h);
                smallest = vminnmq_f32(smallest, b);
                largest = vmaxnmq_f32(largest, b);
            }
        }
        const Int8Row r = int8_row(vminnmvq_f32(smallest), vmaxnmvq_f32(largest), &inverse);
        memcpy(head, &r, sizeof r);
        const float32x4_t zero = vdupq_n_f32((float)r.zero);
        for (guint k = 0; k < in; k += BLOCK) {
            const float *v = block_of(x, k, in, room);
            const float *s = scale ? block_of(scale, k, in, scale_room) : NULL;
            float32x4_t q[4];
            for (guint i = 0; i < 4; i++) {
                const float32x4_t b = bounded(v + 4 * i, s ? s + 4 * i : NULL, l, h);
                q[i] = vaddq_f32(vrndnq_f32(vmulq_n_f32(b, inverse)), zero);
                q[i] = vsubq_f32(vminnmq_f32(vmaxnmq_f32(q[i], nothing), all), middle);
            }
            vst1q_s8(values + k, to_bytes(q));
        }
    }
}

/* c[height, NR] (+)= scaled (a[height, k] panel[k, NR] + (128 - zero) * weights[NR]) */
static inline __attribute__((always_inline)) void
tile(const int height, const guint8 *a, gsize a_stride, const gint8 *b, guint k,
     const float *scales, const int32x4_t weights[NR / 4], float *c, gsize ldc, gboolean accumulate)
{
    int32x4_t sums[FIRST_HEIGHT][NR / 4];

    sum_tile(height, (const gint8 *)a + INT8_ROW_HEADER, a_stride, b, k, sums);
#pragma GCC unroll 8
    for (int i = 0; i < height; i++, a += a_stride, c += ldc) {
        Int8Row r;
        memcpy(&r, a, sizeof r);
#pragma GCC unroll 2
        for (int v = 0; v < NR / 4; v++) {
            const int32x4_t sum = vmlaq_n_s32(sums[i][v], weights[v], 128 - r.zero);
            const float32x4_t s = vmulq_n_f32(vld1q_f32(scales + 4 * v), r.scale);
            const float32x4_t y = vmulq_f32(vcvtq_f32_s32(sum), s);
            vst1q_f32(c + 4 * v, accumulate ? vaddq_f32(vld1q_f32(c + 4 * v), y) : y);
        }
    }
}

static void run(const void *rows_of_a, gsize a_stride, guint rows, const void *packed, guint out,
                guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                gboolean accumulate)
{
    const guint8 *a = rows_of_a;
    const float *scales = int8_scales((void *)packed, NR, KR, out, in) + n0;
    const gint32 *all_sums = int8_sums((void *)packed, NR, KR, out, in) + n0;
    const gsize columns = int8_columns(NR, out);

    /* Only of whole units are there sums of weights. */
    g_assert((k0 + k) % G4_K_UNIT == 0 || k0 + k == in);
    for (guint j = 0; j < n; j += NR) {
        const gint8 *b = int8_at((void *)packed, NR, KR, in, n0 + j, k0);
        int32x4_t weights[NR / 4];
        for (int v = 0; v < NR / 4; v++) {
            weights[v] = vdupq_n_s32(0);
            for (guint g = k0 / G4_K_UNIT; g * G4_K_UNIT < k0 + k; g++)
                weights[v] = vaddq_s32(weights[v], vld1q_s32(all_sums + g * columns + j + 4 * v));
        }
#define TILE(i, height)                                                                            \
    tile(height, a + (i)*a_stride, a_stride, b, int8_round_up(k, KR), scales + j, weights,         \
         c + (i)*ldc + j, ldc, accumulate)
        TILES(rows, TILE);
#undef TILE
    }
}

const G4Gemm NAME = {
    .name = LEVEL,
    .nr = NR,
    .row_block = 96,
    .evens_out = TRUE,
    .packed_size = packed_size,
    .pack = pack,
    .loaded_stride = loaded_stride,
    .load = load,
    .run = run,
};
