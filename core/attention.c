/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention by blocks of keys with an online softmax (Milakov and Gimelshein, 2018; Dao et al.,
 * 2022): each block's weighted values are added to sums that are rescaled when the maximum rises.
 */
#include "attention.h"

#include <math.h>

/* The logit of a key that is not seen: so far below all others that its weight is 0, and finite, so
 * that a row that sees nothing of its first block has no NaN in it: what that block adds is
 * multiplied by 0 when the first visible key comes. */
#define UNSEEN -1e30f

static guint n_blocks(const G4KeyValues *kv)
{
    return (kv->n + G4_KEY_BLOCK - 1) / G4_KEY_BLOCK;
}

void g4_key_values_carve(G4KeyValues *kv, G4Scratch *scratch)
{
    const G4Kernels *k = kv->kernels;

    kv->k_bytes = k->scores->packed_size(G4_KEY_BLOCK, kv->head_dim);
    kv->v_bytes = k->values->packed_size(kv->head_dim, G4_KEY_BLOCK);
    kv->k = g4_scratch_take(scratch, (gsize)kv->kv_heads * n_blocks(kv), kv->k_bytes);
    kv->v = g4_scratch_take(scratch, (gsize)kv->kv_heads * n_blocks(kv), kv->v_bytes);
}

void g4_key_values_pack(G4KeyValues *kv, guint first, guint count, const float *k, const float *v,
                        gsize stride)
{
    const G4Gemm *scores = kv->kernels->scores, *values = kv->kernels->values;
    const guint d = kv->head_dim;

    while (count > 0) {
        const guint block = first / G4_KEY_BLOCK, row = first % G4_KEY_BLOCK;
        const guint n = MIN(count, G4_KEY_BLOCK - row);
        for (guint g = 0; g < kv->kv_heads; g++) {
            const gsize at = (gsize)g * n_blocks(kv) + block;
            scores->pack(kv->k + at * kv->k_bytes, G4_KEY_BLOCK, d, row, n, k + g * d, stride);
            values->pack_t(kv->v + at * kv->v_bytes, d, G4_KEY_BLOCK, row, n, v + g * d, stride);
        }
        first += n;
        count -= n;
        k += n * stride;
        v += n * stride;
    }
}

static gsize head_bytes(const G4Gemm *scores, guint d)
{
    return scores->load ? scores->loaded_stride(d) : d * sizeof(float);
}

gsize g4_queries_stride(const G4Gemm *scores, guint heads, guint d)
{
    if (!scores->load)
        return g4_row_stride(heads * d) * sizeof(float);
    const gsize bytes = heads * head_bytes(scores, d);
    return bytes % 1024 == 0 ? bytes + 64 : bytes;
}

void g4_queries_load(const G4Gemm *scores, void *dst, gsize dst_stride, const float *q,
                     gsize q_stride, guint rows, guint heads, guint d)
{
    for (guint h = 0; h < heads; h++)
        scores->load((guint8 *)dst + h * head_bytes(scores, d), dst_stride, q + h * d, q_stride,
                     rows, d, -INFINITY, INFINITY, NULL);
}

void g4_attention_carve(G4AttentionScratch *a, const G4Gemm *values, guint head_dim,
                        G4Scratch *scratch)
{
    a->logits =
        g4_scratch_take(scratch, G4_QUERY_BLOCK * g4_row_stride(G4_KEY_BLOCK), sizeof(float));
    a->weights = NULL;
    if (values->load)
        a->weights = g4_scratch_take(scratch, G4_QUERY_BLOCK, values->loaded_stride(G4_KEY_BLOCK));
    a->sums = g4_scratch_take(scratch, G4_QUERY_BLOCK * g4_row_stride(head_dim), sizeof(float));
    a->max = g4_scratch_take(scratch, G4_QUERY_BLOCK, sizeof(float));
    a->total = g4_scratch_take(scratch, G4_QUERY_BLOCK, sizeof(float));
}

/* Rows of q that follow each other, and which keys they see. */
typedef struct Queries {
    const void *q;
    gsize stride; /* bytes */
    guint first, rows;
    guint radius;
} Queries;

/* The keys that any of the rows sees: begin .. end - 1. */
static void visible_keys(const G4KeyValues *kv, const Queries *q, guint *begin, guint *end)
{
    *begin = q->first - MIN(q->first, q->radius);
    *end = (guint)MIN((guint64)q->first + q->rows + q->radius, kv->n);
}

static void hide_keys(const Queries *q, guint first_key, guint keys, float *logits, gsize stride)
{
    for (guint i = 0; i < q->rows; i++, logits += stride) {
        const guint at = q->first + i;
        for (guint j = 0; j < keys; j++) {
            const guint key = first_key + j;
            if ((key > at ? key - at : at - key) > q->radius)
                logits[j] = UNSEEN;
        }
    }
}

/* o[rows, d] of one head and one query block. */
static void one_head(const G4KeyValues *kv, G4AttentionScratch *a, guint g, const Queries *q,
                     float *o, gsize o_stride)
{
    const G4Kernels *k = kv->kernels;
    const G4Gemm *scores = k->scores, *values = k->values;
    const guint d = kv->head_dim;
    const __typeof__(values->run) multiply_values = values->run_t ? values->run_t : values->run;
    const gsize logit_stride = g4_row_stride(G4_KEY_BLOCK), sum_stride = g4_row_stride(d);
    const guint rows = q->rows;
    const void *weights = a->logits;
    guint begin, end;
    gsize weight_stride = logit_stride * sizeof(float);

    if (values->load) {
        weights = a->weights;
        weight_stride = values->loaded_stride(G4_KEY_BLOCK);
    }
    for (guint i = 0; i < rows; i++) {
        a->max[i] = -INFINITY;
        a->total[i] = 0.0f;
    }
    visible_keys(kv, q, &begin, &end);
    for (guint block = begin / G4_KEY_BLOCK; block * G4_KEY_BLOCK < end; block++) {
        const gsize at = (gsize)g * n_blocks(kv) + block;
        const guint first_key = block * G4_KEY_BLOCK;
        const guint keys = MIN(kv->n - first_key, G4_KEY_BLOCK);
        const gboolean more = first_key > begin;

        scores->run(q->q, q->stride, rows, kv->k + at * kv->k_bytes, G4_KEY_BLOCK, d, 0, keys, 0, d,
                    a->logits, logit_stride, FALSE);
        if (q->radius < kv->n)
            hide_keys(q, first_key, keys, a->logits, logit_stride);
        for (guint i = 0; i < rows; i++) {
            const float factor =
                k->softmax(a->logits + i * logit_stride, keys, &a->max[i], &a->total[i]);
            if (more && factor != 1.0f)
                k->scale(a->sums + i * sum_stride, d, factor);
        }
        const void *v = kv->v + at * kv->v_bytes;
        if (values->load)
            values->load(a->weights, weight_stride, a->logits, logit_stride, rows, keys, 0.0f, 1.0f,
                         values->scales_t ? values->scales_t(v, d, G4_KEY_BLOCK) : NULL);
        multiply_values(weights, weight_stride, rows, v, d, G4_KEY_BLOCK, 0, d, 0, keys, a->sums,
                        sum_stride, more);
    }
    for (guint i = 0; i < rows; i++)
        for (guint j = 0; j < d; j++)
            o[i * o_stride + j] = a->sums[i * sum_stride + j] / a->total[i];
}

void g4_attention_within(const G4KeyValues *kv, G4AttentionScratch *a, const void *q,
                         gsize q_stride, guint first, guint rows, guint heads, guint radius,
                         float *o, gsize o_stride)
{
    const guint d = kv->head_dim, group = heads / kv->kv_heads;
    const gsize bytes = head_bytes(kv->kernels->scores, d);

    for (guint h = 0; h < heads; h++)
        for (guint i = 0; i < rows; i += G4_QUERY_BLOCK) {
            const Queries queries = {(const guint8 *)q + i * q_stride + h * bytes, q_stride,
                                     first + i, MIN(rows - i, G4_QUERY_BLOCK), radius};
            one_head(kv, a, h / group, &queries, o + i * o_stride + h * d, o_stride);
        }
}

void g4_attention(const G4KeyValues *kv, G4AttentionScratch *a, const void *q, gsize q_stride,
                  guint rows, guint heads, float *o, gsize o_stride)
{
    g4_attention_within(kv, a, q, q_stride, 0, rows, heads, G_MAXUINT, o, o_stride);
}
