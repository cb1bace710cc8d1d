/* SPDX-License-Identifier: Apache-2.0
 *
 * The record: a counted, immutable matrix of float32 and where it came from.
 *
 * The buffer with the values is mapped once, when the record is made, and stays mapped for
 * reading as long as the record lives: get_values() is a plain load, and nobody can write to the
 * memory meanwhile.
 */
#include <math.h>
#include <string.h>

#include <gst/gemma4/gstgemma4embeddingmeta.h>

struct _GstGemma4Embedding {
    gatomicrefcount ref_count;
    GstGemma4EmbeddingParams params; /* its strings are ours */
    GstBuffer *data;
    GstMapInfo map; /* of data, for reading */
};

G_DEFINE_BOXED_TYPE(GstGemma4Embedding, gst_gemma4_embedding, gst_gemma4_embedding_ref,
                    gst_gemma4_embedding_unref)

static gboolean params_are_valid(const GstGemma4EmbeddingParams *params)
{
    return params->id != NULL && params->rows > 0 && params->cols > 0 && isfinite(params->x) &&
           isfinite(params->y) && isfinite(params->w) && isfinite(params->h);
}

/**
 * gst_gemma4_embedding_new:
 * @params: what is known of the embedding
 * @data: (transfer full): rows x cols float32 in native byte order, row-major, nothing else
 *
 * The data may not be written to any more, whoever else holds its memory.
 *
 * Returns: (transfer full) (nullable): a new embedding, or %NULL when @params has no id, a
 *   dimension of 0 or a region that is not finite, or when @data has another size or cannot be
 *   mapped; @data is released then, too
 */
GstGemma4Embedding *gst_gemma4_embedding_new(const GstGemma4EmbeddingParams *params,
                                             GstBuffer *data)
{
    g_return_val_if_fail(params != NULL, NULL);
    g_return_val_if_fail(GST_IS_BUFFER(data), NULL);

    gsize size = gst_buffer_get_size(data);
    GstMapInfo map;
    if (!params_are_valid(params) || size % sizeof(gfloat) != 0 ||
        size / sizeof(gfloat) / params->rows != params->cols ||
        size / sizeof(gfloat) % params->rows != 0 || !gst_buffer_map(data, &map, GST_MAP_READ)) {
        gst_buffer_unref(data);
        return NULL;
    }
    if ((guintptr)map.data % G_ALIGNOF(gfloat) != 0) {
        GstBuffer *aligned = gst_buffer_new_memdup(map.data, map.size);
        gst_buffer_unmap(data, &map);
        gst_buffer_unref(data);
        data = aligned;
        if (!gst_buffer_map(data, &map, GST_MAP_READ)) {
            gst_buffer_unref(data);
            return NULL;
        }
    }

    GstGemma4Embedding *embedding = g_new0(GstGemma4Embedding, 1);
    g_atomic_ref_count_init(&embedding->ref_count);
    embedding->params = *params;
    embedding->params.id = g_strdup(params->id);
    embedding->params.region_id = g_strdup(params->region_id);
    embedding->params.label = g_strdup(params->label);
    embedding->params.model_name = g_strdup(params->model_name);
    embedding->params.model_digest = g_strdup(params->model_digest);
    embedding->data = data;
    embedding->map = map;
    return embedding;
}

/**
 * gst_gemma4_embedding_ref:
 * @embedding: an embedding
 *
 * Returns: (transfer full): @embedding
 */
GstGemma4Embedding *gst_gemma4_embedding_ref(GstGemma4Embedding *embedding)
{
    g_return_val_if_fail(embedding != NULL, NULL);

    g_atomic_ref_count_inc(&embedding->ref_count);
    return embedding;
}

/**
 * gst_gemma4_embedding_unref:
 * @embedding: (transfer full): an embedding
 */
void gst_gemma4_embedding_unref(GstGemma4Embedding *embedding)
{
    g_return_if_fail(embedding != NULL);

    if (!g_atomic_ref_count_dec(&embedding->ref_count))
        return;
    gst_buffer_unmap(embedding->data, &embedding->map);
    gst_buffer_unref(embedding->data);
    g_free((gchar *)embedding->params.id);
    g_free((gchar *)embedding->params.region_id);
    g_free((gchar *)embedding->params.label);
    g_free((gchar *)embedding->params.model_name);
    g_free((gchar *)embedding->params.model_digest);
    g_free(embedding);
}

/**
 * gst_gemma4_embedding_get_id:
 * @embedding: an embedding
 *
 * Returns: what the values are: "gemma4-tokens", "gemma4-pooled" or "gemma4-joint"
 */
const gchar *gst_gemma4_embedding_get_id(const GstGemma4Embedding *embedding)
{
    return embedding->params.id;
}

/**
 * gst_gemma4_embedding_get_values:
 * @embedding: an embedding
 * @n_values: (out): number of values, rows x cols
 *
 * Returns: (array length=n_values) (transfer none): the values, row-major
 */
const gfloat *gst_gemma4_embedding_get_values(const GstGemma4Embedding *embedding, gsize *n_values)
{
    *n_values = embedding->map.size / sizeof(gfloat);
    return (const gfloat *)(gconstpointer)embedding->map.data;
}

/**
 * gst_gemma4_embedding_get_data:
 * @embedding: an embedding
 *
 * Returns: (transfer none): the buffer that holds the values, float32 in native byte order; for
 *   reading only
 */
GstBuffer *gst_gemma4_embedding_get_data(const GstGemma4Embedding *embedding)
{
    return embedding->data;
}

/**
 * gst_gemma4_embedding_get_rows:
 * @embedding: an embedding
 *
 * Returns: number of vectors: 1, or the number of soft tokens
 */
guint gst_gemma4_embedding_get_rows(const GstGemma4Embedding *embedding)
{
    return embedding->params.rows;
}

/**
 * gst_gemma4_embedding_get_cols:
 * @embedding: an embedding
 *
 * Returns: length of a vector
 */
guint gst_gemma4_embedding_get_cols(const GstGemma4Embedding *embedding)
{
    return embedding->params.cols;
}

/**
 * gst_gemma4_embedding_get_frame:
 * @embedding: an embedding
 *
 * Returns: index of the frame among all that entered gemma4embed, from 0, embedded or not
 */
guint64 gst_gemma4_embedding_get_frame(const GstGemma4Embedding *embedding)
{
    return embedding->params.frame;
}

/**
 * gst_gemma4_embedding_get_pts:
 * @embedding: an embedding
 *
 * Returns: PTS of the frame, or %GST_CLOCK_TIME_NONE
 */
GstClockTime gst_gemma4_embedding_get_pts(const GstGemma4Embedding *embedding)
{
    return embedding->params.pts;
}

/**
 * gst_gemma4_embedding_get_running_time:
 * @embedding: an embedding
 *
 * Returns: running time of the frame, or %GST_CLOCK_TIME_NONE
 */
GstClockTime gst_gemma4_embedding_get_running_time(const GstGemma4Embedding *embedding)
{
    return embedding->params.running_time;
}

/**
 * gst_gemma4_embedding_get_utc:
 * @embedding: an embedding
 *
 * Returns: time of the frame in nanoseconds since 1970 where the stream told it (a reference
 *   timestamp meta), else %GST_CLOCK_TIME_NONE
 */
GstClockTime gst_gemma4_embedding_get_utc(const GstGemma4Embedding *embedding)
{
    return embedding->params.utc;
}

/**
 * gst_gemma4_embedding_get_region:
 * @embedding: an embedding
 * @x: (out) (optional): left edge
 * @y: (out) (optional): top edge
 * @w: (out) (optional): width
 * @h: (out) (optional): height
 *
 * The part of the cropped picture that was embedded, in 0..1 of its sides; 0, 0, 1, 1 is the
 * whole frame.
 */
void gst_gemma4_embedding_get_region(const GstGemma4Embedding *embedding, gdouble *x, gdouble *y,
                                     gdouble *w, gdouble *h)
{
    if (x != NULL)
        *x = embedding->params.x;
    if (y != NULL)
        *y = embedding->params.y;
    if (w != NULL)
        *w = embedding->params.w;
    if (h != NULL)
        *h = embedding->params.h;
}

/**
 * gst_gemma4_embedding_get_region_id:
 * @embedding: an embedding
 *
 * Returns: (nullable): name of the region
 */
const gchar *gst_gemma4_embedding_get_region_id(const GstGemma4Embedding *embedding)
{
    return embedding->params.region_id;
}

/**
 * gst_gemma4_embedding_get_track:
 * @embedding: an embedding
 *
 * Returns: identity of the tracked object, -1 without one
 */
gint64 gst_gemma4_embedding_get_track(const GstGemma4Embedding *embedding)
{
    return embedding->params.track;
}

/**
 * gst_gemma4_embedding_get_label:
 * @embedding: an embedding
 *
 * Returns: (nullable): class of the object in the region
 */
const gchar *gst_gemma4_embedding_get_label(const GstGemma4Embedding *embedding)
{
    return embedding->params.label;
}

/**
 * gst_gemma4_embedding_get_model_name:
 * @embedding: an embedding
 *
 * Returns: (nullable): name of the model that computed it
 */
const gchar *gst_gemma4_embedding_get_model_name(const GstGemma4Embedding *embedding)
{
    return embedding->params.model_name;
}

/**
 * gst_gemma4_embedding_get_model_digest:
 * @embedding: an embedding
 *
 * Returns: (nullable): 16 hex digits; vectors compare only with those of the same digest
 */
const gchar *gst_gemma4_embedding_get_model_digest(const GstGemma4Embedding *embedding)
{
    return embedding->params.model_digest;
}

/**
 * gst_gemma4_embedding_is_normalized:
 * @embedding: an embedding
 *
 * Returns: whether each vector has L2 length 1
 */
gboolean gst_gemma4_embedding_is_normalized(const GstGemma4Embedding *embedding)
{
    return embedding->params.normalized;
}

/**
 * gst_gemma4_embedding_is_reused:
 * @embedding: an embedding
 *
 * Returns: whether the vector is that of an earlier frame with the same pixels
 */
gboolean gst_gemma4_embedding_is_reused(const GstGemma4Embedding *embedding)
{
    return embedding->params.reused;
}

/**
 * gst_gemma4_embedding_get_series:
 * @embedding: an embedding
 *
 * Returns: what gst_gemma4_embedding_get_sequence() counts in: an identity of its own for each
 *   start and each flush of a gemma4embed; 0 where it is not numbered
 */
guint64 gst_gemma4_embedding_get_series(const GstGemma4Embedding *embedding)
{
    return embedding->params.series;
}

/**
 * gst_gemma4_embedding_get_sequence:
 * @embedding: an embedding
 *
 * Returns: its number in the series, from 0. They are sent on in this order, so that a gap is what
 *   was lost on the way.
 */
guint64 gst_gemma4_embedding_get_sequence(const GstGemma4Embedding *embedding)
{
    return embedding->params.sequence;
}

/**
 * gst_gemma4_embedding_get_series_start:
 * @embedding: an embedding
 *
 * Returns: g_get_monotonic_time() of the first embedding of the series, 0 where that is not known
 */
gint64 gst_gemma4_embedding_get_series_start(const GstGemma4Embedding *embedding)
{
    return embedding->params.series_start;
}

/**
 * gst_gemma4_embedding_copy_with_sequence:
 * @embedding: an embedding
 * @sequence: another number in its series
 *
 * For an element that keeps embeddings back on purpose: it closes the gap in those that follow, so
 * that nobody behind it takes them for lost.
 *
 * Returns: (transfer full): the same in everything else, values shared
 */
GstGemma4Embedding *gst_gemma4_embedding_copy_with_sequence(const GstGemma4Embedding *embedding,
                                                            guint64 sequence)
{
    g_return_val_if_fail(embedding != NULL, NULL);

    GstGemma4EmbeddingParams params = embedding->params;
    params.sequence = sequence;
    return gst_gemma4_embedding_new(&params, gst_buffer_ref(embedding->data));
}
