/* SPDX-License-Identifier: Apache-2.0
 *
 * Metas to regions.
 */
#include "gstgemma4embedregion.h"

#include <string.h>

#include "gstgemma4embedobjects.h"

/* What the caller wants, and where the regions go. */
typedef struct {
    gint64 left, top, width, height; /* of the cropped picture, in pixels of the frame */
    const gchar *classes;
    guint min_size;
    GArray *regions;
    guint first, n_interest; /* where this frame's begin, and how many are of interest metas */
} Search;

/* What is inside of 0..limit of `size` pixels from `at` on; FALSE: nothing. All of it lies within
 * 2^33, so no sum overflows. */
static gboolean clip(gint64 at, gint64 size, gint64 limit, guint *begin, guint *length)
{
    gint64 first = MAX(at, 0), end = MIN(at + size, limit);

    if (end <= first)
        return FALSE;
    *begin = (guint)first;
    *length = (guint)(end - first);
    return TRUE;
}

static gboolean is_wanted(const gchar *classes, GQuark label)
{
    const gchar *name = label ? g_quark_to_string(label) : NULL;

    if (!classes || !*classes)
        return TRUE;
    for (const gchar *at = classes; name; at++) {
        gsize n = strcspn(at, ","), end = n;
        const gchar *next = at + n;

        for (; end > 0 && *at == ' '; end--)
            at++;
        while (end > 0 && at[end - 1] == ' ')
            end--;
        if (end > 0 && strlen(name) == end && memcmp(at, name, end) == 0)
            return TRUE;
        if (!*next)
            break;
        at = next;
    }
    return FALSE;
}

static void add(Search *search, const GstGemma4Object *object)
{
    GstGemma4Region region = {
        .label = object->label,
        .track = MAX(object->track, -1),
        .id = object->id,
    };

    if (!clip(object->x - search->left, object->w, search->width, &region.x, &region.w) ||
        !clip(object->y - search->top, object->h, search->height, &region.y, &region.h) ||
        MIN(region.w, region.h) < search->min_size || !is_wanted(search->classes, region.label))
        return;
    g_array_append_val(search->regions, region);
}

static gint64 integer_of(const GstStructure *s, const gchar *field)
{
    gint i;
    guint u;
    gint64 i64;
    guint64 u64;

    if (gst_structure_get_int(s, field, &i))
        return i;
    if (gst_structure_get_uint(s, field, &u))
        return u;
    if (gst_structure_get_int64(s, field, &i64))
        return i64;
    if (gst_structure_get_uint64(s, field, &u64) && u64 <= G_MAXINT64)
        return (gint64)u64;
    return -1;
}

static gint64 find_track(const GstVideoRegionOfInterestMeta *meta)
{
    gint64 track = -1;

    for (const GList *l = meta->params; l && track < 0; l = l->next) {
        const GstStructure *s = l->data;
        track = integer_of(s, gst_structure_has_name(s, "object_id") ? "id" : "object_id");
    }
    return track;
}

static void add_interest(Search *search, const GstVideoRegionOfInterestMeta *meta)
{
    add(search, &(GstGemma4Object){
                    .x = meta->x,
                    .y = meta->y,
                    .w = meta->w,
                    .h = meta->h,
                    .label = meta->roi_type,
                    .track = find_track(meta),
                    .id = meta->id,
                });
}

#ifdef HAVE_GST_ANALYTICS
/* A detector that knows both forms says each object twice. */
static gboolean is_there(const Search *search, const GstGemma4Region *region)
{
    for (guint i = 0; i < search->n_interest; i++) {
        GstGemma4Region *r = &g_array_index(search->regions, GstGemma4Region, search->first + i);

        if (r->x != region->x || r->y != region->y || r->w != region->w || r->h != region->h ||
            r->label != region->label)
            continue;
        if (r->track < 0)
            r->track = region->track;
        return TRUE;
    }
    return FALSE;
}

static void add_object(const GstGemma4Object *object, gpointer user)
{
    Search *search = user;
    guint n = search->regions->len;

    add(search, object);
    if (search->regions->len > n &&
        is_there(search, &g_array_index(search->regions, GstGemma4Region, n)))
        g_array_set_size(search->regions, n);
}
#endif

void gst_gemma4_regions_find(GstBuffer *buffer, guint width, guint height, const gchar *classes,
                             guint min_size, GArray *regions)
{
    const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
    const GstVideoRegionOfInterestMeta *meta;
    gpointer state = NULL;
    Search search = {
        .left = crop ? crop->x : 0,
        .top = crop ? crop->y : 0,
        .width = crop ? crop->width : width,
        .height = crop ? crop->height : height,
        .classes = classes,
        .min_size = min_size,
        .regions = regions,
        .first = regions->len,
    };

    while ((meta = (GstVideoRegionOfInterestMeta *)gst_buffer_iterate_meta_filtered(
                buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
        add_interest(&search, meta);
    search.n_interest = regions->len - search.first;
#ifdef HAVE_GST_ANALYTICS
    gst_gemma4_objects_foreach(buffer, add_object, &search);
#endif
}

gboolean gst_gemma4_region_is_same(const GstGemma4Region *a, const GstGemma4Region *b)
{
    if (a->label != b->label || a->track != b->track)
        return FALSE;
    return a->track >= 0 || (a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h);
}
