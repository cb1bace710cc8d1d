/* SPDX-License-Identifier: Apache-2.0
 *
 * The text encoder against Transformers, on a small checkpoint in EmbeddingGemma 2's layout
 * (tests/data/embedding_case): ids, every stage, and the vectors of texts, pictures and videos,
 * with one, two and three threads. Pictures come from the vision tower of the same checkpoint, by
 * this encoder. In bfloat16 and 8 bits the directions. G4_CPU chooses the kernels, and the test is
 * skipped where the processor lacks that level.
 */
#include "golden.h"
#include "text_encoder.h"
#include "text_model.h"

#include <math.h>
#include <string.h>

#define CUT 16 /* components of the goldens' shorter vectors */

/* Largest difference of a unit vector's component in float32. The same arithmetic in float64 is up
 * to 2.2e-6 away from these goldens. */
#define VECTOR_TOLERANCE 1e-5

/* 1 - cosine in the other precisions: about twice the largest seen, 1.4e-3 and 1.05e-2. So much,
 * since this network's logits are large (its heads' norms have weights of about 1, and the scale is
 * 1) and each of its inputs is few tokens; Transformers' own bfloat16 is 1e-3 to 2e-3 away. */
static const double distances[] = {
    [G4_PRECISION_BF16] = 3e-3,
    [G4_PRECISION_INT8] = 2e-2,
};

typedef struct Run {
    G4Precision precision;
    guint threads;
} Run;

typedef struct Fixture {
    Golden golden;
    G4TextModel *model;
    G4TextEncoder *encoder, *cut; /* of all components, of CUT */
    G4Model *tower;
    const Run *run;
} Fixture;

static char *case_path(const char *file)
{
    return g_build_filename(g_getenv("G4_TEST_DATA"), "embedding_case", file, NULL);
}

static void fixture_init(Fixture *f, const Run *run)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = case_path(NULL);
    g_autofree char *golden = case_path("goldens.safetensors");
    const G4ModelOptions options = {.precision = run->precision};

    golden_init(&f->golden, golden);
    f->run = run;
    f->model = g4_text_model_open(folder, &options, &error);
    g_assert_no_error(error);
    f->tower = g4_model_open(folder, &options, &error);
    g_assert_no_error(error);
    f->encoder =
        g4_text_encoder_new(f->model, &(G4TextEncoderOptions){.threads = run->threads}, &error);
    g_assert_no_error(error);
    f->cut = g4_text_encoder_new(
        f->model, &(G4TextEncoderOptions){.threads = run->threads, .dimensions = CUT}, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g4_text_encoder_get_cols(f->encoder), ==, g4_text_model_get_cols(f->model));
    g_assert_cmpuint(g4_text_encoder_get_cols(f->cut), ==, CUT);
    g_assert_cmpuint(g4_model_get_cols(f->tower), ==, g4_text_model_get_width(f->model));
    g_test_message("kernels %s, %u threads", g4_text_model_get_kernels(f->model), run->threads);
}

static void fixture_clear(Fixture *f)
{
    g4_text_encoder_free(f->cut);
    g4_text_encoder_free(f->encoder);
    g4_model_unref(f->tower);
    g4_text_model_unref(f->model);
    golden_clear(&f->golden);
}

/* ------------------------------------------------------------------------------------------
 * Comparing
 */
static void compare_ids(Fixture *f, const char *tag)
{
    const G4Tensor *tensor = golden_find(&f->golden, "%s.input_ids", tag);
    guint n;
    const guint32 *ids = g4_text_encoder_get_ids(f->encoder, &n);

    g_assert_nonnull(tensor);
    g_autofree gint32 *expected = golden_ints(&f->golden, tensor);
    g_assert_cmpmem(ids, n * sizeof *ids, expected, tensor->bytes);
}

static void compare_vector(Fixture *f, const char *what, const float *found, const float *expected,
                           guint n)
{
    const double distance = golden_distance(found, expected, n);
    double worst = 0.0;

    for (guint i = 0; i < n; i++)
        worst = MAX(worst, fabs((double)found[i] - expected[i]));
    g_test_message("%s: largest difference %.2e, 1 - cosine %.2e", what, worst, distance);
    if (f->run->precision == G4_PRECISION_F32 ? !(worst <= VECTOR_TOLERANCE)
                                              : !(distance <= distances[f->run->precision]))
        g_test_fail_printf("%s: largest difference %.2e, 1 - cosine %.2e", what, worst, distance);
}

/* Vectors of both encoders against TAG.embedding and TAG.embedding_16, and the ids. */
static void check_input(Fixture *f, const char *tag, const char *prompt, const G4Part *parts,
                        guint n_parts)
{
    g_autoptr(GError) error = NULL;
    const guint cols = g4_text_model_get_cols(f->model);
    g_autofree float *found = g_new(float, cols);
    const G4Tensor *whole = golden_find(&f->golden, "%s.embedding", tag);
    const G4Tensor *shorter = golden_find(&f->golden, "%s.embedding_%u", tag, CUT);

    g_assert_true(g4_text_encoder_embed(f->encoder, prompt, parts, n_parts, TRUE, found, &error));
    g_assert_no_error(error);
    compare_ids(f, tag);
    g_autofree float *expected = golden_floats(&f->golden, whole);
    g_assert_cmpuint(whole->elements, ==, cols);
    compare_vector(f, tag, found, expected, cols);
    if (!shorter)
        return;
    g_assert_true(g4_text_encoder_embed(f->cut, prompt, parts, n_parts, TRUE, found, &error));
    g_assert_no_error(error);
    g_autofree float *expected_cut = golden_floats(&f->golden, shorter);
    compare_vector(f, shorter->name, found, expected_cut, CUT);
}

static G4Part text_part(const char *text, gssize length)
{
    return (G4Part){.kind = G4_PART_TEXT, .text = text, .length = length};
}

/* The text of a golden, and its length; the caller's. */
static char *golden_text(Fixture *f, const char *tag, gsize *length)
{
    const G4Tensor *tensor = golden_find(&f->golden, "%s.utf8", tag);

    g_assert_nonnull(tensor);
    *length = tensor->bytes;
    return (char *)golden_bytes(&f->golden, tensor);
}

/* ------------------------------------------------------------------------------------------
 * Texts
 */
static void texts_are_those_of_the_reference(gconstpointer data)
{
    Fixture f;

    if (golden_skip_without_level())
        return;
    fixture_init(&f, data);
    for (guint i = 0; i < 5; i++) {
        g_autofree char *tag = g_strdup_printf("text%u", i);
        gsize length;
        g_autofree char *text = golden_text(&f, tag, &length);
        const G4Part part = text_part(text, length);
        check_input(&f, tag, NULL, &part, 1);
    }
    const G4Part stray = text_part("the <|image|> car", -1);
    check_input(&f, "stray", NULL, &stray, 1);
    fixture_clear(&f);
}

/* A prompt and a text cut anywhere are the same as the text as a whole. */
static void parts_are_joined_with_nothing_between(gconstpointer data)
{
    Fixture f;
    gsize length;

    if (golden_skip_without_level())
        return;
    fixture_init(&f, data);
    const char *prompt = g4_text_model_get_prompt(f.model, "query");
    g_assert_cmpstr(prompt, ==, "task: search result | query: ");
    const G4Part part = text_part("a red car at night", -1);
    check_input(&f, "text0", prompt, &part, 1);
    g_autofree char *text = golden_text(&f, "text1", &length);
    const G4Part parts[] = {text_part(text, 7), text_part(text + 7, 1), text_part("", 0),
                            text_part(text + 8, length - 8)};
    check_input(&f, "text1", NULL, parts, G_N_ELEMENTS(parts));
    check_input(&f, "text4", NULL, NULL, 0);
    check_input(&f, "text4", "", NULL, 0);
    fixture_clear(&f);
}

static void expect_stage(Capture *capture, Golden *golden, const char *stage)
{
    const G4Tensor *tensor = golden_find(golden, "text1.%s", stage);

    g_assert_nonnull(tensor);
    capture_expect(capture, stage, golden_floats(golden, tensor), tensor->dims[1], tensor->dims[0],
                   NULL, tensor->dims[0], 0.0);
}

/* The golden has the PLE signal of all layers side by side. */
static void expect_ple(Capture *capture, Golden *golden)
{
    const G4Tensor *tensor = golden_find(golden, "text1.per_layer_inputs");
    const guint rows = tensor->dims[0], layers = tensor->dims[1], width = tensor->dims[2];
    g_autofree float *all = golden_floats(golden, tensor);

    for (guint l = 0; l < layers; l++) {
        g_autofree char *name = g_strdup_printf("ple.%u", l);
        float *part = g_new(float, (gsize)rows *width);
        for (guint i = 0; i < rows; i++)
            memcpy(part + (gsize)i * width, all + ((gsize)i * layers + l) * width,
                   width * sizeof *part);
        capture_expect(capture, name, part, width, rows, NULL, rows, 0.0);
    }
}

static void every_stage_is_that_of_the_reference(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Fixture f;
    Capture capture;
    gsize length;

    if (golden_skip_without_level())
        return;
    fixture_init(&f, data);
    capture_init(&capture);
    expect_stage(&capture, &f.golden, "inputs_embeds");
    expect_ple(&capture, &f.golden);
    for (guint l = 0; l < 4; l++) {
        g_autofree char *stage = g_strdup_printf("layer%u", l);
        expect_stage(&capture, &f.golden, stage);
    }
    expect_stage(&capture, &f.golden, "last_hidden_state");
    g_autofree char *text = golden_text(&f, "text1", &length);
    const G4Part part = text_part(text, length);
    g_autofree float *vector = g_new(float, g4_text_model_get_cols(f.model));
    g4_text_encoder_set_probe(f.encoder, capture_probe, &capture);
    g_assert_true(g4_text_encoder_embed(f.encoder, NULL, &part, 1, TRUE, vector, &error));
    g_assert_no_error(error);
    capture_compare(&capture, "text1");
    capture_clear(&capture);
    fixture_clear(&f);
}

/* ------------------------------------------------------------------------------------------
 * Pictures
 */

/* The soft tokens of picture `index` of a golden [n, H, W, 3] or [H, W, 3]; the caller's. */
static float *soft_tokens(Fixture *f, const char *name, guint index, guint max_soft_tokens,
                          guint *rows)
{
    g_autoptr(GError) error = NULL;
    const G4Tensor *rgb = golden_find(&f->golden, "%s", name);
    const guint64 *dims = rgb->dims + (rgb->n_dims == 4);
    g_autofree guint8 *data = golden_bytes(&f->golden, rgb);
    g_autoptr(G4Encoder) encoder =
        g4_encoder_new(f->tower,
                       &(G4EncoderOptions){.resize = G4_RESIZE_ASPECT,
                                           .max_soft_tokens = max_soft_tokens,
                                           .threads = f->run->threads},
                       &error);
    g_assert_no_error(error);
    const G4Frame frame = {.data = data + index * dims[0] * dims[1] * 3,
                           .stride = dims[1] * 3,
                           .width = dims[1],
                           .height = dims[0],
                           .format = G4_PIXELS_RGB};

    g4_encoder_prepare(encoder, frame.width, frame.height, &error);
    g_assert_no_error(error);
    *rows = g4_encoder_get_rows(encoder);
    float *tokens = g_new(float, (gsize)*rows *g4_encoder_get_cols(encoder));
    g4_encoder_load(encoder, &frame);
    g4_encoder_encode(encoder, tokens);
    return tokens;
}

static void pictures_are_those_of_the_reference(gconstpointer data)
{
    Fixture f;
    guint rows;

    if (golden_skip_without_level())
        return;
    fixture_init(&f, data);
    /* 140 is what the processor file says of pictures. */
    g_autofree float *tokens = soft_tokens(&f, "image.rgb", 0, 140, &rows);
    const G4Part image = {.kind = G4_PART_IMAGE, .tokens = tokens, .rows = rows};
    const G4Part image_text[] = {image, text_part("a red car", -1)};
    const G4Part text_image[] = {text_part("a red car", -1), image};
    const char *query = g4_text_model_get_prompt(f.model, "query");
    const char *document = g4_text_model_get_prompt(f.model, "document");

    check_input(&f, "image", NULL, &image, 1);
    check_input(&f, "image_document", document, &image, 1);
    check_input(&f, "image_text", query, image_text, 2);
    check_input(&f, "text_image", query, text_image, 2);
    if (f.run->precision == G4_PRECISION_F32) {
        const G4Tensor *soft = golden_find(&f.golden, "image.soft_tokens");
        g_autofree float *expected = golden_floats(&f.golden, soft);
        g_assert_cmpuint(soft->dims[0], ==, rows);
        golden_compare("image.soft_tokens", tokens, expected, soft->elements,
                       golden_rms(expected, soft->elements));
    }
    fixture_clear(&f);
}

/* Three frames, as one vector; with time stamps as the processor writes them. */
static void videos_are_those_of_the_reference(gconstpointer data)
{
    Fixture f;
    float *tokens[3];
    guint rows;
    G4Part frames[3], stamped[6];
    static const char *const stamps[3] = {"00:00 ", " 00:01 ", " 00:02 "};

    if (golden_skip_without_level())
        return;
    fixture_init(&f, data);
    for (guint i = 0; i < 3; i++) {
        tokens[i] = soft_tokens(&f, "video.rgb", i, 70, &rows);
        frames[i] = (G4Part){.kind = G4_PART_FRAME, .tokens = tokens[i], .rows = rows};
        stamped[2 * i] = text_part(stamps[i], -1);
        stamped[2 * i + 1] = frames[i];
    }
    check_input(&f, "video", NULL, frames, 3);
    check_input(&f, "video_timestamps", NULL, stamped, 6);
    for (guint i = 0; i < 3; i++)
        g_free(tokens[i]);
    fixture_clear(&f);
}

/* ------------------------------------------------------------------------------------------
 * Lengths
 */

/* Bit for bit with kernels of ours. OpenBLAS's sums depend on how many rows it is given, and in 8
 * bits values in the middle between two steps are then rounded to the other one (seen: 4e-6). */
static void compare_threads(const Fixture *f, const float *one, const float *other, guint cols)
{
    const double allowed = f->run->precision == G4_PRECISION_INT8 ? 1e-4 : 1e-11;
    const double distance = golden_distance(one, other, cols);

    if (f->model->kernels.values->row_block > 0)
        g_assert_cmpmem(one, cols * sizeof *one, other, cols * sizeof *other);
    else
        g_assert_cmpfloat(distance, <=, allowed);
}

/* Long inputs go through the network in several chunks and outgrow the window many times; the
 * result does not depend on the threads, nor on what the encoder held before. */
static void long_inputs_do_not_depend_on_the_threads(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Fixture f;
    g_autoptr(GString) text = g_string_new(NULL);

    if (golden_skip_without_level())
        return;
    fixture_init(&f, data);
    const guint cols = g4_text_model_get_cols(f.model);
    g_autoptr(G4TextEncoder) single =
        g4_text_encoder_new(f.model, &(G4TextEncoderOptions){.threads = 1}, &error);
    g_autofree float *one = g_new(float, cols), *other = g_new(float, cols);
    for (guint i = 0; i < 41; i++) {
        g_string_append_printf(text, "the red car stops %u times ", i);
        if (i % 10 != 0)
            continue;
        const G4Part part = text_part(text->str, text->len);
        g_assert_true(g4_text_encoder_embed(f.encoder, NULL, &part, 1, TRUE, one, &error));
        g_assert_no_error(error);
        g_assert_true(g4_text_encoder_embed(single, NULL, &part, 1, TRUE, other, &error));
        g_assert_no_error(error);
        compare_threads(&f, one, other, cols);
        /* A fresh one has nothing left of a longer text. */
        g_autoptr(G4TextEncoder) fresh =
            g4_text_encoder_new(f.model, &(G4TextEncoderOptions){.threads = 1}, &error);
        g_assert_true(g4_text_encoder_embed(fresh, NULL, &part, 1, TRUE, one, &error));
        g_assert_cmpmem(one, cols * sizeof *one, other, cols * sizeof *other);
    }
    fixture_clear(&f);
}

static void add(const char *name, const Run *run, GTestDataFunc function)
{
    g_autofree char *path = g_strdup_printf("/text/%s/threads-%u/%s",
                                            g4_precision_name(run->precision), run->threads, name);

    g_test_add_data_func(path, run, function);
}

int main(int argc, char **argv)
{
    static Run runs[9];
    guint n = 0;

    g_test_init(&argc, &argv, NULL);
    for (G4Precision precision = G4_PRECISION_F32; precision <= G4_PRECISION_INT8; precision++)
        for (guint threads = 1; threads <= 3; threads++) {
            const Run *run = &runs[n];
            runs[n++] = (Run){precision, threads};
            add("texts", run, texts_are_those_of_the_reference);
            add("parts", run, parts_are_joined_with_nothing_between);
            add("pictures", run, pictures_are_those_of_the_reference);
            add("videos", run, videos_are_those_of_the_reference);
            add("lengths", run, long_inputs_do_not_depend_on_the_threads);
            if (precision == G4_PRECISION_F32)
                add("stages", run, every_stage_is_that_of_the_reference);
        }
    return g_test_run();
}
