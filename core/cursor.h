/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading numbers out of bytes that came from a file. Bounds are checked by subtraction, so that
 * no sum can wrap; numbers are put together byte by byte, so that neither alignment nor the
 * machine's byte order matters.
 */
#ifndef G4_CURSOR_H
#define G4_CURSOR_H

#include <glib.h>

typedef struct G4Cursor {
    const guint8 *data; /* borrowed */
    gsize size;
    gsize pos; /* <= size */
} G4Cursor;

/* Whether n more bytes follow. */
static inline gboolean g4_cursor_has(const G4Cursor *cursor, guint64 n)
{
    return n <= cursor->size - cursor->pos;
}

/* The next eight bytes, little-endian. FALSE, and nothing consumed, where fewer are left. */
static inline gboolean g4_cursor_u64(G4Cursor *cursor, guint64 *value)
{
    if (!g4_cursor_has(cursor, 8))
        return FALSE;
    const guint8 *p = cursor->data + cursor->pos;
    *value = 0;
    for (int i = 7; i >= 0; i--)
        *value = *value << 8 | p[i];
    cursor->pos += 8;
    return TRUE;
}

#endif /* G4_CURSOR_H */
