/* SPDX-License-Identifier: Apache-2.0
 *
 * The element-wise float32 kernels against C. Their bounds are ulps of the values that are added or
 * multiplied; rows of every length up to a few vectors, and those of the real models.
 */
#include "checkkernel.h"

#include <math.h>
#include <string.h>

#include "kernels.h"

#define EPS 1e-6f

static const guint lengths[] = {1,  2,   3,   4,   7,   8,   9,    12,   15,  16, 17,
                                20, 24,  31,  32,  33,  36,  40,   63,   64,  65, 72,
                                96, 100, 191, 192, 256, 768, 1152, 3072, 4304};

typedef struct Rows {
    const G4Kernels *k;
    float *x, *y, *w, *z;
    guint n;
} Rows;

static Rows rows_new(Check *c, guint n, float lo, float hi)
{
    Rows r = {.n = n};

    r.x = (float *)check_input_new(c, n * sizeof(float));
    r.y = (float *)check_input_new(c, n * sizeof(float));
    r.w = (float *)check_input_new(c, n * sizeof(float));
    r.z = (float *)check_buffer_new(c, 1, n * sizeof(float))->data;
    check_fill_f32(c, r.x, n, lo, hi);
    check_fill_f32(c, r.y, n, lo, hi);
    check_fill_f32(c, r.w, n, 0.5f, 1.5f);
    return r;
}

static void bench_rms_norm(void *data)
{
    const Rows *r = data;
    r->k->rms_norm(r->z, r->x, r->w, r->n, EPS);
}

static void check_rms_norm(Check *c, const G4Kernels *k)
{
    static const float scales[] = {1.0f, 1e-4f, 300.0f};

    if (!check_kernel(c, "rms_norm_f32", k->rms_norm))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(lengths) * 3; i++) {
        const guint n = lengths[i / 3];
        const float scale = scales[i % 3];
        check_params(c, "n %u, values up to %g", n, scale);
        Rows r = rows_new(c, n, -scale, scale);
        CheckBuffer *ref = check_buffer_new(c, 1, n * sizeof(float));
        CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
        float *weight = i % 2 ? r.w : NULL;
        g4_rms_norm_f32_c((float *)ref->data, r.x, weight, n, EPS);
        k->rms_norm((float *)out->data, r.x, weight, n, EPS);
        /* The sum of squares of n positive terms errs by sqrt(n) / 2 ulp at most, its root by half.
         */
        check_near_f32(c, (float *)ref->data, (float *)out->data, n, 0.0,
                       (4.0 + sqrt(n) / 2) * 1.2e-7);
        check_intact(c, out);
        memcpy(out->data, r.x, n * sizeof(float));
        k->rms_norm((float *)out->data, (float *)out->data, weight, n, EPS);
        check_near_f32(c, (float *)ref->data, (float *)out->data, n, 0.0,
                       (4.0 + sqrt(n) / 2) * 1.2e-7);
        check_next(c);
    }
    Rows r = rows_new(c, 768, -1.0f, 1.0f);
    r.k = k;
    check_bench(c, "768 values", bench_rms_norm, &r);
    check_done(c);
}

static void bench_add_rms_norm(void *data)
{
    const Rows *r = data;
    r->k->add_rms_norm(r->z, r->x, r->w, r->n, EPS);
}

static void check_add_rms_norm(Check *c, const G4Kernels *k)
{
    if (!check_kernel(c, "add_rms_norm_f32", k->add_rms_norm))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        const guint n = lengths[i];
        check_params(c, "n %u", n);
        Rows r = rows_new(c, n, -2.0f, 2.0f);
        CheckBuffer *ref = check_buffer_new(c, 1, n * sizeof(float));
        CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
        memcpy(ref->data, r.y, n * sizeof(float));
        memcpy(out->data, r.y, n * sizeof(float));
        g4_add_rms_norm_f32_c((float *)ref->data, r.x, r.w, n, EPS);
        k->add_rms_norm((float *)out->data, r.x, r.w, n, EPS);
        /* Sums of values up to 2 and 2 * sqrt(n) * 1.5 at most (one value alone): absolute. */
        check_near_f32(c, (float *)ref->data, (float *)out->data, n,
                       (4.0 + sqrt(n) / 2) * 1.2e-7 * 4.0, 1e-6);
        check_intact(c, out);
        check_next(c);
    }
    Rows r = rows_new(c, 768, -1.0f, 1.0f);
    r.k = k;
    memset(r.z, 0, 768 * sizeof(float));
    check_bench(c, "768 values", bench_add_rms_norm, &r);
    check_done(c);
}

static void check_clamp(Check *c, const G4Kernels *k)
{
    static const float bounds[][2] = {{-1.0f, 1.0f},     {0.25f, 0.5f},         {-INFINITY, 0.5f},
                                      {-0.5f, INFINITY}, {-INFINITY, INFINITY}, {0.5f, 0.5f}};

    if (!check_kernel(c, "clamp_f32", k->clamp))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(lengths) * G_N_ELEMENTS(bounds); i++) {
        const guint n = lengths[i / G_N_ELEMENTS(bounds)];
        const float *b = bounds[i % G_N_ELEMENTS(bounds)];
        check_params(c, "n %u, %g .. %g", n, b[0], b[1]);
        Rows r = rows_new(c, n, -2.0f, 2.0f);
        if (i % 3 == 0)
            check_fill_wild_f32(c, r.x, n);
        CheckBuffer *ref = check_buffer_new(c, 1, n * sizeof(float));
        CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
        g4_clamp_f32_c((float *)ref->data, r.x, n, b[0], b[1]);
        k->clamp((float *)out->data, r.x, n, b[0], b[1]);
        check_near_f32(c, (float *)ref->data, (float *)out->data, n, 0.0, 0.0);
        check_intact(c, out);
        check_next(c);
    }
    check_done(c);
}

static void bench_geglu(void *data)
{
    const Rows *r = data;
    r->k->geglu(r->z, r->x, r->w, r->n);
}

static double gelu_tanh(double u)
{
    return 0.5 * u * (1.0 + tanh(0.7978845608028654 * (u + 0.044715 * u * u * u)));
}

static void check_geglu(Check *c, const G4Kernels *k)
{
    static const float ranges[] = {1.0f, 12.0f, 1e-3f, 1e4f};

    if (!check_kernel(c, "geglu_f32", k->geglu))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(lengths) * 4; i++) {
        const guint n = lengths[i / 4];
        const float range = ranges[i % 4];
        check_params(c, "n %u, gate up to %g", n, range);
        Rows r = rows_new(c, n, -range, range);
        CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
        double *ref = (double *)check_input_new(c, n * sizeof(double));
        double *bound = (double *)check_input_new(c, n * sizeof(double));
        k->geglu((float *)out->data, r.x, r.w, n);
        for (guint j = 0; j < n; j++) {
            ref[j] = gelu_tanh(r.x[j]) * r.w[j];
            /* The exponent's argument, up to 126, carries its rounding into the exponential: the
             * tail is right to 126 ulp of itself, the rest to a few; C cancels in 1 + tanh. Below
             * 2^-126 it is 0 or so. */
            bound[j] =
                1e-5 * fabs(ref[j]) + 1.2e-7 * MIN(fabs(r.x[j]), 12.0) * r.w[j] + 1e-36 * range;
        }
        check_bound_f64(c, ref, (float *)out->data, bound, n);
        check_intact(c, out);
        memcpy(out->data, r.x, n * sizeof(float));
        k->geglu((float *)out->data, (float *)out->data, r.w, n);
        check_bound_f64(c, ref, (float *)out->data, bound, n);
        check_next(c);
    }
    Rows r = rows_new(c, 256, -4.0f, 4.0f);
    r.k = k;
    check_bench(c, "256 values", bench_geglu, &r);
    check_done(c);
}

static void bench_softmax(void *data)
{
    const Rows *r = data;
    float max = -INFINITY, sum = 0.0f;

    memcpy(r->z, r->x, r->n * sizeof(float));
    r->k->softmax(r->z, r->n, &max, &sum);
}

static void check_softmax(Check *c, const G4Kernels *k)
{
    static const float ranges[] = {3.0f, 60.0f, 0.0f, 500.0f};

    if (!check_kernel(c, "softmax_f32", k->softmax))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(lengths) * 4; i++) {
        const guint n = MIN(lengths[i / 4], 192u);
        const float range = ranges[i % 4];
        const gboolean first = i % 3 == 0;
        check_params(c, "n %u, logits up to %g, %s block", n, range, first ? "first" : "later");
        Rows r = rows_new(c, n, -range, range);
        CheckBuffer *ref = check_buffer_new(c, 1, n * sizeof(float));
        CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
        float max_ref = first ? -INFINITY : r.y[0], max_out = max_ref;
        float sum_ref = first ? 0.0f : 2.5f, sum_out = sum_ref;
        memcpy(ref->data, r.x, n * sizeof(float));
        memcpy(out->data, r.x, n * sizeof(float));
        const float factor_ref = g4_softmax_f32_c((float *)ref->data, n, &max_ref, &sum_ref);
        const float factor = k->softmax((float *)out->data, n, &max_out, &sum_out);
        /* 2^-126 stands for whatever is smaller. */
        check_near_f32(c, (float *)ref->data, (float *)out->data, n, 1.2e-38, 5e-7);
        check_near_f32(c, &max_ref, &max_out, 1, 0.0, 0.0);
        check_near_f32(c, &sum_ref, &sum_out, 1, 0.0, 1e-6);
        check_near_f32(c, &factor_ref, &factor, 1, 1.2e-38, 5e-7);
        check_intact(c, out);
        check_next(c);
    }
    Rows r = rows_new(c, 192, -8.0f, 8.0f);
    r.k = k;
    check_bench(c, "192 logits", bench_softmax, &r);
    check_done(c);
}

static void check_scale(Check *c, const G4Kernels *k)
{
    if (!check_kernel(c, "scale_f32", k->scale))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        const guint n = lengths[i];
        check_params(c, "n %u", n);
        Rows r = rows_new(c, n, -2.0f, 2.0f);
        CheckBuffer *ref = check_buffer_new(c, 1, n * sizeof(float));
        CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
        memcpy(ref->data, r.x, n * sizeof(float));
        memcpy(out->data, r.x, n * sizeof(float));
        g4_scale_f32_c((float *)ref->data, n, r.w[0]);
        k->scale((float *)out->data, n, r.w[0]);
        check_ulp_f32(c, (float *)ref->data, (float *)out->data, n, 0);
        check_intact(c, out);
        check_next(c);
    }
    check_done(c);
}

static void check_rope(Check *c, const G4Kernels *k)
{
    static const guint dims[] = {4, 8, 12, 16, 20, 24, 32, 36, 64, 72, 128, 256};

    if (!check_kernel(c, "rope_f32", k->rope))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(dims) * 3; i++) {
        const guint d = dims[i / 3], heads = 1 + i % 3 * 2, pairs = d / 4, n = heads * d;
        check_params(c, "%u heads of %u", heads, d);
        Rows r = rows_new(c, n, -2.0f, 2.0f);
        float *angles[4];
        for (int t = 0; t < 4; t++) {
            angles[t] = (float *)check_input_new(c, pairs * sizeof(float));
            check_fill_f32(c, angles[t], pairs, -1.0f, 1.0f);
        }
        CheckBuffer *ref = check_buffer_new(c, 1, n * sizeof(float));
        CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
        memcpy(ref->data, r.x, n * sizeof(float));
        memcpy(out->data, r.x, n * sizeof(float));
        g4_rope_f32_c((float *)ref->data, heads, d / 2, angles[0], angles[1], angles[2], angles[3]);
        k->rope((float *)out->data, heads, d / 2, angles[0], angles[1], angles[2], angles[3]);
        check_near_f32(c, (float *)ref->data, (float *)out->data, n, 4 * 1.2e-7, 0.0);
        check_intact(c, out);
        check_next(c);
    }
    check_done(c);
}

void check_kernels(Check *c)
{
    G4Kernels k;

    g4_kernels_init(&k, c->flags, G4_PRECISION_F32, FALSE);
    check_rms_norm(c, &k);
    check_add_rms_norm(c, &k);
    check_clamp(c, &k);
    check_geglu(c, &k);
    check_softmax(c, &k);
    check_scale(c, &k);
    check_rope(c, &k);
}
