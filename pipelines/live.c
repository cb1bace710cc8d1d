/* SPDX-License-Identifier: Apache-2.0
 *
 * live: embeds a camera or a network stream, and reconnects when it goes away.
 *
 *   live --model DIR --location OUT.jsonl /dev/video0
 *   live --model DIR --location OUT.jsonl rtspt://camera/stream
 *   live --model DIR --location OUT.jsonl "videotestsrc is-live=true"
 *
 * Two pipelines. The source's may fail, end or fall silent: it is taken down and built again, at
 * once, then after 1, 2, 4, ... 30 seconds. The other one, with the model and the file, never
 * stops, so a reconnection loads nothing again and the file goes on:
 *
 *     source ! appsink   - newest frame only ->   appsrc ! gemma4embed ! embeddingsink
 *
 * Both have the same clock and base time, so a frame's running time means the same in both. What
 * comes while the encoder is busy is dropped but for the newest frame: latency never grows.
 * Interrupt it (Ctrl-C) and the file is completed.
 */
#include <glib-unix.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/gst.h>
#include <stdatomic.h>

#define LONGEST_WAIT 30 /* seconds between two attempts */

typedef struct {
    char *model, *location, *properties;
    int stall;        /* seconds without a frame after which the source counts as lost */
    gint64 wanted;    /* stop after so many embeddings */
    const char *from; /* what the source is made of */

    GMainLoop *loop;
    GstElement *sinks;  /* the pipeline that stays: appsrc ! gemma4embed ! embeddingsink */
    GstElement *source; /* the pipeline that comes and goes; NULL between two attempts */
    GstAppSrc *in;
    guint retry;       /* the timeout until the next attempt, or 0 */
    guint wait;        /* its length in seconds */
    guint connections; /* attempts so far */
    gint64 connected;  /* monotonic time of the last attempt */
    gboolean failed;

    _Atomic gint64 last_frame; /* monotonic time; 0: none since the last attempt */
    _Atomic gint64 embeddings;
} Live;

static void connect_source(Live *live);

static gboolean stop(gpointer data)
{
    Live *live = data;

    gst_app_src_end_of_stream(live->in);
    return G_SOURCE_CONTINUE;
}

/* ------------------------------------------------------------------------------------------
 * Frames, in the source's streaming thread
 */
static GstFlowReturn new_sample(GstAppSink *sink, gpointer data)
{
    Live *live = data;
    g_autoptr(GstSample) sample = gst_app_sink_pull_sample(sink);
    g_autoptr(GstSample) moved = NULL;
    g_autoptr(GstBuffer) buffer = NULL;
    GstClockTime time = GST_CLOCK_TIME_NONE;

    if (!sample)
        return GST_FLOW_EOS;
    atomic_store(&live->last_frame, g_get_monotonic_time());

    /* A copy refers to the same memory: no pixel moves. */
    buffer = gst_buffer_copy(gst_sample_get_buffer(sample));
    if (GST_BUFFER_PTS_IS_VALID(buffer))
        time = gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                           GST_BUFFER_PTS(buffer));
    if (!GST_CLOCK_TIME_IS_VALID(time))
        time = gst_element_get_current_running_time(live->sinks);
    GST_BUFFER_PTS(buffer) = time;
    GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
    moved = gst_sample_new(buffer, gst_sample_get_caps(sample), NULL, NULL);
    return gst_app_src_push_sample(live->in, moved);
}

/* ------------------------------------------------------------------------------------------
 * The source that comes and goes
 */
static void drop_source(Live *live)
{
    g_autoptr(GstBus) bus = NULL;

    if (!live->source)
        return;
    bus = gst_element_get_bus(live->source);
    gst_bus_remove_watch(bus);
    gst_element_set_state(live->source, GST_STATE_NULL);
    gst_clear_object(&live->source);
}

static gboolean try_again(gpointer data)
{
    Live *live = data;

    live->retry = 0;
    connect_source(live);
    return G_SOURCE_REMOVE;
}

static void lost(Live *live, const char *why)
{
    gboolean had_frames = atomic_exchange(&live->last_frame, 0) != 0;

    if (live->retry)
        return;
    live->wait = had_frames ? 0 : MIN(MAX(1, live->wait * 2), LONGEST_WAIT);
    g_printerr("live: source lost (%s); next attempt in %u s\n", why, live->wait);
    drop_source(live);
    live->retry = g_timeout_add(MAX(live->wait * 1000, 200), try_again, live);
}

static gboolean on_source_message(GstBus *bus, GstMessage *message, gpointer data)
{
    g_autoptr(GError) error = NULL;

    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, NULL);
        lost(data, error->message);
        return G_SOURCE_REMOVE;
    }
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
        lost(data, "end of stream");
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

/* A camera that tells the time (RTSP with RTCP reports): it goes into every record as `utc`. */
static void on_source_setup(GstElement *decoder, GstElement *source, gpointer data)
{
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(source), "add-reference-timestamp-meta"))
        g_object_set(source, "add-reference-timestamp-meta", TRUE, NULL);
}

/* A URI, a camera's device file, or a launch line that ends in raw video. */
static GstElement *make_source(const char *from, GError **error)
{
    GstElement *source;

    if (g_str_has_prefix(from, "/dev/")) {
        source = gst_element_factory_make("v4l2src", NULL);
        if (source)
            g_object_set(source, "device", from, NULL);
    } else if (gst_uri_is_valid(from)) {
        source = gst_element_factory_make("uridecodebin", NULL);
        if (source) {
            g_object_set(source, "uri", from, NULL);
            g_signal_connect(source, "source-setup", G_CALLBACK(on_source_setup), NULL);
        }
    } else {
        /* The identity lets the line end in caps. */
        g_autofree char *line = g_strconcat(from, " ! identity silent=true", NULL);

        return gst_parse_bin_from_description_full(line, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS,
                                                   error);
    }
    if (!source)
        g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
                    "no element for %s is installed", from);
    return source;
}

/* Links what a decoder finds, if it is video and the first. */
static void on_pad(GstElement *source, GstPad *pad, gpointer data)
{
    g_autoptr(GstPad) sink = gst_element_get_static_pad(data, "sink");

    if (!gst_pad_is_linked(sink))
        gst_pad_link(pad, sink);
}

static gboolean build_source(Live *live, GError **error)
{
    g_autoptr(GstClock) clock = gst_system_clock_obtain();
    g_autoptr(GstCaps) caps = gst_caps_new_empty_simple("video/x-raw");
    g_autoptr(GstBus) bus = NULL;
    GstElement *source = make_source(live->from, error);
    GstElement *sink;

    if (!source)
        return FALSE;
    sink = gst_element_factory_make("appsink", NULL);
    if (!sink) {
        gst_object_unref(gst_object_ref_sink(source));
        g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN, "no appsink");
        return FALSE;
    }
    g_object_set(sink, "caps", caps, "sync", FALSE, "max-buffers", 2, "drop", TRUE, NULL);
    gst_app_sink_set_callbacks(GST_APP_SINK(sink),
                               &(GstAppSinkCallbacks){.new_sample = new_sample}, live, NULL);
    live->source = gst_pipeline_new("source");
    gst_bin_add_many(GST_BIN(live->source), source, sink, NULL);
    if (!gst_element_link(source, sink))
        g_signal_connect(source, "pad-added", G_CALLBACK(on_pad), sink);

    gst_pipeline_use_clock(GST_PIPELINE(live->source), clock);
    gst_element_set_start_time(live->source, GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(live->source, gst_element_get_base_time(live->sinks));
    bus = gst_element_get_bus(live->source);
    gst_bus_add_watch(bus, on_source_message, live);
    return TRUE;
}

static void connect_source(Live *live)
{
    g_autoptr(GError) error = NULL;

    live->connections++;
    live->connected = g_get_monotonic_time();
    if (!build_source(live, &error)) {
        g_printerr("live: %s\n", error->message);
        live->failed = TRUE;
        g_main_loop_quit(live->loop);
        return;
    }
    g_printerr("live: connecting to %s, attempt %u\n", live->from, live->connections);
    gst_element_set_state(live->source, GST_STATE_PLAYING); /* a failure is on the bus */
}

/* Once a second: has the source fallen silent? */
static gboolean watch(gpointer data)
{
    Live *live = data;
    gint64 last = MAX(atomic_load(&live->last_frame), live->connected);

    if (live->source && g_get_monotonic_time() - last > live->stall * G_USEC_PER_SEC)
        lost(live, "no frame");
    return G_SOURCE_CONTINUE;
}

/* ------------------------------------------------------------------------------------------
 * The pipeline that stays
 */
static GstPadProbeReturn count(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Live *live = data;
    GstGemma4EmbeddingMeta *meta =
        gst_buffer_get_gemma4_embedding_meta(GST_PAD_PROBE_INFO_BUFFER(info));
    guint n = meta ? gst_gemma4_embedding_meta_get_n_entries(meta) : 0;

    if (atomic_load(&live->embeddings) < live->wanted &&
        atomic_fetch_add(&live->embeddings, n) + n >= live->wanted)
        stop(live);
    return GST_PAD_PROBE_OK;
}

static gboolean on_sinks_message(GstBus *bus, GstMessage *message, gpointer data)
{
    Live *live = data;
    g_autoptr(GError) error = NULL;

    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, NULL);
        g_printerr("live: %s\n", error->message);
        live->failed = TRUE;
        g_main_loop_quit(live->loop);
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
        g_main_loop_quit(live->loop);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean build_sinks(Live *live, GError **error)
{
    g_autofree char *line = g_strdup_printf(
        "appsrc name=in is-live=true format=time max-buffers=1 max-bytes=0 leaky-type=downstream "
        "! gemma4embed name=embed %s ! embeddingsink name=out sync=false",
        live->properties ? live->properties : "");
    g_autoptr(GstElement) embed = NULL;
    g_autoptr(GstElement) out = NULL;
    g_autoptr(GstClock) clock = gst_system_clock_obtain();
    g_autoptr(GstPad) pad = NULL;
    g_autoptr(GstBus) bus = NULL;

    live->sinks = gst_parse_launch_full(line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!live->sinks)
        return FALSE;
    live->in = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(live->sinks), "in"));
    embed = gst_bin_get_by_name(GST_BIN(live->sinks), "embed");
    out = gst_bin_get_by_name(GST_BIN(live->sinks), "out");
    g_object_set(embed, "model", live->model, NULL);
    g_object_set(out, "location", live->location, NULL);
    pad = gst_element_get_static_pad(out, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, count, live, NULL);
    gst_pipeline_use_clock(GST_PIPELINE(live->sinks), clock);
    gst_element_set_start_time(live->sinks, GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(live->sinks, gst_clock_get_time(clock));
    bus = gst_element_get_bus(live->sinks);
    gst_bus_add_watch(bus, on_sinks_message, live);
    return TRUE;
}

static gboolean parse_options(Live *live, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &live->model, "the checkpoint", "DIR"},
        {"location", 'o', 0, G_OPTION_ARG_FILENAME, &live->location, "where the embeddings go",
         "FILE"},
        {"properties", 'p', 0, G_OPTION_ARG_STRING, &live->properties,
         "further properties of gemma4embed", "\"NAME=VALUE ...\""},
        {"stall", 0, 0, G_OPTION_ARG_INT, &live->stall,
         "seconds without a frame after which to reconnect (10)", "N"},
        {"embeddings", 'n', 0, G_OPTION_ARG_INT64, &live->wanted, "stop after so many", "N"},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("/dev/videoN|URI|LAUNCH-LINE");

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc == 2 && live->model && live->location && live->stall > 0) {
        live->from = (*argv)[1];
        return TRUE;
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "give --model, --location and one source (see --help)");
    return FALSE;
}

static void run(Live *live)
{
    live->loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGINT, stop, live);
    g_unix_signal_add(SIGTERM, stop, live);
    gst_element_set_state(live->sinks, GST_STATE_PLAYING);
    connect_source(live);
    g_timeout_add_seconds(1, watch, live);
    if (!live->failed)
        g_main_loop_run(live->loop);

    drop_source(live);
    gst_element_set_state(live->sinks, GST_STATE_NULL);
    g_print("%s: %" G_GINT64_FORMAT " embeddings, %u connection%s\n", live->location,
            atomic_load(&live->embeddings), live->connections, live->connections == 1 ? "" : "s");
    g_main_loop_unref(live->loop);
}

int main(int argc, char **argv)
{
    Live live = {.stall = 10, .wanted = G_MAXINT64};
    g_autoptr(GError) error = NULL;

    if (parse_options(&live, &argc, &argv, &error) && build_sinks(&live, &error)) {
        run(&live);
    } else {
        g_printerr("live: %s\n", error->message);
        live.failed = TRUE;
    }
    g_clear_object(&live.in);
    gst_clear_object(&live.sinks);
    g_free(live.model);
    g_free(live.location);
    g_free(live.properties);
    return live.failed ? 1 : 0;
}
