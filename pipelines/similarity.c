/* SPDX-License-Identifier: Apache-2.0
 *
 * similarity: draws a film's frame-by-frame cosine matrix from the files of embeddingsink.
 *
 *   similarity --jsonl film.jsonl --npy film.npy --film film.mp4 --out similarity.png
 *
 * Given both files it first makes sure that they hold the same vectors.
 *
 * Cuts. The step before an entry is 1 - its cosine with the entry before. A cut lies where a step
 * is at least CONTRAST times each of its two neighbours and stands more than SPREAD deviations
 * above the film's median step; median and deviation (1.4826 x the median absolute deviation) are
 * those that the cuts themselves do not move. A pan, or somebody who walks through the picture, is
 * many like steps in a row and has no contrast; so does a flash, which is two; noise has no spread.
 */
#include "matrix_picture.h"
#include "png_file.h"
#include "records.h"
#include "thumbnails.h"

#include <gst/gst.h>
#include <math.h>
#include <string.h>

#define CONTRAST 2.0
#define SPREAD 4.0
#define NOISE 1e-6 /* a step that float32's rounding alone can make */
#define MAX_ENTRIES 4096 /* of a longer film every k-th entry is drawn */

/* Scales every vector to length 1; a vector of zeros stays so, and is like nothing. */
static void normalize(G4Records *records)
{
    for (guint i = 0; i < records->n; i++) {
        float *v = records->vectors + (gsize)i * records->cols;
        double sum = 0;

        for (guint c = 0; c < records->cols; c++)
            sum += (double)v[c] * v[c];
        sum = sqrt(sum);
        for (guint c = 0; c < records->cols && sum > 0; c++)
            v[c] = (float)(v[c] / sum);
    }
}

/* Keeps every k-th entry, so that at most MAX_ENTRIES are left; returns k. */
static guint thin_out(G4Records *records)
{
    guint step = (records->n + MAX_ENTRIES - 1) / MAX_ENTRIES;
    guint n = 0;

    for (guint i = 0; i < records->n; i += step, n++) {
        memmove(records->vectors + (gsize)n * records->cols,
                records->vectors + (gsize)i * records->cols, records->cols * sizeof(float));
        records->seconds[n] = records->seconds[i];
        records->frames[n] = records->frames[i];
    }
    records->n = n;
    return step;
}

/* 1 - cosine by the difference: exact also where two vectors are nearly the same. */
static double distance(const G4Records *records, guint i, guint j)
{
    const float *a = records->vectors + (gsize)i * records->cols;
    const float *b = records->vectors + (gsize)j * records->cols;
    double sum = 0;

    for (guint c = 0; c < records->cols; c++) {
        double d = (double)a[c] - b[c];

        sum += d * d;
    }
    return sum / 2;
}

static float *cosine_matrix(const G4Records *records)
{
    guint n = records->n;
    float *out = g_new(float, (gsize)n * n);

    for (guint i = 0; i < n; i++) {
        for (guint j = 0; j <= i; j++)
            out[(gsize)i * n + j] = out[(gsize)j * n + i] =
                (float)(1 - distance(records, i, j));
    }
    return out;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The q-th quantile of n > 0 values, which it sorts. */
static double quantile(double *values, gsize n, double q)
{
    qsort(values, n, sizeof(double), compare_doubles);
    return values[(gsize)(q * (double)(n - 1) + 0.5)];
}

/* Entries before which a cut lies, by the rule at the top. */
static GArray *find_cuts(const float *cosines, guint n)
{
    GArray *cuts = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree double *steps = g_new0(double, MAX(n, 1u));
    g_autofree double *sorted = g_new0(double, MAX(n, 1u));
    double median, deviation;

    if (n < 4)
        return cuts;
    for (guint i = 1; i < n; i++)
        steps[i] = 1 - (double)cosines[(gsize)i * n + i - 1];
    memcpy(sorted, steps + 1, (n - 1) * sizeof(double));
    median = quantile(sorted, n - 1, 0.5);
    for (guint i = 1; i < n; i++)
        sorted[i - 1] = fabs(steps[i] - median);
    deviation = 1.4826 * quantile(sorted, n - 1, 0.5); /* that of a normal distribution */

    for (guint i = 1; i < n; i++) {
        double beside = MAX(i > 1 ? steps[i - 1] : 0, i + 1 < n ? steps[i + 1] : 0);

        if (steps[i] >= CONTRAST * beside && steps[i] > median + SPREAD * MAX(deviation, NOISE))
            g_array_append_val(cuts, i);
    }
    return cuts;
}

/* The colours span the 1st to 99th percentile of all pairs of different entries. */
static void colour_range(const float *cosines, guint n, double *low, double *high)
{
    gsize stride = MAX((gsize)n * n / 500000, 1);
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(double));

    for (gsize i = 0; i < (gsize)n * n; i += stride) {
        double value = cosines[i];

        if (i / n != i % n)
            g_array_append_val(values, value);
    }
    *low = *high = 1;
    if (values->len) {
        *low = quantile((double *)(void *)values->data, values->len, 0.01);
        *high = quantile((double *)(void *)values->data, values->len, 0.99);
    }
    if (*high - *low < 1e-7) { /* all alike: nothing but float32's rounding */
        *high = 1;
        *low = 1 - 1e-6;
    }
}

/* The times if all are known and none falls, else NULL. */
static const double *times_of(const G4Records *records)
{
    for (guint i = 0; i < records->n; i++)
        if (isnan(records->seconds[i]) || (i && records->seconds[i] < records->seconds[i - 1]))
            return NULL;
    return records->seconds;
}

typedef struct {
    char *jsonl, *npy, *film, *out, *note;
    int side;
} Options;

static gboolean parse_options(Options *o, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"jsonl", 0, 0, G_OPTION_ARG_FILENAME, &o->jsonl, "JSON Lines of embeddingsink", "FILE"},
        {"npy", 0, 0, G_OPTION_ARG_FILENAME, &o->npy,
         "NPY of embeddingsink (FILE.jsonl beside it)", "FILE"},
        {"film", 0, 0, G_OPTION_ARG_FILENAME, &o->film, "the film, for the small frames",
         "FILE|URI"},
        {"out", 0, 0, G_OPTION_ARG_FILENAME, &o->out, "the picture (similarity.png)", "FILE"},
        {"note", 0, 0, G_OPTION_ARG_STRING, &o->note, "a line under the title", "TEXT"},
        {"side", 0, 0, G_OPTION_ARG_INT, &o->side, "pixels of a side (1400)", "N"},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context, "Draws a film's frame-by-frame cosine matrix.");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc > 1 || (!o->jsonl && !o->npy) || o->side < 200 || o->side > 8000) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s",
                    *argc > 1 ? "takes no argument without an option"
                    : o->side < 200 || o->side > 8000
                        ? "--side is from 200 to 8000"
                        : "give --jsonl, --npy or both");
        return FALSE;
    }
    if (!o->out)
        o->out = g_strdup("similarity.png");
    return TRUE;
}

static G4Records *read_both(const Options *o, GError **error)
{
    G4Records *a = g4_records_read(o->jsonl ? o->jsonl : o->npy, error);
    G4Records *b;
    gboolean same;

    if (!a || !o->jsonl || !o->npy)
        return a;
    b = g4_records_read(o->npy, error);
    same = b && g4_records_equal(a, b, error);
    g4_records_free(b);
    if (same)
        return a;
    g4_records_free(a);
    return NULL;
}

static gboolean draw(const Options *o, G4Records *records, GError **error)
{
    guint total = records->n, step = thin_out(records), n = records->n;
    const double *times = times_of(records);
    guint n_thumbnails = g4_matrix_picture_n_thumbnails(n);
    cairo_surface_t *thumbnails[32] = {NULL};
    double at[32];
    g_autofree float *cosines = NULL;
    g_autoptr(GArray) cuts = NULL;
    g_autofree char *title = o->film ? g_filename_display_basename(o->film) : NULL;
    g_autofree char *subtitle = NULL;
    G4MatrixPicture picture;
    cairo_surface_t *surface;
    guint width, height;
    gboolean ok;

    normalize(records);
    cosines = cosine_matrix(records);
    cuts = find_cuts(cosines, n);
    subtitle = g_strdup_printf(
        "%u embeddings x %u floats%s · %s · %s (%s) · %u cut%s", total, records->cols,
        step > 1 ? ", not all drawn" : "", records->id ? records->id : "no id",
        records->model ? records->model : "no model", records->digest ? records->digest : "-",
        cuts->len, cuts->len == 1 ? "" : "s");
    picture = (G4MatrixPicture){
        .n = n,
        .cosines = cosines,
        .seconds = times,
        .frames = records->frames,
        .cuts = (const guint *)(void *)cuts->data,
        .n_cuts = cuts->len,
        .title = title ? title : records->stream ? records->stream : "Frame by frame",
        .subtitle = subtitle,
        .note = o->note,
        .thumbnails = thumbnails,
        .n_thumbnails = n_thumbnails,
        .side = (guint)o->side,
    };
    colour_range(cosines, n, &picture.low, &picture.high);

    if (o->film) {
        g_autofree char *uri = gst_uri_is_valid(o->film) ? g_strdup(o->film)
                                                         : gst_filename_to_uri(o->film, error);
        g_autoptr(GError) why = NULL;

        if (!uri)
            return FALSE;
        for (guint i = 0; i < n_thumbnails; i++)
            at[i] = records->seconds[g4_matrix_picture_thumbnail_entry(n, i)];
        g4_matrix_picture_thumbnail_size((guint)o->side, &width, &height);
        if (!g4_thumbnails_decode(uri, at, n_thumbnails, width, height, thumbnails, &why))
            g_printerr("no small frames: %s\n", why->message);
    }
    surface = g4_matrix_picture_draw(&picture);
    ok = png_file_write(surface, o->out, error);
    cairo_surface_destroy(surface);
    for (guint i = 0; i < n_thumbnails; i++)
        g_clear_pointer(&thumbnails[i], cairo_surface_destroy);
    if (!ok)
        return FALSE;

    g_print("%s: %u embeddings, %u cut%s", o->out, total, cuts->len, cuts->len == 1 ? "" : "s");
    for (guint i = 0; i < cuts->len && times; i++)
        g_print("%s %.2f s", i ? "," : " at", times[g_array_index(cuts, guint, i)]);
    g_print("\n");
    return TRUE;
}

int main(int argc, char **argv)
{
    Options options = {.side = 1400};
    g_autoptr(GError) error = NULL;
    G4Records *records = NULL;
    gboolean ok = parse_options(&options, &argc, &argv, &error) &&
                  (records = read_both(&options, &error)) && draw(&options, records, &error);

    if (!ok)
        g_printerr("similarity: %s\n", error->message);
    g4_records_free(records);
    g_free(options.jsonl);
    g_free(options.npy);
    g_free(options.film);
    g_free(options.out);
    g_free(options.note);
    return ok ? 0 : 1;
}
