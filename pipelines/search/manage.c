/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-search remove, embed and info.
 */
#include "printable.h"
#include "searcher.h"
#include "timecode.h"

#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A film that is gone is known by the real name of its folder, unless that is gone, too. */
static char *name_it_had(const char *path)
{
    g_autofree char *base = g_path_get_basename(path), *folder = g_path_get_dirname(path);
    char *real = realpath(folder, NULL);
    char *name = real ? g_build_filename(real, base, NULL) : g_canonicalize_filename(path, NULL);

    free(real);
    return name;
}

int remove_command(Options *options, int argc, char **argv)
{
    g_autoptr(Store) store = NULL;
    GError *error = NULL;
    int status = EXIT_FINE;

    if (!options_parse(options, NULL, "VIDEO|URI...", &argc, &argv, 1, G_MAXINT, TRUE))
        return EXIT_USAGE;
    store = store_open(options->db, STORE_READ, &error);
    if (!store)
        return options_fail(error);
    for (int i = 1; i < argc; i++) {
        g_autofree char *name = NULL, *uri = NULL;
        g_autoptr(StoreStream) stream = NULL;

        if (!store_resolve(argv[i], &name, &uri, NULL))
            name = name_it_had(argv[i]);
        stream = store_find_stream(store, name, &error);
        if (!stream && !error)
            stream = store_find_stream(store, argv[i], &error);
        if (error)
            return options_fail(error);
        if (!stream) {
            g_printerr("gemma4-search: %s: not in %s\n", argv[i], options->db);
            status = EXIT_SOME_FAILED;
            continue;
        }
        if (!store_forget_stream(store, stream->id, FALSE, &error))
            return options_fail(error);
        g_autofree char *line = printable(stream->name);
        printf("%s: %" G_GUINT64_FORMAT " embeddings removed\n", line, stream->n);
    }
    /* Ids that were freed may be given again: nobody is to take them for what they were. */
    vectors_discard(options->db);
    return status;
}

static void print_vector(const float *values, guint cols)
{
    putchar('[');
    for (guint i = 0; i < cols; i++) {
        char digits[G_ASCII_DTOSTR_BUF_SIZE];
        printf("%s%s", i > 0 ? "," : "", g_ascii_formatd(digits, sizeof digits, "%.9g",
                                                          (double)values[i]));
    }
    fputs("]\n", stdout);
}

/* A picture, if there is a file of that name; else the text itself. */
int embed_command(Options *options, int argc, char **argv)
{
    g_autoptr(Embedder) embedder = NULL;
    g_autoptr(StoreModel) model = NULL;
    g_autoptr(Store) store = NULL;
    g_autofree float *values = NULL;
    GError *error = NULL;
    guint cols = 0;
    gboolean text = FALSE, image = FALSE;
    const GOptionEntry entries[] = {
        {"text", 0, 0, G_OPTION_ARG_NONE, &text, "It is a text, whatever files there are", NULL},
        {"image", 0, 0, G_OPTION_ARG_NONE, &image, "It is a picture's file", NULL},
        G_OPTION_ENTRY_NULL,
    };

    if (!options_parse(options, entries, "TEXT|IMAGE", &argc, &argv, 1, 1, FALSE))
        return EXIT_USAGE;
    if (options->db) {
        store = store_open(options->db, STORE_READ, &error);
        model = store ? store_get_model(store, &error) : NULL;
        if (!model)
            return options_fail(error);
    }
    embedder = options_embedder(options, model, &error);
    if (!embedder)
        return options_fail(error);
    if (image || (!text && g_file_test(argv[1], G_FILE_TEST_IS_REGULAR))) {
        g_autofree char *name = NULL, *uri = NULL;
        Picture picture = {0};
        Film *film =
            store_resolve(argv[1], &name, &uri, &error) ? film_open(uri, &error) : NULL;
        gboolean joint =
            model ? g_strcmp0(model->kind, "joint") == 0 : embedder_is_joint(embedder);
        if (film && film_picture(film, -1, &picture, &error))
            values = embedder_picture(embedder, joint, options->prompt, &picture, &cols, &error);
        picture_clear(&picture);
        film_close(film);
    } else {
        values = embedder_text(embedder, options->prompt ? options->prompt : "query", argv[1],
                               &cols, &error);
    }
    if (!values)
        return options_fail(error);
    print_vector(values, cols);
    return EXIT_FINE;
}

static int print_index(const char *path)
{
    GError *error = NULL;
    g_autoptr(Store) store = store_open(path, STORE_READ, &error);
    g_autoptr(StoreModel) model = NULL;
    g_autoptr(GPtrArray) streams = store ? store_list_streams(store, &error) : NULL;
    guint64 n = 0;

    if (!streams)
        return options_fail(error);
    model = store_get_model(store, NULL);
    printf("%s\n", path);
    if (model) {
        printf("  model      %s (%s)\n", model->name ? model->name : "?", model->digest);
        printf("  vectors    %s, %u values, %s\n", model->kind, model->cols,
               model->precision ? model->precision : "precision not known");
        if (model->path)
            printf("  checkpoint %s\n", model->path);
        if (model->max_soft_tokens)
            printf("  budget     %u soft tokens\n", model->max_soft_tokens);
        if (model->rate)
            printf("  rate       %s frames a second\n", model->rate);
    }
    for (guint i = 0; i < streams->len; i++)
        n += ((StoreStream *)streams->pdata[i])->n;
    printf("  %u streams, %" G_GUINT64_FORMAT " embeddings\n", streams->len, n);
    for (guint i = 0; i < streams->len; i++) {
        const StoreStream *stream = streams->pdata[i];
        g_autofree char *last = timecode_format(stream->last, 0);
        g_autofree char *name = printable(stream->name);
        printf("%9" G_GUINT64_FORMAT "  %9s  %s%s\n", stream->n, stream->last >= 0 ? last : "-",
               name, stream->done ? "" : "  (not finished)");
    }
    return EXIT_FINE;
}

static int print_checkpoint(const Options *options)
{
    GError *error = NULL;
    G4ModelOptions open = {.precision = options->precision};
    g_autoptr(G4Model) vision = g4_model_open(options->model, &open, &error);

    if (!vision)
        return options_fail(error);
    printf("%s\n", options->model);
    printf("  vision     %s (%s), %s, %s kernels, %.0f MB\n", g4_model_get_name(vision),
           g4_model_get_digest(vision), g4_precision_name(g4_model_get_precision(vision)),
           g4_model_get_kernels(vision), (double)g4_model_get_bytes(vision) / 1e6);
    printf("  pooled     %u values\n", g4_model_get_cols(vision));
    if (!g4_text_model_exists(options->model)) {
        printf("  no text encoder: pictures find pictures, sentences find nothing\n");
        return EXIT_FINE;
    }
    g_autoptr(G4TextModel) text = g4_text_model_open(options->model, &open, &error);
    if (!text)
        return options_fail(error);
    printf("  text       (%s), %s, %s kernels, %.0f MB\n", g4_text_model_get_digest(text),
           g4_precision_name(g4_text_model_get_precision(text)), g4_text_model_get_kernels(text),
           (double)g4_text_model_get_bytes(text) / 1e6);
    printf("  joint      %u values\n", g4_text_model_get_cols(text));
    for (const char *const *name = g4_text_model_get_prompt_names(text); *name; name++)
        printf("  prompt     %-24s \"%s\"\n", *name, g4_text_model_get_prompt(text, *name));
    return EXIT_FINE;
}

int info_command(Options *options, int argc, char **argv)
{
    g_autofree char *gst = gst_version_string();
    int status = EXIT_FINE;

    if (!options_parse(options, NULL, "", &argc, &argv, 0, 0, FALSE))
        return EXIT_USAGE;
    printf("gemma4-search %s, %s\n", g4_version(), gst);
    if (options->db)
        status = print_index(options->db);
    if (options->model && status == EXIT_FINE)
        status = print_checkpoint(options);
    return status;
}
