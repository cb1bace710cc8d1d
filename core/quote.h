/* SPDX-License-Identifier: Apache-2.0
 *
 * What a file holds, in a message: such text goes to terminals, logs and buses as it is, so it must
 * be short, valid UTF-8 and printable, whatever the bytes are.
 */
#ifndef G4_QUOTE_H
#define G4_QUOTE_H

#include <glib.h>

#define G4_QUOTE_MAX 40 /* bytes that are quoted */

/* `length` bytes with their white space as spaces and all else that is not printable as "?" or
 * U+FFFD. NULL allowed where length is 0. Free with g_free. */
char *g4_printable(const char *text, gsize length);

/* The same in quotation marks, cut after G4_QUOTE_MAX bytes: "text", or "tex..." */
char *g4_quote(const char *text, gsize length);

#endif /* G4_QUOTE_H */
