/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of float32 rows with bfloat16 weights over the vector type of simd_*.h: the weights
 * are widened in registers, so the sums are those of float32 with half the memory.
 */
#include "../gemm.h"
#include "../gemm_bf16.h"
#include "tile_rest.h"
#include "transpose.h"

#define NR (2 * VF_WIDTH)

static gsize packed_size(guint out, guint in)
{
    return bf16_packed_size(NR, out, in);
}

/* Two neighbouring floats of a row, rounded, to one word each: rows of words, which transpose as
 * floats do. */
static inline __m256 words_of_16(const float *row)
{
    const __m256i one = _mm256_set1_epi32(1), half = _mm256_set1_epi32(0x7fff);
    __m256i lo = _mm256_castps_si256(_mm256_loadu_ps(row));
    __m256i hi = _mm256_castps_si256(_mm256_loadu_ps(row + 8));
    lo = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(lo, half),
                                            _mm256_and_si256(_mm256_srli_epi32(lo, 16), one)),
                           16);
    hi = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(hi, half),
                                            _mm256_and_si256(_mm256_srli_epi32(hi, 16), one)),
                           16);
    const __m256i both = _mm256_packus_epi32(lo, hi); /* 0-3 of lo, of hi, 4-7 of lo, of hi */
    return _mm256_castsi256_ps(_mm256_permute4x64_epi64(both, 0xd8));
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
                r[i] = words_of_16(rows + i * stride + k);
            transpose_8x8((float *)bf16_at(packed, NR, in, j, k), NR, r);
        }
        for (guint i = 0; i < n; i++)
            bf16_pack_row(packed, NR, in, j + i, k, rows + i * stride);
        j += n;
        rows += n * stride;
    }
}

/* The weights of an even and of the following odd k. */
static inline vf widen_even(const guint16 *b)
{
    return vf_shift_left_16(vf_load((const float *)b));
}

static inline vf widen_odd(const guint16 *b)
{
    return vf_and_high_16(vf_load((const float *)b));
}

/* c[rows, NR] (+)= a[rows, k] panel[k, NR]; rows is a constant in every call. */
static inline __attribute__((always_inline)) void tile(const int rows, const float *a, gsize lda,
                                                       const guint16 *b, guint k, float *c,
                                                       gsize ldc, gboolean accumulate)
{
    vf sum[TILE_ROWS][2];

#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        sum[i][0] = accumulate ? vf_load(c + i * ldc) : vf_set1(0.0f);
        sum[i][1] = accumulate ? vf_load(c + i * ldc + VF_WIDTH) : vf_set1(0.0f);
    }
    /* Three rows to a pointer: what x86 addresses without another register. */
    const float *p0 = a, *p1 = a + 3 * lda, *p2 = a + 6 * lda, *p3 = a + 9 * lda;
    for (guint kk = 0; kk + 2 <= k; kk += 2, b += 2 * NR) {
        vf b0 = widen_even(b), b1 = widen_even(b + NR);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const float *p = i < 3 ? p0 : i < 6 ? p1 : i < 9 ? p2 : p3;
            const vf x = vf_set1(p[(i % 3) * lda]);
            sum[i][0] = vf_fma(x, b0, sum[i][0]);
            sum[i][1] = vf_fma(x, b1, sum[i][1]);
        }
        b0 = widen_odd(b);
        b1 = widen_odd(b + NR);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const float *p = i < 3 ? p0 : i < 6 ? p1 : i < 9 ? p2 : p3;
            const vf x = vf_set1(p[(i % 3) * lda + 1]);
            sum[i][0] = vf_fma(x, b0, sum[i][0]);
            sum[i][1] = vf_fma(x, b1, sum[i][1]);
        }
        p0 += 2;
        p1 += 2;
        p2 += 2;
        p3 += 2;
    }
    if (k % 2) {
        const vf b0 = widen_even(b), b1 = widen_even(b + NR);
        for (int i = 0; i < rows; i++) {
            const vf x = vf_set1(a[i * lda + k - 1]);
            sum[i][0] = vf_fma(x, b0, sum[i][0]);
            sum[i][1] = vf_fma(x, b1, sum[i][1]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        vf_store(c + i * ldc, sum[i][0]);
        vf_store(c + i * ldc + VF_WIDTH, sum[i][1]);
    }
}

static void run_rest(guint rows, const float *a, gsize lda, const guint16 *b, guint k, float *c,
                     gsize ldc, gboolean accumulate)
{
#define TILE(n) tile(n, a, lda, b, k, c, ldc, accumulate)
    TILE_REST(rows, TILE)
#undef TILE
}

static void run(const void *rows_of_a, gsize a_stride, guint rows, const void *packed, guint out,
                guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                gboolean accumulate)
{
    const float *a = rows_of_a;
    const gsize lda = a_stride / sizeof(float);

    (void)out;
    for (guint j = 0; j < n; j += NR) {
        for (guint kk = 0; kk < k; kk += KC) {
            const guint kc = MIN(k - kk, KC);
            const guint16 *b = bf16_at((void *)packed, NR, in, n0 + j, k0 + kk);
            const gboolean add = accumulate || kk > 0;
            guint i = 0;
            for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
                tile(TILE_ROWS, a + i * lda + kk, lda, b, kc, c + i * ldc + j, ldc, add);
            run_rest(rows - i, a + i * lda + kk, lda, b, kc, c + i * ldc + j, ldc, add);
        }
    }
}

const G4Gemm VF_NAME(g4_gemm_bf16) = {
    .name = LEVEL,
    .nr = NR,
    .row_block = ROW_BLOCK,
    .packed_size = packed_size,
    .pack = pack,
    .run = run,
};
