/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingsink: what is in the files, and what is when things go wrong.
 */
#include "producer.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder of its own for each test. */
static gchar *make_folder(void)
{
    const gchar *base = g_getenv("G4_TEST_TMP");
    gchar *folder =
        g_build_filename(base != NULL ? base : g_get_tmp_dir(), "embeddingsink-XXXXXX", NULL);

    g_assert_nonnull(g_mkdtemp(folder));
    return folder;
}

/* Removes it with all that is in it and asserts that nothing but `expected` files were left. */
static void remove_folder(gchar *folder, guint expected)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const gchar *name;
    guint n = 0;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree gchar *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
        n++;
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_assert_cmpuint(n, ==, expected);
    g_free(folder);
}

static GstHarness *start(const gchar *location)
{
    GstElement *sink = producer_element("embeddingsink");

    g_object_set(sink, "location", location, NULL);
    GstHarness *h = gst_harness_new_with_element(sink, "sink", NULL);
    gst_object_unref(sink);
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=4,height=1,framerate=25/1");
    return h;
}

static void push(GstHarness *h, GstBuffer *buffer)
{
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
}

/* EOS, then NULL. */
static void finish(GstHarness *h)
{
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    gst_harness_teardown(h);
}

/* All lines of a file; the last one must have its newline unless `cut` is allowed. */
static GPtrArray *read_lines(const gchar *path, gboolean cut)
{
    g_autofree gchar *text = NULL;
    gsize size;
    GPtrArray *lines = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);

    g_assert_true(g_file_get_contents(path, &text, &size, NULL));
    for (gchar *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        json_t *o = json_loadb(at, end - at, JSON_REJECT_DUPLICATES, NULL);
        g_assert_nonnull(o);
        g_ptr_array_add(lines, o);
    }
    if (!cut && size > 0)
        g_assert_cmpint(text[size - 1], ==, '\n');
    return lines;
}

static void expect_line(json_t *line, guint64 frame, guint cols)
{
    json_t *values = json_object_get(line, "embedding");

    g_assert_cmpint(json_integer_value(json_object_get(line, "frame")), ==, frame);
    g_assert_cmpint(json_integer_value(json_object_get(line, "pts")), ==, frame * 40000000);
    g_assert_cmpint(json_integer_value(json_object_get(line, "running_time")), ==,
                    frame * 40000000 + 1000000000);
    if (cols == 0) {
        g_assert_null(values);
        return;
    }
    g_assert_cmpuint(json_array_size(values), ==, cols);
    for (guint i = 0; i < cols; i++)
        g_assert_true((gfloat)json_real_value(json_array_get(values, i)) ==
                      producer_value(frame, i));
}

typedef struct {
    guint64 shape[3];
    guint n_dims;
    gfloat *values; /* into the file */
    gsize n_values; /* in the file, not by the header */
    gchar *file;
} Npy;

/* As numpy.load reads it: exact magic, version, header length and literal dict. */
static Npy read_npy(const gchar *path)
{
    Npy npy = {.n_dims = 0};
    gsize size;
    const gchar *const intro = "{'descr': '<f4', 'fortran_order': False, 'shape': (";

    g_assert_true(g_file_get_contents(path, &npy.file, &size, NULL));
    g_assert_cmpuint(size, >=, 128);
    g_assert_cmpmem(npy.file, 8, "\x93NUMPY\x01\x00", 8);
    g_assert_cmpuint(GST_READ_UINT16_LE(npy.file + 8), ==, 118);
    g_assert_cmpint(npy.file[127], ==, '\n');
    g_autofree gchar *header = g_strndup(npy.file + 10, 117);
    g_assert_cmpuint(strlen(header), ==, 117);
    g_assert_true(g_str_has_prefix(header, intro));
    gchar *at = header + strlen(intro);
    for (; *at != ')'; npy.n_dims++) {
        g_assert_cmpuint(npy.n_dims, <, 3);
        npy.shape[npy.n_dims] = g_ascii_strtoull(at, &at, 10);
        if (*at == ',')
            at += 2;
    }
    g_assert_true(g_str_has_prefix(at, "), }"));
    g_assert_cmpstr(g_strstrip(at), ==, "), }");
    npy.values = (gfloat *)(gpointer)(npy.file + 128);
    npy.n_values = (size - 128) / sizeof(gfloat);
    return npy;
}

static void expect_npy(const gchar *path, guint64 n, guint rows, guint cols, gboolean tokens)
{
    Npy npy = read_npy(path);
    gsize each = (gsize)rows * cols;

    g_assert_cmpuint(npy.n_dims, ==, tokens ? 3 : 2);
    g_assert_cmpuint(npy.shape[0], ==, n);
    if (tokens)
        g_assert_cmpuint(npy.shape[1], ==, rows);
    g_assert_cmpuint(npy.shape[npy.n_dims - 1], ==, cols);
    g_assert_cmpuint(npy.n_values, ==, n * each);
    for (gsize i = 0; i < npy.n_values; i++)
        g_assert_true(npy.values[i] == producer_value(i / each, i % each));
    g_free(npy.file);
}

static void jsonl_has_a_line_an_embedding(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    GstHarness *h = start(path);

    for (guint i = 0; i < 5; i++) {
        push(h, producer_embedded("gemma4-pooled", 1, 16, i * 2));
        push(h, producer_buffer(i * 2 + 1));
    }
    finish(h);
    g_autoptr(GPtrArray) lines = read_lines(path, FALSE);
    g_assert_cmpuint(lines->len, ==, 5);
    for (guint i = 0; i < 5; i++) {
        expect_line(lines->pdata[i], i * 2, 16);
        g_assert_true(json_is_string(json_object_get(lines->pdata[i], "stream")));
    }
    remove_folder(folder, 1);
}

static void jsonl_tokens_are_one_flat_array(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    GstHarness *h = start(path);

    push(h, producer_embedded("gemma4-tokens", 3, 5, 0));
    finish(h);
    g_autoptr(GPtrArray) lines = read_lines(path, FALSE);
    g_assert_cmpuint(lines->len, ==, 1);
    expect_line(lines->pdata[0], 0, 15);
    remove_folder(folder, 1);
}

static void npy_is_one_array_and_its_lines(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.npy", NULL);
    g_autofree gchar *beside = g_build_filename(folder, "out.npy.jsonl", NULL);
    GstHarness *h = start(path);

    for (guint i = 0; i < 4; i++) {
        push(h, producer_embedded("gemma4-pooled", 1, 16, i));
        expect_npy(path, i + 1, 1, 16, FALSE); /* at every moment, not only in the end */
    }
    finish(h);
    expect_npy(path, 4, 1, 16, FALSE);
    g_autoptr(GPtrArray) lines = read_lines(beside, FALSE);
    g_assert_cmpuint(lines->len, ==, 4);
    for (guint i = 0; i < 4; i++)
        expect_line(lines->pdata[i], i, 0);
    remove_folder(folder, 2);
}

static void npy_of_tokens_has_three_dimensions(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.npy", NULL);
    GstHarness *h = start(path);

    for (guint i = 0; i < 3; i++)
        push(h, producer_embedded("gemma4-tokens", 7, 4, i));
    finish(h);
    expect_npy(path, 3, 7, 4, TRUE);

    h = start(path);
    push(h, producer_embedded("gemma4-tokens", 1, 4, 0)); /* a budget of one token */
    finish(h);
    expect_npy(path, 1, 1, 4, TRUE);
    remove_folder(folder, 2);
}

static void several_entries_of_a_buffer_count_each(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.npy", NULL);
    GstHarness *h = start(path);
    GstBuffer *buffer = producer_buffer(0);

    for (guint i = 0; i < 3; i++)
        gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                         producer_embedding("gemma4-pooled", 1, 8, i));
    push(h, buffer);
    finish(h);
    expect_npy(path, 3, 1, 8, FALSE);
    remove_folder(folder, 2);
}

static void event_is_as_good_as_a_meta(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    GstHarness *h = start(path);
    g_autoptr(GstGemma4Embedding) last = producer_embedding("gemma4-pooled", 1, 8, 1);

    push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    g_assert_true(gst_harness_push_event(h, gst_event_new_gemma4_embedding(last)));
    finish(h);
    g_autoptr(GPtrArray) lines = read_lines(path, FALSE);
    g_assert_cmpuint(lines->len, ==, 2);
    expect_line(lines->pdata[1], 1, 8);
    remove_folder(folder, 1);
}

static void event_may_come_alone(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.npy", NULL);
    GstHarness *h = start(path);
    g_autoptr(GstGemma4Embedding) only = producer_embedding("gemma4-pooled", 1, 8, 0);

    g_assert_true(gst_harness_push_event(h, gst_event_new_gemma4_embedding(only)));
    finish(h);
    expect_npy(path, 1, 1, 8, FALSE);
    remove_folder(folder, 2);
}

static void stream_is_the_property_or_the_stream_id(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);

    for (guint named = 0; named < 2; named++) {
        GstElement *sink = gst_element_factory_make("embeddingsink", NULL);
        g_object_set(sink, "location", path, "stream", named ? "door" : NULL, NULL);
        GstHarness *h = gst_harness_new_with_element(sink, "sink", NULL);
        gst_object_unref(sink);
        gst_harness_set_src_caps_str(h, "application/x-whatever");
        gst_harness_push_event(h, gst_event_new_stream_start("camera-7"));
        push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
        finish(h);
        g_autoptr(GPtrArray) lines = read_lines(path, FALSE);
        g_assert_cmpstr(json_string_value(json_object_get(lines->pdata[0], "stream")), ==,
                        named ? "door" : "camera-7");
    }
    remove_folder(folder, 1);
}

static void stream_without_embeddings_leaves_valid_files(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *npy = g_build_filename(folder, "out.npy", NULL);
    g_autofree gchar *jsonl = g_build_filename(folder, "out.jsonl", NULL);

    GstHarness *h = start(npy);
    push(h, producer_buffer(0));
    finish(h);
    Npy read = read_npy(npy);
    g_assert_cmpuint(read.shape[0], ==, 0);
    g_assert_cmpuint(read.n_values, ==, 0);
    g_free(read.file);
    h = start(jsonl);
    finish(h);
    g_autoptr(GPtrArray) lines = read_lines(jsonl, FALSE);
    g_assert_cmpuint(lines->len, ==, 0);
    remove_folder(folder, 3);
}

static void existing_file_is_replaced_by_the_first_embedding(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    g_autofree gchar *text = NULL;

    g_assert_true(g_file_set_contents(path, "old\n", -1, NULL));
    GstHarness *h = start(path); /* a pipeline that fails before its first embedding */
    push(h, producer_buffer(0));
    gst_harness_teardown(h);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "old\n");

    h = start(path);
    push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    finish(h);
    g_autoptr(GPtrArray) lines = read_lines(path, FALSE);
    g_assert_cmpuint(lines->len, ==, 1);
    remove_folder(folder, 1);
}

static void link_stays_a_link(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "link.jsonl", NULL);
    g_autofree gchar *target = g_build_filename(folder, "target", NULL);

    g_assert_true(g_file_set_contents(target, "old\n", -1, NULL));
    g_assert_cmpint(symlink("target", path), ==, 0);
    GstHarness *h = start(path);
    push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    finish(h);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_SYMLINK));
    g_autoptr(GPtrArray) lines = read_lines(target, FALSE);
    g_assert_cmpuint(lines->len, ==, 1);
    remove_folder(folder, 2);
}

static void other_shape_is_an_error_and_the_file_stays_valid(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.npy", NULL);
    GstHarness *h = start(path);

    push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    push(h, producer_embedded("gemma4-pooled", 1, 8, 1));
    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 9, 2)), ==,
                    GST_FLOW_ERROR);
    /* One error, however much follows. */
    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 8, 3)), ==,
                    GST_FLOW_ERROR);
    gst_harness_push_event(h, gst_event_new_eos());
    producer_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "[9]");
    gst_harness_teardown(h);
    expect_npy(path, 2, 1, 8, FALSE);
    remove_folder(folder, 2);
}

static void tokens_among_pooled_are_another_shape(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.npy", NULL);
    GstHarness *h = start(path);

    push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-tokens", 2, 8, 1)), ==,
                    GST_FLOW_ERROR);
    producer_expect_error(h->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "[2, 8]");
    gst_harness_teardown(h);
    expect_npy(path, 1, 1, 8, FALSE);
    remove_folder(folder, 2);
}

static void expect_start_fails(const gchar *location, gint code, const gchar *part)
{
    GstElement *sink = producer_element("embeddingsink");

    g_object_set(sink, "location", location, NULL);
    g_assert_cmpint(gst_element_set_state(sink, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    producer_expect_error(sink, GST_RESOURCE_ERROR, code, part);
    gst_element_set_state(sink, GST_STATE_NULL);
    gst_object_unref(sink);
}

static void bad_locations_fail_at_start(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *missing = g_build_filename(folder, "no", "out.npy", NULL);
    g_autofree gchar *below_file = g_build_filename(folder, "file.npy", "out.npy", NULL);
    g_autofree gchar *file = g_build_filename(folder, "file.npy", NULL);
    g_autofree gchar *suffix = g_build_filename(folder, "out.csv", NULL);
    g_autofree gchar *device = g_build_filename(folder, "null.npy", NULL);
    g_autofree gchar *is_folder = g_build_filename(folder, "folder.jsonl", NULL);

    g_assert_true(g_file_set_contents(file, "x", -1, NULL));
    g_assert_cmpint(symlink("/dev/null", device), ==, 0);
    g_assert_cmpint(g_mkdir(is_folder, 0777), ==, 0);
    expect_start_fails(NULL, GST_RESOURCE_ERROR_NOT_FOUND, "location");
    expect_start_fails("", GST_RESOURCE_ERROR_NOT_FOUND, "location");
    expect_start_fails(missing, GST_RESOURCE_ERROR_NOT_FOUND, folder);
    expect_start_fails(below_file, GST_RESOURCE_ERROR_NOT_FOUND, file);
    expect_start_fails(suffix, GST_RESOURCE_ERROR_SETTINGS, suffix);
    expect_start_fails(device, GST_RESOURCE_ERROR_SETTINGS, device);
    expect_start_fails(is_folder, GST_RESOURCE_ERROR_OPEN_WRITE, is_folder);
    g_rmdir(is_folder);
    remove_folder(folder, 2); /* nothing was made */
}

static void start_works_after_it_failed(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    GstElement *sink = gst_element_factory_make("embeddingsink", NULL);

    g_assert_cmpint(gst_element_set_state(sink, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    gst_element_set_state(sink, GST_STATE_READY);
    g_object_set(sink, "location", path, NULL);
    g_assert_cmpint(gst_element_set_state(sink, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_ASYNC);
    gst_element_set_state(sink, GST_STATE_NULL);
    gst_object_unref(sink);
    remove_folder(folder, 0);
}

/* Each run replaces the file of the one before. */
static void goes_through_the_states_again(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.npy", NULL);
    GstElement *sink = producer_element("embeddingsink");

    g_object_set(sink, "location", path, NULL);
    for (guint round = 0; round < 3; round++) {
        GstHarness *h = gst_harness_new_with_element(sink, "sink", NULL);
        gst_harness_set_src_caps_str(h, "application/x-whatever");
        for (guint i = 0; i <= round; i++)
            push(h, producer_embedded("gemma4-pooled", 1, 8 + round, i));
        gst_element_set_state(sink, round == 1 ? GST_STATE_NULL : GST_STATE_READY);
        expect_npy(path, round + 1, 1, 8 + round, FALSE);
        gst_harness_teardown(h);
    }
    gst_object_unref(sink);
    remove_folder(folder, 2);
}

static void full_disk_is_one_error_that_names_the_file(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "full.jsonl", NULL);

    if (symlink("/dev/full", path) < 0 || access("/dev/full", W_OK) < 0) {
        g_test_skip("no /dev/full");
        remove_folder(folder, 1);
        return;
    }
    GstHarness *h = start(path);
    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 8, 0)), ==,
                    GST_FLOW_ERROR);
    g_assert_cmpint(gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 8, 1)), ==,
                    GST_FLOW_ERROR);
    producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, path);
    gst_harness_teardown(h);
    remove_folder(folder, 1);
}

/* A file may grow to `limit` bytes, in a child, since the limit holds for the whole process. */
static void write_with_limit(const gchar *path, guint limit, guint entries, guint cols)
{
    pid_t child = fork();

    if (child == 0) {
        struct rlimit rl = {limit, limit};
        GstFlowReturn flow = GST_FLOW_OK;

        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &rl);
        GstHarness *h = start(path);
        for (guint i = 0; i < entries && flow == GST_FLOW_OK; i++)
            flow = gst_harness_push(h, producer_embedded("gemma4-pooled", 1, cols, i));
        if (flow != GST_FLOW_ERROR)
            _exit(2);
        /* Aborts the child, if it is not so. */
        producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE, path);
        _exit(0);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void write_error_leaves_whole_records(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *npy = g_build_filename(folder, "out.npy", NULL);
    g_autofree gchar *beside = g_build_filename(folder, "out.npy.jsonl", NULL);
    g_autofree gchar *jsonl = g_build_filename(folder, "out.jsonl", NULL);

    /* 128 + 10 x 256 x 4 and half a row: the eleventh fails. */
    write_with_limit(npy, 128 + 10 * 1024 + 512, 20, 256);
    expect_npy(npy, 10, 1, 256, FALSE);
    g_autoptr(GPtrArray) beside_lines = read_lines(beside, FALSE);
    g_assert_cmpuint(beside_lines->len, ==, 10);

    write_with_limit(jsonl, 10000, 20, 256);
    g_autoptr(GPtrArray) lines = read_lines(jsonl, FALSE);
    g_assert_cmpuint(lines->len, >, 0);
    for (guint i = 0; i < lines->len; i++)
        expect_line(lines->pdata[i], i, 256);
    remove_folder(folder, 3);
}

/* The lines fail first: their rows must go again. */
static void lines_that_fail_take_their_vector_back(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *npy = g_build_filename(folder, "out.npy", NULL);

    write_with_limit(npy, 1000, 20, 4);
    Npy read = read_npy(npy);
    g_assert_cmpuint(read.shape[0], >, 0);
    g_assert_cmpuint(read.n_values, ==, read.shape[0] * 4);
    g_free(read.file);
    remove_folder(folder, 2);
}

/* A child that writes as fast as it can until it is killed. */
static void kill_leaves_whole_records(gconstpointer name)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, name, NULL);
    g_autofree gchar *beside = g_strconcat(path, ".jsonl", NULL);
    gboolean npy = g_str_has_suffix(name, ".npy");

    for (guint round = 0; round < 5; round++) {
        int ready[2];
        gchar byte;
        g_assert_cmpint(pipe(ready), ==, 0);
        pid_t child = fork();
        if (child == 0) {
            GstHarness *h = start(path);
            for (guint i = 0;; i++) {
                push(h, producer_embedded("gemma4-pooled", 1, 512, i));
                if (i == 20 + round * 7 && write(ready[1], "x", 1) != 1)
                    _exit(1);
            }
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1); /* it is in the midst of it now */
        close(ready[0]);
        kill(child, SIGKILL);
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child);

        guint whole;
        g_autoptr(GPtrArray) lines = read_lines(npy ? beside : path, TRUE);
        whole = lines->len;
        if (npy) {
            Npy read = read_npy(path);
            whole = read.shape[0];
            g_assert_cmpuint(read.n_dims, ==, 2);
            g_assert_cmpuint(read.shape[1], ==, 512);
            g_assert_cmpuint(read.n_values, >=, read.shape[0] * 512);
            g_assert_cmpuint(lines->len, >=, whole);
            for (gsize i = 0; i < read.shape[0] * 512; i++)
                g_assert_true(read.values[i] == producer_value(i / 512, i % 512));
            g_free(read.file);
        }
        g_assert_cmpuint(whole, >, 20);
        for (guint i = 0; i < whole; i++)
            expect_line(lines->pdata[i], i, npy ? 0 : 512);
    }
    remove_folder(folder, npy ? 2 : 1);
}

/* The first buffer waits in preroll, and is written when it is played. */
static void prerolled_embedding_is_written_once(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    GstElement *pipeline = gst_pipeline_new(NULL);
    GstElement *src = gst_element_factory_make("appsrc", NULL);
    GstElement *sink = gst_element_factory_make("embeddingsink", NULL);
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    GstFlowReturn flow;

    g_object_set(src, "format", GST_FORMAT_TIME, NULL);
    g_object_set(sink, "location", path, NULL);
    gst_bin_add_many(GST_BIN(pipeline), src, sink, NULL);
    g_assert_true(gst_element_link(src, sink));
    for (guint i = 0; i < 3; i++) {
        GstBuffer *buffer = producer_embedded("gemma4-pooled", 1, 8, i);
        g_signal_emit_by_name(src, "push-buffer", buffer, &flow);
        gst_buffer_unref(buffer);
    }
    g_signal_emit_by_name(src, "end-of-stream", &flow);

    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    g_assert_cmpint(gst_element_get_state(pipeline, NULL, NULL, GST_CLOCK_TIME_NONE), ==,
                    GST_STATE_CHANGE_SUCCESS);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstMessage *message =
        gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_EOS);
    gst_message_unref(message);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);

    g_autoptr(GPtrArray) lines = read_lines(path, FALSE);
    g_assert_cmpuint(lines->len, ==, 3);
    for (guint i = 0; i < 3; i++)
        expect_line(lines->pdata[i], i, 8);
    remove_folder(folder, 1);
}

static void flush_and_a_new_segment_go_on_in_the_same_file(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    GstHarness *h = start(path);
    GstSegment segment;

    push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    push(h, producer_embedded("gemma4-pooled", 1, 8, 1));
    finish(h);
    g_autoptr(GPtrArray) lines = read_lines(path, FALSE);
    g_assert_cmpuint(lines->len, ==, 2);
    remove_folder(folder, 1);
}

static void properties_stand_still_while_it_runs(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "out.jsonl", NULL);
    g_autofree gchar *location = NULL;
    GstHarness *h = start(path);

    g_object_set(h->element, "location", "/elsewhere.jsonl", NULL);
    g_object_get(h->element, "location", &location, NULL);
    g_assert_cmpstr(location, ==, path);
    gst_harness_teardown(h);
    remove_folder(folder, 0);
}

/* A reader that goes away is an error message, and no signal to the process. */
static void broken_pipe_is_an_error(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "pipe.jsonl", NULL);
    int reader, i;
    GstFlowReturn flow = GST_FLOW_OK;

    g_assert_cmpint(mkfifo(path, 0666), ==, 0);
    reader = g_open(path, O_RDONLY | O_NONBLOCK, 0);
    GstHarness *h = start(path);
    push(h, producer_embedded("gemma4-pooled", 1, 8, 0));
    close(reader);
    for (i = 1; i < 3 && flow == GST_FLOW_OK; i++)
        flow = gst_harness_push(h, producer_embedded("gemma4-pooled", 1, 8, i));
    g_assert_cmpint(flow, ==, GST_FLOW_ERROR);
    producer_expect_error(h->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE, path);
    gst_harness_teardown(h);
    remove_folder(folder, 1);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sink/jsonl-has-a-line-an-embedding", jsonl_has_a_line_an_embedding);
    g_test_add_func("/sink/jsonl-tokens-are-one-flat-array", jsonl_tokens_are_one_flat_array);
    g_test_add_func("/sink/npy-is-one-array-and-its-lines", npy_is_one_array_and_its_lines);
    g_test_add_func("/sink/npy-of-tokens-has-three-dimensions", npy_of_tokens_has_three_dimensions);
    g_test_add_func("/sink/several-entries-of-a-buffer-count-each",
                    several_entries_of_a_buffer_count_each);
    g_test_add_func("/sink/event-is-as-good-as-a-meta", event_is_as_good_as_a_meta);
    g_test_add_func("/sink/event-may-come-alone", event_may_come_alone);
    g_test_add_func("/sink/stream-is-the-property-or-the-stream-id",
                    stream_is_the_property_or_the_stream_id);
    g_test_add_func("/sink/stream-without-embeddings-leaves-valid-files",
                    stream_without_embeddings_leaves_valid_files);
    g_test_add_func("/sink/existing-file-is-replaced-by-the-first-embedding",
                    existing_file_is_replaced_by_the_first_embedding);
    g_test_add_func("/sink/link-stays-a-link", link_stays_a_link);
    g_test_add_func("/sink/other-shape-is-an-error-and-the-file-stays-valid",
                    other_shape_is_an_error_and_the_file_stays_valid);
    g_test_add_func("/sink/tokens-among-pooled-are-another-shape",
                    tokens_among_pooled_are_another_shape);
    g_test_add_func("/sink/bad-locations-fail-at-start", bad_locations_fail_at_start);
    g_test_add_func("/sink/start-works-after-it-failed", start_works_after_it_failed);
    g_test_add_func("/sink/goes-through-the-states-again", goes_through_the_states_again);
    g_test_add_func("/sink/full-disk-is-one-error-that-names-the-file",
                    full_disk_is_one_error_that_names_the_file);
    g_test_add_func("/sink/write-error-leaves-whole-records", write_error_leaves_whole_records);
    g_test_add_func("/sink/lines-that-fail-take-their-vector-back",
                    lines_that_fail_take_their_vector_back);
    g_test_add_data_func("/sink/kill-leaves-whole-records/jsonl", "out.jsonl",
                         kill_leaves_whole_records);
    g_test_add_data_func("/sink/kill-leaves-whole-records/npy", "out.npy",
                         kill_leaves_whole_records);
    g_test_add_func("/sink/prerolled-embedding-is-written-once",
                    prerolled_embedding_is_written_once);
    g_test_add_func("/sink/flush-and-a-new-segment-go-on-in-the-same-file",
                    flush_and_a_new_segment_go_on_in_the_same_file);
    g_test_add_func("/sink/properties-stand-still-while-it-runs",
                    properties_stand_still_while_it_runs);
    g_test_add_func("/sink/broken-pipe-is-an-error", broken_pipe_is_an_error);
    return g_test_run();
}
