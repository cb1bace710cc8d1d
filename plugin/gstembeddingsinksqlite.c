/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingsink format=sqlite: rows added to a database (gstembeddingsinkschema.h).
 *
 * Rows wait in memory, and a thread puts them in, all that there are in one transaction, a second
 * after the transaction before. So the file is locked for milliseconds, whoever else writes to it,
 * and a stream that falls silent has all of its rows in the file a second later. What a kill takes
 * is what waited. An error of that thread is the next write()'s, flush()'s or close()'s.
 */
#include "gstembeddingsinkfile.h"
#include "gstembeddingsinkschema.h"
#include "gstembeddingsinkwriter.h"
#include "gstembeddingvector.h"
#include "gstgemma4record.h"

#include <sqlite3.h>
#include <string.h>

#define PERIOD G_TIME_SPAN_SECOND
#define PATIENCE 20000                 /* ms that another writer may hold the file */
#define MOST_WAITING (64 * 1024 * 1024) /* bytes of vectors, then write() waits, too */

typedef struct {
    GstGemma4Embedding *embedding;
    gchar *stream;
} Row;

typedef enum {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_OTHER_MODEL,
    SQL_DELETE_OTHERS,
    SQL_DELETE_MODELS,
    SQL_NOT_DONE,
    SQL_ADD_MODEL,
    SQL_FIND_MODEL,
    SQL_ADD_STREAM,
    SQL_FIND_STREAM,
    SQL_ADD_ROW,
    SQL_DROP_OLD_UTC,
    SQL_DROP_OLD_PTS,
    SQL_DROP_ROWS,
    N_SQL,
} Sql;

/* ?1 digest, ?2 kind, ?3 cols: soft tokens of pictures of several sizes differ in their rows, and
 * are of the same model nevertheless. */
#define OF_OTHERS                                                                                  \
    "FROM model WHERE digest IS NOT ?1 OR kind IS NOT ?2 OR cols IS NOT ?3"

static const gchar *const sql_texts[N_SQL] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_OTHER_MODEL] = "SELECT name, digest, kind, cols " OF_OTHERS " LIMIT 1",
    [SQL_DELETE_OTHERS] = "DELETE FROM embedding WHERE model IN (SELECT id " OF_OTHERS ")",
    [SQL_DELETE_MODELS] = "DELETE " OF_OTHERS,
    [SQL_NOT_DONE] = "UPDATE stream SET done = 0 WHERE done",
    [SQL_ADD_MODEL] = "INSERT OR IGNORE INTO model(name, digest, kind, rows, cols) "
                      "VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_FIND_MODEL] = "SELECT id FROM model WHERE digest = ?1 AND kind = ?2 AND rows = ?3 "
                       "AND cols = ?4",
    [SQL_ADD_STREAM] = "INSERT OR IGNORE INTO stream(name) VALUES(?1)",
    [SQL_FIND_STREAM] = "SELECT id FROM stream WHERE name = ?1",
    [SQL_ADD_ROW] = "INSERT OR REPLACE INTO "
                    "embedding(stream, model, frame, pts, utc, region, track, label, vector) "
                    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_DROP_OLD_UTC] = "DELETE FROM embedding WHERE stream = ?1 AND utc < ?2",
    [SQL_DROP_OLD_PTS] = "DELETE FROM embedding WHERE stream = ?1 AND pts < ?2 AND utc IS NULL",
    [SQL_DROP_ROWS] = "DELETE FROM embedding WHERE id <= "
                      "(SELECT id FROM embedding ORDER BY id DESC LIMIT 1 OFFSET ?1)",
};

typedef struct {
    gchar *location;
    gboolean replace;
    guint64 max_rows;
    GstClockTime max_age;

    /* of whoever runs the transaction: the thread, once there is one */
    sqlite3 *db;
    sqlite3_stmt *sql[N_SQL];

    GThread *thread;
    GMutex lock;
    GCond changed; /* any of what follows, all under the lock */
    GQueue rows;   /* of Row, waiting */
    gsize waiting; /* bytes of their vectors */
    gboolean busy; /* a transaction runs */
    gboolean hurry;
    gboolean ending;
    GError *error; /* of a transaction; the rows after it are lost */
    guint64 lost;  /* rows */
} SqliteWriter;

static void row_free(gpointer data)
{
    Row *row = data;

    gst_gemma4_embedding_unref(row->embedding);
    g_free(row->stream);
    g_free(row);
}

/* The error of the connection's last call. */
static void set_error(const SqliteWriter *self, GstResourceError otherwise, GError **error)
{
    GstResourceError kind = otherwise;

    switch (sqlite3_errcode(self->db) & 0xff) {
    case SQLITE_FULL:
        kind = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        kind = GST_RESOURCE_ERROR_BUSY;
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        kind = GST_RESOURCE_ERROR_OPEN_WRITE;
        break;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        kind = GST_RESOURCE_ERROR_SETTINGS;
        break;
    }
    g_set_error(error, GST_RESOURCE_ERROR, kind, "%s: %s", self->location,
                sqlite3_errmsg(self->db));
}

/* Runs a statement that answers with nothing. */
static gboolean run(SqliteWriter *self, Sql which, GError **error)
{
    int code = sqlite3_step(self->sql[which]);

    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        set_error(self, GST_RESOURCE_ERROR_WRITE, error);
        sqlite3_reset(self->sql[which]);
        return FALSE;
    }
    sqlite3_reset(self->sql[which]);
    return TRUE;
}

/* The id that a SELECT gives; there is one. */
static gboolean run_for_id(SqliteWriter *self, Sql which, gint64 *id, GError **error)
{
    gboolean found = sqlite3_step(self->sql[which]) == SQLITE_ROW;

    if (found)
        *id = sqlite3_column_int64(self->sql[which], 0);
    else
        set_error(self, GST_RESOURCE_ERROR_WRITE, error);
    sqlite3_reset(self->sql[which]);
    return found;
}

static void bind_text(SqliteWriter *self, Sql which, int at, const gchar *text)
{
    sqlite3_bind_text(self->sql[which], at, text, -1, SQLITE_TRANSIENT);
}

/* Text that SQLite can take from whoever; NULL stays NULL. */
static void bind_any_text(SqliteWriter *self, Sql which, int at, const gchar *text)
{
    g_autofree gchar *valid = text != NULL ? g_utf8_make_valid(text, -1) : NULL;

    bind_text(self, which, at, valid);
}

/* "gemma4-joint" is "joint" here; the names of others stay. */
static const gchar *kind_of(const GstGemma4Embedding *embedding)
{
    const gchar *id = gst_gemma4_embedding_get_id(embedding);

    return g_str_has_prefix(id, "gemma4-") ? id + strlen("gemma4-") : id;
}

static const gchar *digest_of(const GstGemma4Embedding *embedding)
{
    const gchar *digest = gst_gemma4_embedding_get_model_digest(embedding);

    return digest != NULL ? digest : "";
}

static void bind_model(SqliteWriter *self, Sql which, const GstGemma4Embedding *embedding)
{
    bind_any_text(self, which, 1, digest_of(embedding));
    bind_any_text(self, which, 2, kind_of(embedding));
    sqlite3_bind_int64(self->sql[which], 3, gst_gemma4_embedding_get_cols(embedding));
}

/* Nothing of another model may be there, or nothing of it may stay. */
static gboolean settle_others(SqliteWriter *self, const GstGemma4Embedding *embedding,
                              GError **error)
{
    sqlite3_stmt *found = self->sql[SQL_OTHER_MODEL];

    bind_model(self, SQL_OTHER_MODEL, embedding);
    int code = sqlite3_step(found);
    if (code == SQLITE_ROW && !self->replace) {
        const gchar *name = gst_gemma4_embedding_get_model_name(embedding);
        const gchar *other = (const gchar *)sqlite3_column_text(found, 0);
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: holds %s vectors of %d values of model %s (%s), expected %s vectors of %u "
                    "values of model %s (%s); replace=true deletes them",
                    self->location, (const gchar *)sqlite3_column_text(found, 2),
                    sqlite3_column_int(found, 3), other != NULL ? other : "without a name",
                    (const gchar *)sqlite3_column_text(found, 1), kind_of(embedding),
                    gst_gemma4_embedding_get_cols(embedding),
                    name != NULL ? name : "without a name", digest_of(embedding));
        sqlite3_reset(found);
        return FALSE;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        set_error(self, GST_RESOURCE_ERROR_WRITE, error);
    sqlite3_reset(found);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE;

    bind_model(self, SQL_DELETE_OTHERS, embedding);
    bind_model(self, SQL_DELETE_MODELS, embedding);
    return run(self, SQL_DELETE_OTHERS, error) && run(self, SQL_DELETE_MODELS, error) &&
           run(self, SQL_NOT_DONE, error);
}

static gboolean find_model(SqliteWriter *self, const GstGemma4Embedding *embedding, gint64 *id,
                           GError **error)
{
    bind_any_text(self, SQL_FIND_MODEL, 1, digest_of(embedding));
    bind_any_text(self, SQL_FIND_MODEL, 2, kind_of(embedding));
    sqlite3_bind_int64(self->sql[SQL_FIND_MODEL], 3, gst_gemma4_embedding_get_rows(embedding));
    sqlite3_bind_int64(self->sql[SQL_FIND_MODEL], 4, gst_gemma4_embedding_get_cols(embedding));
    bind_any_text(self, SQL_ADD_MODEL, 1, gst_gemma4_embedding_get_model_name(embedding));
    bind_any_text(self, SQL_ADD_MODEL, 2, digest_of(embedding));
    bind_any_text(self, SQL_ADD_MODEL, 3, kind_of(embedding));
    sqlite3_bind_int64(self->sql[SQL_ADD_MODEL], 4, gst_gemma4_embedding_get_rows(embedding));
    sqlite3_bind_int64(self->sql[SQL_ADD_MODEL], 5, gst_gemma4_embedding_get_cols(embedding));
    return run(self, SQL_ADD_MODEL, error) && run_for_id(self, SQL_FIND_MODEL, id, error);
}

static gboolean find_stream(SqliteWriter *self, const gchar *name, gint64 *id, GError **error)
{
    bind_any_text(self, SQL_ADD_STREAM, 1, name != NULL ? name : "");
    bind_any_text(self, SQL_FIND_STREAM, 1, name != NULL ? name : "");
    return run(self, SQL_ADD_STREAM, error) && run_for_id(self, SQL_FIND_STREAM, id, error);
}

static gchar *region_of(const GstGemma4Embedding *embedding)
{
    GString *text = g_string_new(NULL);

    if (!gst_embedding_vector_is_whole(embedding))
        gst_gemma4_record_append_region(text, embedding);
    return g_string_free(text, FALSE);
}

static GstClockTime time_of(const GstGemma4Embedding *embedding)
{
    GstClockTime pts = gst_gemma4_embedding_get_pts(embedding);

    return GST_CLOCK_TIME_IS_VALID(pts) ? pts : gst_gemma4_embedding_get_running_time(embedding);
}

static gboolean add_row(SqliteWriter *self, const GstGemma4Embedding *embedding, gint64 stream,
                        gint64 model, GError **error)
{
    sqlite3_stmt *add = self->sql[SQL_ADD_ROW];
    g_autofree gchar *region = region_of(embedding);
    GstClockTime utc = gst_gemma4_embedding_get_utc(embedding);
    gsize n;
    const gfloat *values = gst_gemma4_embedding_get_values(embedding, &n);

    sqlite3_bind_int64(add, 1, stream);
    sqlite3_bind_int64(add, 2, model);
    sqlite3_bind_int64(add, 3, gst_gemma4_embedding_get_frame(embedding));
    sqlite3_bind_int64(add, 4, time_of(embedding));
    if (GST_CLOCK_TIME_IS_VALID(utc))
        sqlite3_bind_int64(add, 5, utc);
    else
        sqlite3_bind_null(add, 5);
    bind_text(self, SQL_ADD_ROW, 6, region);
    sqlite3_bind_int64(add, 7, gst_gemma4_embedding_get_track(embedding));
    bind_any_text(self, SQL_ADD_ROW, 8, gst_gemma4_embedding_get_label(embedding));
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
    sqlite3_bind_blob64(add, 9, values, n * sizeof *values, SQLITE_STATIC);
    gboolean ok = run(self, SQL_ADD_ROW, error);
#else
    g_autofree guint8 *turned = g_malloc(n * sizeof *values);
    for (gsize i = 0; i < n; i++)
        GST_WRITE_FLOAT_LE(turned + i * sizeof *values, values[i]);
    sqlite3_bind_blob64(add, 9, turned, n * sizeof *values, SQLITE_STATIC);
    gboolean ok = run(self, SQL_ADD_ROW, error);
#endif
    sqlite3_bind_null(add, 9);
    return ok;
}

/* What is too much older than `embedding`, a stream's newest. */
static gboolean drop_aged(SqliteWriter *self, const GstGemma4Embedding *embedding, gint64 stream,
                          GError **error)
{
    GstClockTime utc = gst_gemma4_embedding_get_utc(embedding);
    gint64 max_age = (gint64)self->max_age;

    if (max_age == 0)
        return TRUE;
    sqlite3_bind_int64(self->sql[SQL_DROP_OLD_PTS], 1, stream);
    sqlite3_bind_int64(self->sql[SQL_DROP_OLD_PTS], 2, (gint64)time_of(embedding) - max_age);
    if (!run(self, SQL_DROP_OLD_PTS, error))
        return FALSE;
    if (!GST_CLOCK_TIME_IS_VALID(utc))
        return TRUE;
    sqlite3_bind_int64(self->sql[SQL_DROP_OLD_UTC], 1, stream);
    sqlite3_bind_int64(self->sql[SQL_DROP_OLD_UTC], 2, (gint64)utc - max_age);
    return run(self, SQL_DROP_OLD_UTC, error);
}

static gboolean put_row(SqliteWriter *self, const Row *row, gboolean last, GError **error)
{
    gint64 stream, model;

    return settle_others(self, row->embedding, error) &&
           find_model(self, row->embedding, &model, error) &&
           find_stream(self, row->stream, &stream, error) &&
           add_row(self, row->embedding, stream, model, error) &&
           (!last || drop_aged(self, row->embedding, stream, error));
}

/* `n` counts those that are put. */
static gboolean put_rows(SqliteWriter *self, GQueue *rows, guint *n, GError **error)
{
    for (GList *l = rows->head; l != NULL; l = l->next) {
        const Row *row = l->data;
        const Row *next = l->next != NULL ? l->next->data : NULL;
        gboolean last = next == NULL || g_strcmp0(next->stream, row->stream) != 0;
        if (!put_row(self, row, last, error))
            return FALSE;
        ++*n;
    }
    if (self->max_rows == 0)
        return TRUE;
    sqlite3_bind_int64(self->sql[SQL_DROP_ROWS], 1, (gint64)self->max_rows);
    return run(self, SQL_DROP_ROWS, error);
}

/* All of `rows`; nothing where the database fails; those before one that is refused. `n` is how
 * many that was. */
static gboolean transaction(SqliteWriter *self, GQueue *rows, guint *n, GError **error)
{
    g_autoptr(GError) refusal = NULL;

    *n = 0;
    if (!run(self, SQL_BEGIN, error))
        return FALSE;
    gboolean ok = put_rows(self, rows, n, &refusal);
    gboolean refused =
        g_error_matches(refusal, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    if (ok || refused)
        ok = run(self, SQL_COMMIT, error);
    if (!ok)
        *n = 0;
    if (!sqlite3_get_autocommit(self->db))
        run(self, SQL_ROLLBACK, NULL);
    if (refusal == NULL)
        return ok;
    if (error != NULL)
        g_clear_error(error); /* of the COMMIT: the first one tells more */
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}

static gpointer write_rows(gpointer data)
{
    SqliteWriter *self = data;
    gint64 next = 0; /* when a transaction may begin */

    g_mutex_lock(&self->lock);
    for (;;) {
        while (self->rows.length == 0 && !self->ending)
            g_cond_wait(&self->changed, &self->lock);
        while (!self->hurry && !self->ending && self->waiting < MOST_WAITING &&
               g_cond_wait_until(&self->changed, &self->lock, next))
            ;
        if (self->rows.length == 0)
            break; /* the end */

        GQueue rows = self->rows;
        GError *error = NULL;
        g_queue_init(&self->rows);
        self->waiting = 0;
        self->busy = TRUE;
        gboolean failed = self->error != NULL;
        guint n = rows.length, n_put = 0;
        g_mutex_unlock(&self->lock);

        next = g_get_monotonic_time() + PERIOD;
        if (!failed)
            transaction(self, &rows, &n_put, &error);
        g_queue_clear_full(&rows, row_free);

        g_mutex_lock(&self->lock);
        self->busy = FALSE;
        self->lost += n - n_put;
        if (error != NULL)
            self->error = error;
        g_cond_broadcast(&self->changed);
    }
    g_mutex_unlock(&self->lock);
    return NULL;
}

/* One number of a PRAGMA, or -1. */
static gint64 ask(sqlite3 *db, const gchar *pragma)
{
    sqlite3_stmt *statement = NULL;
    gint64 value = -1;

    if (sqlite3_prepare_v2(db, pragma, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* SQLite itself looks into the file: whoever else opens and closes it takes away the locks that
 * other writers of this process hold. */
static gboolean is_database(const gchar *location)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(location, &db, SQLITE_OPEN_READONLY, NULL);

    sqlite3_busy_timeout(db, PATIENCE);
    if (code == SQLITE_OK && ask(db, "SELECT count(*) FROM sqlite_master") < 0)
        code = sqlite3_errcode(db);
    sqlite3_close(db);
    return (code & 0xff) != SQLITE_NOTADB;
}

static gboolean sqlite_check(const gchar *location, GError **error)
{
    g_autofree gchar *beside = g_strconcat(location, "-wal", NULL);

    if (!gst_embedding_sink_file_check(location, error) ||
        !gst_embedding_sink_file_check(beside, error))
        return FALSE;
    if (!g_file_test(location, G_FILE_TEST_EXISTS))
        return TRUE;
    if (!g_file_test(location, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: format=sqlite needs a regular file", location);
        return FALSE;
    }
    if (!is_database(location)) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: not a SQLite database, so nothing is added to it", location);
        return FALSE;
    }
    return TRUE;
}

static gboolean make_tables(SqliteWriter *self, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE * G_TIME_SPAN_MILLISECOND;
    int code;

    sqlite3_busy_timeout(self->db, PATIENCE);
    gint64 tables = ask(self->db, "SELECT count(*) FROM sqlite_master");
    if (tables < 0) {
        set_error(self, GST_RESOURCE_ERROR_OPEN_WRITE, error);
        return FALSE;
    }
    gint64 application = ask(self->db, "PRAGMA application_id");
    gint64 version = ask(self->db, "PRAGMA user_version");
    if (tables > 0 && application != GST_EMBEDDING_SCHEMA_APPLICATION_ID) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: a database of something else (application_id %" G_GINT64_FORMAT
                    ", expected %d), so nothing is added to it",
                    self->location, application, GST_EMBEDDING_SCHEMA_APPLICATION_ID);
        return FALSE;
    }
    if (tables > 0 && version != GST_EMBEDDING_SCHEMA_VERSION) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: version %" G_GINT64_FORMAT " of the tables, expected %d", self->location,
                    version, GST_EMBEDDING_SCHEMA_VERSION);
        return FALSE;
    }

    /* Where several open a new file at once, the change to WAL fails without waiting. */
    while ((code = sqlite3_exec(self->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL)) ==
               SQLITE_BUSY &&
           g_get_monotonic_time() < deadline)
        g_usleep(10000);
    if (code != SQLITE_OK ||
        sqlite3_exec(self->db, "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 2000",
                     NULL, NULL, NULL) != SQLITE_OK) {
        set_error(self, GST_RESOURCE_ERROR_OPEN_WRITE, error);
        return FALSE;
    }
    if (tables > 0)
        return TRUE;
    if (sqlite3_exec(self->db, "BEGIN IMMEDIATE;" GST_EMBEDDING_SCHEMA "COMMIT", NULL, NULL,
                     NULL) != SQLITE_OK) {
        set_error(self, GST_RESOURCE_ERROR_OPEN_WRITE, error);
        return FALSE;
    }
    return TRUE;
}

static gboolean sqlite_close(GstEmbeddingSinkWriter *writer, guint64 *lost, GError **error)
{
    SqliteWriter *self = (SqliteWriter *)writer;

    if (self->thread != NULL) {
        g_mutex_lock(&self->lock);
        self->ending = TRUE;
        g_cond_broadcast(&self->changed);
        g_mutex_unlock(&self->lock);
        g_thread_join(self->thread);
    }
    for (guint i = 0; i < N_SQL; i++)
        sqlite3_finalize(self->sql[i]);
    sqlite3_close(self->db);
    gboolean ok = self->error == NULL;
    *lost = self->lost;
    if (!ok)
        g_propagate_error(error, self->error);
    g_queue_clear_full(&self->rows, row_free);
    g_cond_clear(&self->changed);
    g_mutex_clear(&self->lock);
    g_free(self->location);
    g_free(self);
    return ok;
}

static GstEmbeddingSinkWriter *sqlite_open(const GstEmbeddingSinkSettings *settings,
                                           GError **error)
{
    SqliteWriter *self = g_new0(SqliteWriter, 1);
    guint64 lost;

    self->location = g_strdup(settings->location);
    self->replace = settings->replace;
    self->max_rows = settings->max_rows;
    self->max_age = settings->max_age;
    g_mutex_init(&self->lock);
    g_cond_init(&self->changed);
    g_queue_init(&self->rows);
    gboolean ok = sqlite3_open_v2(settings->location, &self->db,
                                  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK;
    if (!ok)
        set_error(self, GST_RESOURCE_ERROR_OPEN_WRITE, error);
    ok = ok && make_tables(self, error);
    for (guint i = 0; i < N_SQL && ok; i++) {
        ok = sqlite3_prepare_v3(self->db, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &self->sql[i], NULL) == SQLITE_OK;
        if (!ok)
            set_error(self, GST_RESOURCE_ERROR_SETTINGS, error);
    }
    if (!ok) {
        sqlite_close((GstEmbeddingSinkWriter *)self, &lost, NULL);
        return NULL;
    }
    self->thread = g_thread_new("embeddingsink", write_rows, self);
    return (GstEmbeddingSinkWriter *)self;
}

/* The lock is held. The error stays for close() to know that there was one. */
static gboolean check_error(SqliteWriter *self, GError **error)
{
    if (self->error == NULL)
        return TRUE;
    if (error != NULL)
        *error = g_error_copy(self->error);
    return FALSE;
}

static gboolean sqlite_write(GstEmbeddingSinkWriter *writer, const GstGemma4Embedding *embedding,
                             const gchar *stream, GError **error)
{
    SqliteWriter *self = (SqliteWriter *)writer;
    gsize n;

    if (!GST_CLOCK_TIME_IS_VALID(time_of(embedding)) || time_of(embedding) > G_MAXINT64) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                    "%s: frame %" G_GUINT64_FORMAT " has no time, by which a row is known",
                    self->location, gst_gemma4_embedding_get_frame(embedding));
        return FALSE;
    }
    gst_gemma4_embedding_get_values(embedding, &n);

    g_mutex_lock(&self->lock);
    while (self->waiting >= MOST_WAITING && self->error == NULL)
        g_cond_wait(&self->changed, &self->lock);
    gboolean ok = check_error(self, error);
    if (ok) {
        Row *row = g_new(Row, 1);
        row->embedding = gst_gemma4_embedding_ref((GstGemma4Embedding *)embedding);
        row->stream = g_strdup(stream);
        g_queue_push_tail(&self->rows, row);
        self->waiting += n * sizeof(gfloat);
        g_cond_broadcast(&self->changed);
    }
    g_mutex_unlock(&self->lock);
    return ok;
}

static gboolean sqlite_flush(GstEmbeddingSinkWriter *writer, GError **error)
{
    SqliteWriter *self = (SqliteWriter *)writer;

    g_mutex_lock(&self->lock);
    self->hurry = TRUE;
    g_cond_broadcast(&self->changed);
    while (self->rows.length > 0 || self->busy)
        g_cond_wait(&self->changed, &self->lock);
    self->hurry = FALSE;
    gboolean ok = check_error(self, error);
    g_mutex_unlock(&self->lock);
    return ok;
}

const GstEmbeddingSinkFormatFuncs gst_embedding_sink_sqlite = {
    .check = sqlite_check,
    .open = sqlite_open,
    .write = sqlite_write,
    .flush = sqlite_flush,
    .close = sqlite_close,
};
