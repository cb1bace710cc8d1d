/* SPDX-License-Identifier: Apache-2.0
 *
 * The small parts of tokenizer.json, each an object: what a tokenizer does before and after its
 * model. `text` is the object's JSON, `name` the file in messages.
 */
#ifndef G4_TOKENIZER_PARTS_H
#define G4_TOKENIZER_PARTS_H

#include "tokenizer_file.h"

gboolean g4_tokenizer_read_normalizer(G4TokenizerFile *file, const char *name, const char *text,
                                      gsize length, GError **error);
gboolean g4_tokenizer_read_pre_tokenizer(G4TokenizerFile *file, const char *name, const char *text,
                                         gsize length, GError **error);
gboolean g4_tokenizer_read_post_processor(G4TokenizerFile *file, const char *name, const char *text,
                                          gsize length, GError **error);

#endif /* G4_TOKENIZER_PARTS_H */
