/* SPDX-License-Identifier: Apache-2.0
 *
 * A film's file over HTTP, whole or a range of it, in pieces.
 */
#ifndef SEARCH_FILMSERVER_H
#define SEARCH_FILMSERVER_H

#include <libsoup/soup.h>

/* Answers a GET or HEAD with the file at `path`: 200, 206, or 404 and 416. The body is read while
 * it is sent, so that a film of any length takes a piece of memory. */
void film_serve(SoupServerMessage *message, const char *path);

/* The one range of a Range header in a file of `size` bytes: TRUE with first and last byte set, or
 * FALSE with *satisfiable telling whether to send the whole (TRUE) or 416. NULL is no header. */
gboolean film_parse_range(const char *header, gint64 size, gint64 *first, gint64 *last,
                          gboolean *satisfiable);

#endif /* SEARCH_FILMSERVER_H */
