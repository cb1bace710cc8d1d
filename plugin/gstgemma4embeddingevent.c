/* SPDX-License-Identifier: Apache-2.0
 *
 * What travels without a buffer: an embedding for which none is left, and how many were sent.
 */
#include <gst/gemma4/gstgemma4embeddingmeta.h>

/**
 * gst_event_new_gemma4_embedding:
 * @embedding: (transfer none): an embedding
 *
 * Returns: (transfer full): a serialized custom downstream event that carries @embedding where no
 *   buffer is left for it
 */
GstEvent *gst_event_new_gemma4_embedding(GstGemma4Embedding *embedding)
{
    g_return_val_if_fail(embedding != NULL, NULL);

    return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                                gst_structure_new(GST_GEMMA4_EMBEDDING_EVENT_NAME, "embedding",
                                                  GST_TYPE_GEMMA4_EMBEDDING, embedding, NULL));
}

/**
 * gst_event_get_gemma4_embedding:
 * @event: any event
 *
 * Returns: (transfer none) (nullable): the embedding that @event carries, or %NULL if it is
 *   another event
 */
GstGemma4Embedding *gst_event_get_gemma4_embedding(GstEvent *event)
{
    g_return_val_if_fail(GST_IS_EVENT(event), NULL);

    if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_DOWNSTREAM ||
        !gst_event_has_name(event, GST_GEMMA4_EMBEDDING_EVENT_NAME))
        return NULL;
    const GValue *value = gst_structure_get_value(gst_event_get_structure(event), "embedding");
    if (value == NULL || !G_VALUE_HOLDS(value, GST_TYPE_GEMMA4_EMBEDDING))
        return NULL;
    return g_value_get_boxed(value);
}

/**
 * gst_event_new_gemma4_embedding_count:
 * @series: what the embeddings are numbered in
 * @series_start: g_get_monotonic_time() of the first of them, 0 where that is not known
 * @count: how many of them were sent on before this event
 *
 * Who reads embeddings knows from a gap in their numbers that some were lost on the way, and from
 * this event, at the end, that the last ones were.
 *
 * Returns: (transfer full): a serialized custom downstream event
 */
GstEvent *gst_event_new_gemma4_embedding_count(guint64 series, gint64 series_start, guint64 count)
{
    return gst_event_new_custom(
        GST_EVENT_CUSTOM_DOWNSTREAM,
        gst_structure_new(GST_GEMMA4_EMBEDDING_COUNT_EVENT_NAME, "series", G_TYPE_UINT64, series,
                          "series-start", G_TYPE_INT64, series_start, "count", G_TYPE_UINT64,
                          count, NULL));
}

/**
 * gst_event_parse_gemma4_embedding_count:
 * @event: any event
 * @series: (out): what the embeddings are numbered in
 * @series_start: (out): g_get_monotonic_time() of the first, 0 where that is not known
 * @count: (out): how many were sent on before
 *
 * Returns: %FALSE if @event is another event
 */
gboolean gst_event_parse_gemma4_embedding_count(GstEvent *event, guint64 *series,
                                                gint64 *series_start, guint64 *count)
{
    g_return_val_if_fail(GST_IS_EVENT(event), FALSE);

    return GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM &&
           gst_event_has_name(event, GST_GEMMA4_EMBEDDING_COUNT_EVENT_NAME) &&
           gst_structure_get(gst_event_get_structure(event), "series", G_TYPE_UINT64, series,
                             "series-start", G_TYPE_INT64, series_start, "count", G_TYPE_UINT64,
                             count, NULL);
}
