/* SPDX-License-Identifier: Apache-2.0
 *
 * Tracks and when they were embedded.
 */
#include "gstgemma4embedtracks.h"

typedef struct {
    gint64 id;
    GQuark label;
    guint64 frame; /* in which it was embedded last */
    GList link;    /* in `order` */
} Track;

static guint track_hash(gconstpointer data)
{
    const Track *t = data;

    return (guint)t->id * 31 + (guint)(t->id >> 32) * 7 + t->label;
}

static gboolean track_equal(gconstpointer a, gconstpointer b)
{
    const Track *x = a, *y = b;

    return x->id == y->id && x->label == y->label;
}

void gst_gemma4_tracks_init(GstGemma4Tracks *tracks)
{
    tracks->table = g_hash_table_new_full(track_hash, track_equal, g_free, NULL);
    g_queue_init(&tracks->order);
}

void gst_gemma4_tracks_clear(GstGemma4Tracks *tracks)
{
    g_hash_table_destroy(tracks->table);
}

void gst_gemma4_tracks_reset(GstGemma4Tracks *tracks)
{
    g_hash_table_remove_all(tracks->table);
    g_queue_init(&tracks->order); /* its links were the tracks' own */
}

static Track *oldest(const GstGemma4Tracks *tracks)
{
    return tracks->order.head ? tracks->order.head->data : NULL;
}

static void forget(GstGemma4Tracks *tracks, Track *track)
{
    g_queue_unlink(&tracks->order, &track->link);
    g_hash_table_remove(tracks->table, track);
}

static Track *find(const GstGemma4Tracks *tracks, const GstGemma4Region *region)
{
    return g_hash_table_lookup(tracks->table,
                               &(Track){.id = region->track, .label = region->label});
}

void gst_gemma4_tracks_filter(GstGemma4Tracks *tracks, GArray *regions, guint64 frame,
                              guint interval)
{
    guint kept = 0;
    Track *old;

    while ((old = oldest(tracks)) && frame - old->frame >= interval)
        forget(tracks, old);
    for (guint i = 0; i < regions->len; i++) {
        GstGemma4Region *region = &g_array_index(regions, GstGemma4Region, i);

        if (region->track < 0 || !find(tracks, region))
            g_array_index(regions, GstGemma4Region, kept++) = *region;
    }
    g_array_set_size(regions, kept);
}

void gst_gemma4_tracks_embedded(GstGemma4Tracks *tracks, const GArray *regions, guint64 frame)
{
    for (guint i = 0; i < regions->len; i++) {
        const GstGemma4Region *region = &g_array_index(regions, GstGemma4Region, i);

        /* A track that has several regions in the frame has all of them embedded. */
        if (region->track < 0 || find(tracks, region))
            continue;
        if (g_hash_table_size(tracks->table) >= GST_GEMMA4_TRACKS_MAX)
            forget(tracks, oldest(tracks));
        Track *track = g_new(Track, 1);
        *track = (Track){
            .id = region->track, .label = region->label, .frame = frame, .link = {.data = track}};
        g_queue_push_tail_link(&tracks->order, &track->link);
        g_hash_table_add(tracks->table, track);
    }
}

guint gst_gemma4_tracks_get_size(const GstGemma4Tracks *tracks)
{
    return g_hash_table_size(tracks->table);
}
