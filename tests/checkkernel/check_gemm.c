/* SPDX-License-Identifier: Apache-2.0
 *
 * The products. float32 and bfloat16: small whole numbers must come out equal, random ones within
 * 2 sqrt(k) FLT_EPSILON sum |a b| of a double sum over the rounded inputs. 8 and 16 bits: what C
 * gives, bit for bit. And attention, which is made of them.
 */
#include "checkkernel.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attention.h"
#include "gemm.h"
#include "gemm_bf16.h"
#include "kernels.h"

/* rows, out, in, n0, n, k0, k; n0 in panels of 32, a multiple of every nr, k0 in G4_K_UNIT */
static const guint shapes[][7] = {
    {1, 1, 1, 0, 1, 0, 1},          {1, 16, 64, 0, 16, 0, 64},        {6, 16, 64, 0, 16, 0, 64},
    {12, 32, 192, 0, 32, 0, 192},   {13, 33, 65, 0, 33, 0, 65},       {7, 17, 3, 0, 17, 0, 3},
    {96, 192, 64, 0, 192, 0, 64},   {96, 64, 192, 0, 64, 0, 131},     {5, 72, 192, 0, 72, 0, 57},
    {25, 100, 700, 32, 68, 0, 700}, {11, 64, 1000, 32, 32, 256, 512}, {97, 40, 321, 0, 40, 256, 65},
    {3, 96, 12, 64, 32, 0, 8},      {23, 160, 330, 96, 64, 256, 74},
};

typedef struct Product {
    const G4Gemm *g;
    const void *a;
    void *packed;
    float *c;
    gsize a_stride, ldc;
    guint rows, out, in;
} Product;

static void bench_run(void *data)
{
    const Product *p = data;
    p->g->run(p->a, p->a_stride, p->rows, p->packed, p->out, p->in, 0, p->out, 0, p->in, p->c,
              p->ldc, FALSE);
}

/* `n` rows of k floats as g reads them. */
static const void *load_rows(Check *c, const G4Gemm *g, const float *x, gsize x_stride, guint n,
                             guint k, gsize *stride)
{
    if (!g->load) {
        *stride = x_stride * sizeof(float);
        return x;
    }
    *stride = g->loaded_stride(k);
    CheckBuffer *loaded = check_buffer_new_strided(c, n, *stride, *stride);
    g->load(loaded->data, *stride, x, x_stride, n, k, -INFINITY, INFINITY, NULL);
    check_intact(c, loaded);
    return loaded->data;
}

static void round_to_bf16(float *x, gsize n)
{
    for (gsize i = 0; i < n; i++)
        x[i] = f32_from_bf16(bf16_from_f32(x[i]));
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

/* What a product rounds: nothing, its weights, or both sides to bfloat16. */
typedef enum { ROUNDS_NOTHING, ROUNDS_B, ROUNDS_BOTH } Rounds;

static void check_shape(Check *c, const G4Gemm *g, Rounds rounds, const guint *s, gboolean whole,
                        gboolean add, gboolean transposed)
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
    gsize a_stride;
    CheckBuffer *result = check_buffer_new_strided(c, rows, wide * sizeof(float),
                                                   (wide + check_range(c, 16, 40)) * sizeof(float));
    const gsize ldc = result->stride / sizeof(float);
    double *ref = g_new(double, n), *bound = g_new(double, n);

    if (whole) {
        check_fill_whole_f32(c, a, (rows - 1) * lda + k, 8);
        check_fill_whole_f32(c, b, (gsize)out * in, 8);
    } else {
        check_fill_f32(c, a, (rows - 1) * lda + k, -1.0f, 1.0f);
        check_fill_f32(c, b, (gsize)out * in, -1.0f, 1.0f);
    }
    if (rounds != ROUNDS_NOTHING)
        round_to_bf16(b, (gsize)out * in);
    if (rounds == ROUNDS_BOTH)
        round_to_bf16(a, (rows - 1) * lda + k);
    for (guint i = 0; i < rows; i++)
        check_fill_whole_f32(c, (float *)(result->data + i * result->stride), wide, 8);
    CheckBuffer *before = check_buffer_new_strided(c, rows, wide * sizeof(float), result->stride);
    for (guint i = 0; i < rows; i++)
        memcpy(before->data + i * before->stride, result->data + i * result->stride,
               wide * sizeof(float));
    memset(packed->data, 0, packed->row_bytes);
    pack_in_pieces(c, g, packed->data, out, in, b, transposed);
    check_intact(c, packed);
    const void *loaded = load_rows(c, g, a, lda, rows, k, &a_stride);
    g->run(loaded, a_stride, rows, packed->data, out, in, n0, n, k0, k, (float *)result->data, ldc,
           add);
    check_intact(c, result);
    for (guint i = 0; i < rows; i++) {
        for (guint j = 0; j < n; j++) {
            double sum = add ? ((float *)(before->data + i * before->stride))[j] : 0.0;
            double absolute = fabs(sum);
            for (guint kk = 0; kk < k; kk++) {
                const gsize at =
                    transposed ? (gsize)(k0 + kk) * out + n0 + j : (gsize)(n0 + j) * in + k0 + kk;
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

static void bench_product(Check *c, const G4Gemm *g)
{
    static const guint bench_shapes[][3] = {
        {96, 768, 768}, {96, 3072, 768}, {96, 768, 3072}, {96, 192, 64}, {96, 64, 192}};

    for (guint i = 0; i < G_N_ELEMENTS(bench_shapes) && c->bench; i++) {
        const guint *s = bench_shapes[i];
        g_autofree char *what = g_strdup_printf("%u x %u x %u (%.1f MFLOP)", s[0], s[1], s[2],
                                                2e-6 * s[0] * s[1] * s[2]);
        Product p = {.g = g, .rows = s[0], .out = s[1], .in = s[2], .ldc = g4_row_stride(s[1])};
        const gsize lda = g4_row_stride(s[2]);
        float *a = (float *)check_input_new(c, p.rows * lda * sizeof(float));
        float *b = (float *)check_input_new(c, (gsize)p.out * p.in * sizeof(float));
        const gsize bytes = g->packed_size(p.out, p.in);
        p.c = (float *)check_buffer_new(c, 1, p.rows * p.ldc * sizeof(float))->data;
        p.packed = memset(check_buffer_new(c, 1, bytes)->data, 0, bytes);
        check_fill_f32(c, a, p.rows * lda, -1.0f, 1.0f);
        check_fill_f32(c, b, (gsize)p.out * p.in, -1.0f, 1.0f);
        g->pack(p.packed, p.out, p.in, 0, p.out, b, p.in);
        p.a = load_rows(c, g, a, lda, p.rows, p.in, &p.a_stride);
        check_bench(c, what, bench_run, &p);
        check_next(c);
    }
}

static void check_product(Check *c, const char *name, const G4Gemm *g, Rounds rounds)
{
    if (!g || !check_kernel(c, name, g->run))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(shapes) * 8; i++)
        check_shape(c, g, rounds, shapes[i / 8], i & 1, i & 2, i & 4 && g->pack_t);
    for (guint i = 0; i < 60; i++) {
        const guint out = check_range(c, 1, 130), in = check_range(c, 1, 400);
        const guint shape[] = {check_range(c, 1, 40), out, in, 0, out, 0, in};
        check_shape(c, g, rounds, shape, i & 1, i & 2, i & 4 && g->pack_t);
    }
    bench_product(c, g);
    check_done(c);
}

/* Rounding to bfloat16 on the way: clamped, scaled, to nearest and ties to even. */
static void check_bf16_load(Check *c, const G4Gemm *g)
{
    if (!g->load || !check_kernel(c, "load_bf16", g->load))
        return;
    for (guint n = 1; n < 70; n++) {
        const gsize stride = g->loaded_stride(n);
        const float lo = n % 3 ? -0.5f : -INFINITY, hi = n % 3 ? 0.75f : INFINITY;
        check_params(c, "3 rows of %u, %g .. %g", n, lo, hi);
        float *x = (float *)check_input_new(c, 3 * n * sizeof(float));
        float *scale = (float *)check_input_new(c, n * sizeof(float));
        CheckBuffer *out = check_buffer_new_strided(c, 3, stride, stride);
        check_fill_f32(c, x, 3 * n, -1.0f, 1.0f);
        check_fill_f32(c, scale, n, 0.5f, 2.0f);
        g->load(out->data, stride, x, n, 3, n, lo, hi, n % 2 ? scale : NULL);
        for (guint i = 0; i < 3 * n; i++) {
            const float v = fminf(fmaxf(x[i], lo), hi) * (n % 2 ? scale[i % n] : 1.0f);
            const guint16 want = bf16_from_f32(v);
            const guint16 got = ((guint16 *)(out->data + i / n * stride))[i % n];
            if (want != got)
                check_fail(c, "value %u, %g: %04x, expected %04x", i, v, got, want);
        }
        check_intact(c, out);
        check_next(c);
    }
    check_done(c);
}

/* ------------------------------------------------------------------------------------------
 * Integers: the same ones, and the same float32 operations on them, at every level
 */
static void check_integer_shape(Check *c, const G4Gemm *reference, const G4Gemm *g, const guint *s,
                                float range, gboolean add, gboolean transposed)
{
    const guint rows = s[0], out = s[1], in = s[2], n0 = s[3], n = s[4], k0 = s[5], k = s[6];
    const G4Gemm *both[] = {reference, g};
    const gboolean scaled = rows % 2, clipped = n % 2;
    const gsize ldc = g4_row_stride(n);
    CheckBuffer *result[2];

    check_params(c, "%u x %u x %u, columns %u + %u, products %u + %u, values up to %g%s%s", rows,
                 out, in, n0, n, k0, k, range, add ? ", added" : "",
                 transposed ? ", packed by columns" : "");
    float *x = (float *)check_input_new(c, (gsize)rows * k * sizeof(float));
    float *b = (float *)check_input_new(c, (gsize)out * in * sizeof(float));
    float *scale = (float *)check_input_new(c, k * sizeof(float));
    check_fill_f32(c, x, (gsize)rows * k, -range, range / 3);
    check_fill_f32(c, b, (gsize)out * in, -0.1f, 0.1f);
    check_fill_f32(c, scale, k, 0.1f, 10.0f);
    if (rows > 2)
        memset(x + k, 0, k * sizeof(float)); /* a row of nothing */
    for (int i = 0; i < 2; i++) {
        const gsize stride = both[i]->loaded_stride(k);
        CheckBuffer *packed = check_buffer_new(c, 1, both[i]->packed_size(out, in));
        CheckBuffer *loaded = check_buffer_new_strided(c, rows, stride, stride);
        result[i] = check_buffer_new_strided(c, rows, ldc * sizeof(float), ldc * sizeof(float));
        memset(packed->data, 0, packed->row_bytes);
        for (gsize j = 0; j < rows * ldc; j++)
            ((float *)result[i]->data)[j] = (float)j;
        /* Twice: keys are packed where those of the last layer lay. */
        pack_in_pieces(c, both[i], packed->data, out, in, b, transposed);
        pack_in_pieces(c, both[i], packed->data, out, in, b, transposed);
        check_intact(c, packed);
        both[i]->load(loaded->data, stride, x, k, rows, k, clipped ? -range / 2 : -INFINITY,
                      clipped ? range / 2 : INFINITY,
                      transposed ? both[i]->scales_t(packed->data, out, in) + k0
                      : scaled   ? scale
                                 : NULL);
        check_intact(c, loaded);
        (transposed ? both[i]->run_t : both[i]->run)(loaded->data, stride, rows, packed->data, out,
                                                     in, n0, n, k0, k, (float *)result[i]->data,
                                                     ldc, add);
        check_intact(c, result[i]);
    }
    for (guint i = 0; i < rows; i++)
        check_near_f32(c, (float *)(result[0]->data + i * result[0]->stride),
                       (float *)(result[1]->data + i * result[1]->stride), n, 0.0, 0.0);
    check_next(c);
}

/* What is in 8 or 16 bits against C's. */
static void check_integers(Check *c, const char *name, const G4Gemm *reference, const G4Gemm *g)
{
    static const float ranges[] = {1.0f, 1e-3f, 1e4f, 0.0f};

    if (!check_kernel(c, name, g->run))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(shapes) * 8; i++) {
        const guint *s = shapes[i / 8], end = s[5] + s[6];
        const gboolean transposed = i & 4;
        /* Part of a unit of products is for P V, which some do not do. */
        if (g->pack_t ? TRUE : !transposed && (end % G4_K_UNIT == 0 || end == s[2]))
            check_integer_shape(c, reference, g, s, ranges[i % 4], i & 1, transposed);
    }
    bench_product(c, g);
    check_done(c);
}

/* The C product itself: within what rounding to `levels` steps from 0 to the largest can do. */
static void check_integers_c(Check *c, const char *name, const G4Gemm *g, double a_levels,
                             double b_levels)
{
    const guint rows = 5, out = 24, in = 300;

    if (!check_kernel(c, name, g->run))
        return;
    for (gint transposed = 0; transposed <= (g->pack_t ? 1 : 0); transposed++) {
        check_params(c, "%u x %u x %u%s", rows, out, in, transposed ? ", packed by columns" : "");
        float *x = (float *)check_input_new(c, rows * in * sizeof(float));
        float *b = (float *)check_input_new(c, out * in * sizeof(float));
        void *packed = g_malloc0(g->packed_size(out, in));
        const gsize stride = g->loaded_stride(in);
        CheckBuffer *loaded = check_buffer_new_strided(c, rows, stride, stride);
        CheckBuffer *result = check_buffer_new(c, rows, out * sizeof(float));
        check_fill_f32(c, x, rows * in, -1.0f, 3.0f);
        check_fill_f32(c, b, out * in, -1.0f, 1.0f);
        (transposed ? g->pack_t : g->pack)(packed, out, in, 0, transposed ? in : out, b,
                                           transposed ? out : in);
        g->load(loaded->data, stride, x, in, rows, in, -INFINITY, INFINITY,
                transposed ? g->scales_t(packed, out, in) : NULL);
        (transposed ? g->run_t : g->run)(loaded->data, stride, rows, packed, out, in, 0, out, 0, in,
                                         (float *)result->data, result->stride / sizeof(float),
                                         FALSE);
        for (guint i = 0; i < rows; i++) {
            double ref[24], bound[24];
            for (guint j = 0; j < out; j++) {
                ref[j] = bound[j] = 0.0;
                for (guint k = 0; k < in; k++) {
                    const double a = x[i * in + k], w = b[transposed ? k * out + j : j * in + k];
                    ref[j] += a * w;
                    /* Half a step of either side; of `a` times a scale that is up to twice another
                     * row's, and for a zero point half a step more. */
                    bound[j] += fabs(a) * 0.51 / b_levels + fabs(w) * 1.02 * 4.0 / a_levels;
                }
            }
            check_bound_f64(c, ref, (float *)(result->data + i * result->stride), bound, out);
        }
        g_free(packed);
        check_next(c);
    }
    bench_product(c, g);
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
    g4_attention_carve(&a, k->values, d, &count);
    if (!g4_scratch_init(&memory, count.used, "attention", NULL)) {
        check_fail(c, "no memory");
        return;
    }
    g4_key_values_carve(&kv, &memory);
    g4_attention_carve(&a, k->values, d, &memory);
    float *q = (float *)check_input_new(c, n * q_stride * sizeof(float));
    float *keys = (float *)check_input_new(c, n * kv_stride * sizeof(float));
    float *values = (float *)check_input_new(c, n * kv_stride * sizeof(float));
    CheckBuffer *out =
        check_buffer_new_strided(c, n, q_stride * sizeof(float), (q_stride + 32) * sizeof(float));
    check_fill_f32(c, q, n * q_stride, -range, range);
    check_fill_f32(c, keys, n * kv_stride, -range, range);
    check_fill_f32(c, values, n * kv_stride, -1.0f, 1.0f);
    for (guint first = 0, rows; first < n; first += rows) {
        rows = check_range(c, 1, MIN(200, n - first));
        g4_key_values_pack(&kv, first, rows, keys + first * kv_stride, values + first * kv_stride,
                           kv_stride);
    }
    gsize loaded_stride = q_stride * sizeof(float);
    const void *loaded = q;
    if (k->scores->load) {
        loaded_stride = g4_queries_stride(k->scores, heads, d);
        CheckBuffer *room = check_buffer_new_strided(c, n, loaded_stride, loaded_stride);
        g4_queries_load(k->scores, room->data, loaded_stride, q, q_stride, n, heads, d);
        check_intact(c, room);
        loaded = room->data;
    }
    g4_attention(&kv, &a, loaded, loaded_stride, n, heads, (float *)out->data,
                 out->stride / sizeof(float));
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
                /* A logit moves by so many standard deviations of its products' rounding, a weight
                 * by that times ln 2; a bfloat16 is 2^-9, of 16 and of 8 bits half a step. */
                const double logit = range * range * sqrt(d);
                if (k->scores == k->gemm_bf16)
                    bound[e] += 8e-3 * logit;
                else if (k->scores == k->gemm_int16)
                    bound[e] += 4.0 / 4095 * logit;
                else if (k->scores == k->gemm_int8)
                    bound[e] += 4.0 / 255 * logit;
                if (k->values == k->gemm_bf16)
                    bound[e] += 8e-3;
                else if (k->values == k->gemm_int16)
                    bound[e] += 4.0 / 4095;
            }
            check_bound_f64(c, ref, (float *)(out->data + i * out->stride) + h * d, bound, d);
        }
    g_free(weight);
    g_free(ref);
    g_free(bound);
    g4_scratch_clear(&memory);
    check_next(c);
}

static void check_whole_attention(Check *c, const char *name, const G4Kernels *k)
{
    if (!check_kernel(c, name, k->scores->run))
        return;
    check_attention_shape(c, k, 1, 1, 1, 4, 1.0f);
    check_attention_shape(c, k, 9, 2, 1, 16, 1.0f);
    check_attention_shape(c, k, 191, 2, 2, 64, 0.5f);
    check_attention_shape(c, k, 192, 1, 1, 64, 0.5f);
    check_attention_shape(c, k, 193, 4, 2, 20, 1.0f);
    check_attention_shape(c, k, 400, 2, 1, 72, 0.5f);
    check_attention_shape(c, k, 577, 1, 1, 24, k->values == k->gemm_f32 ? 4.0f : 1.0f);
    check_done(c);
}

void check_gemm(Check *c)
{
    G4Kernels k;

    g4_kernels_init(&k, c->flags, G4_PRECISION_F32, FALSE);
    if (c->flags == 0) {
        check_product(c, "gemm_f32_c", &g4_gemm_f32_c, ROUNDS_NOTHING);
        const char *wrong_shape;
        check_product(c, "gemm_f32_openblas", g4_gemm_blas(&wrong_shape), ROUNDS_NOTHING);
        if (wrong_shape)
            printf("not run: OpenBLAS (wrong at %s)\n", wrong_shape);
        check_integers_c(c, "gemm_int16_c", &g4_gemm_int16_c, 2 * 4095, 4095);
        check_integers_c(c, "gemm_int8_c", &g4_gemm_int8_c, 255, 127);
    } else {
#ifdef G4_HAVE_ARM /* where it gives way to OpenBLAS, too */
        check_product(c, "gemm_f32", &g4_gemm_f32_neon, ROUNDS_NOTHING);
#else
        check_product(c, "gemm_f32", k.gemm_f32, ROUNDS_NOTHING);
#endif
        check_integers(c, "gemm_int16", &g4_gemm_int16_c, k.gemm_int16);
        check_integers(c, "gemm_int8", &g4_gemm_int8_c, k.gemm_int8);
    }
    check_product(c, "gemm_bf16", k.gemm_bf16, k.gemm_bf16->load ? ROUNDS_BOTH : ROUNDS_B);
    check_bf16_load(c, k.gemm_bf16);
    check_whole_attention(c, "attention_f32", &k);
    g4_kernels_init(&k, c->flags, G4_PRECISION_BF16, TRUE);
    check_whole_attention(c, "attention_bf16", &k);
    g4_kernels_init(&k, c->flags, G4_PRECISION_BF16, FALSE);
    check_whole_attention(c, "attention_wide", &k);
    g4_kernels_init(&k, c->flags, G4_PRECISION_INT8, TRUE);
    check_whole_attention(c, "attention_int8", &k);
}
