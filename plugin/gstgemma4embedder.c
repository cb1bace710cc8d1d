/* SPDX-License-Identifier: Apache-2.0
 *
 * Model, encoder and the memory between them, for one element.
 */
#include "gstgemma4embedder.h"

#include "gstgemma4embedreuse.h"
#include "gstgemma4model.h"

struct GstGemma4Embedder {
    GstGemma4Model *model;
    G4Encoder *encoder;
    GstGemma4Output output; /* pooled or tokens */
    guint rows, cols;       /* soft tokens of the prepared size */
    float *tokens;          /* [rows, cols]; for pooled alone */
    gsize tokens_size;      /* floats allocated there */
    GstGemma4Reuse reuse;
};

GstGemma4Embedder *gst_gemma4_embedder_new(const GstGemma4Settings *settings, GError **error)
{
    GstGemma4Embedder *e = g_new0(GstGemma4Embedder, 1);

    e->output = settings->output == GST_GEMMA4_OUTPUT_TOKENS ? GST_GEMMA4_OUTPUT_TOKENS
                                                             : GST_GEMMA4_OUTPUT_POOLED;
    e->model = gst_gemma4_model_acquire(settings->model, settings->precision, error);
    if (e->model) {
        e->encoder = g4_encoder_new(gst_gemma4_model_get(e->model),
                                    &(G4EncoderOptions){
                                        .resize = settings->resize,
                                        .image_size = settings->image_size,
                                        .max_soft_tokens = settings->max_soft_tokens,
                                        .threads = settings->threads,
                                        .background = settings->async,
                                    },
                                    error);
    }
    if (!e->encoder)
        g_clear_pointer(&e, gst_gemma4_embedder_free);
    return e;
}

void gst_gemma4_embedder_free(GstGemma4Embedder *e)
{
    if (!e)
        return;
    gst_gemma4_reuse_clear(&e->reuse);
    g_free(e->tokens);
    g4_encoder_free(e->encoder);
    gst_gemma4_model_release(e->model);
    g_free(e);
}

gboolean gst_gemma4_embedder_prepare(GstGemma4Embedder *e, guint width, guint height,
                                     GError **error)
{
    if (!g4_encoder_prepare(e->encoder, width, height, error))
        return FALSE;

    e->rows = g4_encoder_get_rows(e->encoder);
    e->cols = g4_encoder_get_cols(e->encoder);
    gsize n = (gsize)e->rows * e->cols;
    if (e->output == GST_GEMMA4_OUTPUT_POOLED && n > e->tokens_size) {
        g_free(e->tokens);
        e->tokens = g_try_new(float, n);
        e->tokens_size = e->tokens ? n : 0;
        if (!e->tokens) {
            g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                        "no memory for %u soft tokens of %u values", e->rows, e->cols);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean gst_gemma4_embedder_load(GstGemma4Embedder *e, const G4Frame *picture, GError **error)
{
    if (!gst_gemma4_embedder_prepare(e, picture->width, picture->height, error))
        return FALSE;
    g4_encoder_load(e->encoder, picture);
    return TRUE;
}

/* Runs the network on the loaded picture. NULL when it was cancelled. */
static GstBuffer *encode(GstGemma4Embedder *e, gboolean normalize, guint rows,
                         GstClockTime *encoded)
{
    gboolean pooled = e->output == GST_GEMMA4_OUTPUT_POOLED;
    GstBuffer *values = gst_buffer_new_allocate(NULL, (gsize)rows * e->cols * sizeof(float), NULL);
    GstMapInfo map;

    gst_buffer_map(values, &map, GST_MAP_WRITE);
    float *tokens = pooled ? e->tokens : (float *)map.data;
    GstClockTime begin = gst_util_get_timestamp();
    if (!g4_encoder_encode(e->encoder, tokens)) {
        gst_buffer_unmap(values, &map);
        gst_buffer_unref(values);
        return NULL;
    }
    *encoded = gst_util_get_timestamp() - begin;
    if (pooled)
        g4_tokens_mean(tokens, e->rows, e->cols, normalize, (float *)map.data);
    gst_buffer_unmap(values, &map);
    return values;
}

gboolean gst_gemma4_embedder_compute(GstGemma4Embedder *e, gboolean normalize,
                                     gdouble reuse_threshold, GstGemma4Vectors *vectors,
                                     GError **error)
{
    gboolean pooled = e->output == GST_GEMMA4_OUTPUT_POOLED;
    const guint8 *pixels = g4_encoder_get_pixels(e->encoder);
    guint width, height;

    g4_encoder_get_target(e->encoder, &width, &height);
    *vectors = (GstGemma4Vectors){
        .id = pooled ? "gemma4-pooled" : "gemma4-tokens",
        .rows = pooled ? 1 : e->rows,
        .cols = e->cols,
        .normalized = pooled && normalize,
    };
    vectors->values = gst_gemma4_reuse_find(&e->reuse, pixels, width, height, vectors->normalized,
                                            reuse_threshold);
    if (vectors->values) {
        vectors->reused = TRUE;
        return TRUE;
    }
    vectors->values = encode(e, normalize, vectors->rows, &vectors->encoded);
    if (vectors->values && reuse_threshold >= 0)
        gst_gemma4_reuse_keep(&e->reuse, pixels, width, height, vectors->normalized,
                              vectors->values);
    return TRUE;
}

void gst_gemma4_embedder_set_cancelled(GstGemma4Embedder *e, gboolean cancelled)
{
    g4_encoder_set_cancelled(e->encoder, cancelled);
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
    return gst_util_get_timestamp() - begin;
}

const G4Model *gst_gemma4_embedder_get_model(const GstGemma4Embedder *e)
{
    return gst_gemma4_model_get(e->model);
}

guint64 gst_gemma4_embedder_get_bytes(const GstGemma4Embedder *e)
{
    return g4_encoder_get_bytes(e->encoder) + e->tokens_size * sizeof(float) +
           gst_gemma4_reuse_get_bytes(&e->reuse);
}
