/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a model, in three steps: bind every tensor by name and check its shape against
 * config.json; carve one block of memory of the size that follows; read and pack.
 */
#include "model.h"
#include "checkpoint.h"
#include "cpu.h"
#include "tensor.h"
#include "workers.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a matrix that are read and packed at a time: a multiple of every panel width. */
#define PACK_ROWS 32

/* A matrix to read: the part of loading that is shared out among the workers. */
typedef struct MatrixJob {
    const G4Tensor *tensor;
    const G4Linear *linear;
    const float *norm; /* [in], the weight of the RMSNorm ahead, or NULL */
} MatrixJob;

typedef struct Loader {
    G4Model *model;
    G4Checkpoint *checkpoint;
    const char *tower, *embedder; /* prefixes */
    GPtrArray *bound;             /* G4Tensor, for the digest */
    GArray *matrices;             /* MatrixJob */
    GArray *vectors;              /* VectorJob */

    atomic_uint next; /* of matrices */
    GMutex lock;
    GError *error; /* the first one; under lock */
} Loader;

/* A tensor that is kept as float32: norms, tables, statistics. */
typedef struct VectorJob {
    const G4Tensor *tensor;
    float *dst;
} VectorJob;

static const G4Tensor *bind(Loader *l, const char *name, guint n_dims, const guint64 *dims,
                            GError **error)
{
    const G4Tensor *t = g4_checkpoint_bind(l->checkpoint, name, n_dims, dims, error);

    if (t)
        g_ptr_array_add(l->bound, (gpointer)t);
    return t;
}

static const G4Tensor *bind_vector(Loader *l, const char *prefix, const char *name, guint n,
                                   GError **error)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);
    const guint64 dims[1] = {n};

    return bind(l, full, 1, dims, error);
}

static const G4Tensor *bind_matrix(Loader *l, const char *prefix, const char *name, guint out,
                                   guint in, GError **error)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);
    const guint64 dims[2] = {out, in};

    return bind(l, full, 2, dims, error);
}

/* A clip bound: a scalar tensor; one that is absent is no bound. */
static gboolean read_bound(Loader *l, const char *prefix, const char *name, float absent,
                           float *bound, GError **error)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);

    *bound = absent;
    if (!g4_checkpoint_find(l->checkpoint, full))
        return TRUE;
    const G4Tensor *t = bind(l, full, 0, NULL, error);
    if (!t || !g4_checkpoint_read_f32(l->checkpoint, t, 0, 1, bound, error))
        return FALSE;
    if (isnan(*bound)) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: not a number, expected a bound",
                    full);
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
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%sinput_min .. output_max: [%g, %g] and [%g, %g], expected minimum <= maximum",
                    p, w->in_min, w->in_max, w->out_min, w->out_max);
        return FALSE;
    }
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * One description of what there is serves both to bind it and to carve its memory: while
 * binding, `scratch` only counts.
 */
static gboolean take_vector(Loader *l, G4Scratch *scratch, const char *prefix, const char *name,
                            guint n, float **dst, GError **error)
{
    const G4Tensor *t = NULL;

    if (!scratch->base && !(t = bind_vector(l, prefix, name, n, error)))
        return FALSE;
    *dst = g4_scratch_take(scratch, n, sizeof(float));
    if (scratch->base) {
        g_autofree char *full = g_strconcat(prefix, name, NULL);
        VectorJob job = {g4_checkpoint_find(l->checkpoint, full), *dst};
        g_array_append_val(l->vectors, job);
    }
    return TRUE;
}

static gboolean take_matrix(Loader *l, G4Scratch *scratch, const char *prefix, const char *name,
                            const G4Gemm *gemm, float *const *norm, guint out, guint in,
                            G4Linear *w, GError **error)
{
    if (!scratch->base && !bind_matrix(l, prefix, name, out, in, error))
        return FALSE;
    if (!scratch->base) {
        w->gemm = gemm;
        w->out = out;
        w->in = in;
        w->in_min = w->out_min = -INFINITY;
        w->in_max = w->out_max = INFINITY;
    }
    w->packed = g4_scratch_take(scratch, 1, gemm->packed_size(out, in));
    if (scratch->base) {
        g_autofree char *full = g_strconcat(prefix, name, NULL);
        MatrixJob job = {g4_checkpoint_find(l->checkpoint, full), w, norm ? *norm : NULL};
        g_array_append_val(l->matrices, job);
    }
    return TRUE;
}

/* A layer's linear. `norm` is where the weight of the RMSNorm ahead of it is kept, or NULL: with 8
 * bits, channels that it makes large are evened out between the input and the weights. */
static gboolean take_linear(Loader *l, G4Scratch *scratch, const char *prefix, const char *module,
                            float *const *norm, guint out, guint in, G4Linear *w, GError **error)
{
    g_autofree char *name = g_strconcat(module, ".linear.weight", NULL);
    const G4Model *m = l->model;

    if (m->precision == G4_PRECISION_INT8 && norm)
        w->in_scale = g4_scratch_take(scratch, in, sizeof(float));
    return take_matrix(l, scratch, prefix, name, m->kernels.linear, norm, out, in, w, error) &&
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
    const G4Tensor *t =
        s->base ? g4_checkpoint_find(l->checkpoint, name) : bind(l, name, 3, dims, error);

    if (!t)
        return FALSE;
    if (t->dtype == G4_DTYPE_BF16) {
        m->table_bf16 = g4_scratch_take(s, n, sizeof *m->table_bf16);
        return !s->base ||
               g4_checkpoint_read_bytes(l->checkpoint, t, 0, t->bytes, m->table_bf16, error);
    }
    m->table_f32 = g4_scratch_take(s, n, sizeof *m->table_f32);
    return !s->base || g4_checkpoint_read_f32(l->checkpoint, t, 0, n, m->table_f32, error);
}

static gboolean take_all(Loader *l, G4Scratch *s, GError **error)
{
    G4Model *m = l->model;
    const G4Config *c = &m->config;

    if (!take_matrix(l, s, l->tower, "patch_embedder.input_proj.weight", m->kernels.embedding, NULL,
                     c->hidden, 3 * c->patch * c->patch, &m->patch_embedding, error) ||
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
           take_matrix(l, s, l->embedder, "embedding_projection.weight", m->kernels.embedding, NULL,
                       c->output_dim, c->hidden, &m->projection, error);
}

/* ------------------------------------------------------------------------------------------
 * Reading
 */
static void keep_error(Loader *l, GError *error)
{
    g_mutex_lock(&l->lock);
    if (!l->error)
        l->error = error;
    else
        g_error_free(error);
    g_mutex_unlock(&l->lock);
}

/* in_scale[k] = sqrt(column k's largest weight / norm[k]): what the norm makes of a channel of RMS
 * 1 and what the weights make of it are then equally large, and a channel far larger than the
 * others takes bits from neither side alone. (SmoothQuant, Xiao et al. 2023, with the norm's weight
 * in place of measured activations.) */
static gboolean choose_in_scale(Loader *l, const MatrixJob *job, float *rows, GError **error)
{
    const G4Linear *w = job->linear;
    float *scale = w->in_scale;

    for (guint first = 0; first < w->out; first += PACK_ROWS) {
        const guint n = MIN(w->out - first, PACK_ROWS);
        if (!g4_checkpoint_read_f32(l->checkpoint, job->tensor, (guint64)first * w->in,
                                    (guint64)n * w->in, rows, error))
            return FALSE;
        for (guint i = 0; i < n; i++)
            for (guint k = 0; k < w->in; k++)
                scale[k] = fmaxf(scale[k], fabsf(rows[(gsize)i * w->in + k]));
    }
    for (guint k = 0; k < w->in; k++) {
        const float s = sqrtf(scale[k] / fabsf(job->norm[k]));
        scale[k] = isnormal(s) ? s : 1.0f;
    }
    return TRUE;
}

static gboolean pack_matrix(Loader *l, const MatrixJob *job, float *rows, GError **error)
{
    const G4Linear *w = job->linear;

    if (w->in_scale && !choose_in_scale(l, job, rows, error))
        return FALSE;
    for (guint first = 0; first < w->out; first += PACK_ROWS) {
        const guint n = MIN(w->out - first, PACK_ROWS);
        if (!g4_checkpoint_read_f32(l->checkpoint, job->tensor, (guint64)first * w->in,
                                    (guint64)n * w->in, rows, error))
            return FALSE;
        if (w->in_scale)
            for (guint i = 0; i < n; i++)
                for (guint k = 0; k < w->in; k++)
                    rows[(gsize)i * w->in + k] /= w->in_scale[k];
        w->gemm->pack(w->packed, w->out, w->in, first, n, rows, w->in);
    }
    return TRUE;
}

static void pack_task(void *data, guint worker, guint n_workers)
{
    Loader *l = data;
    guint widest = 0, i;

    for (i = 0; i < l->matrices->len; i++)
        widest = MAX(widest, g_array_index(l->matrices, MatrixJob, i).linear->in);
    float *rows = g_new(float, (gsize)widest *PACK_ROWS);
    while ((i = atomic_fetch_add(&l->next, 1)) < l->matrices->len) {
        GError *error = NULL;
        if (!pack_matrix(l, &g_array_index(l->matrices, MatrixJob, i), rows, &error)) {
            keep_error(l, error);
            break;
        }
    }
    g_free(rows);
    (void)worker;
    (void)n_workers;
}

static gboolean read_all(Loader *l, GError **error)
{
    const guint threads = g4_default_threads();

    for (guint i = 0; i < l->vectors->len; i++) {
        const VectorJob *job = &g_array_index(l->vectors, VectorJob, i);
        if (!g4_checkpoint_read_f32(l->checkpoint, job->tensor, 0, job->tensor->elements, job->dst,
                                    error))
            return FALSE;
    }
    if (!g4_workers_reserve(threads, error))
        return FALSE;
    g4_workers_acquire();
    g4_workers_run(threads, pack_task, l);
    g4_workers_release();
    g4_workers_unreserve();
    if (l->error)
        g_propagate_error(error, g_steal_pointer(&l->error));
    else
        return TRUE;
    return FALSE;
}

/* ------------------------------------------------------------------------------------------
 * Digest: SHA-256 over config.json, the processor values in use and, for each bound tensor in name
 * order, its name, dtype, shape, and first and last 4096 bytes.
 */
#define DIGEST_PIECE 4096

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const G4Tensor *const *)a)->name, (*(const G4Tensor *const *)b)->name);
}

static gboolean digest_tensor(GChecksum *sum, const G4Checkpoint *checkpoint, const G4Tensor *t,
                              GError **error)
{
    guint8 piece[DIGEST_PIECE];
    const gsize n = (gsize)MIN(t->bytes, DIGEST_PIECE);
    g_autoptr(GString) text = g_string_new(t->name);

    g_string_append_printf(text, " %s [", g4_dtype_name(t->dtype));
    for (guint i = 0; i < t->n_dims; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, i ? "," : "", t->dims[i]);
    g_string_append(text, "]\n");
    g_checksum_update(sum, (const guchar *)text->str, (gssize)text->len);
    for (int last = 0; last < 2; last++) {
        if (!g4_checkpoint_read_bytes(checkpoint, t, last ? t->bytes - n : 0, n, piece, error))
            return FALSE;
        g_checksum_update(sum, piece, (gssize)n);
    }
    return TRUE;
}

static char *make_digest(Loader *l, const char *config_text, gsize config_length, GError **error)
{
    const G4Config *c = &l->model->config;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *processor =
        g_strdup_printf("\nimage_soft_tokens %u video_soft_tokens %u square_size %u\n",
                        c->image_soft_tokens, c->video_soft_tokens, c->square_size);

    g_checksum_update(sum, (const guchar *)config_text, (gssize)config_length);
    g_checksum_update(sum, (const guchar *)processor, -1);
    g_ptr_array_sort(l->bound, compare_names);
    for (guint i = 0; i < l->bound->len; i++)
        if (!digest_tensor(sum, l->checkpoint, g_ptr_array_index(l->bound, i), error))
            return NULL;
    return g_strndup(g_checksum_get_string(sum), 16);
}

/* ------------------------------------------------------------------------------------------
 * Opening
 */
static G4Precision choose_precision(G4Precision wanted, guint cpu_flags)
{
    if (wanted != G4_PRECISION_AUTO)
        return wanted;
    return cpu_flags & G4_CPU_AVX512BF16 ? G4_PRECISION_BF16 : G4_PRECISION_F32;
}

static gboolean layers_are_there(Loader *l, GError **error)
{
    const guint n = g4_checkpoint_get_n_tensors(l->checkpoint);

    if (l->model->config.layers <= n)
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "config.json: num_hidden_layers %u, but the checkpoint has %u tensors in all",
                l->model->config.layers, n);
    return FALSE;
}

static gboolean load(Loader *l, const char *path, GError **error)
{
    G4Model *m = l->model;
    g_autofree char *config_text = NULL;
    gsize config_length;
    G4Scratch count = {0};

    if (!(l->checkpoint = g4_checkpoint_open(path, error)))
        return FALSE;
    if (!g4_config_read(g4_checkpoint_get_folder(l->checkpoint), &m->config, &config_text,
                        &config_length, error) ||
        !g4_checkpoint_get_prefixes(l->checkpoint, &l->tower, &l->embedder, error) ||
        !layers_are_there(l, error))
        return FALSE;
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
           take_all(l, &m->memory, error) && read_all(l, error);
}

G4Model *g4_model_open(const char *path, const G4ModelOptions *options, GError **error)
{
    G4Model *m = g_new0(G4Model, 1);
    Loader l = {.model = m};
    guint flags;
    gboolean ok;

    m->refs = 1;
    l.bound = g_ptr_array_new();
    l.matrices = g_array_new(FALSE, FALSE, sizeof(MatrixJob));
    l.vectors = g_array_new(FALSE, FALSE, sizeof(VectorJob));
    g_mutex_init(&l.lock);

    ok = g4_cpu_flags(&flags, error);
    if (ok) {
        m->precision = choose_precision(options ? options->precision : G4_PRECISION_AUTO, flags);
        g4_kernels_init(&m->kernels, flags, m->precision);
        ok = load(&l, path, error);
    }
    if (ok) {
        g_autofree char *whole = g_canonicalize_filename(path, NULL);
        m->name = g_path_get_basename(whole);
    }

    g_mutex_clear(&l.lock);
    g_array_free(l.vectors, TRUE);
    g_array_free(l.matrices, TRUE);
    g_ptr_array_free(l.bound, TRUE);
    g4_checkpoint_free(l.checkpoint);
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
