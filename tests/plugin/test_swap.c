/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's model while the stream runs: swapped for another one, given back and loaded again.
 * The time without frames is a GstTestClock's.
 */
#include "embedfixture.h"
#include "gate.h"

#include <gst/check/gsttestclock.h>

typedef struct {
    GMutex lock;
    GCond changed;
    guint count;
    char *path; /* of the last signal */
} Updates;

static void model_updated(GstElement *element, const char *path, Updates *updates)
{
    g_autofree char *property = NULL;

    g_object_get(element, "model", &property, NULL);
    g_assert_cmpstr(property, ==, path);
    g_mutex_lock(&updates->lock);
    g_free(updates->path);
    updates->path = g_strdup(path);
    updates->count++;
    g_cond_broadcast(&updates->changed);
    g_mutex_unlock(&updates->lock);
}

static void watch_updates(GstHarness *h, Updates *updates)
{
    *updates = (Updates){0};
    g_mutex_init(&updates->lock);
    g_cond_init(&updates->changed);
    g_signal_connect(h->element, "model-updated", G_CALLBACK(model_updated), updates);
}

static void wait_updates(Updates *updates, guint count)
{
    g_mutex_lock(&updates->lock);
    while (updates->count < count)
        g_cond_wait(&updates->changed, &updates->lock);
    g_mutex_unlock(&updates->lock);
}

static void clear_updates(Updates *updates)
{
    g_free(updates->path);
    g_mutex_clear(&updates->lock);
    g_cond_clear(&updates->changed);
}

static void assert_model(GstElement *element, const char *expected)
{
    g_autofree char *path = NULL;

    g_object_get(element, "model", &path, NULL);
    g_assert_cmpstr(path, ==, expected);
}

static GstBuffer *expected_of(const char *path, guint frame)
{
    GstHarness *h = fixture_harness(fixture_element(path));

    fixture_set_caps(h);
    GstBuffer *out = fixture_pass(h, fixture_frame(frame));
    fixture_teardown(h);
    return out;
}

static char *digest_in_stats(GstElement *element)
{
    GstStructure *stats;

    g_object_get(element, "stats", &stats, NULL);
    char *digest = g_strdup(gst_structure_get_string(stats, "digest"));
    gst_structure_free(stats);
    return digest;
}

static void test_another_model_takes_over(void)
{
    g_autofree char *square = fixture_case("square");
    g_autofree char *aspect = fixture_case("aspect");
    g_autoptr(GstBuffer) of_square = expected_of(square, 0);
    g_autoptr(GstBuffer) of_aspect = expected_of(aspect, 0);
    GstHarness *h = fixture_harness(fixture_element(square));
    Updates updates;

    watch_updates(h, &updates);
    fixture_set_caps(h);
    g_autoptr(GstBuffer) before = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(before, of_square);

    g_object_set(h->element, "model", aspect, NULL);
    wait_updates(&updates, 1);
    assert_model(h->element, aspect);
    g_autoptr(GstBuffer) after = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(after, of_aspect);
    GstGemma4Embedding *e = fixture_embedding(after);
    g_assert_false(gst_gemma4_embedding_is_reused(e)); /* it is another model's picture */
    g_assert_cmpstr(gst_gemma4_embedding_get_model_name(e), ==, "aspect");
    g_autofree char *digest = digest_in_stats(h->element);
    g_assert_cmpstr(digest, ==, gst_gemma4_embedding_get_model_digest(e));
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(e), ==, 1);

    /* and back */
    g_object_set(h->element, "model", square, NULL);
    wait_updates(&updates, 2);
    g_assert_cmpstr(updates.path, ==, square);
    g_autoptr(GstBuffer) again = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(again, of_square);
    fixture_teardown(h);
    clear_updates(&updates);
}

static void test_bad_model_is_refused(void)
{
    static const char *const bad[] = {"/nonexistent/checkpoint", "", NULL};
    g_autofree char *square = fixture_case("square");
    GstHarness *h = fixture_harness(fixture_element(square));
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    g_autofree char *digest = digest_in_stats(h->element);
    Updates updates;

    watch_updates(h, &updates);
    fixture_set_caps(h);
    g_autoptr(GstBuffer) before = fixture_pass(h, fixture_frame(0));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_object_set(h->element, "model", bad[i], NULL);
        g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(
            bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
        g_autoptr(GError) error = NULL;
        g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_WARNING);
        gst_message_parse_warning(message, &error, NULL);
        g_assert_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
        g_assert_nonnull(strstr(error->message, i == 0 ? bad[0] : "model"));
    }
    assert_model(h->element, square);
    g_autofree char *digest_after = digest_in_stats(h->element);
    g_assert_cmpstr(digest_after, ==, digest);
    g_assert_cmpuint(updates.count, ==, 0);
    g_autoptr(GstBuffer) after = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(before, after);
    fixture_teardown(h);
    clear_updates(&updates);
}

/* What cannot meet the element's other settings is refused as well. */
static void test_model_that_cannot_meet_the_settings(void)
{
    g_autofree char *aspect = fixture_case("aspect");
    g_autofree char *square = fixture_case("square");
    GstElement *element = fixture_element(aspect);
    g_autoptr(GstBus) bus = gst_element_get_bus(element);

    gst_util_set_object_arg(G_OBJECT(element), "resize", "aspect");
    GstHarness *h = fixture_harness(element);
    fixture_set_caps(h);
    g_object_set(h->element, "model", square, NULL); /* its processor file has no budget */
    g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_WARNING);
    assert_model(h->element, aspect);
    fixture_teardown(h);
}

/* The frame in work ends with the model it began with. */
static void test_swap_waits_for_the_frame_in_work(void)
{
    g_autofree char *square = fixture_case("square");
    g_autofree char *aspect = fixture_case("aspect");
    g_autoptr(GstBuffer) of_square = expected_of(square, 0);
    g_autoptr(GstBuffer) of_aspect = expected_of(aspect, 1);
    GstElement *element = fixture_element(square);
    g_autoptr(GstBus) bus = gst_element_get_bus(element);
    Updates updates;
    Gate gate;

    g_object_set(element, "async", TRUE, "post-messages", TRUE, NULL);
    GstHarness *h = fixture_harness(element);
    watch_updates(h, &updates);
    gate_init(&gate);
    fixture_set_caps(h);
    g_autoptr(GstBuffer) out = fixture_pass(h, gate_buffer(&gate, fixture_frame(0)));
    gate_wait(&gate);
    g_object_set(h->element, "model", aspect, NULL);
    for (guint i = 0; i < 1000; i++)
        g_thread_yield();
    g_assert_cmpuint(updates.count, ==, 0);
    gate_open(&gate);
    wait_updates(&updates, 1);
    gst_message_unref(gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ELEMENT));
    g_autoptr(GstBuffer) next = fixture_pass(h, fixture_frame(1));
    fixture_assert_equal(next, of_square);
    gst_message_unref(gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ELEMENT));
    g_autoptr(GstBuffer) last = fixture_pass(h, fixture_frame(2));
    fixture_assert_equal(last, of_aspect);
    fixture_teardown(h);
    clear_updates(&updates);
    gate_clear(&gate);
}

/* Asked for and stopped at once: whatever became of the load, the property has what was asked
 * for, and the next start uses it. */
static void test_stop_during_a_load(void)
{
    g_autofree char *square = fixture_case("square");
    g_autofree char *aspect = fixture_case("aspect");
    GstElement *element = gst_object_ref_sink(fixture_element(square));

    for (guint i = 0; i < 20; i++) {
        const char *other = i % 2 ? square : aspect;
        g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==,
                        GST_STATE_CHANGE_SUCCESS);
        g_object_set(element, "model", i % 2 ? aspect : square, NULL);
        g_object_set(element, "model", other, NULL);
        g_assert_cmpint(gst_element_set_state(element, GST_STATE_NULL), ==,
                        GST_STATE_CHANGE_SUCCESS);
        assert_model(element, other);
    }
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

/* A signal handler stops the element and lets go of it, on the thread that loads. */
static void let_go(GstElement *element, const char *path, gpointer data)
{
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

static void gone(gpointer updates, GObject *where_the_element_was)
{
    Updates *u = updates;

    g_mutex_lock(&u->lock);
    u->count++;
    g_cond_broadcast(&u->changed);
    g_mutex_unlock(&u->lock);
}

static void test_handler_lets_go_of_the_element(void)
{
    g_autofree char *square = fixture_case("square");
    g_autofree char *aspect = fixture_case("aspect");
    GstElement *element = gst_object_ref_sink(fixture_element(square));
    Updates updates = {0};

    g_mutex_init(&updates.lock);
    g_cond_init(&updates.changed);
    g_object_weak_ref(G_OBJECT(element), gone, &updates);
    g_signal_connect(element, "model-updated", G_CALLBACK(let_go), NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
    gst_object_ref(element); /* for the time that the property is being set */
    g_object_set(element, "model", aspect, NULL);
    gst_object_unref(element);
    wait_updates(&updates, 1);
    clear_updates(&updates);
}

/* ------------------------------------------------------------------------------------------
 * Weights given back
 */

/* Lets the clock reach `time` and the timers that are due by then go off. */
static void advance(GstTestClock *clock, GstClockTime time)
{
    GstClockID id;

    gst_test_clock_set_time(clock, time);
    while (gst_test_clock_peek_next_pending_id(clock, &id)) {
        gboolean due = gst_clock_id_get_time(id) <= time;
        gst_clock_id_unref(id);
        if (!due)
            return;
        id = gst_test_clock_process_next_clock_id(clock);
        g_clear_pointer(&id, gst_clock_id_unref);
    }
}

/* A thread of GStreamer's gives the weights back; until it has. */
static void wait_unloaded(GstElement *element)
{
    while (fixture_stat(element, "model-bytes") != 0)
        g_thread_yield();
}

static GstHarness *idle_harness(const char *path, GstTestClock **clock, guint64 timeout)
{
    GstElement *element = fixture_element(path);

    *clock = GST_TEST_CLOCK(gst_test_clock_new());
    gst_system_clock_set_default(GST_CLOCK(*clock));
    g_object_set(element, "idle-unload", timeout, "reuse-threshold", -1.0, NULL);
    GstHarness *h = fixture_harness(element);
    fixture_set_caps(h);
    return h;
}

static void end_idle(GstHarness *h, GstTestClock *clock)
{
    fixture_teardown(h);
    g_assert_cmpuint(gst_test_clock_peek_id_count(clock), ==, 0);
    gst_system_clock_set_default(NULL);
    gst_object_unref(clock);
}

static void test_weights_are_given_back_and_loaded_again(void)
{
    g_autofree char *path = fixture_copy("square");
    g_autoptr(GstBuffer) expected = expected_of(path, 0);
    GstTestClock *clock;
    GstHarness *h = idle_harness(path, &clock, 10 * GST_SECOND);
    guint64 bytes = fixture_stat(h->element, "model-bytes");

    g_assert_cmpuint(bytes, >, 0);
    advance(clock, 4 * GST_SECOND);
    gst_buffer_unref(fixture_pass(h, fixture_frame(0)));
    advance(clock, 10 * GST_SECOND); /* 6 s without a frame, the timer is set again */
    advance(clock, 14 * GST_SECOND - 1);
    g_assert_cmpuint(fixture_stat(h->element, "model-bytes"), ==, bytes);
    g_assert_cmpuint(gst_test_clock_peek_id_count(clock), ==, 1);
    advance(clock, 14 * GST_SECOND);
    wait_unloaded(h->element);
    g_assert_cmpuint(fixture_stat(h->element, "activation-bytes"), ==, 0);
    g_assert_cmpuint(gst_test_clock_peek_id_count(clock), ==, 0);

    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(out, expected);
    g_assert_cmpuint(fixture_stat(h->element, "model-bytes"), ==, bytes);
    g_assert_cmpuint(fixture_stat(h->element, "embedded"), ==, 2); /* the counts go on */

    /* once more, and the checkpoint goes meanwhile: an error, not a crash */
    advance(clock, 30 * GST_SECOND);
    wait_unloaded(h->element);
    fixture_remove(path);
    g_assert_cmpint(gst_harness_push(h, fixture_frame(1)), ==, GST_FLOW_ERROR);
    g_autofree char *text =
        fixture_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(text, path));
    end_idle(h, clock);
}

/* Whoever else uses the model keeps it. */
static void test_other_elements_keep_the_model(void)
{
    g_autofree char *path = fixture_copy("square");
    GstHarness *other = fixture_harness(fixture_element(path));
    GstTestClock *clock;
    GstHarness *h = idle_harness(path, &clock, GST_SECOND);

    fixture_set_caps(other);
    advance(clock, GST_SECOND);
    wait_unloaded(h->element);
    g_autoptr(GstBuffer) a = fixture_pass(other, fixture_frame(0));
    g_autoptr(GstBuffer) b = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(a, b);
    end_idle(h, clock);
    fixture_teardown(other);
    fixture_remove(path);
}

static void test_timeout_set_while_playing(void)
{
    g_autofree char *path = fixture_case("square");
    GstTestClock *clock;
    GstHarness *h = idle_harness(path, &clock, 0);

    advance(clock, 100 * GST_SECOND);
    g_assert_cmpuint(gst_test_clock_peek_id_count(clock), ==, 0);
    gst_buffer_unref(fixture_pass(h, fixture_frame(0)));
    g_object_set(h->element, "idle-unload", G_MAXUINT64, NULL);
    g_assert_cmpuint(gst_test_clock_peek_id_count(clock), ==, 0); /* never comes */
    g_object_set(h->element, "idle-unload", 5 * GST_SECOND, NULL);
    gst_buffer_unref(fixture_pass(h, fixture_frame(1)));
    g_object_set(h->element, "idle-unload", 2 * GST_SECOND, NULL);
    advance(clock, 102 * GST_SECOND);
    wait_unloaded(h->element);
    gst_buffer_unref(fixture_pass(h, fixture_frame(2)));
    end_idle(h, clock);
}

/* A model that is set while the weights are away is loaded at once. */
static void test_model_set_while_unloaded(void)
{
    g_autofree char *square = fixture_case("square");
    g_autofree char *aspect = fixture_case("aspect");
    g_autoptr(GstBuffer) expected = expected_of(aspect, 0);
    GstTestClock *clock;
    GstHarness *h = idle_harness(square, &clock, GST_SECOND);
    Updates updates;

    watch_updates(h, &updates);
    advance(clock, GST_SECOND);
    wait_unloaded(h->element);
    g_object_set(h->element, "model", aspect, NULL);
    wait_updates(&updates, 1);
    g_assert_cmpuint(fixture_stat(h->element, "model-bytes"), >, 0);
    g_autoptr(GstBuffer) out = fixture_pass(h, fixture_frame(0));
    fixture_assert_equal(out, expected);
    end_idle(h, clock);
    clear_updates(&updates);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);

    g_test_add_func("/swap/another-model-takes-over", test_another_model_takes_over);
    g_test_add_func("/swap/bad-model-is-refused", test_bad_model_is_refused);
    g_test_add_func("/swap/model-that-cannot-meet-the-settings",
                    test_model_that_cannot_meet_the_settings);
    g_test_add_func("/swap/swap-waits-for-the-frame-in-work",
                    test_swap_waits_for_the_frame_in_work);
    g_test_add_func("/swap/stop-during-a-load", test_stop_during_a_load);
    g_test_add_func("/swap/handler-lets-go-of-the-element", test_handler_lets_go_of_the_element);
    g_test_add_func("/idle/weights-are-given-back-and-loaded-again",
                    test_weights_are_given_back_and_loaded_again);
    g_test_add_func("/idle/other-elements-keep-the-model", test_other_elements_keep_the_model);
    g_test_add_func("/idle/timeout-set-while-playing", test_timeout_set_while_playing);
    g_test_add_func("/idle/model-set-while-unloaded", test_model_set_while_unloaded);
    int status = g_test_run();
    gst_deinit();
    return status;
}
