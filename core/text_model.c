/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a text model.
 */
#include "gemma4.h"

gboolean g4_text_model_exists(const char *path)
{
    (void)path;
    return FALSE;
}

G4TextModel *g4_text_model_open(const char *path, const G4ModelOptions *options, GError **error)
{
    (void)options;
    g_set_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED, "%s: no text encoder in this build", path);
    return NULL;
}

G4TextModel *g4_text_model_ref(G4TextModel *model)
{
    return model;
}

void g4_text_model_unref(G4TextModel *model)
{
    (void)model;
}
#define NONE(type, name, value)                                                                    \
    type name(const G4TextModel *model)                                                            \
    {                                                                                              \
        (void)model;                                                                               \
        return value;                                                                              \
    }
NONE(const char *, g4_text_model_get_name, "")
NONE(const char *, g4_text_model_get_digest, "")
NONE(const char *, g4_text_model_get_kernels, "")
NONE(G4Precision, g4_text_model_get_precision, G4_PRECISION_F32)
NONE(guint64, g4_text_model_get_bytes, 0)
NONE(guint, g4_text_model_get_cols, 0)
NONE(guint, g4_text_model_get_width, 0)
NONE(const char *const *, g4_text_model_get_prompt_names, NULL)

const char *g4_text_model_get_prompt(const G4TextModel *model, const char *name)
{
    (void)model;
    (void)name;
    return NULL;
}

G4TextEncoder *g4_text_encoder_new(G4TextModel *model, const G4TextEncoderOptions *options,
                                   GError **error)
{
    (void)model;
    (void)options;
    g_set_error_literal(error, G4_ERROR, G4_ERROR_UNSUPPORTED, "no text encoder in this build");
    return NULL;
}

void g4_text_encoder_free(G4TextEncoder *encoder)
{
    (void)encoder;
}

gboolean g4_text_encoder_embed(G4TextEncoder *encoder, const char *prompt, const G4Part *parts,
                               guint n_parts, gboolean normalize, float *out, GError **error)
{
    (void)encoder;
    (void)prompt;
    (void)parts;
    (void)n_parts;
    (void)normalize;
    (void)out;
    g_set_error_literal(error, G4_ERROR, G4_ERROR_UNSUPPORTED, "no text encoder in this build");
    return FALSE;
}

guint g4_text_encoder_get_cols(const G4TextEncoder *encoder)
{
    (void)encoder;
    return 0;
}
