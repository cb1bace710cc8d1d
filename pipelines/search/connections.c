/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections from a GSocketListener.
 */
#include "connections.h"

#include <string.h>
#include <sys/resource.h>

#define PAUSE 20 /* ms until the next attempt when none can be accepted */

struct Connections {
    SoupServer *server;
    GSocketListener *listener;
    GCancellable *cancellable;
    GSocketAddress *address; /* as it was bound */
    GQueue open; /* of GSocketConnection, the oldest first; libsoup has the references */
    guint most, pause;
};

static void accept_next(Connections *c);

static void on_closed(gpointer data, GObject *connection)
{
    g_queue_remove(&((Connections *)data)->open, connection);
}

/* libsoup sees its reads and writes end, and lets go of it. */
static void drop_oldest(Connections *c)
{
    GSocketConnection *oldest = g_queue_pop_head(&c->open);

    if (!oldest)
        return;
    g_object_weak_unref(G_OBJECT(oldest), on_closed, c);
    g_socket_shutdown(g_socket_connection_get_socket(oldest), TRUE, TRUE, NULL);
}

static void take(Connections *c, GSocketConnection *connection)
{
    g_autoptr(GSocketAddress) local = g_socket_connection_get_local_address(connection, NULL);
    g_autoptr(GSocketAddress) remote = g_socket_connection_get_remote_address(connection, NULL);

    if (!local || !remote) /* it has left already */
        return;
    g_socket_set_timeout(g_socket_connection_get_socket(connection), CONNECTIONS_SILENCE);
    while (c->open.length >= c->most)
        drop_oldest(c);
    if (!soup_server_accept_iostream(c->server, G_IO_STREAM(connection), local, remote, NULL))
        return;
    g_queue_push_tail(&c->open, connection);
    g_object_weak_ref(G_OBJECT(connection), on_closed, c);
}

static gboolean resume(gpointer data)
{
    Connections *c = data;

    c->pause = 0;
    accept_next(c);
    return G_SOURCE_REMOVE;
}

static void on_accepted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection =
        g_socket_listener_accept_finish(G_SOCKET_LISTENER(source), result, NULL, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* and `data` is gone */
    Connections *c = data;
    if (connection) {
        take(c, connection);
        accept_next(c);
    } else { /* no descriptor is left, say */
        drop_oldest(c);
        c->pause = g_timeout_add(PAUSE, resume, c);
    }
}

static void accept_next(Connections *c)
{
    g_socket_listener_accept_async(c->listener, c->cancellable, on_accepted, c);
}

Connections *connections_new(SoupServer *server, GInetAddress *address, guint16 port,
                             GError **error)
{
    g_autoptr(GSocketAddress) wanted = g_inet_socket_address_new(address, port);
    Connections *c = g_new0(Connections, 1);
    struct rlimit files;

    c->most = CONNECTIONS_MOST;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        c->most = (guint)CLAMP(files.rlim_cur / 2, 1, CONNECTIONS_MOST);
    c->server = g_object_ref(server);
    c->listener = g_socket_listener_new();
    c->cancellable = g_cancellable_new();
    g_socket_listener_set_backlog(c->listener, 64);
    if (!g_socket_listener_add_address(c->listener, wanted, G_SOCKET_TYPE_STREAM,
                                       G_SOCKET_PROTOCOL_TCP, NULL, &c->address, error)) {
        connections_free(c);
        return NULL;
    }
    accept_next(c);
    return c;
}

void connections_free(Connections *c)
{
    GSocketConnection *connection;

    if (!c)
        return;
    if (c->pause)
        g_source_remove(c->pause);
    while ((connection = g_queue_pop_head(&c->open)))
        g_object_weak_unref(G_OBJECT(connection), on_closed, c);
    g_cancellable_cancel(c->cancellable);
    g_socket_listener_close(c->listener);
    g_object_unref(c->listener);
    g_object_unref(c->cancellable);
    g_clear_object(&c->address);
    g_object_unref(c->server);
    g_free(c);
}

char *connections_get_uri(const Connections *c)
{
    GInetSocketAddress *address = G_INET_SOCKET_ADDRESS(c->address);
    g_autofree char *host =
        g_inet_address_to_string(g_inet_socket_address_get_address(address));

    return g_strdup_printf(strchr(host, ':') ? "http://[%s]:%u/" : "http://%s:%u/", host,
                           g_inet_socket_address_get_port(address));
}
