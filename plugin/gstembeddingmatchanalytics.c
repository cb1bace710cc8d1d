/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores as GStreamer's own classifications.
 */
#include "gstembeddingmatchanalytics.h"

#ifdef HAVE_GST_ANALYTICS

#ifndef GST_USE_UNSTABLE_API
#define GST_USE_UNSTABLE_API
#endif
#include <gst/analytics/analytics.h>
#include <gst/video/video.h>
#include <math.h>

/* Whole pixels of an object became the region, which is 0..1 of the cropped picture. */
#define TOLERANCE 1.5

/* Whether the region from `at` on, `size` wide, is what an object of whole pixels shows of itself
 * in a picture that has `side` of them from `origin` on. */
static gboolean is_near(gdouble at, gdouble size, gdouble origin, gdouble side, gint first,
                        gint pixels)
{
    gdouble begin = MAX(first, origin), end = MIN((gdouble)first + pixels, origin + side);

    return fabs(origin + at * side - begin) <= TOLERANCE &&
           fabs(size * side - (end - begin)) <= TOLERANCE;
}

/* The detected object with that rectangle; FALSE without one. */
static gboolean find_object(GstBuffer *buffer, GstAnalyticsRelationMeta *meta,
                            const GstGemma4Score *score, guint width, guint height,
                            GstAnalyticsMtd *object)
{
    const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
    gdouble left = crop != NULL ? crop->x : 0, top = crop != NULL ? crop->y : 0;
    gdouble wide = crop != NULL ? crop->width : width, high = crop != NULL ? crop->height : height;
    gdouble x, y, w, h;
    gpointer state = NULL;

    gst_gemma4_score_get_region(score, &x, &y, &w, &h);
    if ((x == 0 && y == 0 && w == 1 && h == 1) || wide <= 0 || high <= 0)
        return FALSE;
    while (gst_analytics_relation_meta_iterate(meta, &state, gst_analytics_od_mtd_get_mtd_type(),
                                               object)) {
        gint ox, oy, ow, oh;
        gfloat confidence;
        if (gst_analytics_od_mtd_get_location((GstAnalyticsODMtd *)object, &ox, &oy, &ow, &oh,
                                              &confidence) &&
            is_near(x, w, left, wide, ox, ow) && is_near(y, h, top, high, oy, oh))
            return TRUE;
    }
    return FALSE;
}

void gst_embedding_match_analytics_append(GstBuffer *buffer, GstGemma4Score *const *scores, guint n,
                                          guint width, guint height)
{
    if (n == 0)
        return;

    g_autofree gfloat *levels = g_new(gfloat, n);
    g_autofree GQuark *classes = g_new(GQuark, n);
    GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta(buffer);
    GstAnalyticsClsMtd classification;
    GstAnalyticsMtd object;

    if (meta == NULL)
        meta = gst_buffer_add_analytics_relation_meta(buffer);
    for (guint i = 0; i < n; i++) {
        levels[i] = (gfloat)gst_gemma4_score_get_score(scores[i]);
        classes[i] = g_quark_from_string(gst_gemma4_score_get_label(scores[i]));
    }
    gboolean contained = find_object(buffer, meta, scores[0], width, height, &object);
    if (!gst_analytics_relation_meta_add_cls_mtd(meta, n, levels, classes, &classification) ||
        !contained)
        return;
    gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_CONTAIN, object.id,
                                             classification.id);
    gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_IS_PART_OF,
                                             classification.id, object.id);
}

#endif /* HAVE_GST_ANALYTICS */
