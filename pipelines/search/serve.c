/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-search serve: the index in a browser.
 *
 *   GET  /  /style.css  /search.js     the page
 *   GET  /api/index                    {"frames", "films", "text", "list"}
 *   GET  /api/search?q=TEXT            {"answers", "strips", ...}
 *   POST /api/similar                  the same; the body is a picture
 *   GET  /frame/FILM/NS                a frame as a PNG
 *   GET  /film/FILM                    the film itself, or a range of it
 *
 * Whatever comes in may come from anybody who gets a browser on this machine to send it: guard.h
 * says what is refused; films are known by their number in the index and nothing else is opened.
 * Answers that take time are made by threads, one for questions, two for frames, while films go on
 * being sent.
 */
#include "connections.h"
#include "filmserver.h"
#include "guard.h"
#include "reply.h"
#include "searcher.h"
#include "serve-page.h"

#include <glib-unix.h>
#include <gst/gst.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TEXT 8192
#define MOST_WAITING 64
#define ANSWERS 48
#define STRIPS 8
#define LISTED 120 /* films on the page before a question */
#define STRIP_POINTS 400
#define FRAME_W 480
#define FRAME_H 270
#define FRAMES_KEPT 400

typedef struct {
    SoupServer *server;
    Connections *connections;
    GMainLoop *loop;
    Store *store; /* of the main thread */
    Searcher searcher; /* of the thread for questions */
    char **names; /* host names besides its own */
    GThreadPool *questions, *frames;
    GHashTable *kept; /* "film/ns" -> GBytes of a PNG; of the main thread */
    GQueue order;     /* its keys, oldest first */
} Serve;

typedef struct {
    Serve *serve;
    SoupServerMessage *message;
    gboolean gone; /* the client has left; of the main thread */
    gulong finished;
    char *text;      /* a question by text, */
    GBytes *picture; /* or by a picture, */
    char *uri;       /* or a frame of this film */
    char *key;
    gint64 time;

    guint status;
    GBytes *body;
    const char *type;
} Work;

/* ------------------------------------------------------------------------------------------
 * Answers
 */
static json_t *answers_json(const GArray *answers)
{
    json_t *list = json_array();

    for (guint i = 0; i < answers->len; i++) {
        const Answer *answer = &g_array_index(answers, Answer, i);
        g_autofree char *ns = g_strdup_printf("%" G_GINT64_FORMAT, answer->moment.best);
        json_array_append_new(
            list, json_pack("{s:I, s:o, s:f, s:f, s:f, s:s, s:f, s:i}", "film",
                            (json_int_t)answer->stream->id, "name",
                            reply_text(answer_short_name(answer->stream)), "start",
                            (double)answer->moment.start / 1e9, "end",
                            (double)answer->moment.end / 1e9, "best",
                            (double)answer->moment.best / 1e9, "best_ns", ns, "score",
                            (double)answer->moment.score, "frames", (int)answer->moment.frames));
    }
    return list;
}

/* The best score in each part of the film's length; null where there is no frame. */
static json_t *strip_json(const StoreStream *stream, const Score *scores, guint64 n)
{
    gint64 length = MAX(1, MAX(stream->duration, stream->last));
    float best = -1, points[STRIP_POINTS];
    json_t *list = json_array();
    guint count = (guint)CLAMP(stream->n, 1, STRIP_POINTS);

    for (guint i = 0; i < count; i++)
        points[i] = NAN;
    for (guint64 i = 0; i < n; i++) {
        if (scores[i].stream != stream->id)
            continue;
        guint at = (guint)CLAMP((double)scores[i].pts / (double)length * count, 0, count - 1);
        points[at] = isnan(points[at]) ? scores[i].score : MAX(points[at], scores[i].score);
        best = MAX(best, scores[i].score);
    }
    for (guint i = 0; i < count; i++)
        json_array_append_new(list, isnan(points[i]) ? json_null()
                                                     : json_real((double)points[i]));
    return json_pack("{s:I, s:o, s:f, s:f, s:o}", "film", (json_int_t)stream->id, "name",
                     reply_text(answer_short_name(stream)), "length", (double)length / 1e9, "best",
                     (double)best, "points", list);
}

static GBytes *question_answered(Searcher *searcher, const float *query, gint64 began,
                                 GError **error)
{
    g_autofree Score *scores = searcher_score(searcher, query);
    g_autoptr(GPtrArray) streams = NULL;
    g_autoptr(GArray) answers = searcher_answer(searcher, scores, ANSWERS, FALSE, &streams, error);
    guint64 n = vectors_count(searcher->vectors);
    double high = -1;

    if (!answers)
        return NULL;
    for (guint64 i = 0; i < n; i++)
        high = MAX(high, (double)scores[i].score);
    json_t *strips = json_array();
    for (guint i = 0; i < MIN(streams->len, STRIPS); i++)
        json_array_append_new(strips, strip_json(streams->pdata[i], scores, n));
    return reply_json(json_pack(
        "{s:o, s:o, s:I, s:f, s:f, s:f}", "answers", answers_json(answers), "strips", strips,
        "frames", (json_int_t)n, "low", moments_mean(scores, n), "high", high, "milliseconds",
        (double)(g_get_monotonic_time() - began) / 1e3));
}

/* ------------------------------------------------------------------------------------------
 * Work of the threads
 */
static void work_free(Work *work)
{
    if (work->finished)
        g_signal_handler_disconnect(work->message, work->finished);
    g_clear_pointer(&work->picture, g_bytes_unref);
    g_clear_pointer(&work->body, g_bytes_unref);
    g_object_unref(work->message);
    g_free(work->text);
    g_free(work->uri);
    g_free(work->key);
    g_free(work);
}

static void keep_frame(Serve *serve, const char *key, GBytes *body)
{
    if (g_hash_table_contains(serve->kept, key))
        return;
    char *copy = g_strdup(key);
    g_hash_table_insert(serve->kept, copy, g_bytes_ref(body));
    g_queue_push_tail(&serve->order, copy);
    if (serve->order.length > FRAMES_KEPT)
        g_hash_table_remove(serve->kept, g_queue_pop_head(&serve->order));
}

static gboolean work_done(gpointer data)
{
    Work *work = data;

    if (work->key && work->status == SOUP_STATUS_OK)
        keep_frame(work->serve, work->key, work->body);
    if (!work->gone) {
        reply_send(work->message, work->status, work->type, work->body);
        soup_server_message_unpause(work->message);
    }
    work_free(work);
    return G_SOURCE_REMOVE;
}

static void finish_work(Work *work, GBytes *body, const char *type, GError *error)
{
    work->status = body ? SOUP_STATUS_OK
                   : g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND)
                       ? SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE
                   : work->uri ? SOUP_STATUS_NOT_FOUND
                               : SOUP_STATUS_UNPROCESSABLE_ENTITY;
    work->body = body ? body : reply_error(error ? error->message : "no answer");
    work->type = body ? type : "application/json";
    g_clear_error(&error);
    g_idle_add(work_done, work);
}

static void answer_question(gpointer data, gpointer user)
{
    Work *work = data;
    Searcher *searcher = &work->serve->searcher;
    gint64 began = g_get_monotonic_time();
    GError *error = NULL;
    g_autofree float *query = NULL;
    GBytes *body = NULL;

    if (searcher_refresh(searcher, &error)) {
        if (work->text) {
            query = searcher_text(searcher, work->text, &error);
        } else {
            Picture picture = {0};
            if (picture_from_memory(work->picture, &picture, &error))
                query = searcher_picture(searcher, &picture, &error);
            picture_clear(&picture);
        }
    }
    if (query)
        body = question_answered(searcher, query, began, &error);
    finish_work(work, body, "application/json", error);
}

static cairo_status_t append_bytes(void *closure, const unsigned char *data, unsigned int length)
{
    g_byte_array_append(closure, data, length);
    return CAIRO_STATUS_SUCCESS;
}

static void decode_frame(gpointer data, gpointer user)
{
    Work *work = data;
    GError *error = NULL;
    Picture picture = {0};
    GBytes *body = NULL;
    Film *film = film_open(work->uri, &error);

    if (film && film_picture(film, work->time, &picture, &error)) {
        GByteArray *png = g_byte_array_new();
        cairo_surface_t *small = picture_shrink(&picture, FRAME_W, FRAME_H);
        cairo_surface_write_to_png_stream(small, append_bytes, png);
        cairo_surface_destroy(small);
        body = g_byte_array_free_to_bytes(png);
    }
    picture_clear(&picture);
    film_close(film);
    finish_work(work, body, "image/png", error);
}

static void on_finished(SoupServerMessage *message, gpointer data)
{
    ((Work *)data)->gone = TRUE;
}

static Work *work_new(Serve *serve, SoupServerMessage *message)
{
    Work *work = g_new0(Work, 1);

    work->serve = serve;
    work->message = g_object_ref(message);
    work->finished = g_signal_connect(message, "finished", G_CALLBACK(on_finished), work);
    return work;
}

static void push_work(GThreadPool *pool, Work *work)
{
    if (g_thread_pool_unprocessed(pool) >= MOST_WAITING) {
        reply_refuse(work->message, SOUP_STATUS_SERVICE_UNAVAILABLE, "too many questions at once");
        work_free(work);
        return;
    }
    soup_server_message_pause(work->message);
    g_thread_pool_push(pool, work, NULL);
}

/* ------------------------------------------------------------------------------------------
 * Requests
 */
/* "123" of "/film/123" with `prefix` "/film/"; the rest of the path in `rest`. */
static gboolean parse_id(const char *path, const char *prefix, gint64 *id, const char **rest)
{
    if (!g_str_has_prefix(path, prefix) || !g_ascii_isdigit(path[strlen(prefix)]))
        return FALSE;
    guint64 value = g_ascii_strtoull(path + strlen(prefix), (char **)rest, 10);
    *id = (gint64)MIN(value, G_MAXINT64);
    return TRUE;
}

/* The file of a film of the index; NULL for what has none (a live source, one on the network). */
static StoreStream *find_film(Serve *serve, gint64 id, char **path)
{
    g_autoptr(StoreStream) stream = store_get_stream(serve->store, id, NULL);

    *path = stream && stream->uri && g_str_has_prefix(stream->uri, "file://")
                ? g_filename_from_uri(stream->uri, NULL, NULL)
                : NULL;
    return *path ? g_steal_pointer(&stream) : NULL;
}

static void on_frame_request(Serve *serve, SoupServerMessage *message, gint64 id, const char *time)
{
    g_autofree char *path = NULL;
    g_autoptr(StoreStream) stream = find_film(serve, id, &path);
    char *end;
    guint64 ns = g_ascii_strtoull(time, &end, 10);

    if (!stream || !g_ascii_isdigit(*time) || *end != '\0' || ns > G_MAXINT64 / 2) {
        reply_refuse(message, SOUP_STATUS_NOT_FOUND, "no such frame");
        return;
    }
    g_autofree char *key =
        g_strdup_printf("%" G_GINT64_FORMAT "/%" G_GUINT64_FORMAT "/%" G_GINT64_FORMAT, id, ns,
                        stream->mtime);
    GBytes *kept = g_hash_table_lookup(serve->kept, key);
    if (kept) {
        reply_send(message, SOUP_STATUS_OK, "image/png", kept);
        return;
    }
    Work *work = work_new(serve, message);
    work->uri = g_steal_pointer(&stream->uri);
    work->key = g_steal_pointer(&key);
    work->time = (gint64)ns;
    push_work(serve->frames, work);
}

/* A film with a time to show it by: near its middle. */
static json_t *film_json(const StoreStream *stream)
{
    gint64 length = MAX(0, MAX(stream->duration, stream->last));
    g_autofree char *ns = g_strdup_printf("%" G_GINT64_FORMAT, MAX(0, stream->last) / 2);

    return json_pack("{s:I, s:o, s:f, s:s, s:I}", "film", (json_int_t)stream->id, "name",
                     reply_text(answer_short_name(stream)), "length", (double)length / 1e9, "ns",
                     ns, "frames", (json_int_t)stream->n);
}

static void on_index_request(Serve *serve, SoupServerMessage *message)
{
    g_autoptr(GPtrArray) streams = store_list_streams(serve->store, NULL);
    g_autoptr(StoreModel) model = store_get_model(serve->store, NULL);
    json_t *list = json_array();
    guint64 n = 0;

    for (guint i = 0; streams && i < streams->len; i++) {
        const StoreStream *stream = streams->pdata[i];
        n += stream->n;
        if (i < LISTED)
            json_array_append_new(list, film_json(stream));
    }
    g_autoptr(GBytes) body = reply_json(
        json_pack("{s:I, s:i, s:b, s:o}", "frames", (json_int_t)n, "films",
                  streams ? (int)streams->len : 0, "text",
                  model && g_strcmp0(model->kind, "joint") == 0, "list", list));
    reply_send(message, SOUP_STATUS_OK, "application/json", body);
}

static void on_search_request(Serve *serve, SoupServerMessage *message, GHashTable *query)
{
    const char *text = query ? g_hash_table_lookup(query, "q") : NULL;

    if (!text || !*text || strlen(text) > MOST_TEXT || !g_utf8_validate(text, -1, NULL)) {
        reply_refuse(message, SOUP_STATUS_BAD_REQUEST,
                     "q is a text of at most 8192 bytes in UTF-8");
        return;
    }
    Work *work = work_new(serve, message);
    work->text = g_strdup(text);
    push_work(serve->questions, work);
}

static void on_similar_request(Serve *serve, SoupServerMessage *message)
{
    if (guard_dropped_body(message)) {
        reply_refuse(message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "more than 32 MB");
        return;
    }
    Work *work = work_new(serve, message);
    work->picture =
        soup_message_body_flatten(soup_server_message_get_request_body(message));
    push_work(serve->questions, work);
}

static gboolean serve_page(SoupServerMessage *message, const char *path)
{
    static const struct {
        const char *path, *resource, *type;
    } files[] = {
        {"/", "/gemma4-search/index.html", "text/html; charset=utf-8"},
        {"/style.css", "/gemma4-search/style.css", "text/css; charset=utf-8"},
        {"/search.js", "/gemma4-search/search.js", "text/javascript; charset=utf-8"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        if (!g_str_equal(path, files[i].path))
            continue;
        g_autoptr(GBytes) body = g_resource_lookup_data(
            serve_page_get_resource(), files[i].resource, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
        reply_send(message, SOUP_STATUS_OK, files[i].type, body);
        return TRUE;
    }
    return FALSE;
}

static void on_request(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    Serve *serve = data;
    gboolean post = soup_server_message_get_method(message) == SOUP_METHOD_POST;
    const char *rest;
    gint64 id;

    /* libsoup's own ranges, of an answer in memory, are sent with the whole one's length. */
    if (!g_str_has_prefix(path, "/film/"))
        soup_message_headers_remove(soup_server_message_get_request_headers(message), "Range");
    if (post != g_str_equal(path, "/api/similar")) {
        reply_refuse(message, SOUP_STATUS_METHOD_NOT_ALLOWED, "not this way");
    } else if (post) {
        on_similar_request(serve, message);
    } else if (g_str_equal(path, "/api/index")) {
        on_index_request(serve, message);
    } else if (g_str_equal(path, "/api/search")) {
        on_search_request(serve, message, query);
    } else if (parse_id(path, "/frame/", &id, &rest) && *rest == '/') {
        on_frame_request(serve, message, id, rest + 1);
    } else if (parse_id(path, "/film/", &id, &rest) && *rest == '\0') {
        g_autofree char *file = NULL;
        g_autoptr(StoreStream) stream = find_film(serve, id, &file);
        if (stream)
            film_serve(message, file);
        else
            reply_refuse(message, SOUP_STATUS_NOT_FOUND, "no such film");
    } else if (!serve_page(message, path)) {
        reply_refuse(message, SOUP_STATUS_NOT_FOUND, "nothing here");
    }
}

/* ------------------------------------------------------------------------------------------
 * The server
 */
static gboolean quit(gpointer data)
{
    g_main_loop_quit(data);
    return G_SOURCE_CONTINUE;
}

static gboolean listen_at(Serve *serve, const char *address, int port, GError **error)
{
    g_autoptr(GInetAddress) inet = g_inet_address_new_from_string(address);

    if (!inet) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "--address %s: not an IP address", address);
        return FALSE;
    }
    serve->server = soup_server_new("server-header", "gemma4-search", NULL);
    guard_install(serve->server, g_inet_address_get_is_loopback(inet),
                  (const char *const *)serve->names);
    soup_server_add_handler(serve->server, NULL, on_request, serve, NULL);
    serve->connections = connections_new(serve->server, inet, (guint16)port, error);
    if (!serve->connections)
        return FALSE;
    g_autofree char *uri = connections_get_uri(serve->connections);
    printf("%s\n", uri);
    fflush(stdout);
    return TRUE;
}

static void serve_clear(Serve *serve)
{
    if (serve->questions)
        g_thread_pool_free(serve->questions, FALSE, TRUE);
    if (serve->frames)
        g_thread_pool_free(serve->frames, FALSE, TRUE);
    while (g_main_context_iteration(NULL, FALSE)) /* answers on their way */
        ;
    connections_free(serve->connections);
    if (serve->server)
        soup_server_disconnect(serve->server);
    g_clear_object(&serve->server);
    g_hash_table_unref(serve->kept);
    g_queue_clear(&serve->order);
    searcher_clear(&serve->searcher);
    store_close(serve->store);
    g_main_loop_unref(serve->loop);
}

int serve_command(Options *options, int argc, char **argv)
{
    g_autofree char *address = NULL;
    g_auto(GStrv) names = NULL;
    int port = 8080, status = EXIT_FINE;
    Serve serve = {0};
    GError *error = NULL;
    const GOptionEntry entries[] = {
        {"port", 0, 0, G_OPTION_ARG_INT, &port, "Default: 8080; 0: any that is free", "N"},
        {"address", 0, 0, G_OPTION_ARG_STRING, &address,
         "Default: 127.0.0.1, this machine alone", "IP"},
        {"name", 0, 0, G_OPTION_ARG_STRING_ARRAY, &names,
         "A host name that it is asked by, besides its own; may be repeated", "HOST"},
        G_OPTION_ENTRY_NULL,
    };

    if (!options_parse(options, entries, "", &argc, &argv, 0, 0, TRUE))
        return EXIT_USAGE;
    if (port < 0 || port > 65535) {
        g_printerr("gemma4-search: --port is a number from 0 to 65535\n");
        return EXIT_USAGE;
    }
    serve.names = names;
    serve.loop = g_main_loop_new(NULL, FALSE);
    serve.kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                       (GDestroyNotify)g_bytes_unref);
    serve.store = store_open(options->db, STORE_READ, &error);
    if (serve.store && searcher_open(&serve.searcher, options, &error) &&
        listen_at(&serve, address ? address : "127.0.0.1", port, &error)) {
        guint sources[] = {g_unix_signal_add(SIGINT, quit, serve.loop),
                           g_unix_signal_add(SIGTERM, quit, serve.loop)};
        serve.questions = g_thread_pool_new(answer_question, &serve, 1, FALSE, NULL);
        serve.frames = g_thread_pool_new(decode_frame, &serve, 2, FALSE, NULL);
        g_main_loop_run(serve.loop);
        g_source_remove(sources[0]);
        g_source_remove(sources[1]);
    } else {
        status = options_fail(error);
    }
    serve_clear(&serve);
    return status;
}
