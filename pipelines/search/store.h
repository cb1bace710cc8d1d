/* SPDX-License-Identifier: Apache-2.0
 *
 * The database of an index (plugin/gstembeddingsinkschema.h), as gemma4-search uses it. The
 * vectors are embeddingsink's to write and vectors.h's to read; this is the rest.
 *
 * A store belongs to one thread at a time. Errors are in STORE_ERROR and name the file.
 */
#ifndef SEARCH_STORE_H
#define SEARCH_STORE_H

#include <glib.h>
#include <sqlite3.h>

#define STORE_ERROR (store_error_quark())
GQuark store_error_quark(void);

typedef enum {
    STORE_ERROR_MISSING, /* no such file, stream or model */
    STORE_ERROR_FOREIGN, /* not an index, or one of another version */
    STORE_ERROR_SQLITE,  /* whatever SQLite says */
} StoreError;

typedef enum {
    STORE_READ,  /* the file must be there */
    STORE_WRITE, /* made where it is missing */
} StoreMode;

typedef struct Store Store;

Store *store_open(const char *path, StoreMode mode, GError **error);
void store_close(Store *store); /* NULL allowed */
const char *store_path(const Store *store);
sqlite3 *store_db(Store *store);

/* Sets STORE_ERROR_SQLITE from the connection's last error. */
void store_set_error(Store *store, GError **error);

/* What made the vectors, with what gemma4-search put into `settings`. */
typedef struct {
    gint64 id;
    char *name, *digest, *kind, *precision;
    guint rows, cols;
    char *path;            /* the checkpoint when it was indexed; NULL: not by gemma4-search */
    char *text_digest;     /* of its text encoder; NULL: none, or not known */
    guint max_soft_tokens; /* 0: the checkpoint's */
    char *rate;            /* "1/1"; NULL: not known */
    gboolean described;    /* settings are there */
} StoreModel;

/* The one model of the index; NULL and STORE_ERROR_MISSING where nothing is indexed yet. */
StoreModel *store_get_model(Store *store, GError **error);
void store_model_free(StoreModel *model);

/* Writes precision, path, text_digest, max_soft_tokens and rate for models that have no settings
 * yet. Sets `done` once there is a model and it has them. */
gboolean store_describe_model(Store *store, const StoreModel *description, gboolean *done,
                              GError **error);

typedef struct {
    gint64 id;
    char *name, *uri;      /* uri may be NULL */
    gint64 size, mtime;    /* of the file, mtime in ns; -1: not known */
    gint64 duration;       /* ns; -1: not known */
    gboolean done;
    guint64 n;             /* its embeddings */
    gint64 first, last;    /* pts of the first and last one; -1 without one */
    gint64 last_utc;       /* of the last one, ns since 1970; -1: not known */
} StoreStream;

void store_stream_free(StoreStream *stream);

/* By name; NULL without `error` where there is none. */
StoreStream *store_find_stream(Store *store, const char *name, GError **error);
StoreStream *store_get_stream(Store *store, gint64 id, GError **error);
GPtrArray *store_list_streams(Store *store, GError **error); /* of StoreStream, by name */

/* Adds the stream or brings what is known of it up to date; `done` is written as it is. */
gboolean store_put_stream(Store *store, const StoreStream *stream, GError **error);

/* Removes its embeddings, and itself unless `keep`. */
gboolean store_forget_stream(Store *store, gint64 id, gboolean keep, GError **error);

/* The file's size and modification time; FALSE where it is not a regular file. */
gboolean store_stat(const char *path, gint64 *size, gint64 *mtime);

/* The name under which a file or URI is indexed: the real path, or the URI; and its URI. FALSE and
 * STORE_ERROR_MISSING where there is no such file. */
gboolean store_resolve(const char *file_or_uri, char **name, char **uri, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreModel, store_model_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreStream, store_stream_free)

#endif /* SEARCH_STORE_H */
