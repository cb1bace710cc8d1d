/* SPDX-License-Identifier: Apache-2.0
 *
 * When the tracked regions of a stream were embedded last (reembed-interval). Plain state, not
 * thread safe.
 *
 * What is due again is forgotten, so that the memory is that of the tracks which are not; of more
 * than GST_GEMMA4_TRACKS_MAX at a time the oldest is forgotten early and embedded sooner.
 */
#ifndef GST_GEMMA4_EMBED_TRACKS_H
#define GST_GEMMA4_EMBED_TRACKS_H

#include "gstgemma4embedregion.h"

G_BEGIN_DECLS

#define GST_GEMMA4_TRACKS_MAX 4096

typedef struct {
    GHashTable *table; /* of Track, by track and class */
    GQueue order;      /* the same, the one embedded first at the head */
} GstGemma4Tracks;

void gst_gemma4_tracks_init(GstGemma4Tracks *tracks);
void gst_gemma4_tracks_clear(GstGemma4Tracks *tracks);

/* Every track is due: at the start, after a flush, with another model. */
void gst_gemma4_tracks_reset(GstGemma4Tracks *tracks);

/* Takes out of `regions` (of GstGemma4Region) those whose track and class were embedded fewer than
 * `interval` frames before `frame`. Those without a track stay. */
void gst_gemma4_tracks_filter(GstGemma4Tracks *tracks, GArray *regions, guint64 frame,
                              guint interval);

/* These regions are embedded in `frame`. */
void gst_gemma4_tracks_embedded(GstGemma4Tracks *tracks, const GArray *regions, guint64 frame);

guint gst_gemma4_tracks_get_size(const GstGemma4Tracks *tracks);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_TRACKS_H */
