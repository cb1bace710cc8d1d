/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-text-bench: times the text encoder alone, text to vector, and prints one line of JSON.
 *
 * The text is made to have --tokens tokens: words of random letters are appended, then cut, until
 * the tokenizer says so. Each timed call has another text of that length. Times are wall clock.
 * With --texts each line of a file is a text instead, in each --rounds once more, and --save keeps
 * their vectors.
 */
#include "text_encoder.h"
#include "text_model.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct Options {
    char *model, *precision, *texts, *save;
    char **lines; /* of `texts`, or NULL */
    int tokens, threads, rounds, warmup;
} Options;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double peak_rss_mb(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ------------------------------------------------------------------------------------------
 * Texts
 */
static gboolean count_tokens(const G4TextModel *model, const GString *text, guint *n,
                             GError **error)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));

    if (!g4_tokenizer_encode(model->tokenizer, text->str, text->len, ids, error))
        return FALSE;
    *n = ids->len;
    return TRUE;
}

/* Of `tokens` tokens or, where letters merge, of the next number below. */
static GString *make_text(const G4TextModel *model, guint tokens, guint seed, GError **error)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    GString *text = g_string_new(NULL);
    guint n = 0;
    gboolean ok = TRUE;

    while (ok && n < tokens) {
        const int letters = g_rand_int_range(random, 1, 9);
        for (int i = 0; i < letters; i++)
            g_string_append_c(text, (char)g_rand_int_range(random, 'a', 'z' + 1));
        g_string_append_c(text, ' ');
        ok = count_tokens(model, text, &n, error);
    }
    while (ok && n > tokens && text->len > 0) {
        g_string_truncate(text, text->len - 1);
        ok = count_tokens(model, text, &n, error);
    }
    if (!ok) {
        g_string_free(text, TRUE);
        return NULL;
    }
    return text;
}

/* ------------------------------------------------------------------------------------------
 * Timing
 */

static GString *choose_text(const G4TextModel *model, const Options *o, guint round, GError **error)
{
    if (!o->lines)
        return make_text(model, (guint)o->tokens, round, error);
    return g_string_new(o->lines[round % g_strv_length(o->lines)]);
}

/* Seconds of one text; negative after an error. */
static double embed(G4TextEncoder *encoder, const G4TextModel *model, const Options *o, guint round,
                    float *vector, GError **error)
{
    g_autoptr(GString) text = choose_text(model, o, round, error);

    if (!text)
        return -1.0;
    const G4Part part = {.kind = G4_PART_TEXT, .text = text->str, .length = (gssize)text->len};
    const double start = now();
    if (!g4_text_encoder_embed(encoder, NULL, &part, 1, TRUE, vector, error))
        return -1.0;
    return now() - start;
}

static void set_real(json_t *line, const char *key, double value)
{
    json_object_set_new(line, key, json_real(value));
}

static void print_report(G4TextEncoder *encoder, const G4TextModel *model, const Options *o,
                         double open, double first, double *seconds)
{
    const guint n = (guint)o->rounds;
    json_t *line = json_object();
    guint tokens;

    g4_text_encoder_get_ids(encoder, &tokens);
    qsort(seconds, n, sizeof *seconds, compare_doubles);
    json_object_set_new(line, "model", json_string(g4_text_model_get_name(model)));
    json_object_set_new(line, "kernels", json_string(g4_text_model_get_kernels(model)));
    json_object_set_new(line, "precision",
                        json_string(g4_precision_name(g4_text_model_get_precision(model))));
    json_object_set_new(line, "threads", json_integer(o->threads));
    json_object_set_new(line, "tokens", json_integer(tokens));
    json_object_set_new(line, "rounds", json_integer(n));
    set_real(line, "median_seconds",
             n % 2 ? seconds[n / 2] : 0.5 * (seconds[n / 2 - 1] + seconds[n / 2]));
    set_real(line, "fastest_seconds", seconds[0]);
    set_real(line, "slowest_seconds", seconds[n - 1]);
    set_real(line, "first_seconds", first);
    set_real(line, "open_seconds", open);
    set_real(line, "weights_mb", (double)g4_text_model_get_bytes(model) / 1048576.0);
    set_real(line, "activations_mb", (double)g4_text_encoder_get_bytes(encoder) / 1048576.0);
    set_real(line, "peak_rss_mb", peak_rss_mb());
    char *text = json_dumps(line, JSON_REAL_PRECISION(6));
    g_print("%s\n", text);
    free(text);
    json_decref(line);
}

/* float32 [rows, cols] as NumPy reads it. */
static gboolean save_vectors(const char *path, const float *vectors, guint rows, guint cols,
                             GError **error)
{
    g_autoptr(GString) file = g_string_new("\x93NUMPY\x01");

    g_string_append_len(file, "\0\x76\0", 3); /* version 1.0, and 118 bytes that follow */
    g_string_append_printf(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (%u, %u), }",
                           rows, cols);
    while (file->len < 127)
        g_string_append_c(file, ' ');
    g_string_append_c(file, '\n');
    g_string_append_len(file, (const char *)vectors, (gssize)((gsize)rows * cols * sizeof(float)));
    return g_file_set_contents(path, file->str, (gssize)file->len, error);
}

static gboolean bench(const Options *o, G4Precision precision, GError **error)
{
    double start = now(), first = 0.0;
    g_autoptr(G4TextModel) model =
        g4_text_model_open(o->model, &(G4ModelOptions){.precision = precision}, error);

    if (!model)
        return FALSE;
    const double open = now() - start;
    g_autoptr(G4TextEncoder) encoder =
        g4_text_encoder_new(model, &(G4TextEncoderOptions){.threads = (guint)o->threads}, error);
    if (!encoder)
        return FALSE;
    const guint cols = g4_text_model_get_cols(model), kept = o->lines ? g_strv_length(o->lines) : 1;
    g_autofree double *seconds = g_new(double, o->rounds);
    g_autofree float *vectors = g_new0(float, (gsize)kept *cols);
    for (int i = -o->warmup; i < o->rounds; i++) {
        const guint round = o->lines ? (guint)MAX(i, 0) : (guint)(i + o->warmup);
        float *vector = vectors + round % kept * (gsize)cols;
        const double took = embed(encoder, model, o, round, vector, error);
        if (took < 0.0)
            return FALSE;
        if (i == -o->warmup)
            first = took;
        if (i >= 0)
            seconds[i] = took;
    }
    for (gsize i = 0; i < (gsize)kept * cols; i++)
        if (!isfinite(vectors[i])) {
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: a vector that is not finite",
                        o->model);
            return FALSE;
        }
    print_report(encoder, model, o, open, first, seconds);
    return !o->save || save_vectors(o->save, vectors, kept, cols, error);
}

static gboolean read_lines(Options *o, GError **error)
{
    g_autofree char *text = NULL;

    if (!o->texts)
        return TRUE;
    if (!g_file_get_contents(o->texts, &text, NULL, error))
        return FALSE;
    o->lines = g_strsplit(g_strchomp(text), "\n", -1);
    o->rounds *= (int)MAX(1, g_strv_length(o->lines));
    if (o->rounds > 0 && o->lines[0])
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "%s: no line of text", o->texts);
    return FALSE;
}

/* ------------------------------------------------------------------------------------------
 * Command line
 */
static gboolean parse_precision(const char *name, G4Precision *precision)
{
    for (G4Precision p = G4_PRECISION_AUTO; p <= G4_PRECISION_INT8; p++) {
        if (strcmp(name, g4_precision_name(p)) == 0) {
            *precision = p;
            return TRUE;
        }
    }
    return FALSE;
}

static const char *wrong_option(const Options *o)
{
    if (!o->model)
        return "--model is needed";
    if (o->tokens < 2 || o->tokens > G4_TEXT_MAX_TOKENS)
        return "--tokens: 2 to 8192";
    if (o->threads < 0 || o->threads > 1024)
        return "--threads: 0 to 1024";
    if (o->rounds < 1 || o->rounds > 1000000 || o->warmup < 0 || o->warmup > 1000000)
        return "--rounds: 1 to 1000000; --warmup: 0 to 1000000";
    return NULL;
}

int main(int argc, char **argv)
{
    Options o = {.tokens = 30, .rounds = 21, .warmup = 3};
    const GOptionEntry entries[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &o.model, "checkpoint: folder or file", "DIR"},
        {"tokens", 0, 0, G_OPTION_ARG_INT, &o.tokens, "of a text, bos and eos included (30)", "N"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &o.precision, "auto (default), f32, bf16, int8",
         "P"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &o.threads, "0 (default): all that are free", "N"},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &o.rounds, "timed texts, or times of each line (21)",
         "N"},
        {"texts", 0, 0, G_OPTION_ARG_FILENAME, &o.texts, "texts, one a line", "FILE"},
        {"save", 0, 0, G_OPTION_ARG_FILENAME, &o.save, "vectors of the texts, as NPY", "FILE"},
        {"warmup", 0, 0, G_OPTION_ARG_INT, &o.warmup, "texts before them (3)", "N"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    G4Precision precision = G4_PRECISION_AUTO;
    int status = 2;

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    g_option_context_set_summary(context, "Times the text encoder, text to vector.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("gemma4-text-bench: %s\n", error->message);
    } else if (argc > 1) {
        g_printerr("gemma4-text-bench: unexpected argument %s\n", argv[1]);
    } else if (wrong_option(&o)) {
        g_printerr("gemma4-text-bench: %s\n", wrong_option(&o));
    } else if (o.precision && !parse_precision(o.precision, &precision)) {
        g_printerr("gemma4-text-bench: --precision %s: auto, f32, bf16 or int8\n", o.precision);
    } else {
        if (o.threads == 0)
            o.threads = (int)g4_default_threads();
        status = 0;
        if (!read_lines(&o, &error) || !bench(&o, precision, &error)) {
            g_printerr("gemma4-text-bench: %s\n", error->message);
            status = 1;
        }
    }
    g_free(o.model);
    g_free(o.precision);
    g_free(o.texts);
    g_free(o.save);
    g_strfreev(o.lines);
    return status;
}
