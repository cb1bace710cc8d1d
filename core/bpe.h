/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte-pair encoding: a vocabulary, and a ranked list of pairs that become one token.
 */
#ifndef G4_BPE_H
#define G4_BPE_H

#include <glib.h>

#include "vocabulary.h"

/* Ids of a file have to lie below this; what lies above is free for marks. */
#define G4_BPE_MAX_ID G_MAXINT32

typedef struct G4BpeOptions {
    guint32 unknown; /* id for what nothing else stands for; G4_NO_ID: it is dropped */
    gboolean fuse_unknown;
    gboolean byte_fallback;
    gboolean ignore_merges; /* a word that is a token is that token */
} G4BpeOptions;

/* Filled by the functions below, read by g4_bpe_encode; thread safe once it is filled. */
typedef struct G4Bpe {
    G4Vocabulary vocabulary;
    G4BpeOptions options;
    struct G4BpeMerge *merges; /* hash table of the pairs */
    gsize n_slots;             /* a power of two */
    gsize n_merges;
    guint64 key[2];
    guint32 bytes[256]; /* ids of <0x00> ... <0xFF>; G4_NO_ID where missing */
    guint32 ascii[128]; /* ids of the single characters that most text consists of */
} G4Bpe;

void g4_bpe_init(G4Bpe *bpe);
void g4_bpe_clear(G4Bpe *bpe);

/* The pair (left, right), ids both, becomes `merged`. Of two merges of a pair the later counts. */
void g4_bpe_add_merge(G4Bpe *bpe, guint32 left, guint32 right, guint32 rank, guint32 merged);

/* To be called when vocabulary and merges are complete. */
void g4_bpe_finish(G4Bpe *bpe, const G4BpeOptions *options);

/* Working memory of an encoding, kept from word to word. Start with { 0 }. */
typedef struct G4BpeScratch {
    struct G4BpeSymbol *symbols;
    struct G4BpePair *heap;
    gsize n_symbols, n_heap; /* room */
} G4BpeScratch;

void g4_bpe_scratch_clear(G4BpeScratch *scratch);

/* Appends the ids of one word, which must be UTF-8 and shorter than 2 GiB, to `ids` (guint32). In
 * a word of n bytes at most n - 1 merges happen, each at O(log n). */
void g4_bpe_encode(const G4Bpe *bpe, G4BpeScratch *scratch, const char *word, gsize length,
                   GArray *ids);

#endif /* G4_BPE_H */
