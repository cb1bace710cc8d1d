/* SPDX-License-Identifier: Apache-2.0
 *
 * The vision encoder, as the specification's section 3 writes it.
 *
 * The N patches are split over the workers once. A worker takes its rows through the network in
 * row blocks: all that a block needs between two uses of the keys and values of the whole frame
 * happens on rows that stay in its cache. So there is one barrier a layer: attention in layer l may
 * start when everybody's keys of layer l are packed. Keys and values are kept twice, by the parity
 * of the layer, so that nobody packs over what another still reads.
 *
 * What a frame needs on its way is in a block of memory that the encoder has for its turn alone
 * (arena.h); the number of workers is that of the turn (workers.h) and does not change the result:
 * where a product's sums depend on how many rows it is given, the rows are dealt out in as many
 * parts as the encoder has threads, whoever computes them.
 */
#include "encoder.h"
#include "arena.h"
#include "attention.h"
#include "bf16.h"
#include "model.h"
#include "preprocess.h"
#include "resize.h"
#include "rope.h"
#include "workers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOG2_E 1.4426950408889634f
#define DEFAULT_SQUARE 768 /* KerasHub's documented image_size */
/* Rows are split in multiples of this: the tile heights of all kernels divide it. */
#define ROW_UNIT 12
/* Columns of gate and up that are computed before down takes them. With a product that wants all
 * rows at once more, since each call packs its weights anew. */
#define FFN_COLUMNS 256
#define FFN_COLUMNS_TALL 1024
/* More patches to a picture than any memory has room for; rows are counted in 32 bits. */
#define MOST_PATCHES (1u << 24)
/* Soft tokens that are projected at a time. */
#define TOKEN_BLOCK 96

/* A worker's own memory; every buffer holds a row block. */
typedef struct Lane {
    float *a;                   /* what a product reads: [rows, max(D, 3 P^2)] */
    void *loaded, *loaded_too;  /* the same in the form of a product that does not read floats, or
                                   clipped: [rows, max(D, H d, 3 P^2, F columns)] */
    float *k, *v;               /* [rows, G d] */
    float *o;                   /* [rows, H d] */
    float *gate, *up, *product; /* [rows, F columns]; gate and up [rows, F] for a probe */
    void *loaded_down;          /* [rows, F columns], product as down reads it */
    float *out;                 /* [rows, max(D, output_dim)] */
    G4AttentionScratch attention;
    double seconds[G4_N_STAGES];
    double lap;
} Lane;

struct G4Encoder {
    G4Model *model;
    G4Crew *crew;
    guint threads;
    gboolean square;
    guint image_size, max_soft_tokens;

    guint width, height; /* of the source; 0: not prepared */
    guint target_width, target_height;
    guint grid_width, grid_height;
    guint n;        /* N */
    guint n_tokens; /* T */
    G4Resizer *resizer;

    G4Scratch own;        /* holds what stays from frame to frame */
    guint8 *pixels;       /* [target_height, target_width, 3] */
    float *cosine, *sine; /* [max(grid_width, grid_height), d / 4] */

    gsize block_bytes; /* reserved in the arena for what follows; 0: nothing */
    guint64 layout;    /* of it */
    float *x;          /* [N, D], the residual stream */
    void *q;           /* [N, H d], rotated, times log2(e), as the attention product reads it */
    G4KeyValues key_values[2];
    guint row_block, ffn_columns;
    gsize x_stride, heads_stride, a_stride, kv_stride, gate_stride, product_stride, out_stride;
    gsize loaded_stride;                   /* of clipped floats */
    gsize q_bytes;                         /* from one row of q to the next */
    gsize loaded_bytes, loaded_down_bytes; /* room for a loaded row */
    Lane *lanes;                           /* [threads], of which a turn uses `workers` */
    guint workers;                         /* of the last turn */
    G4Turn turn;                           /* what a frame is for the others */
    gboolean stop[2];                      /* by the parity of the barrier: cancelled before it */

    float patch_values[256]; /* 2 (v / 255 - 0.5) */
    float *tokens;           /* the caller's, while encoding */
    G4Probe probe;
    void *probe_user;
};

/* A row block of a worker on its way through the network. */
typedef struct Block {
    G4Encoder *e;
    Lane *lane;
    guint first, rows;
} Block;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Books the time since the last call under `stage`. */
static void lap(Lane *lane, G4Stage stage)
{
    const double t = now();

    lane->seconds[stage] += t - lane->lap;
    lane->lap = t;
}

static void probe(const Block *b, const char *stage, const float *rows, guint width, gsize stride)
{
    if (b->e->probe)
        b->e->probe(b->e->probe_user, stage, b->first, b->rows, width, rows, stride);
}

static void probe_layer(const Block *b, guint layer, const char *what, const float *rows,
                        guint width, gsize stride)
{
    char stage[96];

    if (!b->e->probe)
        return;
    snprintf(stage, sizeof stage, "layer%u.%s", layer, what);
    probe(b, stage, rows, width, stride);
}

/* ------------------------------------------------------------------------------------------
 * The pieces of a layer, on one row block
 */
static void rms_norm(const Block *b, float *dst, gsize dst_stride, const float *src,
                     gsize src_stride, const float *weight)
{
    const G4Model *m = b->e->model;

    for (guint i = 0; i < b->rows; i++)
        m->kernels.rms_norm(dst + i * dst_stride, src + i * src_stride, weight, m->config.hidden,
                            m->config.eps);
}

static void add_rms_norm(const Block *b, float *x, const float *y, gsize y_stride,
                         const float *weight)
{
    const G4Model *m = b->e->model;

    for (guint i = 0; i < b->rows; i++)
        m->kernels.add_rms_norm(x + i * b->e->x_stride, y + i * y_stride, weight, m->config.hidden,
                                m->config.eps);
}

static void clamp_rows(const Block *b, float *dst, gsize dst_stride, const float *src,
                       gsize src_stride, guint width, float lo, float hi)
{
    for (guint i = 0; i < b->rows; i++)
        b->e->model->kernels.clamp(dst + i * dst_stride, src + i * src_stride, width, lo, hi);
}

static gboolean bounded(float lo, float hi)
{
    return isfinite(lo) || isfinite(hi);
}

/* Rows as a product reads them. */
typedef struct Loaded {
    const void *rows;
    gsize stride; /* bytes */
} Loaded;

/* clamp(in), `width` columns of it, as w's product reads it: in `room` where that is another form.
 */
static Loaded load(const Block *b, const G4Linear *w, const float *in, gsize in_stride, guint width,
                   void *room)
{
    if (w->gemm->load) {
        const gsize stride = w->gemm->loaded_stride(width);
        w->gemm->load(room, stride, in, in_stride, b->rows, width, w->in_min, w->in_max,
                      w->in_scale);
        return (Loaded){room, stride};
    }
    if (!bounded(w->in_min, w->in_max))
        return (Loaded){in, in_stride * sizeof(float)};
    clamp_rows(b, room, b->e->loaded_stride, in, in_stride, width, w->in_min, w->in_max);
    return (Loaded){room, b->e->loaded_stride * sizeof(float)};
}

/* out (+)= W[n0 .. n0 + n - 1, k0 .. k0 + k - 1] in */
static void product(const Block *b, const G4Linear *w, Loaded in, guint n0, guint n, guint k0,
                    guint k, float *out, gsize out_stride, gboolean accumulate)
{
    w->gemm->run(in.rows, in.stride, b->rows, w->packed, w->out, w->in, n0, n, k0, k, out,
                 out_stride, accumulate);
}

static void clip_output(const Block *b, const G4Linear *w, float *out, gsize stride, guint width)
{
    if (bounded(w->out_min, w->out_max))
        clamp_rows(b, out, stride, out, stride, width, w->out_min, w->out_max);
}

/* out = clamp(W clamp(in)) */
static void linear(const Block *b, const G4Linear *w, const float *in, gsize in_stride, float *out,
                   gsize out_stride)
{
    const Loaded loaded = load(b, w, in, in_stride, w->in, b->lane->loaded);

    product(b, w, loaded, 0, w->out, 0, w->in, out, out_stride, FALSE);
    clip_output(b, w, out, out_stride, w->out);
}

/* RMSNorm of each head; weight NULL for the values, which have none. */
static void head_norm(const Block *b, float *x, gsize stride, guint heads, const float *weight)
{
    const G4Model *m = b->e->model;
    const guint d = m->config.head_dim;

    for (guint i = 0; i < b->rows; i++)
        for (guint h = 0; h < heads; h++) {
            float *head = x + i * stride + h * d;
            m->kernels.rms_norm(head, head, weight, d, m->config.eps);
        }
}

static void rotate(const Block *b, float *x, gsize stride, guint heads)
{
    const G4Encoder *e = b->e;
    const guint half = e->model->config.head_dim / 2, pairs = half / 2;

    for (guint i = 0; i < b->rows; i++) {
        const gsize column = (b->first + i) % e->grid_width, row = (b->first + i) / e->grid_width;
        e->model->kernels.rope(x + i * stride, heads, half, e->cosine + column * pairs,
                               e->sine + column * pairs, e->cosine + row * pairs,
                               e->sine + row * pairs);
    }
}

static float *x_rows(const Block *b)
{
    return b->e->x + b->first * b->e->x_stride;
}

/* ------------------------------------------------------------------------------------------
 * The network, top to bottom
 */

/* x0 = W_in (2 (pixels - 0.5)) + Tx[x] + Ty[y] */
static void embed(const Block *b)
{
    const G4Encoder *e = b->e;
    const G4Model *m = e->model;
    const guint D = m->config.hidden, P = m->config.patch, width = 3 * P * P;
    const gsize y_table = (gsize)m->config.table * D;

    if (e->probe) {
        float values[256];
        for (guint v = 0; v < 256; v++)
            values[v] = (float)v / 255.0f;
        g4_patchify(e->pixels, e->target_width, P, b->first, b->rows, values, b->lane->a,
                    e->a_stride);
        probe(b, "patches", b->lane->a, width, e->a_stride);
    }
    g4_patchify(e->pixels, e->target_width, P, b->first, b->rows, e->patch_values, b->lane->a,
                e->a_stride);
    linear(b, &m->patch_embedding, b->lane->a, e->a_stride, x_rows(b), e->x_stride);
    for (guint i = 0; i < b->rows; i++) {
        float *x = x_rows(b) + i * e->x_stride;
        const gsize column = (gsize)((b->first + i) % e->grid_width) * D;
        const gsize row = y_table + (gsize)((b->first + i) / e->grid_width) * D;
        if (m->table_f32)
            for (guint j = 0; j < D; j++)
                x[j] += m->table_f32[column + j] + m->table_f32[row + j];
        else
            for (guint j = 0; j < D; j++)
                x[j] += f32_from_bf16(m->table_bf16[column + j]) +
                        f32_from_bf16(m->table_bf16[row + j]);
    }
    probe(b, "hidden.embed", x_rows(b), D, e->x_stride);
    lap(b->lane, G4_STAGE_EMBED);
}

/* a = RMSNorm(x); q, k, v = linears of a, normalised per head, q and k rotated */
static void queries_keys_values(const Block *b, guint l)
{
    G4Encoder *e = b->e;
    const G4Config *c = &e->model->config;
    const G4Layer *w = &e->model->layers[l];
    const guint D = c->hidden, H = c->heads, G = c->kv_heads, d = c->head_dim;
    const G4Gemm *scores = e->model->kernels.scores;
    void *q_rows = (guint8 *)e->q + b->first * e->q_bytes;
    /* Where attention reads floats, the queries are made where they stay. */
    float *q = scores->load ? b->lane->o : q_rows;
    float *a = b->lane->a, *k = b->lane->k, *v = b->lane->v;

    rms_norm(b, a, e->a_stride, x_rows(b), e->x_stride, w->input_layernorm);
    probe_layer(b, l, "input_layernorm", a, D, e->a_stride);

    linear(b, &w->q, a, e->a_stride, q, e->heads_stride);
    probe_layer(b, l, "self_attn.q_proj", q, H * d, e->heads_stride);
    head_norm(b, q, e->heads_stride, H, w->q_norm);
    probe_layer(b, l, "self_attn.q_norm", q, H * d, e->heads_stride);
    rotate(b, q, e->heads_stride, H);
    probe_layer(b, l, "self_attn.q_rope", q, H * d, e->heads_stride);
    /* The logits' scale is 1.0, not 1/sqrt(d); log2(e) makes the softmax one of base 2. */
    for (guint i = 0; i < b->rows; i++)
        e->model->kernels.scale(q + i * e->heads_stride, H * d, LOG2_E);
    if (scores->load)
        g4_queries_load(scores, q_rows, e->q_bytes, q, e->heads_stride, b->rows, H, d);

    linear(b, &w->k, a, e->a_stride, k, e->kv_stride);
    probe_layer(b, l, "self_attn.k_proj", k, G * d, e->kv_stride);
    head_norm(b, k, e->kv_stride, G, w->k_norm);
    probe_layer(b, l, "self_attn.k_norm", k, G * d, e->kv_stride);
    rotate(b, k, e->kv_stride, G);
    probe_layer(b, l, "self_attn.k_rope", k, G * d, e->kv_stride);

    linear(b, &w->v, a, e->a_stride, v, e->kv_stride);
    probe_layer(b, l, "self_attn.v_proj", v, G * d, e->kv_stride);
    head_norm(b, v, e->kv_stride, G, NULL);
    probe_layer(b, l, "self_attn.v_norm", v, G * d, e->kv_stride);

    g4_key_values_pack(&e->key_values[l % 2], b->first, b->rows, k, v, e->kv_stride);
    lap(b->lane, G4_STAGE_QKV);
}

/* x = x + RMSNorm(Linear_o(softmax(q k^T) v)) */
static void attention_block(const Block *b, guint l)
{
    G4Encoder *e = b->e;
    const G4Config *c = &e->model->config;
    const G4Layer *w = &e->model->layers[l];
    float *o = b->lane->o, *out = b->lane->out;

    g4_attention(&e->key_values[l % 2], &b->lane->attention,
                 (const guint8 *)e->q + b->first * e->q_bytes, e->q_bytes, b->rows, c->heads, o,
                 e->heads_stride);
    lap(b->lane, G4_STAGE_ATTENTION);

    linear(b, &w->o, o, e->heads_stride, out, e->out_stride);
    probe_layer(b, l, "self_attn.o_proj", out, c->hidden, e->out_stride);
    if (e->probe) {
        rms_norm(b, b->lane->a, e->a_stride, out, e->out_stride, w->post_attention_layernorm);
        probe_layer(b, l, "post_attention_layernorm", b->lane->a, c->hidden, e->a_stride);
    }
    add_rms_norm(b, x_rows(b), out, e->out_stride, w->post_attention_layernorm);
    lap(b->lane, G4_STAGE_O);
}

/* m = RMSNorm(x); x = x + RMSNorm(Linear_down(gelu_tanh(Linear_gate(m)) * Linear_up(m)))
 * by columns of F, so that gate, up and their product stay in the cache. */
static void feed_forward_block(const Block *b, guint l)
{
    G4Encoder *e = b->e;
    const G4Kernels *kernels = &e->model->kernels;
    const guint D = e->model->config.hidden, F = e->model->config.ffn;
    const G4Layer *w = &e->model->layers[l];
    float *m = b->lane->a, *out = b->lane->out, *both = b->lane->product;

    rms_norm(b, m, e->a_stride, x_rows(b), e->x_stride, w->pre_feedforward_layernorm);
    probe_layer(b, l, "pre_feedforward_layernorm", m, D, e->a_stride);
    const Loaded gate_in = load(b, &w->gate, m, e->a_stride, D, b->lane->loaded);
    const Loaded up_in = load(b, &w->up, m, e->a_stride, D, b->lane->loaded_too);
    for (guint f = 0; f < F; f += e->ffn_columns) {
        const guint n = MIN(F - f, e->ffn_columns);
        float *gate = b->lane->gate + (e->probe ? f : 0), *up = b->lane->up + (e->probe ? f : 0);

        product(b, &w->gate, gate_in, f, n, 0, D, gate, e->gate_stride, FALSE);
        clip_output(b, &w->gate, gate, e->gate_stride, n);
        product(b, &w->up, up_in, f, n, 0, D, up, e->gate_stride, FALSE);
        clip_output(b, &w->up, up, e->gate_stride, n);
        for (guint i = 0; i < b->rows; i++)
            kernels->geglu(both + i * e->product_stride, gate + i * e->gate_stride,
                           up + i * e->gate_stride, n);
        lap(b->lane, G4_STAGE_GATE_UP);

        const Loaded both_in = load(b, &w->down, both, e->product_stride, n, b->lane->loaded_down);
        product(b, &w->down, both_in, 0, D, f, n, out, e->out_stride, f > 0);
        lap(b->lane, G4_STAGE_DOWN);
    }
    probe_layer(b, l, "mlp.gate_proj", b->lane->gate, F, e->gate_stride);
    probe_layer(b, l, "mlp.up_proj", b->lane->up, F, e->gate_stride);
    clip_output(b, &w->down, out, e->out_stride, D);
    probe_layer(b, l, "mlp.down_proj", out, D, e->out_stride);
    if (e->probe) {
        rms_norm(b, m, e->a_stride, out, e->out_stride, w->post_feedforward_layernorm);
        probe_layer(b, l, "post_feedforward_layernorm", m, D, e->a_stride);
    }
    add_rms_norm(b, x_rows(b), out, e->out_stride, w->post_feedforward_layernorm);
    if (e->probe) {
        char stage[32];
        snprintf(stage, sizeof stage, "hidden.%u", l);
        probe(b, stage, x_rows(b), D, e->x_stride);
    }
    lap(b->lane, G4_STAGE_DOWN);
}

/* Mean over each k x k block of the patch grid, times sqrt(D). b counts soft tokens. */
static void pool(const Block *b, float *dst, gsize stride)
{
    const G4Encoder *e = b->e;
    const guint D = e->model->config.hidden, k = e->model->config.pool;
    const guint across = e->grid_width / k;
    const float factor = sqrtf((float)D) / (float)(k * k);

    for (guint t = 0; t < b->rows; t++, dst += stride) {
        const guint row = (b->first + t) / across * k, column = (b->first + t) % across * k;
        memset(dst, 0, D * sizeof *dst);
        for (guint i = 0; i < k * k; i++) {
            const float *x =
                e->x + ((gsize)(row + i / k) * e->grid_width + column + i % k) * e->x_stride;
            for (guint j = 0; j < D; j++)
                dst[j] += x[j];
        }
        for (guint j = 0; j < D; j++)
            dst[j] *= factor;
    }
}

/* features = pool(x), standardized; tokens = Linear(RMSNorm(features)). b counts soft tokens. */
static void pool_and_project(const Block *b)
{
    const G4Encoder *e = b->e;
    const G4Model *m = e->model;
    const guint D = m->config.hidden, cols = g4_model_get_cols(m);
    float *a = b->lane->a, *out = b->lane->out;

    pool(b, a, e->a_stride);
    probe(b, "pooled", a, D, e->a_stride);
    if (m->std_bias)
        for (guint i = 0; i < b->rows; i++)
            for (guint j = 0; j < D; j++)
                a[i * e->a_stride + j] =
                    (a[i * e->a_stride + j] - m->std_bias[j]) * m->std_scale[j];
    probe(b, "features", a, D, e->a_stride);
    lap(b->lane, G4_STAGE_POOL);

    gsize stride = e->a_stride;
    const float *rows = a;
    if (m->projection.packed) {
        rms_norm(b, a, e->a_stride, a, e->a_stride, NULL);
        linear(b, &m->projection, a, e->a_stride, out, e->out_stride);
        rows = out;
        stride = e->out_stride;
        probe(b, "projected", out, cols, e->out_stride);
    }
    for (guint i = 0; i < b->rows; i++)
        memcpy(e->tokens + (gsize)(b->first + i) * cols, rows + i * stride, cols * sizeof *rows);
    lap(b->lane, G4_STAGE_PROJECT);
}

/* The next of the row blocks, of about equal size, of rows first .. last - 1. */
static Block next_block(G4Encoder *e, Lane *lane, guint first, guint last, guint at)
{
    const guint blocks = (last - first + e->row_block - 1) / e->row_block;
    guint rows = 0;

    if (at < last) {
        rows = ((last - first + blocks - 1) / blocks + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT;
        rows = MIN(rows, MIN(e->row_block, last - at));
    }
    return (Block){.e = e, .lane = lane, .first = at, .rows = rows};
}

/* Into how many parts the rows are split. */
static guint n_parts(const G4Encoder *e, guint n_workers)
{
    return e->model->kernels.linear->row_block ? n_workers : e->threads;
}

/* Takes the worker's rows through step, block by block. */
static void for_each_block(G4Encoder *e, guint worker, guint n_workers,
                           void (*step)(const Block *b, guint layer), guint layer)
{
    const guint parts = n_parts(e, n_workers);

    for (guint part = worker; part < parts; part += n_workers) {
        guint first, last;
        g4_workers_split(e->n, ROW_UNIT, part, parts, &first, &last);
        for (Block b = next_block(e, &e->lanes[worker], first, last, first); b.rows > 0;
             b = next_block(e, &e->lanes[worker], first, last, b.first + b.rows))
            step(&b, layer);
    }
}

static void first_step(const Block *b, guint layer)
{
    embed(b);
    queries_keys_values(b, layer);
}

static void layer_step(const Block *b, guint layer)
{
    attention_block(b, layer);
    feed_forward_block(b, layer);
    if (layer + 1 < b->e->model->config.layers)
        queries_keys_values(b, layer + 1);
}

/* FALSE when the frame was cancelled: for all workers alike, by what worker 0 saw before. The flag
 * of this barrier is not written again before everybody has come to the next one. */
static gboolean wait_for_others(G4Encoder *e, guint worker, guint barrier)
{
    Lane *lane = &e->lanes[worker];
    gboolean *stop = &e->stop[barrier % 2];

    if (worker == 0)
        *stop = g4_crew_is_cancelled(e->crew);
    g4_crew_barrier(e->crew);
    lap(lane, G4_STAGE_WAIT);
    return !*stop;
}

static void encode_task(void *data, guint worker, guint n_workers)
{
    G4Encoder *e = data;
    Lane *lane = &e->lanes[worker];
    const guint layers = e->model->config.layers, parts = n_parts(e, n_workers);

    memset(lane->seconds, 0, sizeof lane->seconds);
    lane->lap = now();

    for_each_block(e, worker, n_workers, first_step, 0);
    if (!wait_for_others(e, worker, 0))
        return;
    for (guint l = 0; l < layers; l++) {
        for_each_block(e, worker, n_workers, layer_step, l);
        if (!wait_for_others(e, worker, l + 1))
            return;
    }
    for (guint part = worker; part < parts; part += n_workers) {
        guint first, last;
        g4_workers_split(e->n_tokens, 1, part, parts, &first, &last);
        for (guint t = first; t < last; t += TOKEN_BLOCK) {
            const Block b = {e, lane, t, MIN(last - t, TOKEN_BLOCK)};
            pool_and_project(&b);
        }
    }
}

static void carve(G4Encoder *e, guint workers, G4Scratch *s);

gboolean g4_encoder_encode(G4Encoder *e, float *tokens)
{
    const G4Gemm *values = e->model->kernels.values;

    g_assert(e->width > 0);
    const guint workers = g4_crew_acquire(e->crew, &e->turn);
    if (workers == 0)
        return FALSE;
    G4Block *block = g4_arena_take(e->block_bytes, e->layout);
    carve(e, workers, &block->scratch);
    e->workers = workers;
    e->tokens = tokens;
    e->stop[0] = e->stop[1] = FALSE;
    /* Wherever any product is the host's library's, those of attention are. */
    if (values->enter)
        values->enter();
    g4_crew_run(e->crew, encode_task, e);
    if (values->leave)
        values->leave();
    e->tokens = NULL;
    g4_arena_give(block);
    g4_crew_release(e->crew);
    return !e->stop[0] && !e->stop[1];
}

void g4_encoder_set_cancelled(G4Encoder *e, gboolean cancelled)
{
    g4_crew_cancel(e->crew, cancelled);
}

void g4_encoder_load(G4Encoder *e, const G4Frame *frame)
{
    g_assert(frame->width == e->width && frame->height == e->height);
    g4_crew_borrow(e->crew);
    g4_resizer_run(e->resizer, e->crew, frame, e->pixels);
    g4_crew_release(e->crew);
}

/* ------------------------------------------------------------------------------------------
 * Making ready
 */
G4Encoder *g4_encoder_new(G4Model *model, const G4EncoderOptions *options, GError **error)
{
    const G4EncoderOptions o = options ? *options : (G4EncoderOptions){0};
    const G4Config *c = &model->config;
    const guint side = c->patch * c->pool;
    const guint budget = c->video_soft_tokens ? c->video_soft_tokens : c->image_soft_tokens;
    G4Resize resize = o.resize;

    if (resize == G4_RESIZE_AUTO)
        resize = budget ? G4_RESIZE_ASPECT : G4_RESIZE_SQUARE;
    const gboolean square = resize == G4_RESIZE_SQUARE;
    const guint image_size = o.image_size     ? o.image_size
                             : c->square_size ? c->square_size
                                              : DEFAULT_SQUARE;
    const guint max_soft_tokens = o.max_soft_tokens ? o.max_soft_tokens : budget;
    if (square && (image_size % side != 0 || image_size > 1u << 20)) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "image size %u: expected a multiple of %u (patch_size x pooling_kernel_size)",
                    image_size, side);
        return NULL;
    }
    if (square && image_size / c->patch > c->table) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "image size %u: %u patches to a side, the position table has %u", image_size,
                    image_size / c->patch, c->table);
        return NULL;
    }
    if (square && (guint64)(image_size / c->patch) * (image_size / c->patch) > MOST_PATCHES) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "image size %u: %ux%u patches, expected at most %u", image_size,
                    image_size / c->patch, image_size / c->patch, MOST_PATCHES);
        return NULL;
    }
    if (!square && max_soft_tokens == 0) {
        g_set_error_literal(error, G4_ERROR, G4_ERROR_SETTINGS,
                            "resize aspect: the processor file has no max_soft_tokens, set one");
        return NULL;
    }
    const guint threads = o.threads ? o.threads : g4_default_threads();
    G4Crew *crew = g4_crew_new(threads, o.background, error);
    if (!crew)
        return NULL;

    G4Encoder *e = g_new0(G4Encoder, 1);
    e->model = g4_model_ref(model);
    e->crew = crew;
    e->threads = threads;
    e->square = square;
    e->image_size = image_size;
    e->max_soft_tokens = max_soft_tokens;
    e->lanes = g_new0(Lane, threads);
    for (guint v = 0; v < 256; v++)
        e->patch_values[v] = 2.0f * ((float)v / 255.0f - 0.5f);
    return e;
}

static void unprepare(G4Encoder *e)
{
    e->width = e->height = 0;
    g_clear_pointer(&e->resizer, g4_resizer_free);
    g4_scratch_clear(&e->own);
    if (e->block_bytes > 0)
        g4_arena_unreserve(e->block_bytes);
    e->block_bytes = 0;
}

void g4_encoder_free(G4Encoder *e)
{
    if (!e)
        return;
    unprepare(e);
    g4_crew_free(e->crew);
    g4_model_unref(e->model);
    g_free(e->lanes);
    g_free(e);
}

void g4_encoder_set_probe(G4Encoder *e, G4Probe callback, void *user)
{
    unprepare(e);
    e->probe = callback;
    e->probe_user = user;
}

static void carve_lane(const G4Encoder *e, Lane *lane, G4Scratch *s)
{
    const gsize rows = MAX(e->row_block, TOKEN_BLOCK);

    lane->a = g4_scratch_take(s, rows * e->a_stride, sizeof(float));
    lane->loaded = g4_scratch_take(s, rows, e->loaded_bytes);
    lane->loaded_too = g4_scratch_take(s, rows, e->loaded_bytes);
    lane->loaded_down = g4_scratch_take(s, rows, e->loaded_down_bytes);
    lane->k = g4_scratch_take(s, rows * e->kv_stride, sizeof(float));
    lane->v = g4_scratch_take(s, rows * e->kv_stride, sizeof(float));
    lane->o = g4_scratch_take(s, rows * e->heads_stride, sizeof(float));
    lane->gate = g4_scratch_take(s, rows * e->gate_stride, sizeof(float));
    lane->up = g4_scratch_take(s, rows * e->gate_stride, sizeof(float));
    lane->product = g4_scratch_take(s, rows * e->product_stride, sizeof(float));
    lane->out = g4_scratch_take(s, rows * e->out_stride, sizeof(float));
    g4_attention_carve(&lane->attention, e->model->kernels.values, e->model->config.head_dim, s);
}

/* Bytes of a row of `width` values as `gemm` reads it, or clipped. */
static gsize loaded_row(const G4Gemm *gemm, guint width)
{
    return gemm->load ? gemm->loaded_stride(width) : g4_row_stride(width) * sizeof(float);
}

static void choose_blocks(G4Encoder *e)
{
    const G4Model *m = e->model;
    const G4Kernels *k = &m->kernels;
    const G4Config *c = &m->config;
    const guint own = ((e->n + e->threads - 1) / e->threads + ROW_UNIT) / ROW_UNIT * ROW_UNIT;
    const guint heads = c->heads * c->head_dim, patch = 3 * c->patch * c->patch;
    const guint wish = k->linear->row_block;

    e->row_block = wish ? wish : own;
    e->ffn_columns = MIN(c->ffn, wish ? FFN_COLUMNS : FFN_COLUMNS_TALL);
    e->x_stride = g4_row_stride(c->hidden);
    e->heads_stride = g4_row_stride(heads);
    e->q_bytes = g4_queries_stride(k->scores, c->heads, c->head_dim);
    e->kv_stride = g4_row_stride(c->kv_heads * c->head_dim);
    e->a_stride = g4_row_stride(MAX(c->hidden, patch));
    e->loaded_stride = g4_row_stride(MAX(MAX(c->hidden, heads), MAX(patch, e->ffn_columns)));
    e->gate_stride = g4_row_stride(e->probe ? c->ffn : e->ffn_columns);
    e->product_stride = g4_row_stride(e->ffn_columns);
    e->out_stride = g4_row_stride(MAX(c->hidden, g4_model_get_cols(m)));
    e->loaded_bytes = MAX(MAX(loaded_row(k->linear, MAX(c->hidden, heads)),
                              loaded_row(k->embedding, MAX(c->hidden, patch))),
                          e->loaded_stride * sizeof(float));
    e->loaded_down_bytes =
        MAX(loaded_row(k->linear, e->ffn_columns), e->loaded_stride * sizeof(float));
}

static void carve_own(G4Encoder *e, G4Scratch *s)
{
    const guint positions = MAX(e->grid_width, e->grid_height);
    const guint pairs = e->model->config.head_dim / 4;

    e->pixels = g4_scratch_take(s, (gsize)e->target_width * e->target_height, 3);
    e->cosine = g4_scratch_take(s, (gsize)positions * pairs, sizeof(float));
    e->sine = g4_scratch_take(s, (gsize)positions * pairs, sizeof(float));
}

static void carve(G4Encoder *e, guint workers, G4Scratch *s)
{
    const G4Config *c = &e->model->config;

    e->x = g4_scratch_take(s, e->n * e->x_stride, sizeof(float));
    e->q = g4_scratch_take(s, e->n, e->q_bytes);
    for (int parity = 0; parity < 2; parity++) {
        e->key_values[parity] = (G4KeyValues){
            .kernels = &e->model->kernels,
            .n = e->n,
            .kv_heads = c->kv_heads,
            .head_dim = c->head_dim,
        };
        g4_key_values_carve(&e->key_values[parity], s);
    }
    for (guint i = 0; i < workers; i++)
        carve_lane(e, &e->lanes[i], s);
}

/* A number for all that decides where what lies in the block, and in which form. */
static guint64 layout_of(const G4Encoder *e)
{
    const G4Config *c = &e->model->config;
    const G4Kernels *k = &e->model->kernels;
    const guint64 facts[] = {
        e->n,
        e->row_block,
        e->x_stride,
        e->q_bytes,
        e->heads_stride,
        e->a_stride,
        e->kv_stride,
        e->gate_stride,
        e->loaded_bytes,
        e->product_stride,
        c->kv_heads,
        c->head_dim,
        e->out_stride,
        e->loaded_stride,
        e->loaded_down_bytes,
        c->hidden,
        (gsize)k->scores,
        (gsize)k->values,
        (gsize)k->linear,
        (gsize)k->embedding,
    };
    guint64 hash = G_GUINT64_CONSTANT(14695981039346656037); /* FNV-1a, by words */

    for (gsize i = 0; i < G_N_ELEMENTS(facts); i++)
        hash = (hash ^ facts[i]) * G_GUINT64_CONSTANT(1099511628211);
    return hash | 1;
}

static gboolean reserve_memory(G4Encoder *e, GError **error)
{
    G4Scratch own = {0}, block = {0};
    double flops[G4_N_STAGES];

    choose_blocks(e);
    carve_own(e, &own);
    if (!g4_scratch_init(&e->own, own.used, "activations", error))
        return FALSE;
    carve_own(e, &e->own);
    g4_rope_table(e->cosine, e->sine, MAX(e->grid_width, e->grid_height), e->model->config.head_dim,
                  e->model->config.rope_theta);

    carve(e, e->threads, &block);
    if (!g4_arena_reserve(block.used, error))
        return FALSE;
    e->block_bytes = block.used;
    e->layout = layout_of(e);

    e->turn = (G4Turn){.rows = e->n, .unit = ROW_UNIT};
    if (!e->model->kernels.linear->row_block)
        e->turn.unit = (e->n + e->threads - 1) / e->threads;
    g4_encoder_get_stage_flops(e, flops);
    for (int i = 0; i < G4_N_STAGES; i++)
        e->turn.work += flops[i];
    return TRUE;
}

static gboolean choose_size(G4Encoder *e, guint width, guint height, GError **error)
{
    const G4Config *c = &e->model->config;

    if (width == 0 || height == 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME, "picture of %ux%u pixels", width, height);
        return FALSE;
    }
    e->target_width = e->target_height = e->image_size;
    if (!e->square && !g4_target_size(width, height, c->patch, c->pool, e->max_soft_tokens,
                                      &e->target_width, &e->target_height, error))
        return FALSE;
    e->grid_width = e->target_width / c->patch;
    e->grid_height = e->target_height / c->patch;
    if (MAX(e->grid_width, e->grid_height) > c->table) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "picture of %ux%u pixels: %ux%u patches, the position table has %u", width,
                    height, e->grid_width, e->grid_height, c->table);
        return FALSE;
    }
    if ((guint64)e->grid_width * e->grid_height > MOST_PATCHES) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "picture of %ux%u pixels: %ux%u patches, expected at most %u", width, height,
                    e->grid_width, e->grid_height, MOST_PATCHES);
        return FALSE;
    }
    e->n = e->grid_width * e->grid_height;
    e->n_tokens = e->n / (c->pool * c->pool);
    return TRUE;
}

gboolean g4_encoder_prepare(G4Encoder *e, guint width, guint height, GError **error)
{
    if (e->width == width && e->height == height && width > 0)
        return TRUE;
    const guint old_target_width = e->target_width, old_target_height = e->target_height;
    const gboolean had_memory = e->block_bytes > 0;
    g_clear_pointer(&e->resizer, g4_resizer_free);
    e->width = e->height = 0;
    if (!choose_size(e, width, height, error)) {
        unprepare(e);
        return FALSE;
    }
    /* Sources of several sizes often have one target: then only the resampling changes. */
    if (!had_memory || e->target_width != old_target_width ||
        e->target_height != old_target_height) {
        unprepare(e);
        if (!reserve_memory(e, error))
            return FALSE;
    }
    e->resizer = g4_resizer_new(width, height, e->target_width, e->target_height,
                                e->model->kernels.cpu_flags, e->threads, error);
    if (!e->resizer)
        return FALSE;
    e->width = width;
    e->height = height;
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * Facts
 */
const guint8 *g4_encoder_get_pixels(const G4Encoder *e)
{
    return e->pixels;
}

void g4_encoder_get_target(const G4Encoder *e, guint *width, guint *height)
{
    *width = e->target_width;
    *height = e->target_height;
}

guint g4_encoder_get_rows(const G4Encoder *e)
{
    return e->n_tokens;
}

guint g4_encoder_get_cols(const G4Encoder *e)
{
    return g4_model_get_cols(e->model);
}

guint64 g4_encoder_get_bytes(const G4Encoder *e)
{
    return e->own.size + e->block_bytes + (e->resizer ? g4_resizer_get_bytes(e->resizer) : 0);
}

void g4_encoder_get_stage_seconds(const G4Encoder *e, double seconds[G4_N_STAGES])
{
    for (int s = 0; s < G4_N_STAGES; s++) {
        seconds[s] = 0.0;
        for (guint i = 0; i < e->workers; i++)
            seconds[s] += e->lanes[i].seconds[s] / e->workers;
    }
}

void g4_encoder_get_stage_flops(const G4Encoder *e, double flops[G4_N_STAGES])
{
    const G4Config *c = &e->model->config;
    const double N = e->n, D = c->hidden, F = c->ffn, L = c->layers;
    const double Hd = (double)c->heads * c->head_dim, Gd = (double)c->kv_heads * c->head_dim;

    memset(flops, 0, G4_N_STAGES * sizeof *flops);
    flops[G4_STAGE_EMBED] = 2 * N * D * 3 * c->patch * c->patch;
    flops[G4_STAGE_QKV] = L * 2 * N * D * (Hd + 2 * Gd);
    flops[G4_STAGE_ATTENTION] = L * 4 * N * N * Hd;
    flops[G4_STAGE_O] = L * 2 * N * D * Hd;
    flops[G4_STAGE_GATE_UP] = L * 4 * N * D * F;
    flops[G4_STAGE_DOWN] = L * 2 * N * D * F;
    if (e->model->projection.packed)
        flops[G4_STAGE_PROJECT] = 2.0 * e->n_tokens * D * e->model->projection.out;
}

void g4_tokens_mean(const float *tokens, guint rows, guint cols, gboolean normalize, float *out)
{
    double length = 0.0;

    for (guint j = 0; j < cols; j++) {
        double sum = 0.0;
        for (guint i = 0; i < rows; i++)
            sum += tokens[(gsize)i * cols + j];
        out[j] = (float)(sum / rows);
        length += (sum / rows) * (sum / rows);
    }
    if (!normalize)
        return;
    const double factor = 1.0 / MAX(sqrt(length), 1e-12);
    for (guint j = 0; j < cols; j++)
        out[j] = (float)(out[j] * factor);
}
