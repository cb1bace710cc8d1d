/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-search: finds moments in films by a sentence or a picture.
 */
#include "options.h"

#include <gst/gst.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    Command run;
    const char *takes, *does;
} commands[] = {
    {"index", index_command, "VIDEO|URI... --db FILE", "embed films into an index"},
    {"query", query_command, "TEXT --db FILE", "find moments by a sentence"},
    {"similar", similar_command, "IMAGE|VIDEO@mm:ss --db FILE", "find moments by a picture"},
    {"timeline", timeline_command, "TEXT --db FILE --out PNG", "draw the score against time"},
#ifdef HAVE_SOUP
    {"serve", serve_command, "--db FILE [--port N]", "the same in a browser"},
#endif
    {"remove", remove_command, "VIDEO|URI... --db FILE", "take films out of an index"},
    {"embed", embed_command, "TEXT|IMAGE --model DIR", "print one vector"},
    {"info", info_command, "[--db FILE] [--model DIR]", "what is in an index or a checkpoint"},
};

static void print_help(FILE *out)
{
    fputs("gemma4-search finds moments in films by a sentence or a picture.\n\n", out);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        fprintf(out, "  gemma4-search %-8s %-28s %s\n", commands[i].name, commands[i].takes,
                commands[i].does);
    fputs("\nEach command has --help, and all of them a manual page: man gemma4-search.\n", out);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Options options = {0};

    setlocale(LC_ALL, "");
    g_set_prgname("gemma4-search");
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("gemma4-search %s\n", g4_version());
        return EXIT_FINE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (!gst_init_check(NULL, NULL, &error))
            return options_fail(g_steal_pointer(&error));
        int status = commands[i].run(&options, argc - 1, argv + 1);
        g_free(options.db);
        g_free(options.model);
        g_free(options.precision_name);
        g_free(options.prompt);
        return status;
    }
    g_printerr("gemma4-search: no command \"%s\"\n\n", argv[1]);
    print_help(stderr);
    return EXIT_USAGE;
}
