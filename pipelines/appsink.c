/* SPDX-License-Identifier: Apache-2.0
 *
 * appsink: reads the embeddings in an application, from the meta on the frames.
 *
 *   appsink MODEL FILM|URI [PROPERTY=VALUE...]
 *
 * The frames arrive as they were decoded, so the application has picture and vector together. Build
 * it outside this tree with `cc appsink.c $(pkg-config --cflags --libs gstgemma4-1.0
 * gstreamer-app-1.0)`.
 */
#include <gst/app/gstappsink.h>
#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/gst.h>

static void print_embedding(const GstGemma4Embedding *embedding)
{
    gsize n;
    const float *values = gst_gemma4_embedding_get_values(embedding, &n);
    GstClockTime pts = gst_gemma4_embedding_get_pts(embedding);

    g_print("frame %" G_GUINT64_FORMAT "  %" GST_TIME_FORMAT "  %s %u x %u ",
            gst_gemma4_embedding_get_frame(embedding), GST_TIME_ARGS(pts),
            gst_gemma4_embedding_get_id(embedding), gst_gemma4_embedding_get_rows(embedding),
            gst_gemma4_embedding_get_cols(embedding));
    for (gsize i = 0; i < MIN(n, 4); i++)
        g_print(" %.6f", values[i]);
    g_print(" ...\n");
}

/* Called by the streaming thread for each frame. */
static GstFlowReturn new_sample(GstAppSink *sink, gpointer data)
{
    GstSample *sample = gst_app_sink_pull_sample(sink);
    GstGemma4EmbeddingMeta *meta;

    if (!sample)
        return GST_FLOW_EOS;
    meta = gst_buffer_get_gemma4_embedding_meta(gst_sample_get_buffer(sample));
    for (guint i = 0; meta && i < gst_gemma4_embedding_meta_get_n_entries(meta); i++)
        print_embedding(gst_gemma4_embedding_meta_get_entry(meta, i));
    gst_sample_unref(sample);
    return GST_FLOW_OK;
}

static GstElement *build(int argc, char **argv, GError **error)
{
    g_autofree char *uri = gst_uri_is_valid(argv[2]) ? g_strdup(argv[2])
                                                     : gst_filename_to_uri(argv[2], error);
    GstElement *pipeline, *element;

    if (!uri)
        return NULL;
    pipeline = gst_parse_launch_full("uridecodebin name=film ! gemma4embed name=embed "
                                     "! appsink name=sink sync=false max-buffers=2",
                                     NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!pipeline)
        return NULL;

    element = gst_bin_get_by_name(GST_BIN(pipeline), "film");
    g_object_set(element, "uri", uri, NULL);
    gst_object_unref(element);

    element = gst_bin_get_by_name(GST_BIN(pipeline), "embed");
    g_object_set(element, "model", argv[1], NULL);
    for (int i = 3; i < argc; i++) {
        g_auto(GStrv) pair = g_strsplit(argv[i], "=", 2);

        if (pair[0] && pair[1] &&
            g_object_class_find_property(G_OBJECT_GET_CLASS(element), pair[0]))
            gst_util_set_object_arg(G_OBJECT(element), pair[0], pair[1]);
        else
            g_printerr("%s: not a property of gemma4embed\n", argv[i]);
    }
    gst_object_unref(element);

    element = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    gst_app_sink_set_callbacks(GST_APP_SINK(element),
                               &(GstAppSinkCallbacks){.new_sample = new_sample}, NULL, NULL);
    gst_object_unref(element);
    return pipeline;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    GstElement *pipeline;
    GstBus *bus;
    GstMessage *message;

    gst_init(&argc, &argv);
    if (argc < 3) {
        g_printerr("usage: appsink MODEL FILM|URI [PROPERTY=VALUE...]\n");
        return 2;
    }
    pipeline = build(argc, argv, &error);
    if (!pipeline) {
        g_printerr("appsink: %s\n", error->message);
        return 1;
    }

    bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE,
                                         GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, NULL);
        g_printerr("appsink: %s\n", error->message);
    }
    gst_message_unref(message);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(pipeline);
    return error ? 1 : 0;
}
