/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of embeddings without those that were kept back.
 */
#include "gstembeddingwithheld.h"

#define MOST_SERIES 256

typedef struct {
    guint64 id, n;
} Series;

void gst_embedding_withheld_clear(GstEmbeddingWithheld *withheld)
{
    g_clear_pointer(&withheld->series, g_array_unref);
}

static Series *find(const GstEmbeddingWithheld *withheld, guint64 id)
{
    for (guint i = 0; withheld->series != NULL && i < withheld->series->len; i++) {
        Series *s = &g_array_index(withheld->series, Series, i);
        if (s->id == id)
            return s;
    }
    return NULL;
}

void gst_embedding_withheld_add(GstEmbeddingWithheld *withheld, const GstGemma4Embedding *embedding)
{
    guint64 id = gst_gemma4_embedding_get_series(embedding);
    Series *s = find(withheld, id);

    if (s != NULL) {
        s->n++;
    } else if (id != 0) {
        const Series fresh = {id, 1};
        if (withheld->series == NULL)
            withheld->series = g_array_new(FALSE, FALSE, sizeof fresh);
        if (withheld->series->len == MOST_SERIES)
            g_array_remove_index(withheld->series, 0);
        g_array_append_val(withheld->series, fresh);
    }
}

void gst_embedding_withheld_add_all(GstEmbeddingWithheld *withheld, GstBuffer *buffer)
{
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    guint n = meta != NULL ? gst_gemma4_embedding_meta_get_n_entries(meta) : 0;

    for (guint i = 0; i < n; i++)
        gst_embedding_withheld_add(withheld, gst_gemma4_embedding_meta_get_entry(meta, i));
}

static guint64 less(guint64 number, guint64 n)
{
    return number > n ? number - n : 0;
}

/* To be unreffed by the caller. */
static GstGemma4Embedding *renumber(const GstEmbeddingWithheld *withheld,
                                    GstGemma4Embedding *embedding)
{
    const Series *s = find(withheld, gst_gemma4_embedding_get_series(embedding));
    GstGemma4Embedding *copy = NULL;

    if (s != NULL)
        copy = gst_gemma4_embedding_copy_with_sequence(
            embedding, less(gst_gemma4_embedding_get_sequence(embedding), s->n));
    return copy != NULL ? copy : gst_gemma4_embedding_ref(embedding);
}

GstBuffer *gst_embedding_withheld_pass(GstEmbeddingWithheld *withheld, GstBuffer *buffer)
{
    GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    g_autoptr(GPtrArray) entries = g_ptr_array_new();

    if (withheld->series == NULL || meta == NULL)
        return buffer;
    for (guint i = 0; i < gst_gemma4_embedding_meta_get_n_entries(meta); i++)
        g_ptr_array_add(entries,
                        renumber(withheld, gst_gemma4_embedding_meta_get_entry(meta, i)));

    buffer = gst_buffer_make_writable(buffer);
    meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    gst_buffer_remove_meta(buffer, &meta->meta);
    meta = gst_buffer_add_gemma4_embedding_meta(buffer);
    for (guint i = 0; i < entries->len; i++)
        gst_gemma4_embedding_meta_append(meta, entries->pdata[i]);
    return buffer;
}

GstEvent *gst_embedding_withheld_pass_event(GstEmbeddingWithheld *withheld, GstEvent *event)
{
    GstGemma4Embedding *embedding = gst_event_get_gemma4_embedding(event);
    guint64 id, n;
    gint64 start;
    GstEvent *changed = NULL;

    if (embedding != NULL && find(withheld, gst_gemma4_embedding_get_series(embedding)) != NULL) {
        g_autoptr(GstGemma4Embedding) renumbered = renumber(withheld, embedding);
        changed = gst_event_new_gemma4_embedding(renumbered);
    } else if (gst_event_parse_gemma4_embedding_count(event, &id, &start, &n)) {
        const Series *s = find(withheld, id);
        if (s != NULL)
            changed = gst_event_new_gemma4_embedding_count(id, start, less(n, s->n));
    }
    if (changed == NULL)
        return event;
    gst_event_set_seqnum(changed, gst_event_get_seqnum(event));
    gst_event_unref(event);
    return changed;
}
