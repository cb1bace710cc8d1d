/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of tracks and that of regions: plain rules, and how large they may become.
 */
#include "gstgemma4embedregioncache.h"
#include "gstgemma4embedtracks.h"

#include <string.h>

static GArray *regions_of(gint64 first, guint n)
{
    GArray *regions = g_array_new(FALSE, FALSE, sizeof(GstGemma4Region));

    for (guint i = 0; i < n; i++) {
        GstGemma4Region region = {.w = 20, .h = 20, .label = 1, .track = first + i};
        g_array_append_val(regions, region);
    }
    return regions;
}

/* How many of the tracks first..first + n - 1 are due in that frame; they are then embedded. */
static guint look(GstGemma4Tracks *tracks, gint64 first, guint n, guint64 frame, guint interval)
{
    g_autoptr(GArray) regions = regions_of(first, n);

    gst_gemma4_tracks_filter(tracks, regions, frame, interval);
    gst_gemma4_tracks_embedded(tracks, regions, frame);
    return regions->len;
}

static void test_due_after_the_interval(void)
{
    GstGemma4Tracks tracks;

    gst_gemma4_tracks_init(&tracks);
    g_assert_cmpuint(look(&tracks, 0, 3, 10, 5), ==, 3);
    g_assert_cmpuint(look(&tracks, 1, 3, 12, 5), ==, 1); /* 3 is new */
    g_assert_cmpuint(look(&tracks, 0, 4, 14, 5), ==, 0);
    g_assert_cmpuint(look(&tracks, 0, 4, 15, 5), ==, 3);
    g_assert_cmpuint(look(&tracks, 0, 4, 17, 5), ==, 1);
    g_assert_cmpuint(look(&tracks, 0, 4, 17 + 2, 2), ==, 4); /* a shorter interval */
    g_assert_cmpuint(look(&tracks, 0, 4, 20, 1), ==, 4);
    gst_gemma4_tracks_reset(&tracks);
    g_assert_cmpuint(gst_gemma4_tracks_get_size(&tracks), ==, 0);
    g_assert_cmpuint(look(&tracks, 0, 4, 20, 100), ==, 4);
    gst_gemma4_tracks_clear(&tracks);
}

/* A filter without what follows, as for a frame that came too late, changes nothing. */
static void test_only_what_is_embedded_counts(void)
{
    g_autoptr(GArray) regions = regions_of(7, 1);
    GstGemma4Tracks tracks;

    gst_gemma4_tracks_init(&tracks);
    for (guint i = 0; i < 3; i++) {
        gst_gemma4_tracks_filter(&tracks, regions, i, 10);
        g_assert_cmpuint(regions->len, ==, 1);
    }
    gst_gemma4_tracks_embedded(&tracks, regions, 3);
    gst_gemma4_tracks_filter(&tracks, regions, 3, 10);
    g_assert_cmpuint(regions->len, ==, 0);
    gst_gemma4_tracks_clear(&tracks);
}

static void test_memory_of_tracks_is_bounded(void)
{
    GstGemma4Tracks tracks;

    gst_gemma4_tracks_init(&tracks);
    /* ever new ones: what is due again is forgotten */
    for (guint frame = 0; frame < 10000; frame++) {
        g_assert_cmpuint(look(&tracks, frame * 3, 3, frame, 30), ==, 3);
        g_assert_cmpuint(gst_gemma4_tracks_get_size(&tracks), <=, 3 * 30);
    }
    gst_gemma4_tracks_reset(&tracks);
    /* never due again: the oldest are, all the same */
    for (guint frame = 0; frame < 10; frame++) {
        look(&tracks, frame * 1000, 1000, frame, G_MAXUINT);
        g_assert_cmpuint(gst_gemma4_tracks_get_size(&tracks), <=, GST_GEMMA4_TRACKS_MAX);
    }
    g_assert_cmpuint(gst_gemma4_tracks_get_size(&tracks), ==, GST_GEMMA4_TRACKS_MAX);
    g_assert_cmpuint(look(&tracks, 9000, 1000, 10, G_MAXUINT), ==, 0);
    g_assert_cmpuint(look(&tracks, 0, 1000, 10, G_MAXUINT), ==, 1000);
    /* more than that in one frame */
    g_assert_cmpuint(look(&tracks, 20000, 3 * GST_GEMMA4_TRACKS_MAX, 11, 100), ==,
                     3 * GST_GEMMA4_TRACKS_MAX);
    g_assert_cmpuint(gst_gemma4_tracks_get_size(&tracks), ==, GST_GEMMA4_TRACKS_MAX);
    gst_gemma4_tracks_clear(&tracks);
}

static gboolean has(GstGemma4RegionCache *cache, const GstGemma4Region *region)
{
    guint8 pixels[12] = {0};
    g_autoptr(GstBuffer) found =
        gst_gemma4_reuse_find(gst_gemma4_region_cache_get(cache, region), pixels, 2, 2, TRUE, 0);

    return found != NULL;
}

static void put(GstGemma4RegionCache *cache, const GstGemma4Region *region)
{
    guint8 pixels[12] = {0};
    g_autoptr(GstBuffer) values = gst_buffer_new();

    gst_gemma4_reuse_keep(gst_gemma4_region_cache_get(cache, region), pixels, 2, 2, TRUE, values);
}

static void test_region_is_found_again(void)
{
    g_autofree GstGemma4RegionCache *cache = g_new0(GstGemma4RegionCache, 1);
    GstGemma4Region zone = {1, 2, 20, 20, .label = 1, .track = -1};
    GstGemma4Region object = {1, 2, 20, 20, .label = 1, .track = 4};

    g_assert_false(has(cache, &zone));
    put(cache, &zone);
    g_assert_true(has(cache, &zone));
    g_assert_false(has(cache, &object));
    zone.id = 17; /* a detector may number what it finds */
    g_assert_true(has(cache, &zone));
    zone.x = 2;
    g_assert_false(has(cache, &zone));
    zone.x = 1;
    zone.label = 2;
    g_assert_false(has(cache, &zone));

    put(cache, &object);
    object.x = 10;
    object.h = 5;
    g_assert_true(has(cache, &object));
    object.label = 2;
    g_assert_false(has(cache, &object));
    object.label = 1;
    object.track = 5;
    g_assert_false(has(cache, &object));
    gst_gemma4_region_cache_clear(cache);
    g_assert_cmpuint(gst_gemma4_region_cache_get_bytes(cache), ==, 0);
    g_assert_false(has(cache, &zone));
    gst_gemma4_region_cache_clear(cache);
}

static void test_memory_of_regions_is_bounded(void)
{
    g_autofree GstGemma4RegionCache *cache = g_new0(GstGemma4RegionCache, 1);
    GstGemma4Region object = {1, 2, 20, 20, .label = 1};

    for (gint i = 0; i < 1000; i++) {
        object.track = i;
        put(cache, &object);
        object.track = 0; /* seen all the time, so kept */
        g_assert_true(has(cache, &object));
        g_assert_cmpuint(gst_gemma4_region_cache_get_bytes(cache), <=,
                         GST_GEMMA4_REGION_CACHE_SIZE * 12);
    }
    for (gint i = 0; i < GST_GEMMA4_REGION_CACHE_SIZE - 1; i++) {
        object.track = 999 - i;
        g_assert_true(has(cache, &object));
    }
    object.track = 1;
    g_assert_false(has(cache, &object));
    gst_gemma4_region_cache_clear(cache);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/regionrules/due-after-the-interval", test_due_after_the_interval);
    g_test_add_func("/regionrules/only-what-is-embedded-counts", test_only_what_is_embedded_counts);
    g_test_add_func("/regionrules/memory-of-tracks-is-bounded", test_memory_of_tracks_is_bounded);
    g_test_add_func("/regionrules/region-is-found-again", test_region_is_found_again);
    g_test_add_func("/regionrules/memory-of-regions-is-bounded", test_memory_of_regions_is_bounded);
    int status = g_test_run();
    gst_deinit();
    return status;
}
