/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing over SipHash-1-3 (Aumasson and Bernstein, 2012).
 */
#include "vocabulary.h"

#include <string.h>

#define FIRST_SLOTS 64

typedef struct Entry {
    guint32 offset, length, id;
} Entry;

static inline guint64 rotate(guint64 x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(guint64 v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(guint64 v[4], guint64 word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static guint64 hash(const guint64 key[2], const char *text, gsize length)
{
    guint64 v[4] = {key[0] ^ G_GUINT64_CONSTANT(0x736f6d6570736575),
                    key[1] ^ G_GUINT64_CONSTANT(0x646f72616e646f6d),
                    key[0] ^ G_GUINT64_CONSTANT(0x6c7967656e657261),
                    key[1] ^ G_GUINT64_CONSTANT(0x7465646279746573)};
    gsize i = 0;
    guint64 word;
    for (; length - i >= 8; i += 8) {
        memcpy(&word, text + i, 8);
        sip_word(v, word);
    }
    word = (guint64)length << 56;
    for (gsize j = 0; i + j < length; j++)
        word |= (guint64)(guint8)text[i + j] << 8 * j;
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void g4_vocabulary_init(G4Vocabulary *vocabulary)
{
    *vocabulary = (G4Vocabulary){.bytes = g_byte_array_new(),
                                 .entries = g_array_new(FALSE, FALSE, sizeof(Entry)),
                                 .slots = g_new0(guint64, FIRST_SLOTS),
                                 .n_slots = FIRST_SLOTS};
    for (int i = 0; i < 2; i++)
        vocabulary->key[i] = (guint64)g_random_int() << 32 | g_random_int();
}

void g4_vocabulary_clear(G4Vocabulary *vocabulary)
{
    g_clear_pointer(&vocabulary->bytes, g_byte_array_unref);
    g_clear_pointer(&vocabulary->entries, g_array_unref);
    g_clear_pointer(&vocabulary->slots, g_free);
    vocabulary->n_slots = 0;
}

/* The slot that holds the string, or the free one where it belongs. A slot's lower half gives the
 * entry; its upper half, of the hash, spares most comparisons. The first place to look at comes
 * from the hash's lower half. */
static guint64 *find_slot(const G4Vocabulary *v, guint64 h, const char *text, gsize length)
{
    gsize mask = v->n_slots - 1;
    for (gsize i = (gsize)h & mask;; i = (i + 1) & mask) {
        guint64 slot = v->slots[i];
        if (slot == 0)
            return &v->slots[i];
        if (slot >> 32 != h >> 32)
            continue;
        const Entry *entry = &g_array_index(v->entries, Entry, (guint32)slot - 1);
        if (entry->length == length &&
            (length == 0 || memcmp(v->bytes->data + entry->offset, text, length) == 0))
            return &v->slots[i];
    }
}

static void grow(G4Vocabulary *v)
{
    gsize n = v->n_slots * 2;
    g_free(v->slots);
    v->slots = g_new0(guint64, n);
    v->n_slots = n;
    for (guint e = 0; e < v->entries->len; e++) {
        const Entry *entry = &g_array_index(v->entries, Entry, e);
        const char *text = entry->length > 0 ? (const char *)v->bytes->data + entry->offset : "";
        guint64 h = hash(v->key, text, entry->length);
        gsize i = (gsize)h & (n - 1);
        while (v->slots[i] != 0)
            i = (i + 1) & (n - 1);
        v->slots[i] = h >> 32 << 32 | (e + 1);
    }
}

gboolean g4_vocabulary_add(G4Vocabulary *v, const char *text, gsize length, guint32 id)
{
    if (length > G_MAXUINT32 - v->bytes->len || v->entries->len >= G_MAXINT32)
        return FALSE;
    if (v->entries->len >= v->n_slots / 2)
        grow(v);
    guint64 h = hash(v->key, text, length);
    guint64 *slot = find_slot(v, h, text, length);
    if (*slot != 0)
        return FALSE;
    Entry entry = {.offset = v->bytes->len, .length = (guint32)length, .id = id};
    g_byte_array_append(v->bytes, (const guint8 *)text, (guint)length);
    g_array_append_val(v->entries, entry);
    *slot = h >> 32 << 32 | v->entries->len;
    return TRUE;
}

guint32 g4_vocabulary_find(const G4Vocabulary *v, const char *text, gsize length)
{
    guint64 slot = *find_slot(v, hash(v->key, text, length), text, length);
    return slot == 0 ? G4_NO_ID : g_array_index(v->entries, Entry, (guint32)slot - 1).id;
}

guint g4_vocabulary_get_n(const G4Vocabulary *v)
{
    return v->entries->len;
}
