/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of embeddings, anew after each flush.
 */
#include "gstgemma4embedseries.h"

void gst_gemma4_series_number(GstGemma4Series *series, guint flushes,
                              GstGemma4EmbeddingParams *params)
{
    if (series->id == 0 || series->flushes != flushes) {
        *series = (GstGemma4Series){.start = g_get_monotonic_time(), .flushes = flushes};
        while (series->id == 0)
            series->id = (guint64)g_random_int() << 32 | g_random_int();
    }
    params->series = series->id;
    params->sequence = series->next++;
    params->series_start = series->start;
}

GstEvent *gst_gemma4_series_count(const GstGemma4Series *series, guint flushes)
{
    if (series->id == 0 || series->flushes != flushes)
        return NULL;
    return gst_event_new_gemma4_embedding_count(series->id, series->start, series->next);
}
