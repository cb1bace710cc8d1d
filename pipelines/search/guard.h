/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is answered by gemma4-search serve, and how much may be sent to it.
 *
 * A page of another site may have a browser send requests here, and may even have its own name
 * resolve to this machine; neither gets an answer. The body of a request that is refused, or that
 * is larger than GUARD_MOST_BODY, is not kept.
 */
#ifndef SEARCH_GUARD_H
#define SEARCH_GUARD_H

#include <libsoup/soup.h>

#define GUARD_MOST_BODY (32 * 1024 * 1024)

/* `host` is a Host header. A numeric address is this machine's, as no other would have led here;
 * with `local` only one of the loopback. Of names, those that resolve here without anybody else
 * having a say: localhost, and unless `local` this machine's own; and those of `names`, which may
 * be NULL. */
gboolean guard_knows_host(const char *host, gboolean local, const char *const *names);

/* Refuses requests before their bodies are read, and gives every answer the headers that keep a
 * browser from doing more with it than the page needs. `names` is borrowed. */
void guard_install(SoupServer *server, gboolean local, const char *const *names);

/* Whether the body of the message was thrown away: it gets a 413 then. */
gboolean guard_dropped_body(SoupServerMessage *message);

#endif /* SEARCH_GUARD_H */
