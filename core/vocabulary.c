/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing over SipHash-1-3 (Aumasson and Bernstein, 2012).
 */
#include "vocabulary.h"

#include <string.h>

#define FIRST_SLOTS 64
#define MOST_SLOTS (1u << 31)

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

static guint32 hash(const guint64 key[2], const char *text, gsize length)
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
    return (guint32)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

static G4VocabularySlot *new_slots(guint n)
{
    G4VocabularySlot *slots = g_new(G4VocabularySlot, n);
    memset(slots, 0xff, n * sizeof *slots); /* all G4_NO_ID */
    return slots;
}

void g4_vocabulary_init(G4Vocabulary *vocabulary)
{
    *vocabulary = (G4Vocabulary){
        .bytes = g_byte_array_new(), .slots = new_slots(FIRST_SLOTS), .n_slots = FIRST_SLOTS};
    for (int i = 0; i < 2; i++)
        vocabulary->key[i] = (guint64)g_random_int() << 32 | g_random_int();
}

void g4_vocabulary_clear(G4Vocabulary *vocabulary)
{
    g_clear_pointer(&vocabulary->bytes, g_byte_array_unref);
    g_clear_pointer(&vocabulary->slots, g_free);
    vocabulary->n_slots = vocabulary->n = 0;
}

/* The slot that holds the string, or the free one where it belongs. */
static G4VocabularySlot *find_slot(const G4Vocabulary *v, guint32 h, const char *text, gsize length)
{
    guint mask = v->n_slots - 1;
    for (guint i = h & mask;; i = (i + 1) & mask) {
        G4VocabularySlot *slot = &v->slots[i];
        if (slot->id == G4_NO_ID)
            return slot;
        if (slot->hash == h && slot->length == length &&
            (length == 0 || memcmp(v->bytes->data + slot->offset, text, length) == 0))
            return slot;
    }
}

static void grow(G4Vocabulary *v)
{
    guint n_old = v->n_slots, mask = n_old * 2 - 1;
    g_autofree G4VocabularySlot *old = v->slots;
    v->n_slots = n_old * 2;
    v->slots = new_slots(v->n_slots);
    for (guint i = 0; i < n_old; i++) {
        if (old[i].id == G4_NO_ID)
            continue;
        guint to = old[i].hash & mask;
        while (v->slots[to].id != G4_NO_ID)
            to = (to + 1) & mask;
        v->slots[to] = old[i];
    }
}

gboolean g4_vocabulary_add(G4Vocabulary *v, const char *text, gsize length, guint32 id)
{
    if (length > G_MAXUINT32 - v->bytes->len || v->n >= MOST_SLOTS / 2)
        return FALSE;
    if (v->n >= v->n_slots / 2)
        grow(v);
    guint32 h = hash(v->key, text, length);
    G4VocabularySlot *slot = find_slot(v, h, text, length);
    if (slot->id != G4_NO_ID)
        return FALSE;
    *slot =
        (G4VocabularySlot){.hash = h, .offset = v->bytes->len, .length = (guint32)length, .id = id};
    g_byte_array_append(v->bytes, (const guint8 *)text, (guint)length);
    v->n++;
    return TRUE;
}

guint32 g4_vocabulary_find(const G4Vocabulary *v, const char *text, gsize length)
{
    return find_slot(v, hash(v->key, text, length), text, length)->id;
}
