/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a text model: config.json, prompts, tokenizer, then the language_model.* tensors by the
 * three steps of weights.h.
 */
#include "text_model.h"
#include "cpu.h"

#include <string.h>

#define PREFIX "language_model."
#define TABLE_TENSOR PREFIX "embed_tokens.weight"
#define TOKENIZER_FILE "tokenizer.json"

/* ------------------------------------------------------------------------------------------
 * Weights. Read twice: `scratch` counts first, then has memory.
 */
typedef struct Loader {
    G4Loader loader;
    G4TextModel *model;
} Loader;

static gboolean take_vector(Loader *l, G4Scratch *s, const char *prefix, const char *name, guint n,
                            float **dst, GError **error)
{
    return g4_loader_take_vector(&l->loader, s, prefix, name, n, dst, error);
}

/* `norm` is where the weight of the RMSNorm ahead of it is kept, or NULL. */
static gboolean take_linear(Loader *l, G4Scratch *s, const char *prefix, const char *name,
                            float *const *norm, guint out, guint in, G4Linear *w, GError **error)
{
    return g4_loader_take_matrix(&l->loader, s, prefix, name, l->model->kernels.linear, norm, out,
                                 in, w, error);
}

static gboolean take_attention(Loader *l, G4Scratch *s, guint index, GError **error)
{
    const G4TextConfig *c = &l->model->config;
    G4TextLayer *w = &l->model->layers[index];
    const guint D = c->hidden, d = c->layer[index].head_dim;
    const guint Hd = c->heads * d, Gd = c->layer[index].kv_heads * d;
    g_autofree char *p = g_strdup_printf(PREFIX "layers.%u.", index);

    return take_vector(l, s, p, "input_layernorm.weight", D, &w->input_layernorm, error) &&
           take_linear(l, s, p, "self_attn.q_proj.weight", &w->input_layernorm, Hd, D, &w->q,
                       error) &&
           take_linear(l, s, p, "self_attn.k_proj.weight", &w->input_layernorm, Gd, D, &w->k,
                       error) &&
           take_linear(l, s, p, "self_attn.v_proj.weight", &w->input_layernorm, Gd, D, &w->v,
                       error) &&
           take_linear(l, s, p, "self_attn.o_proj.weight", NULL, D, Hd, &w->o, error) &&
           take_vector(l, s, p, "self_attn.q_norm.weight", d, &w->q_norm, error) &&
           take_vector(l, s, p, "self_attn.k_norm.weight", d, &w->k_norm, error) &&
           take_vector(l, s, p, "post_attention_layernorm.weight", D, &w->post_attention_layernorm,
                       error);
}

static gboolean take_feed_forward(Loader *l, G4Scratch *s, guint index, GError **error)
{
    const guint D = l->model->config.hidden, F = l->model->config.ffn;
    G4TextLayer *w = &l->model->layers[index];
    g_autofree char *p = g_strdup_printf(PREFIX "layers.%u.", index);

    return take_vector(l, s, p, "pre_feedforward_layernorm.weight", D,
                       &w->pre_feedforward_layernorm, error) &&
           take_linear(l, s, p, "mlp.gate_proj.weight", &w->pre_feedforward_layernorm, F, D,
                       &w->gate, error) &&
           take_linear(l, s, p, "mlp.up_proj.weight", &w->pre_feedforward_layernorm, F, D, &w->up,
                       error) &&
           take_linear(l, s, p, "mlp.down_proj.weight", NULL, D, F, &w->down, error) &&
           take_vector(l, s, p, "post_feedforward_layernorm.weight", D,
                       &w->post_feedforward_layernorm, error);
}

static gboolean take_ple_block(Loader *l, G4Scratch *s, guint index, GError **error)
{
    const guint D = l->model->config.hidden, P = l->model->config.ple;
    G4TextLayer *w = &l->model->layers[index];
    g_autofree char *p = g_strdup_printf(PREFIX "layers.%u.", index);

    return take_linear(l, s, p, "ple_block.per_layer_input_gate.weight", NULL, P, D, &w->ple_in,
                       error) &&
           take_linear(l, s, p, "ple_block.per_layer_projection.weight", NULL, D, P, &w->ple_out,
                       error) &&
           take_vector(l, s, p, "ple_block.post_per_layer_input_norm.weight", D,
                       &w->post_per_layer_input_norm, error) &&
           take_vector(l, s, p, "layer_scalar", 1, &w->layer_scalar, error);
}

static gboolean take_all(Loader *l, G4Scratch *s, GError **error)
{
    G4TextModel *m = l->model;
    const G4TextConfig *c = &m->config;
    const G4Gemm *gemm = m->kernels.embedding;

    if (!g4_loader_take_table(&l->loader, s, TABLE_TENSOR, c->vocab, c->hidden, &m->table,
                              &m->table_dtype, error) ||
        !g4_loader_take_stack(&l->loader, s, PREFIX "ple.per_layer_model_projection.weight", gemm,
                              c->layers, c->ple, c->hidden, m->ple, error) ||
        !take_vector(l, s, PREFIX, "ple.per_layer_projection_norm.weight", c->ple, &m->ple_norm,
                     error))
        return FALSE;
    for (guint i = 0; i < c->layers; i++)
        if (!take_attention(l, s, i, error) || !take_feed_forward(l, s, i, error) ||
            !take_ple_block(l, s, i, error))
            return FALSE;
    return take_vector(l, s, PREFIX, "norm.weight", c->hidden, &m->norm, error) &&
           g4_loader_take_matrix(&l->loader, s, PREFIX, "embedding_projection.weight", gemm, NULL,
                                 c->out, c->hidden, &m->projection, error);
}

/* ------------------------------------------------------------------------------------------
 * Tokenizer
 */

/* Whether the tokenizer has this token, under the id that config.json gives it. */
static gboolean find_token(const G4TextModel *m, const char *token, const char *key, guint32 id,
                           gboolean *found, GError **error)
{
    guint32 its = id;

    *found = g4_tokenizer_find(m->tokenizer, token, &its);
    if (its == id)
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                TOKENIZER_FILE ": %s: id %u, config.json says %s %u", token, its, key, id);
    return FALSE;
}

static gboolean open_tokenizer(G4TextModel *m, const char *folder, GError **error)
{
    const G4TextConfig *c = &m->config;
    g_autofree char *path = g_build_filename(folder, TOKENIZER_FILE, NULL);
    gboolean boi, eoi;

    if (!(m->tokenizer = g4_tokenizer_open(path, error)))
        return FALSE;
    const guint32 n = g4_tokenizer_get_n_ids(m->tokenizer);
    if (n > c->vocab) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    TOKENIZER_FILE ": ids up to %u, config.json says vocab_size %u", n - 1,
                    c->vocab);
        return FALSE;
    }
    if (!find_token(m, G4_TOKEN_BOI, "boi_token_id", c->boi, &boi, error) ||
        !find_token(m, G4_TOKEN_EOI, "eoi_token_id", c->eoi, &eoi, error) ||
        !find_token(m, G4_TOKEN_IMAGE, "image_token_id", c->image, &m->has_image, error) ||
        !find_token(m, G4_TOKEN_VIDEO, "video_token_id", c->video, &m->has_video, error))
        return FALSE;
    m->has_image = m->has_image && boi && eoi;
    m->has_video = m->has_video && boi && eoi;
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * Opening
 */
static gboolean layers_are_there(Loader *l, GError **error)
{
    const guint n = g4_checkpoint_get_n_tensors(l->loader.checkpoint);

    if (l->model->config.layers <= n)
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "config.json: text_config.num_hidden_layers %u, but the checkpoint has %u tensors "
                "in all",
                l->model->config.layers, n);
    return FALSE;
}

static gboolean load(Loader *l, const char *path, guint cpu_flags, GError **error)
{
    G4TextModel *m = l->model;
    g_autofree char *config_text = NULL;
    gsize config_length;
    G4Scratch count = {0};

    if (!(l->loader.checkpoint = g4_checkpoint_open(path, error)))
        return FALSE;
    const char *folder = g4_checkpoint_get_folder(l->loader.checkpoint);
    if (!g4_text_config_read(folder, &m->config, &config_text, &config_length, error) ||
        !layers_are_there(l, error) || !g4_prompts_read(folder, &m->prompts, error))
        return FALSE;
    g4_kernels_init(&m->kernels, cpu_flags, m->precision,
                    g4_checkpoint_is_bf16(l->loader.checkpoint, PREFIX));
    l->loader.even_out = m->kernels.linear->evens_out;
    m->layers = g_new0(G4TextLayer, m->config.layers);
    m->ple = g_new0(G4Linear, m->config.layers);
    return take_all(l, &count, error) && open_tokenizer(m, folder, error) &&
           (m->digest = g4_loader_digest(&l->loader, config_text, config_length, "", error)) &&
           g4_scratch_init(&m->memory, count.used, "weights", error) &&
           take_all(l, &m->memory, error) && g4_loader_read(&l->loader, error);
}

G4TextModel *g4_text_model_open(const char *path, const G4ModelOptions *options, GError **error)
{
    G4TextModel *m = g_new0(G4TextModel, 1);
    Loader l = {.model = m};
    guint flags;

    m->refs = 1;
    g4_loader_init(&l.loader);
    gboolean ok = g4_cpu_flags(&flags, error);
    if (ok) {
        m->precision = g4_precision_choose(options ? options->precision : G4_PRECISION_AUTO, flags);
        ok = load(&l, path, flags, error);
    }
    if (ok) {
        g_autofree char *whole = g_canonicalize_filename(path, NULL);
        m->name = g_filename_display_basename(whole);
    }
    g4_loader_clear(&l.loader);
    if (!ok)
        g_clear_pointer(&m, g4_text_model_unref);
    return m;
}

gboolean g4_text_model_exists(const char *path)
{
    G4Checkpoint *checkpoint = g4_checkpoint_open(path, NULL);

    if (!checkpoint)
        return FALSE;
    g_autofree char *tokenizer =
        g_build_filename(g4_checkpoint_get_folder(checkpoint), TOKENIZER_FILE, NULL);
    const gboolean exists = g4_checkpoint_find(checkpoint, TABLE_TENSOR) &&
                            g_file_test(tokenizer, G_FILE_TEST_IS_REGULAR);
    g4_checkpoint_free(checkpoint);
    return exists;
}

G4TextModel *g4_text_model_ref(G4TextModel *model)
{
    g_atomic_int_inc(&model->refs);
    return model;
}

void g4_text_model_unref(G4TextModel *model)
{
    if (!g_atomic_int_dec_and_test(&model->refs))
        return;
    g4_scratch_clear(&model->memory);
    g4_tokenizer_free(model->tokenizer);
    g4_prompts_clear(&model->prompts);
    g4_text_config_clear(&model->config);
    g_free(model->layers);
    g_free(model->ple);
    g_free(model->name);
    g_free(model->digest);
    g_free(model);
}

/* ------------------------------------------------------------------------------------------
 * Facts
 */
const char *g4_text_model_get_name(const G4TextModel *model)
{
    return model->name;
}

const char *g4_text_model_get_digest(const G4TextModel *model)
{
    return model->digest;
}

const char *g4_text_model_get_kernels(const G4TextModel *model)
{
    return model->kernels.name;
}

G4Precision g4_text_model_get_precision(const G4TextModel *model)
{
    return model->precision;
}

guint64 g4_text_model_get_bytes(const G4TextModel *model)
{
    return model->memory.size;
}

guint g4_text_model_get_cols(const G4TextModel *model)
{
    return model->config.out;
}

guint g4_text_model_get_width(const G4TextModel *model)
{
    return model->config.hidden;
}

const char *g4_text_model_get_prompt(const G4TextModel *model, const char *name)
{
    return g4_prompts_find(&model->prompts, name);
}

const char *const *g4_text_model_get_prompt_names(const G4TextModel *model)
{
    return (const char *const *)model->prompts.names;
}
