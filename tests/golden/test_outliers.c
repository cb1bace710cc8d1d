/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels far larger than the rest, as training makes them: two layers of full width, 0.5 % of
 * whose channels ahead of the products are 30 times as large. In bfloat16 and 8 bits, at every
 * level of kernels that the processor has, each soft token points where that in float32 does.
 */
#include "cpu.h"
#include "formula.h"
#include "golden.h"
#include "rewrite.h"

#include <math.h>

#define SIDE 96 /* of the picture: four soft tokens */

/* 8 bits must stay below 1e-2, and do as at full size without outliers. Seen, at all levels, those
 * emulated as well: 1.5e-5 and 7.1e-6 in bfloat16, 2.4e-4 and 1.4e-4 in 8 bits. */
static const GoldenLimits limits[] = {
    [G4_PRECISION_BF16] = {5e-5, 1e-5},
    [G4_PRECISION_INT8] = {1e-3, 4e-4},
};

static const char *folder;
static guint8 picture[SIDE * SIDE * 3];

static float *encode(G4Precision precision, G4Probe probe, void *user, guint *rows, guint *cols)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Model) model =
        g4_model_open(folder, &(G4ModelOptions){.precision = precision}, &error);

    g_assert_no_error(error);
    g_test_message("%s: kernels %s", g4_precision_name(precision), g4_model_get_kernels(model));
    *cols = g4_model_get_cols(model);
    return golden_encode(model, &(G4EncoderOptions){.resize = G4_RESIZE_SQUARE, .image_size = SIDE},
                         picture, SIDE, SIDE, probe, user, rows);
}

/* Largest ratio of a value to its row's RMS in what the first product reads. */
static void look_at_input(void *user, const char *stage, guint first_row, guint n_rows, guint width,
                          const float *rows, gsize row_stride)
{
    double *largest = user;

    if (!g_str_equal(stage, "layer0.input_layernorm"))
        return;
    g_assert_cmpuint(first_row + n_rows, <=, SIDE * SIDE / 256);
    for (guint i = 0; i < n_rows; i++, rows += row_stride) {
        const double rms = golden_rms(rows, width);
        for (guint j = 0; j < width; j++)
            *largest = MAX(*largest, fabs(rows[j]) / rms);
    }
}

static void there_are_outliers(void)
{
    double largest = 0.0;
    guint rows, cols;

    g_setenv("G4_CPU", "c", TRUE);
    g_autofree float *tokens = encode(G4_PRECISION_F32, NULL, NULL, &rows, &cols);
    g_autofree float *again = encode(G4_PRECISION_F32, look_at_input, &largest, &rows, &cols);
    g_test_message("largest value %.1f of its row's RMS", largest);
    g_assert_cmpfloat(largest, >, 12.0);
    golden_compare_tokens("seen", again, tokens, rows, cols, &limits[G4_PRECISION_BF16]);
}

static void every_token_points_where_float32_does(gconstpointer level)
{
    guint rows, cols;

    g_setenv("G4_CPU", level, TRUE);
    g_autofree float *f32 = encode(G4_PRECISION_F32, NULL, NULL, &rows, &cols);
    for (G4Precision precision = G4_PRECISION_BF16; precision <= G4_PRECISION_INT8; precision++) {
        g_autofree float *tokens = encode(precision, NULL, NULL, &rows, &cols);
        golden_compare_tokens(g4_precision_name(precision), tokens, f32, rows, cols,
                              &limits[precision]);
    }
}

static void make_checkpoint(const char *to)
{
    g_autoptr(GError) error = NULL;
    const char *program = g_getenv("G4_MAKE_CHECKPOINT");
    const char *argv[] = {program,      "base12",   to,  "--dtype", "bf16",
                          "--outliers", "--layers", "2", NULL};
    int status;

    g_assert_nonnull(program);
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                 &status, &error);
    g_assert_no_error(error);
    g_spawn_check_wait_status(status, &error);
    g_assert_no_error(error);
}

int main(int argc, char **argv)
{
    static const char *const levels[] = {"c",          "avx2", "avx512", "avx512vnni",
                                         "avx512bf16", "neon", "dotprod"};

    g_test_init(&argc, &argv, NULL);
    g_autofree char *temporary = rewrite_make_folder();
    g_autofree char *checkpoint = g_build_filename(temporary, "outliers", NULL);
    folder = checkpoint;
    make_checkpoint(checkpoint);
    g4_formula_frame(SIDE, SIDE, 0, picture);
    g_test_add_func("/golden/outliers/are-there", there_are_outliers);
    for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
        g_autofree char *path = g_strconcat("/golden/outliers/", levels[i], NULL);
        guint flags = 0;
        g_assert_true(g4_cpu_level_parse(levels[i], &flags));
        if (!(flags & ~g4_cpu_detect()))
            g_test_add_data_func(path, levels[i], every_token_points_where_float32_does);
    }
    const int status = g_test_run();
    rewrite_remove_folder(checkpoint);
    rewrite_remove_folder(temporary);
    return status;
}
