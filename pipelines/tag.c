/* SPDX-License-Identifier: Apache-2.0
 *
 * tag: sentences written onto a live picture while they match, and changed while it plays.
 *
 *   tag --model DIR --labels "a person; an empty room"
 *   tag --model DIR --labels "a red car" --source "filesrc location=film.mp4 ! decodebin" --scores
 *
 *     source ! gemma4embed async ! embeddingmatch ! textoverlay ! sink
 *                                        '- text - queue ---'
 *
 * A line on standard input are the labels from then on; "NAME=VALUE" sets a property of
 * embeddingmatch. Matches are printed as they begin and end. With --scores so are the scores, and
 * at the end how they were spread for each label: what a threshold is chosen by.
 */
#include <glib-unix.h>
#include <gst/gemma4/gstgemma4scoremeta.h>
#include <gst/gst.h>
#include <string.h>

#define MAX_SCORES (1u << 20) /* of a label, kept for the table */

typedef struct {
    char *model, *labels, *vectors, *source, *sink;
    double threshold;
    gboolean scores, synchronous;

    GMainLoop *loop;
    GstElement *pipeline, *match;
    GHashTable *table; /* label to GArray of double; of the streaming thread until the end */
    gboolean failed;
} Tag;

static void print_time(guint64 time)
{
    if (GST_CLOCK_TIME_IS_VALID(time))
        g_print("%9.3f", (double)time / GST_SECOND);
    else
        g_print("%9s", "-");
}

/* ------------------------------------------------------------------------------------------
 * Scores
 */
static GstPadProbeReturn on_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Tag *tag = data;
    GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(GST_PAD_PROBE_INFO_BUFFER(info));

    for (guint i = 0; meta && i < gst_gemma4_score_meta_get_n_entries(meta); i++) {
        const GstGemma4Score *score = gst_gemma4_score_meta_get_entry(meta, i);
        const char *label = gst_gemma4_score_get_label(score);
        double value = gst_gemma4_score_get_score(score);
        GArray *all = g_hash_table_lookup(tag->table, label);

        if (!all) {
            all = g_array_new(FALSE, FALSE, sizeof(double));
            g_hash_table_insert(tag->table, g_strdup(label), all);
        }
        if (all->len < MAX_SCORES)
            g_array_append_val(all, value);
        print_time(gst_gemma4_score_get_pts(score));
        g_print("  %7.4f  %s\n", value, label);
    }
    return GST_PAD_PROBE_OK;
}

static int compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_table(const Tag *tag)
{
    static const double parts[] = {0, 0.05, 0.5, 0.95, 1};
    GHashTableIter iter;
    gpointer label, values;

    g_print("\n%7s %7s %7s %7s %7s %7s  %s\n", "frames", "least", "5%", "median", "95%", "most",
            "label");
    g_hash_table_iter_init(&iter, tag->table);
    while (g_hash_table_iter_next(&iter, &label, &values)) {
        GArray *all = values;

        g_array_sort(all, compare);
        g_print("%7u", all->len);
        for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
            g_print(" %7.4f", g_array_index(all, double, (guint)(parts[i] * (all->len - 1) + 0.5)));
        g_print("  %s\n", (const char *)label);
    }
}

/* ------------------------------------------------------------------------------------------
 * What is told
 */
static void print_match(const GstStructure *s)
{
    gboolean entering = FALSE;
    guint64 from = GST_CLOCK_TIME_NONE, to = GST_CLOCK_TIME_NONE;
    double score = 0;

    gst_structure_get(s, "entering", G_TYPE_BOOLEAN, &entering, "start", G_TYPE_UINT64, &from,
                      "end", G_TYPE_UINT64, &to, "score", G_TYPE_DOUBLE, &score, NULL);
    print_time(entering ? from : to);
    g_print("  %s  %.4f  %s\n", entering ? "begins" : "ends  ", score,
            gst_structure_get_string(s, "label"));
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data)
{
    Tag *tag = data;
    g_autoptr(GError) error = NULL;

    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ELEMENT:
        if (gst_message_has_name(message, "gemma4-match"))
            print_match(gst_message_get_structure(message));
        break;
    case GST_MESSAGE_WARNING: /* labels that were refused, say: the former ones stay */
        gst_message_parse_warning(message, &error, NULL);
        g_printerr("tag: %s\n", error->message);
        break;
    case GST_MESSAGE_ERROR:
        gst_message_parse_error(message, &error, NULL);
        g_printerr("tag: %s\n", error->message);
        tag->failed = TRUE;
        g_main_loop_quit(tag->loop);
        break;
    case GST_MESSAGE_EOS:
        g_main_loop_quit(tag->loop);
        break;
    default:
        break;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer data)
{
    gst_element_send_event(((Tag *)data)->pipeline, gst_event_new_eos());
    return G_SOURCE_CONTINUE;
}

/* ------------------------------------------------------------------------------------------
 * What is typed
 */
static gboolean set_property(Tag *tag, const char *line)
{
    const char *equals = strchr(line, '=');

    if (!equals)
        return FALSE;
    g_autofree char *name = g_strndup(line, (gsize)(equals - line));
    if (!g_object_class_find_property(G_OBJECT_GET_CLASS(tag->match), name))
        return FALSE;
    gst_util_set_object_arg(G_OBJECT(tag->match), name, equals + 1);
    return TRUE;
}

static gboolean on_line(GIOChannel *channel, GIOCondition condition, gpointer data)
{
    Tag *tag = data;
    g_autofree char *line = NULL;

    if (g_io_channel_read_line(channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL)
        return G_SOURCE_REMOVE;
    g_strstrip(line);
    if (*line && !set_property(tag, line))
        g_object_set(tag->match, "labels", line, NULL);
    return G_SOURCE_CONTINUE;
}

/* ------------------------------------------------------------------------------------------
 * The pipeline
 */
static gboolean build(Tag *tag, GError **error)
{
    g_autofree char *line = g_strdup_printf(
        "%s ! videoconvert ! gemma4embed name=embed async=%s ! embeddingmatch name=match ! "
        "textoverlay name=text valignment=top halignment=left line-alignment=left "
        "font-desc=\"Sans 16\" shaded-background=true ! videoconvert ! %s "
        "match.text ! queue ! text.text_sink",
        tag->source, tag->synchronous ? "false" : "true", tag->sink);

    tag->pipeline = gst_parse_launch_full(line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!tag->pipeline)
        return FALSE;
    g_autoptr(GstElement) embed = gst_bin_get_by_name(GST_BIN(tag->pipeline), "embed");
    tag->match = gst_bin_get_by_name(GST_BIN(tag->pipeline), "match");
    g_object_set(embed, "model", tag->model, NULL);
    g_object_set(tag->match, "model", tag->vectors ? NULL : tag->model, "labels", tag->labels,
                 "vectors", tag->vectors, "threshold", tag->threshold, NULL);
    if (tag->scores) {
        g_autoptr(GstPad) src = gst_element_get_static_pad(tag->match, "src");

        g_object_set(tag->match, "top-k", 0, NULL);
        gst_pad_add_probe(src, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, tag, NULL);
    }
    return TRUE;
}

static void run(Tag *tag)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(tag->pipeline);
    GIOChannel *input = g_io_channel_unix_new(0);

    tag->loop = g_main_loop_new(NULL, FALSE);
    gst_bus_add_watch(bus, on_message, tag);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_line, tag);
    g_io_channel_unref(input);
    g_unix_signal_add(SIGINT, on_interrupt, tag);
    g_unix_signal_add(SIGTERM, on_interrupt, tag);
    gst_element_set_state(tag->pipeline, GST_STATE_PLAYING);
    g_main_loop_run(tag->loop);
    gst_element_set_state(tag->pipeline, GST_STATE_NULL);
    gst_bus_remove_watch(bus);
    g_main_loop_unref(tag->loop);
}

int main(int argc, char **argv)
{
    Tag tag = {.threshold = 0.3};
    g_autoptr(GError) error = NULL;
    GOptionEntry options[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &tag.model, "checkpoint with a text encoder", "DIR"},
        {"labels", 0, 0, G_OPTION_ARG_STRING, &tag.labels, "what to look for, by semicolons",
         "TEXT"},
        {"vectors", 0, 0, G_OPTION_ARG_FILENAME, &tag.vectors,
         "vectors of the labels, instead of a text encoder", "NPY"},
        {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &tag.threshold, "score of a match (0.3)", "X"},
        {"source", 0, 0, G_OPTION_ARG_STRING, &tag.source, "launch line (v4l2src)", "LINE"},
        {"sink", 0, 0, G_OPTION_ARG_STRING, &tag.sink, "launch line (autovideosink)", "LINE"},
        {"synchronous", 0, 0, G_OPTION_ARG_NONE, &tag.synchronous,
         "embed every frame: for files, not for a camera", NULL},
        {"scores", 0, 0, G_OPTION_ARG_NONE, &tag.scores, "print scores, and their table", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_add_main_entries(context, options, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, &argc, &argv, &error) || !tag.model) {
        g_printerr("tag: %s\n", error ? error->message : "--model is missing");
        return 2;
    }
    if (!tag.source)
        tag.source = g_strdup("v4l2src");
    if (!tag.sink)
        tag.sink = g_strdup("autovideosink");
    tag.table =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);
    if (!build(&tag, &error)) {
        g_printerr("tag: %s\n", error->message);
        return 1;
    }
    run(&tag);
    if (tag.scores && !tag.failed)
        print_table(&tag);
    g_hash_table_unref(tag.table);
    gst_object_unref(tag.match);
    gst_object_unref(tag.pipeline);
    g_free(tag.model);
    g_free(tag.labels);
    g_free(tag.vectors);
    g_free(tag.source);
    g_free(tag.sink);
    return tag.failed;
}
