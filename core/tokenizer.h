/* SPDX-License-Identifier: Apache-2.0
 *
 * Text into token ids, by the rules that a checkpoint's tokenizer.json states: added tokens cut
 * out of the raw text, normalizer, byte-pair merges with byte fallback, post-processor.
 *
 * Equal, id for id, to Hugging Face `tokenizers` on files that this reader accepts. What it does
 * not implement it refuses by name (G4_ERROR_UNSUPPORTED), never approximates.
 */
#ifndef G4_TOKENIZER_H
#define G4_TOKENIZER_H

#include <glib.h>

/* Bytes of a text, as given and as normalized. A model reads some thousand tokens. */
#define G4_TOKENIZER_MAX_TEXT (16 << 20)

/* Immutable after it is opened: any number of threads may encode with it at once. */
typedef struct G4Tokenizer G4Tokenizer;

/* Reads a tokenizer.json. Memory stays in proportion to the file's size: nothing is allocated
 * because of a number in it. Errors: MISSING, UNREADABLE, MALFORMED (with the byte where it
 * happened), UNSUPPORTED (names what). Free with g4_tokenizer_free. Thread safe. */
G4Tokenizer *g4_tokenizer_open(const char *file, GError **error);
/* The same from a text in memory, of which nothing is kept; `name` stands for it in messages. */
G4Tokenizer *g4_tokenizer_parse(const char *name, const char *text, gsize length, GError **error);
void g4_tokenizer_free(G4Tokenizer *tokenizer); /* NULL allowed */

/* Appends the ids of `length` bytes of UTF-8 to `ids`, an array of guint32, with what the
 * post-processor puts round them: for an EmbeddingGemma checkpoint <bos> and <eos>, also for an
 * empty text. NUL bytes inside `length` are text. Takes O(n log n) time. Errors: MALFORMED (bytes
 * that are not UTF-8; the message says which), SETTINGS (longer than G4_TOKENIZER_MAX_TEXT); `ids`
 * is then as before. Thread safe. */
gboolean g4_tokenizer_encode(const G4Tokenizer *tokenizer, const char *text, gsize length,
                             GArray *ids, GError **error);

/* One more than the largest id it can give; an embedding table needs as many rows. */
guint32 g4_tokenizer_get_n_ids(const G4Tokenizer *tokenizer);

/* The id of a token that the file lists, by its exact text ("<|image|>"). FALSE, *id unchanged,
 * where it has none. */
gboolean g4_tokenizer_find(const G4Tokenizer *tokenizer, const char *token, guint32 *id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(G4Tokenizer, g4_tokenizer_free)

#endif /* G4_TOKENIZER_H */
