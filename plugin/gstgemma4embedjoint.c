/* SPDX-License-Identifier: Apache-2.0
 *
 * Soft tokens to vectors in the space shared with text.
 */
#include "gstgemma4embedjoint.h"

#include <string.h>

#include "gstgemma4model.h"

typedef struct {
    float *tokens; /* [rows, width] */
    guint rows;
    gsize size; /* floats allocated */
} Slot;

struct GstGemma4Joint {
    GstGemma4TextModel *model;
    G4TextEncoder *encoder;
    const char *prompt; /* the model's, or NULL */
    guint width;
    guint window, stride;
    guint64 next;  /* number of the next frame */
    Slot *slots;   /* [window], a ring by the frame's number; none with a window of 1 */
    G4Part *parts; /* [window] */
};

static gboolean find_prompt(GstGemma4Joint *j, const char *name, GError **error)
{
    const G4TextModel *model = gst_gemma4_text_model_get(j->model);

    if (!name || !*name)
        return TRUE;
    j->prompt = g4_text_model_get_prompt(model, name);
    if (j->prompt)
        return TRUE;
    g_autofree char *names = g_strjoinv(", ", (char **)g4_text_model_get_prompt_names(model));
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                "prompt: \"%s\" is none of the task prompts of %s; expected one of: %s", name,
                g4_text_model_get_name(model), names);
    return FALSE;
}

static gboolean open_encoder(GstGemma4Joint *j, const GstGemma4Settings *settings, GError **error)
{
    j->model = gst_gemma4_text_model_acquire(settings->model, settings->precision, error);
    if (!j->model)
        return FALSE;

    G4TextModel *model = gst_gemma4_text_model_get(j->model);
    if (g4_text_model_get_width(model) != j->width) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "%s: soft tokens have %u values, its text encoder takes %u", settings->model,
                    j->width, g4_text_model_get_width(model));
        return FALSE;
    }
    j->encoder = g4_text_encoder_new(model,
                                     &(G4TextEncoderOptions){
                                         .threads = settings->threads,
                                         .dimensions = settings->dimensions,
                                         .background = settings->async,
                                     },
                                     error);
    return j->encoder && find_prompt(j, settings->prompt, error);
}

GstGemma4Joint *gst_gemma4_joint_new(const GstGemma4Settings *settings, guint width, GError **error)
{
    GstGemma4Joint *j = g_new0(GstGemma4Joint, 1);

    j->width = width;
    j->window = settings->window;
    j->stride = settings->window_stride;
    if (!open_encoder(j, settings, error)) {
        gst_gemma4_joint_free(j);
        return NULL;
    }
    j->parts = g_new0(G4Part, j->window);
    if (j->window > 1)
        j->slots = g_new0(Slot, j->window);
    return j;
}

void gst_gemma4_joint_free(GstGemma4Joint *j)
{
    if (!j)
        return;
    for (guint i = 0; j->slots && i < j->window; i++)
        g_free(j->slots[i].tokens);
    g_free(j->slots);
    g_free(j->parts);
    g4_text_encoder_free(j->encoder);
    gst_gemma4_text_model_release(j->model);
    g_free(j);
}

gboolean gst_gemma4_joint_check(const GstGemma4Joint *j, guint window, guint rows, GError **error)
{
    if (rows <= G4_TEXT_MAX_TOKENS / window)
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                "window %u: so many frames of %u soft tokens are more than the %d tokens that the "
                "text encoder takes; expected a smaller window or max-soft-tokens",
                window, rows, G4_TEXT_MAX_TOKENS);
    return FALSE;
}

gboolean gst_gemma4_joint_needs_next(const GstGemma4Joint *j)
{
    return j->next % j->stride < j->window;
}

/* Whether the frame before the next one ends a window. */
static gboolean at_end_of_window(const GstGemma4Joint *j)
{
    return j->next >= j->window && (j->next - j->window) % j->stride == 0;
}

static gboolean store(GstGemma4Joint *j, Slot *slot, const float *tokens, guint rows,
                      GError **error)
{
    gsize n = (gsize)rows * j->width;

    if (n > slot->size) {
        g_free(slot->tokens);
        slot->tokens = g_try_new(float, n);
        slot->size = slot->tokens ? n : 0;
        if (!slot->tokens) {
            g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                        "window %u: no memory for %u soft tokens of %u values", j->window, rows,
                        j->width);
            return FALSE;
        }
    }
    memcpy(slot->tokens, tokens, n * sizeof(float));
    slot->rows = rows;
    return TRUE;
}

/* The vector of the first n parts, or NULL. */
static GstBuffer *embed_parts(GstGemma4Joint *j, guint n, gboolean normalize, GError **error)
{
    GstMapInfo map;
    GstBuffer *vector =
        gst_buffer_new_allocate(NULL, g4_text_encoder_get_cols(j->encoder) * sizeof(float), NULL);

    gst_buffer_map(vector, &map, GST_MAP_WRITE);
    gboolean ok = g4_text_encoder_embed(j->encoder, j->prompt, j->parts, n, normalize,
                                        (float *)map.data, error);
    gst_buffer_unmap(vector, &map);
    if (!ok)
        gst_clear_buffer(&vector);
    return vector;
}

gboolean gst_gemma4_joint_embed(GstGemma4Joint *j, const float *tokens, guint rows,
                                gboolean normalize, GstBuffer **values, GError **error)
{
    j->parts[0] = (G4Part){.kind = G4_PART_IMAGE, .tokens = tokens, .rows = rows};
    *values = embed_parts(j, 1, normalize, error);
    return *values != NULL;
}

gboolean gst_gemma4_joint_add(GstGemma4Joint *j, const float *tokens, guint rows,
                              gboolean normalize, GstBuffer **values, GError **error)
{
    *values = NULL;
    if (j->slots && tokens && !store(j, &j->slots[j->next % j->window], tokens, rows, error))
        return FALSE;
    j->next++;
    if (!at_end_of_window(j))
        return TRUE;

    for (guint i = 0; i < j->window; i++) {
        const Slot *slot = j->slots ? &j->slots[(j->next + i) % j->window] : NULL;
        j->parts[i] = (G4Part){
            .kind = slot ? G4_PART_FRAME : G4_PART_IMAGE,
            .tokens = slot ? slot->tokens : tokens,
            .rows = slot ? slot->rows : rows,
        };
    }
    *values = embed_parts(j, j->window, normalize, error);
    return *values != NULL;
}

void gst_gemma4_joint_pass(GstGemma4Joint *j)
{
    j->next++;
}

void gst_gemma4_joint_restart(GstGemma4Joint *j)
{
    j->next = 0;
}

void gst_gemma4_joint_set_cancelled(GstGemma4Joint *j, gboolean cancelled)
{
    g4_text_encoder_set_cancelled(j->encoder, cancelled);
}

void gst_gemma4_joint_warm_up(GstGemma4Joint *j, const float *tokens, guint rows)
{
    g_autofree float *vector = g_new(float, g4_text_encoder_get_cols(j->encoder));

    for (guint i = 0; i < j->window; i++)
        j->parts[i] = (G4Part){
            .kind = j->slots ? G4_PART_FRAME : G4_PART_IMAGE,
            .tokens = tokens,
            .rows = rows,
        };
    /* what is wrong, the first frame will say */
    g4_text_encoder_embed(j->encoder, j->prompt, j->parts, j->window, TRUE, vector, NULL);
}

guint gst_gemma4_joint_get_cols(const GstGemma4Joint *j)
{
    return g4_text_encoder_get_cols(j->encoder);
}

guint gst_gemma4_joint_get_window(const GstGemma4Joint *j)
{
    return j->window;
}

guint64 gst_gemma4_joint_get_model_bytes(const GstGemma4Joint *j)
{
    return g4_text_model_get_bytes(gst_gemma4_text_model_get(j->model));
}

guint64 gst_gemma4_joint_get_bytes(const GstGemma4Joint *j)
{
    guint64 floats = 0;

    for (guint i = 0; j->slots && i < j->window; i++)
        floats += j->slots[i].size;
    return floats * sizeof(float);
}
