/* SPDX-License-Identifier: Apache-2.0
 *
 * The bfloat16 product for processors that multiply bfloat16: both sides rounded, pairs of products
 * summed in float32 by one instruction.
 */
#include "../gemm.h"
#include "../gemm_bf16.h"
#include "transpose.h"

#include <immintrin.h>

#define NR 32        /* two vectors */
#define TILE_ROWS 12 /* x 2 vectors: 24 sums of the 32 registers */
#define KC 384       /* a panel of it: 24 KB of a first-level cache of 32 KB */

#include "tile_rest.h"

static gsize packed_size(guint out, guint in)
{
    return bf16_packed_size(NR, out, in);
}

/* Sixteen floats rounded to eight words of two; lanes from n on are 0. */
static inline __m256i round_16(const float *p, guint n)
{
    const __mmask16 mask = (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1);
    return (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, p));
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    guint j = first;
    const guint last = first + count;

    (void)out;
    while (j < last) {
        guint k = 0;
        const guint n = j % 8 == 0 && last - j >= 8 ? 8 : 1;
        for (; n == 8 && k + 16 <= in; k += 16) {
            __m256 r[8];
            for (int i = 0; i < 8; i++)
                r[i] = _mm256_castsi256_ps(round_16(rows + i * stride + k, 16));
            transpose_8x8((float *)bf16_at(packed, NR, in, j, k), NR, r);
        }
        for (guint i = 0; i < n; i++)
            bf16_pack_row(packed, NR, in, j + i, k, rows + i * stride);
        j += n;
        rows += n * stride;
    }
}

/* Two rows of `rows` are an even and an odd k of every column: their words interleave. */
static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    guint k = first;
    const guint last = first + count;

    while (k < last) {
        const gboolean pair = k % 2 == 0 && last - k >= 2;
        guint j = 0;
        for (; pair && j + 16 <= out; j += 16) {
            const __m512i even = _mm512_cvtepu16_epi32(round_16(rows + j, 16));
            const __m512i odd = _mm512_cvtepu16_epi32(round_16(rows + stride + j, 16));
            _mm512_storeu_si512(bf16_at(packed, NR, in, j, k),
                                _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
        }
        for (; j < out; j++) {
            *bf16_at(packed, NR, in, j, k) = bf16_from_f32(rows[j]);
            if (pair)
                *bf16_at(packed, NR, in, j, k + 1) = bf16_from_f32(rows[stride + j]);
        }
        k += pair ? 2 : 1;
        rows += pair ? 2 * stride : stride;
    }
}

static gsize loaded_stride(guint in)
{
    const gsize bytes = ((gsize)in * sizeof(guint16) + 63) / 64 * 64;
    return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

static void load(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale)
{
    const __m512 l = _mm512_set1_ps(lo), h = _mm512_set1_ps(hi);

    for (guint i = 0; i < n; i++, x += x_stride) {
        guint16 *row = (guint16 *)((guint8 *)a + i * a_stride);
        for (guint k = 0; k < in; k += 16) {
            /* The last store is padded with zeros to 16: the stride has room for it. */
            const __mmask16 mask = (__mmask16)(in - k >= 16 ? 0xffff : (1u << (in - k)) - 1);
            __m512 v = _mm512_maskz_loadu_ps(mask, x + k);
            v = _mm512_maskz_min_ps(mask, _mm512_max_ps(v, l), h);
            if (scale)
                v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, scale + k));
            _mm256_storeu_si256((__m256i *)(row + k), (__m256i)_mm512_cvtneps_pbh(v));
        }
    }
}

/* c[rows, NR] (+)= a[rows, 2 pairs] panel[2 pairs, NR]; rows is a constant in every call. */
static inline __attribute__((always_inline)) void tile(const int rows, const guint8 *a,
                                                       gsize a_stride, const guint16 *b,
                                                       guint pairs, float *c, gsize ldc,
                                                       gboolean accumulate)
{
    __m512 sum[TILE_ROWS][2];

#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        sum[i][0] = accumulate ? _mm512_loadu_ps(c + i * ldc) : _mm512_setzero_ps();
        sum[i][1] = accumulate ? _mm512_loadu_ps(c + i * ldc + 16) : _mm512_setzero_ps();
    }
    const guint8 *p0 = a, *p1 = a + 3 * a_stride, *p2 = a + 6 * a_stride, *p3 = a + 9 * a_stride;
    for (guint k = 0; k < pairs; k++, b += 2 * NR) {
        const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b);
        const __m512bh b1 = (__m512bh)_mm512_loadu_si512(b + NR);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const guint8 *p = i < 3 ? p0 : i < 6 ? p1 : i < 9 ? p2 : p3;
            int word;
            memcpy(&word, p + (i % 3) * a_stride, sizeof word);
            const __m512bh x = (__m512bh)_mm512_set1_epi32(word);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, b0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, b1);
        }
        p0 += 4;
        p1 += 4;
        p2 += 4;
        p3 += 4;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(c + i * ldc, sum[i][0]);
        _mm512_storeu_ps(c + i * ldc + 16, sum[i][1]);
    }
}

static void run_rest(guint rows, const guint8 *a, gsize a_stride, const guint16 *b, guint pairs,
                     float *c, gsize ldc, gboolean accumulate)
{
#define TILE(n) tile(n, a, a_stride, b, pairs, c, ldc, accumulate)
    TILE_REST(rows, TILE)
#undef TILE
}

static void run(const void *a, gsize a_stride, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate)
{
    (void)out;
    for (guint j = 0; j < n; j += NR) {
        for (guint kk = 0; kk < k; kk += KC) {
            const guint pairs = (MIN(k - kk, KC) + 1) / 2;
            const guint16 *b = bf16_at((void *)packed, NR, in, n0 + j, k0 + kk);
            const guint8 *rows_of_a = (const guint8 *)a + kk * sizeof(guint16);
            const gboolean add = accumulate || kk > 0;
            guint i = 0;
            for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
                tile(TILE_ROWS, rows_of_a + i * a_stride, a_stride, b, pairs, c + i * ldc + j, ldc,
                     add);
            run_rest(rows - i, rows_of_a + i * a_stride, a_stride, b, pairs, c + i * ldc + j, ldc,
                     add);
        }
    }
}

const G4Gemm g4_gemm_bf16_avx512bf16 = {
    .name = "avx512bf16",
    .nr = NR,
    .row_block = 96,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .loaded_stride = loaded_stride,
    .load = load,
    .run = run,
};
