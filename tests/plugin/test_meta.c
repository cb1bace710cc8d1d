/* SPDX-License-Identifier: Apache-2.0
 *
 * The record, the meta and the event.
 */
#include "producer.h"

#include <math.h>
#include <string.h>

static void record_gives_back_what_it_was_made_of(void)
{
    g_autoptr(GstGemma4Embedding) e = producer_full_embedding(2, 3, 7);
    gdouble x, y, w, h;
    gsize n;
    const gfloat *values = gst_gemma4_embedding_get_values(e, &n);

    g_assert_cmpstr(gst_gemma4_embedding_get_id(e), ==, "gemma4-joint");
    g_assert_cmpuint(gst_gemma4_embedding_get_rows(e), ==, 2);
    g_assert_cmpuint(gst_gemma4_embedding_get_cols(e), ==, 3);
    g_assert_cmpuint(n, ==, 6);
    for (gsize i = 0; i < n; i++)
        g_assert_true(values[i] == producer_value(7, i));
    g_assert_cmpuint(gst_buffer_get_size(gst_gemma4_embedding_get_data(e)), ==, 24);
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(e), ==, 7);
    g_assert_cmpuint(gst_gemma4_embedding_get_pts(e), ==, 280 * GST_MSECOND);
    g_assert_cmpuint(gst_gemma4_embedding_get_running_time(e), ==, 1280 * GST_MSECOND);
    g_assert_cmpuint(gst_gemma4_embedding_get_utc(e), ==, G_GUINT64_CONSTANT(1790000000123456789));
    gst_gemma4_embedding_get_region(e, &x, &y, &w, &h);
    g_assert_true(x == 0.125 && y == 0.1 && w == 1.0 / 3.0 && h == 0.5);
    g_assert_cmpstr(gst_gemma4_embedding_get_region_id(e), ==, "roi \"7\"");
    g_assert_cmpint(gst_gemma4_embedding_get_track(e), ==, 12345678901);
    g_assert_nonnull(gst_gemma4_embedding_get_label(e));
    g_assert_cmpstr(gst_gemma4_embedding_get_model_name(e), ==, "tiny");
    g_assert_cmpstr(gst_gemma4_embedding_get_model_digest(e), ==, "0123456789abcdef");
    g_assert_true(gst_gemma4_embedding_is_normalized(e));
    g_assert_true(gst_gemma4_embedding_is_reused(e));
}

static void record_has_defaults(void)
{
    g_autoptr(GstGemma4Embedding) e = producer_embedding("gemma4-pooled", 1, 4, 0);
    gdouble x, y, w, h;

    gst_gemma4_embedding_get_region(e, &x, &y, &w, &h);
    g_assert_true(x == 0.0 && y == 0.0 && w == 1.0 && h == 1.0);
    g_assert_false(GST_CLOCK_TIME_IS_VALID(gst_gemma4_embedding_get_utc(e)));
    g_assert_cmpint(gst_gemma4_embedding_get_track(e), ==, -1);
    g_assert_null(gst_gemma4_embedding_get_region_id(e));
    g_assert_null(gst_gemma4_embedding_get_label(e));
    g_assert_false(gst_gemma4_embedding_is_normalized(e));
    g_assert_false(gst_gemma4_embedding_is_reused(e));
}

static void record_refuses_contradictions(void)
{
    static const struct {
        guint rows, cols;
        gsize size;
        gdouble x;
        const gchar *id;
    } bad[] = {
        {1, 4, 15, 0, "i"},   {1, 4, 17, 0, "i"},  {1, 4, 12, 0, "i"},
        {0, 4, 0, 0, "i"},    {4, 0, 0, 0, "i"},   {3, 2, 28, 0, "i"},
        {1, 4, 16, NAN, "i"}, {1, 4, 16, 0, NULL}, {0x80000000u, 0x80000000u, 0, 0, "i"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        GstGemma4EmbeddingParams p = GST_GEMMA4_EMBEDDING_PARAMS_INIT;
        p.id = bad[i].id;
        p.rows = bad[i].rows;
        p.cols = bad[i].cols;
        p.x = bad[i].x;
        g_assert_null(
            gst_gemma4_embedding_new(&p, gst_buffer_new_allocate(NULL, bad[i].size, NULL)));
    }
}

/* Data in two pieces, the second at an odd address, comes out as one aligned array. */
static void record_takes_scattered_data(void)
{
    static const gfloat expected[4] = {1.5f, -2.5f, 3.25f, 1e-9f};
    gchar bytes[1 + sizeof expected];
    GstGemma4EmbeddingParams p = GST_GEMMA4_EMBEDDING_PARAMS_INIT;
    gsize n;

    memcpy(bytes + 1, expected, sizeof expected);
    p.id = "gemma4-pooled";
    p.rows = 1;
    p.cols = 4;
    GstBuffer *odd = gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, bytes, sizeof bytes, 1,
                                                 sizeof expected, NULL, NULL);
    g_autoptr(GstGemma4Embedding) e = gst_gemma4_embedding_new(&p, gst_buffer_ref(odd));
    const gfloat *values = gst_gemma4_embedding_get_values(e, &n);
    g_assert_cmpuint((guintptr)values % sizeof *values, ==, 0);
    g_assert_cmpmem(values, n * sizeof *values, expected, sizeof expected);

    GstBuffer *two = gst_buffer_append(gst_buffer_copy_region(odd, GST_BUFFER_COPY_MEMORY, 0, 6),
                                       gst_buffer_copy_region(odd, GST_BUFFER_COPY_MEMORY, 6, 10));
    g_autoptr(GstGemma4Embedding) f = gst_gemma4_embedding_new(&p, two);
    values = gst_gemma4_embedding_get_values(f, &n);
    g_assert_cmpmem(values, n * sizeof *values, expected, sizeof expected);
    gst_buffer_unref(odd);
}

static void buffer_has_one_meta_and_keeps_the_order(void)
{
    g_autoptr(GstBuffer) buffer = producer_buffer(0);

    g_assert_null(gst_buffer_get_gemma4_embedding_meta(buffer));
    GstGemma4EmbeddingMeta *meta = gst_buffer_add_gemma4_embedding_meta(buffer);
    g_assert_true(gst_buffer_add_gemma4_embedding_meta(buffer) == meta);
    g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(meta), ==, 0);
    for (guint i = 0; i < 5; i++)
        gst_gemma4_embedding_meta_append(meta, producer_embedding("gemma4-pooled", 1, 4, i));
    g_assert_true(gst_buffer_get_gemma4_embedding_meta(buffer) == meta);
    g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(meta), ==, 5);
    for (guint i = 0; i < 5; i++)
        g_assert_cmpuint(
            gst_gemma4_embedding_get_frame(gst_gemma4_embedding_meta_get_entry(meta, i)), ==, i);
}

static void copy_shares_entries_and_has_its_own_list(void)
{
    GstBuffer *buffer = producer_embedded("gemma4-pooled", 1, 4, 3);
    g_autoptr(GstBuffer) copy = gst_buffer_copy(buffer);
    g_autoptr(GstBuffer) deep = gst_buffer_copy_deep(buffer);
    g_autoptr(GstBuffer) region = gst_buffer_copy_region(buffer, GST_BUFFER_COPY_ALL, 4, 8);
    GstGemma4Embedding *entry =
        gst_gemma4_embedding_meta_get_entry(gst_buffer_get_gemma4_embedding_meta(buffer), 0);
    GstBuffer *copies[] = {copy, deep, region};

    gst_gemma4_embedding_meta_append(gst_buffer_get_gemma4_embedding_meta(buffer),
                                     producer_embedding("gemma4-pooled", 1, 4, 4));
    for (guint i = 0; i < G_N_ELEMENTS(copies); i++) {
        GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(copies[i]);
        g_assert_nonnull(meta);
        g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(meta), ==, 1);
        g_assert_true(gst_gemma4_embedding_meta_get_entry(meta, 0) == entry);
    }
    gst_buffer_unref(buffer);
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(entry), ==, 3);
}

static void embedding_outlives_its_buffer(void)
{
    GstBuffer *buffer = producer_embedded("gemma4-tokens", 8, 16, 2);
    g_autoptr(GstGemma4Embedding) entry = gst_gemma4_embedding_ref(
        gst_gemma4_embedding_meta_get_entry(gst_buffer_get_gemma4_embedding_meta(buffer), 0));
    gsize n;

    gst_buffer_unref(buffer);
    const gfloat *values = gst_gemma4_embedding_get_values(entry, &n);
    g_assert_cmpuint(n, ==, 128);
    g_assert_true(values[127] == producer_value(2, 127));
}

static void values_cannot_be_written_through_the_data(void)
{
    g_autoptr(GstGemma4Embedding) e = producer_embedding("gemma4-pooled", 1, 4, 0);
    GstBuffer *copy = gst_buffer_copy(gst_gemma4_embedding_get_data(e));
    gsize n;

    gst_buffer_memset(copy, 0, 0xff, 16);
    gst_buffer_unref(copy);
    g_assert_true(gst_gemma4_embedding_get_values(e, &n)[1] == producer_value(0, 1));
}

/* One frame through elements that scale, convert, split and queue. */
static void meta_survives(gconstpointer description)
{
    GstHarness *h = gst_harness_new_parse(description);
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64 * 48 * 4, NULL);

    gst_buffer_memset(buffer, 0, 0x55, -1);
    GST_BUFFER_PTS(buffer) = 0;
    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                     producer_full_embedding(1, 8, 5));
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGBx,width=64,height=48,framerate=25/1");
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    gst_harness_push_event(h, gst_event_new_eos());
    GstBuffer *out = gst_harness_pull(h);
    g_assert_nonnull(out);
    const GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(out);
    g_autoptr(GstGemma4Embedding) expected = producer_full_embedding(1, 8, 5);
    g_assert_nonnull(meta);
    g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(meta), ==, 1);
    g_assert_true(producer_equal(gst_gemma4_embedding_meta_get_entry(meta, 0), expected));
    gst_buffer_unref(out);
    gst_harness_teardown(h);
}

static void event_carries_an_embedding(void)
{
    GstGemma4Embedding *e = producer_embedding("gemma4-pooled", 1, 4, 9);
    g_autoptr(GstEvent) event = gst_event_new_gemma4_embedding(e);
    g_autoptr(GstEvent) copy = gst_event_copy(event);

    g_assert_true(GST_EVENT_IS_DOWNSTREAM(event) && GST_EVENT_IS_SERIALIZED(event));
    g_assert_false(GST_EVENT_IS_STICKY(event));
    g_assert_true(gst_event_has_name(event, "gemma4-embedding"));
    g_assert_true(gst_event_get_gemma4_embedding(event) == e);
    gst_gemma4_embedding_unref(e);
    g_assert_cmpuint(gst_gemma4_embedding_get_frame(gst_event_get_gemma4_embedding(copy)), ==, 9);
}

static void other_events_carry_none(void)
{
    GstEvent *events[] = {
        gst_event_new_eos(),
        gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("other")),
        gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                             gst_structure_new_empty("gemma4-embedding")),
        gst_event_new_custom(
            GST_EVENT_CUSTOM_DOWNSTREAM,
            gst_structure_new("gemma4-embedding", "embedding", G_TYPE_STRING, "no", NULL)),
        gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                             gst_structure_new_empty("gemma4-embedding")),
        gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, NULL),
    };

    for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
        g_assert_null(gst_event_get_gemma4_embedding(events[i]));
        gst_event_unref(events[i]);
    }
}

#if GST_CHECK_VERSION(1, 24,                                                                       \
                      0) /* before, nothing serializes metas; test_embeddingwire has the bytes */
static void serialized_meta_comes_back(void)
{
    GstBuffer *buffer = producer_embedded("gemma4-tokens", 3, 5, 1);
    GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GstBuffer) received = gst_buffer_new();
    guint32 consumed;

    gst_gemma4_embedding_meta_append(meta, producer_full_embedding(1, 7, 2));
    g_assert_true(gst_meta_serialize_simple(&meta->meta, bytes));
    GstGemma4EmbeddingMeta *copy = (GstGemma4EmbeddingMeta *)gst_meta_deserialize(
        received, bytes->data, bytes->len, &consumed);
    g_assert_true(copy != NULL && copy == gst_buffer_get_gemma4_embedding_meta(received));
    g_assert_cmpuint(consumed, ==, bytes->len);
    g_assert_cmpuint(gst_gemma4_embedding_meta_get_n_entries(copy), ==, 2);
    for (guint i = 0; i < 2; i++)
        g_assert_true(producer_equal(gst_gemma4_embedding_meta_get_entry(copy, i),
                                     gst_gemma4_embedding_meta_get_entry(meta, i)));
    gst_buffer_unref(buffer);

    /* An unknown version: the byte before the payload, behind two lengths and the name. */
    g_autoptr(GstBuffer) refused = gst_buffer_new();
    bytes->data[8 + strlen("GstGemma4EmbeddingMeta") + 1]++;
    g_assert_null(gst_meta_deserialize(refused, bytes->data, bytes->len, &consumed));
    g_assert_null(gst_buffer_get_gemma4_embedding_meta(refused));
}
#endif

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/meta/record-gives-back-what-it-was-made-of",
                    record_gives_back_what_it_was_made_of);
    g_test_add_func("/meta/record-has-defaults", record_has_defaults);
    g_test_add_func("/meta/record-refuses-contradictions", record_refuses_contradictions);
    g_test_add_func("/meta/record-takes-scattered-data", record_takes_scattered_data);
    g_test_add_func("/meta/buffer-has-one-meta-and-keeps-the-order",
                    buffer_has_one_meta_and_keeps_the_order);
    g_test_add_func("/meta/copy-shares-entries-and-has-its-own-list",
                    copy_shares_entries_and_has_its_own_list);
    g_test_add_func("/meta/embedding-outlives-its-buffer", embedding_outlives_its_buffer);
    g_test_add_func("/meta/values-cannot-be-written-through-the-data",
                    values_cannot_be_written_through_the_data);
    g_test_add_data_func("/meta/survives-videoconvert",
                         "videoconvert ! capsfilter caps=video/x-raw,format=NV12", meta_survives);
    g_test_add_data_func("/meta/survives-videoscale",
                         "videoscale ! capsfilter caps=video/x-raw,width=31,height=80",
                         meta_survives);
    g_test_add_data_func("/meta/survives-queue", "queue", meta_survives);
    g_test_add_data_func("/meta/survives-tee",
                         "tee ! queue ! videoscale ! capsfilter caps=video/x-raw,width=10",
                         meta_survives);
    g_test_add_data_func("/meta/survives-videoflip", "videoflip method=clockwise", meta_survives);
    g_test_add_data_func("/meta/survives-videocrop", "videocrop left=8 top=4", meta_survives);
    g_test_add_data_func("/meta/survives-videorate",
                         "videorate ! capsfilter caps=video/x-raw,framerate=50/1", meta_survives);
    g_test_add_func("/meta/event-carries-an-embedding", event_carries_an_embedding);
    g_test_add_func("/meta/other-events-carry-none", other_events_carry_none);
#if GST_CHECK_VERSION(1, 24, 0)
    g_test_add_func("/meta/serialized-meta-comes-back", serialized_meta_comes_back);
#endif
    return g_test_run();
}
