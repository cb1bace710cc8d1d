/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers with embeddings whose values are known.
 */
#include "producer.h"

#include <string.h>

gfloat producer_value(guint64 frame, gsize i)
{
    return ((gfloat)((i * 2654435761u + frame * 40503u) % 100003) - 50000.0f) / 77777.0f;
}

static GstBuffer *values(guint rows, guint cols, guint64 frame)
{
    gsize n = (gsize)rows * cols;
    gfloat *data = g_new(gfloat, n);

    for (gsize i = 0; i < n; i++)
        data[i] = producer_value(frame, i);
    return gst_buffer_new_wrapped(data, n * sizeof *data);
}

static GstGemma4EmbeddingParams params(const gchar *id, guint rows, guint cols, guint64 frame)
{
    GstGemma4EmbeddingParams p = GST_GEMMA4_EMBEDDING_PARAMS_INIT;

    p.id = id;
    p.rows = rows;
    p.cols = cols;
    p.frame = frame;
    p.pts = frame * 40 * GST_MSECOND;
    p.running_time = p.pts + GST_SECOND;
    p.model_name = "tiny";
    p.model_digest = "0123456789abcdef";
    return p;
}

GstGemma4Embedding *producer_embedding(const gchar *id, guint rows, guint cols, guint64 frame)
{
    GstGemma4EmbeddingParams p = params(id, rows, cols, frame);
    GstGemma4Embedding *embedding = gst_gemma4_embedding_new(&p, values(rows, cols, frame));

    g_assert_nonnull(embedding);
    return embedding;
}

GstGemma4Embedding *producer_embedding_of(const gchar *id, const gfloat *data, guint cols,
                                          guint64 frame)
{
    GstGemma4EmbeddingParams p = params(id, 1, cols, frame);
    GstGemma4Embedding *embedding =
        gst_gemma4_embedding_new(&p, gst_buffer_new_memdup(data, cols * sizeof *data));

    g_assert_nonnull(embedding);
    return embedding;
}

GstGemma4Embedding *producer_full_embedding(guint rows, guint cols, guint64 frame)
{
    GstGemma4EmbeddingParams p = params("gemma4-joint", rows, cols, frame);

    p.utc = G_GUINT64_CONSTANT(1790000000123456789);
    p.x = 0.125;
    p.y = 0.1;
    p.w = 1.0 / 3.0;
    p.h = 0.5;
    p.region_id = "roi \"7\"";
    p.track = 12345678901;
    p.label = "h\xc3\xbc"
              "ndchen\\\n";
    p.normalized = TRUE;
    p.reused = TRUE;
    p.series = G_GUINT64_CONSTANT(0xfedcba9876543210);
    p.sequence = 1000 + frame;
    GstGemma4Embedding *embedding = gst_gemma4_embedding_new(&p, values(rows, cols, frame));
    g_assert_nonnull(embedding);
    return embedding;
}

GstBuffer *producer_buffer(guint64 frame)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 16, NULL);

    GST_BUFFER_PTS(buffer) = frame * 40 * GST_MSECOND;
    GST_BUFFER_DURATION(buffer) = 40 * GST_MSECOND;
    return buffer;
}

GstBuffer *producer_embedded(const gchar *id, guint rows, guint cols, guint64 frame)
{
    GstBuffer *buffer = producer_buffer(frame);

    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                     producer_embedding(id, rows, cols, frame));
    return buffer;
}

GstBuffer *producer_embedded_of(const gchar *id, const gfloat *data, guint cols, guint64 frame)
{
    GstBuffer *buffer = producer_buffer(frame);

    gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                     producer_embedding_of(id, data, cols, frame));
    return buffer;
}

gboolean producer_equal(const GstGemma4Embedding *a, const GstGemma4Embedding *b)
{
    gdouble ra[4], rb[4];
    gsize na, nb;
    const gfloat *va = gst_gemma4_embedding_get_values(a, &na);
    const gfloat *vb = gst_gemma4_embedding_get_values(b, &nb);

    gst_gemma4_embedding_get_region(a, &ra[0], &ra[1], &ra[2], &ra[3]);
    gst_gemma4_embedding_get_region(b, &rb[0], &rb[1], &rb[2], &rb[3]);
    return g_strcmp0(gst_gemma4_embedding_get_id(a), gst_gemma4_embedding_get_id(b)) == 0 &&
           gst_gemma4_embedding_get_rows(a) == gst_gemma4_embedding_get_rows(b) &&
           gst_gemma4_embedding_get_cols(a) == gst_gemma4_embedding_get_cols(b) &&
           gst_gemma4_embedding_get_frame(a) == gst_gemma4_embedding_get_frame(b) &&
           gst_gemma4_embedding_get_pts(a) == gst_gemma4_embedding_get_pts(b) &&
           gst_gemma4_embedding_get_running_time(a) == gst_gemma4_embedding_get_running_time(b) &&
           gst_gemma4_embedding_get_utc(a) == gst_gemma4_embedding_get_utc(b) &&
           memcmp(ra, rb, sizeof ra) == 0 &&
           g_strcmp0(gst_gemma4_embedding_get_region_id(a),
                     gst_gemma4_embedding_get_region_id(b)) == 0 &&
           gst_gemma4_embedding_get_track(a) == gst_gemma4_embedding_get_track(b) &&
           g_strcmp0(gst_gemma4_embedding_get_label(a), gst_gemma4_embedding_get_label(b)) == 0 &&
           g_strcmp0(gst_gemma4_embedding_get_model_name(a),
                     gst_gemma4_embedding_get_model_name(b)) == 0 &&
           g_strcmp0(gst_gemma4_embedding_get_model_digest(a),
                     gst_gemma4_embedding_get_model_digest(b)) == 0 &&
           gst_gemma4_embedding_is_normalized(a) == gst_gemma4_embedding_is_normalized(b) &&
           gst_gemma4_embedding_is_reused(a) == gst_gemma4_embedding_is_reused(b) &&
           gst_gemma4_embedding_get_series(a) == gst_gemma4_embedding_get_series(b) &&
           gst_gemma4_embedding_get_sequence(a) == gst_gemma4_embedding_get_sequence(b) &&
           na == nb && memcmp(va, vb, na * sizeof *va) == 0;
}

void producer_expect_error(GstElement *element, GQuark domain, gint code, const gchar *part)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(element);
    g_autoptr(GstMessage) message = gst_bus_pop(bus);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(message);
    gst_message_parse_error(message, &error, NULL);
    g_assert_error(error, domain, code);
    if (strstr(error->message, part) == NULL)
        g_error("\"%s\" is not in \"%s\"", part, error->message);
    g_assert_null(gst_bus_pop(bus));
}

GstMessage *producer_pop_message(GstElement *element, const gchar *name)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(element);
    GstMessage *message = gst_bus_pop(bus);

    if (message != NULL) {
        g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_ELEMENT);
        g_assert_true(gst_message_has_name(message, name));
    }
    return message;
}

/* A message left on the bus would hold the element, which holds the bus. */
static GstBusSyncReply keep_some(GstBus *bus, GstMessage *message, gpointer data)
{
    if (GST_MESSAGE_TYPE(message) & (GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT))
        return GST_BUS_PASS;
    gst_message_unref(message);
    return GST_BUS_DROP;
}

GstElement *producer_element(const gchar *factory)
{
    GstElement *element = gst_element_factory_make(factory, NULL);
    g_autoptr(GstBus) bus = gst_bus_new();

    g_assert_nonnull(element);
    gst_bus_set_sync_handler(bus, keep_some, NULL, NULL);
    gst_element_set_bus(element, bus);
    return element;
}

GstHarness *producer_harness(const gchar *factory)
{
    GstElement *element = producer_element(factory);
    GstHarness *h = gst_harness_new_with_element(
        element, "sink",
        gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(element), "src") ? "src" : NULL);

    gst_object_unref(element);
    return h;
}
