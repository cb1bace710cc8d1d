/* SPDX-License-Identifier: Apache-2.0
 *
 * The metas in another process: unixfdsink here, unixfdsrc in a child, which is this program again
 * (--receive, --write).
 */
#include "producer.h"

#include <gst/allocators/gstfdmemory.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gemma4/gstgemma4scoremeta.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAMES 12

/* ------------------------------------------------------------------------------------------
 * What is sent, known on both sides
 */
static GstGemma4Score *score_of(guint64 frame, guint i)
{
    GstGemma4ScoreParams p = {
        .label = i == 0 ? "h\xc3\xbcndchen" : "an empty street",
        .score = -0.123456789 * (frame + 1) / (i + 1),
        .match = i == 0,
        .frame = frame,
        .pts = frame * 40 * GST_MSECOND,
        .x = 0.125,
        .y = 0.1,
        .w = 1.0 / 3.0,
        .h = 0.5,
        .region_id = i == 0 ? "roi 7" : NULL,
        .track = i == 0 ? 12345678901 : -1,
    };

    return gst_gemma4_score_new(&p);
}

/* The last frame has soft tokens, too; no more of them than unixfdsrc (as of 1.26) reads in one
 * piece. */
static GPtrArray *embeddings_of(guint64 frame)
{
    GPtrArray *entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);

    g_ptr_array_add(entries, producer_full_embedding(1, 16, frame));
    g_ptr_array_add(entries, producer_embedding("gemma4-pooled", 1, 5, frame));
    if (frame == FRAMES)
        g_ptr_array_add(entries, producer_embedding("gemma4-tokens", 16, 256, frame));
    return entries;
}

/* Memory of a descriptor, which is all that unixfdsink sends. */
static GstBuffer *fd_buffer(gsize size, guint64 frame)
{
    g_autoptr(GstAllocator) allocator = gst_fd_allocator_new();
    GstBuffer *buffer = gst_buffer_new();
    int fd = memfd_create("frame", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    gst_buffer_append_memory(buffer,
                             gst_fd_allocator_alloc(allocator, fd, size, GST_FD_MEMORY_FLAG_NONE));
    GST_BUFFER_PTS(buffer) = frame * 40 * GST_MSECOND;
    return buffer;
}

static GstBuffer *buffer_of(guint64 frame)
{
    GstBuffer *buffer = fd_buffer(16, frame);
    g_autoptr(GPtrArray) entries = embeddings_of(frame);

    for (guint i = 0; i < entries->len; i++)
        gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                         gst_gemma4_embedding_ref(entries->pdata[i]));
    for (guint i = 0; i < 2; i++)
        gst_gemma4_score_meta_append(gst_buffer_add_gemma4_score_meta(buffer), score_of(frame, i));
    return buffer;
}

static void check_score(const GstGemma4Score *a, guint64 frame, guint i)
{
    g_autoptr(GstGemma4Score) b = score_of(frame, i);
    gdouble ra[4], rb[4];

    gst_gemma4_score_get_region(a, &ra[0], &ra[1], &ra[2], &ra[3]);
    gst_gemma4_score_get_region(b, &rb[0], &rb[1], &rb[2], &rb[3]);
    g_assert_cmpmem(ra, sizeof ra, rb, sizeof rb);
    g_assert_cmpstr(gst_gemma4_score_get_label(a), ==, gst_gemma4_score_get_label(b));
    g_assert_true(gst_gemma4_score_get_score(a) == gst_gemma4_score_get_score(b));
    g_assert_true(gst_gemma4_score_is_match(a) == gst_gemma4_score_is_match(b));
    g_assert_cmpuint(gst_gemma4_score_get_frame(a), ==, gst_gemma4_score_get_frame(b));
    g_assert_cmpuint(gst_gemma4_score_get_pts(a), ==, gst_gemma4_score_get_pts(b));
    g_assert_cmpstr(gst_gemma4_score_get_region_id(a), ==, gst_gemma4_score_get_region_id(b));
    g_assert_cmpint(gst_gemma4_score_get_track(a), ==, gst_gemma4_score_get_track(b));
}

/* Returns the frame that the buffer says it is; all else must be as it was sent. */
static guint64 check_buffer(GstBuffer *buffer)
{
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    const GstGemma4ScoreMeta *scores = gst_buffer_get_gemma4_score_meta(buffer);

    g_assert_true(meta != NULL && scores != NULL);
    guint64 frame = gst_gemma4_embedding_get_frame(gst_gemma4_embedding_meta_get_entry(meta, 0));
    g_autoptr(GPtrArray) expected = embeddings_of(frame);
    g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(meta), ==, expected->len);
    for (guint i = 0; i < expected->len; i++)
        g_assert_true(producer_equal(gst_gemma4_embedding_meta_get_entry(meta, i),
                                     expected->pdata[i]));
    g_assert_cmpuint(gst_gemma4_score_meta_get_n_entries(scores), ==, 2);
    for (guint i = 0; i < 2; i++)
        check_score(gst_gemma4_score_meta_get_entry(scores, i), frame, i);
    return frame;
}

/* ------------------------------------------------------------------------------------------
 * The other process
 */
static GstElement *parse(const gchar *line)
{
    g_autoptr(GError) error = NULL;
    GstElement *pipeline = gst_parse_launch(line, &error);

    g_assert_no_error(error);
    return pipeline;
}

static void await_end(GstElement *pipeline)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

    g_assert_cmpstr(GST_MESSAGE_TYPE_NAME(message), ==, "eos");
}

/* Checks each buffer; `ready` is made when the first is here. */
static int receive(const gchar *socket, const gchar *ready)
{
    g_autofree gchar *line = g_strdup_printf(
        "unixfdsrc socket-path=\"%s\" ! appsink name=sink sync=false", socket);
    g_autoptr(GstElement) pipeline = parse(line);
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    guint64 next = 1;

    /* What receives a meta must know it. */
    gst_gemma4_embedding_meta_get_info();
    gst_gemma4_score_meta_get_info();
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (;;) {
        g_autoptr(GstSample) sample = gst_app_sink_pull_sample(GST_APP_SINK(sink));
        if (sample == NULL)
            break;
        guint64 frame = check_buffer(gst_sample_get_buffer(sample));
        g_assert_true(g_file_set_contents(ready, "", 0, NULL));
        if (frame == 0) /* again and again, until this process says that it is there */
            continue;
        g_assert_cmpuint(frame, ==, next);
        next++;
    }
    await_end(pipeline);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    g_assert_cmpuint(next, ==, FRAMES + 1);
    return 0;
}

/* embeddingsink, in a process that knows the plugin alone. */
static int write_records(const gchar *socket, const gchar *location)
{
    g_autofree gchar *line =
        g_strdup_printf("unixfdsrc socket-path=\"%s\" ! embeddingsink stream=here location=\"%s\"",
                        socket, location);
    g_autoptr(GstElement) pipeline = parse(line);

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    await_end(pipeline); /* and no warning of embeddings that were missed */
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return 0;
}

/* ------------------------------------------------------------------------------------------
 * This process
 */
static gchar *program;

typedef struct {
    gchar *folder, *socket, *file, *local;
    GstElement *pipeline, *source;
    GPid child;
} Link;

/* `line` begins behind an appsrc and ends before a unixfdsink. */
static Link link_start(const gchar *caps, const gchar *line)
{
    Link l = {.folder = g_dir_make_tmp("unixfd-XXXXXX", NULL)};

    l.socket = g_build_filename(l.folder, "socket", NULL);
    l.file = g_build_filename(l.folder, "there.jsonl", NULL);
    l.local = g_build_filename(l.folder, "here.jsonl", NULL);
    GString *text = g_string_new(NULL);
    g_string_printf(text,
                    "appsrc name=source format=time caps=\"%s\" max-buffers=1 block=true ! %s ! "
                    "unixfdsink socket-path=\"%s\" sync=false async=false",
                    caps, line, l.socket);
    g_string_replace(text, "LOCAL", l.local, 0);
    l.pipeline = parse(text->str);
    g_string_free(text, TRUE);
    l.source = gst_bin_get_by_name(GST_BIN(l.pipeline), "source");
    g_assert_cmpint(gst_element_set_state(l.pipeline, GST_STATE_PLAYING), !=,
                    GST_STATE_CHANGE_FAILURE);
    while (!g_file_test(l.socket, G_FILE_TEST_EXISTS))
        g_usleep(1000);
    return l;
}

static void link_spawn(Link *l, const gchar *mode)
{
    gchar *argv[] = {program, (gchar *)mode, l->socket, l->file, NULL};
    g_autoptr(GError) error = NULL;

    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &l->child, &error);
    g_assert_no_error(error);
}

static gboolean has_ended(GPid child, int *status)
{
    return waitpid(child, status, WNOHANG) == child;
}

static void link_push(Link *l, GstBuffer *buffer)
{
    g_assert_cmpint(gst_app_src_push_buffer(GST_APP_SRC(l->source), buffer), ==, GST_FLOW_OK);
}

/* Ends the stream, and waits for the child, which must have found everything in order. */
static void link_finish(Link *l)
{
    int status;

    g_assert_cmpint(gst_app_src_end_of_stream(GST_APP_SRC(l->source)), ==, GST_FLOW_OK);
    await_end(l->pipeline);
    g_assert_cmpint(waitpid(l->child, &status, 0), ==, l->child);
    g_assert_true(g_spawn_check_wait_status(status, NULL));
}

static void link_stop(Link *l)
{
    gst_element_set_state(l->pipeline, GST_STATE_NULL);
    gst_object_unref(l->source);
    gst_object_unref(l->pipeline);
    g_unlink(l->socket);
    g_unlink(l->file);
    g_unlink(l->local);
    g_rmdir(l->folder);
    g_free(l->socket);
    g_free(l->file);
    g_free(l->local);
    g_free(l->folder);
}

static gboolean skipped(void)
{
    g_autoptr(GstElementFactory) factory = gst_element_factory_find("unixfdsink");

    if (factory == NULL)
        g_test_skip("no unixfdsink, which came with GStreamer 1.24");
    return factory == NULL;
}

static void metas_arrive_in_another_process(void)
{
    int status;

    if (skipped())
        return;
    Link l = link_start("application/x-whatever", "queue");
    link_spawn(&l, "--receive");
    while (!g_file_test(l.file, G_FILE_TEST_EXISTS)) {
        link_push(&l, buffer_of(0));
        g_usleep(5000);
        g_assert_false(has_ended(l.child, &status));
    }
    for (guint frame = 1; frame <= FRAMES; frame++)
        link_push(&l, buffer_of(frame));
    link_finish(&l);
    link_stop(&l);
}

static GstBuffer *picture(guint frame)
{
    GstBuffer *buffer = fd_buffer(64 * 48 * 3, frame);
    g_autoptr(GstCaps) unix_time = gst_caps_new_empty_simple("timestamp/x-unix");

    gst_buffer_memset(buffer, 0, frame * 7, 64 * 48 * 3);
    gst_buffer_add_reference_timestamp_meta(buffer, unix_time, 1000 * GST_SECOND + frame,
                                            GST_CLOCK_TIME_NONE);
    return buffer;
}

/* What the child writes is, from some record to the end, what a sink in this process writes: byte
 * for byte. */
static void records_are_those_of_this_process(void)
{
    g_autofree gchar *model = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "square", NULL);
    g_autofree gchar *line =
        g_strdup_printf("gemma4embed model=\"%s\" ! tee name=t t. ! queue ! "
                        "embeddingsink stream=here async=false location=LOCAL t. ! queue",
                        model);
    g_autofree gchar *here = NULL, *there = NULL;
    guint frame = 0;
    int status;

    if (skipped())
        return;
    Link l = link_start("video/x-raw,format=RGB,width=64,height=48,framerate=25/1", line);
    link_spawn(&l, "--write");
    while (!g_file_test(l.file, G_FILE_TEST_EXISTS)) {
        link_push(&l, picture(frame++));
        g_usleep(5000);
        g_assert_false(has_ended(l.child, &status));
    }
    for (guint i = 0; i < FRAMES; i++)
        link_push(&l, picture(frame++));
    link_finish(&l);

    g_assert_true(g_file_get_contents(l.local, &here, NULL, NULL));
    g_assert_true(g_file_get_contents(l.file, &there, NULL, NULL));
    g_auto(GStrv) here_lines = g_strsplit(here, "\n", -1);
    g_auto(GStrv) there_lines = g_strsplit(there, "\n", -1);
    g_assert_cmpuint(g_strv_length(here_lines), ==, frame + 1);
    g_assert_cmpuint(g_strv_length(there_lines), >=, FRAMES + 1);
    g_assert_true(g_str_has_suffix(here, there));
    g_assert_nonnull(strstr(there_lines[0], "\"utc\":10000000"));
    link_stop(&l);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    program = argv[0];
    if (argc == 4 && g_str_equal(argv[1], "--receive"))
        return receive(argv[2], argv[3]);
    if (argc == 4 && g_str_equal(argv[1], "--write"))
        return write_records(argv[2], argv[3]);

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/unixfd/metas-arrive-in-another-process", metas_arrive_in_another_process);
    g_test_add_func("/unixfd/records-are-those-of-this-process",
                    records_are_those_of_this_process);
    return g_test_run();
}
