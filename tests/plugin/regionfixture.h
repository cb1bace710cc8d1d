/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of regions share: regions of interest on frames, and the entries of a buffer.
 */
#ifndef REGION_FIXTURE_H
#define REGION_FIXTURE_H

#include "embedfixture.h"

static inline GstVideoRegionOfInterestMeta *region_add(GstBuffer *buffer, const char *label,
                                                       guint x, guint y, guint w, guint h)
{
    return gst_buffer_add_video_region_of_interest_meta(buffer, label, x, y, w, h);
}

/* The same, followed as DL Streamer says it. */
static inline void region_add_tracked(GstBuffer *buffer, const char *label, gint track, guint x,
                                      guint y, guint w, guint h)
{
    gst_video_region_of_interest_meta_add_param(
        region_add(buffer, label, x, y, w, h),
        gst_structure_new("object_id", "id", G_TYPE_INT, track, NULL));
}

/* An element on a case, with the property `region`. */
static inline GstHarness *region_harness(const char *name, const char *region)
{
    g_autofree char *path = fixture_case(name);
    GstElement *element = fixture_element(path);

    gst_util_set_object_arg(G_OBJECT(element), "region", region);
    return fixture_harness(element);
}

static inline guint region_count(GstBuffer *buffer)
{
    GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);

    return meta ? gst_gemma4_embedding_meta_get_n_entries(meta) : 0;
}

static inline GstGemma4Embedding *region_entry(GstBuffer *buffer, guint i)
{
    g_assert_cmpuint(i, <, region_count(buffer));
    return gst_gemma4_embedding_meta_get_entry(gst_buffer_get_gemma4_embedding_meta(buffer), i);
}

/* Pushes a frame and drops it; how many entries it carried. */
static inline guint region_pass(GstHarness *h, GstBuffer *in)
{
    g_autoptr(GstBuffer) out = fixture_pass(h, in);

    return region_count(out);
}

/* Entry `i` is of that rectangle of a picture of width x height. */
static inline void region_assert(GstBuffer *buffer, guint i, guint x, guint y, guint w, guint h,
                                 guint width, guint height)
{
    gdouble left, top, wide, high;

    gst_gemma4_embedding_get_region(region_entry(buffer, i), &left, &top, &wide, &high);
    g_assert_cmpfloat(left, ==, x / (gdouble)width);
    g_assert_cmpfloat(top, ==, y / (gdouble)height);
    g_assert_cmpfloat(wide, ==, w / (gdouble)width);
    g_assert_cmpfloat(high, ==, h / (gdouble)height);
}

/* Bit for bit. */
static inline void region_assert_equal(GstGemma4Embedding *a, GstGemma4Embedding *b)
{
    gsize n_a, n_b;
    const gfloat *x = gst_gemma4_embedding_get_values(a, &n_a);
    const gfloat *y = gst_gemma4_embedding_get_values(b, &n_b);

    g_assert_cmpmem(x, n_a * sizeof(gfloat), y, n_b * sizeof(gfloat));
}

#endif /* REGION_FIXTURE_H */
