/* SPDX-License-Identifier: Apache-2.0
 *
 * The small cases in bfloat16 and in 8 bits, with one, two and three threads: the soft tokens'
 * directions against the float32 goldens. And in 8 bits the levels against each other. G4_CPU
 * chooses the kernels, and the test is skipped where the processor lacks that level.
 */
#include "cpu.h"
#include "golden.h"

#include <string.h>

/* A run of one case. */
typedef struct Run {
    const char *name;
    G4Precision precision;
    guint threads;
} Run;

/* Up to twice the largest seen, 1.0e-4 and 6.0e-5 in bfloat16 (both sides of a product rounded;
 * rounded weights alone in torch give the same as here, to three digits), 6.2e-4 and 2.1e-4 in 8
 * bits. What to expect: rounding both sides of a product leaves a noise of e = 0.0023 of it in
 * bfloat16 (2^-8 / sqrt(3), less for the larger mantissas, on two sides) and 0.008 in 8 bits (a
 * step of 6 / 255 of the row's RMS on one side, of sqrt(3) / 127 of the largest on the other, each
 * over sqrt(12)). Two layers, embedding and projection are 16 products, whose noises add up to
 * sqrt(16) e; a token of 40 numbers may be twice as unlucky: (8 e)^2 / 2, 1.7e-4 and 2e-3. */
static const GoldenLimits limits[] = {
    [G4_PRECISION_BF16] = {2e-4, 1.2e-4},
    [G4_PRECISION_INT8] = {1e-3, 4e-4},
};

/* Of a level in 8 bits to C's: their floats differ in the last bit, and now and then a value beside
 * the middle between two steps is rounded to the other one. Without one, 1e-13 is seen. One such
 * value among the 40 of a row moves its direction by 6 / 255 / sqrt(40), that is 7e-6 (seen: 8e-6);
 * seven on the way to one token are allowed. The mean of a frame's tokens dilutes them.
 * Where the processor multiplies bfloat16, embedding, attention and projection round to it and C
 * does not: then only what both may be away from the reference holds. */
static const GoldenLimits level_limits = {5e-5, 1e-5};

/* Opens a case with the kernels of `level`; NULL: the best. */
static G4Model *open_case(const char *name, G4Precision precision, const char *level)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = golden_case_path(name, NULL);

    if (level)
        g_setenv("G4_CPU", level, TRUE);
    else
        g_unsetenv("G4_CPU");
    G4Model *model = g4_model_open(folder, &(G4ModelOptions){.precision = precision}, &error);
    g_assert_no_error(error);
    return model;
}

/* The soft tokens of a golden's frame, [rows, cols]; the caller's. NULL: it has no such frame. */
static float *encode(G4Model *model, Golden *golden, guint frame, guint threads, guint *rows)
{
    const G4Tensor *rgb = golden_find(golden, "frame%u.rgb", frame);

    if (!rgb)
        return NULL;
    g_autofree guint8 *data = golden_bytes(golden, rgb);
    const G4Tensor *budget = golden_find(golden, "frame%u.max_soft_tokens", frame);
    g_autofree gint32 *max_soft_tokens = golden_ints(golden, budget);
    return golden_encode(
        model,
        &(G4EncoderOptions){.resize = *max_soft_tokens ? G4_RESIZE_ASPECT : G4_RESIZE_AUTO,
                            .max_soft_tokens = *max_soft_tokens,
                            .threads = threads},
        data, rgb->dims[1], rgb->dims[0], NULL, NULL, rows);
}

static void tokens_point_where_the_reference_does(gconstpointer data)
{
    const Run *run = data;
    const char *level = g_getenv("G4_CPU");
    g_autofree char *path = golden_case_path(run->name, "golden.safetensors");
    Golden golden;
    float *tokens;
    guint frame, rows;

    if (golden_skip_without_level())
        return;
    g_autofree char *own_level = g_strdup(level);
    g_autoptr(G4Model) model = open_case(run->name, run->precision, own_level);
    const guint cols = g4_model_get_cols(model);
    golden_init(&golden, path);
    g_test_message("kernels %s, %u threads", g4_model_get_kernels(model), run->threads);
    for (frame = 0; (tokens = encode(model, &golden, frame, run->threads, &rows)); frame++) {
        const G4Tensor *projected = golden_find(&golden, "frame%u.projected", frame);
        const G4Tensor *expected =
            projected ? projected : golden_find(&golden, "frame%u.features", frame);
        g_autofree char *what = g_strdup_printf("frame%u", frame);
        g_assert_cmpuint(expected->dims[0], ==, rows);
        g_assert_cmpuint(expected->dims[1], ==, cols);
        g_autofree float *reference = golden_floats(&golden, expected);
        golden_compare_tokens(what, tokens, reference, rows, cols, &limits[run->precision]);
        g_free(tokens);
    }
    g_assert_cmpuint(frame, >, 0);
    golden_clear(&golden);
}

/* All frames of a case in 8 bits, by this level and by another. */
static void compare_levels(const char *name, const char *level, const char *other, gboolean equal)
{
    g_autofree char *path = golden_case_path(name, "golden.safetensors");
    g_autoptr(G4Model) model = open_case(name, G4_PRECISION_INT8, other);
    g_autoptr(G4Model) own = open_case(name, G4_PRECISION_INT8, level);
    const guint cols = g4_model_get_cols(own);
    Golden golden;
    float *tokens;
    guint rows;

    const gboolean rounds =
        level ? g_str_equal(level, "avx512bf16") : (g4_cpu_detect() & G4_CPU_AVX512BF16) != 0;
    golden_init(&golden, path);
    for (guint frame = 0; (tokens = encode(own, &golden, frame, 1, &rows)); frame++) {
        g_autofree float *others = encode(model, &golden, frame, 1, &rows);
        g_autofree char *what = g_strdup_printf(
            "frame%u, %s and %s", frame, g4_model_get_kernels(own), g4_model_get_kernels(model));
        if (equal)
            g_assert_cmpmem(tokens, (gsize)rows * cols * sizeof *tokens, others,
                            (gsize)rows * cols * sizeof *tokens);
        else
            golden_compare_tokens(what, tokens, others, rows, cols,
                                  rounds ? &limits[G4_PRECISION_INT8] : &level_limits);
        g_free(tokens);
    }
    golden_clear(&golden);
}

static void levels_agree(gconstpointer data)
{
    if (golden_skip_without_level())
        return;
    g_autofree char *level = g_strdup(g_getenv("G4_CPU"));

    compare_levels(data, level, "c", FALSE);
    /* The same kernels but for the product of integers. */
    if (g_strcmp0(level, "avx512vnni") == 0)
        compare_levels(data, level, "avx512", TRUE);
    if (g_strcmp0(level, "dotprod") == 0)
        compare_levels(data, level, "neon", TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const char *const *name = golden_cases; *name; name++) {
        for (G4Precision precision = G4_PRECISION_BF16; precision <= G4_PRECISION_INT8;
             precision++) {
            for (guint threads = 1; threads <= 3; threads++) {
                Run *run = g_new(Run, 1);
                g_autofree char *path = g_strdup_printf(
                    "/golden/%s/%s/threads-%u", g4_precision_name(precision), *name, threads);
                *run = (Run){*name, precision, threads};
                g_test_add_data_func_full(path, run, tokens_point_where_the_reference_does, g_free);
            }
        }
        g_autofree char *path = g_strdup_printf("/golden/int8/%s/levels", *name);
        g_test_add_data_func(path, *name, levels_agree);
    }
    return g_test_run();
}
