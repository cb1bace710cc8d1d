/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product by 16-bit multiply-adds, over the vector types of simd_*.h. vpmaddubsw would
 * take the 8-bit values as they are, but its pairs of products saturate at 16 bits; widened, pairs
 * are summed into 32 bits exactly. Rows are kept as q - z, which need 9 bits.
 */
#include "../gemm.h"
#include "../gemm_int8.h"
#include "int8_pack.h"
#include "tile_rest.h"

#define NR (2 * VF_WIDTH)
#define KR 2

static gsize packed_size(guint out, guint in)
{
    return int8_packed_size(NR, KR, out, in);
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    pack_rows(packed, NR, KR, out, in, first, count, rows, stride);
}

static gsize loaded_stride(guint in)
{
    const gsize values = ((gsize)in * sizeof(gint16) + 63) / 64 * 64;
    return INT8_ROW_HEADER + values;
}

/* x[k .. k + n - 1], clamped and scaled; lanes from n on are 0. */
static inline vf bounded(const float *x, const float *scale, guint k, guint n, vf lo, vf hi)
{
    vf v = n == VF_WIDTH ? vf_load(x + k) : vf_load_n(x + k, n);

    v = vf_min(vf_max(v, lo), hi);
    if (scale)
        v = vf_mul(v, n == VF_WIDTH ? vf_load(scale + k) : vf_load_n(scale + k, n));
    return n == VF_WIDTH ? v : vf_select_n(v, vf_set1(0.0f), n);
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    const vf l = vf_set1(lo), h = vf_set1(hi);

    for (guint i = 0; i < n; i++, x += x_stride) {
        guint8 *row = (guint8 *)a + i * a_stride;
        gint16 *values = (gint16 *)(row + INT8_ROW_HEADER);
        vf smallest = vf_set1(0.0f), largest = smallest;
        float inverse;
        for (guint k = 0; k < in; k += VF_WIDTH) {
            const vf v = bounded(x, scale, k, MIN(in - k, VF_WIDTH), l, h);
            smallest = vf_min(smallest, v);
            largest = vf_max(largest, v);
        }
        const Int8Row r =
            int8_row(-vf_max_lane(vf_sub(vf_set1(0.0f), smallest)), vf_max_lane(largest), &inverse);
        memcpy(row, &r, sizeof r);
        const vf zero = vf_set1((float)r.zero), inv = vf_set1(inverse);
        const vf bottom = vf_sub(vf_set1(0.0f), zero), top = vf_sub(vf_set1(255.0f), zero);
        for (guint k = 0; k < in; k += VF_WIDTH) {
            const vf v = bounded(x, scale, k, MIN(in - k, VF_WIDTH), l, h);
            vi16_store(values + k, vf_min(vf_max(vf_round(vf_mul(v, inv)), bottom), top));
        }
    }
}

/* c[rows, NR] (+)= scaled a[rows, 2 pairs] panel[2 pairs, NR]; rows is a constant in every call. */
static inline __attribute__((always_inline)) void tile(const int rows, const guint8 *a,
                                                       gsize a_stride, const gint8 *b, guint pairs,
                                                       const float *scales, float *c, gsize ldc,
                                                       gboolean accumulate)
{
    vi sum[TILE_ROWS][2];

#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = vi_zero();
    const guint8 *p0 = a + INT8_ROW_HEADER, *p1 = p0 + 3 * a_stride, *p2 = p0 + 6 * a_stride,
                 *p3 = p0 + 9 * a_stride;
    for (guint k = 0; k < pairs; k++, b += KR * NR) {
        const vi b0 = vi_load_8_to_16(b), b1 = vi_load_8_to_16(b + NR);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const guint8 *p = i < 3 ? p0 : i < 6 ? p1 : i < 9 ? p2 : p3;
            int word;
            memcpy(&word, p + (i % 3) * a_stride, sizeof word);
            const vi x = vi_set1_32(word);
            sum[i][0] = vi_add_madd(sum[i][0], x, b0);
            sum[i][1] = vi_add_madd(sum[i][1], x, b1);
        }
        p0 += 4;
        p1 += 4;
        p2 += 4;
        p3 += 4;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        Int8Row r;
        memcpy(&r, a + i * a_stride, sizeof r);
        for (int v = 0; v < 2; v++) {
            float *dst = c + i * ldc + v * VF_WIDTH;
            const vf s = vf_mul(vf_set1(r.scale), vf_load(scales + v * VF_WIDTH));
            const vf y = vf_mul(vi_to_float(sum[i][v]), s);
            vf_store(dst, accumulate ? vf_add(vf_load(dst), y) : y);
        }
    }
}

static void run_rest(guint rows, const guint8 *a, gsize a_stride, const gint8 *b, guint pairs,
                     const float *scales, float *c, gsize ldc, gboolean accumulate)
{
#define TILE(n) tile(n, a, a_stride, b, pairs, scales, c, ldc, accumulate)
    TILE_REST(rows, TILE)
#undef TILE
}

static void run(const void *rows_of_a, gsize a_stride, guint rows, const void *packed, guint out,
                guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                gboolean accumulate)
{
    const guint8 *a = rows_of_a;
    const float *scales = int8_scales((void *)packed, NR, KR, out, in) + n0;
    const guint pairs = (k + 1) / 2;

    for (guint j = 0; j < n; j += NR) {
        const gint8 *b = int8_at((void *)packed, NR, KR, in, n0 + j, k0);
        guint i = 0;
        for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
            tile(TILE_ROWS, a + i * a_stride, a_stride, b, pairs, scales + j, c + i * ldc + j, ldc,
                 accumulate);
        run_rest(rows - i, a + i * a_stride, a_stride, b, pairs, scales + j, c + i * ldc + j, ldc,
                 accumulate);
    }
}

const G4Gemm VF_NAME(g4_gemm_int8) = {
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
