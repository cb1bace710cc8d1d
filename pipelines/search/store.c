/* SPDX-License-Identifier: Apache-2.0
 *
 * The database of an index: models and streams.
 */
#include "store.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gstembeddingsinkschema.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATIENCE 20000 /* ms that another writer may hold the file */

struct Store {
    char *path;
    sqlite3 *db;
};

G_DEFINE_QUARK(gemma4-search-store, store_error)

void store_set_error(Store *store, GError **error)
{
    g_set_error(error, STORE_ERROR, STORE_ERROR_SQLITE, "%s: %s", store->path,
                sqlite3_errmsg(store->db));
}

const char *store_path(const Store *store)
{
    return store->path;
}

sqlite3 *store_db(Store *store)
{
    return store->db;
}

void store_close(Store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    g_free(store->path);
    g_free(store);
}

/* One number; FALSE where the statement fails. */
static gboolean ask(Store *store, const char *sql, gint64 *answer)
{
    sqlite3_stmt *statement = NULL;
    gboolean ok = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
                  sqlite3_step(statement) == SQLITE_ROW;

    if (ok)
        *answer = sqlite3_column_int64(statement, 0);
    return sqlite3_finalize(statement) == SQLITE_OK && ok;
}

static gboolean check_tables(Store *store, StoreMode mode, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE * G_TIME_SPAN_MILLISECOND;
    gint64 tables, application, version;

    if (!ask(store, "SELECT count(*) FROM sqlite_master", &tables) ||
        !ask(store, "PRAGMA application_id", &application) ||
        !ask(store, "PRAGMA user_version", &version)) {
        store_set_error(store, error);
        return FALSE;
    }
    if (tables == 0 && mode == STORE_WRITE) {
        int code;
        while ((code = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL)) ==
                   SQLITE_BUSY &&
               g_get_monotonic_time() < deadline)
            g_usleep(10000);
        if (code != SQLITE_OK ||
            sqlite3_exec(store->db, "BEGIN IMMEDIATE;" GST_EMBEDDING_SCHEMA "COMMIT", NULL, NULL,
                         NULL) != SQLITE_OK) {
            store_set_error(store, error);
            return FALSE;
        }
        return TRUE;
    }
    if (application == GST_EMBEDDING_SCHEMA_APPLICATION_ID &&
        version == GST_EMBEDDING_SCHEMA_VERSION)
        return TRUE;
    if (application == GST_EMBEDDING_SCHEMA_APPLICATION_ID &&
        version > GST_EMBEDDING_SCHEMA_VERSION) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_FOREIGN,
                    "%s: an index of a newer gemma4-search: user_version %" G_GINT64_FORMAT
                    ", this one knows %d",
                    store->path, version, GST_EMBEDDING_SCHEMA_VERSION);
        return FALSE;
    }
    g_set_error(error, STORE_ERROR, STORE_ERROR_FOREIGN,
                "%s: not an index: application_id %" G_GINT64_FORMAT " and user_version "
                "%" G_GINT64_FORMAT ", expected %d and %d",
                store->path, application, version, GST_EMBEDDING_SCHEMA_APPLICATION_ID,
                GST_EMBEDDING_SCHEMA_VERSION);
    return FALSE;
}

/* Of a file that nobody can write: without a log it is all there is, and does not change. SQLite
 * wants to be told so, as it cannot make the memory that readers and writers share. */
static gboolean open_unchanging(Store *store)
{
    g_autofree char *log = g_strconcat(store->path, "-wal", NULL);
    g_autofree char *full = g_canonicalize_filename(store->path, NULL);
    g_autofree char *uri = g_filename_to_uri(full, NULL, NULL);
    g_autofree char *immutable = g_strconcat(uri ? uri : "", "?immutable=1", NULL);
    int code = sqlite3_errcode(store->db);
    GStatBuf st;

    if ((code != SQLITE_READONLY && code != SQLITE_CANTOPEN) || !uri ||
        (g_stat(log, &st) == 0 && st.st_size > 0))
        return FALSE;
    sqlite3_close(store->db);
    return sqlite3_open_v2(immutable, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) ==
           SQLITE_OK;
}

Store *store_open(const char *path, StoreMode mode, GError **error)
{
    g_autoptr(Store) store = g_new0(Store, 1);
    g_autoptr(GError) problem = NULL;

    store->path = g_strdup(path);
    if (mode == STORE_READ && g_access(path, R_OK) < 0) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_MISSING, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    /* Reading, too, writes: the memory that readers and writers share. */
    int flags = mode == STORE_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                    : SQLITE_OPEN_READWRITE;
    if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK) {
        store_set_error(store, error);
        return NULL;
    }
    sqlite3_busy_timeout(store->db, PATIENCE);
    /* A reader that leaves moves nothing about: what vectors.c knows of the file stays true. */
    if (mode == STORE_READ)
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (check_tables(store, mode, &problem))
        return g_steal_pointer(&store);
    if (mode == STORE_READ && g_error_matches(problem, STORE_ERROR, STORE_ERROR_SQLITE) &&
        open_unchanging(store)) {
        if (!check_tables(store, mode, error))
            return NULL;
        return g_steal_pointer(&store);
    }
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
}

static char *column(sqlite3_stmt *statement, int i)
{
    return g_strdup((const char *)sqlite3_column_text(statement, i));
}

static gint64 column_or(sqlite3_stmt *statement, int i, gint64 otherwise)
{
    return sqlite3_column_type(statement, i) == SQLITE_NULL ? otherwise
                                                            : sqlite3_column_int64(statement, i);
}

/* ------------------------------------------------------------------------------------------
 * Model
 */
void store_model_free(StoreModel *model)
{
    if (!model)
        return;
    g_free(model->name);
    g_free(model->digest);
    g_free(model->kind);
    g_free(model->precision);
    g_free(model->path);
    g_free(model->text_digest);
    g_free(model->rate);
    g_free(model);
}

static void read_settings(StoreModel *model, const char *text)
{
    json_t *settings = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (!json_is_object(settings)) {
        json_decref(settings);
        return;
    }
    gint64 budget = json_integer_value(json_object_get(settings, "max_soft_tokens"));
    model->described = TRUE;
    model->path = g_strdup(json_string_value(json_object_get(settings, "model")));
    model->text_digest = g_strdup(json_string_value(json_object_get(settings, "text_digest")));
    model->rate = g_strdup(json_string_value(json_object_get(settings, "rate")));
    model->max_soft_tokens = budget > 0 && budget <= G_MAXINT ? (guint)budget : 0;
    json_decref(settings);
}

StoreModel *store_get_model(Store *store, GError **error)
{
    sqlite3_stmt *statement = NULL;
    g_autoptr(StoreModel) model = NULL;

    /* A model's row may have outlived its last vector. */
    if (sqlite3_prepare_v2(store->db,
                           "SELECT id, name, digest, kind, precision, rows, cols, settings "
                           "FROM model ORDER BY settings IS NULL, id LIMIT 1",
                           -1, &statement, NULL) != SQLITE_OK) {
        store_set_error(store, error);
        return NULL;
    }
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        model = g_new0(StoreModel, 1);
        model->id = sqlite3_column_int64(statement, 0);
        model->name = column(statement, 1);
        model->digest = column(statement, 2);
        model->kind = column(statement, 3);
        model->precision = column(statement, 4);
        model->rows = (guint)CLAMP(sqlite3_column_int64(statement, 5), 0, G_MAXINT);
        model->cols = (guint)CLAMP(sqlite3_column_int64(statement, 6), 0, G_MAXINT);
        read_settings(model, (const char *)sqlite3_column_text(statement, 7));
    } else if (code == SQLITE_DONE) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_MISSING, "%s: nothing is indexed yet",
                    store->path);
    } else {
        store_set_error(store, error);
    }
    sqlite3_finalize(statement);
    return g_steal_pointer(&model);
}

gboolean store_describe_model(Store *store, const StoreModel *description, gboolean *done,
                              GError **error)
{
    sqlite3_stmt *statement = NULL;
    gint64 undescribed = 0, described = 0;

    if (!ask(store, "SELECT count(*) FROM model WHERE settings IS NULL", &undescribed) ||
        !ask(store, "SELECT count(*) FROM model WHERE settings IS NOT NULL", &described)) {
        store_set_error(store, error);
        return FALSE;
    }
    *done = undescribed == 0 && described > 0;
    if (undescribed == 0)
        return TRUE;

    json_t *settings = json_object();
    if (description->path)
        json_object_set_new(settings, "model", json_string(description->path));
    if (description->text_digest)
        json_object_set_new(settings, "text_digest", json_string(description->text_digest));
    if (description->rate)
        json_object_set_new(settings, "rate", json_string(description->rate));
    json_object_set_new(settings, "max_soft_tokens", json_integer(description->max_soft_tokens));
    char *text = json_dumps(settings, JSON_COMPACT);
    json_decref(settings);

    gboolean ok = sqlite3_prepare_v2(
                      store->db,
                      "UPDATE model SET precision = ?1, settings = ?2 WHERE settings IS NULL", -1,
                      &statement, NULL) == SQLITE_OK;
    if (ok) {
        sqlite3_bind_text(statement, 1, description->precision, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
        ok = sqlite3_step(statement) == SQLITE_DONE;
    }
    if (!ok)
        store_set_error(store, error);
    *done = ok;
    sqlite3_finalize(statement);
    free(text);
    return ok;
}

/* ------------------------------------------------------------------------------------------
 * Streams
 */
void store_stream_free(StoreStream *stream)
{
    if (!stream)
        return;
    g_free(stream->name);
    g_free(stream->uri);
    g_free(stream);
}

#define STREAM_COLUMNS "stream.id, name, uri, size, mtime, duration, done"

static StoreStream *read_stream(sqlite3_stmt *statement)
{
    StoreStream *stream = g_new0(StoreStream, 1);

    stream->id = sqlite3_column_int64(statement, 0);
    stream->name = column(statement, 1);
    stream->uri = column(statement, 2);
    stream->size = column_or(statement, 3, -1);
    stream->mtime = column_or(statement, 4, -1);
    stream->duration = column_or(statement, 5, -1);
    stream->done = column_or(statement, 6, 0) != 0;
    stream->first = stream->last = stream->last_utc = -1;
    if (!stream->name)
        stream->name = g_strdup("");
    return stream;
}

/* Number and span of its embeddings, from the index of the unique rows. */
static gboolean read_span(Store *store, StoreStream *stream)
{
    sqlite3_stmt *statement = NULL;
    gboolean ok = sqlite3_prepare_v2(
                      store->db,
                      "SELECT count(*), min(pts), max(pts), (SELECT utc FROM embedding "
                      "WHERE stream = ?1 ORDER BY pts DESC LIMIT 1) "
                      "FROM embedding WHERE stream = ?1",
                      -1, &statement, NULL) == SQLITE_OK;

    if (ok) {
        sqlite3_bind_int64(statement, 1, stream->id);
        ok = sqlite3_step(statement) == SQLITE_ROW;
    }
    if (ok) {
        stream->n = (guint64)sqlite3_column_int64(statement, 0);
        stream->first = column_or(statement, 1, -1);
        stream->last = column_or(statement, 2, -1);
        stream->last_utc = column_or(statement, 3, -1);
    }
    sqlite3_finalize(statement);
    return ok;
}

static StoreStream *select_stream(Store *store, const char *sql, const char *name, gint64 id,
                                  GError **error)
{
    sqlite3_stmt *statement = NULL;
    g_autoptr(StoreStream) stream = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK) {
        if (name)
            sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(statement, 1, id);
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_ROW)
        stream = read_stream(statement);
    if ((code != SQLITE_ROW && code != SQLITE_DONE) || (stream && !read_span(store, stream))) {
        store_set_error(store, error);
        g_clear_pointer(&stream, store_stream_free);
    }
    sqlite3_finalize(statement);
    return g_steal_pointer(&stream);
}

StoreStream *store_find_stream(Store *store, const char *name, GError **error)
{
    return select_stream(store, "SELECT " STREAM_COLUMNS " FROM stream WHERE name = ?1", name, 0,
                         error);
}

StoreStream *store_get_stream(Store *store, gint64 id, GError **error)
{
    return select_stream(store, "SELECT " STREAM_COLUMNS " FROM stream WHERE id = ?1", NULL, id,
                         error);
}

GPtrArray *store_list_streams(Store *store, GError **error)
{
    g_autoptr(GPtrArray) streams =
        g_ptr_array_new_with_free_func((GDestroyNotify)store_stream_free);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, "SELECT " STREAM_COLUMNS " FROM stream ORDER BY name",
                                  -1, &statement, NULL);

    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        StoreStream *stream = read_stream(statement);
        g_ptr_array_add(streams, stream);
        code = read_span(store, stream) ? SQLITE_OK : SQLITE_ERROR;
    }
    if (code != SQLITE_DONE)
        store_set_error(store, error);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? g_steal_pointer(&streams) : NULL;
}

static void bind_known(sqlite3_stmt *statement, int i, gint64 value)
{
    if (value >= 0)
        sqlite3_bind_int64(statement, i, value);
    else
        sqlite3_bind_null(statement, i);
}

gboolean store_put_stream(Store *store, const StoreStream *stream, GError **error)
{
    sqlite3_stmt *statement = NULL;
    gboolean ok = sqlite3_prepare_v2(
                      store->db,
                      "INSERT INTO stream(name, uri, size, mtime, duration, done) "
                      "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(name) DO UPDATE SET "
                      "uri = ?2, size = ?3, mtime = ?4, duration = coalesce(?5, duration), "
                      "done = ?6",
                      -1, &statement, NULL) == SQLITE_OK;

    if (ok) {
        sqlite3_bind_text(statement, 1, stream->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, stream->uri, -1, SQLITE_STATIC);
        bind_known(statement, 3, stream->size);
        bind_known(statement, 4, stream->mtime);
        bind_known(statement, 5, stream->duration);
        sqlite3_bind_int(statement, 6, stream->done);
        ok = sqlite3_step(statement) == SQLITE_DONE;
    }
    if (!ok)
        store_set_error(store, error);
    sqlite3_finalize(statement);
    return ok;
}

gboolean store_forget_stream(Store *store, gint64 id, gboolean keep, GError **error)
{
    /* A number: nothing to quote. */
    g_autofree char *sql = g_strdup_printf(
        "BEGIN IMMEDIATE; DELETE FROM embedding WHERE stream = %" G_GINT64_FORMAT ";"
        "%s %" G_GINT64_FORMAT ";"
        "DELETE FROM model WHERE NOT EXISTS (SELECT 1 FROM embedding e WHERE e.model = model.id);"
        "COMMIT",
        id, keep ? "UPDATE stream SET done = 0 WHERE id =" : "DELETE FROM stream WHERE id =", id);

    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return TRUE;
    store_set_error(store, error);
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return FALSE;
}

gboolean store_stat(const char *path, gint64 *size, gint64 *mtime)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return FALSE;
    *size = st.st_size;
    *mtime = st.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_mtim.tv_nsec;
    return TRUE;
}

gboolean store_resolve(const char *file_or_uri, char **name, char **uri, GError **error)
{
    g_autofree char *path = NULL;

    if (gst_uri_is_valid(file_or_uri)) {
        g_autoptr(GFile) file = g_file_new_for_uri(file_or_uri);
        path = g_str_has_prefix(file_or_uri, "file:") ? g_file_get_path(file) : NULL;
        if (!path) {
            *name = g_strdup(file_or_uri);
            *uri = g_strdup(file_or_uri);
            return TRUE;
        }
    } else {
        path = g_strdup(file_or_uri);
    }

    char *real = realpath(path, NULL);
    if (!real) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_MISSING, "%s: %s", path, g_strerror(errno));
        return FALSE;
    }
    if (g_file_test(real, G_FILE_TEST_IS_DIR) || !g_utf8_validate(real, -1, NULL)) {
        g_set_error(error, STORE_ERROR, STORE_ERROR_MISSING, "%s: %s", path,
                    g_file_test(real, G_FILE_TEST_IS_DIR) ? "a folder, not a film"
                                                          : "its name is not UTF-8");
        free(real);
        return FALSE;
    }
    *name = g_strdup(real);
    *uri = gst_filename_to_uri(real, error);
    free(real);
    return *uri != NULL;
}
