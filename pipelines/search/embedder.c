/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts and pictures into vectors, by libgemma4.
 */
#include "embedder.h"

#include <string.h>

struct Embedder {
    char *path, *digest, *text_digest;
    EmbedderOptions options;
    G4Model *vision;
    G4Encoder *eye;
    G4TextModel *text;
    G4TextEncoder *reader;
};

Embedder *embedder_new(const EmbedderOptions *options)
{
    Embedder *e = g_new0(Embedder, 1);

    e->path = g_strdup(options->path);
    e->digest = g_strdup(options->digest);
    e->text_digest = g_strdup(options->text_digest);
    e->options = *options;
    return e;
}

void embedder_free(Embedder *e)
{
    if (!e)
        return;
    g4_text_encoder_free(e->reader);
    g4_encoder_free(e->eye);
    g_clear_pointer(&e->text, g4_text_model_unref);
    g_clear_pointer(&e->vision, g4_model_unref);
    g_free(e->path);
    g_free(e->digest);
    g_free(e->text_digest);
    g_free(e);
}

gboolean embedder_is_joint(const Embedder *e)
{
    return g4_text_model_exists(e->path);
}

/* FALSE and `error` where `wanted` is another one: its vectors would be compared with others. */
static gboolean check_digest(const Embedder *e, const char *what, const char *found,
                             const char *wanted, GError **error)
{
    if (!wanted || g_str_equal(found, wanted))
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                "%s: its %s has the digest %s, the index was made with %s; name the checkpoint "
                "that made it by --model, or index with this one and --replace",
                e->path, what, found, wanted);
    return FALSE;
}

static gboolean open_text(Embedder *e, GError **error)
{
    if (!e->text) {
        e->text = g4_text_model_open(e->path, &(G4ModelOptions){.precision = e->options.precision},
                                     error);
        if (e->text && !check_digest(e, "text encoder", g4_text_model_get_digest(e->text),
                                     e->text_digest, error))
            g_clear_pointer(&e->text, g4_text_model_unref);
    }
    if (e->text && !e->reader)
        e->reader = g4_text_encoder_new(
            e->text, &(G4TextEncoderOptions){.threads = e->options.threads}, error);
    return e->reader != NULL;
}

static gboolean open_vision(Embedder *e, GError **error)
{
    if (!e->vision) {
        e->vision =
            g4_model_open(e->path, &(G4ModelOptions){.precision = e->options.precision}, error);
        if (e->vision && !check_digest(e, "vision tower", g4_model_get_digest(e->vision),
                                       e->digest, error))
            g_clear_pointer(&e->vision, g4_model_unref);
    }
    if (e->vision && !e->eye)
        e->eye = g4_encoder_new(e->vision,
                                &(G4EncoderOptions){.threads = e->options.threads,
                                                    .max_soft_tokens = e->options.max_soft_tokens},
                                error);
    return e->eye != NULL;
}

const char *embedder_text_digest(Embedder *e, GError **error)
{
    return open_text(e, error) ? g4_text_model_get_digest(e->text) : NULL;
}

static gboolean find_prompt(Embedder *e, const char *name, const char **prompt, GError **error)
{
    *prompt = NULL;
    if (!name || g_str_equal(name, "none"))
        return TRUE;
    *prompt = g4_text_model_get_prompt(e->text, name);
    if (*prompt)
        return TRUE;
    g_autofree char *names = g_strjoinv(", ", (char **)g4_text_model_get_prompt_names(e->text));
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "no prompt \"%s\"; %s has: none%s%s", name,
                g4_text_model_get_name(e->text), *names ? ", " : "", names);
    return FALSE;
}

static float *embed(Embedder *e, const char *prompt, const G4Part *part, guint *cols,
                    GError **error)
{
    g_autofree float *out = NULL;

    *cols = g4_text_encoder_get_cols(e->reader);
    out = g_new(float, *cols);
    if (!g4_text_encoder_embed(e->reader, prompt, part, 1, TRUE, out, error))
        return NULL;
    return g_steal_pointer(&out);
}

float *embedder_text(Embedder *e, const char *prompt, const char *text, guint *cols,
                     GError **error)
{
    const char *words;

    if (!open_text(e, error) || !find_prompt(e, prompt, &words, error))
        return NULL;
    return embed(e, words, &(G4Part){.kind = G4_PART_TEXT, .text = text, .length = -1}, cols,
                 error);
}

float *embedder_picture(Embedder *e, gboolean joint, const char *prompt, const Picture *picture,
                        guint *cols, GError **error)
{
    const char *words = NULL;

    if (!open_vision(e, error) || (joint && (!open_text(e, error) ||
                                             !find_prompt(e, prompt, &words, error))))
        return NULL;
    if (!joint && prompt && !g_str_equal(prompt, "none")) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "a prompt needs a checkpoint with a text encoder");
        return NULL;
    }
    if (!g4_encoder_prepare(e->eye, picture->width, picture->height, error))
        return NULL;
    g4_encoder_load(e->eye, &(G4Frame){.data = picture->data,
                                       .stride = (gsize)picture->width * 4,
                                       .width = picture->width,
                                       .height = picture->height,
                                       .format = G4_PIXELS_RGBA});
    guint rows = g4_encoder_get_rows(e->eye), width = g4_encoder_get_cols(e->eye);
    g_autofree float *tokens = g_new(float, (gsize)rows * width);
    g4_encoder_encode(e->eye, tokens);
    if (joint)
        return embed(e, words, &(G4Part){.kind = G4_PART_FRAME, .tokens = tokens, .rows = rows},
                     cols, error);
    float *out = g_new(float, width);
    g4_tokens_mean(tokens, rows, width, TRUE, out);
    *cols = width;
    return out;
}
