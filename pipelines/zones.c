/* SPDX-License-Identifier: Apache-2.0
 *
 * zones: an embedding of each of some fixed places in the picture, without a detector.
 *
 *   zones --model DIR --location OUT.jsonl --zone door=0.1,0.2,0.2,0.6 --zone till=0.6,0.5,0.3,0.3
 *         [--source "v4l2src device=/dev/video0"] [NAME=VALUE...]
 *
 * A zone is left, top, width and height in fractions of the picture. An application tells
 * gemma4embed what to look at by a GstVideoRegionOfInterestMeta for each; here a probe ahead of it
 * puts them on every frame. NAME=VALUE sets a property of gemma4embed: with region=both the whole
 * frame is embedded as well, with reuse-threshold=1 a zone in which nothing happens costs nothing.
 */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

typedef struct {
    char *name;
    double x, y, w, h;
} Zone;

typedef struct {
    char *model, *location, *source;
    char **zone_texts;
    GArray *zones; /* of Zone */

    GstElement *pipeline, *embed;
    GMainLoop *loop;
    gboolean failed;
} Zones;

/* ------------------------------------------------------------------------------------------
 * Zones
 */
static gboolean parse_zone(const char *text, Zone *zone, GError **error)
{
    const char *at = strrchr(text, '=');
    double numbers[4];
    gboolean ok = at && at != text;

    for (guint i = 0; ok && i < 4; i++) {
        char *end;
        numbers[i] = g_ascii_strtod(at + 1, &end);
        ok = end != at + 1 && isfinite(numbers[i]) && numbers[i] >= 0 && numbers[i] <= 1 &&
             *end == (i < 3 ? ',' : '\0');
        at = end;
    }
    if (!ok) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--zone %s: expected NAME=LEFT,TOP,WIDTH,HEIGHT in fractions of the picture",
                    text);
        return FALSE;
    }
    *zone = (Zone){
        .name = g_strndup(text, strrchr(text, '=') - text),
        .x = numbers[0],
        .y = numbers[1],
        .w = numbers[2],
        .h = numbers[3],
    };
    return TRUE;
}

static gboolean parse_zones(Zones *zones, GError **error)
{
    for (char **text = zones->zone_texts; text && *text; text++) {
        Zone zone;

        if (!parse_zone(*text, &zone, error))
            return FALSE;
        g_array_append_val(zones->zones, zone);
    }
    if (zones->zones->len > 0)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--zone is missing");
    return FALSE;
}

static void free_zone(gpointer data)
{
    g_free(((Zone *)data)->name);
}

static GstPadProbeReturn on_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    const Zones *zones = data;
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
    GstVideoInfo video;

    if (!caps || !gst_video_info_from_caps(&video, caps))
        return GST_PAD_PROBE_OK;
    GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    for (guint i = 0; i < zones->zones->len; i++) {
        const Zone *z = &g_array_index(zones->zones, Zone, i);
        guint left = (guint)rint(z->x * video.width), top = (guint)rint(z->y * video.height);
        guint right = (guint)rint((z->x + z->w) * video.width);
        guint bottom = (guint)rint((z->y + z->h) * video.height);

        gst_buffer_add_video_region_of_interest_meta(buffer, z->name, left, top, right - left,
                                                     bottom - top)
            ->id = (gint)i + 1; /* 0 is no id */
    }
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    return GST_PAD_PROBE_OK;
}

/* ------------------------------------------------------------------------------------------
 * The pipeline
 */
static gboolean build(Zones *zones, char **settings, GError **error)
{
    g_autofree char *line =
        g_strdup_printf("%s ! gemma4embed name=embed region=roi ! embeddingsink name=sink",
                        zones->source ? zones->source : "v4l2src");

    zones->pipeline = gst_parse_launch_full(line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!zones->pipeline)
        return FALSE;
    g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(zones->pipeline), "sink");
    zones->embed = gst_bin_get_by_name(GST_BIN(zones->pipeline), "embed");
    g_object_set(zones->embed, "model", zones->model, NULL);
    g_object_set(sink, "location", zones->location, NULL);
    for (; *settings; settings++) {
        g_auto(GStrv) parts = g_strsplit(*settings, "=", 2);

        if (!parts[1] ||
            !g_object_class_find_property(G_OBJECT_GET_CLASS(zones->embed), parts[0])) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "%s: expected NAME=VALUE, a property of gemma4embed", *settings);
            return FALSE;
        }
        gst_util_set_object_arg(G_OBJECT(zones->embed), parts[0], parts[1]);
    }
    g_autoptr(GstPad) pad = gst_element_get_static_pad(zones->embed, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, zones, NULL);
    return TRUE;
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data)
{
    Zones *zones = data;
    g_autoptr(GError) error = NULL;

    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, NULL);
        g_printerr("zones: %s\n", error->message);
        zones->failed = TRUE;
    }
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR ||
        GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
        g_main_loop_quit(zones->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer data)
{
    gst_element_send_event(((Zones *)data)->pipeline, gst_event_new_eos());
    return G_SOURCE_CONTINUE;
}

static void run(Zones *zones)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(zones->pipeline);
    GstStructure *stats = NULL;
    guint64 frames = 0, embedded = 0, reused = 0;

    zones->loop = g_main_loop_new(NULL, FALSE);
    gst_bus_add_watch(bus, on_message, zones);
    g_unix_signal_add(SIGINT, on_interrupt, zones);
    g_unix_signal_add(SIGTERM, on_interrupt, zones);
    gst_element_set_state(zones->pipeline, GST_STATE_PLAYING);
    g_main_loop_run(zones->loop);
    g_object_get(zones->embed, "stats", &stats, NULL);
    gst_element_set_state(zones->pipeline, GST_STATE_NULL);
    gst_bus_remove_watch(bus);
    g_main_loop_unref(zones->loop);

    gst_structure_get(stats, "frames", G_TYPE_UINT64, &frames, "embedded", G_TYPE_UINT64, &embedded,
                      "reused", G_TYPE_UINT64, &reused, NULL);
    gst_structure_free(stats);
    if (!zones->failed)
        g_print("%" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT
                " vectors computed, %" G_GUINT64_FORMAT " reused\n",
                frames, embedded, reused);
}

int main(int argc, char **argv)
{
    Zones zones = {0};
    g_autoptr(GError) error = NULL;
    GOptionEntry options[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &zones.model, "checkpoint", "DIR"},
        {"location", 0, 0, G_OPTION_ARG_FILENAME, &zones.location, "file of the records",
         "OUT.jsonl|OUT.npy|OUT.db"},
        {"zone", 0, 0, G_OPTION_ARG_STRING_ARRAY, &zones.zone_texts, "a place in the picture",
         "NAME=LEFT,TOP,WIDTH,HEIGHT"},
        {"source", 0, 0, G_OPTION_ARG_STRING, &zones.source, "launch line (v4l2src)", "LINE"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("[NAME=VALUE...]");

    zones.zones = g_array_new(FALSE, FALSE, sizeof(Zone));
    g_array_set_clear_func(zones.zones, free_zone);
    g_option_context_add_main_entries(context, options, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    gboolean ok = g_option_context_parse(context, &argc, &argv, &error) &&
                  parse_zones(&zones, &error) && build(&zones, argv + 1, &error);
    if (ok)
        run(&zones);
    else
        g_printerr("zones: %s\n", error->message);
    gst_clear_object(&zones.embed);
    gst_clear_object(&zones.pipeline);
    g_array_unref(zones.zones);
    g_strfreev(zones.zone_texts);
    g_free(zones.model);
    g_free(zones.location);
    g_free(zones.source);
    return ok && !zones.failed ? 0 : 1;
}
