/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of gemma4embed share: the small checkpoints and their golden values, changed
 * copies of them, an element with a bus, frames. Functions assert what they need; what they return
 * is the caller's.
 */
#ifndef EMBED_FIXTURE_H
#define EMBED_FIXTURE_H

#include <gst/check/gstharness.h>
#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/video/video.h>

#include <jansson.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------
 * Checkpoints
 */
static inline char *fixture_case(const char *name)
{
    const char *data = g_getenv("G4_TEST_DATA");

    return data ? g_build_filename(data, "cases", name, NULL)
                : g_test_build_filename(G_TEST_DIST, "..", "data", "cases", name, NULL);
}

/* Contents of a tensor in a file; its last three dimensions in shape[3] (unused ones 1). */
static inline void *fixture_tensor(const char *path, const char *tensor, guint shape[3])
{
    g_autofree char *bytes = NULL;
    guint64 header_size;
    gsize size;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    memcpy(&header_size, bytes, 8);
    header_size = GUINT64_FROM_LE(header_size);
    json_t *header = json_loadb(bytes + 8, header_size, 0, NULL);
    json_t *entry = json_object_get(header, tensor);
    json_t *dims = json_object_get(entry, "shape");
    json_t *offsets = json_object_get(entry, "data_offsets");
    g_assert_nonnull(offsets);
    gsize n_dims = json_array_size(dims), first = n_dims > 3 ? n_dims - 3 : 0;
    for (guint i = 0; i < 3; i++)
        shape[i] = first + i < n_dims ? json_integer_value(json_array_get(dims, first + i)) : 1;
    gsize begin = json_integer_value(json_array_get(offsets, 0));
    gsize end = json_integer_value(json_array_get(offsets, 1));
    void *values = g_memdup2(bytes + 8 + header_size + begin, end - begin);
    json_decref(header);
    return values;
}

/* The same of a case's golden. */
static inline void *fixture_golden(const char *name, const char *tensor, guint shape[3])
{
    g_autofree char *folder = fixture_case(name);
    g_autofree char *path = g_build_filename(folder, "golden.safetensors", NULL);

    return fixture_tensor(path, tensor, shape);
}

/* A copy of a case in a folder of its own, to be changed and removed. */
static inline char *fixture_copy(const char *name)
{
    g_autofree char *from = fixture_case(name);
    char *to = g_dir_make_tmp("gemma4-XXXXXX", NULL);
    GDir *dir = g_dir_open(from, 0, NULL);
    const char *file;

    g_assert_nonnull(to);
    g_assert_nonnull(dir);
    while ((file = g_dir_read_name(dir))) {
        g_autofree char *source = g_build_filename(from, file, NULL);
        g_autofree char *target = g_build_filename(to, file, NULL);
        g_autofree char *bytes = NULL;
        gsize size;
        if (g_str_has_prefix(file, "golden"))
            continue;
        g_assert_true(g_file_get_contents(source, &bytes, &size, NULL));
        g_assert_true(g_file_set_contents(target, bytes, size, NULL));
    }
    g_dir_close(dir);
    return to;
}

static inline void fixture_remove(const char *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, file, NULL);
        g_unlink(path);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(folder);
}

static inline char *fixture_read(const char *folder, const char *file, gsize *size)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);
    char *bytes = NULL;

    g_assert_true(g_file_get_contents(path, &bytes, size, NULL));
    return bytes;
}

static inline void fixture_write(const char *folder, const char *file, const void *bytes,
                                 gsize size)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);

    g_assert_true(g_file_set_contents(path, bytes, size, NULL));
}

/* ------------------------------------------------------------------------------------------
 * Elements
 */

/* gemma4embed on a case in f32 on one thread, with a bus of its own; NULL: no model set. */
static inline GstElement *fixture_element(const char *model)
{
    GstElement *element = gst_element_factory_make("gemma4embed", NULL);

    g_assert_nonnull(element);
    g_object_set(element, "model", model, "threads", 1, NULL);
    gst_util_set_object_arg(G_OBJECT(element), "precision", "f32");
    g_autoptr(GstBus) bus = gst_bus_new();
    gst_element_set_bus(element, bus);
    return element;
}

/* The same in a harness, which plays it. Takes the element. */
static inline GstHarness *fixture_harness(GstElement *element)
{
    GstHarness *h = gst_harness_new_with_element(element, "sink", "src");

    gst_object_unref(element);
    return h;
}

static inline GstHarness *fixture_harness_case(const char *name)
{
    g_autofree char *path = fixture_case(name);

    return fixture_harness(fixture_element(path));
}

static inline void fixture_teardown(GstHarness *h)
{
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

/* Asserts exactly one error message on the bus, of that domain and code; its text. */
static inline char *fixture_error(GstElement *element, GQuark domain, gint code)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(element);
    char *text = NULL;
    GstMessage *message;

    while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR))) {
        g_autoptr(GError) error = NULL;
        gst_message_parse_error(message, &error, NULL);
        g_assert_null(text);
        g_assert_error(error, domain, code);
        text = g_strdup(error->message);
        gst_message_unref(message);
    }
    g_assert_nonnull(text);
    return text;
}

static inline guint64 fixture_stat(GstElement *element, const char *field)
{
    GstStructure *stats = NULL;
    guint64 value;

    g_object_get(element, "stats", &stats, NULL);
    g_assert_true(gst_structure_has_name(stats, "application/x-gemma4-stats"));
    g_assert_true(gst_structure_get_uint64(stats, field, &value));
    gst_structure_free(stats);
    return value;
}

/* ------------------------------------------------------------------------------------------
 * Frames
 */
static inline GstCaps *fixture_caps(const char *format, guint width, guint height)
{
    return gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT,
                               width, "height", G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION,
                               25, 1, NULL);
}

/* Packed RGB pixels as a buffer with GStreamer's row alignment. */
static inline GstBuffer *fixture_rgb_buffer(const guint8 *rgb, guint width, guint height)
{
    guint stride = GST_ROUND_UP_4(width * 3);
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, (gsize)stride * height, NULL);

    gst_buffer_memset(buffer, 0, 0xa5, -1);
    for (guint y = 0; y < height; y++)
        gst_buffer_fill(buffer, (gsize)y * stride, rgb + (gsize)y * width * 3, (gsize)width * 3);
    return buffer;
}

/* Pixels that are the same at each run and differ from seed to seed. */
static inline guint8 *fixture_noise(gsize size, guint32 seed)
{
    guint8 *bytes = g_malloc(size);
    GRand *rand = g_rand_new_with_seed(seed);

    for (gsize i = 0; i < size; i++)
        bytes[i] = g_rand_int(rand) >> 24;
    g_rand_free(rand);
    return bytes;
}

/* Frame number `n` of a noise film of 32x24 at 25 frames a second. */
#define FIXTURE_WIDTH 32
#define FIXTURE_HEIGHT 24
static inline GstBuffer *fixture_frame(guint n)
{
    g_autofree guint8 *rgb = fixture_noise(FIXTURE_WIDTH * FIXTURE_HEIGHT * 3, n);
    GstBuffer *buffer = fixture_rgb_buffer(rgb, FIXTURE_WIDTH, FIXTURE_HEIGHT);

    GST_BUFFER_PTS(buffer) = n * 40 * GST_MSECOND;
    GST_BUFFER_DURATION(buffer) = 40 * GST_MSECOND;
    return buffer;
}

static inline void fixture_set_caps(GstHarness *h)
{
    gst_harness_set_src_caps(h, fixture_caps("RGB", FIXTURE_WIDTH, FIXTURE_HEIGHT));
}

/* Pushes a buffer and takes it out again. */
static inline GstBuffer *fixture_pass(GstHarness *h, GstBuffer *buffer)
{
    GstBuffer *out = gst_harness_push_and_pull(h, buffer);

    g_assert_nonnull(out);
    return out;
}

/* The one embedding on a buffer; NULL without the meta. */
static inline GstGemma4Embedding *fixture_embedding(GstBuffer *buffer)
{
    GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);

    if (!meta)
        return NULL;
    g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(meta), ==, 1);
    return gst_gemma4_embedding_meta_get_entry(meta, 0);
}

static inline void fixture_assert_equal(GstBuffer *a, GstBuffer *b)
{
    gsize n_a, n_b;
    const gfloat *x = gst_gemma4_embedding_get_values(fixture_embedding(a), &n_a);
    const gfloat *y = gst_gemma4_embedding_get_values(fixture_embedding(b), &n_b);

    g_assert_cmpmem(x, n_a * sizeof(gfloat), y, n_b * sizeof(gfloat));
}

static inline void fixture_assert_close(const gfloat *values, const gfloat *golden, gsize n)
{
    double squares = 0, largest = 0;

    for (gsize i = 0; i < n; i++) {
        g_assert_true(isfinite(values[i]));
        squares += (double)golden[i] * golden[i];
        largest = MAX(largest, fabs((double)values[i] - golden[i]));
    }
    g_assert_cmpfloat(largest, <=, 1e-4 * sqrt(squares / n));
}

#endif /* EMBED_FIXTURE_H */
