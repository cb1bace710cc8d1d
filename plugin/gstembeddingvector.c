/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings as vectors to compare.
 */
#include "gstembeddingvector.h"

#include <math.h>

gboolean gst_embedding_vector_is_whole(const GstGemma4Embedding *embedding)
{
    gdouble x, y, w, h;

    gst_gemma4_embedding_get_region(embedding, &x, &y, &w, &h);
    return x == 0.0 && y == 0.0 && w == 1.0 && h == 1.0 &&
           gst_gemma4_embedding_get_label(embedding) == NULL &&
           gst_gemma4_embedding_get_region_id(embedding) == NULL &&
           gst_gemma4_embedding_get_track(embedding) < 0;
}

gboolean gst_embedding_vector_normalize(gfloat *values, gsize n)
{
    gdouble square = 0;

    for (gsize i = 0; i < n; i++)
        square += (gdouble)values[i] * values[i];
    if (!isfinite(square))
        return FALSE;
    if (square == 0)
        return TRUE;
    gdouble length = sqrt(square);
    for (gsize i = 0; i < n; i++)
        values[i] = (gfloat)(values[i] / length);
    return TRUE;
}

gboolean gst_embedding_vector_of(const GstGemma4Embedding *embedding, GArray *vector)
{
    guint rows = gst_gemma4_embedding_get_rows(embedding);
    guint cols = gst_gemma4_embedding_get_cols(embedding);
    gsize n;
    const gfloat *values = gst_gemma4_embedding_get_values(embedding, &n);

    g_array_set_size(vector, cols);
    gfloat *out = (gfloat *)(gpointer)vector->data;
    for (guint c = 0; c < cols; c++) {
        gdouble sum = 0;
        for (guint r = 0; r < rows; r++)
            sum += values[(gsize)r * cols + c];
        out[c] = (gfloat)(sum / rows);
    }
    return gst_embedding_vector_normalize(out, cols);
}

/* Eight sums side by side, which the compiler turns into vectors. */
gdouble gst_embedding_vector_dot(const gfloat *a, const gfloat *b, gsize n)
{
    gfloat sums[8] = {0};
    gdouble sum = 0;
    gsize i = 0;

    for (; i + 8 <= n; i += 8)
        for (guint k = 0; k < 8; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        sum += (gdouble)a[i] * b[i];
    for (guint k = 0; k < 8; k++)
        sum += sums[k];
    return sum;
}

/* |a - b|^2 = 2 - 2 cos */
gdouble gst_embedding_vector_distance(const gfloat *a, const gfloat *b, gsize n)
{
    gdouble aa = 0, bb = 0, dd = 0;

    for (gsize i = 0; i < n; i++) {
        gdouble d = (gdouble)a[i] - b[i];
        aa += (gdouble)a[i] * a[i];
        bb += (gdouble)b[i] * b[i];
        dd += d * d;
    }
    if (aa == 0 || bb == 0)
        return aa == bb ? 0 : 1;
    return MIN(dd / 2, 2);
}
