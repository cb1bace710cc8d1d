/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in lines of output.
 */
#include "printable.h"

char *printable(const char *text)
{
    GString *out = g_string_new(NULL);
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(out, c < 0x20 || (c >= 0x7f && c < 0xa0) ? '?' : c);
    }
    return g_string_free(out, FALSE);
}
