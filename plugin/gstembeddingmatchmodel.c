/* SPDX-License-Identifier: Apache-2.0
 *
 * Sentences and pictures to vectors.
 */
#include "gstembeddingmatchmodel.h"
#include "gstembeddingmatchpicture.h"
#include "gstembeddingvector.h"
#include "gstgemma4model.h"

struct GstEmbeddingMatchModel {
    gchar *path;
    G4Precision precision;
    guint threads;

    GMutex opening;           /* of these; never held while something is computed */
    GstGemma4TextModel *text; /* NULL until it is needed, then constant */
    GstGemma4Model *vision;   /* the same */
    gchar *vision_digest;     /* known once the vision encoder was open */
    gboolean cancelled;

    /* of the thread that embeds, which sets them with `opening` held, for cancel() */
    G4TextEncoder *text_encoder;
    G4Encoder *encoder;
};

GstEmbeddingMatchModel *gst_embedding_match_model_new(const gchar *path, G4Precision precision,
                                                      guint threads)
{
    GstEmbeddingMatchModel *model = g_new0(GstEmbeddingMatchModel, 1);

    model->path = g_strdup(path);
    model->precision = precision;
    model->threads = threads;
    g_mutex_init(&model->opening);
    return model;
}

void gst_embedding_match_model_free(GstEmbeddingMatchModel *model)
{
    if (model == NULL)
        return;
    g4_encoder_free(model->encoder);
    gst_gemma4_model_release(model->vision);
    g4_text_encoder_free(model->text_encoder);
    gst_gemma4_text_model_release(model->text);
    g_free(model->vision_digest);
    g_mutex_clear(&model->opening);
    g_free(model->path);
    g_free(model);
}

const gchar *gst_embedding_match_model_get_path(const GstEmbeddingMatchModel *model)
{
    return model->path;
}

static G4TextModel *open_text(GstEmbeddingMatchModel *model, GError **error)
{
    g_mutex_lock(&model->opening);
    if (model->text == NULL)
        model->text = gst_gemma4_text_model_acquire(model->path, model->precision, error);
    g_mutex_unlock(&model->opening);
    return model->text != NULL ? gst_gemma4_text_model_get(model->text) : NULL;
}

static G4Model *open_vision(GstEmbeddingMatchModel *model, GError **error)
{
    g_mutex_lock(&model->opening);
    if (model->vision == NULL)
        model->vision = gst_gemma4_model_acquire(model->path, model->precision, error);
    g_mutex_unlock(&model->opening);
    return model->vision != NULL ? gst_gemma4_model_get(model->vision) : NULL;
}

static gboolean need_text(GstEmbeddingMatchModel *model, GError **error)
{
    G4TextModel *text = model->text_encoder == NULL ? open_text(model, error) : NULL;

    if (text != NULL) {
        G4TextEncoder *encoder =
            g4_text_encoder_new(text, &(G4TextEncoderOptions){.threads = model->threads}, error);
        g_mutex_lock(&model->opening);
        model->text_encoder = encoder;
        if (encoder != NULL && model->cancelled)
            g4_text_encoder_set_cancelled(encoder, TRUE);
        g_mutex_unlock(&model->opening);
    }
    return model->text_encoder != NULL;
}

static gboolean need_vision(GstEmbeddingMatchModel *model, GError **error)
{
    G4Model *vision = model->encoder == NULL ? open_vision(model, error) : NULL;

    if (vision != NULL) {
        G4Encoder *encoder =
            g4_encoder_new(vision, &(G4EncoderOptions){.threads = model->threads}, error);
        g_mutex_lock(&model->opening);
        model->encoder = encoder;
        if (encoder != NULL && model->cancelled)
            g4_encoder_set_cancelled(encoder, TRUE);
        g_mutex_unlock(&model->opening);
    }
    return model->encoder != NULL;
}

void gst_embedding_match_model_cancel(GstEmbeddingMatchModel *model)
{
    g_mutex_lock(&model->opening);
    model->cancelled = TRUE;
    if (model->text_encoder != NULL)
        g4_text_encoder_set_cancelled(model->text_encoder, TRUE);
    if (model->encoder != NULL)
        g4_encoder_set_cancelled(model->encoder, TRUE);
    g_mutex_unlock(&model->opening);
}

gboolean gst_embedding_match_model_open(GstEmbeddingMatchModel *model, GError **error)
{
    return g4_text_model_exists(model->path) ? need_text(model, error) : need_vision(model, error);
}

gboolean gst_embedding_match_model_find_prompt(GstEmbeddingMatchModel *model, const gchar *name,
                                               const gchar **prompt, GError **error)
{
    *prompt = NULL;
    if (!need_text(model, error))
        return FALSE;
    if (g_strcmp0(name, "none") == 0)
        return TRUE;
    const G4TextModel *text = gst_gemma4_text_model_get(model->text);
    *prompt = g4_text_model_get_prompt(text, name != NULL ? name : "query");
    if (*prompt != NULL || name == NULL)
        return TRUE;
    g_autofree gchar *names = g_strjoinv(", ", (gchar **)g4_text_model_get_prompt_names(text));
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                "prompt: \"%s\" is none of the task prompts of %s; expected none%s%s", name,
                model->path, *names ? ", " : "", names);
    return FALSE;
}

gfloat *gst_embedding_match_model_embed_text(GstEmbeddingMatchModel *model, const gchar *prompt,
                                             const gchar *text, guint *cols, GError **error)
{
    G4Part part = {.kind = G4_PART_TEXT, .text = text, .length = -1};

    if (!need_text(model, error))
        return NULL;
    *cols = g4_text_encoder_get_cols(model->text_encoder);
    g_autofree gfloat *vector = g_new(gfloat, *cols);
    if (!g4_text_encoder_embed(model->text_encoder, prompt, &part, 1, TRUE, vector, error)) {
        g_prefix_error(error, "label \"%.60s\": ", text);
        return NULL;
    }
    return g_steal_pointer(&vector);
}

typedef struct {
    GstEmbeddingMatchModel *model;
    GstEmbeddingMatchPictureVectors *vectors;
} PictureJob;

static gboolean embed_frame(const G4Frame *picture, gpointer data, GError **error)
{
    PictureJob *job = data;
    GstEmbeddingMatchModel *model = job->model;
    GstEmbeddingMatchPictureVectors *v = job->vectors;

    if (!g4_encoder_prepare(model->encoder, picture->width, picture->height, error))
        return FALSE;
    guint rows = g4_encoder_get_rows(model->encoder);
    guint cols = g4_encoder_get_cols(model->encoder);
    g_autofree gfloat *tokens = g_try_new(gfloat, (gsize)rows * cols);
    if (tokens == NULL) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "not enough memory for %u soft tokens",
                    rows);
        return FALSE;
    }
    g4_encoder_load(model->encoder, picture);
    if (!g4_encoder_encode(model->encoder, tokens)) {
        g_set_error(error, G4_ERROR, G4_ERROR_CANCELLED, "cancelled");
        return FALSE;
    }
    v->pooled_cols = cols;
    v->pooled = g_new(gfloat, cols);
    g4_tokens_mean(tokens, rows, cols, TRUE, v->pooled);
    if (model->text_encoder == NULL)
        return TRUE;

    G4Part part = {.kind = G4_PART_IMAGE, .tokens = tokens, .rows = rows};
    v->joint_cols = g4_text_encoder_get_cols(model->text_encoder);
    v->joint = g_new(gfloat, v->joint_cols);
    return g4_text_encoder_embed(model->text_encoder, NULL, &part, 1, TRUE, v->joint, error);
}

gboolean gst_embedding_match_model_embed_picture(GstEmbeddingMatchModel *model, const gchar *path,
                                                 const gint *cancelled,
                                                 GstEmbeddingMatchPictureVectors *vectors,
                                                 GError **error)
{
    PictureJob job = {model, vectors};

    *vectors = (GstEmbeddingMatchPictureVectors){0};
    if (!need_vision(model, error) ||
        (g4_text_model_exists(model->path) && !need_text(model, error)))
        return FALSE;
    if (gst_embedding_match_read_picture(path, cancelled, embed_frame, &job, error))
        return TRUE;
    g_clear_pointer(&vectors->joint, g_free);
    g_clear_pointer(&vectors->pooled, g_free);
    return FALSE;
}

/* opening held. The vision encoder's digest; NULL where it cannot be opened. Where the
 * frames are embedded in this process and precision it is open, and this costs nothing. */
static const gchar *find_vision_digest(GstEmbeddingMatchModel *model)
{
    if (model->vision_digest == NULL) {
        GstGemma4Model *vision = gst_gemma4_model_acquire(model->path, model->precision, NULL);
        if (vision != NULL)
            model->vision_digest = g_strdup(g4_model_get_digest(gst_gemma4_model_get(vision)));
        gst_gemma4_model_release(vision);
    }
    return model->vision_digest;
}

gboolean gst_embedding_match_model_has_digest(GstEmbeddingMatchModel *model, const gchar *digest)
{
    g_mutex_lock(&model->opening);
    const gchar *text = model->text != NULL
                            ? g4_text_model_get_digest(gst_gemma4_text_model_get(model->text))
                            : NULL;
    gboolean same =
        g_strcmp0(text, digest) == 0 || g_strcmp0(find_vision_digest(model), digest) == 0;
    g_mutex_unlock(&model->opening);
    return same;
}
