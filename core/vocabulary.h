/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings and their ids: a hash table over raw bytes, for some hundred thousand short strings that
 * a stranger chose. The hash is keyed at random, so that no file can make it slow.
 *
 * Thread safe once it is filled.
 */
#ifndef G4_VOCABULARY_H
#define G4_VOCABULARY_H

#include <glib.h>

/* What stands for "no such id"; ids lie below. */
#define G4_NO_ID G_MAXUINT32

typedef struct G4VocabularySlot {
    guint32 hash;
    guint32 offset, length; /* in bytes of `bytes` */
    guint32 id;             /* G4_NO_ID: free */
} G4VocabularySlot;

typedef struct G4Vocabulary {
    GByteArray *bytes; /* all strings, one behind the other */
    G4VocabularySlot *slots;
    guint n_slots; /* a power of two */
    guint n;       /* of them in use */
    guint64 key[2];
} G4Vocabulary;

void g4_vocabulary_init(G4Vocabulary *vocabulary);
void g4_vocabulary_clear(G4Vocabulary *vocabulary);

/* `id` is below G4_NO_ID. FALSE, nothing changed, where the string is there already, or where there
 * are 4 GiB of them. */
gboolean g4_vocabulary_add(G4Vocabulary *vocabulary, const char *text, gsize length, guint32 id);

/* G4_NO_ID where there is none. */
guint32 g4_vocabulary_find(const G4Vocabulary *vocabulary, const char *text, gsize length);

#endif /* G4_VOCABULARY_H */
