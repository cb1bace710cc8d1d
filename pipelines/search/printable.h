/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in lines of output.
 */
#ifndef SEARCH_PRINTABLE_H
#define SEARCH_PRINTABLE_H

#include <glib.h>

/* A copy in which control characters are question marks: the name of a film may hold a line's end,
 * or what a terminal obeys. */
char *printable(const char *text);

#endif /* SEARCH_PRINTABLE_H */
