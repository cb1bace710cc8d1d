/* SPDX-License-Identifier: Apache-2.0
 *
 * A film's file over HTTP.
 */
#include "filmserver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (256 * 1024)

typedef struct {
    int fd;
    gint64 at, left;
} Transfer;

static gboolean parse_number(const char **text, gint64 *number)
{
    char *end;

    if (!g_ascii_isdigit(**text))
        return FALSE;
    errno = 0;
    guint64 value = g_ascii_strtoull(*text, &end, 10);
    *number = errno != 0 || value > G_MAXINT64 / 2 ? G_MAXINT64 / 2 : (gint64)value;
    *text = end;
    return TRUE;
}

gboolean film_parse_range(const char *header, gint64 size, gint64 *first, gint64 *last,
                          gboolean *satisfiable)
{
    gint64 from = -1, to = -1;

    *satisfiable = TRUE;
    if (!header || g_ascii_strncasecmp(header, "bytes=", 6) != 0)
        return FALSE;
    header += 6;
    gboolean has_from = parse_number(&header, &from);
    if (*header++ != '-')
        return FALSE;
    gboolean has_to = parse_number(&header, &to);
    while (*header == ' ')
        header++;
    /* Of several ranges the first: whoever wants the others asks again. */
    if ((*header != '\0' && *header != ',') || (!has_from && !has_to) ||
        (has_from && has_to && to < from))
        return FALSE;
    if (!has_from) {
        from = MAX(0, size - to);
        *satisfiable = to > 0 && size > 0;
        to = size - 1;
    } else {
        to = has_to ? MIN(to, size - 1) : size - 1;
        *satisfiable = from < size;
    }
    *first = from;
    *last = to;
    return *satisfiable;
}

static void transfer_free(gpointer data, GClosure *closure)
{
    Transfer *transfer = data;

    close(transfer->fd);
    g_free(transfer);
}

/* Of a file that has become shorter the rest is zeros: the length was promised. */
static void send_piece(SoupServerMessage *message, Transfer *transfer)
{
    SoupMessageBody *body = soup_server_message_get_response_body(message);
    gsize size = (gsize)MIN(transfer->left, PIECE), have = 0;
    char *piece;

    if (size == 0) {
        soup_message_body_complete(body);
        return;
    }
    piece = g_malloc(size);
    while (have < size) {
        gssize n = pread(transfer->fd, piece + have, size - have, transfer->at + (gint64)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (gsize)n;
    }
    memset(piece + have, 0, size - have);
    transfer->at += (gint64)size;
    transfer->left -= (gint64)size;
    soup_message_body_append_take(body, (guchar *)piece, size);
}

static void on_wrote_chunk(SoupServerMessage *message, gpointer data)
{
    send_piece(message, data);
    soup_server_message_unpause(message);
}

/* The type that a browser goes by; nothing that it would run. */
static char *type_of(const char *path)
{
    g_autofree char *content = g_content_type_guess(path, NULL, 0, NULL);
    char *mime = g_content_type_get_mime_type(content);

    if (mime && (g_str_has_prefix(mime, "video/") || g_str_has_prefix(mime, "image/")) &&
        !strstr(mime, "svg"))
        return mime;
    g_free(mime);
    return g_strdup("application/octet-stream");
}

void film_serve(SoupServerMessage *message, const char *path)
{
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    const char *range = soup_message_headers_get_one(
        soup_server_message_get_request_headers(message), "Range");
    gboolean satisfiable;
    gint64 first = 0, last;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        soup_server_message_set_status(message, SOUP_STATUS_NOT_FOUND, NULL);
        return;
    }
    g_autofree char *type = type_of(path);
    gint64 size = st.st_size;
    gboolean part = film_parse_range(range, size, &first, &last, &satisfiable);
    soup_message_headers_replace(headers, "Accept-Ranges", "bytes");
    if (!satisfiable) {
        g_autofree char *text = g_strdup_printf("bytes */%" G_GINT64_FORMAT, size);
        soup_message_headers_replace(headers, "Content-Range", text);
        soup_server_message_set_status(message, SOUP_STATUS_REQUESTED_RANGE_NOT_SATISFIABLE, NULL);
        close(fd);
        return;
    }
    if (part)
        soup_message_headers_set_content_range(headers, first, last, size);
    else
        last = size - 1;
    soup_server_message_set_status(message, part ? SOUP_STATUS_PARTIAL_CONTENT : SOUP_STATUS_OK,
                                   NULL);
    soup_message_headers_set_content_type(headers, type, NULL);
    soup_message_headers_set_content_length(headers, last - first + 1);
    if (soup_server_message_get_method(message) == SOUP_METHOD_HEAD || last < first) {
        close(fd);
        return;
    }
    Transfer *transfer = g_new(Transfer, 1);
    *transfer = (Transfer){.fd = fd, .at = first, .left = last - first + 1};
    soup_message_body_set_accumulate(soup_server_message_get_response_body(message), FALSE);
    g_signal_connect_data(message, "wrote-chunk", G_CALLBACK(on_wrote_chunk), transfer,
                          transfer_free, 0);
    send_piece(message, transfer);
}
