/* SPDX-License-Identifier: Apache-2.0
 *
 * What all commands take, by GLib's options.
 */
#include "options.h"

#include <string.h>

int options_fail(GError *error)
{
    g_printerr("gemma4-search: %s\n", error->message);
    g_error_free(error);
    return EXIT_SOME_FAILED;
}

static gboolean parse_precision(Options *options)
{
    static const G4Precision all[] = {G4_PRECISION_AUTO, G4_PRECISION_F32, G4_PRECISION_BF16,
                                      G4_PRECISION_INT8};

    if (!options->precision_name)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        if (g_str_equal(options->precision_name, g4_precision_name(all[i]))) {
            options->precision = all[i];
            return TRUE;
        }
    }
    g_printerr("gemma4-search: --precision %s: neither auto, f32, bf16 nor int8\n",
               options->precision_name);
    return FALSE;
}

gboolean options_parse(Options *options, const GOptionEntry *entries, const char *usage, int *argc,
                       char ***argv, int least, int most, gboolean needs_db)
{
    const GOptionEntry common[] = {
        {"db", 0, 0, G_OPTION_ARG_FILENAME, &options->db, "The index", "FILE"},
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &options->model,
         "A checkpoint's folder. Default: the one that made the index", "DIR"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &options->precision_name,
         "auto, f32, bf16 or int8. Default: auto", "P"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options->threads, "Default: all cores", "N"},
        {"max-soft-tokens", 0, 0, G_OPTION_ARG_INT, &options->max_soft_tokens,
         "Budget of a picture. Default: the index's, else the checkpoint's", "T"},
        {"prompt", 0, 0, G_OPTION_ARG_STRING, &options->prompt,
         "A task prompt of the checkpoint. Default: query for a text, none for a picture",
         "NAME|none"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("gemma4-search %s", (*argv)[0]);
    gboolean ok;

    g_set_prgname(name);
    if (entries)
        g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    ok = g_option_context_parse(context, argc, argv, &error);
    g_set_prgname("gemma4-search");
    if (!ok) {
        g_printerr("gemma4-search: %s\n", error->message);
        return FALSE;
    }
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) { /* what follows may begin with a dash */
        memmove(*argv + 1, *argv + 2, (gsize)(*argc - 1) * sizeof **argv);
        --*argc;
    }
    if (*argc - 1 < least || *argc - 1 > most) {
        g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
        g_printerr("gemma4-search %s: %s\n\n%s", (*argv)[0],
                   *argc - 1 < least ? "an argument is missing" : "too many arguments", help);
        return FALSE;
    }
    if (needs_db && !options->db) {
        g_printerr("gemma4-search %s: --db FILE is missing\n", (*argv)[0]);
        return FALSE;
    }
    if (options->threads < 0 || options->threads > 4096 || options->max_soft_tokens < 0) {
        g_printerr("gemma4-search: --threads and --max-soft-tokens are numbers from 1\n");
        return FALSE;
    }
    return parse_precision(options);
}

Embedder *options_embedder(const Options *options, const StoreModel *model, GError **error)
{
    const char *path = options->model ? options->model : model ? model->path : NULL;

    if (!path) {
        g_set_error(error, G4_ERROR, G4_ERROR_MISSING, "--model DIR is missing%s",
                    model ? ": the index does not say which checkpoint made it" : "");
        return NULL;
    }
    return embedder_new(&(EmbedderOptions){
        .path = path,
        .precision = options->precision,
        .threads = (guint)options->threads,
        .max_soft_tokens = options->max_soft_tokens ? (guint)options->max_soft_tokens
                           : model                  ? model->max_soft_tokens
                                                    : 0,
        .digest = model ? model->digest : NULL,
        .text_digest = model ? model->text_digest : NULL,
    });
}
