/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json and processor files: what is read from them, and what is refused.
 */
#include "config.h"

#include <glib.h>

#include "folder.h"
#include "gemma4.h"

static gboolean read_files(const char *config_json, const char *processor, const char *preprocessor,
                           G4Config *config, GError **error)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *text = NULL;
    gsize length = 0;
    if (config_json != NULL)
        g_free(folder_write(folder, "config.json", config_json, -1));
    if (processor != NULL)
        g_free(folder_write(folder, "processor_config.json", processor, -1));
    if (preprocessor != NULL)
        g_free(folder_write(folder, "preprocessor_config.json", preprocessor, -1));
    if (!g4_config_read(folder, config, &text, &length, error)) {
        g_assert_null(text);
        return FALSE;
    }
    g_assert_cmpmem(text, length, config_json, strlen(config_json));
    return TRUE;
}

/* A whole config.json with some keys in vision_config. */
static char *with_vision(const char *keys)
{
    return g_strdup_printf("{\"model_type\": \"gemma4\", \"text_config\": {\"hidden_size\": 1536}, "
                           "\"vision_config\": {\"model_type\": \"gemma4_vision\"%s%s}}",
                           *keys != '\0' ? ", " : "", keys);
}

static void assert_read(const char *config_json, const char *processor, const char *preprocessor,
                        G4Config *config)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = read_files(config_json, processor, preprocessor, config, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static void test_defaults(void)
{
    g_autofree char *text = with_vision("");
    G4Config c;
    assert_read(text, NULL, NULL, &c);
    g_assert_cmpuint(c.hidden, ==, 768);
    g_assert_cmpuint(c.ffn, ==, 3072);
    g_assert_cmpuint(c.layers, ==, 16);
    g_assert_cmpuint(c.heads, ==, 12);
    g_assert_cmpuint(c.kv_heads, ==, 12);
    g_assert_cmpuint(c.head_dim, ==, 64);
    g_assert_cmpuint(c.patch, ==, 16);
    g_assert_cmpuint(c.pool, ==, 3);
    g_assert_cmpuint(c.table, ==, 10240);
    g_assert_cmpuint(c.output_dim, ==, 1536);
    g_assert_cmpfloat(c.eps, ==, 1e-6f);
    g_assert_cmpfloat(c.rope_theta, ==, 100);
    g_assert_false(c.clipped);
    g_assert_false(c.standardize);
    g_assert_cmpuint(c.image_soft_tokens, ==, 0);
    g_assert_cmpuint(c.video_soft_tokens, ==, 0);
    g_assert_cmpuint(c.square_size, ==, 0);
}

static void test_every_size_is_read(void)
{
    g_autofree char *text = with_vision(
        "\"hidden_size\": 96, \"intermediate_size\": 80, \"num_hidden_layers\": 2, "
        "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 24, "
        "\"patch_size\": 14, \"pooling_kernel_size\": 2, \"position_embedding_size\": 32, "
        "\"rms_norm_eps\": 1e-5, \"rope_parameters\": {\"rope_type\": \"axial\", \"rope_theta\": "
        "50}, \"use_clipped_linears\": true, \"standardize\": true, \"hidden_activation\": "
        "\"gelu_pytorch_tanh\", \"attention_bias\": false, \"unknown\": [1, {}]");
    G4Config c;
    assert_read(text, NULL, NULL, &c);
    g_assert_cmpuint(c.hidden, ==, 96);
    g_assert_cmpuint(c.ffn, ==, 80);
    g_assert_cmpuint(c.layers, ==, 2);
    g_assert_cmpuint(c.heads, ==, 4);
    g_assert_cmpuint(c.kv_heads, ==, 2);
    g_assert_cmpuint(c.head_dim, ==, 24);
    g_assert_cmpuint(c.patch, ==, 14);
    g_assert_cmpuint(c.pool, ==, 2);
    g_assert_cmpuint(c.table, ==, 32);
    g_assert_cmpfloat(c.eps, ==, 1e-5f);
    g_assert_cmpfloat(c.rope_theta, ==, 50);
    g_assert_true(c.clipped);
    g_assert_true(c.standardize);
}

static void test_old_rope_keys(void)
{
    g_autofree char *text =
        with_vision("\"rope_theta\": 70.5, \"rope_parameters\": null, \"rope_scaling\": null");
    G4Config c;
    assert_read(text, NULL, NULL, &c);
    g_assert_cmpfloat(c.rope_theta, ==, 70.5);
}

static void test_tower_alone(void)
{
    G4Config c;
    assert_read("{\"model_type\": \"gemma4_vision\", \"hidden_size\": 64, \"head_dim\": 32}", NULL,
                NULL, &c);
    g_assert_cmpuint(c.hidden, ==, 64);
    g_assert_cmpuint(c.head_dim, ==, 32);
    g_assert_cmpuint(c.output_dim, ==, 0);
}

static void test_tower_without_a_type(void)
{
    G4Config c;
    assert_read("{\"text_config\": {\"hidden_size\": 8}, \"vision_config\": {}}", NULL, NULL, &c);
    g_assert_cmpuint(c.output_dim, ==, 8);
}

#define BLOCK_STEPS                                                                                \
    "\"do_resize\": true, \"do_rescale\": true, \"do_normalize\": false, \"resample\": 3, "        \
    "\"rescale_factor\": 0.00392156862745098, \"patch_size\": 16, \"pooling_kernel_size\": 3"

static void test_processor_blocks(void)
{
    g_autofree char *text = with_vision("");
    G4Config c;
    assert_read(text,
                "{\"image_processor\": {" BLOCK_STEPS ", \"max_soft_tokens\": 280, \"size\": "
                "{\"height\": 224, \"width\": 5}}, \"video_processor\": {\"max_soft_tokens\": 70, "
                "\"do_normalize\": true, \"image_mean\": [0, 0.0, 0], \"image_std\": [1, 1, 1.0]}}",
                "{\"max_soft_tokens\": 9, \"resample\": 2}", &c);
    g_assert_cmpuint(c.image_soft_tokens, ==, 280);
    g_assert_cmpuint(c.video_soft_tokens, ==, 70);
    g_assert_cmpuint(c.square_size, ==, 0);

    assert_read(text, "{\"image_processor\": {\"max_soft_tokens\": 1}}", NULL, &c);
    g_assert_cmpuint(c.image_soft_tokens, ==, 1);
    g_assert_cmpuint(c.video_soft_tokens, ==, 0);

    /* A processor file that has no image settings still keeps the older file out. */
    assert_read(text, "{\"processor_class\": \"P\", \"feature_extractor\": {}}",
                "{\"max_soft_tokens\": 9}", &c);
    g_assert_cmpuint(c.image_soft_tokens, ==, 0);

    assert_read(text, "{\"max_soft_tokens\": 33}", NULL, &c);
    g_assert_cmpuint(c.image_soft_tokens, ==, 33);
}

static void test_preprocessor_file(void)
{
    g_autofree char *text = with_vision("");
    G4Config c;
    assert_read(text, NULL, "{" BLOCK_STEPS ", \"size\": {\"height\": 96, \"width\": 96}}", &c);
    g_assert_cmpuint(c.square_size, ==, 96);
    g_assert_cmpuint(c.image_soft_tokens, ==, 0);

    assert_read(text, NULL, "{\"size\": {\"shortest_edge\": 480}}", &c);
    g_assert_cmpuint(c.square_size, ==, 480);
    assert_read(text, NULL, "{\"size\": 144, \"do_normalize\": true, \"image_mean\": 0}", &c);
    g_assert_cmpuint(c.square_size, ==, 144);
    assert_read(text, NULL, "{\"size\": {\"height\": 224}, \"max_soft_tokens\": 4}", &c);
    g_assert_cmpuint(c.square_size, ==, 0);
    g_assert_cmpuint(c.image_soft_tokens, ==, 4);

    /* The audio settings of EmbeddingGemma 2: none of them is a picture's. */
    assert_read(text, NULL,
                "{\"feature_extractor_type\": \"Gemma4AudioFeatureExtractor\", \"do_normalize\": "
                "true, \"feature_size\": 128, \"sampling_rate\": 16000, \"padding_value\": 0.0}",
                &c);
    g_assert_cmpuint(c.image_soft_tokens, ==, 0);
    g_assert_cmpuint(c.square_size, ==, 0);
}

/* -------------------------------------------------------------------------------------------
 * What is refused
 */
static const struct {
    const char *keys; /* in vision_config */
    int code;
    const char *words;
} bad_vision[] = {
    {"\"hidden_size\": \"768\"", G4_ERROR_MALFORMED, "hidden_size|\"768\"|an integer from 1 to"},
    {"\"hidden_size\": 768.0", G4_ERROR_MALFORMED, "hidden_size|768.0|an integer"},
    {"\"hidden_size\": true", G4_ERROR_MALFORMED, "hidden_size|true|an integer"},
    {"\"hidden_size\": 0", G4_ERROR_MALFORMED, "hidden_size|found 0|an integer"},
    {"\"hidden_size\": 65537", G4_ERROR_MALFORMED, "hidden_size|65537|65536"},
    {"\"intermediate_size\": -1", G4_ERROR_MALFORMED, "intermediate_size|-1|an integer"},
    {"\"num_hidden_layers\": 5000000000", G4_ERROR_MALFORMED,
     "num_hidden_layers|5000000000|from 1 to 1024"},
    {"\"num_hidden_layers\": 0", G4_ERROR_MALFORMED, "num_hidden_layers|found 0"},
    {"\"num_hidden_layers\": 1e9", G4_ERROR_MALFORMED, "num_hidden_layers|1000000000.0|an integer"},
    {"\"num_attention_heads\": [12]", G4_ERROR_MALFORMED, "num_attention_heads|an array of 1"},
    {"\"num_attention_heads\": 2048", G4_ERROR_MALFORMED,
     "num_attention_heads|2048|at most 1024 with head_dim 64"},
    {"\"num_key_value_heads\": 5", G4_ERROR_MALFORMED,
     "num_key_value_heads|found 5|a divisor of num_attention_heads 12"},
    {"\"num_key_value_heads\": 24", G4_ERROR_MALFORMED, "num_key_value_heads|24|divisor"},
    {"\"num_attention_heads\": 4", G4_ERROR_MALFORMED, "num_key_value_heads|nothing|divisor|12"},
    {"\"head_dim\": 66", G4_ERROR_UNSUPPORTED, "head_dim|66|a multiple of 4"},
    {"\"head_dim\": {}", G4_ERROR_MALFORMED, "head_dim|an object"},
    {"\"patch_size\": 257", G4_ERROR_MALFORMED, "patch_size|257"},
    {"\"pooling_kernel_size\": 65", G4_ERROR_MALFORMED, "pooling_kernel_size|65"},
    {"\"position_embedding_size\": 1048577", G4_ERROR_MALFORMED, "position_embedding_size|1048577"},
    {"\"rms_norm_eps\": 0", G4_ERROR_MALFORMED, "rms_norm_eps|found 0|between 0 and 1"},
    {"\"rms_norm_eps\": -1e-6", G4_ERROR_MALFORMED, "rms_norm_eps|-1e-06"},
    {"\"rms_norm_eps\": 1.0", G4_ERROR_MALFORMED, "rms_norm_eps|1.0"},
    {"\"rms_norm_eps\": 1e-300", G4_ERROR_UNSUPPORTED, "rms_norm_eps|float32"},
    {"\"rms_norm_eps\": \"1e-6\"", G4_ERROR_MALFORMED, "rms_norm_eps|\"1e-6\"|a number"},
    {"\"rms_norm_eps\": NaN", G4_ERROR_MALFORMED, "rms_norm_eps|NaN"},
    {"\"rope_parameters\": {\"rope_theta\": 0}", G4_ERROR_MALFORMED,
     "vision_config.rope_parameters.rope_theta|found 0"},
    {"\"rope_parameters\": {\"rope_theta\": -100}", G4_ERROR_MALFORMED, "rope_theta|-100"},
    {"\"rope_parameters\": 100", G4_ERROR_MALFORMED, "rope_parameters|100|an object"},
    {"\"rope_parameters\": {\"rope_type\": \"yarn\"}", G4_ERROR_UNSUPPORTED,
     "rope_parameters.rope_type|\"yarn\"|\"default\" or \"axial\""},
    {"\"rope_parameters\": {\"partial_rotary_factor\": 0.25}", G4_ERROR_UNSUPPORTED,
     "partial_rotary_factor|0.25"},
    {"\"rope_scaling\": {\"type\": \"linear\"}", G4_ERROR_UNSUPPORTED, "rope_scaling.type|linear"},
    {"\"hidden_activation\": \"silu\"", G4_ERROR_UNSUPPORTED,
     "hidden_activation|\"silu\"|gelu_pytorch_tanh"},
    {"\"hidden_activation\": 3", G4_ERROR_MALFORMED, "hidden_activation|found 3|a string"},
    {"\"attention_bias\": true", G4_ERROR_UNSUPPORTED, "attention_bias|true|false"},
    {"\"use_clipped_linears\": 1", G4_ERROR_MALFORMED, "use_clipped_linears|found 1|true or false"},
    {"\"standardize\": \"yes\"", G4_ERROR_MALFORMED, "standardize|\"yes\"|true or false"},
    {"\"head_dim\": 64, \"head_dim\": 64", G4_ERROR_MALFORMED, "head_dim|duplicate"},
};

static void test_bad_vision(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(bad_vision); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = with_vision(bad_vision[i].keys);
        g_autofree char *words = g_strconcat("/config.json|", bad_vision[i].words, NULL);
        G4Config config;
        g_assert_false(read_files(text, NULL, NULL, &config, &error));
        assert_error_names(error, G4_ERROR, bad_vision[i].code, words);
    }
}

static const struct {
    const char *text;
    int code;
    const char *words;
} bad_root[] = {
    {NULL, G4_ERROR_MISSING, "config.json"},
    {"", G4_ERROR_UNREADABLE, "config.json|empty"},
    {"{", G4_ERROR_MALFORMED, "config.json"},
    {"[]", G4_ERROR_MALFORMED, "config.json|an array of 0"},
    {"{}", G4_ERROR_UNSUPPORTED, "vision_config|nothing|gemma4_vision"},
    {"{\"model_type\": 4}", G4_ERROR_MALFORMED, "model_type|found 4|a string"},
    {"{\"model_type\": \"gemma4_text\"}", G4_ERROR_UNSUPPORTED, "model_type|gemma4_text"},
    {"{\"model_type\": \"gemma4uv\", \"vision_config\": null}", G4_ERROR_UNSUPPORTED,
     "model_type|gemma4uv|gemma4_vision"},
    {"{\"model_type\": \"llava\", \"vision_config\": {}}", G4_ERROR_UNSUPPORTED,
     "model_type|llava|gemma4"},
    {"{\"model_type\": \"gemma3\", \"vision_config\": {\"model_type\": \"siglip_vision_model\"}}",
     G4_ERROR_UNSUPPORTED, "vision_config.model_type|siglip_vision_model|gemma4_vision"},
    {"{\"model_type\": \"gemma4_unified\", \"text_config\": {\"hidden_size\": 8}, "
     "\"vision_config\": {\"model_type\": \"gemma4_unified_vision\"}}",
     G4_ERROR_UNSUPPORTED, "vision_config.model_type|gemma4_unified_vision"},
    {"{\"model_type\": \"gemma4\", \"vision_config\": \"none\"}", G4_ERROR_MALFORMED,
     "vision_config|\"none\"|an object"},
    {"{\"model_type\": \"gemma4\", \"vision_config\": {}}", G4_ERROR_MALFORMED,
     "text_config|nothing|hidden_size"},
    {"{\"model_type\": \"gemma4\", \"vision_config\": {}, \"text_config\": null}",
     G4_ERROR_MALFORMED, "text_config|null|hidden_size"},
    {"{\"model_type\": \"gemma4\", \"vision_config\": {}, \"text_config\": {}}", G4_ERROR_MALFORMED,
     "text_config.hidden_size|nothing"},
    {"{\"model_type\": \"gemma4\", \"vision_config\": {}, \"text_config\": {\"hidden_size\": 0}}",
     G4_ERROR_MALFORMED, "text_config.hidden_size|found 0"},
    {"{\"model_type\": \"gemma4\", \"vision_config\": {}, \"text_config\": {\"hidden_size\": "
     "99999}}",
     G4_ERROR_MALFORMED, "text_config.hidden_size|99999|65536"},
};

static void test_bad_root(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(bad_root); i++) {
        g_autoptr(GError) error = NULL;
        G4Config config;
        g_assert_false(read_files(bad_root[i].text, NULL, NULL, &config, &error));
        assert_error_names(error, G4_ERROR, bad_root[i].code, bad_root[i].words);
    }
}

static const struct {
    const char *text;
    int code;
    const char *words;
} bad_block[] = {
    {"\"patch_size\": 14", G4_ERROR_MALFORMED, "patch_size|found 14|16 as in config.json"},
    {"\"patch_size\": \"16\"", G4_ERROR_MALFORMED, "patch_size|\"16\"|an integer"},
    {"\"pooling_kernel_size\": 2", G4_ERROR_MALFORMED,
     "pooling_kernel_size|found 2|3 as in config.json"},
    {"\"resample\": 2", G4_ERROR_UNSUPPORTED, "resample|found 2|3 (bicubic)"},
    {"\"resample\": \"bicubic\"", G4_ERROR_MALFORMED, "resample|bicubic"},
    {"\"rescale_factor\": 0.00390625", G4_ERROR_UNSUPPORTED, "rescale_factor|0.00390625|1/255"},
    {"\"rescale_factor\": null, \"rescale_factor\": 1", G4_ERROR_MALFORMED, "duplicate"},
    {"\"do_resize\": false", G4_ERROR_UNSUPPORTED, "do_resize|false|true"},
    {"\"do_rescale\": false", G4_ERROR_UNSUPPORTED, "do_rescale|false|true"},
    {"\"do_resize\": 1", G4_ERROR_MALFORMED, "do_resize|found 1|true or false"},
    {"\"do_normalize\": true, \"image_mean\": [0.5, 0.5, 0.5]", G4_ERROR_UNSUPPORTED,
     "image_mean|an array of 3|0 for each of 3 channels"},
    {"\"do_normalize\": true, \"image_mean\": [0, 0]", G4_ERROR_UNSUPPORTED, "image_mean"},
    {"\"do_normalize\": true, \"image_mean\": [0, 0, null]", G4_ERROR_UNSUPPORTED, "image_mean"},
    {"\"do_normalize\": true, \"image_std\": 0.5", G4_ERROR_UNSUPPORTED, "image_std|0.5|1 for"},
    {"\"do_normalize\": true, \"image_std\": \"1\"", G4_ERROR_UNSUPPORTED, "image_std|\"1\""},
    {"\"max_soft_tokens\": 0", G4_ERROR_MALFORMED, "max_soft_tokens|found 0"},
    {"\"max_soft_tokens\": -70", G4_ERROR_MALFORMED, "max_soft_tokens|-70"},
    {"\"max_soft_tokens\": 1000000000", G4_ERROR_MALFORMED, "max_soft_tokens|1000000000"},
    {"\"max_soft_tokens\": \"280\"", G4_ERROR_MALFORMED, "max_soft_tokens|\"280\""},
    {"\"size\": {\"height\": 96, \"width\": 144}", G4_ERROR_UNSUPPORTED, "size.width|144|96"},
    {"\"size\": {\"height\": 96}", G4_ERROR_UNSUPPORTED, "size|an object|shortest_edge"},
    {"\"size\": {\"height\": -96, \"width\": -96}", G4_ERROR_MALFORMED, "size.height|-96"},
    {"\"size\": {\"shortest_edge\": 0}", G4_ERROR_MALFORMED, "size.shortest_edge|found 0"},
    {"\"size\": [96, 96]", G4_ERROR_MALFORMED, "size|an array of 2"},
};

static void test_bad_processor(void)
{
    g_autofree char *config_json = with_vision("");
    G4Config config;
    for (guint i = 0; i < G_N_ELEMENTS(bad_block); i++) {
        g_autoptr(GError) image = NULL, video = NULL, top = NULL;
        g_autofree char *plain = g_strdup_printf("{\"image_std\": 1, %s}", bad_block[i].text);
        if (strstr(bad_block[i].text, "image_std") != NULL) {
            g_free(plain);
            plain = g_strdup_printf("{\"image_mean\": 0, %s}", bad_block[i].text);
        }
        g_autofree char *in_image = g_strdup_printf("{\"image_processor\": %s}", plain);
        g_autofree char *in_video =
            g_strdup_printf("{\"image_processor\": {}, \"video_processor\": %s}", plain);
        g_autofree char *words = g_strconcat("/processor_config.json|", bad_block[i].words, NULL);
        g_autofree char *old = g_strconcat("/preprocessor_config.json|", bad_block[i].words, NULL);
        g_assert_false(read_files(config_json, in_image, NULL, &config, &image));
        assert_error_names(image, G4_ERROR, bad_block[i].code, words);
        g_assert_false(read_files(config_json, in_video, NULL, &config, &video));
        assert_error_names(video, G4_ERROR, bad_block[i].code, words);
        g_assert_false(read_files(config_json, NULL, plain, &config, &top));
        assert_error_names(top, G4_ERROR, bad_block[i].code, old);
    }

    g_autoptr(GError) type = NULL, empty = NULL;
    g_assert_false(read_files(config_json, "{\"image_processor\": 3}", NULL, &config, &type));
    assert_error_names(type, G4_ERROR, G4_ERROR_MALFORMED, "image_processor|found 3|an object");
    /* A processor file that is there but unreadable is not an absent one. */
    g_assert_false(read_files(config_json, "", "{\"size\": 96}", &config, &empty));
    assert_error_names(empty, G4_ERROR, G4_ERROR_UNREADABLE, "/processor_config.json|empty");
}

static void test_folder_for_a_file(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "config.json", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    G4Config config;
    gsize length;
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    g_assert_false(g4_config_read(folder, &config, &text, &length, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_UNREADABLE, "config.json|a folder");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults_are_those_of_the_class", test_defaults);
    g_test_add_func("/config/every_size_is_read", test_every_size_is_read);
    g_test_add_func("/config/older_rope_keys_are_read", test_old_rope_keys);
    g_test_add_func("/config/tower_alone_has_no_projection", test_tower_alone);
    g_test_add_func("/config/tower_may_lack_a_type", test_tower_without_a_type);
    g_test_add_func("/config/processor_blocks_are_read", test_processor_blocks);
    g_test_add_func("/config/preprocessor_file_is_read", test_preprocessor_file);
    g_test_add_func("/config/bad_vision_names_the_key", test_bad_vision);
    g_test_add_func("/config/other_models_are_refused", test_bad_root);
    g_test_add_func("/config/bad_processor_names_the_key", test_bad_processor);
    g_test_add_func("/config/folder_in_place_of_a_file", test_folder_for_a_file);
    return g_test_run();
}
