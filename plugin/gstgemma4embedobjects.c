/* SPDX-License-Identifier: Apache-2.0
 *
 * The object detections of GStreamer's analytics meta.
 */
#include "gstgemma4embedobjects.h"

#ifdef HAVE_GST_ANALYTICS

#ifndef GST_USE_UNSTABLE_API
#define GST_USE_UNSTABLE_API
#endif
#include <gst/analytics/analytics.h>

/* Both directions are in use: an object relates to its track, or a track contains its objects. */
static gboolean are_related(GstAnalyticsRelationMeta *meta, const GstAnalyticsMtd *a,
                            const GstAnalyticsMtd *b)
{
    return gst_analytics_relation_meta_get_relation(meta, a->id, b->id) !=
               GST_ANALYTICS_REL_TYPE_NONE ||
           gst_analytics_relation_meta_get_relation(meta, b->id, a->id) !=
               GST_ANALYTICS_REL_TYPE_NONE;
}

static gint64 find_track(GstAnalyticsRelationMeta *meta, const GstAnalyticsMtd *object)
{
    GstAnalyticsTrackingMtd tracking;
    GstClockTime first, last;
    gpointer state = NULL;
    gboolean lost;
    guint64 id;

    while (gst_analytics_relation_meta_iterate(
        meta, &state, gst_analytics_tracking_mtd_get_mtd_type(), &tracking)) {
        if (are_related(meta, object, &tracking) &&
            gst_analytics_tracking_mtd_get_info(&tracking, &id, &first, &last, &lost) &&
            id <= G_MAXINT64)
            return (gint64)id;
    }
    return -1;
}

void gst_gemma4_objects_foreach(GstBuffer *buffer,
                                void (*func)(const GstGemma4Object *object, gpointer user),
                                gpointer user)
{
    GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta(buffer);
    GstAnalyticsODMtd object;
    gpointer state = NULL;
    gint x, y, w, h;
    gfloat confidence;

    while (meta && gst_analytics_relation_meta_iterate(
                       meta, &state, gst_analytics_od_mtd_get_mtd_type(), &object)) {
        if (!gst_analytics_od_mtd_get_location(&object, &x, &y, &w, &h, &confidence))
            continue;
        func(
            &(GstGemma4Object){
                .x = x,
                .y = y,
                .w = w,
                .h = h,
                .label = gst_analytics_od_mtd_get_obj_type(&object),
                .track = find_track(meta, &object),
            },
            user);
    }
}

#endif /* HAVE_GST_ANALYTICS */
