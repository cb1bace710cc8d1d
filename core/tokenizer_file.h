/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer.json of Hugging Face `tokenizers`, as far as it is implemented:
 *
 *   model           BPE without dropout, prefix or suffix; merges as pairs or as "left right"
 *   added_tokens    all but those with single_word
 *   normalizer      null, Replace of a string, a Sequence of such
 *   pre_tokenizer   null, Split at a string, not inverted
 *   post_processor  null, TemplateProcessing with $A once
 *
 * Everything else in these five is refused by name. `truncation` and `padding` are passed over: a
 * caller of Transformers sets them anew with each call. So is `decoder`.
 */
#ifndef G4_TOKENIZER_FILE_H
#define G4_TOKENIZER_FILE_H

#include <glib.h>

#include "added_tokens.h"
#include "bpe.h"
#include "json_stream.h"

/* Bytes of a pattern or its replacement; ids before or after the text. */
#define G4_TOKENIZER_MAX_PATTERN 64
#define G4_TOKENIZER_MAX_TEMPLATE 64
#define G4_TOKENIZER_MAX_REPLACES 8

typedef struct G4Replace {
    char *pattern; /* owned, not empty */
    char *content; /* owned */
} G4Replace;

typedef enum {
    G4_SPLIT_NONE,
    G4_SPLIT_REMOVED,
    G4_SPLIT_ISOLATED,
    G4_SPLIT_MERGED_WITH_PREVIOUS,
    G4_SPLIT_MERGED_WITH_NEXT,
    G4_SPLIT_CONTIGUOUS,
} G4Split;

typedef struct G4TokenizerFile {
    G4Bpe bpe;
    G4AddedTokens raw;        /* looked for in the text as it is */
    G4AddedTokens normalized; /* looked for in the normalized text; their own text is normalized */
    G4Vocabulary added;       /* all of these by their text as the file has it */
    G4Replace replaces[G4_TOKENIZER_MAX_REPLACES];
    guint n_replaces;
    G4Split split;
    char *split_pattern;    /* owned; NULL with G4_SPLIT_NONE */
    GArray *before, *after; /* of guint32: ids that the post-processor adds */
    guint32 n_ids;          /* one more than the largest id */
} G4TokenizerFile;

/* Reads the whole stream. Errors: MALFORMED, UNSUPPORTED, UNREADABLE; `file` then needs no clear.
 */
gboolean g4_tokenizer_file_read(G4TokenizerFile *file, G4JsonStream *stream, GError **error);
void g4_tokenizer_file_clear(G4TokenizerFile *file);

/* Applies the replacements to `text`, in place. FALSE, and contents of no use, where it would grow
 * beyond `max` bytes. */
gboolean g4_tokenizer_file_normalize(const G4TokenizerFile *file, GString *text, gsize max);

#endif /* G4_TOKENIZER_FILE_H */
