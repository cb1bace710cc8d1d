/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole encoder against Transformers, at every stage, on small checkpoints in the real layout
 * (tests/data/cases), with one, two and three threads. G4_CPU chooses the kernels, and the test
 * is skipped where the processor lacks that level.
 */
#include "config.h"
#include "golden.h"
#include "rewrite.h"

#include <math.h>
#include <string.h>

/* A run of one case. */
typedef struct Run {
    char *model;  /* folder */
    char *golden; /* file */
    guint threads;
} Run;

static const char *const layer_stages[] = {
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.q_norm",
    "self_attn.k_norm",
    "self_attn.v_norm",
    "self_attn.q_rope",
    "self_attn.k_rope",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
    "post_feedforward_layernorm",
};

static void expect_stage(Capture *capture, Golden *golden, guint frame, guint rows,
                         const char *stage)
{
    const G4Tensor *tensor = golden_find(golden, "frame%u.%s", frame, stage);
    if (!tensor)
        return;
    g_assert_cmpuint(tensor->n_dims, ==, 2);
    g_assert_cmpuint(tensor->dims[0], ==, rows);
    capture_expect(capture, stage, golden_floats(golden, tensor), tensor->dims[1], rows, NULL, rows,
                   0.0);
}

static void expect_stages(Capture *capture, Golden *golden, guint frame, guint layers,
                          guint n_patches, guint n_tokens)
{
    expect_stage(capture, golden, frame, n_patches, "patches");
    expect_stage(capture, golden, frame, n_patches, "hidden.embed");
    for (guint layer = 0; layer < layers; layer++) {
        g_autofree char *hidden = g_strdup_printf("hidden.%u", layer);
        expect_stage(capture, golden, frame, n_patches, hidden);
        for (guint i = 0; i < G_N_ELEMENTS(layer_stages); i++) {
            g_autofree char *name = g_strdup_printf("layer%u.%s", layer, layer_stages[i]);
            expect_stage(capture, golden, frame, n_patches, name);
        }
    }
    expect_stage(capture, golden, frame, n_tokens, "pooled");
    expect_stage(capture, golden, frame, n_tokens, "features");
    expect_stage(capture, golden, frame, n_tokens, "projected");
    g_assert_nonnull(g_hash_table_lookup(capture->stages, "hidden.embed"));
    g_assert_nonnull(g_hash_table_lookup(capture->stages, "features"));
}

/* Target size and resized pixels, bit for bit; patch i lies at column i % width, row i / width. */
static void check_resized(G4Encoder *encoder, Golden *golden, guint frame, guint patch)
{
    const G4Tensor *resized = golden_find(golden, "frame%u.resized", frame);
    const G4Tensor *positions = golden_find(golden, "frame%u.positions", frame);
    g_autofree guint8 *pixels = golden_bytes(golden, resized);
    g_autofree gint32 *position = golden_ints(golden, positions);
    guint width, height;

    g4_encoder_get_target(encoder, &width, &height);
    g_assert_cmpuint(height, ==, resized->dims[0]);
    g_assert_cmpuint(width, ==, resized->dims[1]);
    g_assert_cmpmem(g4_encoder_get_pixels(encoder), (gsize)width * height * 3, pixels,
                    resized->bytes);
    g_assert_cmpuint(positions->dims[0], ==, (width / patch) * (height / patch));
    for (guint i = 0; i < positions->dims[0]; i++) {
        g_assert_cmpint(position[2 * i], ==, i % (width / patch));
        g_assert_cmpint(position[2 * i + 1], ==, i / (width / patch));
    }
}

static void check_embedding(Golden *golden, const char *what, guint frame, const char *name,
                            const float *tokens, guint rows, guint cols)
{
    const G4Tensor *tensor = golden_find(golden, "frame%u.%s", frame, name);
    g_autofree char *message = g_strdup_printf("%s %s", what, name);
    g_autofree float *found = g_new(float, cols);

    g_assert_nonnull(tensor);
    g_assert_cmpuint(tensor->elements, ==, cols);
    g_autofree float *expected = golden_floats(golden, tensor);
    g4_tokens_mean(tokens, rows, cols, TRUE, found);
    golden_compare(message, found, expected, cols, golden_rms(expected, cols));
}

static void check_frame(G4Model *model, const G4Config *config, Golden *golden, guint frame,
                        guint threads, const G4Tensor *rgb)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *what = g_strdup_printf("frame%u", frame);
    const guint height = rgb->dims[0], width = rgb->dims[1];
    g_autofree guint8 *data = golden_bytes(golden, rgb);
    const G4Tensor *budget = golden_find(golden, "frame%u.max_soft_tokens", frame);
    g_autofree gint32 *max_soft_tokens = golden_ints(golden, budget);
    g_autoptr(G4Encoder) encoder = g4_encoder_new(
        model,
        &(G4EncoderOptions){.resize = *max_soft_tokens ? G4_RESIZE_ASPECT : G4_RESIZE_AUTO,
                            .max_soft_tokens = *max_soft_tokens,
                            .threads = threads},
        &error);
    g_assert_no_error(error);
    Capture capture;

    capture_init(&capture);
    g4_encoder_set_probe(encoder, capture_probe, &capture);
    g4_encoder_prepare(encoder, width, height, &error);
    g_assert_no_error(error);

    const G4Frame picture = {.data = data,
                             .stride = (gsize)width * 3,
                             .width = width,
                             .height = height,
                             .format = G4_PIXELS_RGB};
    const guint rows = g4_encoder_get_rows(encoder), cols = g4_encoder_get_cols(encoder);
    g_autofree float *tokens = g_new(float, (gsize)rows *cols);

    g4_encoder_load(encoder, &picture);
    check_resized(encoder, golden, frame, config->patch);
    expect_stages(&capture, golden, frame, config->layers, rows * config->pool * config->pool,
                  rows);
    g4_encoder_encode(encoder, tokens);
    capture_compare(&capture, what);

    /* What the caller gets, with nobody looking inside. */
    g4_encoder_set_probe(encoder, NULL, NULL);
    g4_encoder_prepare(encoder, width, height, &error);
    g_assert_no_error(error);
    g4_encoder_load(encoder, &picture);
    memset(tokens, 0, (gsize)rows * cols * sizeof(float));
    g4_encoder_encode(encoder, tokens);
    const char *last = config->output_dim ? "projected" : "features";
    const Stage *stage = g_hash_table_lookup(capture.stages, last);
    g_assert_nonnull(stage);
    g_assert_cmpuint(stage->width, ==, cols);
    g_autofree char *message = g_strdup_printf("%s tokens", what);
    golden_compare(message, tokens, stage->expected, (gsize)rows * cols, stage->rms);
    if (config->output_dim)
        check_embedding(golden, what, frame, "embedding", tokens, rows, cols);
    const Stage *features = g_hash_table_lookup(capture.stages, "features");
    check_embedding(golden, what, frame, "features_embedding", features->found, rows,
                    config->hidden);
    capture_clear(&capture);
}

static void check_case(const char *folder, const char *path, guint threads)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *config_text = NULL;
    gsize config_length;
    G4Config config;
    Golden golden;
    const G4Tensor *rgb;
    guint frame;

    golden_init(&golden, path);
    g4_config_read(folder, &config, &config_text, &config_length, &error);
    g_assert_no_error(error);
    g_autoptr(G4Model) model =
        g4_model_open(folder, &(G4ModelOptions){.precision = G4_PRECISION_F32}, &error);
    g_assert_no_error(error);
    g_test_message("kernels %s, %u threads", g4_model_get_kernels(model), threads);
    for (frame = 0; (rgb = golden_find(&golden, "frame%u.rgb", frame)); frame++)
        check_frame(model, &config, &golden, frame, threads, rgb);
    g_assert_cmpuint(frame, >, 0);
    golden_assert_all_used(&golden);
    golden_clear(&golden);
}

static void every_stage_is_that_of_the_reference(gconstpointer data)
{
    const Run *run = data;
    if (!golden_skip_without_level())
        check_case(run->model, run->golden, run->threads);
}

/* DiffusionGemma's prefix, under which no case is stored. */
static char *diffusion_name(const char *name, const guint8 *data, gsize size)
{
    g_assert_true(g_str_has_prefix(name, "model."));
    return g_strconcat("model.encoder.", name + strlen("model."), NULL);
}

static void diffusion_gemma_is_read_like_gemma(void)
{
    if (golden_skip_without_level())
        return;
    g_autofree char *from = golden_case_path("square", NULL);
    g_autofree char *golden = golden_case_path("square", "golden.safetensors");
    g_autofree char *to = rewrite_make_folder();

    rewrite_checkpoint(from, to, diffusion_name, "\"model_type\": \"gemma4\"",
                       "\"model_type\": \"diffusion_gemma\"");
    check_case(to, golden, 1);
    rewrite_remove_folder(to);
}

static guint n_left_out;

static char *without_infinite_bounds(const char *name, const guint8 *data, gsize size)
{
    float value;

    if (g_str_has_suffix(name, "_min") || g_str_has_suffix(name, "_max")) {
        g_assert_cmpuint(size, ==, sizeof value);
        memcpy(&value, data, sizeof value);
        if (isinf(value)) {
            n_left_out++;
            return NULL;
        }
    }
    return g_strdup(name);
}

/* The golden is that of the same checkpoint with the bounds there, and infinite. */
static void an_absent_bound_is_no_bound(void)
{
    if (golden_skip_without_level())
        return;
    g_autofree char *from = golden_case_path("bounds", NULL);
    g_autofree char *golden = golden_case_path("bounds", "golden.safetensors");
    g_autofree char *to = rewrite_make_folder();

    n_left_out = 0;
    rewrite_checkpoint(from, to, without_infinite_bounds, NULL, NULL);
    g_assert_cmpuint(n_left_out, ==, 15);
    check_case(to, golden, 1);
    rewrite_remove_folder(to);
}

static void run_free(gpointer data)
{
    Run *run = data;
    g_free(run->model);
    g_free(run->golden);
    g_free(run);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const char *const *name = golden_cases; *name; name++) {
        for (guint threads = 1; threads <= 3; threads++) {
            Run *run = g_new0(Run, 1);
            g_autofree char *path = g_strdup_printf("/golden/%s/threads-%u", *name, threads);
            run->model = golden_case_path(*name, NULL);
            run->golden = golden_case_path(*name, "golden.safetensors");
            run->threads = threads;
            g_test_add_data_func_full(path, run, every_stage_is_that_of_the_reference, run_free);
        }
    }
    g_test_add_func("/golden/diffusion-gemma", diffusion_gemma_is_read_like_gemma);
    g_test_add_func("/golden/absent-bounds", an_absent_bound_is_no_bound);
    return g_test_run();
}
