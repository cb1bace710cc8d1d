/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's output=joint: vectors in the space shared with text, of pictures and of windows of
 * frames, against what the reference gave for the same checkpoint (tests/data/embedding_case).
 */
#include "embedfixture.h"
#include "gate.h"

#include <fcntl.h>
#include <sys/stat.h>

#define WIDTH 40
#define HEIGHT 30

/* The case lies beside the others, its golden has a name of its own. */
static char *joint_case(const char *file)
{
    return g_build_filename(g_getenv("G4_TEST_DATA"), "embedding_case", file, NULL);
}

static void *joint_golden(const char *tensor, guint shape[3])
{
    g_autofree char *path = joint_case("goldens.safetensors");

    return fixture_tensor(path, tensor, shape);
}

static GstElement *joint_element(guint budget)
{
    g_autofree char *path = joint_case(NULL);
    GstElement *element = fixture_element(path);

    g_object_set(element, "max-soft-tokens", budget, NULL);
    return element;
}

static void check_vector(GstBuffer *out, const char *golden, gboolean equal)
{
    guint shape[3];
    g_autofree float *expected = joint_golden(golden, shape);
    GstGemma4Embedding *e = fixture_embedding(out);
    gsize n;

    g_assert_nonnull(e);
    const gfloat *values = gst_gemma4_embedding_get_values(e, &n);
    g_assert_cmpstr(gst_gemma4_embedding_get_id(e), ==, "gemma4-joint");
    g_assert_cmpuint(gst_gemma4_embedding_get_rows(e), ==, 1);
    g_assert_true(gst_gemma4_embedding_is_normalized(e));
    g_assert_cmpuint(n, ==, shape[0]);
    double largest = 0;
    for (gsize i = 0; i < n; i++)
        largest = MAX(largest, fabs((double)values[i] - expected[i]));
    /* the bound of the text encoder's own goldens */
    if (equal)
        g_assert_cmpfloat(largest, <=, 1e-5);
    else
        g_assert_cmpfloat(largest, >, 1e-5);
}

static void check_picture(const char *prompt, guint dimensions, const char *golden)
{
    guint shape[3];
    g_autofree guint8 *rgb = joint_golden("image.rgb", shape);
    GstElement *element = joint_element(140);

    g_object_set(element, "prompt", prompt, "dimensions", dimensions, NULL);
    GstHarness *h = fixture_harness(element);
    gst_harness_set_src_caps(h, fixture_caps("RGB", shape[1], shape[0]));
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_rgb_buffer(rgb, shape[1], shape[0]));
    check_vector(out, golden, TRUE);
    fixture_teardown(h);
}

static void test_picture_equals_golden(void)
{
    check_picture(NULL, 0, "image.embedding"); /* output=auto */
    check_picture(NULL, 16, "image.embedding_16");
    check_picture("document", 0, "image_document.embedding");
    check_picture("document", 16, "image_document.embedding_16");
}

/* Frame `i` of the golden video. */
static GstBuffer *video_frame(guint i, guint n)
{
    guint shape[3];
    g_autofree guint8 *rgb = joint_golden("video.rgb", shape);
    GstBuffer *buffer = fixture_rgb_buffer(rgb + (gsize)i * WIDTH * HEIGHT * 3, WIDTH, HEIGHT);

    g_assert_cmpuint(shape[0], ==, HEIGHT);
    g_assert_cmpuint(shape[1], ==, WIDTH);
    GST_BUFFER_PTS(buffer) = n * 40 * GST_MSECOND;
    GST_BUFFER_DURATION(buffer) = 40 * GST_MSECOND;
    return buffer;
}

static GstHarness *window_harness(guint window, guint stride)
{
    GstElement *element = joint_element(70);

    g_object_set(element, "window", window, "window-stride", stride, NULL);
    GstHarness *h = fixture_harness(element);
    gst_harness_set_src_caps(h, fixture_caps("RGB", WIDTH, HEIGHT));
    return h;
}

static gboolean has_vector(GstHarness *h, GstBuffer *in)
{
    g_autoptr(GstBuffer) out = fixture_pass(h, in);

    return fixture_embedding(out) != NULL;
}

static void test_window_equals_golden(void)
{
    GstHarness *h = window_harness(3, 1);

    g_assert_false(has_vector(h, video_frame(0, 0)));
    g_assert_false(has_vector(h, video_frame(1, 1)));
    g_autoptr(GstBuffer) first = fixture_pass(h, video_frame(2, 2));
    check_vector(first, "video.embedding", TRUE);
    GstGemma4Embedding *e = fixture_embedding(first);
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(e), ==, 2); /* the last one's */
    g_assert_cmpuint(gst_gemma4_embedding_get_pts(e), ==, 80 * GST_MSECOND);

    /* 1 2 0, then 2 0 1, then the same again */
    g_autoptr(GstBuffer) second = fixture_pass(h, video_frame(0, 3));
    check_vector(second, "video.embedding", FALSE);
    g_assert_true(has_vector(h, video_frame(1, 4)));
    g_autoptr(GstBuffer) again = fixture_pass(h, video_frame(2, 5));
    check_vector(again, "video.embedding", TRUE);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 6);
    fixture_teardown(h);
}

static void check_windows(guint window, guint stride, const char *expected, guint computed)
{
    GstHarness *h = window_harness(window, stride);
    g_autoptr(GString) got = g_string_new(NULL);

    g_object_set(h->element, "reuse-threshold", -1.0, NULL);
    for (guint i = 0; i < strlen(expected); i++)
        g_string_append_c(got, has_vector(h, video_frame(i % 3, i)) ? 'x' : '-');
    g_assert_cmpstr(got->str, ==, expected);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, computed);
    g_assert_cmpuint(fixture_stat(h->element, "skipped-interval"), ==, strlen(expected) - computed);
    fixture_teardown(h);
}

static void test_windows_begin_every_stride_frames(void)
{
    check_windows(1, 1, "xxxx", 4);
    check_windows(1, 3, "x--x--x-", 3); /* what no window has is not computed */
    check_windows(2, 1, "-xxxx", 5);
    check_windows(2, 2, "-x-x-x-", 7);
    check_windows(2, 3, "-x--x--x", 6);
    check_windows(3, 2, "--x-x-x", 7);
}

static void test_flush_begins_a_window(void)
{
    GstHarness *h = window_harness(3, 1);
    GstSegment segment;

    g_assert_false(has_vector(h, video_frame(2, 0)));
    g_assert_false(has_vector(h, video_frame(2, 1)));
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    g_assert_false(has_vector(h, video_frame(0, 2)));
    g_assert_false(has_vector(h, video_frame(1, 3)));
    g_autoptr(GstBuffer) out = fixture_pass(h, video_frame(2, 4));
    check_vector(out, "video.embedding", TRUE);
    fixture_teardown(h);
}

static void test_equal_frames(void)
{
    GstHarness *h = window_harness(1, 1);
    g_autoptr(GstBuffer) first = fixture_pass(h, video_frame(0, 0));
    g_autoptr(GstBuffer) again = fixture_pass(h, video_frame(0, 1));

    g_assert_false(gst_gemma4_embedding_is_reused(fixture_embedding(first)));
    g_assert_true(gst_gemma4_embedding_is_reused(fixture_embedding(again)));
    fixture_assert_equal(first, again);
    fixture_teardown(h);

    /* in a window their soft tokens are taken, and the vector is another */
    h = window_harness(2, 1);
    GstHarness *never = window_harness(2, 1);
    g_object_set(never->element, "reuse-threshold", -1.0, NULL);
    static const guint frames[] = {0, 0, 1, 1, 2, 0, 0};
    for (guint i = 0; i < G_N_ELEMENTS(frames); i++) {
        g_autoptr(GstBuffer) a = fixture_pass(h, video_frame(frames[i], i));
        g_autoptr(GstBuffer) b = fixture_pass(never, video_frame(frames[i], i));
        if (i == 0)
            continue;
        fixture_assert_equal(a, b);
        g_assert_false(gst_gemma4_embedding_is_reused(fixture_embedding(a)));
    }
    g_assert_cmpuint(fixture_stat(h->element, "reused"), ==, 3);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 4);
    g_assert_cmpuint(fixture_stat(never->element, "embedded"), ==, 7);
    fixture_teardown(h);
    fixture_teardown(never);
}

typedef struct {
    GstHarness *h;
    GstBuffer *frame;
} Push;

static gpointer push_frame(gpointer data)
{
    Push *push = data;

    gst_harness_push(push->h, push->frame);
    return NULL;
}

static gpointer stop_element(gpointer element)
{
    return GINT_TO_POINTER(gst_element_set_state(element, GST_STATE_NULL));
}

/* A frame that looks like the last one needs the text half alone for its window, so that nothing
 * but that half can give up on it. */
static void check_given_up(gboolean stop)
{
    GstHarness *h = window_harness(2, 1);
    GstPad *sink = gst_element_get_static_pad(h->element, "sink");
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    GThread *stopper = NULL;
    Gate gate;

    g_assert_false(has_vector(h, video_frame(0, 0)));
    g_assert_true(has_vector(h, video_frame(0, 1)));
    gate_init(&gate);
    Push push = {h, gate_buffer(&gate, video_frame(0, 2))};
    GThread *pusher = g_thread_new("push", push_frame, &push);
    gate_wait(&gate);
    if (stop)
        stopper = g_thread_new("stop", stop_element, h->element);
    else
        g_assert_true(gst_harness_push_event(h, gst_event_new_flush_start()));
    for (gboolean flushing = FALSE; !flushing; g_thread_yield()) {
        GST_OBJECT_LOCK(sink);
        flushing = GST_PAD_IS_FLUSHING(sink);
        GST_OBJECT_UNLOCK(sink);
    }
    gate_open(&gate);
    g_thread_join(pusher);
    if (stop)
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(stopper)), ==, GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpuint(fixture_stat(h->element, "frames"), ==, 3);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 1);
    g_assert_cmpuint(fixture_stat(h->element, "reused"), ==, 1); /* that of frame 1 */
    g_assert_cmpuint(fixture_stat(h->element, "failed"), ==, 0);
    g_assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
    gst_object_unref(sink);
    fixture_teardown(h);
    gate_clear(&gate);
}

static void test_text_half_is_given_up(void)
{
    check_given_up(TRUE);
    check_given_up(FALSE);
}

/* Two elements cost one text model. */
static void test_text_model_is_shared(void)
{
    g_autofree char *folder = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    static const char *const files[] = {"config.json", "config_sentence_transformers.json",
                                        "model.safetensors", "processor_config.json",
                                        "tokenizer.json"};

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *from = joint_case(files[i]);
        g_autofree char *bytes = NULL;
        gsize size;
        g_assert_true(g_file_get_contents(from, &bytes, &size, NULL));
        fixture_write(folder, files[i], bytes, size);
    }
    GstHarness *first = fixture_harness(fixture_element(folder));
    guint64 bytes = fixture_stat(first->element, "model-bytes");
    /* spoilt without being seen: what is open is not read again */
    g_autofree char *weights = g_build_filename(folder, "model.safetensors", NULL);
    GStatBuf st;
    g_assert_cmpint(g_stat(weights, &st), ==, 0);
    FILE *file = g_fopen(weights, "r+");
    g_assert_cmpint(fseek(file, -64, SEEK_END), ==, 0);
    for (guint i = 0; i < 64; i++)
        fputc(0x7f, file);
    fclose(file);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    g_assert_cmpint(utimensat(AT_FDCWD, weights, times, 0), ==, 0);

    GstHarness *second = fixture_harness(fixture_element(folder));
    GstElement *pooled = fixture_element(folder);
    gst_util_set_object_arg(G_OBJECT(pooled), "output", "pooled");
    GstHarness *third = fixture_harness(pooled);
    g_assert_cmpuint(fixture_stat(second->element, "model-bytes"), ==, bytes);
    g_assert_cmpuint(fixture_stat(third->element, "model-bytes"), <, bytes);
    fixture_set_caps(first);
    fixture_set_caps(second);
    g_autoptr(GstBuffer) a = fixture_pass(first, fixture_frame(0));
    g_autoptr(GstBuffer) b = fixture_pass(second, fixture_frame(0));
    fixture_assert_equal(a, b);
    fixture_teardown(first);
    fixture_teardown(second);
    fixture_teardown(third);
    fixture_remove(folder);
}

static void check_refused(GstElement *element, const char *word)
{
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    g_autofree char *text = fixture_error(element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, word));
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

static void test_settings_that_cannot_be_met(void)
{
    g_autofree char *square = fixture_case("square");
    GstElement *element = joint_element(70);

    g_object_set(element, "prompt", "Query", NULL);
    check_refused(element, "query");
    element = joint_element(70);
    g_object_set(element, "dimensions", 41, NULL);
    check_refused(element, "41");
    element = joint_element(70);
    g_object_set(element, "window", 2, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "output", "tokens");
    check_refused(element, "window");
    element = fixture_element(square);
    g_object_set(element, "prompt", "query", NULL);
    check_refused(element, "prompt");
    element = fixture_element(square);
    gst_util_set_object_arg(G_OBJECT(element), "output", "joint");
    check_refused(element, "joint");

    /* a window that is too long for the text encoder is known with the caps */
    element = joint_element(70);
    g_object_set(element, "window", 8192, NULL);
    GstHarness *h = fixture_harness(element);
    gst_harness_set_src_caps(h, fixture_caps("RGB", WIDTH, HEIGHT));
    g_assert_cmpint(gst_harness_push(h, video_frame(0, 0)), <, GST_FLOW_OK);
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    g_autoptr(GError) error = NULL;
    g_assert_nonnull(message);
    gst_message_parse_error(message, &error, NULL);
    g_assert_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull(strstr(error->message, "window 8192"));
    fixture_teardown(h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/joint/picture-equals-golden", test_picture_equals_golden);
    g_test_add_func("/joint/window-equals-golden", test_window_equals_golden);
    g_test_add_func("/joint/windows-begin-every-stride-frames",
                    test_windows_begin_every_stride_frames);
    g_test_add_func("/joint/flush-begins-a-window", test_flush_begins_a_window);
    g_test_add_func("/joint/equal-frames", test_equal_frames);
    g_test_add_func("/joint/text-half-is-given-up", test_text_half_is_given_up);
    g_test_add_func("/joint/text-model-is-shared", test_text_model_is_shared);
    g_test_add_func("/joint/settings-that-cannot-be-met", test_settings_that_cannot_be_met);
    int status = g_test_run();
    gst_deinit();
    return status;
}
