/* SPDX-License-Identifier: Apache-2.0
 *
 * A sorted list, in which the range that agrees with the text is narrowed byte by byte.
 */
#include "added_tokens.h"

#include <string.h>

#include "utf8.h"

static void clear_token(gpointer token)
{
    g_free(((G4AddedToken *)token)->text);
}

void g4_added_tokens_init(G4AddedTokens *set)
{
    *set = (G4AddedTokens){.tokens = g_array_new(FALSE, FALSE, sizeof(G4AddedToken))};
    g_array_set_clear_func(set->tokens, clear_token);
}

void g4_added_tokens_clear(G4AddedTokens *set)
{
    g_clear_pointer(&set->tokens, g_array_unref);
}

void g4_added_tokens_add(G4AddedTokens *set, const G4AddedToken *token)
{
    g_array_append_val(set->tokens, *token);
}

static gint compare(gconstpointer a, gconstpointer b)
{
    const G4AddedToken *x = a, *y = b;
    int order = memcmp(x->text, y->text, MIN(x->length, y->length));
    return order != 0 ? order : x->length < y->length ? -1 : x->length > y->length;
}

const G4AddedToken *g4_added_tokens_sort(G4AddedTokens *set)
{
    guint n = set->tokens->len, i = 0;
    const G4AddedToken *tokens = (const G4AddedToken *)set->tokens->data;
    g_array_sort(set->tokens, compare);
    for (guint byte = 0; byte < 256; byte++) {
        set->first[byte] = i;
        while (i < n && (guint8)tokens[i].text[0] == byte)
            i++;
    }
    set->first[256] = n;
    for (i = 1; i < n; i++) {
        if (compare(&tokens[i - 1], &tokens[i]) == 0)
            return &tokens[i];
    }
    return NULL;
}

/* Of tokens[low .. high - 1], which agree in their first `depth` bytes and are longer than that:
 * the first whose next byte is not below `byte`. */
static guint32 lower_bound(const G4AddedToken *tokens, guint32 low, guint32 high, guint32 depth,
                           guint byte)
{
    while (low < high) {
        guint32 middle = low + (high - low) / 2;
        if ((guint8)tokens[middle].text[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token that the text begins with. */
static const G4AddedToken *match(const G4AddedTokens *set, const char *text, gsize length)
{
    const G4AddedToken *tokens = (const G4AddedToken *)set->tokens->data, *longest = NULL;
    guint32 low = set->first[(guint8)text[0]], high = set->first[(guint8)text[0] + 1];
    for (guint32 depth = 1; low < high; depth++) {
        /* The one that ends here comes before those that go on. */
        if (tokens[low].length == depth)
            longest = &tokens[low++];
        if (depth == length || low == high)
            break;
        guint byte = (guint8)text[depth];
        low = lower_bound(tokens, low, high, depth, byte);
        high = lower_bound(tokens, low, high, depth, byte + 1);
    }
    return longest;
}

const G4AddedToken *g4_added_tokens_find(const G4AddedTokens *set, const char *text, gsize length,
                                         gsize from, gsize *at)
{
    if (set->tokens->len == 0)
        return NULL;
    for (gsize i = from; i < length; i++) {
        guint byte = (guint8)text[i];
        if (set->first[byte] == set->first[byte + 1])
            continue;
        const G4AddedToken *found = match(set, text + i, length - i);
        if (found != NULL) {
            *at = i;
            return found;
        }
    }
    return NULL;
}

/* White_Space of the Unicode character database; it has not changed since version 6.3. */
static gboolean is_space(gunichar c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

gsize g4_space_before(const char *text, gsize least, gsize at)
{
    while (at > least) {
        gsize start = at - 1;
        gunichar c;
        while (start > least && ((guint8)text[start] & 0xc0) == 0x80)
            start--;
        if (g4_utf8_decode(text + start, at - start, &c) == 0 || !is_space(c))
            break;
        at = start;
    }
    return at;
}

gsize g4_space_after(const char *text, gsize length, gsize at)
{
    while (at < length) {
        gunichar c;
        guint n = g4_utf8_decode(text + at, length - at, &c);
        if (n == 0 || !is_space(c))
            break;
        at += n;
    }
    return at;
}
