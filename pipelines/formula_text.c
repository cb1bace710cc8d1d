/* SPDX-License-Identifier: Apache-2.0
 *
 * EmbeddingGemma 2's text encoder from a formula.
 */
#include "formula_text.h"
#include "formula.h"

#include <math.h>

#define PREFIX "model.language_model."

#define LAYERS 24
#define FULL_EVERY 6
#define VOCAB 262144
#define D 512
#define F 2048
#define P 512
#define E 768
#define H 4
#define SLIDING_HEAD_DIM 256
#define SLIDING_KV_HEADS 2
#define FULL_HEAD_DIM 512
#define FULL_KV_HEADS 1
#define SLIDING_WINDOW 512

/* ------------------------------------------------------------------------------------------
 * Tensors
 */

static void add(GArray *tensors, char *name, guint n_dims, guint64 rows, guint64 cols, double scale,
                double offset)
{
    const G4FormulaTensor tensor = {.name = name,
                                    .n_dims = n_dims,
                                    .dims = {rows, cols},
                                    .elements = n_dims == 2 ? rows * cols : rows,
                                    .scale = (float)scale,
                                    .offset = (float)offset};

    g_array_append_val(tensors, tensor);
}

/* Uniform values of standard deviation 1 / sqrt(columns). */
static void add_matrix(GArray *tensors, const char *prefix, const char *name, guint64 rows,
                       guint64 cols)
{
    add(tensors, g_strconcat(prefix, name, NULL), 2, rows, cols, sqrt(3.0 / (double)cols), 0.0);
}

static void add_norm(GArray *tensors, const char *prefix, const char *name, guint64 n)
{
    add(tensors, g_strconcat(prefix, name, NULL), 1, n, 0, 0.25, 1.0);
}

static void add_layer(GArray *tensors, guint layer)
{
    const gboolean full = (layer + 1) % FULL_EVERY == 0;
    const guint d = full ? FULL_HEAD_DIM : SLIDING_HEAD_DIM;
    const guint kv = d * (full ? FULL_KV_HEADS : SLIDING_KV_HEADS);
    g_autofree char *p = g_strdup_printf(PREFIX "layers.%u.", layer);

    add_norm(tensors, p, "input_layernorm.weight", D);
    add_matrix(tensors, p, "self_attn.q_proj.weight", H * d, D);
    add_matrix(tensors, p, "self_attn.k_proj.weight", kv, D);
    add_matrix(tensors, p, "self_attn.v_proj.weight", kv, D);
    add_matrix(tensors, p, "self_attn.o_proj.weight", D, H * d);
    add_norm(tensors, p, "self_attn.q_norm.weight", d);
    add_norm(tensors, p, "self_attn.k_norm.weight", d);
    add_norm(tensors, p, "post_attention_layernorm.weight", D);
    add_norm(tensors, p, "pre_feedforward_layernorm.weight", D);
    add_matrix(tensors, p, "mlp.gate_proj.weight", F, D);
    add_matrix(tensors, p, "mlp.up_proj.weight", F, D);
    add_matrix(tensors, p, "mlp.down_proj.weight", D, F);
    add_norm(tensors, p, "post_feedforward_layernorm.weight", D);
    add_matrix(tensors, p, "ple_block.per_layer_input_gate.weight", P, D);
    add_matrix(tensors, p, "ple_block.per_layer_projection.weight", D, P);
    add_norm(tensors, p, "ple_block.post_per_layer_input_norm.weight", D);
    add(tensors, g_strconcat(p, "layer_scalar", NULL), 1, 1, 0, 0.0, 1.0);
}

void g4_formula_text_tensors(GArray *tensors)
{
    add(tensors, g_strdup(PREFIX "embed_tokens.weight"), 2, VOCAB, D, 0.05, 0.0);
    add_matrix(tensors, PREFIX, "ple.per_layer_model_projection.weight", LAYERS * P, D);
    add_norm(tensors, PREFIX, "ple.per_layer_projection_norm.weight", P);
    for (guint i = 0; i < LAYERS; i++)
        add_layer(tensors, i);
    add_norm(tensors, PREFIX, "norm.weight", D);
    add_matrix(tensors, PREFIX, "embedding_projection.weight", E, D);
}

/* ------------------------------------------------------------------------------------------
 * config.json
 */

static gboolean is_full(guint layer)
{
    return (layer + 1) % FULL_EVERY == 0;
}

char *g4_formula_text_config(const char *dtype)
{
    GString *json = g_string_new("{\n");

    g_string_append_printf(json,
                           "    \"model_type\": \"embedding_gemma2_text\",\n"
                           "    \"vocab_size\": %u,\n"
                           "    \"hidden_size\": %u,\n"
                           "    \"intermediate_size\": %u,\n"
                           "    \"num_hidden_layers\": %u,\n"
                           "    \"num_attention_heads\": %u,\n"
                           "    \"num_key_value_heads\": %u,\n"
                           "    \"head_dim\": %u,\n"
                           "    \"hidden_size_per_layer_input\": %u,\n"
                           "    \"embedding_dim\": %u,\n"
                           "    \"sliding_window\": %u,\n",
                           VOCAB, D, F, LAYERS, H, SLIDING_KV_HEADS, SLIDING_HEAD_DIM, P, E,
                           SLIDING_WINDOW);
    g_string_append_printf(
        json,
        "    \"hidden_activation\": \"gelu_pytorch_tanh\",\n"
        "    \"rms_norm_eps\": 1e-06,\n"
        "    \"attention_bias\": false,\n"
        "    \"attention_dropout\": 0.0,\n"
        "    \"max_position_embeddings\": 262144,\n"
        "    \"pad_token_id\": 0,\n"
        "    \"eos_token_id\": 1,\n"
        "    \"bos_token_id\": 2,\n"
        "    \"rope_parameters\": {\n"
        "      \"sliding_attention\": {\"rope_type\": \"default\", \"rope_theta\": 10000.0},\n"
        "      \"full_attention\": {\"rope_type\": \"default\", \"rope_theta\": 1000000.0}\n"
        "    },\n"
        "    \"layer_types\": [");
    for (guint i = 0; i < LAYERS; i++)
        g_string_append_printf(json, "%s\n      \"%s_attention\"", i ? "," : "",
                               is_full(i) ? "full" : "sliding");
    g_string_append(json, "\n    ],\n    \"per_layer_config\": {");
    for (guint i = 0; i < LAYERS; i++)
        if (is_full(i))
            g_string_append_printf(
                json, "%s\n      \"%02u\": {\"head_dim\": %u, \"num_key_value_heads\": %u}",
                i >= FULL_EVERY ? "," : "", i, FULL_HEAD_DIM, FULL_KV_HEADS);
    g_string_append_printf(json, "\n    },\n    \"dtype\": \"%s\"\n  }", dtype);
    return g_string_free(json, FALSE);
}

/* ------------------------------------------------------------------------------------------
 * tokenizer.json
 */

static const struct {
    const char *text;
    guint id;
} specials[] = {
    {"<pad>", 0},         {"<eos>", 1},         {"<bos>", 2},          {"<unk>", 3},
    {"<|image>", 255999}, {"<|audio>", 256000}, {"<|image|>", 258880}, {"<|audio|>", 258881},
    {"<image|>", 258882}, {"<audio|>", 258883}, {"<|video|>", 258884},
};

#define FIRST_BYTE 238 /* id of <0x00> */
#define FIRST_CHARACTER 500

static void append_vocabulary(GString *json)
{
    guint id = FIRST_CHARACTER;

    for (guint i = 0; i < G_N_ELEMENTS(specials); i++)
        g_string_append_printf(json, "      \"%s\": %u,\n", specials[i].text, specials[i].id);
    for (guint b = 0; b < 256; b++)
        g_string_append_printf(json, "      \"<0x%02X>\": %u,\n", b, FIRST_BYTE + b);
    g_string_append(json, "      \"\\n\": 499,\n");
    for (char c = '!'; c <= '~'; c++)
        g_string_append_printf(json, "      \"%s%c\": %u,\n", c == '"' || c == '\\' ? "\\" : "", c,
                               id++);
    g_string_append_printf(json, "      \"\\u2581\": %u\n", id);
}

char *g4_formula_text_tokenizer(void)
{
    GString *json = g_string_new("{\n  \"version\": \"1.0\",\n"
                                 "  \"truncation\": null,\n"
                                 "  \"padding\": null,\n"
                                 "  \"added_tokens\": [\n");

    for (guint i = 0; i < G_N_ELEMENTS(specials); i++)
        g_string_append_printf(json,
                               "    {\"id\": %u, \"content\": \"%s\", \"single_word\": false, "
                               "\"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
                               "\"special\": true}%s\n",
                               specials[i].id, specials[i].text,
                               i + 1 < G_N_ELEMENTS(specials) ? "," : "");
    g_string_append(json,
                    "  ],\n"
                    "  \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, "
                    "\"content\": \"\\u2581\"},\n"
                    "  \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, "
                    "\"behavior\": \"MergedWithPrevious\", \"invert\": false},\n"
                    "  \"post_processor\": {\n"
                    "    \"type\": \"TemplateProcessing\",\n"
                    "    \"single\": [\n"
                    "      {\"SpecialToken\": {\"id\": \"<bos>\", \"type_id\": 0}},\n"
                    "      {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},\n"
                    "      {\"SpecialToken\": {\"id\": \"<eos>\", \"type_id\": 0}}\n"
                    "    ],\n"
                    "    \"pair\": [\n"
                    "      {\"SpecialToken\": {\"id\": \"<bos>\", \"type_id\": 0}},\n"
                    "      {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},\n"
                    "      {\"SpecialToken\": {\"id\": \"<eos>\", \"type_id\": 0}},\n"
                    "      {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}\n"
                    "    ],\n"
                    "    \"special_tokens\": {\n"
                    "      \"<bos>\": {\"id\": \"<bos>\", \"ids\": [2], \"tokens\": [\"<bos>\"]},\n"
                    "      \"<eos>\": {\"id\": \"<eos>\", \"ids\": [1], \"tokens\": [\"<eos>\"]}\n"
                    "    }\n"
                    "  },\n"
                    "  \"decoder\": null,\n"
                    "  \"model\": {\n"
                    "    \"type\": \"BPE\",\n"
                    "    \"dropout\": null,\n"
                    "    \"unk_token\": \"<unk>\",\n"
                    "    \"continuing_subword_prefix\": null,\n"
                    "    \"end_of_word_suffix\": null,\n"
                    "    \"fuse_unk\": true,\n"
                    "    \"byte_fallback\": true,\n"
                    "    \"ignore_merges\": false,\n"
                    "    \"vocab\": {\n");
    append_vocabulary(json);
    g_string_append(json, "    },\n    \"merges\": []\n  }\n}\n");
    return g_string_free(json, FALSE);
}

char *g4_formula_text_prompts(void)
{
    return g_strdup("{\n"
                    "  \"default_prompt_name\": null,\n"
                    "  \"prompts\": {\n"
                    "    \"query\": \"task: search result | query: \",\n"
                    "    \"document\": \"title: none | text: \"\n"
                    "  },\n"
                    "  \"similarity_fn_name\": \"cosine\"\n"
                    "}\n");
}
