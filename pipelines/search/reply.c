/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers over HTTP.
 */
#include "reply.h"

#include <stdlib.h>
#include <string.h>

void reply_send(SoupServerMessage *message, guint status, const char *type, GBytes *body)
{
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);

    soup_server_message_set_status(message, status, NULL);
    soup_message_headers_set_content_type(headers, type, NULL);
    soup_message_headers_set_content_length(headers, (goffset)g_bytes_get_size(body));
    soup_message_body_append_bytes(soup_server_message_get_response_body(message), body);
}

GBytes *reply_json(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));

    json_decref(value);
    return g_bytes_new_with_free_func(text, strlen(text), free, text);
}

json_t *reply_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    return json_string(valid);
}

GBytes *reply_error(const char *why)
{
    return reply_json(json_pack("{s:o}", "error", reply_text(why)));
}

void reply_refuse(SoupServerMessage *message, guint status, const char *why)
{
    g_autoptr(GBytes) body = reply_error(why);

    reply_send(message, status, "application/json", body);
}
