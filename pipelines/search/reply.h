/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of gemma4-search serve, whole and in memory.
 */
#ifndef SEARCH_REPLY_H
#define SEARCH_REPLY_H

#include <jansson.h>
#include <libsoup/soup.h>

/* Sets the answer of a message: status, type and body. */
void reply_send(SoupServerMessage *message, guint status, const char *type, GBytes *body);

/* The answer {"error": WHY}. */
void reply_refuse(SoupServerMessage *message, guint status, const char *why);

/* Its body. */
GBytes *reply_error(const char *why);

/* The text of a JSON value, which is taken. */
GBytes *reply_json(json_t *value);

/* A JSON string of a text that need not be UTF-8, as a film's name. */
json_t *reply_text(const char *text);

#endif /* SEARCH_REPLY_H */
