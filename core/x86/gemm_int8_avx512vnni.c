/* SPDX-License-Identifier: Apache-2.0
 *
 * The 8-bit product for AVX-512 VNNI: four products of unsigned rows and signed weights a lane and
 * instruction. The rows' zero points are taken off at the end by the sums of the weights.
 */
#include "simd_avx512.h"

#include "int8_pack.h"
#include "vnni.h"

#define NR 32
#define KR 4
#define TILE_ROWS 12 /* x 2 vectors: 24 sums of the 32 registers */

#include "tile_rest.h"

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
    const gsize bytes = INT8_ROW_HEADER + ((gsize)in + 63) / 64 * 64;
    return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

/* x[k .. k + 15], clamped and scaled; lanes outside the mask are 0. */
static inline __m512 bounded(const float *x, const float *scale, guint k, __mmask16 mask, __m512 lo,
                             __m512 hi)
{
    __m512 v = _mm512_maskz_loadu_ps(mask, x + k);

    v = _mm512_maskz_min_ps(mask, _mm512_max_ps(v, lo), hi);
    return scale ? _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, scale + k)) : v;
}

static inline __mmask16 mask_of(guint n)
{
    return (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1);
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    const __m512 l = _mm512_set1_ps(lo), h = _mm512_set1_ps(hi);

    for (guint i = 0; i < n; i++, x += x_stride) {
        guint8 *row = (guint8 *)a + i * a_stride, *values = row + INT8_ROW_HEADER;
        __m512 smallest = _mm512_setzero_ps(), largest = smallest;
        float inverse;
        for (guint k = 0; k < in; k += 16) {
            const __m512 v = bounded(x, scale, k, mask_of(in - k), l, h);
            smallest = _mm512_min_ps(smallest, v);
            largest = _mm512_max_ps(largest, v);
        }
        const Int8Row r =
            int8_row(_mm512_reduce_min_ps(smallest), _mm512_reduce_max_ps(largest), &inverse);
        memcpy(row, &r, sizeof r);
        const __m512 zero = _mm512_set1_ps((float)r.zero), inv = _mm512_set1_ps(inverse);
        for (guint k = 0; k < in; k += 16) {
            const __m512 v = bounded(x, scale, k, mask_of(in - k), l, h);
            __m512 q = _mm512_roundscale_ps(_mm512_mul_ps(v, inv),
                                            _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
            q = _mm512_max_ps(_mm512_add_ps(q, zero), _mm512_setzero_ps());
            q = _mm512_min_ps(q, _mm512_set1_ps(255.0f));
            /* What lies behind the row's last value meets weights that are 0. */
            _mm_storeu_si128((__m128i *)(values + k), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(q)));
        }
    }
}

/* c[rows, NR] (+)= scaled (a[rows, 4 groups] panel[4 groups, NR] - zero * sums[NR]) */
static inline __attribute__((always_inline)) void tile(const int rows, const guint8 *a,
                                                       gsize a_stride, const gint8 *b, guint groups,
                                                       const float *scales, const gint32 *sums,
                                                       float *c, gsize ldc, gboolean accumulate)
{
    __m512i sum[TILE_ROWS][2];

#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_si512();
    const guint8 *p0 = a + INT8_ROW_HEADER, *p1 = p0 + 3 * a_stride, *p2 = p0 + 6 * a_stride,
                 *p3 = p0 + 9 * a_stride;
    for (guint k = 0; k < groups; k++, b += KR * NR) {
        const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + KR * NR / 2);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const guint8 *p = i < 3 ? p0 : i < 6 ? p1 : i < 9 ? p2 : p3;
            int word;
            memcpy(&word, p + (i % 3) * a_stride, sizeof word);
            const __m512i x = _mm512_set1_epi32(word);
            sum[i][0] = vnni_add_fours(sum[i][0], x, b0);
            sum[i][1] = vnni_add_fours(sum[i][1], x, b1);
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
        const __m512i zero = _mm512_set1_epi32(r.zero);
        for (int v = 0; v < 2; v++) {
            float *dst = c + i * ldc + v * 16;
            const __m512i off = _mm512_mullo_epi32(zero, _mm512_loadu_si512(sums + v * 16));
            const __m512 s =
                _mm512_mul_ps(_mm512_set1_ps(r.scale), _mm512_loadu_ps(scales + v * 16));
            const __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sum[i][v], off)), s);
            _mm512_storeu_ps(dst, accumulate ? _mm512_add_ps(_mm512_loadu_ps(dst), y) : y);
        }
    }
}

static void run_rest(guint rows, const guint8 *a, gsize a_stride, const gint8 *b, guint groups,
                     const float *scales, const gint32 *sums, float *c, gsize ldc,
                     gboolean accumulate)
{
#define TILE(n) tile(n, a, a_stride, b, groups, scales, sums, c, ldc, accumulate)
    TILE_REST(rows, TILE)
#undef TILE
}

static void run(const void *rows_of_a, gsize a_stride, guint rows, const void *packed, guint out,
                guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                gboolean accumulate)
{
    const guint8 *a = rows_of_a;
    const float *scales = int8_scales((void *)packed, NR, KR, out, in) + n0;
    const gint32 *all_sums = int8_sums((void *)packed, NR, KR, out, in) + n0;
    const gsize columns = int8_columns(NR, out);
    const guint groups = (k + KR - 1) / KR;

    /* Only of whole units are there sums of weights. */
    g_assert((k0 + k) % G4_K_UNIT == 0 || k0 + k == in);
    for (guint j = 0; j < n; j += NR) {
        const gint8 *b = int8_at((void *)packed, NR, KR, in, n0 + j, k0);
        __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0;
        gint32 sums[NR];
        guint i = 0;
        for (guint g = k0 / G4_K_UNIT; g * G4_K_UNIT < k0 + k; g++) {
            sum0 = _mm512_add_epi32(sum0, _mm512_loadu_si512(all_sums + g * columns + j));
            sum1 = _mm512_add_epi32(sum1, _mm512_loadu_si512(all_sums + g * columns + j + 16));
        }
        _mm512_storeu_si512(sums, sum0);
        _mm512_storeu_si512(sums + 16, sum1);
        for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
            tile(TILE_ROWS, a + i * a_stride, a_stride, b, groups, scales + j, sums,
                 c + i * ldc + j, ldc, accumulate);
        run_rest(rows - i, a + i * a_stride, a_stride, b, groups, scales + j, sums, c + i * ldc + j,
                 ldc, accumulate);
    }
}

const G4Gemm g4_gemm_int8_avx512vnni = {
    .name = "avx512vnni",
    .nr = NR,
    .row_block = 96,
    .evens_out = TRUE,
    .packed_size = packed_size,
    .pack = pack,
    .loaded_stride = loaded_stride,
    .load = load,
    .run = run,
};
