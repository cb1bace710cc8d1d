/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json, processor_config.json and preprocessor_config.json.
 *
 * Limits on sizes are far above any model, and low enough that no product of two or three of
 * them needs more than 64 bits. The tensors' real shapes are compared with these numbers before
 * anything of their size is allocated.
 */
#include "config.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "file.h"
#include "gemma4.h"
#include "json.h"

#define MAX_FILE ((gsize)16 << 20)
#define MAX_VALUES ((gsize)1 << 17)

#define MAX_LAYERS 1024
#define MAX_WIDTH 65536 /* hidden, ffn, heads * head_dim, output_dim */
#define MAX_PATCH 256
#define MAX_POOL 64
#define MAX_TABLE (1 << 20)
#define MAX_SOFT_TOKENS 65536
#define MAX_SIDE 65536

/* -------------------------------------------------------------------------------------------
 * config.json
 */

/* Finds the vision tower's object. Checkpoints that hold a text model too have `vision_config`; a
 * tower saved alone is its own root. Other models that have a vision_config say so by model_type:
 * gemma3 (siglip_vision_model), gemma4_unified, ... */
static gboolean find_vision(const G4JsonObject *root, G4JsonObject *vision, gboolean *alone,
                            GError **error)
{
    const char *type = NULL, *vision_type = NULL;
    if (!g4_json_read_string(root, "model_type", &type, error))
        return FALSE;
    *alone = g_strcmp0(type, "gemma4_vision") == 0;
    if (*alone) {
        *vision = *root;
        return TRUE;
    }
    if (!g4_json_read_object(root, "vision_config", vision, error))
        return FALSE;
    if (vision->object == NULL && type != NULL)
        return g4_json_fail(root, "model_type", G4_ERROR_UNSUPPORTED, error,
                            "\"gemma4_vision\", or a vision_config beside it");
    if (vision->object == NULL)
        return g4_json_fail(root, "vision_config", G4_ERROR_UNSUPPORTED, error,
                            "the settings of a gemma4_vision tower");
    if (!g4_json_read_string(vision, "model_type", &vision_type, error))
        return FALSE;
    if (vision_type == NULL && type != NULL && strcmp(type, "gemma4") != 0 &&
        strcmp(type, "embedding_gemma2") != 0)
        return g4_json_fail(root, "model_type", G4_ERROR_UNSUPPORTED, error,
                            "\"gemma4\" or \"embedding_gemma2\" where vision_config has none");
    if (vision_type != NULL && strcmp(vision_type, "gemma4_vision") != 0)
        return g4_json_fail(vision, "model_type", G4_ERROR_UNSUPPORTED, error, "\"gemma4_vision\"");
    return TRUE;
}

static gboolean check_rope_type(const G4JsonObject *rope, const char *key, GError **error)
{
    const char *type = NULL;
    if (!g4_json_read_string(rope, key, &type, error))
        return FALSE;
    /* Two names of one thing: older and newer Transformers. */
    if (type != NULL && strcmp(type, "default") != 0 && strcmp(type, "axial") != 0)
        return g4_json_fail(rope, key, G4_ERROR_UNSUPPORTED, error, "\"default\" or \"axial\"");
    return TRUE;
}

/* rope_parameters {rope_type, rope_theta}; before it existed, rope_theta beside the sizes and
 * rope_scaling {rope_type or type}. */
static gboolean read_rope(const G4JsonObject *vision, double *theta, GError **error)
{
    G4JsonObject rope, scaling;
    double rotated = 1;
    if (!g4_json_read_double(vision, "rope_theta", 0, DBL_MAX, theta, error) ||
        !g4_json_read_object(vision, "rope_scaling", &scaling, error) ||
        !g4_json_read_object(vision, "rope_parameters", &rope, error) ||
        !g4_json_read_double(&rope, "rope_theta", 0, DBL_MAX, theta, error) ||
        !g4_json_read_double(&rope, "partial_rotary_factor", 0, DBL_MAX, &rotated, error) ||
        !check_rope_type(&rope, "rope_type", error) || !check_rope_type(&rope, "type", error) ||
        !check_rope_type(&scaling, "rope_type", error) || !check_rope_type(&scaling, "type", error))
        return FALSE;
    if (rotated != 1)
        return g4_json_fail(&rope, "partial_rotary_factor", G4_ERROR_UNSUPPORTED, error, "1");
    return TRUE;
}

static gboolean read_vision(const G4JsonObject *vision, G4Config *config, GError **error)
{
    /* Transformers writes every key; one that is absent has the default of its
     * Gemma4VisionConfig. */
    *config = (G4Config){
        .hidden = 768,
        .layers = 16,
        .heads = 12,
        .kv_heads = 12,
        .head_dim = 64,
        .ffn = 3072,
        .patch = 16,
        .pool = 3,
        .table = 10240,
        .rope_theta = 100,
    };
    const struct {
        const char *key;
        guint max;
        guint *value;
    } sizes[] = {
        {"hidden_size", MAX_WIDTH, &config->hidden},
        {"intermediate_size", MAX_WIDTH, &config->ffn},
        {"num_hidden_layers", MAX_LAYERS, &config->layers},
        {"num_attention_heads", MAX_WIDTH, &config->heads},
        {"num_key_value_heads", MAX_WIDTH, &config->kv_heads},
        {"head_dim", MAX_WIDTH, &config->head_dim},
        {"patch_size", MAX_PATCH, &config->patch},
        {"pooling_kernel_size", MAX_POOL, &config->pool},
        {"position_embedding_size", MAX_TABLE, &config->table},
    };
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (!g4_json_read_uint(vision, sizes[i].key, 1, sizes[i].max, sizes[i].value, error))
            return FALSE;
    }
    /* Half of a head turns by x and half by y, each in pairs. */
    if (config->head_dim % 4 != 0)
        return g4_json_fail(vision, "head_dim", G4_ERROR_UNSUPPORTED, error, "a multiple of 4");
    if ((guint64)config->heads * config->head_dim > MAX_WIDTH)
        return g4_json_fail(vision, "num_attention_heads", G4_ERROR_MALFORMED, error,
                            "at most %u with head_dim %u", MAX_WIDTH / config->head_dim,
                            config->head_dim);
    if (config->heads % config->kv_heads != 0)
        return g4_json_fail(vision, "num_key_value_heads", G4_ERROR_MALFORMED, error,
                            "a divisor of num_attention_heads %u (12 when absent)", config->heads);

    double eps = 1e-6;
    gboolean bias = FALSE;
    const char *activation = "gelu_pytorch_tanh";
    if (!g4_json_read_double(vision, "rms_norm_eps", 0, 1, &eps, error) ||
        !g4_json_read_boolean(vision, "use_clipped_linears", &config->clipped, error) ||
        !g4_json_read_boolean(vision, "standardize", &config->standardize, error) ||
        !g4_json_read_boolean(vision, "attention_bias", &bias, error) ||
        !g4_json_read_string(vision, "hidden_activation", &activation, error) ||
        !read_rope(vision, &config->rope_theta, error))
        return FALSE;
    config->eps = (float)eps;
    if (config->eps < FLT_MIN)
        return g4_json_fail(vision, "rms_norm_eps", G4_ERROR_UNSUPPORTED, error,
                            "a number that float32 holds");
    if (bias)
        return g4_json_fail(vision, "attention_bias", G4_ERROR_UNSUPPORTED, error, "false");
    if (strcmp(activation, "gelu_pytorch_tanh") != 0)
        return g4_json_fail(vision, "hidden_activation", G4_ERROR_UNSUPPORTED, error,
                            "\"gelu_pytorch_tanh\"");
    return TRUE;
}

static gboolean read_network(const G4JsonObject *root, G4Config *config, GError **error)
{
    G4JsonObject vision, text;
    gboolean alone;
    if (!find_vision(root, &vision, &alone, error) || !read_vision(&vision, config, error))
        return FALSE;
    if (alone)
        return TRUE; /* no text space, no projection */
    if (!g4_json_read_object(root, "text_config", &text, error))
        return FALSE;
    if (text.object == NULL)
        return g4_json_fail(root, "text_config", G4_ERROR_MALFORMED, error,
                            "an object whose hidden_size is the projection's width");
    if (!g4_json_has(&text, "hidden_size"))
        return g4_json_fail(&text, "hidden_size", G4_ERROR_MALFORMED, error,
                            "the projection's width");
    return g4_json_read_uint(&text, "hidden_size", 1, MAX_WIDTH, &config->output_dim, error);
}

/* -------------------------------------------------------------------------------------------
 * Processor files
 */

/* What the processor says again about the tower has to be what config.json says. */
static gboolean check_same(const G4JsonObject *block, const char *key, guint max, guint expected,
                           GError **error)
{
    guint value = expected;
    if (!g4_json_read_uint(block, key, 1, max, &value, error))
        return FALSE;
    if (value != expected)
        return g4_json_fail(block, key, G4_ERROR_MALFORMED, error, "%u as in config.json",
                            expected);
    return TRUE;
}

static gboolean check_true(const G4JsonObject *block, const char *key, GError **error)
{
    gboolean value = TRUE;
    if (!g4_json_read_boolean(block, key, &value, error))
        return FALSE;
    return value || g4_json_fail(block, key, G4_ERROR_UNSUPPORTED, error, "true");
}

static gboolean is_number(const json_t *value, double expected)
{
    return json_is_number(value) && json_number_value(value) == expected;
}

/* A number, or one for each channel, all equal to `expected`; absent is the class's default,
 * which is just that. */
static gboolean check_channels(const G4JsonObject *block, const char *key, double expected,
                               GError **error)
{
    json_t *value = json_object_get(block->object, key);
    gboolean same = !g4_json_has(block, key) || is_number(value, expected);
    if (json_array_size(value) == 3)
        same = is_number(json_array_get(value, 0), expected) &&
               is_number(json_array_get(value, 1), expected) &&
               is_number(json_array_get(value, 2), expected);
    return same || g4_json_fail(block, key, G4_ERROR_UNSUPPORTED, error,
                                "%g for each of 3 channels, as do_normalize is true", expected);
}

/* Steps that every encoder here takes, in the one way that it takes them. */
static gboolean check_steps(const G4JsonObject *block, const G4Config *config, GError **error)
{
    guint resample = 3;
    double factor = 1.0 / 255;
    gboolean normalize = FALSE;
    if (!check_same(block, "patch_size", MAX_PATCH, config->patch, error) ||
        !check_same(block, "pooling_kernel_size", MAX_POOL, config->pool, error) ||
        !check_true(block, "do_resize", error) || !check_true(block, "do_rescale", error) ||
        !g4_json_read_uint(block, "resample", 0, 5, &resample, error) ||
        !g4_json_read_double(block, "rescale_factor", -DBL_MAX, DBL_MAX, &factor, error) ||
        !g4_json_read_boolean(block, "do_normalize", &normalize, error))
        return FALSE;
    if (resample != 3)
        return g4_json_fail(block, "resample", G4_ERROR_UNSUPPORTED, error, "3 (bicubic)");
    if (fabs(factor - 1.0 / 255) > 1e-9)
        return g4_json_fail(block, "rescale_factor", G4_ERROR_UNSUPPORTED, error, "1/255");
    return !normalize || (check_channels(block, "image_mean", 0, error) &&
                          check_channels(block, "image_std", 1, error));
}

/* `size`: a number, {"height", "width"} or {"shortest_edge"}. Only a square has a meaning here. */
static gboolean read_size(const G4JsonObject *block, guint *side, GError **error)
{
    G4JsonObject size;
    if (!g4_json_has(block, "size"))
        return TRUE;
    if (!json_is_object(json_object_get(block->object, "size")))
        return g4_json_read_uint(block, "size", 1, MAX_SIDE, side, error);
    if (!g4_json_read_object(block, "size", &size, error))
        return FALSE;
    if (g4_json_has(&size, "shortest_edge"))
        return g4_json_read_uint(&size, "shortest_edge", 1, MAX_SIDE, side, error);
    if (!g4_json_has(&size, "height") || !g4_json_has(&size, "width"))
        return g4_json_fail(block, "size", G4_ERROR_UNSUPPORTED, error,
                            "a number, height and width, or shortest_edge");
    guint height = 0, width = 0;
    if (!g4_json_read_uint(&size, "height", 1, MAX_SIDE, &height, error) ||
        !g4_json_read_uint(&size, "width", 1, MAX_SIDE, &width, error))
        return FALSE;
    if (height != width)
        return g4_json_fail(&size, "width", G4_ERROR_UNSUPPORTED, error,
                            "the height %u: without max_soft_tokens a frame becomes a square",
                            height);
    *side = width;
    return TRUE;
}

/* A `size` beside max_soft_tokens is not used (released files carry a meaningless one), so it is
 * not looked at either. */
static gboolean read_block(const G4JsonObject *block, const G4Config *config, guint *soft_tokens,
                           guint *side, GError **error)
{
    return check_steps(block, config, error) &&
           g4_json_read_uint(block, "max_soft_tokens", 1, MAX_SOFT_TOKENS, soft_tokens, error) &&
           (*soft_tokens != 0 || read_size(block, side, error));
}

/* Whether settings at the top level are a picture's. EmbeddingGemma 2's preprocessor_config.json
 * holds an audio processor alone, whose keys include do_normalize. */
static gboolean has_image_keys(const G4JsonObject *root)
{
    static const char *const keys[] = {
        "image_processor_type",
        "max_soft_tokens",
        "patch_size",
        "pooling_kernel_size",
        "size",
        "resample",
        "rescale_factor",
        "do_resize",
        "do_rescale",
        "image_mean",
        "image_std",
    };
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (g4_json_has(root, keys[i]))
            return TRUE;
    }
    return FALSE;
}

static gboolean read_processor(const G4JsonObject *root, G4Config *config, GError **error)
{
    G4JsonObject image, video;
    guint image_side = 0, video_side = 0;
    if (!g4_json_read_object(root, "image_processor", &image, error) ||
        !g4_json_read_object(root, "video_processor", &video, error))
        return FALSE;
    if (image.object == NULL && video.object == NULL) {
        if (!has_image_keys(root))
            return TRUE;
        image = *root;
    }
    if (image.object != NULL &&
        !read_block(&image, config, &config->image_soft_tokens, &image_side, error))
        return FALSE;
    if (video.object != NULL &&
        !read_block(&video, config, &config->video_soft_tokens, &video_side, error))
        return FALSE;
    if (config->image_soft_tokens == 0 && config->video_soft_tokens == 0)
        config->square_size = video_side != 0 ? video_side : image_side;
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * Files
 */

/* The root of `folder`/`file`; *name is the path for messages. *root, *name and *text come as NULL
 * and are the caller's to free, also after a failure. An absent file leaves *root NULL where it is
 * `optional`. */
static gboolean load_root(const char *folder, const char *file, gboolean optional, json_t **root,
                          char **name, char **text, gsize *length, GError **error)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);
    g_autoptr(GError) problem = NULL;
    *name = g_filename_display_name(path);
    if (g4_file_load(path, MAX_FILE, text, length, &problem))
        *root = g4_json_parse(*name, *text, *length, MAX_VALUES, &problem);
    if (*root != NULL || (optional && g_error_matches(problem, G4_ERROR, G4_ERROR_MISSING)))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
}

static gboolean read_processor_files(const char *folder, G4Config *config, GError **error)
{
    static const char *const files[] = {"processor_config.json", "preprocessor_config.json"};
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(json_t) root = NULL;
        g_autofree char *name = NULL;
        g_autofree char *text = NULL;
        gsize length;
        G4JsonObject object;
        if (!load_root(folder, files[i], TRUE, &root, &name, &text, &length, error))
            return FALSE;
        if (root == NULL)
            continue;
        g4_json_object_init(&object, root, name);
        return read_processor(&object, config, error);
    }
    return TRUE;
}

gboolean g4_config_read(const char *folder, G4Config *config, char **config_text,
                        gsize *config_length, GError **error)
{
    g_autoptr(json_t) root = NULL;
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    gsize length;
    G4JsonObject object;

    if (!load_root(folder, "config.json", FALSE, &root, &name, &text, &length, error))
        return FALSE;
    g4_json_object_init(&object, root, name);
    if (!read_network(&object, config, error) || !read_processor_files(folder, config, error))
        return FALSE;
    *config_text = g_steal_pointer(&text);
    *config_length = length;
    return TRUE;
}
