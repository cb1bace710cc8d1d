/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a model, in three steps (weights.h): bind every tensor by name and check its shape
 * against config.json; carve one block of memory of the size that follows; read and pack.
 */
#include "model.h"
#include "checkpoint.h"
#include "cpu.h"

#include <math.h>

typedef struct Loader {
    G4Loader loader;
    G4Model *model;
    const char *tower, *embedder; /* prefixes */
} Loader;

/* A clip bound: a scalar tensor; one that is absent is no bound. */
static gboolean read_bound(Loader *l, const char *prefix, const char *name, float absent,
                           float *bound, GError **error)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);

    *bound = absent;
    if (!g4_checkpoint_find(l->loader.checkpoint, full))
        return TRUE;
    const G4Tensor *t = g4_loader_bind(&l->loader, full, 0, NULL, error);
    if (!t || !g4_checkpoint_read_f32(l->loader.checkpoint, t, 0, 1, bound, error))
        return FALSE;
    if (isnan(*bound)) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: %s: found a NaN, expected a bound",
                    g4_checkpoint_get_name(l->loader.checkpoint), full);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_bounds(Loader *l, const char *prefix, const char *module, G4Linear *w,
                            GError **error)
{
    g_autofree char *p = g_strconcat(prefix, module, ".", NULL);

    if (!l->model->config.clipped)
        return TRUE;
    if (!read_bound(l, p, "input_min", -INFINITY, &w->in_min, error) ||
        !read_bound(l, p, "input_max", INFINITY, &w->in_max, error) ||
        !read_bound(l, p, "output_min", -INFINITY, &w->out_min, error) ||
        !read_bound(l, p, "output_max", INFINITY, &w->out_max, error))
        return FALSE;
    if (w->in_min > w->in_max || w->out_min > w->out_max) {
        g_set_error(
            error, G4_ERROR, G4_ERROR_MALFORMED,
            "%s: %sinput_min .. output_max: found [%g, %g] and [%g, %g], expected minimum <= "
            "maximum",
            g4_checkpoint_get_name(l->loader.checkpoint), p, w->in_min, w->in_max, w->out_min,
            w->out_max);
        return FALSE;
    }
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * What there is. Read twice: `scratch` counts first, then has memory.
 */
static gboolean take_vector(Loader *l, G4Scratch *s, const char *prefix, const char *name, guint n,
                            float **dst, GError **error)
{
    return g4_loader_take_vector(&l->loader, s, prefix, name, n, dst, error);
}

/* A layer's linear. `norm` is where the weight of the RMSNorm ahead of it is kept, or NULL. */
static gboolean take_linear(Loader *l, G4Scratch *scratch, const char *prefix, const char *module,
                            float *const *norm, guint out, guint in, G4Linear *w, GError **error)
{
    g_autofree char *name = g_strconcat(module, ".linear.weight", NULL);
    const G4Model *m = l->model;

    return g4_loader_take_matrix(&l->loader, scratch, prefix, name, m->kernels.linear, norm, out,
                                 in, w, error) &&
           (scratch->base || read_bounds(l, prefix, module, w, error));
}

static gboolean take_layer(Loader *l, G4Scratch *s, guint index, G4Layer *w, GError **error)
{
    const G4Config *c = &l->model->config;
    const guint D = c->hidden, F = c->ffn, d = c->head_dim;
    const guint Hd = c->heads * d, Gd = c->kv_heads * d;
    g_autofree char *p = g_strdup_printf("%sencoder.layers.%u.", l->tower, index);

    return take_vector(l, s, p, "input_layernorm.weight", D, &w->input_layernorm, error) &&
           take_vector(l, s, p, "post_attention_layernorm.weight", D, &w->post_attention_layernorm,
                       error) &&
           take_vector(l, s, p, "pre_feedforward_layernorm.weight", D,
                       &w->pre_feedforward_layernorm, error) &&
           take_vector(l, s, p, "post_feedforward_layernorm.weight", D,
                       &w->post_feedforward_layernorm, error) &&
           take_vector(l, s, p, "self_attn.q_norm.weight", d, &w->q_norm, error) &&
           take_vector(l, s, p, "self_attn.k_norm.weight", d, &w->k_norm, error) &&
           take_linear(l, s, p, "self_attn.q_proj", &w->input_layernorm, Hd, D, &w->q, error) &&
           take_linear(l, s, p, "self_attn.k_proj", &w->input_layernorm, Gd, D, &w->k, error) &&
           take_linear(l, s, p, "self_attn.v_proj", &w->input_layernorm, Gd, D, &w->v, error) &&
           take_linear(l, s, p, "self_attn.o_proj", NULL, D, Hd, &w->o, error) &&
           take_linear(l, s, p, "mlp.gate_proj", &w->pre_feedforward_layernorm, F, D, &w->gate,
                       error) &&
           take_linear(l, s, p, "mlp.up_proj", &w->pre_feedforward_layernorm, F, D, &w->up,
                       error) &&
           take_linear(l, s, p, "mlp.down_proj", NULL, D, F, &w->down, error);
}

static gboolean take_table(Loader *l, G4Scratch *s, GError **error)
{
    G4Model *m = l->model;
    const guint64 dims[3] = {2, m->config.table, m->config.hidden};
    const gsize n = (gsize)(2 * dims[1] * dims[2]);
    g_autofree char *name = g_strconcat(l->tower, "patch_embedder.position_embedding_table", NULL);
    const G4Tensor *t = s->base ? g4_checkpoint_find(l->loader.checkpoint, name)
                                : g4_loader_bind(&l->loader, name, 3, dims, error);

    if (!t)
        return FALSE;
    if (t->dtype == G4_DTYPE_BF16) {
        m->table_bf16 = g4_scratch_take(s, n, sizeof *m->table_bf16);
        return !s->base ||
               g4_checkpoint_read_bytes(l->loader.checkpoint, t, 0, t->bytes, m->table_bf16, error);
    }
    m->table_f32 = g4_scratch_take(s, n, sizeof *m->table_f32);
    return !s->base || g4_checkpoint_read_f32(l->loader.checkpoint, t, 0, n, m->table_f32, error);
}

static gboolean take_all(Loader *l, G4Scratch *s, GError **error)
{
    G4Model *m = l->model;
    const G4Config *c = &m->config;

    if (!g4_loader_take_matrix(&l->loader, s, l->tower, "patch_embedder.input_proj.weight",
                               m->kernels.embedding, NULL, c->hidden, 3 * c->patch * c->patch,
                               &m->patch_embedding, error) ||
        !take_table(l, s, error))
        return FALSE;
    for (guint i = 0; i < c->layers; i++)
        if (!take_layer(l, s, i, &m->layers[i], error))
            return FALSE;
    if (c->standardize &&
        (!take_vector(l, s, l->tower, "std_bias", c->hidden, &m->std_bias, error) ||
         !take_vector(l, s, l->tower, "std_scale", c->hidden, &m->std_scale, error)))
        return FALSE;
    return !l->embedder ||
           g4_loader_take_matrix(&l->loader, s, l->embedder, "embedding_projection.weight",
                                 m->kernels.embedding, NULL, c->output_dim, c->hidden,
                                 &m->projection, error);
}

/* ------------------------------------------------------------------------------------------
 * Opening
 */
static char *make_digest(Loader *l, const char *config_text, gsize config_length, GError **error)
{
    const G4Config *c = &l->model->config;
    g_autofree char *processor =
        g_strdup_printf("\nimage_soft_tokens %u video_soft_tokens %u square_size %u\n",
                        c->image_soft_tokens, c->video_soft_tokens, c->square_size);

    return g4_loader_digest(&l->loader, config_text, config_length, processor, error);
}

static gboolean layers_are_there(Loader *l, GError **error)
{
    const guint n = g4_checkpoint_get_n_tensors(l->loader.checkpoint);

    if (l->model->config.layers <= n)
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "config.json: num_hidden_layers %u, but the checkpoint has %u tensors in all",
                l->model->config.layers, n);
    return FALSE;
}

static gboolean load(Loader *l, const char *path, guint cpu_flags, GError **error)
{
    G4Model *m = l->model;
    g_autofree char *config_text = NULL;
    gsize config_length;
    G4Scratch count = {0};

    if (!(l->loader.checkpoint = g4_checkpoint_open(path, error)))
        return FALSE;
    if (!g4_config_read(g4_checkpoint_get_folder(l->loader.checkpoint), &m->config, &config_text,
                        &config_length, error) ||
        !g4_checkpoint_get_prefixes(l->loader.checkpoint, &l->tower, &l->embedder, error) ||
        !layers_are_there(l, error))
        return FALSE;
    g4_kernels_init(&m->kernels, cpu_flags, m->precision,
                    g4_checkpoint_is_bf16(l->loader.checkpoint, l->tower));
    l->loader.even_out = m->kernels.linear->evens_out;
    if (l->embedder && m->config.output_dim == 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%sembedding_projection.weight: config.json has no text_config.hidden_size",
                    l->embedder);
        return FALSE;
    }
    if (!l->embedder)
        m->config.output_dim = 0;
    m->layers = g_new0(G4Layer, m->config.layers);
    return take_all(l, &count, error) &&
           (m->digest = make_digest(l, config_text, config_length, error)) != NULL &&
           g4_scratch_init(&m->memory, count.used, "weights", error) &&
           take_all(l, &m->memory, error) && g4_loader_read(&l->loader, error);
}

G4Model *g4_model_open(const char *path, const G4ModelOptions *options, GError **error)
{
    G4Model *m = g_new0(G4Model, 1);
    Loader l = {.model = m};
    guint flags;
    gboolean ok;

    m->refs = 1;
    g4_loader_init(&l.loader);

    ok = g4_cpu_flags(&flags, error);
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
        g_clear_pointer(&m, g4_model_unref);
    return m;
}

G4Model *g4_model_ref(G4Model *model)
{
    g_atomic_int_inc(&model->refs);
    return model;
}

void g4_model_unref(G4Model *model)
{
    if (!g_atomic_int_dec_and_test(&model->refs))
        return;
    g4_scratch_clear(&model->memory);
    g_free(model->layers);
    g_free(model->name);
    g_free(model->digest);
    g_free(model);
}

const char *g4_model_get_name(const G4Model *model)
{
    return model->name;
}

const char *g4_model_get_digest(const G4Model *model)
{
    return model->digest;
}

const char *g4_model_get_kernels(const G4Model *model)
{
    return model->kernels.name;
}

G4Precision g4_model_get_precision(const G4Model *model)
{
    return model->precision;
}

guint64 g4_model_get_bytes(const G4Model *model)
{
    return model->memory.size;
}

guint g4_model_get_cols(const G4Model *model)
{
    return model->projection.packed ? model->projection.out : model->config.hidden;
}
