/* SPDX-License-Identifier: Apache-2.0
 *
 * One copy of a checkpoint's weights for all the elements of the process: a list of open models
 * with what identifies them, searched at each start.
 */
#include "gstgemma4model.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What is opened of a checkpoint. */
typedef struct {
    gpointer (*open)(const char *path, const G4ModelOptions *options, GError **error);
    void (*unref)(gpointer model);
    G4Precision (*get_precision)(gconstpointer model);
} Kind;

static gpointer open_vision(const char *path, const G4ModelOptions *options, GError **error)
{
    return g4_model_open(path, options, error);
}

static void unref_vision(gpointer model)
{
    g4_model_unref(model);
}

static G4Precision get_vision_precision(gconstpointer model)
{
    return g4_model_get_precision(model);
}

static gpointer open_text(const char *path, const G4ModelOptions *options, GError **error)
{
    return g4_text_model_open(path, options, error);
}

static void unref_text(gpointer model)
{
    g4_text_model_unref(model);
}

static G4Precision get_text_precision(gconstpointer model)
{
    return g4_text_model_get_precision(model);
}

static const Kind vision = {open_vision, unref_vision, get_vision_precision};
static const Kind text = {open_text, unref_text, get_text_precision};

typedef struct {
    const Kind *kind;
    char *key;             /* see checkpoint_key() */
    G4Precision precision; /* as asked while it is being opened, then the one in use */
    guint users;           /* under table_lock */
    GMutex opening;        /* held by the one who opens it; never together with table_lock */
    gpointer model;        /* under opening; constant once set */
} Shared;

static GMutex table_lock;
static GList *table; /* of Shared, under table_lock */

static void append_identity(GString *key, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        g_string_append_printf(key,
                               "|%s %" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT
                               " %" G_GINT64_FORMAT ".%09ld",
                               path, (guint64)st.st_dev, (guint64)st.st_ino, (gint64)st.st_size,
                               (gint64)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

/* The real path and the identity of each file that may be part of the checkpoint: its folder's
 * .json and .safetensors files. A path that does not resolve stands for itself, for
 * g4_model_open() to say what is wrong with it. */
static char *checkpoint_key(const char *path)
{
    char *real = realpath(path, NULL);
    GString *key = g_string_new(real ? real : path);
    g_autofree char *folder = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (real) {
        folder = g_file_test(real, G_FILE_TEST_IS_DIR) ? g_strdup(real) : g_path_get_dirname(real);
        GDir *dir = g_dir_open(folder, 0, NULL);
        const char *name;
        while (dir && (name = g_dir_read_name(dir))) {
            if (g_str_has_suffix(name, ".json") || g_str_has_suffix(name, ".safetensors"))
                g_ptr_array_add(names, g_build_filename(folder, name, NULL));
        }
        g_clear_pointer(&dir, g_dir_close);
    }
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++)
        append_identity(key, names->pdata[i]);
    free(real);
    return g_string_free(key, FALSE);
}

/* table_lock held. An entry that is not `except`. */
static Shared *find(const Kind *kind, const char *key, G4Precision precision, const Shared *except)
{
    for (GList *l = table; l; l = l->next) {
        Shared *shared = l->data;
        if (shared != except && shared->kind == kind && shared->precision == precision &&
            g_str_equal(shared->key, key))
            return shared;
    }
    return NULL;
}

/* What `auto` is on this processor, once a model opened with it has told; under table_lock. */
static G4Precision auto_precision = G4_PRECISION_AUTO;

static Shared *find_or_add(const Kind *kind, const char *path, G4Precision precision)
{
    g_autofree char *key = checkpoint_key(path);

    g_mutex_lock(&table_lock);
    if (precision == G4_PRECISION_AUTO)
        precision = auto_precision;
    Shared *shared = find(kind, key, precision, NULL);
    if (!shared) {
        shared = g_new0(Shared, 1);
        shared->kind = kind;
        shared->key = g_steal_pointer(&key);
        shared->precision = precision;
        g_mutex_init(&shared->opening);
        table = g_list_prepend(table, shared);
    }
    shared->users++;
    g_mutex_unlock(&table_lock);
    return shared;
}

static gboolean open_once(Shared *shared, const char *path, GError **error)
{
    g_mutex_lock(&shared->opening);
    if (!shared->model)
        shared->model =
            shared->kind->open(path, &(G4ModelOptions){.precision = shared->precision}, error);
    gboolean opened = shared->model != NULL;
    g_mutex_unlock(&shared->opening);
    return opened;
}

/* Files `shared`, opened as `auto`, under the precision that this turned out to be. When somebody
 * has the checkpoint in that precision by name already, returns theirs with a use on it. */
static Shared *settle_precision(Shared *shared)
{
    G4Precision precision = shared->kind->get_precision(shared->model);

    g_mutex_lock(&table_lock);
    auto_precision = precision;
    Shared *twin = find(shared->kind, shared->key, precision, shared);
    if (twin)
        twin->users++;
    else
        shared->precision = precision;
    g_mutex_unlock(&table_lock);
    return twin;
}

static void release(Shared *shared)
{
    if (!shared)
        return;

    g_mutex_lock(&table_lock);
    gboolean last = --shared->users == 0;
    if (last)
        table = g_list_remove(table, shared);
    g_mutex_unlock(&table_lock);
    if (!last)
        return;

    if (shared->model)
        shared->kind->unref(shared->model);
    g_mutex_clear(&shared->opening);
    g_free(shared->key);
    g_free(shared);
}

static Shared *acquire(const Kind *kind, const char *path, G4Precision precision, GError **error)
{
    Shared *shared = find_or_add(kind, path, precision);
    gboolean opened = open_once(shared, path, error);

    if (opened && precision == G4_PRECISION_AUTO) {
        Shared *twin = settle_precision(shared);
        if (twin) {
            release(shared);
            shared = twin;
            opened = open_once(shared, path, error); /* theirs may have failed */
        }
    }
    if (!opened)
        g_clear_pointer(&shared, release);
    return shared;
}

GstGemma4Model *gst_gemma4_model_acquire(const char *path, G4Precision precision, GError **error)
{
    return (GstGemma4Model *)acquire(&vision, path, precision, error);
}

void gst_gemma4_model_release(GstGemma4Model *shared)
{
    release((Shared *)shared);
}

G4Model *gst_gemma4_model_get(const GstGemma4Model *shared)
{
    return ((const Shared *)shared)->model;
}

GstGemma4TextModel *gst_gemma4_text_model_acquire(const char *path, G4Precision precision,
                                                  GError **error)
{
    return (GstGemma4TextModel *)acquire(&text, path, precision, error);
}

void gst_gemma4_text_model_release(GstGemma4TextModel *shared)
{
    release((Shared *)shared);
}

G4TextModel *gst_gemma4_text_model_get(const GstGemma4TextModel *shared)
{
    return ((const Shared *)shared)->model;
}
