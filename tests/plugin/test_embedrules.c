/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of gemma4embed that need no element: what is late, when the latency is told anew,
 * which pictures look the same.
 */
#include "gstgemma4embedlate.h"
#include "gstgemma4embedreuse.h"

#include <string.h>

static void check_late(const GstGemma4Late *late, GstClockTime time, gboolean expected,
                       GstClockTimeDiff by)
{
    GstClockTimeDiff jitter = 0;

    g_assert_cmpint(gst_gemma4_late_is_late(late, time, &jitter), ==, expected);
    g_assert_cmpint(jitter, ==, by);
}

static void test_late_before_the_earliest_time(void)
{
    GstGemma4Late late;

    gst_gemma4_late_reset(&late);
    check_late(&late, 0, FALSE, 0);
    check_late(&late, GST_CLOCK_TIME_NONE, FALSE, 0);

    gst_gemma4_late_update(&late, 1.5, 30, 100);
    check_late(&late, 129, TRUE, 1);
    check_late(&late, 100, TRUE, 30);
    check_late(&late, 130, FALSE, 0);
    check_late(&late, GST_CLOCK_TIME_NONE, FALSE, 0);

    gst_gemma4_late_update(&late, 0.5, -30, 100); /* early */
    check_late(&late, 70, FALSE, 0);
    check_late(&late, 69, TRUE, 1);
    gst_gemma4_late_update(&late, 0.5, 30, GST_CLOCK_TIME_NONE);
    check_late(&late, 0, FALSE, 0);
}

/* Events may come from anybody. */
static void test_late_with_extreme_numbers(void)
{
    GstGemma4Late late;
    GstClockTimeDiff jitter;

    gst_gemma4_late_update(&late, 1, G_MININT64, 100);
    check_late(&late, 0, FALSE, 0);
    gst_gemma4_late_update(&late, 1, -101, 100);
    check_late(&late, 0, FALSE, 0);
    gst_gemma4_late_update(&late, 1, G_MAXINT64, GST_CLOCK_TIME_NONE - 1);
    g_assert_true(gst_gemma4_late_is_late(&late, 0, &jitter));
    g_assert_cmpint(jitter, ==, G_MAXINT64);
}

static void test_latency_moves_by_a_quarter(void)
{
    GstGemma4Timing timing;
    GstClockTime latency;

    gst_gemma4_timing_reset(&timing);
    g_assert_false(gst_gemma4_latency_moved(&timing, 0, &latency));
    gst_gemma4_timing_add(&timing, 100);
    g_assert_true(gst_gemma4_latency_moved(&timing, 0, &latency));
    g_assert_cmpuint(latency, ==, 100);
    g_assert_false(gst_gemma4_latency_moved(&timing, 80, &latency));
    g_assert_true(gst_gemma4_latency_moved(&timing, 79, &latency));
    g_assert_false(gst_gemma4_latency_moved(&timing, 133, &latency));
    g_assert_true(gst_gemma4_latency_moved(&timing, 134, &latency));

    /* one slow frame in twenty is within the 95 %, two are not */
    for (guint i = 0; i < 18; i++)
        gst_gemma4_timing_add(&timing, 100);
    gst_gemma4_timing_add(&timing, 1000);
    g_assert_false(gst_gemma4_latency_moved(&timing, 100, &latency));
    gst_gemma4_timing_add(&timing, 1000);
    g_assert_true(gst_gemma4_latency_moved(&timing, 100, &latency));
    g_assert_cmpuint(latency, ==, 1000);
}

#define WIDTH 40
#define HEIGHT 60
#define SIZE (WIDTH * HEIGHT * 3)

static gboolean same(const GstGemma4Reuse *reuse, const guint8 *pixels, gdouble threshold)
{
    GstBuffer *found = gst_gemma4_reuse_find(reuse, pixels, WIDTH, HEIGHT, TRUE, threshold);

    if (found) {
        g_assert_true(found == reuse->values);
        gst_buffer_unref(found);
    }
    return found != NULL;
}

static void test_reuse_by_the_mean_difference(void)
{
    g_autofree guint8 *pixels = g_malloc(SIZE);
    g_autoptr(GstBuffer) values = gst_buffer_new();
    GstGemma4Reuse reuse = {0};

    memset(pixels, 100, SIZE);
    g_assert_false(same(&reuse, pixels, 255)); /* nothing is kept */
    gst_gemma4_reuse_keep(&reuse, pixels, WIDTH, HEIGHT, TRUE, values);
    g_assert_cmpuint(gst_gemma4_reuse_get_bytes(&reuse), ==, SIZE);
    g_assert_true(same(&reuse, pixels, 0));
    g_assert_true(same(&reuse, pixels, 1));
    g_assert_false(same(&reuse, pixels, -1));
    g_assert_false(same(&reuse, pixels, -1e-300));
    g_assert_null(gst_gemma4_reuse_find(&reuse, pixels, HEIGHT, WIDTH, TRUE, 255));
    g_assert_null(gst_gemma4_reuse_find(&reuse, pixels, WIDTH, HEIGHT, FALSE, 255));

    pixels[SIZE - 1] = 101; /* mean 1 / SIZE */
    g_assert_false(same(&reuse, pixels, 0));
    g_assert_true(same(&reuse, pixels, 1.0 / SIZE));
    g_assert_false(same(&reuse, pixels, 0.99 / SIZE));
    pixels[0] = 90; /* 11 / SIZE: differences do not cancel */
    g_assert_false(same(&reuse, pixels, 10.0 / SIZE));
    g_assert_true(same(&reuse, pixels, 11.0 / SIZE));
    memset(pixels, 102, SIZE);
    g_assert_true(same(&reuse, pixels, 2));
    g_assert_false(same(&reuse, pixels, 1.9999));

    /* a smaller picture in the same memory */
    gst_gemma4_reuse_keep(&reuse, pixels, 2, 2, FALSE, values);
    g_assert_false(same(&reuse, pixels, 255));
    gst_gemma4_reuse_clear(&reuse);
    g_assert_cmpuint(GST_MINI_OBJECT_REFCOUNT_VALUE(values), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/rules/late-before-the-earliest-time", test_late_before_the_earliest_time);
    g_test_add_func("/rules/late-with-extreme-numbers", test_late_with_extreme_numbers);
    g_test_add_func("/rules/latency-moves-by-a-quarter", test_latency_moves_by_a_quarter);
    g_test_add_func("/rules/reuse-by-the-mean-difference", test_reuse_by_the_mean_difference);
    int status = g_test_run();
    gst_deinit();
    return status;
}
