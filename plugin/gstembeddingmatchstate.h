/* SPDX-License-Identifier: Apache-2.0
 *
 * Which labels match by now: the threshold with its hysteresis, for the whole frame and for each
 * region that has an identity (a track, or the name of a region) from one frame to the next.
 *
 * A label begins to match at a score of at least the threshold, above that of every negative
 * label, and ends when its score falls more than the hysteresis below either. A region without an
 * identity matches by the threshold alone, and nothing of it is kept or told. A region that has had
 * no embedding for GST_EMBEDDING_MATCH_REGION_TIMEOUT of running time is gone.
 *
 * Belongs to one stream; not thread safe.
 */
#ifndef GST_EMBEDDING_MATCH_STATE_H
#define GST_EMBEDDING_MATCH_STATE_H

#include "gstembeddingmatchset.h"

G_BEGIN_DECLS

#define GST_EMBEDDING_MATCH_REGION_TIMEOUT (5 * GST_SECOND)
#define GST_EMBEDDING_MATCH_MAX_REGIONS 256 /* of more the one seen longest ago is gone */

/* A label that begins to match, or ends. Borrowed for the length of the call. */
typedef struct {
    const gchar *label;
    gdouble score;           /* of the frame it began with; at the end the best of all */
    GstClockTime start, end; /* PTS; end is NONE when it begins */
    gboolean entering;
    gboolean whole; /* the whole frame; else the two that follow tell the region */
    const gchar *region_id;
    gint64 track;
} GstEmbeddingMatchChange;

typedef void (*GstEmbeddingMatchChangeFunc)(const GstEmbeddingMatchChange *change, gpointer data);

typedef struct GstEmbeddingMatchStates GstEmbeddingMatchStates;

/* Starts without labels. `func` is called from within the functions below. */
GstEmbeddingMatchStates *gst_embedding_match_states_new(GstEmbeddingMatchChangeFunc func,
                                                        gpointer data);
void gst_embedding_match_states_free(GstEmbeddingMatchStates *states);

/* Another set of labels; takes a reference. Labels of the same name go on, others end. */
void gst_embedding_match_states_set_labels(GstEmbeddingMatchStates *states,
                                           GstEmbeddingMatchSet *set);

/* Takes the scores of an embedding; `time` is the running time of the buffer it came with, or NONE.
 * matches [size of the set] becomes what matches then. */
void gst_embedding_match_states_update(GstEmbeddingMatchStates *states,
                                       const GstGemma4Embedding *embedding, GstClockTime time,
                                       const gdouble *scores, gdouble threshold, gdouble hysteresis,
                                       gboolean *matches);

/* Ends what matches in regions that are gone by now. Whether that was any. */
gboolean gst_embedding_match_states_expire(GstEmbeddingMatchStates *states, GstClockTime time);

/* Ends everything, at `end`, or when that is NONE with the last frame that matched. */
void gst_embedding_match_states_leave(GstEmbeddingMatchStates *states, GstClockTime end);

/* Replaces `text` by a line for each label that matches, the best first, at most `max` of them
 * (0: all): the label and its last score. */
void gst_embedding_match_states_describe(const GstEmbeddingMatchStates *states, guint max,
                                         GString *text);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_STATE_H */
