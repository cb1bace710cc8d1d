/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingsink format=sqlite: the tables, and what is in them after a kill, beside another
 * writer, with another model and with limits.
 */
#include "producer.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static gchar *make_folder(void)
{
    const gchar *base = g_getenv("G4_TEST_TMP");
    gchar *folder =
        g_build_filename(base != NULL ? base : g_get_tmp_dir(), "embeddingsink-XXXXXX", NULL);

    g_assert_nonnull(g_mkdtemp(folder));
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
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_free(folder);
}

/* `first`, then names and values of properties. */
static GstHarness *start(const gchar *location, const gchar *first, ...)
{
    GstElement *sink = producer_element("embeddingsink");
    va_list more;

    va_start(more, first);
    g_object_set(sink, "location", location, "stream", "door", NULL);
    if (first != NULL)
        g_object_set_valist(G_OBJECT(sink), first, more);
    va_end(more);
    GstHarness *h = gst_harness_new_with_element(sink, "sink", NULL);
    gst_object_unref(sink);
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=4,height=1,framerate=25/1");
    return h;
}

static void push(GstHarness *h, guint64 frame)
{
    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 16, frame)), ==,
                    GST_FLOW_OK);
}

static void finish(GstHarness *h)
{
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    gst_harness_teardown(h);
}

/* The first column of the first row as text; NULL without a row or with NULL in it. */
static gchar *ask(const gchar *path, const gchar *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    gchar *answer = NULL;

    g_assert_cmpint(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), ==, SQLITE_OK);
    sqlite3_busy_timeout(db, 20000);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        g_error("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW)
        answer = g_strdup((const gchar *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return answer;
}

static void expect(const gchar *path, const gchar *sql, const gchar *expected)
{
    g_autofree gchar *answer = ask(path, sql);

    if (g_strcmp0(answer, expected) != 0)
        g_error("%s: %s, expected %s", sql, answer, expected);
}

/* Every row has the vector of its frame. Returns how many there are. */
static guint count_whole(const gchar *path)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    guint n = 0;

    g_assert_cmpint(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), ==, SQLITE_OK);
    sqlite3_busy_timeout(db, 20000);
    g_assert_cmpint(sqlite3_prepare_v2(db, "SELECT frame, pts, vector FROM embedding", -1,
                                       &statement, NULL),
                    ==, SQLITE_OK);
    for (; sqlite3_step(statement) == SQLITE_ROW; n++) {
        guint64 frame = sqlite3_column_int64(statement, 0);
        g_assert_cmpint(sqlite3_column_int64(statement, 1), ==, frame * 40000000);
        g_assert_cmpint(sqlite3_column_bytes(statement, 2), ==, 16 * 4);
        const guint8 *blob = sqlite3_column_blob(statement, 2);
        for (guint i = 0; i < 16; i++)
            g_assert_true(GST_READ_FLOAT_LE(blob + i * 4) == producer_value(frame, i));
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return n;
}

static void rows_say_what_the_embedding_says(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, NULL);
    GstBuffer *buffer = producer_buffer(7);
    GstGemma4Embedding *full = producer_full_embedding(1, 16, 7);

    push(h, 3);
    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                     gst_gemma4_embedding_ref(full));
    /* It is joint, not pooled: the row before it stays. */
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    g_assert_false(gst_harness_push_event(h, gst_event_new_eos()));
    producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                          "replace=true");
    gst_harness_teardown(h);
    expect(path, "PRAGMA application_id", "1194607682");
    expect(path, "PRAGMA user_version", "1");
    expect(path, "PRAGMA journal_mode", "wal");
    expect(path, "SELECT name || ' ' || kind || ' ' || rows || ' ' || cols FROM model",
           "tiny pooled 1 16");
    expect(path, "SELECT group_concat(name) FROM stream", "door");
    expect(path,
           "SELECT stream.name || ' ' || frame || ' ' || pts || ' ' || region || ' ' || track "
           "FROM embedding JOIN stream ON stream = stream.id",
           "door 3 120000000  -1");
    g_assert_cmpuint(count_whole(path), ==, 1);

    g_autofree gchar *other = g_build_filename(folder, "full.sqlite", NULL);
    h = start(other, NULL);
    buffer = producer_buffer(7);
    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer), full);
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    g_autofree gchar *utc = g_strdup_printf("%" G_GUINT64_FORMAT,
                                            gst_gemma4_embedding_get_utc(full));
    g_autofree gchar *track = g_strdup_printf("%" G_GINT64_FORMAT,
                                              gst_gemma4_embedding_get_track(full));
    gdouble x, y, w, h4;
    gst_gemma4_embedding_get_region(full, &x, &y, &w, &h4);
    g_autofree gchar *label = g_strdup(gst_gemma4_embedding_get_label(full));
    finish(h);
    expect(other, "SELECT utc FROM embedding", utc);
    expect(other, "SELECT track FROM embedding", track);
    expect(other, "SELECT label FROM embedding", label);
    g_autofree gchar *left = ask(other, "SELECT json_extract(region, '$[0]') FROM embedding");
    g_autofree gchar *height = ask(other, "SELECT json_extract(region, '$[3]') FROM embedding");
    g_assert_true(g_ascii_strtod(left, NULL) == x);
    g_assert_true(g_ascii_strtod(height, NULL) == h4);
    remove_folder(folder);
}

/* Until the file is there with so many rows; returns how many. */
static guint wait_for_rows(const gchar *path, guint n)
{
    for (guint seen = 0;; g_usleep(5000)) {
        g_autofree gchar *tables =
            g_file_test(path, G_FILE_TEST_EXISTS)
                ? ask(path, "SELECT count(*) FROM sqlite_master WHERE name = 'embedding'")
                : NULL;
        if (g_strcmp0(tables, "1") == 0)
            seen = count_whole(path);
        if (seen >= n)
            return seen;
    }
}

static void an_entry_again_takes_its_place(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);

    for (guint round = 0; round < 3; round++) {
        GstHarness *h = start(path, NULL);
        for (guint i = 0; i <= 4 + round; i++)
            push(h, i);
        finish(h);
        g_assert_cmpuint(count_whole(path), ==, 5 + round);
    }
    expect(path, "SELECT count(*) FROM stream", "1");
    expect(path, "SELECT count(*) FROM model", "1");
    remove_folder(folder);
}

static void stream_without_embeddings_leaves_empty_tables(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, NULL);

    finish(h);
    expect(path, "SELECT count(*) FROM embedding", "0");
    remove_folder(folder);
}

static GstGemma4Embedding *embedding_of(const gchar *digest, const gchar *id, guint cols,
                                        guint64 frame)
{
    gfloat values[64] = {(gfloat)frame, 1};

    return gst_gemma4_embedding_new(
        &(GstGemma4EmbeddingParams){.id = id,
                                    .rows = 1,
                                    .cols = cols,
                                    .frame = frame,
                                    .pts = frame * GST_SECOND,
                                    .running_time = GST_CLOCK_TIME_NONE,
                                    .utc = GST_CLOCK_TIME_NONE,
                                    .w = 1,
                                    .h = 1,
                                    .track = -1,
                                    .model_name = "named",
                                    .model_digest = digest},
        gst_buffer_new_memdup(values, cols * sizeof *values));
}

static GstFlowReturn push_embedding(GstHarness *h, GstGemma4Embedding *embedding)
{
    GstBuffer *buffer = producer_buffer(0);

    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer), embedding);
    return gst_harness_push(h, buffer);
}

/* Whatever differs: digest, kind or width. */
static void another_model_is_refused(void)
{
    static const struct {
        const gchar *digest, *id;
        guint cols;
    } others[] = {{"fedc", "gemma4-pooled", 16}, {"abcd", "gemma4-joint", 16},
                  {"abcd", "gemma4-pooled", 32}};
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, NULL);

    push_embedding(h, embedding_of("abcd", "gemma4-pooled", 16, 1));
    finish(h);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        h = start(path, NULL);
        push_embedding(h, embedding_of(others[i].digest, others[i].id, others[i].cols, 2));
        g_assert_false(gst_harness_push_event(h, gst_event_new_eos()));
        producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                              "replace=true");
        gst_harness_teardown(h);
        expect(path, "SELECT count(*) || group_concat(digest) FROM model", "1abcd");
        expect(path, "SELECT count(*) FROM embedding", "1");
    }
    /* The same one goes on. */
    h = start(path, NULL);
    push_embedding(h, embedding_of("abcd", "gemma4-pooled", 16, 2));
    finish(h);
    expect(path, "SELECT count(*) FROM embedding", "2");
    remove_folder(folder);
}

static void another_model_gives_way_to_replace(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, NULL);

    push_embedding(h, embedding_of("abcd", "gemma4-pooled", 16, 1));
    finish(h);
    /* Nothing arrives, nothing goes. */
    h = start(path, "replace", TRUE, NULL);
    finish(h);
    expect(path, "SELECT digest FROM model", "abcd");
    h = start(path, "replace", TRUE, NULL);
    push_embedding(h, embedding_of("fedc", "gemma4-joint", 32, 5));
    finish(h);
    expect(path, "SELECT count(*) || digest || kind || cols FROM model", "1fedcjoint32");
    expect(path, "SELECT count(*) || ' ' || pts FROM embedding", "1 5000000000");
    remove_folder(folder);
}

static void max_rows_keeps_the_newest(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, "max-rows", (guint64)10, NULL);

    for (guint i = 0; i < 35; i++)
        push(h, i);
    finish(h);
    g_assert_cmpuint(count_whole(path), ==, 10);
    expect(path, "SELECT min(frame) || '-' || max(frame) FROM embedding", "25-34");
    remove_folder(folder);
}

static void max_age_keeps_the_newest_of_each_stream(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, "stream", "other", NULL);

    push(h, 0); /* old, but of another stream */
    finish(h);
    h = start(path, "max-age", (guint64)10 * 40 * GST_MSECOND, NULL);
    for (guint i = 0; i < 35; i++)
        push(h, i);
    finish(h);
    expect(path,
           "SELECT min(frame) || '-' || max(frame) FROM embedding JOIN stream "
           "ON stream = stream.id WHERE name = 'door'",
           "24-34");
    g_assert_cmpuint(count_whole(path), ==, 12);
    remove_folder(folder);
}

/* A stream that goes silent has all of its rows in the file without an end. */
static void silence_commits_what_there_is(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, NULL);

    for (guint i = 0; i < 20; i++)
        push(h, i);
    wait_for_rows(path, 20);
    gst_harness_teardown(h);
    g_assert_cmpuint(count_whole(path), ==, 20);
    remove_folder(folder);
}

/* Twice it is killed as soon as the file has some more rows; then it goes on to the end. What was
 * seen in the file stays there. */
static void killed_it_keeps_what_was_committed_and_goes_on(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    guint seen = 0;

    for (guint round = 0; round < 2; round++) {
        pid_t child = fork();
        if (child == 0) {
            GstHarness *h = start(path, NULL);
            for (guint i = seen;; i++) {
                push(h, i);
                g_usleep(500);
            }
        }
        seen = wait_for_rows(path, seen + 50);
        kill(child, SIGKILL);
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
        guint after = count_whole(path);
        g_assert_cmpuint(after, >=, seen);
        seen = after;
        g_autofree gchar *all = g_strdup_printf("0-%u", seen - 1);
        expect(path, "SELECT min(frame) || '-' || max(frame) FROM embedding", all);
        expect(path, "PRAGMA integrity_check", "ok");
    }
    GstHarness *h = start(path, NULL);
    for (guint i = seen; i < seen + 10; i++)
        push(h, i);
    finish(h);
    g_assert_cmpuint(count_whole(path), ==, seen + 10);
    remove_folder(folder);
}

static gpointer write_one_stream(gpointer data)
{
    gchar **arguments = data; /* location, stream */
    GstHarness *h = start(arguments[0], "stream", arguments[1], NULL);

    for (guint i = 0; i < 200; i++)
        push(h, i);
    finish(h);
    return NULL;
}

static void several_writers_share_a_new_file(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GThread *threads[4];
    gchar *arguments[4][2] = {{path, "a"}, {path, "b"}, {path, "c"}, {path, "d"}};

    for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new(NULL, write_one_stream, arguments[i]);
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    g_assert_cmpuint(count_whole(path), ==, 800);
    expect(path, "SELECT count(*) FROM stream", "4");
    remove_folder(folder);
}

/* POSIX takes a process's locks on a file when any descriptor of it is closed: a second sink that
 * looks at the file must not let other processes believe that nobody is there. Such a one would
 * then remove the log under the writer's hands. */
static void a_start_leaves_the_locks_of_another_sink(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *writer = start(path, "stream", "a", NULL);

    push(writer, 0);
    wait_for_rows(path, 1);
    gst_harness_teardown(start(path, "stream", "b", NULL));
    pid_t child = fork();
    if (child == 0) { /* as the last one that leaves it would check the log in and remove it */
        sqlite3 *db;
        int code = sqlite3_open(path, &db);
        code = code != SQLITE_OK ? code : sqlite3_exec(db, "SELECT * FROM model", NULL, NULL, NULL);
        sqlite3_close(db);
        _exit(code == SQLITE_OK ? 0 : 1);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    g_autofree gchar *log = g_strconcat(path, "-wal", NULL);
    g_assert_true(g_file_test(log, G_FILE_TEST_EXISTS));
    for (guint i = 1; i < 5; i++)
        push(writer, i);
    finish(writer);
    g_assert_cmpuint(count_whole(path), ==, 5);
    remove_folder(folder);
}

static void expect_start_or_eos_fails(const gchar *path, gint code, const gchar *part)
{
    GstElement *sink = producer_element("embeddingsink");

    g_object_set(sink, "location", path, NULL);
    if (gst_element_set_state(sink, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE) {
        gst_element_set_state(sink, GST_STATE_NULL);
        GstHarness *h = gst_harness_new_with_element(sink, "sink", NULL);
        gst_harness_set_src_caps_str(h, "video/x-raw");
        g_assert_false(gst_harness_push_event(h, gst_event_new_eos()));
        producer_expect_error(sink, GST_RESOURCE_ERROR, code, part);
        gst_harness_teardown(h);
    } else {
        producer_expect_error(sink, GST_RESOURCE_ERROR, code, part);
        gst_element_set_state(sink, GST_STATE_NULL);
    }
    gst_object_unref(sink);
}

/* A file of something else is not added to. */
static void foreign_files_are_refused(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *text = g_build_filename(folder, "text.db", NULL);
    g_autofree gchar *other = g_build_filename(folder, "other.db", NULL);
    g_autofree gchar *newer = g_build_filename(folder, "newer.db", NULL);
    g_autofree gchar *broken = g_build_filename(folder, "broken.db", NULL);
    g_autofree gchar *missing = g_build_filename(folder, "no", "out.db", NULL);
    g_autofree gchar *content = NULL;
    gsize size;
    sqlite3 *db;

    g_assert_true(g_file_set_contents(text, "hello\n", -1, NULL));
    g_assert_cmpint(sqlite3_open(other, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, "CREATE TABLE a(b)", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
    finish(start(newer, NULL));
    g_assert_cmpint(sqlite3_open(newer, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
    g_assert_true(g_file_get_contents(other, &content, &size, NULL));
    memset(content + 100, 0xa5, size - 100);
    g_assert_true(g_file_set_contents(broken, content, size, NULL));

    expect_start_or_eos_fails(text, GST_RESOURCE_ERROR_SETTINGS, text);
    expect_start_or_eos_fails(other, GST_RESOURCE_ERROR_SETTINGS, "application_id");
    expect_start_or_eos_fails(newer, GST_RESOURCE_ERROR_SETTINGS, "version 2");
    expect_start_or_eos_fails(broken, GST_RESOURCE_ERROR_SETTINGS, broken);
    expect_start_or_eos_fails(missing, GST_RESOURCE_ERROR_NOT_FOUND, "/no");
    g_free(g_steal_pointer(&content));
    g_assert_true(g_file_get_contents(text, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "hello\n");
    remove_folder(folder);
}

static void no_time_is_an_error(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    GstHarness *h = start(path, NULL);
    gfloat value = 1;
    GstGemma4EmbeddingParams params = GST_GEMMA4_EMBEDDING_PARAMS_INIT;

    params.id = "gemma4-pooled";
    params.rows = params.cols = 1;
    GstGemma4Embedding *embedding =
        gst_gemma4_embedding_new(&params, gst_buffer_new_memdup(&value, sizeof value));
    g_assert_cmpint(push_embedding(h, embedding), ==, GST_FLOW_ERROR);
    producer_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "no time");
    gst_harness_teardown(h);
    remove_folder(folder);
}

/* In a child, since the limit holds for the whole process. */
static void full_disk_is_one_error_and_the_file_stays_valid(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.db", NULL);
    pid_t child = fork();

    if (child == 0) {
        struct rlimit limit = {256 * 1024, 256 * 1024};
        GstFlowReturn flow = GST_FLOW_OK;

        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        GstHarness *h = start(path, NULL);
        for (guint i = 0; flow == GST_FLOW_OK; i++) {
            flow = gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 16, i));
            g_usleep(50);
        }
        producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE, path);
        gst_harness_teardown(h);
        _exit(0);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    expect(path, "PRAGMA integrity_check", "ok");
    count_whole(path);
    remove_folder(folder);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sqlite/rows-say-what-the-embedding-says", rows_say_what_the_embedding_says);
    g_test_add_func("/sqlite/an-entry-again-takes-its-place", an_entry_again_takes_its_place);
    g_test_add_func("/sqlite/stream-without-embeddings-leaves-empty-tables",
                    stream_without_embeddings_leaves_empty_tables);
    g_test_add_func("/sqlite/another-model-is-refused", another_model_is_refused);
    g_test_add_func("/sqlite/another-model-gives-way-to-replace",
                    another_model_gives_way_to_replace);
    g_test_add_func("/sqlite/max-rows-keeps-the-newest", max_rows_keeps_the_newest);
    g_test_add_func("/sqlite/max-age-keeps-the-newest-of-each-stream",
                    max_age_keeps_the_newest_of_each_stream);
    g_test_add_func("/sqlite/silence-commits-what-there-is", silence_commits_what_there_is);
    g_test_add_func("/sqlite/killed-it-keeps-what-was-committed-and-goes-on",
                    killed_it_keeps_what_was_committed_and_goes_on);
    g_test_add_func("/sqlite/several-writers-share-a-new-file", several_writers_share_a_new_file);
    g_test_add_func("/sqlite/a-start-leaves-the-locks-of-another-sink",
                    a_start_leaves_the_locks_of_another_sink);
    g_test_add_func("/sqlite/foreign-files-are-refused", foreign_files_are_refused);
    g_test_add_func("/sqlite/no-time-is-an-error", no_time_is_an_error);
    g_test_add_func("/sqlite/full-disk-is-one-error-and-the-file-stays-valid",
                    full_disk_is_one_error_and_the_file_stays_valid);
    return g_test_run();
}
