/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingmatch: scores, what matches, and the text beside the video.
 */
#include "producer.h"

#include <glib/gstdio.h>
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif
#include <gst/gemma4/gstgemma4scoremeta.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define CAPS "video/x-raw,format=RGB,width=4,height=1,framerate=25/1"
#define ID "gemma4-joint"

/* ------------------------------------------------------------------------------------------
 * Files
 */
static gchar *make_folder(void)
{
    gchar *folder = g_dir_make_tmp("gemma4-match-XXXXXX", NULL);

    g_assert_nonnull(folder);
    return folder;
}

static void remove_folder(gchar *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree gchar *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_free(folder);
}

static gchar *write_bytes(const gchar *folder, const gchar *name, gconstpointer bytes, gsize size)
{
    gchar *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    return path;
}

/* An NPY file with that dictionary and so many bytes of `values`. */
static gchar *write_npy(const gchar *folder, const gchar *name, const gchar *dictionary,
                        gconstpointer values, gsize size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree gchar *header = g_strdup_printf("%-117s\n", dictionary);

    g_byte_array_append(bytes, (const guint8 *)"\x93NUMPY\1\0\166\0", 10);
    g_byte_array_append(bytes, (const guint8 *)header, 118);
    g_byte_array_append(bytes, values, (guint)size);
    return write_bytes(folder, name, bytes->data, bytes->len);
}

#define NPY(shape) "{'descr': '<f4', 'fortran_order': False, 'shape': " shape ", }"

/* The three axes. */
static gchar *write_axes(const gchar *folder)
{
    const gfloat axes[9] = {2, 0, 0, 0, 1, 0, 0, 0, 0.5f};

    return write_npy(folder, "axes.npy", NPY("(3, 3)"), axes, sizeof axes);
}

/* ------------------------------------------------------------------------------------------
 * Streams
 */
static GstHarness *start(const gchar *vectors, const gchar *labels, const gchar *negative)
{
    GstElement *element = producer_element("embeddingmatch");

    g_object_set(element, "vectors", vectors, "labels", labels, "negative-labels", negative,
                 "threshold", 0.5, "hysteresis", 0.1, NULL);
    GstHarness *h = gst_harness_new_with_element(element, "sink", "src");
    gst_object_unref(element);
    gst_harness_set_src_caps_str(h, CAPS);
    return h;
}

/* Labels x, y and z for the axes, or the last of them negative. */
static GstHarness *start_axes(gchar **folder, const gchar *labels, const gchar *negative)
{
    *folder = make_folder();
    g_autofree gchar *path = write_axes(*folder);

    return start(path, labels, negative);
}

static GstBuffer *frame_of(gdouble x, gdouble y, gdouble z, guint64 frame)
{
    gfloat values[3] = {(gfloat)x, (gfloat)y, (gfloat)z};

    return producer_embedded_of(ID, values, 3, frame);
}

static GstBuffer *pass(GstHarness *h, GstBuffer *buffer)
{
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    GstBuffer *out = gst_harness_try_pull(h);
    g_assert_nonnull(out);
    return out;
}

static const GstGemma4Score *score_of(GstBuffer *buffer, guint i, guint n)
{
    const GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(buffer);

    g_assert_nonnull(meta);
    g_assert_cmpuint(gst_gemma4_score_meta_get_n_entries(meta), ==, n);
    return gst_gemma4_score_meta_get_entry(meta, i);
}

static void expect_score(const GstGemma4Score *score, const gchar *label, gdouble value,
                         gboolean match)
{
    g_assert_cmpstr(gst_gemma4_score_get_label(score), ==, label);
    g_assert_cmpfloat_with_epsilon(gst_gemma4_score_get_score(score), value, 1e-6);
    g_assert_true(gst_gemma4_score_is_match(score) == match);
}

static void expect_told(GstHarness *h, const gchar *label, gboolean entering, gdouble score,
                        guint64 start_pts, guint64 end_pts)
{
    g_autoptr(GstMessage) message = producer_pop_message(h->element, "gemma4-match");
    gdouble told;
    guint64 from, to;
    gboolean enters;

    g_assert_nonnull(message);
    const GstStructure *s = gst_message_get_structure(message);
    g_assert_cmpstr(gst_structure_get_string(s, "label"), ==, label);
    g_assert_true(gst_structure_get_double(s, "score", &told));
    g_assert_true(gst_structure_get_uint64(s, "start", &from));
    g_assert_true(gst_structure_get_uint64(s, "end", &to));
    g_assert_true(gst_structure_get_boolean(s, "entering", &enters));
    g_assert_true(enters == entering);
    g_assert_cmpfloat_with_epsilon(told, score, 1e-6);
    g_assert_cmpuint(from, ==, start_pts);
    g_assert_cmpuint(to, ==, end_pts);
}

static void expect_quiet(GstHarness *h)
{
    g_assert_null(producer_pop_message(h->element, "gemma4-match"));
}

/* Messages that nobody asked for hold the element, and it the bus with them. */
static void end(GstHarness *h)
{
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

#define MS(frame) ((frame)*40 * GST_MSECOND)

/* ------------------------------------------------------------------------------------------
 * Scores
 */
static void scores_are_cosines_in_order(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x; y ;z", NULL);
    g_autoptr(GstBuffer) out = pass(h, frame_of(1, 2, 2, 3));

    /* Equal scores in the order of the labels. */
    expect_score(score_of(out, 0, 3), "y", 2.0 / 3, TRUE);
    expect_score(score_of(out, 1, 3), "z", 2.0 / 3, TRUE);
    expect_score(score_of(out, 2, 3), "x", 1.0 / 3, FALSE);
    g_assert_cmpuint(gst_gemma4_score_get_pts(score_of(out, 0, 3)), ==, MS(3));
    g_assert_cmpuint(gst_gemma4_score_get_frame(score_of(out, 0, 3)), ==, 3);
    end(h);
    remove_folder(folder);
}

static void top_k_limits_them(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);

    g_object_set(h->element, "top-k", 1, NULL);
    g_autoptr(GstBuffer) out = pass(h, frame_of(3, 0, 4, 0));
    expect_score(score_of(out, 0, 1), "z", 0.8, TRUE);
    /* What is not among them matches and is told all the same. */
    expect_told(h, "x", TRUE, 0.6, 0, GST_CLOCK_TIME_NONE);
    expect_told(h, "z", TRUE, 0.8, 0, GST_CLOCK_TIME_NONE);
    end(h);
    remove_folder(folder);
}

static void softmax_gives_probabilities(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);
    gdouble a = exp(0.8 / 0.1), b = exp(0.6 / 0.1), c = 1;

    g_object_set(h->element, "softmax", TRUE, "temperature", 0.1, NULL);
    g_autoptr(GstBuffer) out = pass(h, frame_of(0.6, 0.8, 0, 0));
    expect_score(score_of(out, 0, 3), "y", a / (a + b + c), TRUE);
    expect_score(score_of(out, 1, 3), "x", b / (a + b + c), FALSE);
    expect_score(score_of(out, 2, 3), "z", c / (a + b + c), FALSE);
    end(h);
    remove_folder(folder);
}

static void negative_labels_win_in_silence(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y", "z");

    g_autoptr(GstBuffer) out = pass(h, frame_of(6, 0, 8, 0));
    expect_score(score_of(out, 0, 2), "x", 0.6, FALSE);
    expect_score(score_of(out, 1, 2), "y", 0, FALSE);
    expect_quiet(h);
    gst_buffer_unref(pass(h, frame_of(8, 0, 6, 1)));
    expect_told(h, "x", TRUE, 0.8, MS(1), GST_CLOCK_TIME_NONE);
    end(h);
    remove_folder(folder);
}

static void rows_are_named_after_their_file(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, NULL, NULL);
    g_autoptr(GstBuffer) out = pass(h, frame_of(0, 1, 0, 0));

    expect_score(score_of(out, 0, 3), "axes 2", 1, TRUE);
    end(h);
    remove_folder(folder);
}

static void nothing_to_compare_with_changes_nothing(void)
{
    GstHarness *h = start(NULL, NULL, NULL);
    GstBuffer *in = frame_of(1, 0, 0, 0);
    g_autoptr(GstBuffer) out = pass(h, in);

    g_assert_true(out == in);
    g_assert_null(gst_buffer_get_gemma4_score_meta(out));
    end(h);
}

static void shared_buffers_stay_as_they_are(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, NULL, NULL);
    g_autoptr(GstBuffer) in = frame_of(1, 0, 0, 0);
    g_autoptr(GstBuffer) out = pass(h, gst_buffer_ref(in));

    g_assert_null(gst_buffer_get_gemma4_score_meta(in));
    g_assert_nonnull(gst_buffer_get_gemma4_score_meta(out));
    g_assert_cmpuint(GST_BUFFER_PTS(out), ==, GST_BUFFER_PTS(in));
    end(h);
    remove_folder(folder);
}

static void values_that_are_no_numbers_are_left_out(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);

    gst_buffer_unref(pass(h, frame_of(1, 0, 0, 0)));
    expect_told(h, "x", TRUE, 1, 0, GST_CLOCK_TIME_NONE);
    gst_buffer_unref(pass(h, frame_of(NAN, 0, 0, 1)));
    expect_quiet(h);
    end(h);
    remove_folder(folder);
}

/* ------------------------------------------------------------------------------------------
 * Matches
 */
static GstBuffer *frame_at(gdouble cosine, guint64 frame)
{
    return frame_of(cosine, 0, -sqrt(1 - cosine * cosine), frame);
}

static void matches_have_hysteresis(void)
{
    static const gdouble cosines[] = {0.49, 0.51, 0.7, 0.41, 0.39, 0.49, 0.6};
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(cosines); i++) {
        g_autoptr(GstBuffer) out = pass(h, frame_at(cosines[i], i));
        expect_score(score_of(out, 0, 3), "x", cosines[i], (i >= 1 && i <= 3) || i == 6);
        g_autoptr(GstBuffer) between = pass(h, producer_buffer(i));
        g_assert_null(gst_buffer_get_gemma4_score_meta(between));
    }
    expect_told(h, "x", TRUE, 0.51, MS(1), GST_CLOCK_TIME_NONE);
    expect_told(h, "x", FALSE, 0.7, MS(1), MS(4));
    expect_told(h, "x", TRUE, 0.6, MS(6), GST_CLOCK_TIME_NONE);
    expect_quiet(h);
    gst_harness_push_event(h, gst_event_new_eos());
    expect_told(h, "x", FALSE, 0.6, MS(6), MS(7));
    expect_quiet(h);
    end(h);
    remove_folder(folder);
}

static void flush_ends_what_matches(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);
    GstSegment segment;

    gst_buffer_unref(pass(h, frame_at(0.8, 0)));
    expect_told(h, "x", TRUE, 0.8, 0, GST_CLOCK_TIME_NONE);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    expect_told(h, "x", FALSE, 0.8, 0, MS(1));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    gst_buffer_unref(pass(h, frame_at(0.7, 5)));
    expect_told(h, "x", TRUE, 0.7, MS(5), GST_CLOCK_TIME_NONE);
    end(h);
    remove_folder(folder);
}

static void event_is_as_good_as_a_meta(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);
    gfloat values[3] = {0, 1, 0};
    g_autoptr(GstGemma4Embedding) e = producer_embedding_of(ID, values, 3, 4);

    g_assert_true(gst_harness_push_event(h, gst_event_new_gemma4_embedding(e)));
    expect_told(h, "y", TRUE, 1, MS(4), GST_CLOCK_TIME_NONE);
    gboolean passed = FALSE;
    for (GstEvent *event; (event = gst_harness_try_pull_event(h)) != NULL; gst_event_unref(event))
        passed |= gst_event_get_gemma4_embedding(event) != NULL;
    g_assert_true(passed);
    end(h);
    remove_folder(folder);
}

static GstBuffer *region_frame(gint64 track, const gchar *region_id, gdouble x, guint64 frame)
{
    GstGemma4EmbeddingParams p = GST_GEMMA4_EMBEDDING_PARAMS_INIT;
    gfloat values[3] = {(gfloat)x, 0, -(gfloat)sqrt(1 - x * x)};
    GstBuffer *buffer = producer_buffer(frame);

    p.id = ID;
    p.rows = 1;
    p.cols = 3;
    p.pts = MS(frame);
    p.frame = frame;
    p.w = p.h = 0.5;
    p.track = track;
    p.region_id = region_id;
    gst_gemma4_embedding_meta_append(
        gst_buffer_add_gemma4_embedding_meta(buffer),
        gst_gemma4_embedding_new(&p, gst_buffer_new_memdup(values, sizeof values)));
    return buffer;
}

static void regions_have_states_of_their_own(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);
    gint64 track;

    gst_buffer_unref(pass(h, region_frame(7, NULL, 0.9, 0)));
    gst_buffer_unref(pass(h, region_frame(8, NULL, 0.1, 1)));
    gst_buffer_unref(pass(h, frame_at(0.1, 2)));
    gst_buffer_unref(pass(h, region_frame(-1, NULL, 0.9, 3))); /* nobody: nothing is told */
    g_autoptr(GstMessage) message = producer_pop_message(h->element, "gemma4-match");
    g_assert_nonnull(message);
    g_assert_true(gst_structure_get_int64(gst_message_get_structure(message), "track", &track));
    g_assert_cmpint(track, ==, 7);
    expect_quiet(h);

    /* Gone for longer than a region may be. */
    gst_buffer_unref(pass(h, producer_buffer(125)));
    expect_quiet(h);
    gst_buffer_unref(pass(h, producer_buffer(126)));
    expect_told(h, "x", FALSE, 0.9, 0, 0);
    expect_quiet(h);
    end(h);
    remove_folder(folder);
}

#ifdef HAVE_GST_ANALYTICS
/* The classification of a region, the upper left quarter, belongs to the object that was detected
 * there. */
static void check_object(gint x, gint y, gint width, gint height)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);
    GstBuffer *buffer = region_frame(7, NULL, 0.9, 0); /* 0, 0, 0.5, 0.5 */
    GstAnalyticsRelationMeta *meta = gst_buffer_add_analytics_relation_meta(buffer);
    GstAnalyticsODMtd wrong, right;
    GstAnalyticsMtd cls;
    gpointer state = NULL;

    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=64,height=48,framerate=25/1");
    g_assert_true(gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("car"), 10, 20,
                                                         32, 24, 0.5f, &wrong));
    g_assert_true(gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("car"), x, y,
                                                         width, height, 0.5f, &right));
    guint right_id = right.id, wrong_id = wrong.id;
    g_autoptr(GstBuffer) out = pass(h, buffer);
    meta = gst_buffer_get_analytics_relation_meta(out);
    g_assert_true(gst_analytics_relation_meta_get_direct_related(
        meta, right_id, GST_ANALYTICS_REL_TYPE_CONTAIN, gst_analytics_cls_mtd_get_mtd_type(),
        &state, &cls));
    g_assert_cmpuint(gst_analytics_cls_mtd_get_length((GstAnalyticsClsMtd *)&cls), ==, 3);
    g_assert_cmpstr(
        g_quark_to_string(gst_analytics_cls_mtd_get_quark((GstAnalyticsClsMtd *)&cls, 0)), ==, "x");
    g_assert_cmpfloat_with_epsilon(gst_analytics_cls_mtd_get_level((GstAnalyticsClsMtd *)&cls, 0),
                                   0.9f, 1e-6f);
    state = NULL;
    g_assert_false(gst_analytics_relation_meta_get_direct_related(
        meta, wrong_id, GST_ANALYTICS_REL_TYPE_CONTAIN, gst_analytics_cls_mtd_get_mtd_type(),
        &state, &cls));
    end(h);
    remove_folder(folder);
}

static void objects_contain_their_classification(void)
{
    check_object(0, 0, 32, 24);
    check_object(-7, -100, 39, 124); /* a part of it is outside of the picture */
}
#endif

/* ------------------------------------------------------------------------------------------
 * Labels that change
 */

/* Until a frame is scored by a label of that name; the labels are made on another thread. */
static void pass_until(GstHarness *h, const gchar *label)
{
    for (guint64 frame = 0;; frame++) {
        g_autoptr(GstBuffer) out = pass(h, frame_of(1, 0, 0, frame));
        const GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(out);
        if (meta != NULL &&
            strcmp(gst_gemma4_score_get_label(gst_gemma4_score_meta_get_entry(meta, 0)), label) ==
                0)
            return;
        g_usleep(1000);
    }
}

static void labels_change_while_playing(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);
    guint64 start_pts;
    gboolean entering;

    pass_until(h, "x");
    expect_told(h, "x", TRUE, 1, 0, GST_CLOCK_TIME_NONE);
    g_object_set(h->element, "labels", "other;y;z", NULL);
    pass_until(h, "other");
    g_autoptr(GstMessage) gone = producer_pop_message(h->element, "gemma4-match");
    g_assert_nonnull(gone);
    const GstStructure *s = gst_message_get_structure(gone);
    g_assert_cmpstr(gst_structure_get_string(s, "label"), ==, "x");
    g_assert_true(gst_structure_get_boolean(s, "entering", &entering) && !entering);
    g_assert_true(gst_structure_get_uint64(s, "start", &start_pts) && start_pts == 0);
    g_autoptr(GstMessage) come = producer_pop_message(h->element, "gemma4-match");
    g_assert_nonnull(come);
    g_assert_cmpstr(gst_structure_get_string(gst_message_get_structure(come), "label"), ==,
                    "other");
    /* A label that stays goes on matching. */
    g_object_set(h->element, "labels", "other;new;z", NULL);
    g_object_set(h->element, "threshold", -0.5, NULL);
    for (gboolean seen = FALSE; !seen;) {
        g_autoptr(GstBuffer) out = pass(h, frame_of(1, 0, 0, 1));
        for (guint i = 0; i < 3; i++)
            seen |= strcmp(gst_gemma4_score_get_label(score_of(out, i, 3)), "new") == 0;
    }
    for (GstMessage *m; (m = producer_pop_message(h->element, "gemma4-match")) != NULL;
         gst_message_unref(m))
        g_assert_cmpstr(gst_structure_get_string(gst_message_get_structure(m), "label"), !=,
                        "other");
    end(h);
    remove_folder(folder);
}

static void goes_through_the_states_again(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);
    GstSegment segment;

    for (guint round = 0; round < 3; round++) {
        gst_buffer_unref(pass(h, frame_at(0.8, 0)));
        expect_told(h, "x", TRUE, 0.8, 0, GST_CLOCK_TIME_NONE);
        expect_quiet(h);
        g_object_set(h->element, "labels", "x;y;w", NULL);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_NULL), ==,
                        GST_STATE_CHANGE_SUCCESS);
        g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_PLAYING), ==,
                        GST_STATE_CHANGE_SUCCESS);
        gst_harness_play(h);
        gst_harness_push_event(h, gst_event_new_stream_start("again"));
        gst_harness_set_src_caps_str(h, CAPS);
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(h, gst_event_new_segment(&segment));
    }
    end(h);
    remove_folder(folder);
}

/* ------------------------------------------------------------------------------------------
 * What is wrong
 */
static void refuses_at_start(const gchar *property, const gchar *value, GQuark domain, gint code,
                             const gchar *part)
{
    GstElement *element = gst_object_ref_sink(producer_element("embeddingmatch"));

    g_object_set(element, property, value, NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    producer_expect_error(element, domain, code, part);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
}

static void bad_files_are_errors(void)
{
    gchar *folder = make_folder();
    const gfloat values[8] = {1, 2, 3, 4, 5, 6, 7, NAN};
    static const struct {
        const gchar *dictionary, *part;
        gsize size;
    } bad[] = {
        {NPY("(3, 3)"), "shape [3, 1, 3], but 32 bytes", 32},
        {NPY("(99999999999, 3)"), "shape", 32},
        {NPY("(18446744073709551615, 18446744073709551615)"), "shape", 32},
        {NPY("(0, 8)"), "shape", 32},
        {NPY("()"), "one to three numbers", 32},
        {NPY("(1, 2, 2, 2)"), "one to three numbers", 32},
        {NPY("(2, 4)"), "row 1 holds infinity or no number", 32},
        {NPY("(1, 7)"), "shape", 27},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 4), }", "float32", 32},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 4), }", "row-major", 32},
        {"{}", "float32", 32},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree gchar *path =
            write_npy(folder, "bad.npy", bad[i].dictionary, values, bad[i].size);
        refuses_at_start("vectors", path, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                         bad[i].part);
    }
    g_autofree gchar *cut = write_bytes(folder, "cut.npy", "\x93NUMPY\1\0\377\377{'de", 14);
    refuses_at_start("vectors", cut, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "header");
    g_autofree gchar *empty = write_bytes(folder, "empty.npy", "", 0);
    refuses_at_start("vectors", empty, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "header");
    g_autofree gchar *latin = write_bytes(folder, "latin.txt", "a dog\nein H\xfcndchen\n", 19);
    refuses_at_start("labels-file", latin, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                     "latin.txt:2: byte 11 is not UTF-8");
    refuses_at_start("labels-file", folder, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
                     "not a regular file");
    refuses_at_start("labels-file", "/dev/zero", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
                     "not a regular file");
    g_autofree gchar *huge = write_bytes(folder, "huge.txt", "", 0);
    g_assert_cmpint(truncate(huge, (off_t)1 << 40), ==, 0);
    refuses_at_start("labels-file", huge, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                     "1099511627776 bytes");
    refuses_at_start("vectors", huge, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "header");
    g_autofree gchar *none = g_build_filename(folder, "none", NULL);
    static const gchar *const properties[] = {"vectors", "labels-file", "model"};
    for (guint i = 0; i < G_N_ELEMENTS(properties); i++)
        refuses_at_start(properties[i], none, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                         none);
    remove_folder(folder);
}

static void bad_properties_are_errors(void)
{
    g_autofree gchar *longest = g_strnfill(5000, 'a');
    g_autofree gchar *many = g_malloc(200003);

    for (guint i = 0; i < 200002; i++)
        many[i] = i % 2 ? ';' : 'a';
    many[200002] = '\0';
    refuses_at_start("labels", "a", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                     "neither model");
    refuses_at_start("images", "a", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "no model");
    refuses_at_start("labels", "a; \xff", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                     "byte 3 is not UTF-8");
    refuses_at_start("labels", longest, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "5000");
    refuses_at_start("labels", many, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                     "more than 100000");
}

static void labels_that_do_not_count_are_an_error(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = write_axes(folder);
    GstElement *element = gst_object_ref_sink(producer_element("embeddingmatch"));

    g_object_set(element, "vectors", path, "labels", "a;b", NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    producer_expect_error(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                          "3 rows, but without a model 2 labels");
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
    remove_folder(folder);
}

static void another_size_is_an_error(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);

    g_assert_cmpint(gst_harness_push(h, producer_embedded(ID, 1, 4, 0)), ==, GST_FLOW_ERROR);
    producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                          "\"x\": 3 values, but the frames have 4");
    end(h);
    remove_folder(folder);
}

static void another_model_is_an_error(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = write_axes(folder);
    g_autofree gchar *record =
        write_bytes(folder, "axes.npy.jsonl", "{\"digest\":\"fedcba9876543210\"}\n", 30);
    GstHarness *h = start(path, NULL, NULL);

    g_assert_cmpint(gst_harness_push(h, frame_of(1, 0, 0, 0)), ==, GST_FLOW_ERROR);
    producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                          "digest fedcba9876543210");
    end(h);
    remove_folder(folder);
}

/* ------------------------------------------------------------------------------------------
 * Text
 */
typedef struct {
    GstHarness *video, *text;
} Both;

static Both start_both(gchar **folder)
{
    Both both;

    *folder = make_folder();
    g_autofree gchar *path = write_axes(*folder);
    GstElement *element = producer_element("embeddingmatch");
    g_object_set(element, "vectors", path, "labels", "x;y;z", "threshold", 0.5, NULL);
    both.video = gst_harness_new_with_element(element, "sink", "src");
    both.text = gst_harness_new_with_element(element, NULL, "text");
    gst_object_unref(element);
    gst_harness_set_src_caps_str(both.video, CAPS);
    return both;
}

static void end_both(Both *both, gchar *folder)
{
    gst_harness_teardown(both->text);
    end(both->video);
    remove_folder(folder);
}

static GstEvent *next_event(GstHarness *h)
{
    GstEvent *event;

    while ((event = gst_harness_try_pull_event(h)) != NULL) {
        if (GST_EVENT_TYPE(event) > GST_EVENT_SEGMENT)
            return event;
        gst_event_unref(event);
    }
    return NULL;
}

static void expect_text(GstHarness *h, const gchar *expected, guint64 frame)
{
    g_autoptr(GstBuffer) out = gst_harness_try_pull(h);
    GstMapInfo map;

    g_assert_nonnull(out);
    g_assert_cmpuint(GST_BUFFER_PTS(out), ==, MS(frame));
    g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, MS(1));
    g_assert_true(gst_buffer_map(out, &map, GST_MAP_READ));
    g_assert_cmpmem(map.data, map.size, expected, strlen(expected));
    gst_buffer_unmap(out, &map);
}

static void expect_gap(GstHarness *h, guint64 frame)
{
    g_autoptr(GstEvent) event = next_event(h);
    GstClockTime time, duration;

    g_assert_nonnull(event);
    g_assert_cmpint(GST_EVENT_TYPE(event), ==, GST_EVENT_GAP);
    gst_event_parse_gap(event, &time, &duration);
    g_assert_cmpuint(time, ==, MS(frame));
    g_assert_cmpuint(duration, ==, MS(1));
}

static void text_goes_in_step(void)
{
    gchar *folder;
    Both b = start_both(&folder);

    gst_buffer_unref(pass(b.video, producer_buffer(0)));
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(b.text->sinkpad);
    g_autoptr(GstCaps) wanted = gst_caps_from_string("text/x-raw, format=(string)utf8");
    g_assert_true(caps != NULL && gst_caps_is_equal(caps, wanted));
    g_autoptr(GstEvent) segment = gst_pad_get_sticky_event(b.text->sinkpad, GST_EVENT_SEGMENT, 0);
    g_assert_nonnull(segment);
    expect_gap(b.text, 0);

    gst_buffer_unref(pass(b.video, frame_of(3, 4, 0, 1)));
    expect_text(b.text, "y 0.80\nx 0.60", 1);
    gst_buffer_unref(pass(b.video, producer_buffer(2)));
    expect_text(b.text, "y 0.80\nx 0.60", 2);
    gst_buffer_unref(pass(b.video, frame_of(-1, 0, 0, 3)));
    expect_gap(b.text, 3);
    gst_harness_push_event(b.video, gst_event_new_gap(MS(4), MS(1)));
    expect_gap(b.text, 4);
    GstBuffer *timeless = producer_buffer(5);
    GST_BUFFER_DURATION(timeless) = GST_CLOCK_TIME_NONE;
    gst_buffer_unref(pass(b.video, timeless));
    expect_gap(b.text, 5);
    gst_harness_push_event(b.video, gst_event_new_eos());
    g_autoptr(GstEvent) eos = next_event(b.text);
    g_assert_true(eos != NULL && GST_EVENT_TYPE(eos) == GST_EVENT_EOS);
    g_assert_null(gst_harness_try_pull(b.text));
    end_both(&b, folder);
}

static void text_is_flushed(void)
{
    gchar *folder;
    Both b = start_both(&folder);
    GstSegment segment;
    const GstSegment *received;

    gst_buffer_unref(pass(b.video, frame_of(1, 0, 0, 0)));
    expect_text(b.text, "x 1.00", 0);
    gst_harness_push_event(b.video, gst_event_new_flush_start());
    gst_harness_push_event(b.video, gst_event_new_flush_stop(TRUE));
    guint flushes = 0;
    for (GstEvent *e; (e = gst_harness_try_pull_event(b.text)) != NULL; gst_event_unref(e))
        flushes +=
            GST_EVENT_TYPE(e) == GST_EVENT_FLUSH_START || GST_EVENT_TYPE(e) == GST_EVENT_FLUSH_STOP;
    g_assert_cmpuint(flushes, ==, 2);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = MS(2);
    gst_harness_push_event(b.video, gst_event_new_segment(&segment));
    gst_buffer_unref(pass(b.video, producer_buffer(2)));
    expect_gap(b.text, 2); /* the match is forgotten */
    g_autoptr(GstEvent) event = gst_pad_get_sticky_event(b.text->sinkpad, GST_EVENT_SEGMENT, 0);
    gst_event_parse_segment(event, &received);
    g_assert_cmpuint(received->start, ==, MS(2));
    end_both(&b, folder);
}

static void eos_alone_reaches_the_text(void)
{
    gchar *folder;
    Both b = start_both(&folder);

    gst_harness_push_event(b.video, gst_event_new_eos());
    g_autoptr(GstEvent) eos = next_event(b.text);
    g_assert_true(eos != NULL && GST_EVENT_TYPE(eos) == GST_EVENT_EOS);
    end_both(&b, folder);
}

/* The caps of the text are no limit for those of the video. */
static void caps_and_queries_pass(void)
{
    gchar *folder;
    Both b = start_both(&folder);
    g_autoptr(GstCaps) wanted = gst_caps_from_string(CAPS);

    gst_harness_set_sink_caps_str(b.video, CAPS);
    g_autoptr(GstCaps) caps = gst_pad_peer_query_caps(b.video->srcpad, NULL);
    g_assert_true(gst_caps_is_equal(caps, wanted));
    gst_harness_set_upstream_latency(b.video, 7 * GST_MSECOND);
    g_assert_cmpuint(gst_harness_query_latency(b.video), ==, 7 * GST_MSECOND);
    end_both(&b, folder);
}

static void text_pad_comes_and_goes(void)
{
    gchar *folder;
    GstHarness *h = start_axes(&folder, "x;y;z", NULL);

    for (guint round = 0; round < 3; round++) {
        gst_buffer_unref(pass(h, frame_of(1, 0, 0, round)));
        GstPad *pad = gst_element_request_pad_simple(h->element, "text");
        g_assert_nonnull(pad);
        gst_buffer_unref(pass(h, frame_of(1, 0, 0, round)));
        gst_element_release_request_pad(h->element, pad);
        gst_object_unref(pad);
    }
    end(h);
    remove_folder(folder);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/match/scores-are-cosines-in-order", scores_are_cosines_in_order);
    g_test_add_func("/match/top-k-limits-them", top_k_limits_them);
    g_test_add_func("/match/softmax-gives-probabilities", softmax_gives_probabilities);
    g_test_add_func("/match/negative-labels-win-in-silence", negative_labels_win_in_silence);
    g_test_add_func("/match/rows-are-named-after-their-file", rows_are_named_after_their_file);
    g_test_add_func("/match/nothing-to-compare-with-changes-nothing",
                    nothing_to_compare_with_changes_nothing);
    g_test_add_func("/match/shared-buffers-stay-as-they-are", shared_buffers_stay_as_they_are);
    g_test_add_func("/match/values-that-are-no-numbers-are-left-out",
                    values_that_are_no_numbers_are_left_out);
    g_test_add_func("/match/matches-have-hysteresis", matches_have_hysteresis);
    g_test_add_func("/match/flush-ends-what-matches", flush_ends_what_matches);
    g_test_add_func("/match/event-is-as-good-as-a-meta", event_is_as_good_as_a_meta);
    g_test_add_func("/match/regions-have-states-of-their-own", regions_have_states_of_their_own);
#ifdef HAVE_GST_ANALYTICS
    g_test_add_func("/match/objects-contain-their-classification",
                    objects_contain_their_classification);
#endif
    g_test_add_func("/match/labels-change-while-playing", labels_change_while_playing);
    g_test_add_func("/match/goes-through-the-states-again", goes_through_the_states_again);
    g_test_add_func("/match/bad-files-are-errors", bad_files_are_errors);
    g_test_add_func("/match/bad-properties-are-errors", bad_properties_are_errors);
    g_test_add_func("/match/labels-that-do-not-count-are-an-error",
                    labels_that_do_not_count_are_an_error);
    g_test_add_func("/match/another-size-is-an-error", another_size_is_an_error);
    g_test_add_func("/match/another-model-is-an-error", another_model_is_an_error);
    g_test_add_func("/match/text-goes-in-step", text_goes_in_step);
    g_test_add_func("/match/text-is-flushed", text_is_flushed);
    g_test_add_func("/match/eos-alone-reaches-the-text", eos_alone_reaches_the_text);
    g_test_add_func("/match/caps-and-queries-pass", caps_and_queries_pass);
    g_test_add_func("/match/text-pad-comes-and-goes", text_pad_comes_and_goes);
    return g_test_run();
}
