/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder's life beside its numbers (tests/golden): options, sizes, memory, many at once.
 */
#include "encoder.h"

#include <malloc.h>
#include <math.h>
#include <string.h>

#ifdef G4_HAVE_BLAS
#include <cblas.h>
#endif

#include "checkpoint.h"
#include "cpu.h"
#include "folder.h"

static G4Model *open_case(const char *name)
{
    g_autofree char *path = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", name, NULL);
    g_autoptr(GError) error = NULL;
    G4Model *model = g4_model_open(path, &(G4ModelOptions){.precision = G4_PRECISION_F32}, &error);

    g_assert_no_error(error);
    return model;
}

/* A picture with something in it. */
static guint8 *picture(guint width, guint height)
{
    guint8 *p = g_malloc((gsize)width * height * 3);

    for (gsize i = 0; i < (gsize)width * height * 3; i++)
        p[i] = (guint8)((i * 2654435761u) >> 13);
    return p;
}

static float *encode(G4Encoder *e, const guint8 *pixels, guint width, guint height)
{
    float *tokens = g_new(float, (gsize)g4_encoder_get_rows(e) * g4_encoder_get_cols(e));
    const G4Frame frame = {pixels, (gsize)width * 3, width, height, G4_PIXELS_RGB};

    g4_encoder_load(e, &frame);
    g4_encoder_encode(e, tokens);
    return tokens;
}

static gsize tokens_size(const G4Encoder *e)
{
    return (gsize)g4_encoder_get_rows(e) * g4_encoder_get_cols(e) * sizeof(float);
}

static void expect_settings_error(const char *name, const G4EncoderOptions *options,
                                  const char *words)
{
    g_autoptr(G4Model) model = open_case(name);
    g_autoptr(GError) error = NULL;

    g_assert_null(g4_encoder_new(model, options, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_SETTINGS);
    g_assert_nonnull(strstr(error->message, words));
}

static void test_refuses_what_the_checkpoint_cannot_do(void)
{
    /* patch 16, pool 3, a table of 32 */
    expect_settings_error("square", &(G4EncoderOptions){.image_size = 100}, "multiple of 48");
    expect_settings_error("square", &(G4EncoderOptions){.image_size = 768}, "table has 32");
    expect_settings_error("square", &(G4EncoderOptions){.image_size = 4294967280u}, "multiple");
    expect_settings_error("square", &(G4EncoderOptions){.resize = G4_RESIZE_ASPECT},
                          "max_soft_tokens");
    expect_settings_error("square", &(G4EncoderOptions){.threads = 5000}, "threads 5000");
}

/* Appends a tensor of zeros to a header. */
static void add_zeros(GString *header, guint64 *size, const char *name, const char *shape,
                      guint64 elements)
{
    g_string_append_printf(
        header,
        "%s\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%" G_GUINT64_FORMAT
        ",%" G_GUINT64_FORMAT "]}",
        header->len > 1 ? "," : "", name, shape, *size, *size + elements * 4);
    *size += elements * 4;
}

/* A tower alone of one layer, all widths 4, with patches of one pixel and a table of 2^17. */
static void write_tiny_patches(const TestFolder *folder)
{
    static const char *const names[] = {
        "input_layernorm",           "post_attention_layernorm",
        "pre_feedforward_layernorm", "post_feedforward_layernorm",
        "self_attn.q_norm",          "self_attn.k_norm",
        "self_attn.q_proj.linear",   "self_attn.k_proj.linear",
        "self_attn.v_proj.linear",   "self_attn.o_proj.linear",
        "mlp.gate_proj.linear",      "mlp.up_proj.linear",
        "mlp.down_proj.linear",
    };
    g_autoptr(GString) header = g_string_new("{");
    guint64 size = 0;

    add_zeros(header, &size, "patch_embedder.input_proj.weight", "[4,3]", 12);
    add_zeros(header, &size, "patch_embedder.position_embedding_table", "[2,131072,4]", 1u << 20);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = g_strdup_printf("encoder.layers.0.%s.weight", names[i]);
        const gboolean matrix = strstr(names[i], "linear") != NULL;
        add_zeros(header, &size, name, matrix ? "[4,4]" : "[4]", matrix ? 16 : 4);
    }
    g_string_append_c(header, '}');
    g_free(
        folder_write(folder, "config.json",
                     "{\"model_type\":\"gemma4_vision\",\"hidden_size\":4,\"intermediate_size\":4,"
                     "\"num_hidden_layers\":1,\"num_attention_heads\":1,\"num_key_value_heads\":1,"
                     "\"head_dim\":4,\"patch_size\":1,\"pooling_kernel_size\":1,"
                     "\"position_embedding_size\":131072}",
                     -1));
    g_free(folder_write_tensors(folder, "model.safetensors", header->str, NULL, size));
}

/* 65536 x 65536 patches are 0 in 32 bits: no size of a picture, or of a file, makes so many. */
static void test_more_patches_than_can_be_are_refused(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autoptr(GError) error = NULL;

    write_tiny_patches(folder);
    g_autoptr(G4Model) model = g4_model_open(folder, NULL, &error);
    g_assert_no_error(error);
    for (guint side = 65536; side <= 131072; side *= 2) {
        g_assert_null(g4_encoder_new(model, &(G4EncoderOptions){.image_size = side}, &error));
        g_assert_error(error, G4_ERROR, G4_ERROR_SETTINGS);
        g_assert_nonnull(strstr(error->message, "patches"));
        g_clear_error(&error);
    }
    g_autoptr(G4Encoder) e = g4_encoder_new(
        model, &(G4EncoderOptions){.resize = G4_RESIZE_ASPECT, .max_soft_tokens = G_MAXUINT},
        &error);
    g_assert_no_error(error);
    g_assert_false(g4_encoder_prepare(e, 64, 64, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_FRAME);
    g_assert_nonnull(strstr(error->message, "patches"));
    g_clear_error(&error);

    /* One patch, one pixel, is the least. */
    g_autoptr(G4Encoder) least =
        g4_encoder_new(model, &(G4EncoderOptions){.image_size = 1, .threads = 2}, &error);
    g_assert_no_error(error);
    g_assert_true(g4_encoder_prepare(least, 1, 1, &error));
    g_assert_cmpuint(g4_encoder_get_rows(least), ==, 1);
    g_autofree float *tokens = encode(least, (const guint8[]){1, 2, 3}, 1, 1);
    g_assert_cmpfloat(tokens[0], ==, 0.0f);
}

static void test_goes_on_after_a_size_that_fails(void)
{
    g_autoptr(G4Model) model = open_case("aspect");
    g_autoptr(G4Encoder) e =
        g4_encoder_new(model, &(G4EncoderOptions){.max_soft_tokens = 8, .threads = 2}, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *pixels = picture(160, 90);

    g_assert_false(g4_encoder_prepare(e, 0, 90, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_FRAME);
    g_clear_error(&error);
    g_assert_true(g4_encoder_prepare(e, 160, 90, &error));
    g_autofree float *first = encode(e, pixels, 160, 90);
    g_assert_false(g4_encoder_prepare(e, 1u << 30, 1u << 30, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_FRAME);
    g_clear_error(&error);
    g_assert_true(g4_encoder_prepare(e, 160, 90, &error));
    g_autofree float *again = encode(e, pixels, 160, 90);
    g_assert_cmpmem(first, tokens_size(e), again, tokens_size(e));
}

/* Sizes that come and go leave nothing behind in the result. */
static void test_a_size_change_is_as_a_new_encoder(void)
{
    static const guint sizes[][2] = {{160, 90}, {90, 160}, {160, 90}, {48, 24}, {320, 180}, {7, 5}};
    g_autoptr(G4Model) model = open_case("aspect");
    const G4EncoderOptions options = {.max_soft_tokens = 8, .threads = 2};
    g_autoptr(G4Encoder) kept = g4_encoder_new(model, &options, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const guint w = sizes[i][0], h = sizes[i][1];
        g_autoptr(G4Encoder) fresh = g4_encoder_new(model, &options, NULL);
        g_autofree guint8 *pixels = picture(w, h);
        g_assert_true(g4_encoder_prepare(kept, w, h, NULL));
        g_assert_true(g4_encoder_prepare(fresh, w, h, NULL));
        g_autofree float *a = encode(kept, pixels, w, h), *b = encode(fresh, pixels, w, h);
        g_assert_cmpmem(a, tokens_size(kept), b, tokens_size(fresh));
    }
}

static void test_a_frame_allocates_nothing(void)
{
    g_autoptr(G4Model) model = open_case("square");
    g_autoptr(G4Encoder) e = g4_encoder_new(model, &(G4EncoderOptions){.threads = 2}, NULL);
    g_autofree guint8 *pixels = picture(120, 80);
    const G4Frame frame = {pixels, 360, 120, 80, G4_PIXELS_RGB};

    g_assert_true(g4_encoder_prepare(e, 120, 80, NULL));
    g_autofree float *tokens = encode(e, pixels, 120, 80);
    const struct mallinfo2 before = mallinfo2();
    for (guint i = 0; i < 5; i++) {
        g4_encoder_load(e, &frame);
        g4_encoder_encode(e, tokens);
    }
    const struct mallinfo2 after = mallinfo2();
    g_assert_cmpuint(after.uordblks, ==, before.uordblks);
    g_assert_cmpuint(after.hblks, ==, before.hblks);
}

typedef struct Stream {
    G4Model *model;
    const guint8 *pixels;
    float *expected; /* owned by the test */
    guint threads;
} Stream;

static gpointer stream_main(gpointer data)
{
    const Stream *s = data;
    g_autoptr(G4Encoder) e = g4_encoder_new(
        s->model, &(G4EncoderOptions){.max_soft_tokens = 8, .threads = s->threads}, NULL);

    g_assert_true(g4_encoder_prepare(e, 160, 90, NULL));
    for (guint i = 0; i < 10; i++) {
        g_autofree float *tokens = encode(e, s->pixels, 160, 90);
        g_assert_cmpmem(tokens, tokens_size(e), s->expected, tokens_size(e));
    }
    return NULL;
}

/* What the stream gets alone, with the same number of threads: OpenBLAS sums in another order where
 * a product is split otherwise. */
static float *alone(const Stream *s)
{
    g_autoptr(G4Encoder) e = g4_encoder_new(
        s->model, &(G4EncoderOptions){.max_soft_tokens = 8, .threads = s->threads}, NULL);

    g_assert_true(g4_encoder_prepare(e, 160, 90, NULL));
    return encode(e, s->pixels, 160, 90);
}

static void test_streams_share_a_model(void)
{
    g_autoptr(G4Model) model = open_case("aspect");
    g_autofree guint8 *pixels = picture(160, 90);
    GThread *threads[5];
    Stream streams[5];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        streams[i] = (Stream){model, pixels, NULL, 1 + i % 3};
        streams[i].expected = alone(&streams[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("stream", stream_main, &streams[i]);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
        g_free(streams[i].expected);
    }
}

typedef struct Canceller {
    G4Encoder *encoder;
    const char *stage; /* whoever computes it first cancels the frame */
} Canceller;

static void cancel_at_stage(void *user, const char *stage, guint first_row, guint n_rows,
                            guint width, const float *rows, gsize row_stride)
{
    const Canceller *c = user;

    if (g_str_equal(stage, c->stage))
        g4_encoder_set_cancelled(c->encoder, TRUE);
}

/* Wherever a frame is given up, encode says so, and the next one is as ever. The last stage that
 * can be is the last layer's; what comes after it is a moment's work. */
static void test_who_is_cancelled_gives_up(void)
{
    static const char *const stages[] = {"hidden.embed", "hidden.0", "hidden.1"};
    g_autoptr(G4Model) model = open_case("square"); /* 2 layers */
    g_autofree guint8 *pixels = picture(120, 80);

    for (guint threads = 1; threads <= 3; threads++) {
        g_autoptr(G4Encoder) e =
            g4_encoder_new(model, &(G4EncoderOptions){.threads = threads}, NULL);
        g_assert_true(g4_encoder_prepare(e, 120, 80, NULL));
        g_autofree float *expected = encode(e, pixels, 120, 80);
        g_autofree float *tokens = g_malloc(tokens_size(e));

        for (guint i = 0; i < G_N_ELEMENTS(stages); i++) {
            Canceller canceller = {e, stages[i]};
            const G4Frame frame = {pixels, 360, 120, 80, G4_PIXELS_RGB};
            g4_encoder_set_probe(e, cancel_at_stage, &canceller);
            g_assert_true(g4_encoder_prepare(e, 120, 80, NULL));
            g4_encoder_load(e, &frame);
            g_test_message("%u threads, cancelled at %s", threads, stages[i]);
            g_assert_false(g4_encoder_encode(e, tokens));
            g_assert_false(g4_encoder_encode(e, tokens)); /* for as long as it is */
            g4_encoder_set_cancelled(e, FALSE);
            g4_encoder_set_probe(e, NULL, NULL);
            g_assert_true(g4_encoder_prepare(e, 120, 80, NULL));
            g_autofree float *again = encode(e, pixels, 120, 80);
            g_assert_cmpmem(again, tokens_size(e), expected, tokens_size(e));
        }
    }
}

#ifdef G4_HAVE_BLAS
/* OpenBLAS's threads are the host's: ours for a frame, its own again afterwards. */
static void test_blas_threads_are_the_hosts_again(void)
{
    g_autoptr(G4Model) model = open_case("square");
    g_autoptr(G4Encoder) e = g4_encoder_new(model, NULL, NULL);
    g_autofree guint8 *pixels = picture(120, 80);
    const int host = openblas_get_num_threads();

    openblas_set_num_threads(2);
    const int set = openblas_get_num_threads();
    g_assert_true(g4_encoder_prepare(e, 120, 80, NULL));
    g_autofree float *tokens = encode(e, pixels, 120, 80);
    g_assert_cmpint(openblas_get_num_threads(), ==, set);
    openblas_set_num_threads(host);
}
#endif

static void test_digest_is_of_the_checkpoint(void)
{
    g_autoptr(G4Model) a = open_case("square"), b = open_case("square"), c = open_case("aspect");

    g_assert_cmpuint(strlen(g4_model_get_digest(a)), ==, 16);
    g_assert_cmpstr(g4_model_get_digest(a), ==, g4_model_get_digest(b));
    g_assert_cmpstr(g4_model_get_digest(a), !=, g4_model_get_digest(c));
    g_assert_cmpstr(g4_model_get_name(a), ==, "square");
}

/* The case with every weight a NaN. */
static void write_not_numbers(const TestFolder *folder, const char *name)
{
    static const char *const files[] = {"config.json", "processor_config.json",
                                        "model.safetensors"};

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *from =
            g_build_filename(g_getenv("G4_TEST_DATA"), "cases", name, files[i], NULL);
        g_autofree char *data = NULL;
        gsize size;
        guint64 length;
        if (!g_file_get_contents(from, &data, &size, NULL))
            continue;
        if (g_str_has_suffix(files[i], ".safetensors")) {
            memcpy(&length, data, sizeof length);
            const gsize start = sizeof length + GUINT64_FROM_LE(length);
            for (gsize at = start; at + sizeof(float) <= size; at += sizeof(float))
                memcpy(data + at, &(const float){NAN}, sizeof(float));
        }
        g_free(folder_write(folder, files[i], data, (gssize)size));
    }
}

/* The case "square", which has clipped linears, with one number changed. */
static void assert_bound_refused(const char *tensor, float value, const char *words)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *from = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "square", NULL);
    g_autofree char *weights = g_build_filename(from, "model.safetensors", NULL);
    g_autofree char *config = g_build_filename(from, "config.json", NULL);
    g_autofree char *data = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;
    G4Checkpoint *checkpoint = g4_checkpoint_open(from, NULL);
    const G4Tensor *t = g4_checkpoint_find(checkpoint, tensor);

    g_assert_nonnull(t);
    g_assert_true(g_file_get_contents(config, &text, NULL, NULL));
    g_free(folder_write(folder, "config.json", text, -1));
    g_assert_true(g_file_get_contents(weights, &data, &size, NULL));
    memcpy(data + t->offset, &value, sizeof value);
    g_free(folder_write(folder, "model.safetensors", data, (gssize)size));
    g4_checkpoint_free(checkpoint);
    g_assert_null(g4_model_open(folder, NULL, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_MALFORMED, words);
    g_assert_nonnull(strstr(error->message, folder));
}

static void test_bounds_that_bound_nothing_are_refused(void)
{
#define Q "model.vision_tower.encoder.layers.1.self_attn.q_proj."
    assert_bound_refused(Q "input_min", NAN, Q "input_min|found a NaN");
    assert_bound_refused(Q "output_max", -INFINITY, Q "|expected minimum <= maximum");
#undef Q
}

/* Activations lie in memory that models share: one that is broken spoils no other's. */
static void test_a_broken_model_spoils_no_other(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "aspect", NULL);
    g_autofree guint8 *pixels = picture(160, 90);
    const G4EncoderOptions options = {.max_soft_tokens = 8, .threads = 2};

    write_not_numbers(folder, "aspect");
    for (G4Precision p = G4_PRECISION_F32; p <= G4_PRECISION_INT8; p++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(G4Model) good = g4_model_open(path, &(G4ModelOptions){.precision = p}, &error);
        g_assert_no_error(error);
        g_autoptr(G4Model) bad = g4_model_open(folder, &(G4ModelOptions){.precision = p}, &error);
        g_assert_no_error(error);
        g_autoptr(G4Encoder) one = g4_encoder_new(good, &options, NULL);
        g_autoptr(G4Encoder) other = g4_encoder_new(bad, &options, NULL);
        g_assert_true(g4_encoder_prepare(one, 160, 90, NULL));
        g_autofree float *before = encode(one, pixels, 160, 90);
        g_assert_true(g4_encoder_prepare(other, 160, 90, NULL));
        for (guint i = 0; i < 2; i++) { /* both blocks */
            g_autofree float *spoilt = encode(other, pixels, 160, 90);
            if (p == G4_PRECISION_F32)
                g_assert_true(isnan(spoilt[0]));
        }
        g_autofree float *after = encode(one, pixels, 160, 90);
        g_test_message("%s", g4_precision_name(p));
        g_assert_cmpmem(before, tokens_size(one), after, tokens_size(one));
    }
}

static void test_facts_before_and_after_prepare(void)
{
    G4Model *first = open_case("aspect");
    g_autoptr(G4Model) model = g4_model_ref(first);
    guint width = 0, height = 0;

    g_assert_true(model == first);
    g4_model_unref(first);
    g_autoptr(G4Encoder) e =
        g4_encoder_new(model, &(G4EncoderOptions){.max_soft_tokens = 8, .threads = 1}, NULL);
    g_assert_cmpuint(g4_encoder_get_rows(e), ==, 0);
    g_assert_cmpuint(g4_encoder_get_bytes(e), ==, 0);
    g_assert_cmpuint(g4_encoder_get_cols(e), ==, g4_model_get_cols(model));
    g_assert_true(g4_encoder_prepare(e, 160, 90, NULL));
    g4_encoder_get_target(e, &width, &height);
    g_assert_cmpuint(width * height / 144, ==, g4_encoder_get_rows(e)); /* patch 4, pool 3 */
    g_assert_cmpuint(g4_encoder_get_rows(e), <=, 8);
    /* The picture, and at least the residual stream of its patches: 9 to a token, 40 wide. */
    g_assert_cmpuint(g4_encoder_get_bytes(e), >, width * height * 3);
    g_assert_cmpuint(g4_encoder_get_bytes(e), >, g4_encoder_get_rows(e) * 9 * 40 * sizeof(float));
    g_assert_cmpstr(g4_version(), ==, G4_VERSION);
    g4_encoder_free(NULL);
}

/* Messages, buses and JSON carry a model's name: it is UTF-8 whatever the path is. */
static void test_name_is_utf8(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "m\xff", NULL);
    g_autoptr(GError) error = NULL;

    write_tiny_patches(folder);
    g_assert_cmpint(symlink(".", path), ==, 0);
    g_autoptr(G4Model) model = g4_model_open(path, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(g4_model_get_name(model), ==, "m\xef\xbf\xbd");
}

/* The environment names the level; one that is not there is an error and not a silent default. */
static void test_a_level_that_is_not_there_is_refused(void)
{
    g_autofree char *path = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "square", NULL);
    g_autofree char *kept = g_strdup(g_getenv("G4_CPU"));
    g_autoptr(GError) error = NULL;

    g_setenv("G4_CPU", "sse9", TRUE);
    g_assert_null(g4_model_open(path, NULL, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_SETTINGS);
    g_clear_error(&error);
    if (!(g4_cpu_detect() & G4_CPU_AVX512)) {
        g_setenv("G4_CPU", "avx512", TRUE);
        g_assert_null(g4_model_open(path, NULL, &error));
        g_assert_error(error, G4_ERROR, G4_ERROR_SETTINGS);
        g_clear_error(&error);
    }
    if (kept)
        g_setenv("G4_CPU", kept, TRUE);
    else
        g_unsetenv("G4_CPU");
}

static void test_mean_is_of_length_one(void)
{
    const float tokens[] = {1.0f, 2.0f, 3.0f, 3.0f, 2.0f, 1.0f};
    float out[3];

    g4_tokens_mean(tokens, 2, 3, FALSE, out);
    for (guint j = 0; j < 3; j++)
        g_assert_cmpfloat(out[j], ==, 2.0f);
    g4_tokens_mean(tokens, 2, 3, TRUE, out);
    for (guint j = 0; j < 3; j++)
        g_assert_cmpfloat_with_epsilon(out[j], 0.57735026f, 1e-7f);
    g4_tokens_mean((const float[]){0.0f, 0.0f}, 1, 2, TRUE, out);
    g_assert_cmpfloat(out[0], ==, 0.0f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/encoder/refuses-what-the-checkpoint-cannot-do",
                    test_refuses_what_the_checkpoint_cannot_do);
    g_test_add_func("/encoder/more-patches-than-can-be-are-refused",
                    test_more_patches_than_can_be_are_refused);
    g_test_add_func("/encoder/goes-on-after-a-size-that-fails",
                    test_goes_on_after_a_size_that_fails);
    g_test_add_func("/encoder/a-size-change-is-as-a-new-encoder",
                    test_a_size_change_is_as_a_new_encoder);
    g_test_add_func("/encoder/a-frame-allocates-nothing", test_a_frame_allocates_nothing);
    g_test_add_func("/encoder/streams-share-a-model", test_streams_share_a_model);
    g_test_add_func("/encoder/who-is-cancelled-gives-up", test_who_is_cancelled_gives_up);
#ifdef G4_HAVE_BLAS
    g_test_add_func("/encoder/blas-threads-are-the-hosts-again",
                    test_blas_threads_are_the_hosts_again);
#endif
    g_test_add_func("/encoder/digest-is-of-the-checkpoint", test_digest_is_of_the_checkpoint);
    g_test_add_func("/encoder/bounds-that-bound-nothing-are-refused",
                    test_bounds_that_bound_nothing_are_refused);
    g_test_add_func("/encoder/a-broken-model-spoils-no-other", test_a_broken_model_spoils_no_other);
    g_test_add_func("/encoder/facts-before-and-after-prepare",
                    test_facts_before_and_after_prepare);
    g_test_add_func("/encoder/name-is-utf8", test_name_is_utf8);
    g_test_add_func("/encoder/a-level-that-is-not-there-is-refused",
                    test_a_level_that_is_not_there_is_refused);
    g_test_add_func("/encoder/mean-is-of-length-one", test_mean_is_of_length_one);
    return g_test_run();
}
