/* SPDX-License-Identifier: Apache-2.0
 *
 * What a file holds, in a message.
 */
#include "quote.h"

char *g4_printable(const char *text, gsize length)
{
    g_autofree char *valid = g_utf8_make_valid(length > 0 ? text : "", (gssize)length);
    GString *out = g_string_new(NULL);

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (c == '\n' || c == '\t' || c == '\r')
            c = ' ';
        g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
    }
    return g_string_free(out, FALSE);
}

char *g4_quote(const char *text, gsize length)
{
    g_autofree char *printable = g4_printable(text, MIN(length, G4_QUOTE_MAX));

    return g_strdup_printf("\"%s%s\"", printable, length > G4_QUOTE_MAX ? "..." : "");
}
