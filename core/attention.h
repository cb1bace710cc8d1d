/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax(q k^T) v in blocks: no N x N matrix is ever in memory.
 */
#ifndef G4_ATTENTION_H
#define G4_ATTENTION_H

#include "kernels.h"
#include "scratch.h"

/* Keys and values are packed in blocks of so many, so that a block of both, the logits of a row
 * block against it and the row block itself share the second-level cache. A multiple of every nr.
 */
#define G4_KEY_BLOCK 192
/* Rows of q that are taken against one block of keys. */
#define G4_QUERY_BLOCK 96

/* Keys and values of all N patches, packed: k and v of one layer. */
typedef struct G4KeyValues {
    const G4Kernels *kernels;
    guint n;                /* N */
    guint kv_heads;         /* G */
    guint head_dim;         /* d */
    gsize k_bytes, v_bytes; /* of one head's block */
    guint8 *k, *v;          /* [G, blocks], blocks of k_bytes, v_bytes */
} G4KeyValues;

/* Carves the memory; kernels, n, kv_heads and head_dim must be set. */
void g4_key_values_carve(G4KeyValues *kv, G4Scratch *scratch);

/* Packs rows first .. first + count - 1 of k and v, [count, G * d] with `stride`. Different rows by
 * different threads. */
void g4_key_values_pack(G4KeyValues *kv, guint first, guint count, const float *k, const float *v,
                        gsize stride);

/* Bytes from one row of queries, [heads, d], to the next as `scores` reads them, each head apart.
 */
gsize g4_queries_stride(const G4Gemm *scores, guint heads, guint d);

/* Brings rows of q, [rows, heads * d], into that form; not for a product that reads floats. */
void g4_queries_load(const G4Gemm *scores, void *dst, gsize dst_stride, const float *q,
                     gsize q_stride, guint rows, guint heads, guint d);

/* What one thread needs beside. */
typedef struct G4AttentionScratch {
    float *logits;      /* [G4_QUERY_BLOCK, stride of G4_KEY_BLOCK] */
    void *weights;      /* the same as p v reads it, where that is not floats */
    float *sums;        /* [G4_QUERY_BLOCK, stride of d] */
    float *max, *total; /* [G4_QUERY_BLOCK] */
} G4AttentionScratch;

void g4_attention_carve(G4AttentionScratch *a, const G4Gemm *values, guint head_dim,
                        G4Scratch *scratch);

/* o[rows, H * d] = softmax2(q k^T) v for `rows` rows of q [rows, H * d], which are as
 * g4_queries_load leaves them, or floats; q_stride bytes apart. The softmax is in base 2: q comes
 * multiplied by log2(e). Query head h uses key head h / (H / G). */
void g4_attention(const G4KeyValues *kv, G4AttentionScratch *a, const void *q, gsize q_stride,
                  guint rows, guint heads, float *o, gsize o_stride);

/* The same where a query sees only the keys at most `radius` away, to both sides; the first of the
 * rows has position `first`. Blocks of keys that no row sees cost nothing. */
void g4_attention_within(const G4KeyValues *kv, G4AttentionScratch *a, const void *q,
                         gsize q_stride, guint first, guint rows, guint heads, guint radius,
                         float *o, gsize o_stride);

#endif /* G4_ATTENTION_H */
