/* SPDX-License-Identifier: Apache-2.0
 *
 * Which labels match by now.
 */
#include "gstembeddingmatchstate.h"
#include "gstembeddingvector.h"

#include <string.h>

/* A label that matches. */
typedef struct {
    guint label; /* index in the set */
    gdouble score, best;
    GstClockTime start, last; /* PTS of the first frame that matched, and of the last */
} Entered;

/* The whole frame, or a region. */
typedef struct {
    gboolean whole;
    gchar *region_id;
    gint64 track;
    GArray *entered;   /* of Entered */
    GstClockTime time; /* running time of its last embedding, or NONE */
    guint64 turn;      /* number of its last update */
} Place;

struct GstEmbeddingMatchStates {
    GstEmbeddingMatchChangeFunc func;
    gpointer data;
    GstEmbeddingMatchSet *set; /* NULL: no labels */
    GPtrArray *places;         /* of Place */
    guint64 turns;
};

static void place_free(Place *place)
{
    g_free(place->region_id);
    g_array_unref(place->entered);
    g_free(place);
}

GstEmbeddingMatchStates *gst_embedding_match_states_new(GstEmbeddingMatchChangeFunc func,
                                                        gpointer data)
{
    GstEmbeddingMatchStates *states = g_new0(GstEmbeddingMatchStates, 1);

    states->func = func;
    states->data = data;
    states->places = g_ptr_array_new_with_free_func((GDestroyNotify)place_free);
    return states;
}

void gst_embedding_match_states_free(GstEmbeddingMatchStates *states)
{
    g_ptr_array_unref(states->places);
    g_clear_pointer(&states->set, gst_embedding_match_set_unref);
    g_free(states);
}

/* ------------------------------------------------------------------------------------------
 * Telling
 */
static void tell(const GstEmbeddingMatchStates *states, const Place *place, const Entered *entered,
                 gboolean entering, GstClockTime end)
{
    GstEmbeddingMatchChange change = {
        .label = gst_embedding_match_set_get_name(states->set, entered->label),
        .score = entering ? entered->score : entered->best,
        .start = entered->start,
        .end = entering ? GST_CLOCK_TIME_NONE : end,
        .entering = entering,
        .whole = place->whole,
        .region_id = place->region_id,
        .track = place->track,
    };

    states->func(&change, states->data);
}

/* Ends everything in a place. */
static void leave_place(const GstEmbeddingMatchStates *states, const Place *place, GstClockTime end)
{
    for (guint i = 0; i < place->entered->len; i++) {
        const Entered *e = &g_array_index(place->entered, Entered, i);
        tell(states, place, e, FALSE, GST_CLOCK_TIME_IS_VALID(end) ? end : e->last);
    }
    g_array_set_size(place->entered, 0);
}

void gst_embedding_match_states_leave(GstEmbeddingMatchStates *states, GstClockTime end)
{
    for (guint i = 0; i < states->places->len; i++)
        leave_place(states, states->places->pdata[i], end);
    g_ptr_array_set_size(states->places, 0);
}

gboolean gst_embedding_match_states_expire(GstEmbeddingMatchStates *states, GstClockTime time)
{
    gboolean any = FALSE;

    if (!GST_CLOCK_TIME_IS_VALID(time))
        return FALSE;
    for (guint i = states->places->len; i-- > 0;) {
        const Place *place = states->places->pdata[i];
        if (place->whole || !GST_CLOCK_TIME_IS_VALID(place->time) || time <= place->time ||
            time - place->time <= GST_EMBEDDING_MATCH_REGION_TIMEOUT)
            continue;
        any |= place->entered->len > 0;
        leave_place(states, place, GST_CLOCK_TIME_NONE);
        g_ptr_array_remove_index(states->places, i);
    }
    return any;
}

/* ------------------------------------------------------------------------------------------
 * Labels
 */
void gst_embedding_match_states_set_labels(GstEmbeddingMatchStates *states,
                                           GstEmbeddingMatchSet *set)
{
    g_autoptr(GHashTable) indices = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = gst_embedding_match_set_get_size(set); i-- > 0;)
        if (!gst_embedding_match_set_is_negative(set, i))
            g_hash_table_insert(indices, (gpointer)gst_embedding_match_set_get_name(set, i),
                                GUINT_TO_POINTER(i));
    for (guint p = 0; p < states->places->len; p++) {
        const Place *place = states->places->pdata[p];
        for (guint i = place->entered->len; i-- > 0;) {
            Entered *e = &g_array_index(place->entered, Entered, i);
            gpointer index;
            if (g_hash_table_lookup_extended(
                    indices, gst_embedding_match_set_get_name(states->set, e->label), NULL,
                    &index)) {
                e->label = GPOINTER_TO_UINT(index);
            } else {
                tell(states, place, e, FALSE, e->last);
                g_array_remove_index(place->entered, i);
            }
        }
    }
    gst_embedding_match_set_ref(set);
    g_clear_pointer(&states->set, gst_embedding_match_set_unref);
    states->set = set;
}

/* ------------------------------------------------------------------------------------------
 * Scores
 */
static Place *find_place(GstEmbeddingMatchStates *states, const GstGemma4Embedding *embedding)
{
    gboolean whole = gst_embedding_vector_is_whole(embedding);
    const gchar *region_id = gst_gemma4_embedding_get_region_id(embedding);
    gint64 track = gst_gemma4_embedding_get_track(embedding);
    guint oldest = 0;

    for (guint i = 0; i < states->places->len; i++) {
        Place *place = states->places->pdata[i];
        if (place->whole == whole &&
            (whole || (place->track == track &&
                       (track >= 0 || g_strcmp0(place->region_id, region_id) == 0))))
            return place;
        if (place->turn < ((Place *)states->places->pdata[oldest])->turn)
            oldest = i;
    }
    if (states->places->len >= GST_EMBEDDING_MATCH_MAX_REGIONS) {
        leave_place(states, states->places->pdata[oldest], GST_CLOCK_TIME_NONE);
        g_ptr_array_remove_index_fast(states->places, oldest);
    }
    Place *place = g_new0(Place, 1);
    place->whole = whole;
    place->region_id = g_strdup(region_id);
    place->track = track;
    place->entered = g_array_new(FALSE, FALSE, sizeof(Entered));
    g_ptr_array_add(states->places, place);
    return place;
}

static gdouble best_negative(const GstEmbeddingMatchSet *set, const gdouble *scores)
{
    gdouble best = -G_MAXDOUBLE;

    for (guint i = 0; i < gst_embedding_match_set_get_size(set); i++)
        if (gst_embedding_match_set_is_negative(set, i))
            best = MAX(best, scores[i]);
    return best;
}

/* Ends what has fallen below, and marks what goes on. */
static void update_entered(const GstEmbeddingMatchStates *states, const Place *place,
                           const gdouble *scores, gdouble leave_below, GstClockTime pts,
                           gboolean *matches)
{
    for (guint i = 0; i < place->entered->len;) {
        Entered *e = &g_array_index(place->entered, Entered, i);
        e->score = scores[e->label];
        if (e->score < leave_below) {
            tell(states, place, e, FALSE, pts);
            g_array_remove_index(place->entered, i);
            continue;
        }
        e->best = MAX(e->best, e->score);
        e->last = pts;
        matches[e->label] = TRUE;
        i++;
    }
}

void gst_embedding_match_states_update(GstEmbeddingMatchStates *states,
                                       const GstGemma4Embedding *embedding, GstClockTime time,
                                       const gdouble *scores, gdouble threshold, gdouble hysteresis,
                                       gboolean *matches)
{
    guint n = gst_embedding_match_set_get_size(states->set);
    GstClockTime pts = gst_gemma4_embedding_get_pts(embedding);
    gdouble negative = best_negative(states->set, scores);
    Place *place = NULL;

    memset(matches, 0, n * sizeof *matches);
    if (gst_embedding_vector_is_whole(embedding) ||
        gst_gemma4_embedding_get_track(embedding) >= 0 ||
        gst_gemma4_embedding_get_region_id(embedding) != NULL) {
        place = find_place(states, embedding);
        place->time = time;
        place->turn = ++states->turns;
        update_entered(states, place, scores, MAX(threshold, negative) - hysteresis, pts, matches);
    }
    for (guint i = 0; i < n; i++) {
        if (matches[i] || gst_embedding_match_set_is_negative(states->set, i) ||
            scores[i] < threshold || scores[i] <= negative)
            continue;
        matches[i] = TRUE;
        if (place != NULL) {
            Entered e = {
                .label = i, .score = scores[i], .best = scores[i], .start = pts, .last = pts};
            g_array_append_val(place->entered, e);
            tell(states, place, &e, TRUE, GST_CLOCK_TIME_NONE);
        }
    }
}

/* ------------------------------------------------------------------------------------------
 * Words
 */
static gint compare_scores(gconstpointer a, gconstpointer b)
{
    const Entered *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->label < y->label ? -1 : x->label > y->label;
}

void gst_embedding_match_states_describe(const GstEmbeddingMatchStates *states, guint max,
                                         GString *text)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(Entered));
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    g_string_truncate(text, 0);
    for (guint p = 0; p < states->places->len; p++) {
        const Place *place = states->places->pdata[p];
        if (place->entered->len > 0)
            g_array_append_vals(all, place->entered->data, place->entered->len);
    }
    g_array_sort(all, compare_scores);
    for (guint i = 0, lines = 0; i < all->len && (max == 0 || lines < max); i++) {
        const Entered *e = &g_array_index(all, Entered, i);
        gchar number[G_ASCII_DTOSTR_BUF_SIZE];
        if (!g_hash_table_add(seen, GUINT_TO_POINTER(e->label + 1)))
            continue;
        if (lines++ > 0)
            g_string_append_c(text, '\n');
        gsize at = text->len;
        g_string_append(text, gst_embedding_match_set_get_name(states->set, e->label));
        g_strdelimit(text->str + at, "\n\r\t", ' '); /* a label is one line */
        g_string_append_c(text, ' ');
        g_string_append(text, g_ascii_formatd(number, sizeof number, "%.2f", e->score));
    }
}
