/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-search query and similar: the best moments, as lines, JSON or a contact sheet.
 */
#include "printable.h"
#include "searcher.h"
#include "sheet.h"
#include "timecode.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* {"stream","uri","start","end","best","score","frames"}: times in ns. */
static void print_json(const GArray *answers)
{
    json_t *list = json_array();

    for (guint i = 0; i < answers->len; i++) {
        const Answer *answer = &g_array_index(answers, Answer, i);
        json_t *o = json_object();
        g_autofree char *name = g_utf8_make_valid(answer->stream->name, -1);
        g_autofree char *uri =
            answer->stream->uri ? g_utf8_make_valid(answer->stream->uri, -1) : NULL;
        json_object_set_new(o, "stream", json_string(name));
        json_object_set_new(o, "uri", uri ? json_string(uri) : json_null());
        json_object_set_new(o, "start", json_integer(answer->moment.start));
        json_object_set_new(o, "end", json_integer(answer->moment.end));
        json_object_set_new(o, "best", json_integer(answer->moment.best));
        json_object_set_new(o, "score", json_real((double)answer->moment.score));
        json_object_set_new(o, "frames", json_integer(answer->moment.frames));
        json_array_append_new(list, o);
    }
    char *text = json_dumps(list, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    puts(text);
    free(text);
    json_decref(list);
}

static void print_lines(const GArray *answers)
{
    for (guint i = 0; i < answers->len; i++) {
        const Answer *answer = &g_array_index(answers, Answer, i);
        g_autofree char *best = timecode_format(answer->moment.best, 1);
        g_autofree char *start = timecode_format(answer->moment.start, 0);
        g_autofree char *end = timecode_format(answer->moment.end, 0);
        g_autofree char *span = strcmp(start, end) == 0
                                    ? g_strdup("")
                                    : g_strdup_printf("(%s to %s)", start, end);
        g_autofree char *name = printable(answer->stream->name);
        printf("%9s  %-18s  %7.4f  %s\n", best, span, (double)answer->moment.score, name);
    }
}

typedef struct {
    int top;
    char *sheet;
    gboolean json, frames;
} Format;

static int answer(Searcher *searcher, float *query, const char *title, const Format *format)
{
    GError *error = NULL;
    g_autoptr(GPtrArray) streams = NULL;
    g_autoptr(GArray) answers = NULL;
    g_autofree Score *scores = searcher_score(searcher, query);

    g_free(query);
    answers = searcher_answer(searcher, scores, (guint)format->top, format->frames, &streams,
                              &error);
    if (!answers)
        return options_fail(error);
    if (format->json)
        print_json(answers);
    else
        print_lines(answers);
    if (format->sheet && !sheet_draw(answers, title, format->sheet, &error))
        return options_fail(error);
    return EXIT_FINE;
}

static int run(Options *options, int argc, char **argv, const char *usage,
               float *(*embed)(Searcher *, const char *, GError **))
{
    Format format = {.top = 10};
    Searcher searcher = {0};
    GError *error = NULL;
    const GOptionEntry entries[] = {
        {"top", 0, 0, G_OPTION_ARG_INT, &format.top, "So many moments. Default: 10", "N"},
        {"sheet", 0, 0, G_OPTION_ARG_FILENAME, &format.sheet, "Draw their frames", "PNG"},
        {"frames", 0, 0, G_OPTION_ARG_NONE, &format.frames,
         "Each frame is an answer of its own, whatever its neighbours are", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &format.json, "Print a JSON array", NULL},
        G_OPTION_ENTRY_NULL,
    };

    int status = EXIT_USAGE;
    if (!options_parse(options, entries, usage, &argc, &argv, 1, 1, TRUE))
        goto out;
    if (format.top < 1 || format.top > 10000) {
        g_printerr("gemma4-search: --top is a number from 1 to 10000\n");
        goto out;
    }
    float *query = searcher_open(&searcher, options, &error)
                       ? embed(&searcher, argv[1], &error)
                       : NULL;
    status = query ? answer(&searcher, query, argv[1], &format) : options_fail(error);
out:
    searcher_clear(&searcher);
    g_free(format.sheet);
    return status;
}

int query_command(Options *options, int argc, char **argv)
{
    return run(options, argc, argv, "TEXT", searcher_text);
}

int similar_command(Options *options, int argc, char **argv)
{
    return run(options, argc, argv, "IMAGE|VIDEO@mm:ss", searcher_file);
}
