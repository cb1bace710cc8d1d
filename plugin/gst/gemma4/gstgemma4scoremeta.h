/* SPDX-License-Identifier: Apache-2.0
 *
 * libgstgemma4-1.0: how well frames fit to sentences and examples, as a meta on GStreamer buffers.
 *
 * embeddingmatch attaches one GstGemma4ScoreMeta to each buffer that carries embeddings; the meta
 * is a list of GstGemma4Score, immutable counted records, the best of an embedding first:
 *
 *   GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(buffer);
 *   for (guint i = 0; meta && i < gst_gemma4_score_meta_get_n_entries(meta); i++) {
 *       GstGemma4Score *s = gst_gemma4_score_meta_get_entry(meta, i);
 *       g_print("%s %f\n", gst_gemma4_score_get_label(s), gst_gemma4_score_get_score(s));
 *   }
 */
#ifndef GST_GEMMA4_SCORE_META_H
#define GST_GEMMA4_SCORE_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#ifndef GST_GEMMA4_API
#define GST_GEMMA4_API __attribute__((visibility("default")))
#endif

/* ------------------------------------------------------------------------------------------
 * One score
 *
 * Immutable, so every function here is thread safe. Pointers that the accessors return belong to
 * the score and live as long as it does.
 */

/**
 * GstGemma4Score:
 *
 * How well an embedding fits to a label, with where that embedding came from.
 */
typedef struct _GstGemma4Score GstGemma4Score;

#define GST_TYPE_GEMMA4_SCORE (gst_gemma4_score_get_type())

/**
 * GstGemma4ScoreParams:
 * @label: the sentence, or the name of the example
 * @score: a cosine, -1..1, or a probability, 0..1
 * @match: the label is one of those that the embedding matches
 * @frame: index of the frame among those that entered gemma4embed
 * @pts: of that frame, or %GST_CLOCK_TIME_NONE
 * @x: left edge of the region, 0..1 of the cropped picture
 * @y: top edge
 * @w: width
 * @h: height; the whole frame is 0, 0, 1, 1
 * @region_id: (nullable): name of the region
 * @track: identity of a tracked object, -1 without one
 *
 * What gst_gemma4_score_new() makes a record of. Start from %GST_GEMMA4_SCORE_PARAMS_INIT and set
 * what is known; strings are copied.
 */
typedef struct _GstGemma4ScoreParams {
    const gchar *label;
    gdouble score;
    gboolean match;
    guint64 frame;
    GstClockTime pts;
    gdouble x, y, w, h;
    const gchar *region_id;
    gint64 track;
} GstGemma4ScoreParams;

/**
 * GST_GEMMA4_SCORE_PARAMS_INIT: (skip)
 *
 * No time, the whole frame, no track, no names.
 */
#define GST_GEMMA4_SCORE_PARAMS_INIT                                                               \
    {                                                                                              \
        .pts = GST_CLOCK_TIME_NONE, .w = 1.0, .h = 1.0, .track = -1,                               \
    }

GST_GEMMA4_API GType gst_gemma4_score_get_type(void);

GST_GEMMA4_API GstGemma4Score *gst_gemma4_score_new(const GstGemma4ScoreParams *params);
GST_GEMMA4_API GstGemma4Score *gst_gemma4_score_ref(GstGemma4Score *score);
GST_GEMMA4_API void gst_gemma4_score_unref(GstGemma4Score *score);

GST_GEMMA4_API const gchar *gst_gemma4_score_get_label(const GstGemma4Score *score);
GST_GEMMA4_API gdouble gst_gemma4_score_get_score(const GstGemma4Score *score);
GST_GEMMA4_API gboolean gst_gemma4_score_is_match(const GstGemma4Score *score);
GST_GEMMA4_API guint64 gst_gemma4_score_get_frame(const GstGemma4Score *score);
GST_GEMMA4_API GstClockTime gst_gemma4_score_get_pts(const GstGemma4Score *score);
GST_GEMMA4_API void gst_gemma4_score_get_region(const GstGemma4Score *score, gdouble *x, gdouble *y,
                                                gdouble *w, gdouble *h);
GST_GEMMA4_API const gchar *gst_gemma4_score_get_region_id(const GstGemma4Score *score);
GST_GEMMA4_API gint64 gst_gemma4_score_get_track(const GstGemma4Score *score);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstGemma4Score, gst_gemma4_score_unref)

/* ------------------------------------------------------------------------------------------
 * The meta
 *
 * Without tags, and copied by every transform, as the embeddings' meta is. A copy has a list of
 * its own and shares the entries.
 */

/**
 * GstGemma4ScoreMeta:
 * @meta: the parent
 *
 * The scores that ride on a buffer.
 */
typedef struct _GstGemma4ScoreMeta {
    GstMeta meta;

    /*< private >*/
    GPtrArray *entries;
} GstGemma4ScoreMeta;

#define GST_GEMMA4_SCORE_META_API_TYPE (gst_gemma4_score_meta_api_get_type())
#define GST_GEMMA4_SCORE_META_INFO (gst_gemma4_score_meta_get_info())

GST_GEMMA4_API GType gst_gemma4_score_meta_api_get_type(void);
GST_GEMMA4_API const GstMetaInfo *gst_gemma4_score_meta_get_info(void);

GST_GEMMA4_API GstGemma4ScoreMeta *gst_buffer_add_gemma4_score_meta(GstBuffer *buffer);
GST_GEMMA4_API GstGemma4ScoreMeta *gst_buffer_get_gemma4_score_meta(GstBuffer *buffer);
GST_GEMMA4_API void gst_gemma4_score_meta_append(GstGemma4ScoreMeta *meta, GstGemma4Score *entry);
GST_GEMMA4_API guint gst_gemma4_score_meta_get_n_entries(const GstGemma4ScoreMeta *meta);
GST_GEMMA4_API GstGemma4Score *gst_gemma4_score_meta_get_entry(const GstGemma4ScoreMeta *meta,
                                                               guint i);

G_END_DECLS

#endif /* GST_GEMMA4_SCORE_META_H */
