/* SPDX-License-Identifier: Apache-2.0
 *
 * Reference timestamps (a camera's NTP or Unix time) in every record, on its own frame's embedding,
 * whichever buffer that rides on, as files and databases have it.
 */
#include <glib/gstdio.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <jansson.h>
#include <sqlite3.h>
#include <string.h>

#define FRAMES 40 /* at least */
#define RECORDS 8 /* at least */
#define EPOCH G_GUINT64_CONSTANT(1790000000123456789) /* ns since 1970 of frame 0 */
#define NTP_OFFSET (G_GUINT64_CONSTANT(2208988800) * GST_SECOND) /* 1900 to 1970 */

typedef enum {
    KIND_NONE, /* none that tells the time */
    KIND_UNIX,
    KIND_NTP,
    KIND_BOTH, /* Unix time is taken */
    N_KINDS,
} Kind;

static Kind kind_of(guint64 frame)
{
    return frame % N_KINDS;
}

static guint64 utc_of(guint64 frame)
{
    return EPOCH + frame * 40 * GST_MSECOND + frame;
}

static void add_reference(GstBuffer *buffer, const gchar *name, guint64 time)
{
    g_autoptr(GstCaps) caps = gst_caps_new_empty_simple(name);

    gst_buffer_add_reference_timestamp_meta(buffer, caps, time, GST_CLOCK_TIME_NONE);
}

/* As rtspsrc add-reference-timestamp-meta=true adds them, among others. */
static GstBuffer *frame_of(guint64 frame)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64 * 48 * 3, NULL);

    gst_buffer_memset(buffer, 0, frame * 5, 64 * 48 * 3);
    GST_BUFFER_PTS(buffer) = frame * 40 * GST_MSECOND;
    add_reference(buffer, "timestamp/x-drift", 5);
    if (kind_of(frame) == KIND_NTP)
        add_reference(buffer, "timestamp/x-ntp", utc_of(frame) + NTP_OFFSET);
    if (kind_of(frame) == KIND_BOTH)
        add_reference(buffer, "timestamp/x-ntp", 77);
    if (kind_of(frame) == KIND_UNIX || kind_of(frame) == KIND_BOTH)
        add_reference(buffer, "timestamp/x-unix", utc_of(frame));
    return buffer;
}

static guint check_lines(const gchar *path)
{
    g_autofree gchar *text = NULL;
    guint n = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (; lines[n] != NULL && *lines[n] != '\0'; n++) {
        json_t *line = json_loads(lines[n], 0, NULL);
        guint64 frame = json_integer_value(json_object_get(line, "frame"));
        json_t *utc = json_object_get(line, "utc");
        if (kind_of(frame) == KIND_NONE)
            g_assert_true(json_is_null(utc));
        else
            g_assert_cmpuint(json_integer_value(utc), ==, utc_of(frame));
        json_decref(line);
    }
    return n;
}

static guint check_rows(const gchar *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    guint n = 0;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_prepare_v2(db, "SELECT frame, utc FROM embedding", -1, &rows, NULL), ==,
                    SQLITE_OK);
    for (; sqlite3_step(rows) == SQLITE_ROW; n++) {
        guint64 frame = sqlite3_column_int64(rows, 0);
        if (kind_of(frame) == KIND_NONE)
            g_assert_cmpint(sqlite3_column_type(rows, 1), ==, SQLITE_NULL);
        else
            g_assert_cmpuint(sqlite3_column_int64(rows, 1), ==, utc_of(frame));
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return n;
}

static void every_record_has_its_own(gconstpointer properties)
{
    g_autofree gchar *model = g_build_filename(g_getenv("G4_TEST_DATA"), "cases", "square", NULL);
    g_autofree gchar *folder = g_dir_make_tmp("reference-XXXXXX", NULL);
    g_autofree gchar *lines = g_build_filename(folder, "out.jsonl", NULL);
    g_autofree gchar *rows = g_build_filename(folder, "out.db", NULL);
    g_autofree gchar *text = g_strdup_printf(
        "appsrc name=source format=time max-buffers=1 block=true "
        "caps=video/x-raw,format=RGB,width=64,height=48,framerate=25/1 ! "
        "gemma4embed model=\"%s\" %s ! videoconvert ! video/x-raw,format=NV12 ! tee name=t "
        "t. ! queue ! embeddingsink name=lines async=false location=\"%s\" "
        "t. ! queue ! embeddingsink async=false location=\"%s\"",
        model, (const gchar *)properties, lines, rows);
    g_autoptr(GError) error = NULL;
    g_autoptr(GstElement) pipeline = gst_parse_launch(text, &error);

    g_assert_no_error(error);
    g_autoptr(GstElement) source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "lines");
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    guint n_frames = 0;
    for (guint64 written = 0; n_frames < FRAMES || written < RECORDS; n_frames++) {
        GstBuffer *frame = frame_of(n_frames);
        g_assert_cmpint(gst_app_src_push_buffer(GST_APP_SRC(source), frame), ==, GST_FLOW_OK);
        g_object_get(sink, "written", &written, NULL);
    }
    gst_app_src_end_of_stream(GST_APP_SRC(source));
    g_autoptr(GstMessage) message =
        gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_cmpstr(GST_MESSAGE_TYPE_NAME(message), ==, "eos");
    gst_element_set_state(pipeline, GST_STATE_NULL);

    const guint n = check_lines(lines);
    g_test_message("%u records of %u frames", n, n_frames);
    g_assert_cmpuint(n, >=, RECORDS);
    if (strstr(properties, "async=true") == NULL)
        g_assert_cmpuint(n, ==, n_frames);
    g_assert_cmpuint(check_rows(rows), ==, n);
    g_unlink(lines);
    g_unlink(rows);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/reference/every-record-has-its-own/sync", "threads=1",
                         every_record_has_its_own);
    g_test_add_data_func("/reference/every-record-has-its-own/async", "threads=1 async=true",
                         every_record_has_its_own);
    return g_test_run();
}
