/* SPDX-License-Identifier: Apache-2.0
 *
 * The text encoder of EmbeddingGemma 2, as the specification's sections 3 to 5 write it.
 *
 * A query has few tokens, so its rows are not split over the workers as a picture's patches are:
 * each would read all the weights for a handful of rows. Instead every worker computes its own
 * columns of each product for all rows, and its own rows of all that lies between the products;
 * one reads only the weights of its columns. What that costs is a barrier between the two. Longer
 * inputs are taken in chunks of rows, so that the memory between two residual sums stays small.
 */
#include "text_encoder.h"
#include "attention.h"
#include "bf16.h"
#include "rope.h"
#include "tensor.h"
#include "text_model.h"
#include "workers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOG2_E 1.4426950408889634f
/* Rows of a chunk, in multiples of ROW_UNIT: the tile heights of all kernels divide it. */
#define CHUNK 96
#define ROW_UNIT 12
/* Products of a row that are taken at a time, so that a chunk of them stays in the second-level
 * cache: a multiple of G4_K_UNIT. */
#define K_PART 512
/* Columns are dealt out in multiples of this: of every nr. */
#define COLUMN_UNIT 32
/* Memory is made for a power of two of tokens, from this on. */
#define FEWEST_TOKENS 64
/* Text longer than this has more than G4_TEXT_MAX_TOKENS tokens in any vocabulary with words of up
 * to half a kilobyte; it is not even tokenized. */
#define MAX_TEXT ((gsize)4 << 20)

/* Room for rows as a product reads them, where that is not floats. */
enum { ROOM_A, ROOM_B, ROOM_C, N_ROOMS };

struct G4TextEncoder {
    G4TextModel *model;
    G4Crew *crew;
    guint threads, dimensions;

    /* The input. */
    GString *text;
    GArray *ids;        /* of guint32 */
    const float **soft; /* [L]: the soft token that a position takes, or NULL */
    guint n;            /* L */
    gboolean stop;      /* cancelled, as all workers saw it at the last layer */

    guint capacity;   /* tokens that memory was made for; 0: none */
    G4Scratch memory; /* holds all that follows */
    float *x;         /* [L, D], the residual stream */
    float *x0;        /* [L, D], the merged input embeddings */
    void *q;          /* [L, H d], rotated, times log2(e), as the attention product reads it */
    G4KeyValues key_values[2];       /* of sliding and of full layers, in the same memory */
    float *cosine[2], *sine[2];      /* [L, d / 2], of sliding and of full layers */
    float *a, *out;                  /* [CHUNK, D]; out [CHUNK, max(D, E)] */
    float *k, *v, *o;                /* [CHUNK, G d], [CHUNK, H d] */
    float *gate, *up, *ple_in, *ple; /* [CHUNK, F], [CHUNK, P] */
    void *room[N_ROOMS];
    G4AttentionScratch *attention; /* [threads], itself not in `memory` */
    gsize d_stride, kv_stride, heads_stride, ffn_stride, ple_stride, out_stride;
    gsize q_bytes; /* from one row of q to the next */

    G4Probe probe;
    void *probe_user;
};

/* A worker's part of a chunk. */
typedef struct Share {
    G4TextEncoder *e;
    guint worker, n_workers;
    guint first, rows; /* the chunk, of the input */
    guint own, n_own;  /* the worker's rows, of the chunk */
} Share;

static void together(const Share *s)
{
    g4_crew_barrier(s->e->crew);
}

/* The worker's rows of a stage, `rows` those of the chunk. */
static void probe(const Share *s, const char *stage, guint layer, const float *rows, guint width,
                  gsize stride)
{
    char name[32];

    if (!s->e->probe || s->n_own == 0)
        return;
    snprintf(name, sizeof name, stage, layer);
    s->e->probe(s->e->probe_user, name, s->first + s->own, s->n_own, width, rows + s->own * stride,
                stride);
}

/* ------------------------------------------------------------------------------------------
 * The pieces of a layer: what is done to a worker's own rows
 */
static void rms_norm(const Share *s, float *dst, gsize dst_stride, const float *src,
                     gsize src_stride, guint width, const float *weight)
{
    const G4TextModel *m = s->e->model;

    for (guint i = s->own; i < s->own + s->n_own; i++)
        m->kernels.rms_norm(dst + i * dst_stride, src + i * src_stride, weight, width,
                            m->config.eps);
}

static void add_rms_norm(const Share *s, float *x, const float *y, gsize y_stride,
                         const float *weight)
{
    const G4TextModel *m = s->e->model;

    for (guint i = s->own; i < s->own + s->n_own; i++)
        m->kernels.add_rms_norm(x + i * s->e->d_stride, y + i * y_stride, weight, m->config.hidden,
                                m->config.eps);
}

/* RMSNorm of each head; weight NULL for the values, which have none. */
static void head_norm(const Share *s, float *x, gsize stride, guint heads, guint d,
                      const float *weight)
{
    const G4TextModel *m = s->e->model;

    for (guint i = s->own; i < s->own + s->n_own; i++)
        for (guint h = 0; h < heads; h++) {
            float *head = x + i * stride + h * d;
            m->kernels.rms_norm(head, head, weight, d, m->config.eps);
        }
}

/* y[j] = x[j] cos - x[j + d/2] sin, y[j + d/2] = x[j + d/2] cos + x[j] sin. The kernel turns two
 * vectors of d by two angles each; where the heads are an odd number the last is turned here. */
static void rotate(const Share *s, float *x, gsize stride, guint heads, guint d, gboolean full)
{
    const guint half = d / 2;

    for (guint i = s->own; i < s->own + s->n_own; i++) {
        const float *c = s->e->cosine[full] + (gsize)(s->first + i) * half;
        const float *t = s->e->sine[full] + (gsize)(s->first + i) * half;
        float *last = x + i * stride + (heads - 1) * d;
        s->e->model->kernels.rope(x + i * stride, heads / 2, d, c, t, c, t);
        for (guint j = 0; heads % 2 && j < half; j++) {
            const float even = last[j], odd = last[j + half];
            last[j] = even * c[j] - odd * t[j];
            last[j + half] = odd * c[j] + even * t[j];
        }
    }
}

/* A chunk of rows as a product reads them, in parts of K_PART columns. */
typedef struct Loaded {
    const guint8 *rows;
    gsize stride, part; /* bytes from a row, from a part to the next */
} Loaded;

/* The worker's own rows of in[.., w->in] as w's product reads it: in a room, where that is another
 * form. */
static Loaded load(const Share *s, const G4Linear *w, const float *in, gsize in_stride, guint room)
{
    const G4Gemm *gemm = w->gemm;

    if (!gemm->load)
        return (Loaded){(const guint8 *)in, in_stride * sizeof(float), K_PART * sizeof(float)};
    const gsize stride = gemm->loaded_stride(MIN(w->in, K_PART)), part = CHUNK * stride;
    guint8 *rows = s->e->room[room];
    for (guint k = 0; k < w->in; k += K_PART)
        gemm->load(rows + k / K_PART * part + s->own * stride, stride, in + s->own * in_stride + k,
                   in_stride, s->n_own, MIN(w->in - k, K_PART), w->in_min, w->in_max,
                   w->in_scale ? w->in_scale + k : NULL);
    return (Loaded){rows, stride, part};
}

/* The worker's columns first .. last - 1 of `out` in all: its parts begin at `part` and come every
 * n_workers. Where a product's sums depend on how many columns it is given, there are as many parts
 * as the encoder has threads, whoever computes them. */
static gboolean own_columns(const Share *s, const G4Linear *w, guint part, guint *first,
                            guint *last)
{
    const guint parts = w->gemm->row_block ? s->n_workers : s->e->threads;

    if (part >= parts)
        return FALSE;
    g4_workers_split(w->out, COLUMN_UNIT, part, parts, first, last);
    return TRUE;
}

/* Columns first .. last - 1 of W in, for all rows of the chunk. */
static void product(const Share *s, const G4Linear *w, Loaded in, guint first, guint last,
                    float *out, gsize out_stride)
{
    for (guint k = 0; first < last && k < w->in; k += K_PART)
        w->gemm->run(in.rows + k / K_PART * in.part, in.stride, s->rows, w->packed, w->out, w->in,
                     first, last - first, k, MIN(w->in - k, K_PART), out + first, out_stride,
                     k > 0);
}

/* out = W in: the worker's columns, for all rows of the chunk. */
static void linear(const Share *s, const G4Linear *w, Loaded in, float *out, gsize out_stride)
{
    guint first, last;

    for (guint part = s->worker; own_columns(s, w, part, &first, &last); part += s->n_workers)
        product(s, w, in, first, last, out, out_stride);
}

static float *x_rows(const Share *s)
{
    return s->e->x + s->first * s->e->d_stride;
}

/* ------------------------------------------------------------------------------------------
 * The network, top to bottom
 */

static void read_row(const G4TextModel *m, guint32 id, float *x)
{
    const guint D = m->config.hidden;
    const gsize at = (gsize)id * D;

    switch (m->table_dtype) {
    case G4_DTYPE_BF16:
        g4_widen_bf16((const guint16 *)m->table + at, D, x);
        break;
    case G4_DTYPE_F16:
        g4_widen_f16((const guint16 *)m->table + at, D, x);
        break;
    default:
        memcpy(x, (const float *)m->table + at, D * sizeof *x);
    }
}

/* x0 = E_tok[id] sqrt(D), or a soft token as it is; a placeholder without one counts as padding. */
static void embed(const Share *s)
{
    G4TextEncoder *e = s->e;
    const G4TextModel *m = e->model;
    const G4TextConfig *c = &m->config;
    float *x0 = e->x0 + s->first * e->d_stride;

    for (guint i = s->own; i < s->own + s->n_own; i++) {
        const float *soft = e->soft[s->first + i];
        guint32 id = g_array_index(e->ids, guint32, s->first + i);
        if (soft) {
            memcpy(x0 + i * e->d_stride, soft, c->hidden * sizeof *soft);
            continue;
        }
        if (id == c->image || id == c->video || id == c->audio)
            id = c->pad;
        read_row(m, id, x0 + i * e->d_stride);
        m->kernels.scale(x0 + i * e->d_stride, c->hidden, sqrtf((float)c->hidden));
    }
    memcpy(x_rows(s) + s->own * e->d_stride, x0 + s->own * e->d_stride,
           s->n_own * e->d_stride * sizeof *x0);
    probe(s, "inputs_embeds", 0, x0, c->hidden, e->d_stride);
}

/* a = RMSNorm(x); q, k, v = linears of a, normalised per head, q and k rotated */
static void queries_keys_values(const Share *s, guint l)
{
    G4TextEncoder *e = s->e;
    const G4TextConfig *c = &e->model->config;
    const G4TextLayer *w = &e->model->layers[l];
    const gboolean full = c->layer[l].full;
    const guint D = c->hidden, H = c->heads, G = c->layer[l].kv_heads, d = c->layer[l].head_dim;
    const G4Gemm *scores = e->model->kernels.scores;
    guint8 *q_rows = (guint8 *)e->q + s->first * e->q_bytes;
    /* Where attention reads floats, the queries are made where they stay. */
    float *q = scores->load ? e->o : (float *)q_rows;

    rms_norm(s, e->a, e->d_stride, x_rows(s), e->d_stride, D, w->input_layernorm);
    const Loaded q_in = load(s, &w->q, e->a, e->d_stride, ROOM_A);
    const Loaded k_in = load(s, &w->k, e->a, e->d_stride, ROOM_B);
    const Loaded v_in = load(s, &w->v, e->a, e->d_stride, ROOM_C);
    together(s);
    linear(s, &w->q, q_in, q, e->heads_stride);
    linear(s, &w->k, k_in, e->k, e->kv_stride);
    linear(s, &w->v, v_in, e->v, e->kv_stride);
    together(s);
    head_norm(s, q, e->heads_stride, H, d, w->q_norm);
    rotate(s, q, e->heads_stride, H, d, full);
    /* The logits' scale is 1.0, not 1/sqrt(d); log2(e) makes the softmax one of base 2. */
    for (guint i = s->own; i < s->own + s->n_own; i++)
        e->model->kernels.scale(q + i * e->heads_stride, H * d, LOG2_E);
    if (scores->load)
        g4_queries_load(scores, q_rows + s->own * e->q_bytes, e->q_bytes,
                        q + s->own * e->heads_stride, e->heads_stride, s->n_own, H, d);
    head_norm(s, e->k, e->kv_stride, G, d, w->k_norm);
    rotate(s, e->k, e->kv_stride, G, d, full);
    head_norm(s, e->v, e->kv_stride, G, d, NULL);
    g4_key_values_pack(&e->key_values[full], s->first + s->own, s->n_own,
                       e->k + s->own * e->kv_stride, e->v + s->own * e->kv_stride, e->kv_stride);
}

/* x = x + RMSNorm(W_o softmax(q k^T + mask) v) */
static void attention_block(const Share *s, guint l)
{
    G4TextEncoder *e = s->e;
    const G4TextConfig *c = &e->model->config;
    const G4TextLayer *w = &e->model->layers[l];
    const gboolean full = c->layer[l].full;
    const guint first = s->first + s->own;

    g4_attention_within(&e->key_values[full], &e->attention[s->worker],
                        (const guint8 *)e->q + first * e->q_bytes, e->q_bytes, first, s->n_own,
                        c->heads, full ? G_MAXUINT : c->radius, e->o + s->own * e->heads_stride,
                        e->heads_stride);
    const Loaded o_in = load(s, &w->o, e->o, e->heads_stride, ROOM_A);
    together(s);
    linear(s, &w->o, o_in, e->out, e->out_stride);
    together(s);
    add_rms_norm(s, x_rows(s), e->out, e->out_stride, w->post_attention_layernorm);
}

/* m = RMSNorm(x); x = x + RMSNorm(W_down (gelu(W_gate m) * (W_up m))) */
static void feed_forward_block(const Share *s, guint l)
{
    G4TextEncoder *e = s->e;
    const G4TextLayer *w = &e->model->layers[l];
    float *m = e->a;
    guint first, last;

    rms_norm(s, m, e->d_stride, x_rows(s), e->d_stride, e->model->config.hidden,
             w->pre_feedforward_layernorm);
    const Loaded gate_in = load(s, &w->gate, m, e->d_stride, ROOM_A);
    const Loaded up_in = load(s, &w->up, m, e->d_stride, ROOM_B);
    together(s);
    for (guint part = s->worker; own_columns(s, &w->gate, part, &first, &last);
         part += s->n_workers) {
        product(s, &w->gate, gate_in, first, last, e->gate, e->ffn_stride);
        product(s, &w->up, up_in, first, last, e->up, e->ffn_stride);
        for (guint i = 0; i < s->rows; i++) {
            float *gate = e->gate + i * e->ffn_stride + first;
            e->model->kernels.geglu(gate, gate, e->up + i * e->ffn_stride + first, last - first);
        }
    }
    together(s);
    const Loaded down_in = load(s, &w->down, e->gate, e->ffn_stride, ROOM_A);
    if (w->down.gemm->load)
        together(s);
    linear(s, &w->down, down_in, e->out, e->out_stride);
    together(s);
    add_rms_norm(s, x_rows(s), e->out, e->out_stride, w->post_feedforward_layernorm);
}

/* ple = RMSNorm(W_ple x0 D^(-1/2)), this layer's part of it;
 * x = (x + RMSNorm(W_out (gelu(W_in x) * ple))) layer_scalar, no norm before W_in */
static void ple_block(const Share *s, guint l)
{
    G4TextEncoder *e = s->e;
    const G4TextModel *m = e->model;
    const G4TextLayer *w = &m->layers[l];
    const guint D = m->config.hidden, P = m->config.ple;
    const Loaded in = load(s, &w->ple_in, x_rows(s), e->d_stride, ROOM_A);
    const Loaded x0 = load(s, &m->ple[l], e->x0 + s->first * e->d_stride, e->d_stride, ROOM_B);

    together(s);
    linear(s, &w->ple_in, in, e->ple_in, e->ple_stride);
    linear(s, &m->ple[l], x0, e->ple, e->ple_stride);
    together(s);
    for (guint i = s->own; i < s->own + s->n_own; i++) {
        float *in_row = e->ple_in + i * e->ple_stride, *ple = e->ple + i * e->ple_stride;
        m->kernels.scale(ple, P, 1.0f / sqrtf((float)D));
        m->kernels.rms_norm(ple, ple, m->ple_norm, P, m->config.eps);
        m->kernels.geglu(in_row, in_row, ple, P);
    }
    probe(s, "ple.%u", l, e->ple, P, e->ple_stride);
    const Loaded out = load(s, &w->ple_out, e->ple_in, e->ple_stride, ROOM_A);
    together(s);
    linear(s, &w->ple_out, out, e->out, e->out_stride);
    together(s);
    add_rms_norm(s, x_rows(s), e->out, e->out_stride, w->post_per_layer_input_norm);
    for (guint i = s->own; i < s->own + s->n_own; i++)
        m->kernels.scale(x_rows(s) + i * e->d_stride, D, *w->layer_scalar);
    probe(s, "layer%u", l, x_rows(s), D, e->d_stride);
}

/* h = RMSNorm(x) */
static void final_norm(const Share *s)
{
    G4TextEncoder *e = s->e;
    const G4TextModel *m = e->model;

    rms_norm(s, x_rows(s), e->d_stride, x_rows(s), e->d_stride, m->config.hidden, m->norm);
    if (!e->probe)
        return;
    const Loaded in = load(s, &m->projection, x_rows(s), e->d_stride, ROOM_A);
    together(s);
    linear(s, &m->projection, in, e->out, e->out_stride);
    together(s);
    probe(s, "last_hidden_state", 0, e->out, m->config.out, e->out_stride);
}

/* Takes the input through a step, chunk by chunk of about equal size. */
static void for_each_chunk(G4TextEncoder *e, guint worker, guint n_workers,
                           void (*step)(const Share *s, guint layer), guint layer)
{
    const guint chunks = (e->n + CHUNK - 1) / CHUNK;
    const guint rows = ((e->n + chunks - 1) / chunks + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT;

    for (guint first = 0; first < e->n; first += rows) {
        Share s = {e, worker, n_workers, first, MIN(rows, e->n - first), 0, 0};
        guint end;
        g4_workers_split(s.rows, 1, worker, n_workers, &s.own, &end);
        s.n_own = end - s.own;
        step(&s, layer);
    }
}

static void first_step(const Share *s, guint layer)
{
    embed(s);
    queries_keys_values(s, layer);
}

/* Everybody's keys and values of this layer are there. */
static void blocks_step(const Share *s, guint layer)
{
    attention_block(s, layer);
    feed_forward_block(s, layer);
    ple_block(s, layer);
}

static void keys_step(const Share *s, guint layer)
{
    queries_keys_values(s, layer);
}

static void norm_step(const Share *s, guint layer)
{
    (void)layer;
    final_norm(s);
}

/* FALSE when the input was cancelled: for all workers alike, by what worker 0 saw before the
 * barrier. They meet again many times before that is written anew. */
static gboolean wait_for_others(G4TextEncoder *e, guint worker)
{
    if (worker == 0)
        e->stop = g4_crew_is_cancelled(e->crew);
    g4_crew_barrier(e->crew);
    return !e->stop;
}

static void encode_task(void *data, guint worker, guint n_workers)
{
    G4TextEncoder *e = data;

    for (guint l = 0; l < e->model->config.layers; l++) {
        for_each_chunk(e, worker, n_workers, l == 0 ? first_step : keys_step, l);
        if (!wait_for_others(e, worker))
            return;
        for_each_chunk(e, worker, n_workers, blocks_step, l);
    }
    for_each_chunk(e, worker, n_workers, norm_step, 0);
}

/* vector = W_proj (mean of h over all tokens): the projection is linear, so that averaging first
 * and projecting once is the same. Cut, and scaled where that is asked for. */
static void pool(G4TextEncoder *e, gboolean normalize, float *out)
{
    const G4TextModel *m = e->model;
    const Share s = {.e = e, .n_workers = 1, .rows = 1, .n_own = 1};

    for (guint j = 0; j < m->config.hidden; j++) {
        double sum = 0.0;
        for (guint i = 0; i < e->n; i++)
            sum += e->x[i * e->d_stride + j];
        e->a[j] = (float)(sum / e->n);
    }
    linear(&s, &m->projection, load(&s, &m->projection, e->a, e->d_stride, ROOM_A), e->out,
           e->out_stride);
    g4_tokens_mean(e->out, 1, g4_text_encoder_get_cols(e), normalize, out);
}

/* ------------------------------------------------------------------------------------------
 * The sequence
 */

static gboolean too_long(GError **error, const char *what, gsize n, gsize most)
{
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                "%" G_GSIZE_FORMAT " %s: expected at most %" G_GSIZE_FORMAT, n, what, most);
    return FALSE;
}

static gboolean append_text(GString *text, const char *more, gssize length, GError **error)
{
    const gsize n = length < 0 ? strlen(more) : (gsize)length;
    const gsize most = MAX_TEXT - MIN(text->len, MAX_TEXT); /* pictures may be more */

    if (n > most)
        return too_long(error, "bytes of text", n, most);
    g_string_append_len(text, more, (gssize)n);
    return TRUE;
}

static gboolean append_media(G4TextEncoder *e, const G4Part *part, GError **error)
{
    const G4TextModel *m = e->model;
    const gboolean image = part->kind == G4_PART_IMAGE;
    const gsize n = (gsize)part->rows * m->config.hidden;

    if (part->rows == 0) {
        g_set_error_literal(error, G4_ERROR, G4_ERROR_SETTINGS,
                            "a picture of 0 soft tokens: expected at least 1");
        return FALSE;
    }
    if (part->rows > G4_TEXT_MAX_TOKENS)
        return too_long(error, "soft tokens of a picture", part->rows, G4_TEXT_MAX_TOKENS);
    if (image ? !m->has_image : !m->has_video) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "%s: its tokenizer has no " G4_TOKEN_BOI ", %s or " G4_TOKEN_EOI
                    ", so that it takes no pictures of this kind",
                    m->name, image ? G4_TOKEN_IMAGE : G4_TOKEN_VIDEO);
        return FALSE;
    }
    /* They stay in the memory of keys and values, where a NaN would outlive the input. */
    for (gsize i = 0; i < n; i++)
        if (!isfinite(part->tokens[i])) {
            g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                        "soft token %" G_GSIZE_FORMAT " of %u: found a value that is not finite",
                        i / m->config.hidden, part->rows);
            return FALSE;
        }
    g_string_append(e->text, G4_TOKEN_BOI);
    for (guint i = 0; i < part->rows; i++)
        g_string_append(e->text, image ? G4_TOKEN_IMAGE : G4_TOKEN_VIDEO);
    g_string_append(e->text, G4_TOKEN_EOI);
    return TRUE;
}

/* Prompt and parts in the caller's order, with nothing between them; each picture as boi, so many
 * placeholders, eoi. Tokenized as a whole: a prompt's last space belongs to the word behind it. */
static gboolean tokenize(G4TextEncoder *e, const char *prompt, const G4Part *parts, guint n_parts,
                         GError **error)
{
    guint64 rows = 0;

    g_string_truncate(e->text, 0);
    g_array_set_size(e->ids, 0);
    if (prompt && !append_text(e->text, prompt, -1, error))
        return FALSE;
    for (guint i = 0; i < n_parts; i++) {
        if (parts[i].kind == G4_PART_TEXT
                ? !append_text(e->text, parts[i].text, parts[i].length, error)
                : !append_media(e, &parts[i], error))
            return FALSE;
        rows += parts[i].kind != G4_PART_TEXT ? parts[i].rows : 0;
        if (rows > G4_TEXT_MAX_TOKENS)
            return too_long(error, "soft tokens of an input", rows, G4_TEXT_MAX_TOKENS);
    }
    if (!g4_tokenizer_encode(e->model->tokenizer, e->text->str, e->text->len, e->ids, error))
        return FALSE;
    if (e->ids->len > G4_TEXT_MAX_TOKENS)
        return too_long(error, "tokens of an input", e->ids->len, G4_TEXT_MAX_TOKENS);
    if (e->ids->len == 0) {
        g_set_error_literal(error, G4_ERROR, G4_ERROR_SETTINGS,
                            "an input of no tokens: the tokenizer adds none to an empty text");
        return FALSE;
    }
    return TRUE;
}

/* Gives the placeholders `id` of the sequence the soft tokens of the parts of `kind`, in order.
 * Their number must be the same, unless no such part was given: then they count as padding. */
static gboolean place(G4TextEncoder *e, G4PartKind kind, guint32 id, const char *token,
                      const G4Part *parts, guint n_parts, GError **error)
{
    const guint D = e->model->config.hidden;
    guint placeholders = 0, part = 0, row = 0;
    guint64 rows = 0;

    for (guint i = 0; i < n_parts; i++)
        rows += parts[i].kind == kind ? parts[i].rows : 0;
    for (guint i = 0; i < e->ids->len; i++)
        placeholders += g_array_index(e->ids, guint32, i) == id;
    if (rows == 0 || placeholders != rows) {
        if (rows > 0)
            g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                        "%u placeholders %s for %" G_GUINT64_FORMAT
                        " soft tokens: expected none in the text itself",
                        placeholders, token, rows);
        return rows == 0;
    }
    for (guint i = 0; i < e->ids->len; i++) {
        if (g_array_index(e->ids, guint32, i) != id)
            continue;
        while (parts[part].kind != kind || row == parts[part].rows) {
            part++;
            row = 0;
        }
        e->soft[i] = parts[part].tokens + (gsize)row++ * D;
    }
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * Memory
 */

static void carve_key_values(G4TextEncoder *e, G4Scratch *s)
{
    const G4TextConfig *c = &e->model->config;
    const gsize begin = s->used;
    gsize end = begin;

    for (guint l = 0; l < c->layers; l++) {
        G4KeyValues *kv = &e->key_values[c->layer[l].full];
        *kv = (G4KeyValues){
            .kernels = &e->model->kernels,
            .n = e->capacity,
            .kv_heads = c->layer[l].kv_heads,
            .head_dim = c->layer[l].head_dim,
        };
        s->used = begin;
        g4_key_values_carve(kv, s);
        end = MAX(end, s->used);
    }
    s->used = end;
}

/* Bytes of a chunk of `width` values as `gemm` reads it. */
static gsize room_bytes(const G4Gemm *gemm, guint width)
{
    const guint parts = (width + K_PART - 1) / K_PART;

    return gemm->load ? parts * CHUNK * gemm->loaded_stride(MIN(width, K_PART)) : 0;
}

static void carve(G4TextEncoder *e, G4Scratch *s)
{
    const G4TextConfig *c = &e->model->config;
    const G4Kernels *k = &e->model->kernels;
    guint heads = 0, kv = 0, d = 0;

    e->q_bytes = 0;
    for (guint l = 0; l < c->layers; l++) {
        d = MAX(d, c->layer[l].head_dim);
        e->q_bytes =
            MAX(e->q_bytes, g4_queries_stride(k->scores, c->heads, c->layer[l].head_dim));
        heads = MAX(heads, c->heads * c->layer[l].head_dim);
        kv = MAX(kv, c->layer[l].kv_heads * c->layer[l].head_dim);
    }
    const guint widest = MAX(MAX(c->hidden, heads), MAX(c->ffn, c->ple));
    e->d_stride = g4_row_stride(c->hidden);
    e->heads_stride = g4_row_stride(heads);
    e->kv_stride = g4_row_stride(kv);
    e->ffn_stride = g4_row_stride(c->ffn);
    e->ple_stride = g4_row_stride(c->ple);
    e->out_stride = g4_row_stride(MAX(c->hidden, c->out));

    e->x = g4_scratch_take(s, e->capacity * e->d_stride, sizeof(float));
    e->x0 = g4_scratch_take(s, e->capacity * e->d_stride, sizeof(float));
    e->q = g4_scratch_take(s, e->capacity, e->q_bytes);
    carve_key_values(e, s);
    for (guint full = 0; full < 2; full++) {
        const gsize n = (gsize)e->capacity * (e->key_values[full].head_dim / 2);
        e->cosine[full] = g4_scratch_take(s, n, sizeof(float));
        e->sine[full] = g4_scratch_take(s, n, sizeof(float));
    }
    e->a = g4_scratch_take(s, CHUNK * e->d_stride, sizeof(float));
    e->out = g4_scratch_take(s, CHUNK * e->out_stride, sizeof(float));
    e->k = g4_scratch_take(s, CHUNK * e->kv_stride, sizeof(float));
    e->v = g4_scratch_take(s, CHUNK * e->kv_stride, sizeof(float));
    e->o = g4_scratch_take(s, CHUNK * e->heads_stride, sizeof(float));
    e->gate = g4_scratch_take(s, CHUNK * e->ffn_stride, sizeof(float));
    e->up = g4_scratch_take(s, CHUNK * e->ffn_stride, sizeof(float));
    e->ple_in = g4_scratch_take(s, CHUNK * e->ple_stride, sizeof(float));
    e->ple = g4_scratch_take(s, CHUNK * e->ple_stride, sizeof(float));
    for (guint i = 0; i < N_ROOMS; i++)
        e->room[i] = g4_scratch_take(s, 1,
                                     MAX(room_bytes(k->linear, i == ROOM_A ? widest : c->hidden),
                                         room_bytes(k->embedding, c->hidden)));
    for (guint i = 0; i < e->threads; i++)
        g4_attention_carve(&e->attention[i], k->values, d, s);
}

/* Memory for the tokens of e->ids; what was made for a longer input stays. */
static gboolean make_room(G4TextEncoder *e, GError **error)
{
    const G4TextConfig *c = &e->model->config;
    G4Scratch count = {0};
    guint capacity = FEWEST_TOKENS;

    while (capacity < e->ids->len)
        capacity *= 2;
    if (capacity <= e->capacity)
        return TRUE;
    g4_scratch_clear(&e->memory);
    g_free(e->soft);
    e->soft = g_new0(const float *, capacity);
    e->capacity = capacity;
    carve(e, &count);
    if (!g4_scratch_init(&e->memory, count.used, "activations of the text encoder", error)) {
        e->capacity = 0;
        return FALSE;
    }
    carve(e, &e->memory);
    /* Angle position * theta^(-2j / d), j < d / 2: a table for heads of 2 d. */
    for (guint full = 0; full < 2; full++)
        g4_rope_table(e->cosine[full], e->sine[full], capacity, 2 * e->key_values[full].head_dim,
                      full ? c->theta_full : c->theta_sliding);
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * The public functions
 */

/* Floating-point operations of the input in the matrices. */
static double work(const G4TextEncoder *e)
{
    const G4TextConfig *c = &e->model->config;
    double products = 0.0;

    for (guint l = 0; l < c->layers; l++)
        products += c->hidden * (2.0 * c->heads * c->layer[l].head_dim +
                                 2.0 * c->layer[l].kv_heads * c->layer[l].head_dim + 3.0 * c->ffn +
                                 3.0 * c->ple);
    return 2.0 * products * e->n;
}

/* Runs the network on the input, in the crew's turn. FALSE when it was cancelled. */
static gboolean encode(G4TextEncoder *e, gboolean normalize, float *out)
{
    const G4Gemm *values = e->model->kernels.values;
    const G4Turn turn = {.unit = 1, .work = work(e)};

    if (g4_crew_acquire(e->crew, &turn) == 0)
        return FALSE;
    /* Wherever any product is the host's library's, those of attention are. */
    if (values->enter)
        values->enter();
    g4_crew_run(e->crew, encode_task, e);
    if (!e->stop)
        pool(e, normalize, out);
    if (values->leave)
        values->leave();
    g4_crew_release(e->crew);
    return !e->stop;
}

gboolean g4_text_encoder_embed(G4TextEncoder *e, const char *prompt, const G4Part *parts,
                               guint n_parts, gboolean normalize, float *out, GError **error)
{
    const G4TextConfig *c = &e->model->config;

    if (!tokenize(e, prompt, parts, n_parts, error) || !make_room(e, error))
        return FALSE;
    e->n = e->ids->len;
    memset(e->soft, 0, e->n * sizeof *e->soft);
    if (!place(e, G4_PART_IMAGE, c->image, G4_TOKEN_IMAGE, parts, n_parts, error) ||
        !place(e, G4_PART_FRAME, c->video, G4_TOKEN_VIDEO, parts, n_parts, error))
        return FALSE;
    e->key_values[0].n = e->key_values[1].n = e->n;
    if (!encode(e, normalize, out)) {
        g_set_error_literal(error, G4_ERROR, G4_ERROR_CANCELLED, "cancelled");
        return FALSE;
    }
    return TRUE;
}

void g4_text_encoder_set_cancelled(G4TextEncoder *e, gboolean cancelled)
{
    g4_crew_cancel(e->crew, cancelled);
}

G4TextEncoder *g4_text_encoder_new(G4TextModel *model, const G4TextEncoderOptions *options,
                                   GError **error)
{
    const G4TextEncoderOptions o = options ? *options : (G4TextEncoderOptions){0};
    const guint threads = o.threads ? o.threads : g4_default_threads();

    if (o.dimensions > model->config.out) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "dimensions %u: the model's vectors have %u", o.dimensions, model->config.out);
        return NULL;
    }
    G4Crew *crew = g4_crew_new(threads, o.background, error);
    if (!crew)
        return NULL;
    G4TextEncoder *e = g_new0(G4TextEncoder, 1);
    e->model = g4_text_model_ref(model);
    e->crew = crew;
    e->threads = threads;
    e->dimensions = o.dimensions ? o.dimensions : model->config.out;
    e->text = g_string_new(NULL);
    e->ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    e->attention = g_new0(G4AttentionScratch, threads);
    return e;
}

void g4_text_encoder_free(G4TextEncoder *e)
{
    if (!e)
        return;
    g4_scratch_clear(&e->memory);
    g4_crew_free(e->crew);
    g4_text_model_unref(e->model);
    g_string_free(e->text, TRUE);
    g_array_unref(e->ids);
    g_free(e->soft);
    g_free(e->attention);
    g_free(e);
}

guint g4_text_encoder_get_cols(const G4TextEncoder *e)
{
    return e->dimensions;
}

void g4_text_encoder_set_probe(G4TextEncoder *e, G4Probe callback, void *user)
{
    e->probe = callback;
    e->probe_user = user;
}

const guint32 *g4_text_encoder_get_ids(const G4TextEncoder *e, guint *n)
{
    *n = e->ids->len;
    return (const guint32 *)e->ids->data;
}

guint64 g4_text_encoder_get_bytes(const G4TextEncoder *e)
{
    return e->memory.size;
}
