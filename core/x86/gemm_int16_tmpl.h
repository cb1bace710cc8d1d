/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit product by 16-bit multiply-adds, over the vector types of madd_*.h.
 */
#include "../gemm.h"
#include "../gemm_int16.h"
#include "tile_rest.h"
#include "transpose.h"

#include <string.h>

#define NR (2 * VF_WIDTH)

static gsize packed_size(guint out, guint in)
{
    return int16_packed_size(NR, out, in);
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

static inline vf rounded(vf v, vf inverse)
{
    const vf top = vf_set1(G4_INT16_LARGEST), bottom = vf_set1(-G4_INT16_LARGEST);

    return vf_min(vf_max(vf_round(vf_mul(v, inverse)), bottom), top);
}

static inline float largest_of(const float *x, const float *scale, guint n, vf lo, vf hi)
{
    vf largest = vf_set1(0.0f);

    for (guint k = 0; k < n; k += VF_WIDTH) {
        const vf v = bounded(x, scale, k, MIN(n - k, VF_WIDTH), lo, hi);
        largest = vf_max(largest, vf_max(v, vf_sub(vf_set1(0.0f), v)));
    }
    return vf_max_lane(largest);
}

static inline float unbounded_largest_of(const float *x, guint n)
{
    return largest_of(x, NULL, n, vf_set1(-INFINITY), vf_set1(INFINITY));
}

/* Sixteen floats of a row, rounded, as eight words of two: rows of words, which transpose as floats
 * do. */
static inline __m256 words_of_16(const float *row, __m256 inverse)
{
    const __m256 top = _mm256_set1_ps(G4_INT16_LARGEST), bottom = _mm256_set1_ps(-G4_INT16_LARGEST);
    __m256 lo = _mm256_mul_ps(_mm256_loadu_ps(row), inverse);
    __m256 hi = _mm256_mul_ps(_mm256_loadu_ps(row + 8), inverse);
    lo = _mm256_min_ps(_mm256_max_ps(lo, bottom), top);
    hi = _mm256_min_ps(_mm256_max_ps(hi, bottom), top);
    /* 0-3 of lo, of hi, 4-7 of lo, of hi */
    const __m256i both = _mm256_packs_epi32(_mm256_cvtps_epi32(lo), _mm256_cvtps_epi32(hi));
    return _mm256_castsi256_ps(_mm256_permute4x64_epi64(both, 0xd8));
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    float *scales = int16_column_scales(packed, NR, out, in);
    guint j = first;
    const guint last = first + count;

    while (j < last) {
        const guint n = j % 8 == 0 && last - j >= 8 ? 8 : 1;
        float inverse[8];
        guint k = 0;
        for (guint i = 0; i < n; i++)
            scales[j + i] = int16_scale(unbounded_largest_of(rows + i * stride, in), &inverse[i]);
        for (; n == 8 && k + 16 <= in; k += 16) {
            __m256 r[8];
            for (int i = 0; i < 8; i++)
                r[i] = words_of_16(rows + i * stride + k, _mm256_set1_ps(inverse[i]));
            transpose_8x8((float *)int16_at(packed, NR, in, j, k), NR, r);
        }
        for (guint i = 0; i < n; i++)
            int16_pack_row(packed, NR, in, j + i, k, rows + i * stride, inverse[i]);
        j += n;
        rows += n * stride;
    }
}

/* Two rows of `rows` are an even and an odd k of every column. */
static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    float *scales = int16_k_scales(packed, NR, out, in);
    guint k = first;
    const guint last = first + count;

    while (k < last) {
        const guint n = k % 2 == 0 && last - k >= 2 ? 2 : 1;
        float inverse[2];
        guint j = 0;
        for (guint i = 0; i < n; i++)
            scales[k + i] = int16_scale(unbounded_largest_of(rows + i * stride, out), &inverse[i]);
        for (; n == 2 && j + VF_WIDTH <= out; j += VF_WIDTH)
            vi16_store_pairs(int16_at(packed, NR, in, j, k),
                             rounded(vf_load(rows + j), vf_set1(inverse[0])),
                             rounded(vf_load(rows + stride + j), vf_set1(inverse[1])));
        for (guint i = 0; i < n; i++)
            int16_pack_column(packed, NR, out, in, k + i, j, rows + i * stride, inverse[i]);
        k += n;
        rows += n * stride;
    }
}

static const float *scales_t(const void *packed, guint out, guint in)
{
    return int16_k_scales((void *)packed, NR, out, in);
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    const vf l = vf_set1(lo), h = vf_set1(hi);

    for (guint i = 0; i < n; i++, x += x_stride) {
        guint8 *row = (guint8 *)a + i * a_stride;
        gint16 *values = (gint16 *)(row + INT16_ROW_HEADER);
        float inverse;
        const float s = int16_scale(largest_of(x, scale, in, l, h), &inverse);
        const vf inv = vf_set1(inverse);
        memcpy(row, &s, sizeof s);
        for (guint k = 0; k < in; k += VF_WIDTH)
            vi16_store(values + k, rounded(bounded(x, scale, k, MIN(in - k, VF_WIDTH), l, h), inv));
    }
}

/* sums[rows, NR] = a[rows, 2 pairs] panel[2 pairs, NR]; rows is a constant in every call. Nothing
 * else is in the function: with the scaling behind it gcc 12 spills the sums. */
static inline __attribute__((always_inline)) void
tile(const int rows, const guint8 *a, gsize a_stride, const gint16 *b, guint pairs, vi *sums)
{
    vi sum[TILE_ROWS][2];

#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = vi_zero();
    const guint8 *p0 = a, *p1 = a + 3 * a_stride, *p2 = a + 6 * a_stride, *p3 = a + 9 * a_stride;
    for (guint k = 0; k < pairs; k++, b += 2 * NR) {
        const vi b0 = vi_load_16(b), b1 = vi_load_16(b + NR);
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
        sums[2 * i] = sum[i][0];
        sums[2 * i + 1] = sum[i][1];
    }
}

static __attribute__((noinline)) void tile_of_any_height(guint rows, const guint8 *a,
                                                         gsize a_stride, const gint16 *b,
                                                         guint pairs, vi *sums)
{
#define TILE(n) tile(n, a, a_stride, b, pairs, sums)
    if (rows == TILE_ROWS)
        TILE(TILE_ROWS);
    else
        TILE_REST(rows, TILE)
#undef TILE
}

/* c[rows, NR] (+)= sums times their rows' scales, which stand ahead of a, and their columns'. */
static inline void scale(guint rows, const vi *sums, const guint8 *a, gsize a_stride, vf column0,
                         vf column1, float *c, gsize ldc, gboolean accumulate)
{
    for (guint i = 0; i < rows; i++, c += ldc) {
        float own;
        memcpy(&own, a + i * a_stride, sizeof own);
        vf y0 = vf_mul(vi_to_float(sums[2 * i]), vf_mul(vf_set1(own), column0));
        vf y1 = vf_mul(vi_to_float(sums[2 * i + 1]), vf_mul(vf_set1(own), column1));
        if (accumulate) {
            y0 = vf_add(vf_load(c), y0);
            y1 = vf_add(vf_load(c + VF_WIDTH), y1);
        }
        vf_store(c, y0);
        vf_store(c + VF_WIDTH, y1);
    }
}

/* Asks memory for one tile's share of the weights that come after those it multiplies. Under the
 * few rows of a sentence a panel is over before the processor has seen by itself what is next. */
static inline void fetch_ahead(const gint16 *next, guint products, guint tile, guint tiles)
{
    const guint lines = products * NR * sizeof *next / 64;

    for (guint i = lines * tile / tiles; i < lines * (tile + 1) / tiles; i++)
        __builtin_prefetch((const guint8 *)next + i * 64);
}

/* Column scales NULL: 1. */
static void multiply(const guint8 *a, gsize a_stride, guint rows, const void *packed,
                     const float *scales, guint in, guint n0, guint n, guint k0, guint k, float *c,
                     gsize ldc, gboolean accumulate)
{
    const guint tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    const vf one = vf_set1(1.0f);
    vi sums[TILE_ROWS * 2];

    for (guint j = 0; j < n; j += NR) {
        const vf column0 = scales ? vf_load(scales + n0 + j) : one;
        const vf column1 = scales ? vf_load(scales + n0 + j + VF_WIDTH) : one;
        for (guint at = 0; at < k; at += G4_INT16_SUM) {
            const gint16 *b = int16_at((void *)packed, NR, in, n0 + j, k0 + at);
            const guint part = MIN(k - at, G4_INT16_SUM), pairs = (part + 1) / 2;
            const gint16 *next = at + part < k ? b + NR * part
                                 : j + NR < n  ? int16_at((void *)packed, NR, in, n0 + j + NR, k0)
                                               : b;
            for (guint i = 0; i < rows; i += TILE_ROWS) {
                const guint height = MIN(rows - i, TILE_ROWS);
                fetch_ahead(next, part, i / TILE_ROWS, tiles);
                const guint8 *head = a + i * a_stride;
                tile_of_any_height(height, head + INT16_ROW_HEADER + at * sizeof(gint16), a_stride,
                                   b, pairs, sums);
                scale(height, sums, head, a_stride, column0, column1, c + i * ldc + j, ldc,
                      accumulate || at > 0);
            }
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

const G4Gemm VF_NAME(g4_gemm_int16) = {
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
