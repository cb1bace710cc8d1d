/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding, carving, reading and packing.
 */
#include "weights.h"
#include "cpu.h"
#include "tensor.h"
#include "workers.h"

#include <math.h>
#include <string.h>

/* Rows of a matrix that are read and packed at a time: a multiple of every panel width. */
#define PACK_ROWS 32
/* Bytes of a stored table that are read at a time. */
#define TABLE_PIECE ((guint64)8 << 20)

/* A matrix to read, or a piece of a table: the part of loading that is shared out among the
 * workers. */
typedef struct MatrixJob {
    const G4Tensor *tensor;
    const G4Linear *linear; /* NULL: a piece of a table */
    const float *norm;      /* [in], the weight of the RMSNorm ahead, or NULL */
    guint64 first;          /* row of the tensor; byte, of a table */
    guint64 bytes;          /* of a table's piece */
    void *dst;              /* of a table's piece */
} MatrixJob;

/* A tensor that is kept as float32. */
typedef struct VectorJob {
    const G4Tensor *tensor;
    float *dst;
} VectorJob;

void g4_loader_init(G4Loader *l)
{
    *l = (G4Loader){
        .bound = g_ptr_array_new(),
        .matrices = g_array_new(FALSE, FALSE, sizeof(MatrixJob)),
        .vectors = g_array_new(FALSE, FALSE, sizeof(VectorJob)),
    };
    g_mutex_init(&l->lock);
}

void g4_loader_clear(G4Loader *l)
{
    g_mutex_clear(&l->lock);
    g_array_free(l->vectors, TRUE);
    g_array_free(l->matrices, TRUE);
    g_ptr_array_free(l->bound, TRUE);
    g4_checkpoint_free(l->checkpoint);
}

const G4Tensor *g4_loader_bind(G4Loader *l, const char *name, guint n_dims, const guint64 *dims,
                               GError **error)
{
    const G4Tensor *t = g4_checkpoint_bind(l->checkpoint, name, n_dims, dims, error);

    if (t)
        g_ptr_array_add(l->bound, (gpointer)t);
    return t;
}

/* Bound while the scratch counts, found again when it has memory. */
static const G4Tensor *bind_or_find(G4Loader *l, const G4Scratch *scratch, const char *name,
                                    guint n_dims, const guint64 *dims, GError **error)
{
    return scratch->base ? g4_checkpoint_find(l->checkpoint, name)
                         : g4_loader_bind(l, name, n_dims, dims, error);
}

gboolean g4_loader_take_vector(G4Loader *l, G4Scratch *scratch, const char *prefix,
                               const char *name, guint n, float **dst, GError **error)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);
    const guint64 dims[1] = {n};
    const G4Tensor *t = bind_or_find(l, scratch, full, 1, dims, error);

    if (!t)
        return FALSE;
    *dst = g4_scratch_take(scratch, n, sizeof(float));
    if (scratch->base) {
        const VectorJob job = {t, *dst};
        g_array_append_val(l->vectors, job);
    }
    return TRUE;
}

static void take_packed(G4Loader *l, G4Scratch *scratch, const G4Tensor *t, guint64 first,
                        const G4Gemm *gemm, float *const *norm, guint out, guint in, G4Linear *w)
{
    if (!scratch->base)
        *w = (G4Linear){
            .gemm = gemm,
            .out = out,
            .in = in,
            .in_min = -INFINITY,
            .in_max = INFINITY,
            .out_min = -INFINITY,
            .out_max = INFINITY,
        };
    if (l->even_out && norm)
        w->in_scale = g4_scratch_take(scratch, in, sizeof(float));
    w->packed = g4_scratch_take(scratch, 1, gemm->packed_size(out, in));
    if (scratch->base) {
        const MatrixJob job = {
            .tensor = t, .linear = w, .norm = norm ? *norm : NULL, .first = first};
        g_array_append_val(l->matrices, job);
    }
}

gboolean g4_loader_take_matrix(G4Loader *l, G4Scratch *scratch, const char *prefix,
                               const char *name, const G4Gemm *gemm, float *const *norm, guint out,
                               guint in, G4Linear *w, GError **error)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);
    const guint64 dims[2] = {out, in};
    const G4Tensor *t = bind_or_find(l, scratch, full, 2, dims, error);

    if (t)
        take_packed(l, scratch, t, 0, gemm, norm, out, in, w);
    return t != NULL;
}

gboolean g4_loader_take_stack(G4Loader *l, G4Scratch *scratch, const char *name, const G4Gemm *gemm,
                              guint n, guint out, guint in, G4Linear *w, GError **error)
{
    const guint64 dims[2] = {(guint64)n * out, in};
    const G4Tensor *t = bind_or_find(l, scratch, name, 2, dims, error);

    for (guint i = 0; t && i < n; i++)
        take_packed(l, scratch, t, (guint64)i * out, gemm, NULL, out, in, &w[i]);
    return t != NULL;
}

gboolean g4_loader_take_table(G4Loader *l, G4Scratch *scratch, const char *name, guint rows,
                              guint cols, void **dst, G4Dtype *dtype, GError **error)
{
    const guint64 dims[2] = {rows, cols};
    const G4Tensor *t = bind_or_find(l, scratch, name, 2, dims, error);

    if (!t)
        return FALSE;
    *dtype = t->dtype;
    *dst = g4_scratch_take(scratch, t->bytes, 1);
    for (guint64 at = 0; scratch->base && at < t->bytes; at += TABLE_PIECE) {
        const MatrixJob job = {.tensor = t,
                               .first = at,
                               .bytes = MIN(t->bytes - at, TABLE_PIECE),
                               .dst = (guint8 *)*dst + at};
        g_array_append_val(l->matrices, job);
    }
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * Reading
 */
static void keep_error(G4Loader *l, GError *error)
{
    g_mutex_lock(&l->lock);
    if (!l->error)
        l->error = error;
    else
        g_error_free(error);
    g_mutex_unlock(&l->lock);
}

static gboolean read_rows(G4Loader *l, const MatrixJob *job, guint first, guint n, float *rows,
                          GError **error)
{
    const guint in = job->linear->in;

    return g4_checkpoint_read_f32(l->checkpoint, job->tensor, (job->first + first) * in,
                                  (guint64)n * in, rows, error);
}

/* in_scale[k] = sqrt(column k's largest weight / norm[k]): what the norm makes of a channel of RMS
 * 1 and what the weights make of it are then equally large, and a channel far larger than the
 * others takes bits from neither side alone. (SmoothQuant, Xiao et al. 2023, with the norm's weight
 * in place of measured activations.) */
static gboolean choose_in_scale(G4Loader *l, const MatrixJob *job, float *rows, GError **error)
{
    const G4Linear *w = job->linear;
    float *scale = w->in_scale;

    for (guint first = 0; first < w->out; first += PACK_ROWS) {
        const guint n = MIN(w->out - first, PACK_ROWS);
        if (!read_rows(l, job, first, n, rows, error))
            return FALSE;
        for (guint i = 0; i < n; i++)
            for (guint k = 0; k < w->in; k++) {
                const float v = fabsf(rows[(gsize)i * w->in + k]);
                scale[k] = v > scale[k] ? v : scale[k]; /* fmaxf would be a call */
            }
    }
    for (guint k = 0; k < w->in; k++) {
        const float s = sqrtf(scale[k] / fabsf(job->norm[k]));
        scale[k] = isnormal(s) ? s : 1.0f;
    }
    return TRUE;
}

static gboolean pack_matrix(G4Loader *l, const MatrixJob *job, float *rows, GError **error)
{
    const G4Linear *w = job->linear;

    if (w->in_scale && !choose_in_scale(l, job, rows, error))
        return FALSE;
    for (guint first = 0; first < w->out; first += PACK_ROWS) {
        const guint n = MIN(w->out - first, PACK_ROWS);
        if (!read_rows(l, job, first, n, rows, error))
            return FALSE;
        if (w->in_scale)
            for (guint i = 0; i < n; i++)
                for (guint k = 0; k < w->in; k++)
                    rows[(gsize)i * w->in + k] /= w->in_scale[k];
        w->gemm->pack(w->packed, w->out, w->in, first, n, rows, w->in);
    }
    return TRUE;
}

static gboolean run_job(G4Loader *l, const MatrixJob *job, float *rows, GError **error)
{
    if (job->linear)
        return pack_matrix(l, job, rows, error);
    return g4_checkpoint_read_bytes(l->checkpoint, job->tensor, job->first, job->bytes, job->dst,
                                    error);
}

static void pack_task(void *data, guint worker, guint n_workers)
{
    G4Loader *l = data;
    guint widest = 0, i;

    for (i = 0; i < l->matrices->len; i++) {
        const G4Linear *w = g_array_index(l->matrices, MatrixJob, i).linear;
        widest = w ? MAX(widest, w->in) : widest;
    }
    float *rows = g_new(float, (gsize)widest *PACK_ROWS);
    while ((i = atomic_fetch_add(&l->next, 1)) < l->matrices->len) {
        GError *error = NULL;
        if (!run_job(l, &g_array_index(l->matrices, MatrixJob, i), rows, &error)) {
            keep_error(l, error);
            break;
        }
    }
    g_free(rows);
    (void)worker;
    (void)n_workers;
}

gboolean g4_loader_read(G4Loader *l, GError **error)
{
    const guint threads = g4_default_threads();

    for (guint i = 0; i < l->vectors->len; i++) {
        const VectorJob *job = &g_array_index(l->vectors, VectorJob, i);
        if (!g4_checkpoint_read_f32(l->checkpoint, job->tensor, 0, job->tensor->elements, job->dst,
                                    error))
            return FALSE;
    }
    G4Crew *crew = g4_crew_new(threads, FALSE, error);
    if (!crew)
        return FALSE;
    g4_crew_acquire(crew, &(G4Turn){0});
    g4_crew_run(crew, pack_task, l);
    g4_crew_release(crew);
    g4_crew_free(crew);
    if (l->error)
        g_propagate_error(error, g_steal_pointer(&l->error));
    else
        return TRUE;
    return FALSE;
}

/* ------------------------------------------------------------------------------------------
 * Digest and precision
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

char *g4_loader_digest(G4Loader *l, const char *config_text, gsize config_length,
                       const char *settings, GError **error)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

    g_checksum_update(sum, (const guchar *)config_text, (gssize)config_length);
    g_checksum_update(sum, (const guchar *)settings, -1);
    g_ptr_array_sort(l->bound, compare_names);
    for (guint i = 0; i < l->bound->len; i++)
        if (!digest_tensor(sum, l->checkpoint, g_ptr_array_index(l->bound, i), error))
            return NULL;
    return g_strndup(g_checksum_get_string(sum), 16);
}

G4Precision g4_precision_choose(G4Precision wanted, guint cpu_flags)
{
    if (wanted != G4_PRECISION_AUTO)
        return wanted;
    return cpu_flags & G4_CPU_AVX512BF16 ? G4_PRECISION_BF16 : G4_PRECISION_F32;
}
