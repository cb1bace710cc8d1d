/* SPDX-License-Identifier: Apache-2.0
 *
 * The goldens of full size: base12 (768x768, 2304 patches) and e2b and tower16 (280 tokens), from
 * checkpoints that gemma4-make-checkpoint writes for the test and that are removed after it; at the
 * processor's best kernels, in float32 through the C interface, stage by stage, and through
 * gst-launch-1.0, in bfloat16 and 8 bits by the directions of the soft tokens.
 */
#include "config.h"
#include "formula.h"
#include "golden.h"
#include "launch.h"
#include "rewrite.h"

#include <string.h>

typedef struct Full {
    const char *golden; /* file under tests/data/full, without its suffix */
    const char *kind, *dtype;
    guint max_soft_tokens; /* 0: square policy */
    gboolean launched;     /* through the elements too */
    GoldenLimits bf16;
} Full;

/* What bf16 and int8 promise for networks of this size, stored in bfloat16 as those of Gemma 4 are.
 * From float32 bf16 rounds the weights besides: that alone moves base12 by 4.9e-5 and 2.1e-5 (in
 * torch as here), the activations' rounding, where the processor multiplies bfloat16, by 2.5e-5 and
 * 4e-6. In int8 it does not count. */
static const GoldenLimits int8_limits = {1e-3, 4e-4};

static const Full fulls[] = {
    {"base12-f32", "base12", "f32", 0, TRUE, {1e-4, 3e-5}},
    {"base12-bf16", "base12", "bf16", 0, FALSE, {5e-5, 1e-5}},
    {"e2b-bf16", "e2b", "bf16", 280, TRUE, {5e-5, 1e-5}},
    {"tower16-bf16", "tower16", "bf16", 280, TRUE, {5e-5, 1e-5}},
};

/* The stages at the rows that the golden kept, and the features complete. */
typedef struct FullCapture {
    Capture stages;
    float *features; /* [T, D] */
    guint width;
} FullCapture;

static void probe(void *user, const char *stage, guint first_row, guint n_rows, guint width,
                  const float *rows, gsize row_stride)
{
    FullCapture *capture = user;

    if (strcmp(stage, "features") == 0 && width == capture->width)
        for (guint i = 0; i < n_rows; i++)
            memcpy(capture->features + (gsize)(first_row + i) * width, rows + i * row_stride,
                   width * sizeof(float));
    capture_probe(&capture->stages, stage, first_row, n_rows, width, rows, row_stride);
}

static void expect_stage(Capture *capture, Golden *golden, const char *stage,
                         const G4Tensor *kept_rows, guint total_rows)
{
    const G4Tensor *tensor = golden_find(golden, "%s", stage);
    const G4Tensor *rms = golden_find(golden, "%s.rms", stage);
    g_autofree gint32 *rows = golden_ints(golden, kept_rows);

    g_assert_nonnull(tensor);
    g_assert_cmpuint(tensor->dims[0], ==, kept_rows->elements);
    g_autofree float *value = rms ? golden_floats(golden, rms) : NULL;
    capture_expect(capture, stage, golden_floats(golden, tensor), tensor->dims[1], tensor->dims[0],
                   rows, total_rows, value ? *value : 0.0);
}

static void expect_stages(Capture *capture, Golden *golden, guint layers, guint n_patches,
                          guint n_tokens)
{
    const G4Tensor *patch_rows = golden_find(golden, "patch_rows");
    const G4Tensor *token_rows = golden_find(golden, "token_rows");

    expect_stage(capture, golden, "patches", patch_rows, n_patches);
    expect_stage(capture, golden, "hidden.embed", patch_rows, n_patches);
    for (guint layer = 0; layer < layers; layer++) {
        g_autofree char *hidden = g_strdup_printf("hidden.%u", layer);
        expect_stage(capture, golden, hidden, patch_rows, n_patches);
    }
    expect_stage(capture, golden, "pooled", token_rows, n_tokens);
    expect_stage(capture, golden, "features", token_rows, n_tokens);
    expect_stage(capture, golden, "projected", token_rows, n_tokens);
}

static void check_vector(Golden *golden, const char *what, const char *name, const float *found)
{
    const G4Tensor *tensor = golden_find(golden, "%s", name);
    g_assert_nonnull(tensor);
    g_autofree float *expected = golden_floats(golden, tensor);
    golden_compare(what, found, expected, tensor->elements, golden_rms(expected, tensor->elements));
}

/* The soft tokens of all rows against those that the golden kept. */
static void check_tokens(Golden *golden, const char *what, const float *tokens, guint rows,
                         guint cols)
{
    const G4Tensor *tensor = golden_find(golden, "projected");
    const G4Tensor *token_rows = golden_find(golden, "token_rows");
    g_autofree float *rms = golden_floats(golden, golden_find(golden, "projected.rms"));
    g_autofree gint32 *kept = golden_ints(golden, token_rows);
    g_autofree float *expected = golden_floats(golden, tensor);

    g_assert_cmpuint(tensor->dims[1], ==, cols);
    for (guint i = 0; i < token_rows->elements; i++) {
        g_autofree char *row = g_strdup_printf("%s row %d", what, kept[i]);
        g_assert_cmpint(kept[i], <, rows);
        golden_compare(row, tokens + (gsize)kept[i] * cols, expected + (gsize)i * cols, cols, *rms);
    }
}

static void check_core(const Full *full, const char *folder, Golden *golden, const gint32 *size,
                       const guint8 *rgb)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *config_text = NULL;
    gsize config_length;
    guint width, height;
    G4Config config;

    g4_config_read(folder, &config, &config_text, &config_length, &error);
    g_assert_no_error(error);
    g_autoptr(G4Model) model =
        g4_model_open(folder, &(G4ModelOptions){.precision = G4_PRECISION_F32}, &error);
    g_assert_no_error(error);
    g_autoptr(G4Encoder) encoder = g4_encoder_new(
        model, &(G4EncoderOptions){.max_soft_tokens = full->max_soft_tokens}, &error);
    g_assert_no_error(error);
    FullCapture capture = {.width = config.hidden};
    g4_encoder_set_probe(encoder, probe, &capture);
    g4_encoder_prepare(encoder, size[0], size[1], &error);
    g_assert_no_error(error);
    g4_encoder_get_target(encoder, &width, &height);
    g_assert_cmpuint(width, ==, size[2]);
    g_assert_cmpuint(height, ==, size[3]);
    g_test_message("%s: kernels %s", full->golden, g4_model_get_kernels(model));

    const G4Frame frame = {.data = rgb,
                           .stride = (gsize)size[0] * 3,
                           .width = size[0],
                           .height = size[1],
                           .format = G4_PIXELS_RGB};
    const guint rows = g4_encoder_get_rows(encoder), cols = g4_encoder_get_cols(encoder);
    g_autofree float *tokens = g_new(float, (gsize)rows *cols);
    g_autofree float *features = g_new0(float, (gsize)rows *config.hidden);
    g_autofree float *mean = g_new(float, MAX(cols, config.hidden));

    capture.features = features;
    capture_init(&capture.stages);
    expect_stages(&capture.stages, golden, config.layers, rows * config.pool * config.pool, rows);
    g4_encoder_load(encoder, &frame);
    g4_encoder_encode(encoder, tokens);
    capture_compare(&capture.stages, full->golden);
    capture_clear(&capture.stages);

    /* What the caller gets, with nobody looking inside. */
    g4_encoder_set_probe(encoder, NULL, NULL);
    g4_encoder_prepare(encoder, size[0], size[1], &error);
    g_assert_no_error(error);
    g4_encoder_load(encoder, &frame);
    memset(tokens, 0, (gsize)rows * cols * sizeof(float));
    g4_encoder_encode(encoder, tokens);
    check_tokens(golden, "tokens", tokens, rows, cols);
    g4_tokens_mean(tokens, rows, cols, TRUE, mean);
    check_vector(golden, "embedding", "embedding", mean);
    g4_tokens_mean(features, rows, config.hidden, TRUE, mean);
    check_vector(golden, "features_embedding", "features_embedding", mean);
}

/* All soft tokens in this precision, [rows, cols]; the caller's. */
static float *encode(const Full *full, const char *folder, G4Precision precision,
                     const gint32 *size, const guint8 *rgb, guint *rows, guint *cols)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Model) model =
        g4_model_open(folder, &(G4ModelOptions){.precision = precision}, &error);

    g_assert_no_error(error);
    g_test_message("%s: kernels %s", g4_precision_name(precision), g4_model_get_kernels(model));
    *cols = g4_model_get_cols(model);
    return golden_encode(model, &(G4EncoderOptions){.max_soft_tokens = full->max_soft_tokens}, rgb,
                         size[0], size[1], NULL, NULL, rows);
}

static void check_distance(const char *what, const float *found, const float *expected, guint n,
                           double limit)
{
    const double distance = golden_distance(found, expected, n);

    if (!(distance <= limit))
        g_test_fail_printf("%s: 1 - cosine %.3e, allowed %.1e", what, distance, limit);
}

/* The tokens that the golden kept, and its embedding. */
static void check_directions(Golden *golden, const char *what, const float *tokens, guint rows,
                             guint cols, const GoldenLimits *limits)
{
    const G4Tensor *token_rows = golden_find(golden, "token_rows");
    g_autofree gint32 *kept = golden_ints(golden, token_rows);
    g_autofree float *expected = golden_floats(golden, golden_find(golden, "projected"));
    g_autofree float *embedding = golden_floats(golden, golden_find(golden, "embedding"));
    g_autofree float *mean = g_new(float, cols);
    g_autofree char *frame = g_strconcat(what, " frame vector", NULL);

    for (guint i = 0; i < token_rows->elements; i++) {
        g_autofree char *token = g_strdup_printf("%s token %d", what, kept[i]);
        g_assert_cmpint(kept[i], <, rows);
        check_distance(token, tokens + (gsize)kept[i] * cols, expected + (gsize)i * cols, cols,
                       limits->token);
    }
    g4_tokens_mean(tokens, rows, cols, FALSE, mean);
    check_distance(frame, mean, embedding, cols, limits->frame);
}

/* The golden has some tokens; the others are held against those in float32, once that has all of
 * the golden's. */
static void check_precisions(const Full *full, const char *folder, Golden *golden,
                             const gint32 *size, const guint8 *rgb)
{
    guint rows, cols;
    g_autofree float *f32 = encode(full, folder, G4_PRECISION_F32, size, rgb, &rows, &cols);

    check_tokens(golden, "f32 tokens", f32, rows, cols);
    for (G4Precision precision = G4_PRECISION_BF16; precision <= G4_PRECISION_INT8; precision++) {
        const GoldenLimits *limits = precision == G4_PRECISION_BF16 ? &full->bf16 : &int8_limits;
        const char *name = g4_precision_name(precision);
        g_autofree float *tokens = encode(full, folder, precision, size, rgb, &rows, &cols);
        check_directions(golden, name, tokens, rows, cols, limits);
        golden_compare_tokens(name, tokens, f32, rows, cols, limits);
    }
}

static void check_launch(const Full *full, const char *folder, const char *temporary,
                         Golden *golden, const gint32 *size, const guint8 *rgb)
{
    const G4Tensor *projected = golden_find(golden, "projected");
    Npy npy;

    launch(folder, rgb, size[0], size[1], full->max_soft_tokens, "tokens", temporary, &npy);
    g_assert_cmpuint(npy.n_dims, ==, 3);
    g_assert_cmpuint(npy.shape[0], ==, 1);
    g_assert_cmpuint(npy.shape[2], ==, projected->dims[1]);
    check_tokens(golden, "gst-launch tokens", npy.values, npy.shape[1], npy.shape[2]);
    /* Their mean; what output=pooled makes of it is seen on the small cases. */
    g_autofree float *mean = g_new(float, npy.shape[2]);
    g4_tokens_mean(npy.values, npy.shape[1], npy.shape[2], TRUE, mean);
    check_vector(golden, "gst-launch embedding", "embedding", mean);
    npy_clear(&npy);
}

static void make_checkpoint(const Full *full, const char *folder)
{
    g_autoptr(GError) error = NULL;
    const char *program = g_getenv("G4_MAKE_CHECKPOINT");
    const char *argv[] = {program, full->kind, folder, "--dtype", full->dtype, NULL};
    int status;

    g_assert_nonnull(program);
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                 &status, &error);
    g_assert_no_error(error);
    g_spawn_check_wait_status(status, &error);
    g_assert_no_error(error);
}

/* What the tests of a golden need: the checkpoint, made for the test, and the picture. */
typedef struct Fixture {
    char *temporary, *folder;
    gint32 *size; /* frame, target */
    guint8 *rgb;
    Golden golden;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    const Full *full = data;
    g_autofree char *file = g_strconcat(full->golden, ".safetensors", NULL);
    g_autofree char *path = g_build_filename(g_getenv("G4_TEST_DATA"), "full", file, NULL);

    fixture->temporary = rewrite_make_folder();
    fixture->folder = g_build_filename(fixture->temporary, full->kind, NULL);
    make_checkpoint(full, fixture->folder);
    golden_init(&fixture->golden, path);
    const G4Tensor *size = golden_find(&fixture->golden, "size");
    g_assert_nonnull(size);
    fixture->size = golden_ints(&fixture->golden, size);
    fixture->rgb = g_malloc((gsize)fixture->size[0] * fixture->size[1] * 3);
    g4_formula_frame(fixture->size[0], fixture->size[1], 0, fixture->rgb);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    golden_clear(&fixture->golden);
    rewrite_remove_folder(fixture->folder);
    rewrite_remove_folder(fixture->temporary);
    g_free(fixture->folder);
    g_free(fixture->temporary);
    g_free(fixture->size);
    g_free(fixture->rgb);
}

static void every_stage_of_full_size_is_that_of_the_reference(Fixture *fixture, gconstpointer data)
{
    check_core(data, fixture->folder, &fixture->golden, fixture->size, fixture->rgb);
    golden_assert_all_used(&fixture->golden);
}

static void other_precisions_point_where_the_reference_does(Fixture *fixture, gconstpointer data)
{
    check_precisions(data, fixture->folder, &fixture->golden, fixture->size, fixture->rgb);
}

static void the_elements_give_the_reference(Fixture *fixture, gconstpointer data)
{
    if (launch_missing())
        g_test_skip(launch_missing());
    else
        check_launch(data, fixture->folder, fixture->temporary, &fixture->golden, fixture->size,
                     fixture->rgb);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(fulls); i++) {
        g_autofree char *path = g_strdup_printf("/golden/full/%s", fulls[i].golden);
        g_autofree char *precise = g_strdup_printf("/golden/full/precision/%s", fulls[i].golden);
        g_autofree char *launched = g_strdup_printf("/golden/full/launch/%s", fulls[i].golden);
        g_test_add(path, Fixture, &fulls[i], set_up,
                   every_stage_of_full_size_is_that_of_the_reference, tear_down);
        g_test_add(precise, Fixture, &fulls[i], set_up,
                   other_precisions_point_where_the_reference_does, tear_down);
        if (fulls[i].launched)
            g_test_add(launched, Fixture, &fulls[i], set_up, the_elements_give_the_reference,
                       tear_down);
    }
    return g_test_run();
}
