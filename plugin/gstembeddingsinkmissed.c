/* SPDX-License-Identifier: Apache-2.0
 *
 * Gaps in the numbers of embeddings.
 */
#include "gstembeddingsinkmissed.h"

#define MOST_SERIES 256
#define MOST_GAPS 64 /* of a series; older ones are not looked at any more */

typedef struct {
    guint64 from, to; /* not here: from..to - 1 */
} Gap;

typedef struct {
    guint64 id;
    guint64 next;     /* the number that comes next, if nothing is missed */
    gboolean flushed; /* and anything may come after a flush */
    GArray *gaps;     /* of Gap */
} Series;

static void series_free(gpointer data)
{
    Series *s = data;

    g_array_unref(s->gaps);
    g_free(s);
}

void gst_embedding_sink_missed_clear(GstEmbeddingSinkMissed *missed)
{
    g_queue_clear_full(&missed->series, series_free);
}

void gst_embedding_sink_missed_start(GstEmbeddingSinkMissed *missed)
{
    gst_embedding_sink_missed_clear(missed);
    missed->since = g_get_monotonic_time();
    missed->total = 0;
}

/* The series, made if need be: `next` is what comes next where nothing of it was here yet. */
static Series *find(GstEmbeddingSinkMissed *missed, guint64 id, gint64 start, guint64 next)
{
    for (GList *l = missed->series.head; l != NULL; l = l->next) {
        Series *s = l->data;
        if (s->id != id)
            continue;
        g_queue_unlink(&missed->series, l);
        g_queue_push_head_link(&missed->series, l);
        return s;
    }
    while (missed->series.length >= MOST_SERIES) {
        series_free(g_queue_pop_tail(&missed->series));
        missed->since = g_get_monotonic_time(); /* it may come back, and is no new one then */
    }

    Series *s = g_new0(Series, 1);
    s->id = id;
    s->next = start != 0 && start >= missed->since ? 0 : next;
    s->gaps = g_array_new(FALSE, FALSE, sizeof(Gap));
    g_queue_push_head(&missed->series, s);
    return s;
}

/* Everything before `number` was sent. */
static void advance(GstEmbeddingSinkMissed *missed, Series *s, guint64 number)
{
    if (number > s->next && !s->flushed) {
        Gap gap = {s->next, number};
        missed->total += number - s->next;
        if (s->gaps->len == MOST_GAPS)
            g_array_remove_index(s->gaps, 0);
        g_array_append_val(s->gaps, gap);
    }
    s->next = MAX(s->next, number);
    s->flushed = FALSE;
}

/* What was missed is here after all: another branch of the same stream was slower. */
static void fill_gap(GstEmbeddingSinkMissed *missed, Series *s, guint64 number)
{
    for (guint i = 0; i < s->gaps->len; i++) {
        const Gap gap = g_array_index(s->gaps, Gap, i);
        const Gap rests[] = {{gap.from, number}, {number + 1, gap.to}};
        if (number < gap.from || number >= gap.to)
            continue;
        missed->total--;
        g_array_remove_index(s->gaps, i);
        for (guint k = G_N_ELEMENTS(rests); k-- > 0;)
            if (rests[k].from < rests[k].to)
                g_array_insert_val(s->gaps, i, rests[k]);
        if (s->gaps->len > MOST_GAPS)
            g_array_remove_index(s->gaps, 0);
        return;
    }
}

void gst_embedding_sink_missed_arrived(GstEmbeddingSinkMissed *missed,
                                       const GstGemma4Embedding *embedding)
{
    guint64 number = gst_gemma4_embedding_get_sequence(embedding);
    guint64 id = gst_gemma4_embedding_get_series(embedding);

    if (id == 0 || number == G_MAXUINT64)
        return;
    Series *s = find(missed, id, gst_gemma4_embedding_get_series_start(embedding), number);
    if (number < s->next) {
        fill_gap(missed, s, number);
        return;
    }
    advance(missed, s, number);
    s->next = number + 1;
}

void gst_embedding_sink_missed_expected(GstEmbeddingSinkMissed *missed, guint64 series,
                                        gint64 series_start, guint64 count)
{
    if (series != 0)
        advance(missed, find(missed, series, series_start, count), count);
}

void gst_embedding_sink_missed_flushed(GstEmbeddingSinkMissed *missed)
{
    for (GList *l = missed->series.head; l != NULL; l = l->next)
        ((Series *)l->data)->flushed = TRUE;
}
