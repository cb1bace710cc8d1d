/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json of an EmbeddingGemma 2 checkpoint, as far as the text encoder goes.
 *
 * Limits on sizes are as in config.c: far above any model, low enough for products in 64 bits. A
 * key that is absent has the value of the released checkpoint, which is the default of
 * Transformers' EmbeddingGemma2TextConfig.
 */
#include "text_config.h"

#include <float.h>
#include <string.h>

#include "file.h"
#include "gemma4.h"
#include "json.h"

#define MAX_FILE ((gsize)16 << 20)
#define MAX_VALUES ((gsize)1 << 17)

#define MAX_LAYERS 1024
#define MAX_WIDTH 65536 /* hidden, ffn, heads * head_dim, PLE width, E */
#define MAX_VOCAB (1 << 24)

/* Every sixth layer is full, where layer_types is absent. */
#define FULL_EVERY 6
#define FULL_HEAD_DIM 512 /* of full layers, where per_layer_config is absent */
#define FULL_KV_HEADS 1

static gboolean read_ids(const G4JsonObject *root, const G4JsonObject *text, G4TextConfig *config,
                         GError **error)
{
    config->pad = 0;
    config->boi = 255999;
    config->eoi = 258882;
    config->image = 258880;
    config->audio = 258881;
    config->video = 258884;
    if (!g4_json_read_uint(text, "pad_token_id", 0, MAX_VOCAB, &config->pad, error) ||
        !g4_json_read_uint(root, "boi_token_id", 0, MAX_VOCAB, &config->boi, error) ||
        !g4_json_read_uint(root, "eoi_token_id", 0, MAX_VOCAB, &config->eoi, error) ||
        !g4_json_read_uint(root, "image_token_id", 0, MAX_VOCAB, &config->image, error) ||
        !g4_json_read_uint(root, "audio_token_id", 0, MAX_VOCAB, &config->audio, error) ||
        !g4_json_read_uint(root, "video_token_id", 0, MAX_VOCAB, &config->video, error))
        return FALSE;
    if (config->pad >= config->vocab)
        return g4_json_fail(text, "pad_token_id", G4_ERROR_MALFORMED, error, "below vocab_size %u",
                            config->vocab);
    if (config->image == config->video)
        return g4_json_fail(root, "video_token_id", G4_ERROR_MALFORMED, error,
                            "another than image_token_id");
    return TRUE;
}

/* One of rope_parameters' two blocks. */
static gboolean read_rope(const G4JsonObject *parameters, const char *kind, double *theta,
                          GError **error)
{
    G4JsonObject rope;
    const char *type = "default";
    double rotated = 1, factor = 1;

    if (!g4_json_read_object(parameters, kind, &rope, error) ||
        !g4_json_read_string(&rope, "rope_type", &type, error) ||
        !g4_json_read_double(&rope, "rope_theta", 0, DBL_MAX, theta, error) ||
        !g4_json_read_double(&rope, "partial_rotary_factor", 0, DBL_MAX, &rotated, error) ||
        !g4_json_read_double(&rope, "factor", 0, DBL_MAX, &factor, error))
        return FALSE;
    if (strcmp(type, "default") != 0)
        return g4_json_fail(&rope, "rope_type", G4_ERROR_UNSUPPORTED, error, "\"default\"");
    if (rotated != 1)
        return g4_json_fail(&rope, "partial_rotary_factor", G4_ERROR_UNSUPPORTED, error, "1");
    if (factor != 1)
        return g4_json_fail(&rope, "factor", G4_ERROR_UNSUPPORTED, error, "1");
    return TRUE;
}

static gboolean read_ropes(const G4JsonObject *text, G4TextConfig *config, GError **error)
{
    G4JsonObject parameters;

    config->theta_sliding = 10000;
    config->theta_full = 1000000;
    return g4_json_read_object(text, "rope_parameters", &parameters, error) &&
           read_rope(&parameters, "sliding_attention", &config->theta_sliding, error) &&
           read_rope(&parameters, "full_attention", &config->theta_full, error);
}

/* layer_types: which layers are full. The last one is, whatever the list says. */
static gboolean read_layer_types(const G4JsonObject *text, G4TextConfig *config, GError **error)
{
    json_t *types = json_object_get(text->object, "layer_types");
    const guint n = config->layers;

    for (guint i = 0; i < n; i++)
        config->layer[i].full = (i + 1) % FULL_EVERY == 0;
    if (g4_json_has(text, "layer_types")) {
        if (!json_is_array(types) || json_array_size(types) != n)
            return g4_json_fail(text, "layer_types", G4_ERROR_MALFORMED, error,
                                "an array of num_hidden_layers %u", n);
        for (guint i = 0; i < n; i++) {
            const char *type = json_string_value(json_array_get(types, i));
            config->layer[i].full = g_strcmp0(type, "full_attention") == 0;
            if (!config->layer[i].full && g_strcmp0(type, "sliding_attention") != 0)
                return g4_json_fail(text, "layer_types", G4_ERROR_UNSUPPORTED, error,
                                    "\"sliding_attention\" or \"full_attention\" for layer %u", i);
        }
    }
    config->layer[n - 1].full = TRUE;
    return TRUE;
}

/* A layer's index as Transformers writes it: decimal digits, zero-padded or not. */
static gboolean parse_index(const char *key, guint n, guint *index)
{
    const gsize length = strlen(key);

    if (length == 0 || length > 9 || strspn(key, "0123456789") != length)
        return FALSE;
    *index = (guint)g_ascii_strtoull(key, NULL, 10);
    return *index < n;
}

static gboolean read_layer(const G4JsonObject *layers, const char *key, G4TextLayerConfig *layer,
                           GError **error)
{
    G4JsonObject object;
    const char *name;
    json_t *value;

    if (!g4_json_read_object(layers, key, &object, error))
        return FALSE;
    json_object_foreach(object.object, name, value)
    {
        if (strcmp(name, "head_dim") != 0 && strcmp(name, "num_key_value_heads") != 0)
            return g4_json_fail(&object, name, G4_ERROR_UNSUPPORTED, error,
                                "head_dim and num_key_value_heads alone to differ by layer");
    }
    return g4_json_read_uint(&object, "head_dim", 1, MAX_WIDTH, &layer->head_dim, error) &&
           g4_json_read_uint(&object, "num_key_value_heads", 1, MAX_WIDTH, &layer->kv_heads, error);
}

/* per_layer_config: what replaces head_dim and num_key_value_heads in some layers. */
static gboolean read_layers(const G4JsonObject *text, G4TextConfig *config, GError **error)
{
    G4JsonObject layers;
    const char *key;
    json_t *value;

    if (!g4_json_read_object(text, "per_layer_config", &layers, error))
        return FALSE;
    if (!layers.object) {
        for (guint i = 0; i < config->layers; i++)
            if (config->layer[i].full) {
                config->layer[i].head_dim = FULL_HEAD_DIM;
                config->layer[i].kv_heads = FULL_KV_HEADS;
            }
        return TRUE;
    }
    g_autofree gboolean *seen = g_new0(gboolean, config->layers);
    json_object_foreach(layers.object, key, value)
    {
        guint index;
        if (!parse_index(key, config->layers, &index) || seen[index])
            return g4_json_fail(&layers, key, G4_ERROR_MALFORMED, error,
                                "an object for each of layers 0 to %u, at most once",
                                config->layers - 1);
        seen[index] = TRUE;
        if (!read_layer(&layers, key, &config->layer[index], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean check_layers(const G4JsonObject *text, const G4TextConfig *config, GError **error)
{
    const G4TextLayerConfig *kinds[2] = {NULL, NULL};

    for (guint i = 0; i < config->layers; i++) {
        const G4TextLayerConfig *layer = &config->layer[i], **kind = &kinds[layer->full];
        if (!*kind)
            *kind = layer;
        /* One rotary table for the layers of a kind. */
        if (layer->head_dim != (*kind)->head_dim || layer->kv_heads != (*kind)->kv_heads)
            return g4_json_fail(text, "per_layer_config", G4_ERROR_UNSUPPORTED, error,
                                "one head_dim and one num_key_value_heads for all %s layers, "
                                "layer %u has %u and %u, another %u and %u",
                                layer->full ? "full" : "sliding", i, layer->head_dim,
                                layer->kv_heads, (*kind)->head_dim, (*kind)->kv_heads);
        if (layer->head_dim % 2 != 0)
            return g4_json_fail(text, "head_dim", G4_ERROR_UNSUPPORTED, error,
                                "an even number for layer %u, which has %u", i, layer->head_dim);
        if ((guint64)config->heads * layer->head_dim > MAX_WIDTH)
            return g4_json_fail(text, "num_attention_heads", G4_ERROR_MALFORMED, error,
                                "at most %u with head_dim %u of layer %u",
                                MAX_WIDTH / layer->head_dim, layer->head_dim, i);
        if (config->heads % layer->kv_heads != 0)
            return g4_json_fail(text, "num_key_value_heads", G4_ERROR_MALFORMED, error,
                                "a divisor of num_attention_heads %u for layer %u, which has %u",
                                config->heads, i, layer->kv_heads);
    }
    return TRUE;
}

static gboolean read_sizes(const G4JsonObject *text, G4TextConfig *config, guint *head_dim,
                           guint *kv_heads, GError **error)
{
    const struct {
        const char *key;
        guint max, absent;
        guint *value;
    } sizes[] = {
        {"vocab_size", MAX_VOCAB, 262144, &config->vocab},
        {"hidden_size", MAX_WIDTH, 512, &config->hidden},
        {"intermediate_size", MAX_WIDTH, 2048, &config->ffn},
        {"num_hidden_layers", MAX_LAYERS, 24, &config->layers},
        {"num_attention_heads", MAX_WIDTH, 4, &config->heads},
        {"hidden_size_per_layer_input", MAX_WIDTH, 512, &config->ple},
        {"embedding_dim", MAX_WIDTH, 768, &config->out},
        {"sliding_window", G_MAXINT32, 512, &config->radius},
        {"head_dim", MAX_WIDTH, 256, head_dim},
        {"num_key_value_heads", MAX_WIDTH, 2, kv_heads},
    };

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        *sizes[i].value = sizes[i].absent;
        if (!g4_json_read_uint(text, sizes[i].key, 1, sizes[i].max, sizes[i].value, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_rest(const G4JsonObject *text, G4TextConfig *config, GError **error)
{
    double eps = 1e-6;
    gboolean bias = FALSE;
    const char *activation = "gelu_pytorch_tanh";

    if (!g4_json_read_double(text, "rms_norm_eps", 0, 1, &eps, error) ||
        !g4_json_read_boolean(text, "attention_bias", &bias, error) ||
        !g4_json_read_string(text, "hidden_activation", &activation, error))
        return FALSE;
    config->eps = (float)eps;
    if (config->eps < FLT_MIN)
        return g4_json_fail(text, "rms_norm_eps", G4_ERROR_UNSUPPORTED, error,
                            "a number that float32 holds");
    if (bias)
        return g4_json_fail(text, "attention_bias", G4_ERROR_UNSUPPORTED, error, "false");
    if (strcmp(activation, "gelu_pytorch_tanh") != 0)
        return g4_json_fail(text, "hidden_activation", G4_ERROR_UNSUPPORTED, error,
                            "\"gelu_pytorch_tanh\"");
    return TRUE;
}

static gboolean read_text(const G4JsonObject *root, G4TextConfig *config, GError **error)
{
    G4JsonObject text;
    const char *type = NULL, *text_type = NULL;
    guint head_dim, kv_heads;

    if (!g4_json_read_string(root, "model_type", &type, error) ||
        !g4_json_read_object(root, "text_config", &text, error) ||
        !g4_json_read_string(&text, "model_type", &text_type, error))
        return FALSE;
    if (g_strcmp0(type, "embedding_gemma2") != 0)
        return g4_json_fail(root, "model_type", G4_ERROR_UNSUPPORTED, error,
                            "\"embedding_gemma2\", the model that has a text encoder");
    if (!text.object)
        return g4_json_fail(root, "text_config", G4_ERROR_MALFORMED, error,
                            "the settings of the text encoder");
    if (text_type && strcmp(text_type, "embedding_gemma2_text") != 0)
        return g4_json_fail(&text, "model_type", G4_ERROR_UNSUPPORTED, error,
                            "\"embedding_gemma2_text\"");
    if (!read_sizes(&text, config, &head_dim, &kv_heads, error) ||
        !read_rest(&text, config, error) || !read_ids(root, &text, config, error) ||
        !read_ropes(&text, config, error))
        return FALSE;
    config->layer = g_new0(G4TextLayerConfig, config->layers);
    for (guint i = 0; i < config->layers; i++)
        config->layer[i] = (G4TextLayerConfig){.head_dim = head_dim, .kv_heads = kv_heads};
    return read_layer_types(&text, config, error) && read_layers(&text, config, error) &&
           check_layers(&text, config, error);
}

gboolean g4_text_config_read(const char *folder, G4TextConfig *config, char **config_text,
                             gsize *config_length, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "config.json", NULL);
    g_autofree char *name = g_filename_display_name(path);
    g_autofree char *text = NULL;
    g_autoptr(json_t) root = NULL;
    gsize length;
    G4JsonObject object;

    *config = (G4TextConfig){0};
    if (!g4_file_load(path, MAX_FILE, &text, &length, error) ||
        !(root = g4_json_parse(name, text, length, MAX_VALUES, error)))
        return FALSE;
    g4_json_object_init(&object, root, name);
    if (!read_text(&object, config, error)) {
        g4_text_config_clear(config);
        return FALSE;
    }
    *config_text = g_steal_pointer(&text);
    *config_length = length;
    return TRUE;
}

void g4_text_config_clear(G4TextConfig *config)
{
    g_clear_pointer(&config->layer, g_free);
}
