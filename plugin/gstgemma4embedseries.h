/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers that gemma4embed gives its embeddings, so that whoever reads them knows of those that
 * were lost on the way.
 *
 * Numbers go up by one for each embedding that is sent on. What a flush throws away is not lost:
 * after one, and after each start, another series begins. Not thread safe.
 */
#ifndef GST_GEMMA4_EMBED_SERIES_H
#define GST_GEMMA4_EMBED_SERIES_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>

G_BEGIN_DECLS

/* All zero before the first. */
typedef struct {
    guint64 id;
    gint64 start;
    guint64 next;
    guint flushes;
} GstGemma4Series;

/* Numbers an embedding of a frame that came in after so many flushes. */
void gst_gemma4_series_number(GstGemma4Series *series, guint flushes,
                              GstGemma4EmbeddingParams *params);

/* The event that says how many there were; NULL where there were none since the last of so many
 * flushes. */
GstEvent *gst_gemma4_series_count(const GstGemma4Series *series, guint flushes);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_SERIES_H */
