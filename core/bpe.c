/* SPDX-License-Identifier: Apache-2.0
 *
 * A word is a doubly linked list of symbols. The pairs that have a merge wait in a heap, lowest
 * rank first and leftmost first among equals. What a merge makes of its neighbours is pushed; what
 * it made obsolete stays in the heap and is recognised when it comes up.
 */
#include "bpe.h"

#include <string.h>

#include "utf8.h"

#define FIRST_SLOTS 64
#define NONE G_MAXUINT32 /* no symbol on that side */

typedef struct G4BpeMerge {
    guint32 left, right;
    guint32 rank;
    guint32 merged; /* G4_NO_ID: a free slot */
} Merge;

typedef struct G4BpeSymbol {
    guint32 id; /* G4_NO_ID: merged into the one on its left */
    guint32 prev, next;
} Symbol;

typedef struct G4BpePair {
    guint32 rank;
    guint32 position; /* of its left symbol */
    guint32 merged;
} Pair;

void g4_bpe_init(G4Bpe *bpe)
{
    *bpe = (G4Bpe){0};
    g4_vocabulary_init(&bpe->vocabulary);
    for (int i = 0; i < 2; i++)
        bpe->key[i] = (guint64)g_random_int() << 32 | g_random_int() | 1;
}

void g4_bpe_clear(G4Bpe *bpe)
{
    g4_vocabulary_clear(&bpe->vocabulary);
    g_clear_pointer(&bpe->merges, g_free);
}

/* -------------------------------------------------------------------------------------------
 * Merges
 */

/* The slot of a pair, or the free one where it belongs. */
static inline Merge *find_slot(const G4Bpe *bpe, guint32 left, guint32 right)
{
    gsize mask = bpe->n_slots - 1;
    guint64 h = ((guint64)left << 32 | right) * bpe->key[0];
    h = (h ^ h >> 32) * bpe->key[1];
    for (gsize i = (gsize)(h >> 32) & mask;; i = (i + 1) & mask) {
        Merge *slot = &bpe->merges[i];
        if (slot->merged == G4_NO_ID || (slot->left == left && slot->right == right))
            return slot;
    }
}

static void grow(G4Bpe *bpe)
{
    g_autofree Merge *old = g_steal_pointer(&bpe->merges);
    gsize n_old = bpe->n_slots;
    bpe->n_slots = n_old == 0 ? FIRST_SLOTS : n_old * 2;
    bpe->merges = g_new(Merge, bpe->n_slots);
    memset(bpe->merges, 0xff, bpe->n_slots * sizeof *bpe->merges); /* all G4_NO_ID */
    for (gsize i = 0; i < n_old; i++) {
        if (old[i].merged != G4_NO_ID)
            *find_slot(bpe, old[i].left, old[i].right) = old[i];
    }
}

void g4_bpe_add_merge(G4Bpe *bpe, guint32 left, guint32 right, guint32 rank, guint32 merged)
{
    if (bpe->n_merges >= bpe->n_slots / 3 * 2)
        grow(bpe);
    Merge *slot = find_slot(bpe, left, right);
    if (slot->merged == G4_NO_ID)
        bpe->n_merges++;
    *slot = (Merge){.left = left, .right = right, .rank = rank, .merged = merged};
}

/* NULL where the two do not merge. */
static inline const Merge *find_merge(const G4Bpe *bpe, guint32 left, guint32 right)
{
    const Merge *merge = find_slot(bpe, left, right);
    return merge->merged != G4_NO_ID ? merge : NULL;
}

void g4_bpe_finish(G4Bpe *bpe, const G4BpeOptions *options)
{
    bpe->options = *options;
    if (bpe->merges == NULL)
        grow(bpe);
    for (guint i = 0; i < G_N_ELEMENTS(bpe->bytes); i++) {
        char name[8];
        gint length = g_snprintf(name, sizeof name, "<0x%02X>", i);
        bpe->bytes[i] = g4_vocabulary_find(&bpe->vocabulary, name, (gsize)length);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bpe->ascii); i++) {
        char c = (char)i;
        bpe->ascii[i] = g4_vocabulary_find(&bpe->vocabulary, &c, 1);
    }
}

/* -------------------------------------------------------------------------------------------
 * Heap
 */
static inline gboolean comes_before(const Pair *a, const Pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->position < b->position;
}

static void sift_down(Pair *heap, gsize n, gsize i)
{
    Pair pair = heap[i];
    for (gsize child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && comes_before(&heap[child + 1], &heap[child]))
            child++;
        if (!comes_before(&heap[child], &pair))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = pair;
}

static void sift_up(Pair *heap, gsize i)
{
    Pair pair = heap[i];
    while (i > 0) {
        gsize parent = (i - 1) / 2;
        if (!comes_before(&pair, &heap[parent]))
            break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = pair;
}

/* -------------------------------------------------------------------------------------------
 * Words
 */
void g4_bpe_scratch_clear(G4BpeScratch *scratch)
{
    g_free(scratch->symbols);
    g_free(scratch->heap);
    *scratch = (G4BpeScratch){0};
}

/* Puts a pair at the heap's end, if it merges; the caller restores the order. */
static void append_pair(const G4Bpe *bpe, G4BpeScratch *scratch, gsize *n, guint32 position)
{
    const Symbol *left = &scratch->symbols[position], *right = &scratch->symbols[left->next];
    const Merge *merge = find_merge(bpe, left->id, right->id);
    if (merge == NULL)
        return;
    if (*n == scratch->n_heap) {
        scratch->n_heap = MAX(64, scratch->n_heap * 2);
        scratch->heap = g_renew(Pair, scratch->heap, scratch->n_heap);
    }
    scratch->heap[(*n)++] =
        (Pair){.rank = merge->rank, .position = position, .merged = merge->merged};
}

static gboolean has_all_bytes(const G4Bpe *bpe, const char *text, guint n)
{
    for (guint i = 0; i < n; i++) {
        if (bpe->bytes[(guint8)text[i]] == G4_NO_ID)
            return FALSE;
    }
    return TRUE;
}

static void append_symbol(Symbol *symbols, guint32 *n, guint32 id)
{
    symbols[*n] = (Symbol){.id = id, .prev = *n - 1, .next = *n + 1};
    (*n)++;
}

/* One symbol a character, or its bytes', or the unknown one. An unknown one is kept back until the
 * next known character or the end, to grow over unknown ones that follow; bytes do not bring it
 * out, they overtake it. That is how the reference does it. Returns how many. */
static guint32 split_word(const G4Bpe *bpe, const char *word, gsize length, Symbol *symbols)
{
    gboolean pending = FALSE;
    guint32 n = 0;
    for (gsize i = 0; i < length;) {
        gunichar c;
        guint bytes = g4_utf8_decode(word + i, length - i, &c);
        guint32 id =
            bytes == 1 ? bpe->ascii[c] : g4_vocabulary_find(&bpe->vocabulary, word + i, bytes);
        if (id != G4_NO_ID) {
            if (pending)
                append_symbol(symbols, &n, bpe->options.unknown);
            pending = FALSE;
            append_symbol(symbols, &n, id);
        } else if (bpe->options.byte_fallback && has_all_bytes(bpe, word + i, bytes)) {
            for (guint j = 0; j < bytes; j++)
                append_symbol(symbols, &n, bpe->bytes[(guint8)word[i + j]]);
        } else if (bpe->options.unknown != G4_NO_ID) {
            if (pending && !bpe->options.fuse_unknown)
                append_symbol(symbols, &n, bpe->options.unknown);
            pending = TRUE;
        }
        i += bytes;
    }
    if (pending)
        append_symbol(symbols, &n, bpe->options.unknown);
    if (n > 0) {
        symbols[0].prev = NONE;
        symbols[n - 1].next = NONE;
    }
    return n;
}

static void merge_all(const G4Bpe *bpe, G4BpeScratch *scratch, guint32 n_symbols)
{
    Symbol *symbols = scratch->symbols;
    gsize n = 0;
    for (guint32 i = 0; i + 1 < n_symbols; i++)
        append_pair(bpe, scratch, &n, i);
    for (gsize i = n / 2; i-- > 0;)
        sift_down(scratch->heap, n, i);

    while (n > 0) {
        Pair pair = scratch->heap[0];
        scratch->heap[0] = scratch->heap[--n];
        if (n > 0)
            sift_down(scratch->heap, n, 0);

        Symbol *left = &symbols[pair.position];
        if (left->id == G4_NO_ID || left->next == NONE)
            continue;
        Symbol *right = &symbols[left->next];
        /* By what it becomes, not by its rank: another pair here that makes the same token takes
         * this one's turn, as in the reference. */
        const Merge *merge = find_merge(bpe, left->id, right->id);
        if (merge == NULL || merge->merged != pair.merged)
            continue;

        left->id = pair.merged;
        left->next = right->next;
        right->id = G4_NO_ID;
        if (left->next != NONE)
            symbols[left->next].prev = pair.position;

        gsize before = n;
        if (left->prev != NONE)
            append_pair(bpe, scratch, &n, left->prev);
        if (n > before)
            sift_up(scratch->heap, n - 1);
        before = n;
        if (left->next != NONE)
            append_pair(bpe, scratch, &n, pair.position);
        if (n > before)
            sift_up(scratch->heap, n - 1);
    }
}

void g4_bpe_encode(const G4Bpe *bpe, G4BpeScratch *scratch, const char *word, gsize length,
                   GArray *ids)
{
    if (length == 0)
        return;
    if (bpe->options.ignore_merges) {
        guint32 id = g4_vocabulary_find(&bpe->vocabulary, word, length);
        if (id != G4_NO_ID) {
            g_array_append_val(ids, id);
            return;
        }
    }
    if (scratch->n_symbols < length) {
        scratch->n_symbols = MAX(64, length);
        g_free(scratch->symbols);
        scratch->symbols = g_new(Symbol, scratch->n_symbols);
    }
    guint32 n = split_word(bpe, word, length, scratch->symbols);
    if (n == 0)
        return;
    merge_all(bpe, scratch, n);
    for (guint32 i = 0; i != NONE; i = scratch->symbols[i].next)
        g_array_append_val(ids, scratch->symbols[i].id);
}
