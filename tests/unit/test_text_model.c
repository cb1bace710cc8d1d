/* SPDX-License-Identifier: Apache-2.0
 *
 * The text encoder's files and inputs: what is read from them, and what is refused.
 */
#include "text_model.h"
#include "text_encoder.h"

#include <glib.h>
#include <math.h>

#include "folder.h"

static char *case_path(const char *file)
{
    return g_build_filename(g_getenv("G4_TEST_DATA"), "embedding_case", file, NULL);
}

/* ------------------------------------------------------------------------------------------
 * Checkpoints derived from the case
 */

/* Copies a file of the case; `before` (NULL: nothing) is replaced by `after` once. */
static void copy_file(const TestFolder *folder, const char *name, const char *before,
                      const char *after)
{
    g_autofree char *from = case_path(name);
    g_autofree char *data = NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    gsize size, at = 0;

    g_file_get_contents(from, &data, &size, &error);
    g_assert_no_error(error);
    if (before) {
        const gsize n = strlen(before);
        while (at + n <= size && memcmp(data + at, before, n) != 0)
            at++;
        g_assert_cmpuint(at + n, <=, size);
        g_byte_array_append(bytes, (const guint8 *)data, (guint)at);
        g_byte_array_append(bytes, (const guint8 *)after, (guint)strlen(after));
        at += n;
    }
    g_byte_array_append(bytes, (const guint8 *)data + at, (guint)(size - at));
    g_free(folder_write(folder, name, bytes->data, bytes->len));
}

static const char *const files[] = {"config.json", "config_sentence_transformers.json",
                                    "tokenizer.json", "model.safetensors"};

/* All of the case's files that the text encoder reads, with one replacement in one of them. */
static TestFolder *derive(const char *file, const char *before, const char *after)
{
    TestFolder *folder = folder_new();

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        const gboolean changed = g_strcmp0(file, files[i]) == 0;
        copy_file(folder, files[i], changed ? before : NULL, after);
    }
    return folder;
}

static void assert_refused(const char *file, const char *before, const char *after, int code,
                           const char *words)
{
    g_autoptr(TestFolder) folder = derive(file, before, after);
    g_autoptr(GError) error = NULL;

    g_assert_null(g4_text_model_open(folder, NULL, &error));
    assert_error_names(error, G4_ERROR, code, words);
}

static void assert_opens(const char *file, const char *before, const char *after)
{
    g_autoptr(TestFolder) folder = derive(file, before, after);
    g_autoptr(GError) error = NULL;
    g_autoptr(G4TextModel) model = g4_text_model_open(folder, NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(model);
}

static G4TextModel *open_case(void)
{
    g_autofree char *folder = case_path(NULL);
    g_autoptr(GError) error = NULL;
    G4TextModel *model =
        g4_text_model_open(folder, &(G4ModelOptions){.precision = G4_PRECISION_F32}, &error);

    g_assert_no_error(error);
    return model;
}

/* ------------------------------------------------------------------------------------------
 * config.json
 */
static void the_case_is_read_as_it_is(void)
{
    g_autofree char *folder = case_path(NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;
    G4TextConfig c;

    g4_text_config_read(folder, &c, &text, &length, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(c.vocab, ==, 432);
    g_assert_cmpuint(c.hidden, ==, 32);
    g_assert_cmpuint(c.layers, ==, 4);
    g_assert_cmpuint(c.heads, ==, 4);
    g_assert_cmpuint(c.ffn, ==, 48);
    g_assert_cmpuint(c.ple, ==, 20);
    g_assert_cmpuint(c.out, ==, 40);
    g_assert_cmpuint(c.radius, ==, 3);
    g_assert_cmpfloat(c.theta_sliding, ==, 10000);
    g_assert_cmpfloat(c.theta_full, ==, 1000000);
    g_assert_cmpuint(c.boi, ==, 7);
    g_assert_cmpuint(c.eoi, ==, 8);
    g_assert_cmpuint(c.image, ==, 5);
    g_assert_cmpuint(c.video, ==, 6);
    g_assert_cmpuint(c.audio, ==, 9);
    for (guint i = 0; i < 4; i++) {
        g_assert_cmpint(c.layer[i].full, ==, i % 2);
        g_assert_cmpuint(c.layer[i].head_dim, ==, i % 2 ? 24 : 16);
        g_assert_cmpuint(c.layer[i].kv_heads, ==, i % 2 ? 1 : 2);
    }
    g4_text_config_clear(&c);
}

static void absent_keys_are_the_released_model(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;
    G4TextConfig c;

    g_free(folder_write(folder, "config.json",
                        "{\"model_type\": \"embedding_gemma2\", \"vision_config\": null, "
                        "\"audio_config\": null, \"text_config\": {\"anything\": [1]}}",
                        -1));
    g4_text_config_read(folder, &c, &text, &length, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(c.vocab, ==, 262144);
    g_assert_cmpuint(c.hidden, ==, 512);
    g_assert_cmpuint(c.layers, ==, 24);
    g_assert_cmpuint(c.out, ==, 768);
    g_assert_cmpuint(c.image, ==, 258880);
    g_assert_cmpuint(c.video, ==, 258884);
    for (guint i = 0; i < 24; i++) {
        g_assert_cmpint(c.layer[i].full, ==, i % 6 == 5);
        g_assert_cmpuint(c.layer[i].head_dim, ==, i % 6 == 5 ? 512 : 256);
        g_assert_cmpuint(c.layer[i].kv_heads, ==, i % 6 == 5 ? 1 : 2);
    }
    g4_text_config_clear(&c);
}

static void layer_keys_may_be_padded_with_zeros(void)
{
    assert_opens("config.json", "\"1\": {", "\"01\": {");
    assert_opens("config.json", "\"1\": {", "\"0001\": {");
    assert_refused("config.json", "\"1\": {", "\"03\": {", G4_ERROR_MALFORMED,
                   "per_layer_config.|layers 0 to 3, at most once");
    assert_refused("config.json", "\"1\": {", "\"4\": {", G4_ERROR_MALFORMED, "per_layer_config.4");
    assert_refused("config.json", "\"1\": {", "\"-1\": {", G4_ERROR_MALFORMED,
                   "per_layer_config.-1");
    assert_refused("config.json", "\"1\": {", "\"1x\": {", G4_ERROR_MALFORMED,
                   "per_layer_config.1x");
    assert_refused("config.json", "\"1\": {", "\"\": {", G4_ERROR_MALFORMED, "per_layer_config.");
    /* A message shows a key that the file chose as it shows a value. */
    assert_refused("config.json", "\"1\": {", "\"x\\ny\\u0007z\": {", G4_ERROR_MALFORMED,
                   "per_layer_config.x y?z: found");
    assert_refused("config.json", "\"1\": {", "\"99999999999999999999\": {", G4_ERROR_MALFORMED,
                   "per_layer_config.");
    assert_refused("config.json", "\"1\": {", "\"1\": {\"sliding_window\": 7,",
                   G4_ERROR_UNSUPPORTED, "sliding_window|to differ by layer");
}

static void the_last_layer_is_full(void)
{
    assert_opens("config.json", "\"sliding_attention\",\n      \"full_attention\"\n    ]",
                 "\"sliding_attention\",\n      \"sliding_attention\"\n    ]");
    assert_refused("config.json", "\"sliding_attention\",", "\"full_attention\",",
                   G4_ERROR_UNSUPPORTED, "per_layer_config|for all full layers");
    assert_refused("config.json", "\"sliding_attention\",", "\"causal_attention\",",
                   G4_ERROR_UNSUPPORTED, "layer_types|for layer 0");
    assert_refused("config.json", "\"sliding_attention\",", "", G4_ERROR_MALFORMED,
                   "layer_types|an array of 3|num_hidden_layers 4");
}

static void other_networks_are_refused(void)
{
    assert_refused("config.json", "\"rope_theta\": 1000000.0,\n        \"rope_type\": \"default\"",
                   "\"rope_theta\": 1000000.0,\n        \"rope_type\": \"yarn\"",
                   G4_ERROR_UNSUPPORTED,
                   "rope_parameters.full_attention.rope_type|\"yarn\"|\"default\"");
    assert_refused("config.json", "\"rope_theta\": 10000.0,",
                   "\"rope_theta\": 10000.0, \"partial_rotary_factor\": 0.25,",
                   G4_ERROR_UNSUPPORTED, "sliding_attention.partial_rotary_factor|0.25");
    assert_refused("config.json", "\"embedding_gemma2\"", "\"gemma4\"", G4_ERROR_UNSUPPORTED,
                   "model_type|gemma4|embedding_gemma2");
    assert_refused("config.json", "\"embedding_gemma2_text\"", "\"gemma3_text\"",
                   G4_ERROR_UNSUPPORTED, "text_config.model_type|gemma3_text");
    assert_refused("config.json", "\"text_config\": {", "\"text_config\": null, \"x\": {",
                   G4_ERROR_MALFORMED, "text_config");
    assert_refused("config.json", "\"hidden_activation\": \"gelu_pytorch_tanh\"",
                   "\"hidden_activation\": \"silu\"", G4_ERROR_UNSUPPORTED, "silu");
    assert_refused("config.json", "\"attention_bias\": false", "\"attention_bias\": true",
                   G4_ERROR_UNSUPPORTED, "attention_bias");
}

static void absurd_sizes_are_refused(void)
{
    assert_refused("config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 400000000",
                   G4_ERROR_MALFORMED, "num_hidden_layers");
    assert_refused("config.json", "\"vocab_size\": 432", "\"vocab_size\": 4294967296",
                   G4_ERROR_MALFORMED, "vocab_size");
    assert_refused("config.json", "\"vocab_size\": 432", "\"vocab_size\": 16777216",
                   G4_ERROR_MALFORMED, "embed_tokens.weight|[432, 32]|[16777216, 32]");
    assert_refused("config.json", "\"hidden_size\": 32", "\"hidden_size\": 0", G4_ERROR_MALFORMED,
                   "hidden_size");
    assert_refused("config.json", "\"hidden_size\": 32", "\"hidden_size\": 65536",
                   G4_ERROR_MALFORMED, "embed_tokens.weight");
    assert_refused("config.json", "\"head_dim\": 24,", "\"head_dim\": 65536,", G4_ERROR_MALFORMED,
                   "num_attention_heads");
    assert_refused("config.json", "\"head_dim\": 16,", "\"head_dim\": 15,", G4_ERROR_UNSUPPORTED,
                   "head_dim|an even number");
    assert_refused("config.json", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
                   G4_ERROR_MALFORMED, "num_key_value_heads|a divisor");
    assert_refused("config.json", "\"sliding_window\": 3", "\"sliding_window\": -3",
                   G4_ERROR_MALFORMED, "sliding_window");
    assert_refused("config.json", "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 0",
                   G4_ERROR_MALFORMED, "rms_norm_eps");
    assert_refused("config.json", "\"pad_token_id\": 0", "\"pad_token_id\": 432",
                   G4_ERROR_MALFORMED, "pad_token_id|432");
}

/* ------------------------------------------------------------------------------------------
 * Tensors
 */
static void tensors_are_named_when_they_do_not_fit(void)
{
    assert_refused("model.safetensors", "\"language_model.norm.weight\"",
                   "\"language_model.xorm.weight\"", G4_ERROR_MALFORMED,
                   "language_model.norm.weight|no such tensor|[32]");
    assert_refused("model.safetensors", "\"language_model.layers.2.layer_scalar\"",
                   "\"language_model.layers.2.layer_xcalar\"", G4_ERROR_MALFORMED,
                   "layers.2.layer_scalar|no such tensor|[1]");
    /* Both have 80 x 32 = 2560 elements. */
    assert_refused("model.safetensors", "[80,32]", "[40,64]", G4_ERROR_MALFORMED,
                   "ple.per_layer_model_projection.weight|[40, 64]|[80, 32]");
    assert_refused("model.safetensors", "[96,32]", "[32,96]", G4_ERROR_MALFORMED,
                   "self_attn.q_proj.weight|[32, 96]|[96, 32]");
}

static void a_text_encoder_is_there_or_not(void)
{
    g_autofree char *whole = case_path(NULL);
    g_autofree char *file = case_path("model.safetensors");
    g_autofree char *vision =
        g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "embeddinggemma2", NULL);
    g_autoptr(TestFolder) without = derive(NULL, NULL, NULL);
    g_autofree char *tokenizer = g_build_filename(without, "tokenizer.json", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(g4_text_model_exists(whole));
    g_assert_true(g4_text_model_exists(file));
    g_assert_false(g4_text_model_exists(vision));
    g_assert_false(g4_text_model_exists("/nowhere"));
    g_assert_true(g4_text_model_exists(without));
    g_assert_cmpint(g_remove(tokenizer), ==, 0);
    g_assert_false(g4_text_model_exists(without));
    g_assert_null(g4_text_model_open(without, NULL, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_MISSING, "tokenizer.json");
    g_clear_error(&error);
    g_assert_null(g4_text_model_open("/nowhere", NULL, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_MISSING, "/nowhere");
}

static void facts_are_those_of_the_case(void)
{
    g_autoptr(G4TextModel) model = open_case();
    g_autoptr(G4TextModel) again = open_case();

    g_assert_cmpstr(g4_text_model_get_name(model), ==, "embedding_case");
    g_assert_cmpuint(g4_text_model_get_cols(model), ==, 40);
    g_assert_cmpuint(g4_text_model_get_width(model), ==, 32);
    g_assert_cmpuint(strlen(g4_text_model_get_digest(model)), ==, 16);
    g_assert_cmpstr(g4_text_model_get_digest(model), ==, g4_text_model_get_digest(again));
    g_assert_cmpint(g4_text_model_get_precision(model), ==, G4_PRECISION_F32);
    g_assert_cmpuint(g4_text_model_get_bytes(model), >, 432 * 32 * 4);
    g_assert_true(g4_text_model_ref(model) == model);
    g4_text_model_unref(model);
}

/* ------------------------------------------------------------------------------------------
 * Tokenizer and prompts
 */
static void tokenizer_and_config_must_agree(void)
{
    assert_refused("config.json", "\"image_token_id\": 5", "\"image_token_id\": 12",
                   G4_ERROR_MALFORMED, "tokenizer.json|<|image|>|5|image_token_id 12");
    assert_refused("config.json", "\"boi_token_id\": 7", "\"boi_token_id\": 8", G4_ERROR_MALFORMED,
                   "tokenizer.json|<|image>|7|boi_token_id 8");
    assert_refused("config.json", "\"video_token_id\": 6", "\"video_token_id\": 5",
                   G4_ERROR_MALFORMED, "video_token_id");
    assert_refused("tokenizer.json", "{", "[", G4_ERROR_MALFORMED, "tokenizer.json");
}

static void prompts_are_found_by_name(void)
{
    static const char *const expected[] = {"STS", "document", "query", NULL};
    g_autoptr(G4TextModel) model = open_case();
    const char *const *names = g4_text_model_get_prompt_names(model);

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpstr(names[i], ==, expected[i]);
    g_assert_cmpstr(g4_text_model_get_prompt(model, "document"), ==, "title: none | text: ");
    g_assert_null(g4_text_model_get_prompt(model, "Query"));
    g_assert_null(g4_text_model_get_prompt(model, ""));
}

static void a_checkpoint_may_have_no_prompts(void)
{
    g_autoptr(TestFolder) folder = derive(NULL, NULL, NULL);
    g_autofree char *path = g_build_filename(folder, "config_sentence_transformers.json", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_remove(path), ==, 0);
    g_autoptr(G4TextModel) model = g4_text_model_open(folder, NULL, &error);
    g_assert_no_error(error);
    g_assert_null(g4_text_model_get_prompt(model, "query"));
    g_assert_null(g4_text_model_get_prompt_names(model)[0]);
}

static void prompts_must_be_texts(void)
{
    static const char file[] = "config_sentence_transformers.json";

    assert_refused(file, "\"title: none | text: \"", "3", G4_ERROR_MALFORMED,
                   "config_sentence_transformers.json|prompts.document|3|a string");
    assert_refused(file, "\"prompts\": {", "\"prompts\": [], \"x\": {", G4_ERROR_MALFORMED,
                   "prompts|an object");
    assert_refused(file, "{", "{{", G4_ERROR_MALFORMED, "config_sentence_transformers.json");
    assert_opens(file, "\"prompts\": {", "\"prompts\": null, \"x\": {");
}

/* ------------------------------------------------------------------------------------------
 * Inputs
 */
static void assert_input_refused(G4TextEncoder *encoder, const G4Part *parts, guint n, int code,
                                 const char *words)
{
    g_autoptr(GError) error = NULL;
    float out[40] = {7.0f};

    g_assert_false(g4_text_encoder_embed(encoder, NULL, parts, n, TRUE, out, &error));
    assert_error_names(error, G4_ERROR, code, words);
    g_assert_cmpfloat(out[0], ==, 7.0f);
}

static void assert_embedded(G4TextEncoder *encoder, const G4Part *parts, guint n, float *out)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(g4_text_encoder_embed(encoder, NULL, parts, n, TRUE, out, &error));
    g_assert_no_error(error);
}

static void inputs_that_cannot_be_are_refused(void)
{
    g_autoptr(G4TextModel) model = open_case();
    g_autoptr(GError) error = NULL;
    g_autoptr(G4TextEncoder) encoder = g4_text_encoder_new(model, NULL, &error);
    g_autofree float *tokens = g_new0(float, 3 * 32);
    g_autofree char *long_text = g_strnfill(9000, '~');
    g_autofree char *longer_text = g_strnfill((5 << 20), 'a');
    float before[40], after[40];
    const G4Part good = {.kind = G4_PART_TEXT, .text = "a red car", .length = -1};
    G4Part text = good, picture = {.kind = G4_PART_IMAGE, .tokens = tokens, .rows = 3};

    g_assert_no_error(error);
    assert_embedded(encoder, &good, 1, before);

    text.text = "red \xff car";
    assert_input_refused(encoder, &text, 1, G4_ERROR_MALFORMED, "");
    text.text = long_text;
    assert_input_refused(encoder, &text, 1, G4_ERROR_SETTINGS, "9002 tokens|8192");
    text.text = longer_text;
    assert_input_refused(encoder, &text, 1, G4_ERROR_SETTINGS, "5242880 bytes of text");
    picture.rows = 0;
    assert_input_refused(encoder, &picture, 1, G4_ERROR_SETTINGS, "0 soft tokens");
    picture.rows = 1u << 30;
    assert_input_refused(encoder, &picture, 1, G4_ERROR_SETTINGS, "1073741824 soft tokens|8192");
    /* Many that are short are as long: not one of a million is written out to be counted. */
    enum { MANY = 1 << 20 };
    g_autofree G4Part *many = g_new(G4Part, MANY);
    picture.rows = 3;
    for (guint i = 0; i < MANY; i++)
        many[i] = picture;
    assert_input_refused(encoder, many, MANY, G4_ERROR_SETTINGS, "8193 soft tokens|8192");
    /* Text up to its limit, a picture, and one byte of text. */
    g_autofree char *longest = g_strnfill(4 << 20, 'a');
    const G4Part full[] = {{.kind = G4_PART_TEXT, .text = longest, .length = -1},
                           picture,
                           {.kind = G4_PART_TEXT, .text = "a", .length = -1}};
    assert_input_refused(encoder, full, 3, G4_ERROR_SETTINGS, "1 bytes of text|at most 0");
    tokens[40] = NAN;
    assert_input_refused(encoder, &picture, 1, G4_ERROR_SETTINGS, "soft token 1 of 3|not finite");
    tokens[40] = 0.0f;
    const G4Part both[] = {picture, {.kind = G4_PART_TEXT, .text = "<|image|>", .length = -1}};
    assert_input_refused(encoder, both, 2, G4_ERROR_SETTINGS,
                         "4 placeholders <|image|>|3 soft tokens");

    /* None of them leaves anything behind. */
    assert_embedded(encoder, &good, 1, after);
    g_assert_cmpmem(before, sizeof before, after, sizeof after);
}

/* A placeholder of the kind that no part has stays padding, beside pictures of the other. */
static void placeholders_of_the_other_kind_are_padding(void)
{
    g_autoptr(G4TextModel) model = open_case();
    g_autoptr(G4TextEncoder) encoder = g4_text_encoder_new(model, NULL, NULL);
    g_autofree float *tokens = g_new0(float, 3 * 32);
    float with[40], without[40];
    const G4Part picture = {.kind = G4_PART_IMAGE, .tokens = tokens, .rows = 3};
    const G4Part parts[] = {picture, {.kind = G4_PART_TEXT, .text = "<|video|>", .length = -1}};
    const G4Part padded[] = {picture, {.kind = G4_PART_TEXT, .text = "<pad>", .length = -1}};

    assert_embedded(encoder, parts, 2, with);
    assert_embedded(encoder, padded, 2, without);
    g_assert_cmpmem(with, sizeof with, without, sizeof without);
}

static void options_that_cannot_be_met_are_refused(void)
{
    g_autoptr(G4TextModel) model = open_case();
    g_autoptr(GError) error = NULL;

    g_assert_null(g4_text_encoder_new(model, &(G4TextEncoderOptions){.dimensions = 41}, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_SETTINGS, "dimensions 41|40");
    g_clear_error(&error);
    g_assert_null(g4_text_encoder_new(model, &(G4TextEncoderOptions){.threads = 5000}, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_SETTINGS, "threads");
    g4_text_encoder_free(NULL);
}

/* Without `normalize` the mean keeps its length: the same direction, cut or not. */
static void lengths_are_kept_where_asked(void)
{
    g_autoptr(G4TextModel) model = open_case();
    g_autoptr(G4TextEncoder) encoder = g4_text_encoder_new(model, NULL, NULL);
    g_autoptr(G4TextEncoder) cut =
        g4_text_encoder_new(model, &(G4TextEncoderOptions){.dimensions = 8}, NULL);
    const G4Part part = {.kind = G4_PART_TEXT, .text = "two dogs", .length = -1};
    float unit[40], raw[40], cut_raw[8], cut_unit[8];
    double length = 0.0, cut_length = 0.0;

    g_assert_true(g4_text_encoder_embed(encoder, NULL, &part, 1, TRUE, unit, NULL));
    g_assert_true(g4_text_encoder_embed(encoder, NULL, &part, 1, FALSE, raw, NULL));
    g_assert_true(g4_text_encoder_embed(cut, NULL, &part, 1, FALSE, cut_raw, NULL));
    g_assert_true(g4_text_encoder_embed(cut, NULL, &part, 1, TRUE, cut_unit, NULL));
    g_assert_cmpmem(raw, sizeof cut_raw, cut_raw, sizeof cut_raw);
    for (guint i = 0; i < 40; i++)
        length += (double)raw[i] * raw[i];
    for (guint i = 0; i < 8; i++)
        cut_length += (double)raw[i] * raw[i];
    for (guint i = 0; i < 40; i++)
        g_assert_cmpfloat_with_epsilon(unit[i], raw[i] / sqrt(length), 1e-6);
    for (guint i = 0; i < 8; i++)
        g_assert_cmpfloat_with_epsilon(cut_unit[i], raw[i] / sqrt(cut_length), 1e-6);
}

/* ------------------------------------------------------------------------------------------
 * Giving up
 */

/* A background encoder computes what another does. */
static void a_background_encoder_is_as_another(void)
{
    g_autoptr(G4TextModel) model = open_case();
    g_autoptr(G4TextEncoder) one = g4_text_encoder_new(model, NULL, NULL);
    g_autoptr(G4TextEncoder) other = g4_text_encoder_new(
        model, &(G4TextEncoderOptions){.threads = 3, .background = TRUE}, NULL);
    const G4Part part = {.kind = G4_PART_TEXT, .text = "a red car", .length = -1};
    float expected[40], found[40];

    assert_embedded(one, &part, 1, expected);
    assert_embedded(other, &part, 1, found);
    for (guint i = 0; i < 40; i++)
        g_assert_cmpfloat_with_epsilon(found[i], expected[i], 1e-6);
}

static void assert_gives_up(G4TextEncoder *encoder, const G4Part *part)
{
    g_autoptr(GError) error = NULL;
    float out[40];

    memset(out, 0x5a, sizeof out);
    g_assert_false(g4_text_encoder_embed(encoder, NULL, part, 1, TRUE, out, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_CANCELLED);
    for (guint i = 0; i < sizeof out; i++)
        g_assert_cmpuint(((guint8 *)out)[i], ==, 0x5a);
}

/* The first stage of a layer, on whichever worker. */
static void cancel_in_a_layer(void *user, const char *stage, guint first_row, guint n_rows,
                              guint width, const float *rows, gsize row_stride)
{
    if (g_str_equal(stage, "layer0"))
        g4_text_encoder_set_cancelled(user, TRUE);
    g_assert_cmpstr(stage, !=, "layer2");
}

static void who_is_cancelled_gives_up(void)
{
    g_autoptr(G4TextModel) model = open_case();
    const G4Part part = {.kind = G4_PART_TEXT, .text = "a red car", .length = -1};
    float before[40], after[40];

    for (guint threads = 1; threads <= 3; threads++) {
        g_autoptr(G4TextEncoder) encoder =
            g4_text_encoder_new(model, &(G4TextEncoderOptions){.threads = threads}, NULL);

        assert_embedded(encoder, &part, 1, before);
        g4_text_encoder_set_cancelled(encoder, TRUE);
        assert_gives_up(encoder, &part); /* before it has begun */
        g4_text_encoder_set_cancelled(encoder, FALSE);
        g4_text_encoder_set_probe(encoder, cancel_in_a_layer, encoder);
        assert_gives_up(encoder, &part); /* on the way */
        g4_text_encoder_set_probe(encoder, NULL, NULL);
        assert_gives_up(encoder, &part); /* for as long as it is */
        g4_text_encoder_set_cancelled(encoder, FALSE);
        assert_embedded(encoder, &part, 1, after);
        g_assert_cmpmem(before, sizeof before, after, sizeof after);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/config/case", the_case_is_read_as_it_is);
    g_test_add_func("/text/config/defaults", absent_keys_are_the_released_model);
    g_test_add_func("/text/config/layer-keys", layer_keys_may_be_padded_with_zeros);
    g_test_add_func("/text/config/layer-types", the_last_layer_is_full);
    g_test_add_func("/text/config/others", other_networks_are_refused);
    g_test_add_func("/text/config/sizes", absurd_sizes_are_refused);
    g_test_add_func("/text/model/tensors", tensors_are_named_when_they_do_not_fit);
    g_test_add_func("/text/model/exists", a_text_encoder_is_there_or_not);
    g_test_add_func("/text/model/facts", facts_are_those_of_the_case);
    g_test_add_func("/text/model/tokenizer", tokenizer_and_config_must_agree);
    g_test_add_func("/text/prompts/names", prompts_are_found_by_name);
    g_test_add_func("/text/prompts/none", a_checkpoint_may_have_no_prompts);
    g_test_add_func("/text/prompts/malformed", prompts_must_be_texts);
    g_test_add_func("/text/encoder/inputs", inputs_that_cannot_be_are_refused);
    g_test_add_func("/text/encoder/padding", placeholders_of_the_other_kind_are_padding);
    g_test_add_func("/text/encoder/options", options_that_cannot_be_met_are_refused);
    g_test_add_func("/text/encoder/normalize", lengths_are_kept_where_asked);
    g_test_add_func("/text/encoder/background", a_background_encoder_is_as_another);
    g_test_add_func("/text/encoder/cancelled", who_is_cancelled_gives_up);
    return g_test_run();
}
