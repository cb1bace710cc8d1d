/* SPDX-License-Identifier: Apache-2.0
 *
 * Task prompts: what a checkpoint wants said ahead of a text, by what the text is for
 * (config_sentence_transformers.json, "prompts").
 */
#ifndef G4_PROMPTS_H
#define G4_PROMPTS_H

#include <glib.h>

typedef struct G4Prompts {
    char **names; /* sorted, NULL-terminated */
    char **texts; /* [the same] */
} G4Prompts;

/* Reads the file in `folder`; without one there are no prompts. On failure (G4_ERROR, not MISSING)
 * `prompts` needs no clear. */
gboolean g4_prompts_read(const char *folder, G4Prompts *prompts, GError **error);
void g4_prompts_clear(G4Prompts *prompts);

/* NULL without one of that name. */
const char *g4_prompts_find(const G4Prompts *prompts, const char *name);

#endif /* G4_PROMPTS_H */
