/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix product in plain C, and the check of another against it.
 */
#include "gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Eight columns to a panel: a row of sums that compilers keep in vector registers everywhere. */
#define NR 8
#define TILE_ROWS 4

static gsize packed_size(guint out, guint in)
{
    return ((gsize)out + NR - 1) / NR * NR * in * sizeof(float);
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    float *dst = packed;

    for (guint j = first; j < first + count; j++, rows += stride)
        for (guint k = 0; k < in; k++)
            dst[((gsize)(j / NR) * in + k) * NR + j % NR] = rows[k];
}

static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    float *dst = packed;

    for (guint k = first; k < first + count; k++, rows += stride)
        for (guint j = 0; j < out; j++)
            dst[((gsize)(j / NR) * in + k) * NR + j % NR] = rows[j];
}

static void tile(const float *a, gsize lda, guint rows, const float *b, guint k, float *c,
                 gsize ldc, gboolean accumulate)
{
    float sum[TILE_ROWS][NR];

    for (guint i = 0; i < rows; i++)
        for (guint j = 0; j < NR; j++)
            sum[i][j] = accumulate ? c[i * ldc + j] : 0.0f;
    for (guint kk = 0; kk < k; kk++, b += NR)
        for (guint i = 0; i < rows; i++)
            for (guint j = 0; j < NR; j++)
                sum[i][j] += a[i * lda + kk] * b[j];
    for (guint i = 0; i < rows; i++)
        for (guint j = 0; j < NR; j++)
            c[i * ldc + j] = sum[i][j];
}

static void run(const void *rows_of_a, gsize a_stride, guint rows, const void *packed, guint out,
                guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                gboolean accumulate)
{
    const float *a = rows_of_a;
    const gsize lda = a_stride / sizeof(float);
    const float *panel = (const float *)packed + (gsize)n0 * in + (gsize)k0 * NR;

    (void)out;
    for (guint j = 0; j < n; j += NR, panel += (gsize)NR * in)
        for (guint i = 0; i < rows; i += TILE_ROWS)
            tile(a + i * lda, lda, MIN(rows - i, TILE_ROWS), panel, k, c + i * ldc + j, ldc,
                 accumulate);
}

const G4Gemm g4_gemm_f32_c = {
    .name = "c",
    .nr = NR,
    .row_block = 96,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .run = run,
};

/* Small whole numbers: their sums are exact in any order, so equal is equal. */
static float small_integer(guint *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)((int)(*state >> 28) - 8);
}

static gboolean product_is_right(const G4Gemm *g, guint rows, guint out, guint in)
{
    const gsize ldc = g4_row_stride(out);
    float *a = g_new(float, (gsize)rows *in), *b = g_new(float, (gsize)out *in);
    float *c = g_new0(float, rows *ldc);
    void *packed = g_malloc0(g->packed_size(out, in));
    guint state = rows * 31 + out * 7 + in;
    gboolean right = TRUE;

    for (gsize i = 0; i < (gsize)rows * in; i++)
        a[i] = small_integer(&state);
    for (gsize i = 0; i < (gsize)out * in; i++)
        b[i] = small_integer(&state);
    g->pack(packed, out, in, 0, out, b, in);
    if (g->enter)
        g->enter();
    g->run(a, in * sizeof(float), rows, packed, out, in, 0, out, 0, in, c, ldc, FALSE);
    if (g->leave)
        g->leave();
    for (guint i = 0; i < rows && right; i++)
        for (guint j = 0; j < out && right; j++) {
            float sum = 0.0f;
            for (guint k = 0; k < in; k++)
                sum += a[(gsize)i * in + k] * b[(gsize)j * in + k];
            right = c[i * ldc + j] == sum;
        }
    g_free(packed);
    g_free(c);
    g_free(b);
    g_free(a);
    return right;
}

const char *g4_gemm_check(const G4Gemm *g)
{
    static const struct {
        guint rows, out, in;
        const char *name;
    } shapes[] = {
        {1, 16, 64, "1 x 16 x 64"},       {96, 192, 64, "96 x 192 x 64"},
        {37, 64, 192, "37 x 64 x 192"},   {50, 130, 768, "50 x 130 x 768"},
        {300, 96, 256, "300 x 96 x 256"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++)
        if (!product_is_right(g, shapes[i].rows, shapes[i].out, shapes[i].in))
            return shapes[i].name;
    return NULL;
}

#ifndef G4_HAVE_BLAS
const G4Gemm *g4_gemm_blas(const char **wrong_shape)
{
    *wrong_shape = NULL;
    return NULL;
}
#endif
