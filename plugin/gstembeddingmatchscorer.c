/* SPDX-License-Identifier: Apache-2.0
 *
 * An embedding against the set: first the set's vectors are made fit for its kind, once, then the
 * scores are one product of a matrix and a vector.
 */
#include "gstembeddingmatchprototype.h"
#include "gstembeddingvector.h"

#include <math.h>
#include <string.h>

void gst_embedding_match_scorer_init(GstEmbeddingMatchScorer *scorer, GstEmbeddingMatchSet *set)
{
    *scorer = (GstEmbeddingMatchScorer){
        .set = gst_embedding_match_set_ref(set),
        .scores = g_new0(gdouble, gst_embedding_match_set_get_size(set)),
        .vector = g_array_new(FALSE, FALSE, sizeof(gfloat)),
    };
}

void gst_embedding_match_scorer_clear(GstEmbeddingMatchScorer *scorer)
{
    g_clear_pointer(&scorer->set, gst_embedding_match_set_unref);
    g_clear_pointer(&scorer->scores, g_free);
    g_clear_pointer(&scorer->id, g_free);
    g_clear_pointer(&scorer->digest, g_free);
    g_clear_pointer(&scorer->matrix, g_free);
    g_clear_pointer(&scorer->vector, g_array_unref);
}

static gboolean unfit(const GstEmbeddingMatchPrototype *p, GError **error, const gchar *format, ...)
    G_GNUC_PRINTF(3, 4);
static gboolean unfit(const GstEmbeddingMatchPrototype *p, GError **error, const gchar *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree gchar *why = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "%s \"%.60s\": %s",
                p->file != NULL ? p->file : "label", p->name, why);
    return FALSE;
}

/* A vector that the user gave is compared as it is. */
static gboolean fit_given(const GstEmbeddingMatchPrototype *p, const GstGemma4Embedding *e,
                          gfloat *row, GError **error)
{
    guint cols = gst_gemma4_embedding_get_cols(e);
    const gchar *digest = gst_gemma4_embedding_get_model_digest(e);

    if (p->given_cols != cols)
        return unfit(p, error, "%u values, but the frames have %u", p->given_cols, cols);
    if (p->digest != NULL && digest != NULL && strcmp(p->digest, digest) != 0)
        return unfit(p, error, "of the model with digest %s, but the frames are of %s", p->digest,
                     digest);
    memcpy(row, p->given, cols * sizeof *row);
    return TRUE;
}

/* Of the joint space the first components do, normalized again (Matryoshka). */
static gboolean fit_joint(const GstEmbeddingMatchPrototype *p, const GstGemma4Embedding *e,
                          gfloat *row, GError **error)
{
    guint cols = gst_gemma4_embedding_get_cols(e);

    if (p->joint == NULL)
        return unfit(p, error, "the model has no text encoder, so no vector for gemma4-joint");
    if (cols > p->joint_cols)
        return unfit(p, error, "%u values, but the frames have %u", p->joint_cols, cols);
    memcpy(row, p->joint, cols * sizeof *row);
    gst_embedding_vector_normalize(row, cols);
    return TRUE;
}

static gboolean fit_pooled(const GstEmbeddingMatchPrototype *p, const GstGemma4Embedding *e,
                           gfloat *row, GError **error)
{
    guint cols = gst_gemma4_embedding_get_cols(e);

    if (p->sentence)
        return unfit(p, error,
                     "a text compares with gemma4-joint embeddings alone, but the frames "
                     "have %s; expected output=joint",
                     gst_gemma4_embedding_get_id(e));
    if (cols != p->pooled_cols)
        return unfit(p, error, "%u values, but the frames have %u", p->pooled_cols, cols);
    memcpy(row, p->pooled, cols * sizeof *row);
    return TRUE;
}

static gboolean fits_already(const GstEmbeddingMatchScorer *s, const GstGemma4Embedding *e)
{
    return s->matrix != NULL && s->cols == gst_gemma4_embedding_get_cols(e) &&
           strcmp(s->id, gst_gemma4_embedding_get_id(e)) == 0 &&
           g_strcmp0(s->digest, gst_gemma4_embedding_get_model_digest(e)) == 0;
}

/* Whether what the model made compares with the embedding. */
static gboolean check_model(GstEmbeddingMatchModel *model, const GstGemma4Embedding *e,
                            GError **error)
{
    const gchar *digest = gst_gemma4_embedding_get_model_digest(e);

    if (digest == NULL || gst_embedding_match_model_has_digest(model, digest))
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                "model: %s is another than the one of the frames' embeddings (%s, digest %s)",
                gst_embedding_match_model_get_path(model),
                gst_gemma4_embedding_get_model_name(e) != NULL
                    ? gst_gemma4_embedding_get_model_name(e)
                    : "without a name",
                digest);
    return FALSE;
}

static gboolean fit(GstEmbeddingMatchScorer *s, GstEmbeddingMatchModel *model,
                    const GstGemma4Embedding *e, GError **error)
{
    guint n = gst_embedding_match_set_get_size(s->set);
    guint cols = gst_gemma4_embedding_get_cols(e);
    gboolean joint = strcmp(gst_gemma4_embedding_get_id(e), "gemma4-joint") == 0;
    gboolean checked = FALSE;

    g_clear_pointer(&s->matrix, g_free);
    g_autofree gfloat *matrix = g_try_new(gfloat, (gsize)n * cols);
    if (matrix == NULL) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "not enough memory for %u x %u values", n,
                    cols);
        return FALSE;
    }
    for (guint i = 0; i < n; i++) {
        const GstEmbeddingMatchPrototype *p = gst_embedding_match_set_get(s->set, i);
        gfloat *row = matrix + (gsize)i * cols;

        if (p->given == NULL && !checked && !check_model(model, e, error))
            return FALSE;
        checked |= p->given == NULL;
        if (!(p->given != NULL ? fit_given : joint ? fit_joint : fit_pooled)(p, e, row, error))
            return FALSE;
    }
    g_free(s->id);
    g_free(s->digest);
    s->id = g_strdup(gst_gemma4_embedding_get_id(e));
    s->digest = g_strdup(gst_gemma4_embedding_get_model_digest(e));
    s->cols = cols;
    s->matrix = g_steal_pointer(&matrix);
    return TRUE;
}

static void softmax(gdouble *scores, guint n, gdouble temperature)
{
    gdouble largest = -G_MAXDOUBLE, sum = 0;

    for (guint i = 0; i < n; i++)
        largest = MAX(largest, scores[i]);
    for (guint i = 0; i < n; i++) {
        scores[i] = exp((scores[i] - largest) / temperature);
        sum += scores[i];
    }
    for (guint i = 0; i < n; i++)
        scores[i] /= sum;
}

gboolean gst_embedding_match_scorer_run(GstEmbeddingMatchScorer *s, GstEmbeddingMatchModel *model,
                                        const GstGemma4Embedding *embedding, gdouble temperature,
                                        GError **error)
{
    guint n = gst_embedding_match_set_get_size(s->set);

    if (n == 0)
        return TRUE;
    if (!fits_already(s, embedding) && !fit(s, model, embedding, error))
        return FALSE;
    if (!gst_embedding_vector_of(embedding, s->vector))
        return FALSE;
    for (guint i = 0; i < n; i++)
        s->scores[i] =
            CLAMP(gst_embedding_vector_dot(s->matrix + (gsize)i * s->cols,
                                           (const gfloat *)(gconstpointer)s->vector->data, s->cols),
                  -1, 1);
    if (temperature > 0)
        softmax(s->scores, n, temperature);
    return TRUE;
}
