/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention in blocks against the definition, with and without a window.
 */
#include "attention.h"
#include "cpu.h"

#include <math.h>

/* Largest difference allowed from sums in double: values are below 1, weights sum to 1, and a logit
 * of up to 16 is a sum of 16 products. */
#define TOLERANCE 2e-5

typedef struct Input {
    guint n, heads, kv_heads, d;
    guint radius; /* G_MAXUINT: no window */
    float *q;     /* [n, heads d], times log2(e) */
    float *k, *v; /* [n, kv_heads d] */
} Input;

static void input_init(Input *in, guint n, guint radius)
{
    *in = (Input){.n = n, .heads = 4, .kv_heads = 2, .d = 16, .radius = radius};
    in->q = g_new(float, n * in->heads * in->d);
    in->k = g_new(float, n * in->kv_heads * in->d);
    in->v = g_new(float, n * in->kv_heads * in->d);
    for (guint i = 0; i < n * in->heads * in->d; i++)
        in->q[i] = (float)g_test_rand_double_range(-1.44, 1.44);
    for (guint i = 0; i < n * in->kv_heads * in->d; i++) {
        in->k[i] = (float)g_test_rand_double_range(-1.0, 1.0);
        in->v[i] = (float)g_test_rand_double_range(-1.0, 1.0);
    }
}

static void input_clear(Input *in)
{
    g_free(in->q);
    g_free(in->k);
    g_free(in->v);
}

/* One number of the definition. */
static double expected(const Input *in, guint row, guint head, guint column)
{
    const guint g = head / (in->heads / in->kv_heads);
    const float *q = in->q + (row * in->heads + head) * in->d;
    double sum = 0.0, total = 0.0;

    for (guint j = 0; j < in->n; j++) {
        const float *k = in->k + (j * in->kv_heads + g) * in->d;
        double logit = 0.0;
        if ((j > row ? j - row : row - j) > in->radius)
            continue;
        for (guint i = 0; i < in->d; i++)
            logit += (double)q[i] * k[i];
        total += exp2(logit);
        sum += exp2(logit) * in->v[(j * in->kv_heads + g) * in->d + column];
    }
    return sum / total;
}

/* Rows first .. first + rows - 1, as one of several workers would take them. */
static void check_rows(const Input *in, const G4KeyValues *kv, G4AttentionScratch *scratch,
                       guint first, guint rows)
{
    const gsize stride = g4_row_stride(in->heads * in->d);
    g_autofree float *o = g_new(float, rows *stride);
    double worst = 0.0;

    g4_attention_within(kv, scratch, in->q + first * in->heads * in->d,
                        in->heads * in->d * sizeof(float), first, rows, in->heads, in->radius, o,
                        stride);
    for (guint i = 0; i < rows; i++)
        for (guint h = 0; h < in->heads; h++)
            for (guint j = 0; j < in->d; j++) {
                const double wrong =
                    fabs(o[i * stride + h * in->d + j] - expected(in, first + i, h, j));
                worst = wrong <= worst ? worst : wrong;
            }
    g_assert_cmpfloat(worst, <=, TOLERANCE);
}

static void every_query_sees_its_window(void)
{
    static const guint lengths[] = {1, 2, 30, 191, 192, 193, 500};
    static const guint radii[] = {1, 3, 95, 192, 200, G_MAXUINT};
    g_autoptr(GError) error = NULL;
    G4Kernels kernels;
    guint flags;

    g4_cpu_flags(&flags, &error);
    g_assert_no_error(error);
    g4_kernels_init(&kernels, flags, G4_PRECISION_F32, FALSE);
    for (guint l = 0; l < G_N_ELEMENTS(lengths); l++)
        for (guint r = 0; r < G_N_ELEMENTS(radii); r++) {
            const guint n = lengths[l];
            G4Scratch count = {0}, memory = {0};
            G4AttentionScratch scratch;
            Input in;
            input_init(&in, n, radii[r]);
            G4KeyValues kv = {
                .kernels = &kernels, .n = n, .kv_heads = in.kv_heads, .head_dim = in.d};
            g4_key_values_carve(&kv, &count);
            g4_attention_carve(&scratch, kernels.values, in.d, &count);
            g4_scratch_init(&memory, count.used, "attention", &error);
            g_assert_no_error(error);
            g4_key_values_carve(&kv, &memory);
            g4_attention_carve(&scratch, kernels.values, in.d, &memory);
            g4_key_values_pack(&kv, 0, n, in.k, in.v, in.kv_heads * in.d);
            if (kernels.values->enter)
                kernels.values->enter();
            check_rows(&in, &kv, &scratch, 0, n);
            check_rows(&in, &kv, &scratch, n / 2, n - n / 2);
            check_rows(&in, &kv, &scratch, n - 1, 1);
            if (kernels.values->leave)
                kernels.values->leave();
            g4_scratch_clear(&memory);
            input_clear(&in);
        }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attention/window", every_query_sees_its_window);
    return g_test_run();
}
