/* SPDX-License-Identifier: Apache-2.0
 *
 * An index opened for questions.
 */
#include "searcher.h"

#include "timecode.h"

#include <string.h>

gboolean searcher_open(Searcher *s, const Options *options, GError **error)
{
    *s = (Searcher){.options = options};
    s->store = store_open(options->db, STORE_READ, error);
    s->model = s->store ? store_get_model(s->store, error) : NULL;
    s->vectors = s->model ? vectors_open(s->store, s->model, error) : NULL;
    return s->vectors != NULL;
}

void searcher_clear(Searcher *s)
{
    embedder_free(s->embedder);
    vectors_free(s->vectors);
    store_model_free(s->model);
    store_close(s->store);
    *s = (Searcher){0};
}

gboolean searcher_refresh(Searcher *s, GError **error)
{
    if (vectors_are_current(s->vectors, s->store))
        return TRUE;
    StoreModel *model = store_get_model(s->store, error);
    Vectors *vectors = model ? vectors_open(s->store, model, error) : NULL;
    if (!vectors) {
        store_model_free(model);
        return FALSE;
    }
    if (g_strcmp0(model->digest, s->model->digest) != 0 ||
        g_strcmp0(model->path, s->model->path) != 0)
        g_clear_pointer(&s->embedder, embedder_free);
    vectors_free(s->vectors);
    store_model_free(s->model);
    s->vectors = vectors;
    s->model = model;
    return TRUE;
}

static gboolean ensure_embedder(Searcher *s, GError **error)
{
    if (!s->embedder)
        s->embedder = options_embedder(s->options, s->model, error);
    return s->embedder != NULL;
}

/* Takes `query` and gives it back if it fits. */
static float *check_cols(const Searcher *s, float *query, guint cols, GError **error)
{
    if (!query || cols == s->model->cols)
        return query;
    g_set_error(error, STORE_ERROR, STORE_ERROR_FOREIGN,
                "the checkpoint makes vectors of %u values, the index holds such of %u", cols,
                s->model->cols);
    g_free(query);
    return NULL;
}

float *searcher_text(Searcher *s, const char *text, GError **error)
{
    guint cols = 0;

    if (g_strcmp0(s->model->kind, "joint") != 0) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_FOREIGN,
                    "%s: holds %s vectors, which cannot be searched by text; index with a "
                    "checkpoint that has a text encoder (EmbeddingGemma 2), or use similar",
                    store_path(s->store), s->model->kind);
        return NULL;
    }
    if (!ensure_embedder(s, error))
        return NULL;
    float *query = embedder_text(
        s->embedder, s->options->prompt ? s->options->prompt : "query", text, &cols, error);
    return check_cols(s, query, cols, error);
}

float *searcher_picture(Searcher *s, const Picture *picture, GError **error)
{
    guint cols = 0;

    if (!ensure_embedder(s, error))
        return NULL;
    float *query = embedder_picture(s->embedder, g_strcmp0(s->model->kind, "joint") == 0,
                                    s->options->prompt, picture, &cols, error);
    return check_cols(s, query, cols, error);
}

float *searcher_file(Searcher *s, const char *what, GError **error)
{
    g_autofree char *path = g_strdup(what), *name = NULL, *uri = NULL;
    const char *at = strrchr(what, '@');
    gint64 time = -1;
    Picture picture = {0};
    float *query = NULL;

    if (at && timecode_parse(at + 1, &time))
        path[at - what] = '\0';
    if (!store_resolve(path, &name, &uri, error))
        return NULL;
    Film *film = film_open(uri, error);
    if (film && film_picture(film, time, &picture, error))
        query = searcher_picture(s, &picture, error);
    picture_clear(&picture);
    film_close(film);
    return query;
}

Score *searcher_score(Searcher *s, const float *query)
{
    guint threads = s->options->threads ? (guint)s->options->threads : g4_default_threads();
    Score *scores = g_new(Score, MAX(1, vectors_count(s->vectors)));

    vectors_score(s->vectors, query, threads, scores);
    return scores;
}

GArray *searcher_answer(Searcher *s, const Score *scores, guint top, gboolean single,
                        GPtrArray **streams, GError **error)
{
    guint64 n = vectors_count(s->vectors);
    g_autoptr(GArray) moments = single ? moments_of_frames(scores, n, top)
                                       : moments_find(scores, n, moments_mean(scores, n), top);
    g_autoptr(GArray) answers = g_array_new(FALSE, TRUE, sizeof(Answer));
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)store_stream_free);

    for (guint i = 0; i < moments->len; i++) {
        Answer answer = {.moment = g_array_index(moments, Moment, i)};
        for (guint k = 0; k < found->len && !answer.stream; k++)
            if (((StoreStream *)found->pdata[k])->id == answer.moment.stream)
                answer.stream = found->pdata[k];
        if (!answer.stream) {
            g_autoptr(GError) problem = NULL;
            answer.stream = store_get_stream(s->store, answer.moment.stream, &problem);
            if (problem) {
                g_propagate_error(error, g_steal_pointer(&problem));
                return NULL;
            }
            if (!answer.stream)
                continue; /* removed meanwhile */
            g_ptr_array_add(found, answer.stream);
        }
        g_array_append_val(answers, answer);
    }
    *streams = g_steal_pointer(&found);
    return g_steal_pointer(&answers);
}

const char *answer_short_name(const StoreStream *stream)
{
    const char *slash = strrchr(stream->name, '/');

    return slash && slash[1] ? slash + 1 : stream->name;
}
