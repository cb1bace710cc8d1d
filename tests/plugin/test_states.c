/* SPDX-License-Identifier: Apache-2.0
 *
 * All elements of the plugin through their states, again and again; and nothing left behind, as
 * GStreamer's leaks tracer sees it.
 *
 * The tracer is looked at from outside: the test starts itself again, with the tracer on, for the
 * tests under /states/traced, and reads what the tracer says when that process ends.
 */
#include "embedfixture.h"

static GList *factories(void)
{
    GList *features = gst_registry_get_feature_list_by_plugin(gst_registry_get(), "gemma4");

    g_assert_cmpuint(g_list_length(features), >=, 3);
    return features;
}

static void set_state(GstElement *element, GstState state)
{
    GstStateChangeReturn ret = gst_element_set_state(element, state);

    if (ret == GST_STATE_CHANGE_ASYNC)
        ret = gst_element_get_state(element, NULL, NULL, 20 * GST_SECOND);
    g_assert_cmpint(ret, !=, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpint(ret, !=, GST_STATE_CHANGE_ASYNC);
}

static void test_ready_and_back(void)
{
    GList *features = factories();

    for (GList *l = features; l; l = l->next) {
        GstElement *element = gst_element_factory_create(l->data, NULL);
        for (guint i = 0; i < 3; i++) {
            set_state(element, GST_STATE_READY);
            set_state(element, GST_STATE_NULL);
        }
        gst_object_unref(element);
    }
    gst_plugin_feature_list_free(features);
}

/* An element either starts as it is, or says what it lacks and can be put back to NULL. */
static void test_playing_unconfigured(void)
{
    GList *features = factories();

    for (GList *l = features; l; l = l->next) {
        GstElement *element = gst_element_factory_create(l->data, NULL);
        g_autoptr(GstBus) bus = gst_bus_new();
        gst_element_set_bus(element, bus);
        for (guint i = 0; i < 3; i++) {
            gboolean failed =
                gst_element_set_state(element, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE;
            guint errors = 0;
            GstMessage *message;
            while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR))) {
                errors++;
                gst_message_unref(message);
            }
            g_test_message("%s: %s", GST_OBJECT_NAME(l->data), failed ? "refuses" : "plays");
            g_assert_cmpuint(errors, ==, failed ? 1 : 0);
            g_assert_cmpint(gst_element_set_state(element, GST_STATE_NULL), ==,
                            GST_STATE_CHANGE_SUCCESS);
        }
        gst_element_set_bus(element, NULL);
        gst_object_unref(element);
    }
    gst_plugin_feature_list_free(features);
}

/* A pipeline of all the plugin's elements on `square`, its sink's file in `folder`. */
static GstElement *make_pipeline(const char *folder)
{
    g_autofree char *model = fixture_case("square");
    g_autofree char *location = g_build_filename(folder, "out.jsonl", NULL);
    g_autofree char *line =
        g_strdup_printf("videotestsrc num-buffers=10 pattern=ball ! capsfilter name=caps "
                        "caps=video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! "
                        "gemma4embed name=embed model=\"%s\" precision=f32 threads=2 ! tee name=t "
                        "t. ! queue ! embeddingsink name=file location=\"%s\" "
                        "t. ! queue ! embeddingtensor ! fakesink sync=false",
                        model, location);
    g_autoptr(GError) error = NULL;
    GstElement *pipeline = gst_parse_launch(line, &error);

    g_assert_no_error(error);
    return pipeline;
}

static void wait_for_eos(GstElement *pipeline)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    g_autoptr(GstMessage) message =
        gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

    g_assert_nonnull(message);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        g_autoptr(GError) error = NULL;
        gst_message_parse_error(message, &error, NULL);
        g_assert_no_error(error);
    }
}

static guint count_lines(const char *folder)
{
    gsize size;
    g_autofree char *text = fixture_read(folder, "out.jsonl", &size);
    guint lines = 0;

    for (gsize i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

static void test_plays_again_after_eos(void)
{
    g_autofree char *folder = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    GstElement *pipeline = make_pipeline(folder);

    for (guint i = 0; i < 3; i++) {
        set_state(pipeline, GST_STATE_PLAYING);
        wait_for_eos(pipeline);
        set_state(pipeline, i == 1 ? GST_STATE_READY : GST_STATE_NULL);
        g_assert_cmpuint(count_lines(folder), ==, 10);
    }
    set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    fixture_remove(folder);
}

static void test_every_way_through_the_states(void)
{
    static const GstState way[] = {GST_STATE_READY,   GST_STATE_PAUSED,  GST_STATE_READY,
                                   GST_STATE_PAUSED,  GST_STATE_NULL,    GST_STATE_PAUSED,
                                   GST_STATE_PLAYING, GST_STATE_PAUSED,  GST_STATE_READY,
                                   GST_STATE_NULL,    GST_STATE_PLAYING, GST_STATE_NULL};
    g_autofree char *folder = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    GstElement *pipeline = make_pipeline(folder);

    for (guint i = 0; i < G_N_ELEMENTS(way); i++)
        set_state(pipeline, way[i]);
    gst_object_unref(pipeline);
    fixture_remove(folder);
}

static void test_caps_change_while_playing(void)
{
    static const char *const caps[] = {"video/x-raw,format=RGB,width=33,height=21,framerate=25/1",
                                       "video/x-raw,format=NV12,width=33,height=21,framerate=25/1",
                                       "video/x-raw,format=NV12,width=33,height=21,framerate=50/1",
                                       "video/x-raw,format=I420,width=64,height=48,framerate=25/1"};
    GstHarness *h = fixture_harness_case("square");
    GstHarness *tensor = gst_harness_new("embeddingtensor");

    for (guint round = 0; round < 2; round++) {
        for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
            g_autoptr(GstCaps) c = gst_caps_from_string(caps[i]);
            GstVideoInfo info;
            g_assert_true(gst_video_info_from_caps(&info, c));
            gst_harness_set_src_caps(tensor, gst_caps_ref(c));
            gst_harness_set_src_caps(h, gst_caps_ref(c));
            GstBuffer *out =
                fixture_pass(h, gst_buffer_new_wrapped(fixture_noise(info.size, i), info.size));
            g_assert_nonnull(fixture_embedding(out));
            g_autoptr(GstBuffer) vector = fixture_pass(tensor, out);
            g_assert_cmpuint(gst_buffer_get_size(vector), ==, 40 * sizeof(gfloat));
        }
    }
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    fixture_teardown(h);
    gst_harness_teardown(tensor);
}

/* Start, ten frames, a change of caps, stop, start again, EOS: what a leak checker is given. */
static void traced_clean(void)
{
    g_autofree char *folder = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    GstElement *pipeline = make_pipeline(folder);
    GstElement *filter = gst_bin_get_by_name(GST_BIN(pipeline), "caps");
    GstElement *broken = fixture_element("/nonexistent");

    set_state(pipeline, GST_STATE_PLAYING);
    g_object_set(filter, "caps", NULL, NULL);
    gst_util_set_object_arg(G_OBJECT(filter), "caps",
                            "video/x-raw,format=NV12,width=33,height=21,framerate=25/1");
    wait_for_eos(pipeline);
    set_state(pipeline, GST_STATE_NULL);
    set_state(pipeline, GST_STATE_PLAYING);
    wait_for_eos(pipeline);
    set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(filter);
    gst_object_unref(pipeline);

    g_assert_cmpint(gst_element_set_state(broken, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_FAILURE);
    gst_element_set_state(broken, GST_STATE_NULL);
    gst_element_set_bus(broken, NULL);
    gst_object_unref(broken);
    fixture_remove(folder);
}

/* Leaks on purpose: without it a tracer that sees nothing would pass. */
static void traced_leaky(void)
{
    GstBuffer *lost = gst_buffer_new();

    g_assert_nonnull(lost);
}

static char *self;

/* What the leaks tracer writes about a test of this program, and how that one ends (status may
 * be NULL). */
static char *trace(const char *test, gint *status)
{
    g_autofree char *folder = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    g_autofree char *log = g_build_filename(folder, "log", NULL);
    g_auto(GStrv) env = g_get_environ();
    char *argv[] = {self, "-p", (char *)test, NULL};
    char *text = NULL;
    g_autoptr(GError) error = NULL;

    env = g_environ_setenv(env, "GST_TRACERS", "leaks", TRUE);
    env = g_environ_setenv(env, "GST_DEBUG", "GST_TRACER:7", TRUE);
    env = g_environ_setenv(env, "GST_DEBUG_FILE", log, TRUE);
    env = g_environ_setenv(env, "GST_DEBUG_NO_COLOR", "1", TRUE);
    env = g_environ_setenv(env, "G4_TEST_TRACED", "1", TRUE);
    g_assert_true(g_spawn_sync(NULL, argv, env,
                               G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                               NULL, NULL, status, &error));
    g_assert_true(g_file_get_contents(log, &text, NULL, &error));
    fixture_remove(folder);
    return text;
}

/* The first object that the tracer reports, NULL when there is none; not its own format string. */
static char *find_leak(const char *log)
{
    g_autoptr(GRegex) regex = g_regex_new("object-alive, type-name=\\(string\\)[^%].*", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    return g_regex_match(regex, log, 0, &match) ? g_match_info_fetch(match, 0) : NULL;
}

static void test_nothing_leaks(void)
{
    gint clean_status;
    g_autofree char *leaky = trace("/states/traced/leaky", NULL);
    g_autofree char *clean = trace("/states/traced/clean", &clean_status);
    g_autofree char *expected = find_leak(leaky);
    g_autofree char *leak = find_leak(clean);

    g_assert_nonnull(expected);
    g_assert_cmpint(clean_status, ==, 0);
    g_assert_cmpstr(leak, ==, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);
    self = argv[0];

    if (g_getenv("G4_TEST_TRACED")) {
        g_test_add_func("/states/traced/clean", traced_clean);
        g_test_add_func("/states/traced/leaky", traced_leaky);
    } else {
        g_test_add_func("/states/ready-and-back", test_ready_and_back);
        g_test_add_func("/states/playing-unconfigured", test_playing_unconfigured);
        g_test_add_func("/states/plays-again-after-eos", test_plays_again_after_eos);
        g_test_add_func("/states/every-way-through-the-states", test_every_way_through_the_states);
        g_test_add_func("/states/caps-change-while-playing", test_caps_change_while_playing);
        g_test_add_func("/states/nothing-leaks", test_nothing_leaks);
    }
    int status = g_test_run();
    gst_deinit();
    return status;
}
