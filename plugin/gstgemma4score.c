/* SPDX-License-Identifier: Apache-2.0
 *
 * The record: a label, a score and the embedding that it is the score of.
 */
#include <gst/gemma4/gstgemma4scoremeta.h>
#include <math.h>

struct _GstGemma4Score {
    gatomicrefcount ref_count;
    GstGemma4ScoreParams params; /* its strings are ours */
};

G_DEFINE_BOXED_TYPE(GstGemma4Score, gst_gemma4_score, gst_gemma4_score_ref, gst_gemma4_score_unref)

/**
 * gst_gemma4_score_new:
 * @params: what is known of the score
 *
 * Returns: (transfer full) (nullable): a new score, or %NULL when @params has no label, or a score
 *   or region that is not finite
 */
GstGemma4Score *gst_gemma4_score_new(const GstGemma4ScoreParams *params)
{
    g_return_val_if_fail(params != NULL, NULL);

    if (params->label == NULL || !isfinite(params->score) || !isfinite(params->x) ||
        !isfinite(params->y) || !isfinite(params->w) || !isfinite(params->h))
        return NULL;

    GstGemma4Score *score = g_new0(GstGemma4Score, 1);
    g_atomic_ref_count_init(&score->ref_count);
    score->params = *params;
    score->params.label = g_strdup(params->label);
    score->params.region_id = g_strdup(params->region_id);
    return score;
}

/**
 * gst_gemma4_score_ref:
 * @score: a score
 *
 * Returns: (transfer full): @score
 */
GstGemma4Score *gst_gemma4_score_ref(GstGemma4Score *score)
{
    g_return_val_if_fail(score != NULL, NULL);

    g_atomic_ref_count_inc(&score->ref_count);
    return score;
}

/**
 * gst_gemma4_score_unref:
 * @score: (transfer full): a score
 */
void gst_gemma4_score_unref(GstGemma4Score *score)
{
    g_return_if_fail(score != NULL);

    if (!g_atomic_ref_count_dec(&score->ref_count))
        return;
    g_free((gchar *)score->params.label);
    g_free((gchar *)score->params.region_id);
    g_free(score);
}

/**
 * gst_gemma4_score_get_label:
 * @score: a score
 *
 * Returns: the sentence, or the name of the example
 */
const gchar *gst_gemma4_score_get_label(const GstGemma4Score *score)
{
    return score->params.label;
}

/**
 * gst_gemma4_score_get_score:
 * @score: a score
 *
 * Returns: how well the label fits: a cosine, -1..1, or of a softmax over the labels 0..1
 */
gdouble gst_gemma4_score_get_score(const GstGemma4Score *score)
{
    return score->params.score;
}

/**
 * gst_gemma4_score_is_match:
 * @score: a score
 *
 * Returns: whether the label counts as matched, by threshold, hysteresis and negative labels
 */
gboolean gst_gemma4_score_is_match(const GstGemma4Score *score)
{
    return score->params.match;
}

/**
 * gst_gemma4_score_get_frame:
 * @score: a score
 *
 * Returns: index of the frame among all that entered gemma4embed, from 0
 */
guint64 gst_gemma4_score_get_frame(const GstGemma4Score *score)
{
    return score->params.frame;
}

/**
 * gst_gemma4_score_get_pts:
 * @score: a score
 *
 * Returns: PTS of the frame that was embedded, or %GST_CLOCK_TIME_NONE
 */
GstClockTime gst_gemma4_score_get_pts(const GstGemma4Score *score)
{
    return score->params.pts;
}

/**
 * gst_gemma4_score_get_region:
 * @score: a score
 * @x: (out) (optional): left edge
 * @y: (out) (optional): top edge
 * @w: (out) (optional): width
 * @h: (out) (optional): height
 *
 * The part of the cropped picture that was embedded, in 0..1 of its sides; 0, 0, 1, 1 is the
 * whole frame.
 */
void gst_gemma4_score_get_region(const GstGemma4Score *score, gdouble *x, gdouble *y, gdouble *w,
                                 gdouble *h)
{
    if (x != NULL)
        *x = score->params.x;
    if (y != NULL)
        *y = score->params.y;
    if (w != NULL)
        *w = score->params.w;
    if (h != NULL)
        *h = score->params.h;
}

/**
 * gst_gemma4_score_get_region_id:
 * @score: a score
 *
 * Returns: (nullable): name of the region
 */
const gchar *gst_gemma4_score_get_region_id(const GstGemma4Score *score)
{
    return score->params.region_id;
}

/**
 * gst_gemma4_score_get_track:
 * @score: a score
 *
 * Returns: identity of the tracked object, -1 without one
 */
gint64 gst_gemma4_score_get_track(const GstGemma4Score *score)
{
    return score->params.track;
}
