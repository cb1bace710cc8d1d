/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks at the door.
 */
#include "guard.h"

#include "reply.h"

#include <string.h>

typedef struct {
    gboolean local;
    const char *const *names;
} Guard;

/* The host of "host", "host:port", "[address]" or "[address]:port". */
static char *host_name(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : strchr(host, ':');

    if (*host == '[')
        return end ? g_strndup(host + 1, (gsize)(end - host - 1)) : g_strdup("");
    return end ? g_strndup(host, (gsize)(end - host)) : g_strdup(host);
}

gboolean guard_knows_host(const char *host, gboolean local, const char *const *names)
{
    g_autofree char *name = host_name(host);
    g_autofree char *own = g_strdup_printf("%s.local", g_get_host_name());
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(name);

    if (address)
        return !local || g_inet_address_get_is_loopback(address);
    for (; names && *names; names++)
        if (g_ascii_strcasecmp(name, *names) == 0)
            return TRUE;
    return g_ascii_strcasecmp(name, "localhost") == 0 ||
           (!local && (g_ascii_strcasecmp(name, g_get_host_name()) == 0 ||
                       g_ascii_strcasecmp(name, own) == 0));
}

/* NULL, or why not. */
static const char *find_fault(const Guard *guard, SoupServerMessage *message)
{
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    const char *host = soup_message_headers_get_one(headers, "Host");
    const char *origin = soup_message_headers_get_one(headers, "Origin");
    const char *site = soup_message_headers_get_one(headers, "Sec-Fetch-Site");

    if (!host || !guard_knows_host(host, guard->local, guard->names))
        return "not by this host name: use an address, or serve with --name";
    if (site && (g_str_equal(site, "cross-site") || g_str_equal(site, "same-site")))
        return "not from another site";
    if (origin && (!g_str_has_prefix(origin, "http://") ||
                   g_ascii_strcasecmp(origin + strlen("http://"), host) != 0))
        return "not from another site";
    return NULL;
}

static void add_headers(SoupServerMessage *message)
{
    static const char *const fixed[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
         "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
         "frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);

    for (guint i = 0; i < G_N_ELEMENTS(fixed); i++)
        soup_message_headers_replace(headers, fixed[i][0], fixed[i][1]);
    /* libsoup before 3.4 never closes a connection that a client left open and went away from:
     * each would keep a descriptor until there are no more. */
    if (!soup_check_version(3, 4, 0))
        soup_message_headers_replace(headers, "Connection", "close");
}

/* What comes is read, as the answer is not looked at before, and thrown away. */
static void drop_body(SoupServerMessage *message)
{
    SoupMessageBody *body = soup_server_message_get_request_body(message);

    soup_message_body_set_accumulate(body, FALSE);
    soup_message_body_truncate(body);
}

gboolean guard_dropped_body(SoupServerMessage *message)
{
    return !soup_message_body_get_accumulate(soup_server_message_get_request_body(message));
}

static void on_got_chunk(SoupServerMessage *message, GBytes *chunk, gpointer data)
{
    gsize *size = data;

    *size += g_bytes_get_size(chunk);
    if (*size > GUARD_MOST_BODY)
        drop_body(message);
}

static void on_headers(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    const char *method = soup_server_message_get_method(message);
    const char *fault = find_fault(data, message);

    add_headers(message);
    if (fault)
        reply_refuse(message, SOUP_STATUS_FORBIDDEN, fault);
    else if (method != SOUP_METHOD_GET && method != SOUP_METHOD_HEAD &&
             method != SOUP_METHOD_POST)
        reply_refuse(message, SOUP_STATUS_METHOD_NOT_ALLOWED, "neither GET nor POST");
    else if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CONTENT_LENGTH &&
             soup_message_headers_get_content_length(headers) > GUARD_MOST_BODY)
        reply_refuse(message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "more than 32 MB");
    else if (method == SOUP_METHOD_POST)
        g_signal_connect_data(message, "got-chunk", G_CALLBACK(on_got_chunk), g_new0(gsize, 1),
                              (GClosureNotify)(void (*)(void))g_free, 0);
    if (soup_server_message_get_status(message) != SOUP_STATUS_NONE || method != SOUP_METHOD_POST)
        drop_body(message);
}

void guard_install(SoupServer *server, gboolean local, const char *const *names)
{
    Guard *guard = g_new(Guard, 1);

    *guard = (Guard){local, names};
    soup_server_add_early_handler(server, NULL, on_headers, guard, g_free);
}
