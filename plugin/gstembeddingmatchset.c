/* SPDX-License-Identifier: Apache-2.0
 *
 * The set of named vectors: how it is made.
 */
#include "gstembeddingmatchset.h"
#include "gstembeddingmatchfile.h"
#include "gstembeddingmatchprototype.h"
#include "gstembeddingvector.h"

#include <string.h>
#include <sys/stat.h>

struct GstEmbeddingMatchSet {
    gatomicrefcount ref_count;
    GPtrArray *prototypes; /* of GstEmbeddingMatchPrototype */
};

void gst_embedding_match_sources_copy(GstEmbeddingMatchSources *to,
                                      const GstEmbeddingMatchSources *from)
{
    to->labels = g_strdup(from->labels);
    to->labels_file = g_strdup(from->labels_file);
    to->negative_labels = g_strdup(from->negative_labels);
    to->images = g_strdup(from->images);
    to->vectors = g_strdup(from->vectors);
    to->prompt = g_strdup(from->prompt);
}

void gst_embedding_match_sources_clear(GstEmbeddingMatchSources *sources)
{
    g_free(sources->labels);
    g_free(sources->labels_file);
    g_free(sources->negative_labels);
    g_free(sources->images);
    g_free(sources->vectors);
    g_free(sources->prompt);
    *sources = (GstEmbeddingMatchSources){0};
}

/* ------------------------------------------------------------------------------------------
 * Making one
 */

/* What a set is made with. */
typedef struct {
    const GstEmbeddingMatchSources *sources;
    GstEmbeddingMatchModel *model; /* NULL: none */
    const gint *cancelled;         /* NULL: never */
    GHashTable *before;            /* key to prototype, of the set before; borrowed */
    GHashTable *keys;              /* those that are in `set` by now; borrowed */
    GstEmbeddingMatchSet *set;
} Maker;

static gboolean go_on(const Maker *m, GError **error)
{
    if (m->cancelled == NULL || !g_atomic_int_get(m->cancelled))
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_CANCELLED, "given up");
    return FALSE;
}

/* Takes the prototype. */
static void add(Maker *m, GstEmbeddingMatchPrototype *prototype)
{
    if (prototype->key != NULL)
        g_hash_table_add(m->keys, prototype->key);
    g_ptr_array_add(m->set->prototypes, prototype);
}

/* A copy of the one before with this key, added under that name; FALSE without one. */
static gboolean add_from_before(Maker *m, const gchar *key, const gchar *name, gboolean negative)
{
    const GstEmbeddingMatchPrototype *known = g_hash_table_lookup(m->before, key);

    if (known == NULL)
        return FALSE;
    add(m, gst_embedding_match_prototype_copy(known, name, negative));
    return TRUE;
}

static gboolean add_sentence(Maker *m, const gchar *prompt, const gchar *label, gboolean negative,
                             GError **error)
{
    g_autofree gchar *key = g_strdup_printf("text\n%s\n%s", prompt != NULL ? prompt : "", label);

    if (!go_on(m, error))
        return FALSE;
    if (g_hash_table_contains(m->keys, key) || add_from_before(m, key, label, negative))
        return TRUE;
    GstEmbeddingMatchPrototype *p = gst_embedding_match_prototype_new(label, negative);
    p->sentence = TRUE;
    p->joint = gst_embedding_match_model_embed_text(m->model, prompt, label, &p->joint_cols, error);
    if (p->joint == NULL) {
        gst_embedding_match_prototype_free(p);
        return FALSE;
    }
    p->key = g_steal_pointer(&key);
    add(m, p);
    return TRUE;
}

static gboolean add_sentences(Maker *m, GPtrArray *labels, guint n_positive, GError **error)
{
    const gchar *prompt;

    if (labels->len == 0)
        return TRUE;
    if (!gst_embedding_match_model_find_prompt(m->model, m->sources->prompt, &prompt, error))
        return FALSE;
    for (guint i = 0; i < labels->len; i++)
        if (!add_sentence(m, prompt, labels->pdata[i], i >= n_positive, error))
            return FALSE;
    return TRUE;
}

/* The file's name without folder and suffix. */
static gchar *name_of(const gchar *path)
{
    gchar *name = g_path_get_basename(path);
    gchar *dot = strrchr(name, '.');

    if (dot != NULL && dot != name)
        *dot = '\0';
    gchar *valid = g_utf8_make_valid(name, -1);
    g_free(name);
    return valid;
}

static gboolean add_picture(Maker *m, const gchar *path, GError **error)
{
    GstEmbeddingMatchPictureVectors vectors;
    g_autofree gchar *name = name_of(path);
    g_autofree gchar *key = NULL;
    struct stat st;

    if (!go_on(m, error))
        return FALSE;
    if (stat(path, &st) == 0)
        key = g_strdup_printf("image\n%s\n%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT
                              " %" G_GINT64_FORMAT ".%09ld",
                              path, (guint64)st.st_ino, (gint64)st.st_size,
                              (gint64)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    if (key != NULL &&
        (g_hash_table_contains(m->keys, key) || add_from_before(m, key, name, FALSE)))
        return TRUE;
    if (!gst_embedding_match_model_embed_picture(m->model, path, m->cancelled, &vectors, error))
        return FALSE;
    GstEmbeddingMatchPrototype *p = gst_embedding_match_prototype_new(name, FALSE);
    p->joint = vectors.joint;
    p->joint_cols = vectors.joint_cols;
    p->pooled = vectors.pooled;
    p->pooled_cols = vectors.pooled_cols;
    p->key = g_steal_pointer(&key);
    add(m, p);
    return TRUE;
}

static gboolean add_pictures(Maker *m, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (!gst_embedding_match_split("images", m->sources->images, paths, error))
        return FALSE;
    if (paths->len > 0 && m->model == NULL) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "images: no model is set; expected the checkpoint that embeds the frames");
        return FALSE;
    }
    for (guint i = 0; i < paths->len; i++)
        if (!add_picture(m, paths->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* The rows of one file, named after it. */
static gboolean add_rows(Maker *m, const gchar *path, GError **error)
{
    GstEmbeddingMatchVectors vectors;
    g_autofree gchar *name = name_of(path);
    gboolean ok = TRUE;

    if (!go_on(m, error) || !gst_embedding_match_read_npy(path, &vectors, error))
        return FALSE;
    for (guint r = 0; ok && r < vectors.rows; r++) {
        g_autofree gchar *row_name =
            vectors.rows == 1 ? g_strdup(name) : g_strdup_printf("%s %u", name, r + 1);
        GstEmbeddingMatchPrototype *p = gst_embedding_match_prototype_new(row_name, FALSE);
        p->given_cols = vectors.cols;
        p->given = g_memdup2(vectors.values + (gsize)r * vectors.cols,
                             vectors.cols * sizeof *vectors.values);
        p->digest = g_strdup(vectors.digest);
        p->file = g_strdup(path);
        ok = gst_embedding_vector_normalize(p->given, p->given_cols);
        if (!ok)
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: row %u holds infinity or no number", path, r);
        add(m, p);
    }
    gst_embedding_match_vectors_clear(&vectors);
    return ok;
}

static gboolean add_vectors(Maker *m, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (!gst_embedding_match_split("vectors", m->sources->vectors, paths, error))
        return FALSE;
    for (guint i = 0; i < paths->len; i++)
        if (!add_rows(m, paths->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* Without a model: the labels name the rows that were read, the last ones negative. */
static gboolean name_rows(Maker *m, GPtrArray *labels, guint n_positive, GError **error)
{
    GPtrArray *rows = m->set->prototypes;

    if (labels->len == 0)
        return TRUE;
    if (rows->len == 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "labels: neither model nor vectors are set; expected a checkpoint whose text "
                    "encoder reads them, or files whose rows they name");
        return FALSE;
    }
    if (rows->len != labels->len) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "vectors: %u rows, but without a model %u labels name them", rows->len,
                    labels->len);
        return FALSE;
    }
    for (guint i = 0; i < rows->len; i++)
        gst_embedding_match_prototype_rename(rows->pdata[i], labels->pdata[i], i >= n_positive);
    return TRUE;
}

static gboolean make(Maker *m, GError **error)
{
    const GstEmbeddingMatchSources *s = m->sources;
    g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);

    if (!gst_embedding_match_split("labels", s->labels, labels, error) ||
        (s->labels_file != NULL && *s->labels_file != '\0' &&
         !gst_embedding_match_read_labels(s->labels_file, labels, error)))
        return FALSE;
    guint n_positive = labels->len;
    if (!gst_embedding_match_split("negative-labels", s->negative_labels, labels, error))
        return FALSE;

    if (m->model != NULL && !add_sentences(m, labels, n_positive, error))
        return FALSE;
    if (!add_pictures(m, error) || !add_vectors(m, error))
        return FALSE;
    if (m->set->prototypes->len > GST_EMBEDDING_MATCH_MAX_LABELS) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "%u labels, pictures and vectors in all, expected at most %d",
                    m->set->prototypes->len, GST_EMBEDDING_MATCH_MAX_LABELS);
        return FALSE;
    }
    return m->model != NULL || name_rows(m, labels, n_positive, error);
}

GstEmbeddingMatchSet *gst_embedding_match_set_new(const GstEmbeddingMatchSources *sources,
                                                  GstEmbeddingMatchModel *model,
                                                  const GstEmbeddingMatchSet *before,
                                                  const gint *cancelled, GError **error)
{
    GstEmbeddingMatchSet *set = g_new0(GstEmbeddingMatchSet, 1);
    Maker m = {
        .sources = sources,
        .model = model,
        .cancelled = cancelled,
        .before = g_hash_table_new(g_str_hash, g_str_equal),
        .keys = g_hash_table_new(g_str_hash, g_str_equal),
        .set = set,
    };

    g_atomic_ref_count_init(&set->ref_count);
    set->prototypes =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_embedding_match_prototype_free);
    for (guint i = 0; before != NULL && i < before->prototypes->len; i++) {
        GstEmbeddingMatchPrototype *p = before->prototypes->pdata[i];
        if (p->key != NULL)
            g_hash_table_insert(m.before, p->key, p);
    }
    gboolean ok = make(&m, error);
    g_hash_table_unref(m.before);
    g_hash_table_unref(m.keys);
    if (!ok)
        g_clear_pointer(&set, gst_embedding_match_set_unref);
    return set;
}

GstEmbeddingMatchSet *gst_embedding_match_set_ref(GstEmbeddingMatchSet *set)
{
    g_atomic_ref_count_inc(&set->ref_count);
    return set;
}

void gst_embedding_match_set_unref(GstEmbeddingMatchSet *set)
{
    if (!g_atomic_ref_count_dec(&set->ref_count))
        return;
    g_ptr_array_unref(set->prototypes);
    g_free(set);
}

guint gst_embedding_match_set_get_size(const GstEmbeddingMatchSet *set)
{
    return set->prototypes->len;
}

const GstEmbeddingMatchPrototype *gst_embedding_match_set_get(const GstEmbeddingMatchSet *set,
                                                              guint i)
{
    return set->prototypes->pdata[i];
}

const gchar *gst_embedding_match_set_get_name(const GstEmbeddingMatchSet *set, guint i)
{
    return gst_embedding_match_set_get(set, i)->name;
}

gboolean gst_embedding_match_set_is_negative(const GstEmbeddingMatchSet *set, guint i)
{
    return gst_embedding_match_set_get(set, i)->negative;
}
