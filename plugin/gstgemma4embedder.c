/* SPDX-License-Identifier: Apache-2.0
 *
 * Model, encoder and the memory between them, for one element.
 */
#include "gstgemma4embedder.h"

#include "gstgemma4embedjoint.h"
#include "gstgemma4embedregioncache.h"
#include "gstgemma4embedreuse.h"
#include "gstgemma4model.h"

struct GstGemma4Embedder {
    GstGemma4Model *model;
    G4Encoder *encoder;
    GstGemma4Output output; /* never auto */
    GstGemma4Joint *joint;  /* for joint alone */
    guint rows, cols;       /* soft tokens of the prepared size */
    struct {
        float *values; /* [rows, cols]; not for tokens, which go where they belong */
        gsize size;    /* floats allocated there */
    } tokens[2];       /* of the frame last computed, which a window reuses; of the last region */
    GstGemma4Reuse reuse;         /* of frames */
    GstGemma4RegionCache regions; /* of regions */
};

/* What is computed, of what is there. */
static gboolean choose_output(GstGemma4Embedder *e, const GstGemma4Settings *settings,
                              GError **error)
{
    const char *only_joint = settings->dimensions           ? "dimensions"
                             : settings->prompt             ? "prompt"
                             : settings->window != 1        ? "window"
                             : settings->window_stride != 1 ? "window-stride"
                                                            : NULL;
    gboolean has_text = FALSE;

    e->output = settings->output;
    if (e->output == GST_GEMMA4_OUTPUT_AUTO || e->output == GST_GEMMA4_OUTPUT_JOINT)
        has_text = g4_text_model_exists(settings->model);
    if (e->output == GST_GEMMA4_OUTPUT_AUTO)
        e->output = has_text ? GST_GEMMA4_OUTPUT_JOINT : GST_GEMMA4_OUTPUT_POOLED;
    if (e->output == GST_GEMMA4_OUTPUT_JOINT && !has_text) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "output=joint: %s has no text encoder (language_model.* tensors and a "
                    "tokenizer.json); expected auto, pooled or tokens",
                    settings->model);
        return FALSE;
    }
    if (e->output != GST_GEMMA4_OUTPUT_JOINT && only_joint) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "%s: only for output=joint, found %s%s",
                    only_joint, e->output == GST_GEMMA4_OUTPUT_TOKENS ? "tokens" : "pooled",
                    settings->output == GST_GEMMA4_OUTPUT_AUTO
                        ? " (auto: the checkpoint has no text encoder)"
                        : "");
        return FALSE;
    }
    return TRUE;
}

static gboolean open_all(GstGemma4Embedder *e, const GstGemma4Settings *settings, GError **error)
{
    e->model = gst_gemma4_model_acquire(settings->model, settings->precision, error);
    if (!e->model || !choose_output(e, settings, error))
        return FALSE;
    e->encoder = g4_encoder_new(gst_gemma4_model_get(e->model),
                                &(G4EncoderOptions){
                                    .resize = settings->resize,
                                    .image_size = settings->image_size,
                                    .max_soft_tokens = settings->max_soft_tokens,
                                    .threads = settings->threads,
                                    .background = settings->async,
                                },
                                error);
    if (e->encoder && e->output == GST_GEMMA4_OUTPUT_JOINT) {
        e->joint = gst_gemma4_joint_new(settings, g4_model_get_cols(gst_gemma4_model_get(e->model)),
                                        error);
        return e->joint != NULL;
    }
    return e->encoder != NULL;
}

GstGemma4Embedder *gst_gemma4_embedder_new(const GstGemma4Settings *settings, GError **error)
{
    GstGemma4Embedder *e = g_new0(GstGemma4Embedder, 1);

    if (!open_all(e, settings, error)) {
        gst_gemma4_embedder_free(e);
        return NULL;
    }
    return e;
}

void gst_gemma4_embedder_free(GstGemma4Embedder *e)
{
    if (!e)
        return;
    gst_gemma4_reuse_clear(&e->reuse);
    gst_gemma4_region_cache_clear(&e->regions);
    g_free(e->tokens[0].values);
    g_free(e->tokens[1].values);
    gst_gemma4_joint_free(e->joint);
    g4_encoder_free(e->encoder);
    gst_gemma4_model_release(e->model);
    g_free(e);
}

static gboolean prepare(GstGemma4Embedder *e, guint width, guint height, gboolean is_region,
                        GError **error)
{
    if (!g4_encoder_prepare(e->encoder, width, height, error))
        return FALSE;

    e->rows = g4_encoder_get_rows(e->encoder);
    e->cols = g4_encoder_get_cols(e->encoder);
    gsize n = (gsize)e->rows * e->cols;
    if (e->joint &&
        !gst_gemma4_joint_check(e->joint, is_region ? 1 : gst_gemma4_joint_get_window(e->joint),
                                e->rows, error))
        return FALSE;
    if (e->output != GST_GEMMA4_OUTPUT_TOKENS && n > e->tokens[is_region].size) {
        g_free(e->tokens[is_region].values);
        e->tokens[is_region].values = g_try_new(float, n);
        e->tokens[is_region].size = e->tokens[is_region].values ? n : 0;
        if (!e->tokens[is_region].values) {
            g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                        "no memory for %u soft tokens of %u values", e->rows, e->cols);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean gst_gemma4_embedder_prepare(GstGemma4Embedder *e, guint width, guint height,
                                     GError **error)
{
    return prepare(e, width, height, FALSE, error);
}

gboolean gst_gemma4_embedder_load(GstGemma4Embedder *e, const G4Frame *picture,
                                  const GstGemma4Region *region, GError **error)
{
    if (!prepare(e, picture->width, picture->height, region != NULL, error))
        return FALSE;
    g4_encoder_load(e->encoder, picture);
    return TRUE;
}

/* Runs the network on the loaded picture. FALSE when it was cancelled. */
static gboolean encode(GstGemma4Embedder *e, float *tokens, GstGemma4Vectors *vectors)
{
    GstClockTime begin = gst_util_get_timestamp();

    vectors->cancelled = !g4_encoder_encode(e->encoder, tokens);
    vectors->encoded = gst_util_get_timestamp() - begin;
    return !vectors->cancelled;
}

/* Soft tokens, or their mean; NULL when it was cancelled. */
static GstBuffer *compute_values(GstGemma4Embedder *e, float *tokens, gboolean normalize,
                                 GstGemma4Vectors *vectors)
{
    gboolean pooled = e->output == GST_GEMMA4_OUTPUT_POOLED;
    GstBuffer *values =
        gst_buffer_new_allocate(NULL, (gsize)vectors->rows * vectors->cols * sizeof(float), NULL);
    GstMapInfo map;

    gst_buffer_map(values, &map, GST_MAP_WRITE);
    gboolean done = encode(e, pooled ? tokens : (float *)map.data, vectors);
    if (done && pooled)
        g4_tokens_mean(tokens, e->rows, e->cols, normalize, (float *)map.data);
    gst_buffer_unmap(values, &map);
    if (!done)
        gst_clear_buffer(&values);
    return values;
}

static void keep(GstGemma4Embedder *e, GstGemma4Reuse *reuse, gboolean normalized,
                 GstBuffer *values)
{
    guint width, height;

    g4_encoder_get_target(e->encoder, &width, &height);
    gst_gemma4_reuse_keep(reuse, g4_encoder_get_pixels(e->encoder), width, height, normalized,
                          values);
}

static GstBuffer *find(GstGemma4Embedder *e, const GstGemma4Reuse *reuse, gboolean normalized,
                       gdouble threshold)
{
    guint width, height;

    g4_encoder_get_target(e->encoder, &width, &height);
    return gst_gemma4_reuse_find(reuse, g4_encoder_get_pixels(e->encoder), width, height,
                                 normalized, threshold);
}

/* A vector that was given up on the way is no error. */
static gboolean is_cancelled(GstGemma4Vectors *vectors, GError **error)
{
    vectors->cancelled = g_error_matches(*error, G4_ERROR, G4_ERROR_CANCELLED);
    if (vectors->cancelled)
        g_clear_error(error);
    return vectors->cancelled;
}

/* A window of several frames: what is reused of a frame is its soft tokens, and what is kept beside
 * its pixels stands for them. */
static gboolean compute_window(GstGemma4Embedder *e, gboolean normalize, gdouble threshold,
                               GstGemma4Vectors *vectors, GError **error)
{
    float *tokens = e->tokens[FALSE].values;
    g_autoptr(GstBuffer) same = find(e, &e->reuse, FALSE, threshold);

    if (!same) {
        gst_gemma4_reuse_clear(&e->reuse); /* the tokens are about to change */
        if (!encode(e, tokens, vectors))
            return TRUE;
        same = gst_buffer_new();
        if (threshold >= 0)
            keep(e, &e->reuse, FALSE, same);
    }
    GstClockTime begin = gst_util_get_timestamp();
    GError *why = NULL;
    if (gst_gemma4_joint_add(e->joint, tokens, e->rows, normalize, &vectors->values, &why)) {
        if (vectors->encoded > 0)
            vectors->encoded += gst_util_get_timestamp() - begin;
        return TRUE;
    }
    if (is_cancelled(vectors, &why))
        return TRUE;
    g_propagate_error(error, why);
    return FALSE;
}

/* One picture, a frame or a region. */
static gboolean compute_picture(GstGemma4Embedder *e, gboolean is_region, GstGemma4Reuse *reuse,
                                gboolean normalize, gdouble threshold, GstGemma4Vectors *vectors,
                                GError **error)
{
    float *tokens = e->tokens[is_region].values;

    vectors->values = find(e, reuse, normalize, threshold);
    if (vectors->values) {
        if (!is_region)
            gst_gemma4_joint_pass(e->joint);
        vectors->reused = TRUE;
        return TRUE;
    }
    if (!encode(e, tokens, vectors))
        return TRUE;
    GstClockTime begin = gst_util_get_timestamp();
    GError *why = NULL;
    if (!(is_region ? gst_gemma4_joint_embed : gst_gemma4_joint_add)(
            e->joint, tokens, e->rows, normalize, &vectors->values, &why)) {
        if (is_cancelled(vectors, &why))
            return TRUE;
        g_propagate_error(error, why);
        return FALSE;
    }
    vectors->encoded += gst_util_get_timestamp() - begin;
    if (threshold >= 0)
        keep(e, reuse, normalize, vectors->values);
    return TRUE;
}

static gboolean compute_frame(GstGemma4Embedder *e, gboolean normalize, gdouble threshold,
                              GstGemma4Vectors *vectors, GError **error)
{
    if (!gst_gemma4_joint_needs_next(e->joint)) {
        gst_gemma4_joint_pass(e->joint);
        vectors->left_out = TRUE;
        return TRUE;
    }
    if (gst_gemma4_joint_get_window(e->joint) > 1)
        return compute_window(e, normalize, threshold, vectors, error);
    return compute_picture(e, FALSE, &e->reuse, normalize, threshold, vectors, error);
}

gboolean gst_gemma4_embedder_compute(GstGemma4Embedder *e, const GstGemma4Region *region,
                                     gboolean normalize, gdouble reuse_threshold,
                                     GstGemma4Vectors *vectors, GError **error)
{
    gboolean is_tokens = e->output == GST_GEMMA4_OUTPUT_TOKENS;
    GstGemma4Reuse *reuse = region ? gst_gemma4_region_cache_get(&e->regions, region) : &e->reuse;

    *vectors = (GstGemma4Vectors){
        .id = e->joint    ? "gemma4-joint"
              : is_tokens ? "gemma4-tokens"
                          : "gemma4-pooled",
        .rows = is_tokens ? e->rows : 1,
        .cols = e->joint ? gst_gemma4_joint_get_cols(e->joint) : e->cols,
        .normalized = normalize && !is_tokens,
    };
    if (e->joint && region)
        return compute_picture(e, TRUE, reuse, normalize, reuse_threshold, vectors, error);
    if (e->joint)
        return compute_frame(e, normalize, reuse_threshold, vectors, error);

    vectors->values = find(e, reuse, vectors->normalized, reuse_threshold);
    vectors->reused = vectors->values != NULL;
    if (!vectors->reused) {
        vectors->values = compute_values(e, e->tokens[region != NULL].values, normalize, vectors);
        if (vectors->values && reuse_threshold >= 0)
            keep(e, reuse, vectors->normalized, vectors->values);
    }
    return TRUE;
}

void gst_gemma4_embedder_restart(GstGemma4Embedder *e)
{
    if (e->joint)
        gst_gemma4_joint_restart(e->joint);
}

void gst_gemma4_embedder_set_cancelled(GstGemma4Embedder *e, gboolean cancelled)
{
    g4_encoder_set_cancelled(e->encoder, cancelled);
    if (e->joint)
        gst_gemma4_joint_set_cancelled(e->joint, cancelled);
}

GstClockTime gst_gemma4_embedder_warm_up(GstGemma4Embedder *e, guint width, guint height)
{
    gsize row = (gsize)width * 3;
    g_autofree guint8 *black = g_try_malloc0(row);
    gsize n = (gsize)e->rows * e->cols;
    g_autofree float *tokens = g_try_new(float, n);

    if (!black || !tokens)
        return 0;
    GstClockTime begin = gst_util_get_timestamp();
    g4_encoder_load(e->encoder, &(G4Frame){
                                    .data = black,
                                    .stride = 0, /* every row is the same one */
                                    .width = width,
                                    .height = height,
                                    .format = G4_PIXELS_RGB,
                                });
    if (!g4_encoder_encode(e->encoder, tokens))
        return 0;
    if (e->joint)
        gst_gemma4_joint_warm_up(e->joint, tokens, e->rows);
    return gst_util_get_timestamp() - begin;
}

const G4Model *gst_gemma4_embedder_get_model(const GstGemma4Embedder *e)
{
    return gst_gemma4_model_get(e->model);
}

guint64 gst_gemma4_embedder_get_model_bytes(const GstGemma4Embedder *e)
{
    return g4_model_get_bytes(gst_gemma4_embedder_get_model(e)) +
           (e->joint ? gst_gemma4_joint_get_model_bytes(e->joint) : 0);
}

guint64 gst_gemma4_embedder_get_bytes(const GstGemma4Embedder *e)
{
    return g4_encoder_get_bytes(e->encoder) +
           (e->tokens[0].size + e->tokens[1].size) * sizeof(float) +
           gst_gemma4_reuse_get_bytes(&e->reuse) + gst_gemma4_region_cache_get_bytes(&e->regions) +
           (e->joint ? gst_gemma4_joint_get_bytes(e->joint) : 0);
}
