/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores: the record, the meta, and their bytes.
 */
#include "../../plugin/gstgemma4scorewire.h"
#include "producer.h"

#include <gst/gemma4/gstgemma4scoremeta.h>
#include <math.h>
#include <string.h>

static GstGemma4Score *plain_score(const gchar *label, gdouble value)
{
    GstGemma4ScoreParams p = GST_GEMMA4_SCORE_PARAMS_INIT;

    p.label = label;
    p.score = value;
    return gst_gemma4_score_new(&p);
}

static GstGemma4Score *full_score(void)
{
    GstGemma4ScoreParams p = {
        .label = "h\xc3\xbc"
                 "ndchen",
        .score = -0.123456789,
        .match = TRUE,
        .frame = 7,
        .pts = 280 * GST_MSECOND,
        .x = 0.125,
        .y = 0.1,
        .w = 1.0 / 3.0,
        .h = 0.5,
        .region_id = "roi 7",
        .track = 12345678901,
    };

    return gst_gemma4_score_new(&p);
}

static void expect_equal(const GstGemma4Score *a, const GstGemma4Score *b)
{
    gdouble ra[4], rb[4];

    gst_gemma4_score_get_region(a, &ra[0], &ra[1], &ra[2], &ra[3]);
    gst_gemma4_score_get_region(b, &rb[0], &rb[1], &rb[2], &rb[3]);
    g_assert_cmpstr(gst_gemma4_score_get_label(a), ==, gst_gemma4_score_get_label(b));
    g_assert_true(gst_gemma4_score_get_score(a) == gst_gemma4_score_get_score(b));
    g_assert_true(gst_gemma4_score_is_match(a) == gst_gemma4_score_is_match(b));
    g_assert_cmpuint(gst_gemma4_score_get_frame(a), ==, gst_gemma4_score_get_frame(b));
    g_assert_cmpuint(gst_gemma4_score_get_pts(a), ==, gst_gemma4_score_get_pts(b));
    g_assert_cmpmem(ra, sizeof ra, rb, sizeof rb);
    g_assert_cmpstr(gst_gemma4_score_get_region_id(a), ==, gst_gemma4_score_get_region_id(b));
    g_assert_cmpint(gst_gemma4_score_get_track(a), ==, gst_gemma4_score_get_track(b));
}

static void record_gives_back_what_it_was_made_of(void)
{
    g_autoptr(GstGemma4Score) s = full_score();
    gdouble x, y, w, h;

    g_assert_cmpstr(gst_gemma4_score_get_label(s), ==, "h\xc3\xbcndchen");
    g_assert_true(gst_gemma4_score_get_score(s) == -0.123456789);
    g_assert_true(gst_gemma4_score_is_match(s));
    g_assert_cmpuint(gst_gemma4_score_get_frame(s), ==, 7);
    g_assert_cmpuint(gst_gemma4_score_get_pts(s), ==, 280 * GST_MSECOND);
    gst_gemma4_score_get_region(s, &x, &y, &w, &h);
    g_assert_true(x == 0.125 && y == 0.1 && w == 1.0 / 3.0 && h == 0.5);
    g_assert_cmpstr(gst_gemma4_score_get_region_id(s), ==, "roi 7");
    g_assert_cmpint(gst_gemma4_score_get_track(s), ==, 12345678901);
}

static void record_has_defaults(void)
{
    g_autoptr(GstGemma4Score) s = plain_score("a", 0.5);
    gdouble x, y, w, h;

    gst_gemma4_score_get_region(s, &x, &y, &w, &h);
    g_assert_true(x == 0.0 && y == 0.0 && w == 1.0 && h == 1.0);
    g_assert_false(gst_gemma4_score_is_match(s));
    g_assert_false(GST_CLOCK_TIME_IS_VALID(gst_gemma4_score_get_pts(s)));
    g_assert_null(gst_gemma4_score_get_region_id(s));
    g_assert_cmpint(gst_gemma4_score_get_track(s), ==, -1);
}

static void record_refuses_what_is_no_score(void)
{
    GstGemma4ScoreParams p = GST_GEMMA4_SCORE_PARAMS_INIT;

    g_assert_null(plain_score(NULL, 0));
    g_assert_null(plain_score("a", NAN));
    g_assert_null(plain_score("a", INFINITY));
    p.label = "a";
    p.h = NAN;
    g_assert_null(gst_gemma4_score_new(&p));
}

static void buffer_has_one_meta_and_keeps_the_order(void)
{
    g_autoptr(GstBuffer) buffer = producer_buffer(0);

    g_assert_null(gst_buffer_get_gemma4_score_meta(buffer));
    GstGemma4ScoreMeta *meta = gst_buffer_add_gemma4_score_meta(buffer);
    g_assert_true(gst_buffer_add_gemma4_score_meta(buffer) == meta);
    g_assert_cmpuint(gst_gemma4_score_meta_get_n_entries(meta), ==, 0);
    for (guint i = 0; i < 5; i++)
        gst_gemma4_score_meta_append(meta, plain_score("a", i));
    for (guint i = 0; i < 5; i++)
        g_assert_true(gst_gemma4_score_get_score(gst_gemma4_score_meta_get_entry(meta, i)) == i);
}

static void copy_shares_entries_and_has_its_own_list(void)
{
    GstBuffer *buffer = producer_embedded("gemma4-pooled", 1, 4, 3);
    GstGemma4Score *score = full_score();

    gst_gemma4_score_meta_append(gst_buffer_add_gemma4_score_meta(buffer), score);
    g_autoptr(GstBuffer) copy = gst_buffer_copy(buffer);
    gst_gemma4_score_meta_append(gst_buffer_get_gemma4_score_meta(buffer), plain_score("b", 0));
    gst_buffer_unref(buffer);

    const GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(copy);
    g_assert_nonnull(meta);
    g_assert_cmpuint(gst_gemma4_score_meta_get_n_entries(meta), ==, 1);
    g_assert_true(gst_gemma4_score_meta_get_entry(meta, 0) == score);
    g_assert_nonnull(gst_buffer_get_gemma4_embedding_meta(copy));
}

/* One frame through elements that scale, convert, split and queue. */
static void meta_survives(gconstpointer description)
{
    GstHarness *h = gst_harness_new_parse(description);
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64 * 48 * 4, NULL);
    g_autoptr(GstGemma4Score) expected = full_score();

    gst_buffer_memset(buffer, 0, 0x55, -1);
    GST_BUFFER_PTS(buffer) = 0;
    gst_gemma4_score_meta_append(gst_buffer_add_gemma4_score_meta(buffer), full_score());
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGBx,width=64,height=48,framerate=25/1");
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    gst_harness_push_event(h, gst_event_new_eos());
    GstBuffer *out = gst_harness_pull(h);
    g_assert_nonnull(out);
    const GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(out);
    g_assert_nonnull(meta);
    g_assert_cmpuint(gst_gemma4_score_meta_get_n_entries(meta), ==, 1);
    expect_equal(gst_gemma4_score_meta_get_entry(meta, 0), expected);
    gst_buffer_unref(out);
    gst_harness_teardown(h);
}

/* ------------------------------------------------------------------------------------------
 * Bytes
 */
static GByteArray *two_entries(void)
{
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_score_unref);

    g_ptr_array_add(entries, full_score());
    g_ptr_array_add(entries, plain_score("", 1));
    GByteArray *bytes = gst_gemma4_scores_pack(entries);
    g_assert_nonnull(bytes);
    return bytes;
}

/* A copy of exactly this size, so that a sanitizer or valgrind sees a byte read too much. */
static GPtrArray *parse_exact(const guint8 *data, gsize size)
{
    g_autofree guint8 *copy = g_memdup2(data, size);
    return gst_gemma4_scores_parse(copy, size);
}

static void scores_come_back(void)
{
    g_autoptr(GByteArray) bytes = two_entries();
    g_autoptr(GPtrArray) entries = parse_exact(bytes->data, bytes->len);
    g_autoptr(GstGemma4Score) first = full_score();
    g_autoptr(GstGemma4Score) second = plain_score("", 1);

    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 2);
    expect_equal(entries->pdata[0], first);
    expect_equal(entries->pdata[1], second);
}

static void layout_stays_as_described(void)
{
    g_autoptr(GByteArray) bytes = two_entries();
    const guint label = 4 + 8 * 8 + 1; /* its length */

    g_assert_cmpmem(bytes->data, 4, "\2\0\0\0", 4);
    g_assert_cmpmem(bytes->data + 12, 8, "\7\0\0\0\0\0\0\0", 8);
    g_assert_cmpint(bytes->data[label - 1], ==, 1);
    g_assert_cmpmem(bytes->data + label, 4, "\11\0\0\0", 4);
    g_assert_cmpmem(bytes->data + label + 4, 9,
                    "h\xc3\xbc"
                    "ndchen",
                    9);
}

static void every_cut_is_refused(void)
{
    g_autoptr(GByteArray) bytes = two_entries();

    for (guint size = 0; size < bytes->len; size++)
        g_assert_null(parse_exact(bytes->data, size));
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    g_assert_null(parse_exact(bytes->data, bytes->len));
}

/* Whatever the bytes are, the answer is a valid list or NULL. */
static void changed_bytes_do_no_harm(void)
{
    g_autoptr(GByteArray) bytes = two_entries();

    for (guint round = 0; round < 20000; round++) {
        g_autofree guint8 *copy = g_memdup2(bytes->data, bytes->len);
        guint n = g_test_rand_int_range(1, 5);
        for (guint i = 0; i < n; i++)
            copy[g_test_rand_int_range(0, bytes->len)] = g_test_rand_int_range(0, 256);
        g_autoptr(GPtrArray) entries = parse_exact(copy, bytes->len);
        for (guint i = 0; entries != NULL && i < entries->len; i++) {
            g_assert_true(isfinite(gst_gemma4_score_get_score(entries->pdata[i])));
            g_assert_nonnull(gst_gemma4_score_get_label(entries->pdata[i]));
        }
    }
}

static void nothing_is_not_packed(void)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new();

    g_assert_null(gst_gemma4_scores_pack(entries));
}

#if GST_CHECK_VERSION(1, 24, 0)
static void serialized_meta_comes_back(void)
{
    g_autoptr(GstBuffer) buffer = producer_buffer(0);
    g_autoptr(GstBuffer) received = gst_buffer_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GstGemma4Score) expected = full_score();
    GstGemma4ScoreMeta *meta = gst_buffer_add_gemma4_score_meta(buffer);
    guint32 consumed;

    gst_gemma4_score_meta_append(meta, full_score());
    g_assert_true(gst_meta_serialize_simple(&meta->meta, bytes));
    GstGemma4ScoreMeta *copy =
        (GstGemma4ScoreMeta *)gst_meta_deserialize(received, bytes->data, bytes->len, &consumed);
    g_assert_true(copy != NULL && copy == gst_buffer_get_gemma4_score_meta(received));
    g_assert_cmpuint(gst_gemma4_score_meta_get_n_entries(copy), ==, 1);
    expect_equal(gst_gemma4_score_meta_get_entry(copy, 0), expected);
}
#endif

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/score/record-gives-back-what-it-was-made-of",
                    record_gives_back_what_it_was_made_of);
    g_test_add_func("/score/record-has-defaults", record_has_defaults);
    g_test_add_func("/score/record-refuses-what-is-no-score", record_refuses_what_is_no_score);
    g_test_add_func("/score/buffer-has-one-meta-and-keeps-the-order",
                    buffer_has_one_meta_and_keeps_the_order);
    g_test_add_func("/score/copy-shares-entries-and-has-its-own-list",
                    copy_shares_entries_and_has_its_own_list);
    g_test_add_data_func("/score/survives-videoconvert",
                         "videoconvert ! capsfilter caps=video/x-raw,format=NV12", meta_survives);
    g_test_add_data_func("/score/survives-videoscale",
                         "tee ! queue ! videoscale ! capsfilter caps=video/x-raw,width=31",
                         meta_survives);
    g_test_add_func("/score/scores-come-back", scores_come_back);
    g_test_add_func("/score/layout-stays-as-described", layout_stays_as_described);
    g_test_add_func("/score/every-cut-is-refused", every_cut_is_refused);
    g_test_add_func("/score/changed-bytes-do-no-harm", changed_bytes_do_no_harm);
    g_test_add_func("/score/nothing-is-not-packed", nothing_is_not_packed);
#if GST_CHECK_VERSION(1, 24, 0)
    g_test_add_func("/score/serialized-meta-comes-back", serialized_meta_comes_back);
#endif
    return g_test_run();
}
