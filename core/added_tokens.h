/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens that are found in a text before anything else is done with it: leftmost first, of those
 * that begin at one place the longest.
 */
#ifndef G4_ADDED_TOKENS_H
#define G4_ADDED_TOKENS_H

#include <glib.h>

/* Bytes of one; bounds what a text of many almost-tokens costs. */
#define G4_ADDED_TOKEN_MAX 256

typedef struct G4AddedToken {
    char *text; /* owned; what is looked for */
    guint32 length;
    guint32 id;
    gboolean lstrip, rstrip; /* takes the white space on that side with it */
    gboolean normalized;     /* looked for in the normalized text */
} G4AddedToken;

typedef struct G4AddedTokens {
    GArray *tokens;     /* of G4AddedToken, sorted by their bytes */
    guint32 first[257]; /* tokens that begin with byte b: first[b] .. first[b + 1] - 1 */
} G4AddedTokens;

void g4_added_tokens_init(G4AddedTokens *set);
void g4_added_tokens_clear(G4AddedTokens *set);

/* Takes over token->text, which is not empty. */
void g4_added_tokens_add(G4AddedTokens *set, const G4AddedToken *token);

/* When all are added. Returns one that is there twice, or NULL. */
const G4AddedToken *g4_added_tokens_sort(G4AddedTokens *set);

/* The next match at or after `from`: the token, or NULL for none; *at is where it begins. Thread
 * safe. */
const G4AddedToken *g4_added_tokens_find(const G4AddedTokens *set, const char *text, gsize length,
                                         gsize from, gsize *at);

/* Where the white space (Unicode's White_Space) that ends at, or begins at, `at` has its other
 * end; before `at` it is not looked for beyond `least` <= at. `text` is UTF-8. */
gsize g4_space_before(const char *text, gsize least, gsize at);
gsize g4_space_after(const char *text, gsize length, gsize at);

#endif /* G4_ADDED_TOKENS_H */
