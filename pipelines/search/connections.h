/* SPDX-License-Identifier: Apache-2.0
 *
 * Where gemma4-search serve listens. libsoup's own listener gives up for good when descriptors run
 * out once, and waits for ever for a client that says nothing; this one does neither: connections
 * are bounded in number, the oldest leaving for a new one, and in silence.
 */
#ifndef SEARCH_CONNECTIONS_H
#define SEARCH_CONNECTIONS_H

#include <libsoup/soup.h>

#define CONNECTIONS_MOST 256    /* or half of the descriptors that the process may have */
#define CONNECTIONS_SILENCE 120 /* seconds; a player that was paused for longer asks again */

typedef struct Connections Connections;

/* Listens at address and port (0: any that is free), and hands the connections to `server`, of
 * which it takes a reference. NULL and `error` where that cannot be. */
Connections *connections_new(SoupServer *server, GInetAddress *address, guint16 port,
                             GError **error);
void connections_free(Connections *connections); /* NULL allowed */

/* "http://127.0.0.1:8080/"; a new string. */
char *connections_get_uri(const Connections *connections);

#endif /* SEARCH_CONNECTIONS_H */
