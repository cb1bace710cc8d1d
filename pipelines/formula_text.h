/* SPDX-License-Identifier: Apache-2.0
 *
 * EmbeddingGemma 2's text encoder from a formula (formula.h), of the released size: its tensors and
 * the JSON files beside them. Matrices are lin(columns), norms 0.25 around 1, the embedding table
 * has scale 0.05, layer scalars are 1. The tokenizer knows single characters alone: an ASCII
 * character is a token, any other as many as it has bytes of UTF-8.
 */
#ifndef G4_FORMULA_TEXT_H
#define G4_FORMULA_TEXT_H

#include <glib.h>

/* Appends the tensors, as g4_formula_tensors does. */
void g4_formula_text_tensors(GArray *tensors);

/* The value of config.json's text_config; free with g_free. */
char *g4_formula_text_config(const char *dtype);

/* tokenizer.json and config_sentence_transformers.json; free with g_free. */
char *g4_formula_text_tokenizer(void);
char *g4_formula_text_prompts(void);

#endif /* G4_FORMULA_TEXT_H */
