/* SPDX-License-Identifier: Apache-2.0
 *
 * The float32 products: small whole numbers must come out equal, random ones within
 * 2 sqrt(k) FLT_EPSILON sum |a b| of a double sum; and attention, which is made of them.
 */
#include "checkkernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "attention.h"
#include "gemm.h"
#include "kernels.h"

/* rows, out, in, n0, n, k0, k; n0 in panels of 32, a multiple of every nr */
static const guint shapes[][7] = {
    {1, 1, 1, 0, 1, 0, 1},        {1, 16, 64, 0, 16, 0, 64},     {6, 16, 64, 0, 16, 0, 64},
    {12, 32, 192, 0, 32, 0, 192}, {13, 33, 65, 0, 33, 0, 65},    {7, 17, 3, 0, 17, 0, 3},
    {96, 192, 64, 0, 192, 0, 64}, {96, 64, 192, 0, 64, 0, 131},  {5, 72, 192, 0, 72, 0, 57},
    {25, 100, 700, 32, 68, 0, 700}, {11, 64, 1000, 32, 32, 256, 500}, {97, 40, 321, 0, 40, 1, 320},
    {3, 96, 12, 64, 32, 4, 8},    {23, 160, 330, 96, 64, 11, 319},
};

typedef struct Product {
    const G4Gemm *g;
    float *a, *b, *c;
    void *packed;
    gsize lda, ldc;
    guint rows, out, in;
} Product;

static void bench_run(void *data)
{
    const Product *p = data;
    p->g->run(p->a, p->lda, p->rows, p->packed, p->out, p->in, 0, p->out, 0, p->in, p->c, p->ldc,
              FALSE);
}

/* In pieces of odd lengths, as several threads and bounded reads do it. */
static void pack_in_pieces(Check *c, const G4Gemm *g, void *packed, guint out, guint in,
                           const float *b, gboolean transposed)
{
    const guint total = transposed ? in : out;

    for (guint first = 0, n; first < total; first += n) {
        n = check_range(c, 1, MIN(40, total - first));
        if (transposed)
            g->pack_t(packed, out, in, first, n, b + (gsize)first * out, out);
        else
            g->pack(packed, out, in, first, n, b + (gsize)first * in, in);
    }
}

static void check_shape(Check *c, const G4Gemm *g, const guint *s, gboolean whole, gboolean add,
                        gboolean transposed)
{
    const guint rows = s[0], out = s[1], in = s[2], n0 = s[3], n = s[4], k0 = s[5], k = s[6];
    const guint wide = (n + g->nr - 1) / g->nr * g->nr;
    const gsize lda = k + check_range(c, 0, 9);

    check_params(c, "%u x %u x %u, columns %u + %u, products %u + %u, %s%s%s", rows, out, in, n0, n,
                 k0, k, whole ? "whole" : "random", add ? ", added" : "",
                 transposed ? ", packed by columns" : "");
    float *a = (float *)check_input_new(c, ((rows - 1) * lda + k) * sizeof(float));
    float *b = (float *)check_input_new(c, (gsize)out * in * sizeof(float));
    CheckBuffer *packed = check_buffer_new(c, 1, g->packed_size(out, in));
    CheckBuffer *result = check_buffer_new_strided(
        c, rows, wide * sizeof(float), (wide + check_range(c, 16, 40)) * sizeof(float));
    const gsize ldc = result->stride / sizeof(float);
    double *ref = g_new(double, n), *bound = g_new(double, n);

    if (whole) {
        check_fill_whole_f32(c, a, (rows - 1) * lda + k, 8);
        check_fill_whole_f32(c, b, (gsize)out * in, 8);
    } else {
        check_fill_f32(c, a, (rows - 1) * lda + k, -1.0f, 1.0f);
        check_fill_f32(c, b, (gsize)out * in, -1.0f, 1.0f);
    }
    for (guint i = 0; i < rows; i++)
        check_fill_whole_f32(c, (float *)(result->data + i * result->stride), wide, 8);
    CheckBuffer *before = check_buffer_new_strided(c, rows, wide * sizeof(float), result->stride);
    for (guint i = 0; i < rows; i++)
        memcpy(before->data + i * before->stride, result->data + i * result->stride,
               wide * sizeof(float));
    pack_in_pieces(c, g, packed->data, out, in, b, transposed);
    check_intact(c, packed);
    g->run(a, lda, rows, packed->data, out, in, n0, n, k0, k, (float *)result->data, ldc, add);
    check_intact(c, result);
    for (guint i = 0; i < rows; i++) {
        for (guint j = 0; j < n; j++) {
            double sum = add ? ((float *)(before->data + i * before->stride))[j] : 0.0;
            double absolute = fabs(sum);
            for (guint kk = 0; kk < k; kk++) {
                const gsize at = transposed ? (gsize)(k0 + kk) * out + n0 + j
                                            : (gsize)(n0 + j) * in + k0 + kk;
                const double product = (double)a[i * lda + kk] * b[at];
                sum += product;
                absolute += fabs(product);
            }
            ref[j] = sum;
            bound[j] = whole ? 0.0 : 2.0 * sqrt(k + 1.0) * FLT_EPSILON * absolute;
        }
        check_bound_f64(c, ref, (float *)(result->data + i * result->stride), bound, n);
    }
    g_free(ref);
    g_free(bound);
    check_next(c);
}

static void check_product(Check *c, const char *name, const G4Gemm *g)
{
    static const guint bench_shapes[][3] = {
        {96, 768, 768}, {96, 3072, 768}, {96, 768, 3072}, {96, 192, 64}, {96, 64, 192}};

    if (!g || !check_kernel(c, name, g->run))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(shapes) * 8; i++)
        check_shape(c, g, shapes[i / 8], i & 1, i & 2, i & 4);
    for (guint i = 0; i < 60; i++) {
        const guint out = check_range(c, 1, 130), in = check_range(c, 1, 400);
        const guint shape[] = {check_range(c, 1, 40), out, in, 0, out, 0, in};
        check_shape(c, g, shape, i & 1, i & 2, i & 4);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bench_shapes) && c->bench; i++) {
        const guint *s = bench_shapes[i];
        g_autofree char *what =
            g_strdup_printf("%u x %u x %u (%.1f MFLOP)", s[0], s[1], s[2], 2e-6 * s[0] * s[1] * s[2]);
        Product p = {.g = g, .rows = s[0], .out = s[1], .in = s[2]};
        p.lda = g4_row_stride(s[2]);
        p.ldc = g4_row_stride(s[1]);
        p.a = (float *)check_input_new(c, p.rows * p.lda * sizeof(float));
        p.b = (float *)check_input_new(c, (gsize)p.out * p.in * sizeof(float));
        p.c = (float *)check_buffer_new(c, 1, p.rows * p.ldc * sizeof(float))->data;
        p.packed = check_buffer_new(c, 1, g->packed_size(p.out, p.in))->data;
        check_fill_f32(c, p.a, p.rows * p.lda, -1.0f, 1.0f);
        check_fill_f32(c, p.b, (gsize)p.out * p.in, -1.0f, 1.0f);
        g->pack(p.packed, p.out, p.in, 0, p.out, p.b, p.in);
        check_bench(c, what, bench_run, &p);
        check_next(c);
    }
    check_done(c);
}

/* ------------------------------------------------------------------------------------------
 * Attention
 */
static void check_attention_shape(Check *c, const G4Kernels *k, guint n, guint heads,
                                  guint kv_heads, guint d, float range)
{
    G4KeyValues kv = {.kernels = k, .n = n, .kv_heads = kv_heads, .head_dim = d};
    G4AttentionScratch a;
    G4Scratch count = {0}, memory = {0};
    const gsize q_stride = heads * d, kv_stride = kv_heads * d;

    check_params(c, "%u patches, %u heads over %u of %u, logits up to about %g", n, heads, kv_heads,
                 d, range * range * d);
    g4_key_values_carve(&kv, &count);
    g4_attention_carve(&a, d, &count);
    if (!g4_scratch_init(&memory, count.used, "attention", NULL)) {
        check_fail(c, "no memory");
        return;
    }
    g4_key_values_carve(&kv, &memory);
    g4_attention_carve(&a, d, &memory);
    float *q = (float *)check_input_new(c, n * q_stride * sizeof(float));
    float *keys = (float *)check_input_new(c, n * kv_stride * sizeof(float));
    float *values = (float *)check_input_new(c, n * kv_stride * sizeof(float));
    CheckBuffer *out = check_buffer_new_strided(c, n, q_stride * sizeof(float),
                                                (q_stride + 32) * sizeof(float));
    check_fill_f32(c, q, n * q_stride, -range, range);
    check_fill_f32(c, keys, n * kv_stride, -range, range);
    check_fill_f32(c, values, n * kv_stride, -1.0f, 1.0f);
    for (guint first = 0, rows; first < n; first += rows) {
        rows = check_range(c, 1, MIN(200, n - first));
        g4_key_values_pack(&kv, first, rows, keys + first * kv_stride, values + first * kv_stride,
                           kv_stride);
    }
    g4_attention(&kv, &a, q, q_stride, n, heads, (float *)out->data, out->stride / sizeof(float));
    check_intact(c, out);

    double *weight = g_new(double, n), *ref = g_new(double, d), *bound = g_new(double, d);
    for (guint i = 0; i < n; i++)
        for (guint h = 0; h < heads; h++) {
            const float *qh = q + i * q_stride + h * d;
            const gsize head = h / (heads / kv_heads) * d;
            double total = 0.0, max = -INFINITY;
            for (guint j = 0; j < n; j++) {
                double dot = 0.0;
                for (guint e = 0; e < d; e++)
                    dot += (double)qh[e] * keys[j * kv_stride + head + e];
                weight[j] = dot;
                max = MAX(max, dot);
            }
            for (guint j = 0; j < n; j++)
                total += weight[j] = exp2(weight[j] - max);
            for (guint e = 0; e < d; e++) {
                ref[e] = 0.0;
                for (guint j = 0; j < n; j++)
                    ref[e] += weight[j] / total * values[j * kv_stride + head + e];
                /* A logit's own rounding, up to its size in ulp, times values up to 1. */
                bound[e] = 2e-6 + 2.0 * FLT_EPSILON * range * range * d;
            }
            check_bound_f64(c, ref, (float *)(out->data + i * out->stride) + h * d, bound, d);
        }
    g_free(weight);
    g_free(ref);
    g_free(bound);
    g4_scratch_clear(&memory);
    check_next(c);
}

static void check_whole_attention(Check *c, const G4Kernels *k)
{
    if (!check_kernel(c, "attention_f32", k->softmax))
        return;
    check_attention_shape(c, k, 1, 1, 1, 4, 1.0f);
    check_attention_shape(c, k, 9, 2, 1, 16, 1.0f);
    check_attention_shape(c, k, 191, 2, 2, 64, 0.5f);
    check_attention_shape(c, k, 192, 1, 1, 64, 0.5f);
    check_attention_shape(c, k, 193, 4, 2, 20, 1.0f);
    check_attention_shape(c, k, 400, 2, 1, 72, 0.5f);
    check_attention_shape(c, k, 577, 1, 1, 24, 4.0f);
    check_done(c);
}

void check_gemm(Check *c)
{
    G4Kernels k;

    g4_kernels_init(&k, c->flags);
    if (c->flags == 0) {
        check_product(c, "gemm_f32_c", &g4_gemm_f32_c);
#ifdef G4_HAVE_BLAS
        check_product(c, "gemm_f32_openblas", g4_gemm_blas(NULL));
#endif
    } else {
        check_product(c, "gemm_f32", k.gemm_f32);
    }
    check_whole_attention(c, &k);
}
