/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8, strictly: no overlong forms, no surrogates, nothing beyond U+10FFFF. NUL is a character
 * like any other here, which it is not to GLib.
 */
#ifndef G4_UTF8_H
#define G4_UTF8_H

#include <glib.h>
#include <string.h>

/* Bytes of the character that begins at `text`, of which `length` >= 1 bytes are left; 0 where it
 * is none. *c is set only with a result above 0. */
static inline guint g4_utf8_decode(const char *text, gsize length, gunichar *c)
{
    const guint8 *p = (const guint8 *)text;
    if (p[0] < 0x80) {
        *c = p[0];
        return 1;
    }
    guint n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || length < n)
        return 0;
    gunichar value = p[0] & (0x7f >> n);
    for (guint i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3f);
    }
    if (value < (n == 2   ? 0x80u
                 : n == 3 ? 0x800u
                          : 0x10000u) ||
        value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *c = value;
    return n;
}

/* Where the first character begins that is none; `length` where there is no such. */
static inline gsize g4_utf8_check(const char *text, gsize length)
{
    gsize i = 0;
    while (i < length) {
        guint64 eight;
        if (length - i >= sizeof eight) {
            memcpy(&eight, text + i, sizeof eight);
            if ((eight & G_GUINT64_CONSTANT(0x8080808080808080)) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        gunichar c;
        guint n = g4_utf8_decode(text + i, length - i, &c);
        if (n == 0)
            return i;
        i += n;
    }
    return length;
}

#endif /* G4_UTF8_H */
