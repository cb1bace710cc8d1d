/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-search timeline: the score against time, a lane a film, with the frames of its best
 * moments. All lanes have one scale, from the average of the whole index to its best score, so that
 * what rises is what answers.
 */
#include "../png_file.h"
#include "paint.h"
#include "searcher.h"
#include "sheet.h"
#include "timecode.h"

#include <math.h>
#include <stdlib.h>

#define WIDTH 1440
#define MARGIN 40
#define HEAD 84
#define LANE 292
#define THUMB_W 192
#define THUMB_H 108
#define CURVE_H 96
#define MOST_THUMBS 6

typedef struct {
    StoreStream *stream;
    GArray *scores; /* of Score, by pts */
    float best;
    GArray *moments;
} Lane;

static void lane_free(gpointer data)
{
    Lane *lane = data;

    g_array_unref(lane->scores);
    if (lane->moments)
        g_array_unref(lane->moments);
    store_stream_free(lane->stream);
    g_free(lane);
}

static int compare_pts(const void *a, const void *b)
{
    const Score *x = a, *y = b;

    return (x->pts > y->pts) - (x->pts < y->pts);
}

static int compare_lanes(const void *a, const void *b)
{
    const Lane *x = *(Lane *const *)a, *y = *(Lane *const *)b;

    return (x->best < y->best) - (x->best > y->best);
}

/* The `top` films with the best scores. */
static GPtrArray *make_lanes(Searcher *searcher, const Score *scores, double mean, guint top,
                             GError **error)
{
    g_autoptr(GPtrArray) lanes = g_ptr_array_new_with_free_func(lane_free);
    g_autoptr(GHashTable) by_stream = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (guint64 i = 0; i < vectors_count(searcher->vectors); i++) {
        Lane *lane = g_hash_table_lookup(by_stream, &scores[i].stream);
        if (!lane) {
            lane = g_new0(Lane, 1);
            lane->scores = g_array_new(FALSE, FALSE, sizeof(Score));
            lane->best = -INFINITY;
            g_ptr_array_add(lanes, lane);
            g_hash_table_insert(by_stream, (gpointer)&scores[i].stream, lane);
        }
        lane->best = MAX(lane->best, scores[i].score);
        g_array_append_val(lane->scores, scores[i]);
    }
    g_ptr_array_sort(lanes, compare_lanes);
    if (lanes->len > top)
        g_ptr_array_set_size(lanes, (gint)top);
    for (guint i = 0; i < lanes->len; i++) {
        Lane *lane = lanes->pdata[i];
        g_autoptr(GError) problem = NULL;
        qsort(lane->scores->data, lane->scores->len, sizeof(Score), compare_pts);
        lane->moments = moments_find((const Score *)(gpointer)lane->scores->data,
                                     lane->scores->len, mean, MOST_THUMBS);
        while (lane->moments->len > 1 && /* no picture of what is less like it than most */
               g_array_index(lane->moments, Moment, lane->moments->len - 1).score < mean)
            g_array_set_size(lane->moments, lane->moments->len - 1);
        lane->stream = store_get_stream(
            searcher->store, g_array_index(lane->scores, Score, 0).stream, &problem);
        if (problem) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return NULL;
        }
        if (!lane->stream)
            g_ptr_array_remove_index(lanes, i--);
    }
    return g_steal_pointer(&lanes);
}

/* 1, 2, 5, 10, 15, 30 seconds, minutes, hours: so that about ten fit in. */
static gint64 tick_of(gint64 length)
{
    static const int steps[] = {1,   2,   5,    10,   15,   30,   60,    120,   300,
                                600, 900, 1800, 3600, 7200, 14400, 43200, 86400};

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++)
        if (length / (steps[i] * G_GINT64_CONSTANT(1000000000)) <= 12)
            return steps[i] * G_GINT64_CONSTANT(1000000000);
    return MAX(1, length / 10);
}

typedef struct {
    double x, y, w, h;     /* of the curve */
    gint64 from, length;   /* ns */
    double low, high;      /* scores */
} Scale;

static double x_of(const Scale *scale, gint64 pts)
{
    return scale->x + (double)(pts - scale->from) / (double)scale->length * scale->w;
}

static double height_of(const Scale *scale, double score)
{
    return CLAMP((score - scale->low) / (scale->high - scale->low), 0, 1) * scale->h;
}

static void draw_axis(cairo_t *cr, const Scale *scale)
{
    gint64 tick = tick_of(scale->length);

    for (gint64 t = (scale->from + tick - 1) / tick * tick; t <= scale->from + scale->length;
         t += tick) {
        double x = floor(x_of(scale, t)) + 0.5;
        g_autofree char *code = timecode_format(t, 0);
        paint_set(cr, &paint_line);
        cairo_set_line_width(cr, 1);
        cairo_move_to(cr, x, scale->y);
        cairo_line_to(cr, x, scale->y + scale->h + 5);
        cairo_stroke(cr);
        paint_set(cr, &paint_dim);
        paint_text(cr, code, 11, FALSE, x, scale->y + scale->h + 19, 90, PAINT_MIDDLE);
    }
}

/* The best score in each column of pixels: of a long film many frames share one. */
static void draw_curve(cairo_t *cr, const Scale *scale, const Lane *lane)
{
    guint n = (guint)scale->w;
    g_autofree double *columns = g_new(double, n);
    cairo_pattern_t *fill =
        cairo_pattern_create_linear(0, scale->y, 0, scale->y + scale->h);

    for (guint x = 0; x < n; x++)
        columns[x] = NAN;
    for (guint i = 0; i < lane->scores->len; i++) {
        const Score *score = &g_array_index(lane->scores, Score, i);
        guint x = (guint)CLAMP(x_of(scale, score->pts) - scale->x, 0, n - 1);
        columns[x] = isnan(columns[x]) ? score->score : MAX(columns[x], score->score);
    }
    cairo_new_path(cr);
    gboolean begun = FALSE;
    double last = scale->x;
    for (guint x = 0; x < n; x++) {
        if (isnan(columns[x]))
            continue;
        double y = scale->y + scale->h - height_of(scale, columns[x]);
        if (!begun)
            cairo_move_to(cr, scale->x + x, y);
        else
            cairo_line_to(cr, scale->x + x, y);
        if (!begun && x > 0 && lane->scores->len > 1)
            last = scale->x + x;
        begun = TRUE;
    }
    double end, unused;
    cairo_path_t *line = cairo_copy_path(cr);
    if (cairo_has_current_point(cr)) {
        cairo_get_current_point(cr, &end, &unused);
        cairo_line_to(cr, end, scale->y + scale->h);
        cairo_line_to(cr, last, scale->y + scale->h);
        cairo_close_path(cr);
    }
    cairo_pattern_add_color_stop_rgba(fill, 0, paint_mark.r, paint_mark.g, paint_mark.b, 0.65);
    cairo_pattern_add_color_stop_rgba(fill, 1, paint_mark.r, paint_mark.g, paint_mark.b, 0.05);
    cairo_set_source(cr, fill);
    cairo_fill(cr);
    cairo_append_path(cr, line);
    paint_set(cr, &paint_mark);
    cairo_set_line_width(cr, 1.6);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cr);
    cairo_path_destroy(line);
    cairo_pattern_destroy(fill);
}

static int compare_moments(const void *a, const void *b)
{
    const Moment *x = a, *y = b;

    return (x->best > y->best) - (x->best < y->best);
}

/* Frames in the order of time, moved apart so that none covers another. */
static void draw_frames(cairo_t *cr, const Scale *scale, Lane *lane, double y)
{
    double at[MOST_THUMBS], step = THUMB_W + 12, right = scale->x + scale->w;
    guint n = MIN(lane->moments->len, MOST_THUMBS);
    Film *film = lane->stream->uri ? film_open(lane->stream->uri, NULL) : NULL;

    g_array_sort(lane->moments, compare_moments);
    for (guint i = 0; i < n; i++) {
        double x = x_of(scale, g_array_index(lane->moments, Moment, i).best) - THUMB_W / 2.0;
        at[i] = MAX(x, i > 0 ? at[i - 1] + step : scale->x);
    }
    for (guint i = n; i-- > 0;)
        at[i] = MIN(at[i], i + 1 < n ? at[i + 1] - step : right - THUMB_W);

    for (guint i = 0; i < n; i++) {
        const Moment *moment = &g_array_index(lane->moments, Moment, i);
        g_autofree char *code = timecode_format(moment->best, 1);
        g_autofree char *score = g_strdup_printf("%.3f", (double)moment->score);
        double top = scale->y + scale->h - height_of(scale, moment->score);
        double peak = x_of(scale, moment->best);
        Picture picture = {0};
        cairo_surface_t *frame = NULL;

        if (film && film_picture(film, moment->best, &picture, NULL))
            frame = picture_shrink(&picture, THUMB_W, THUMB_H);
        picture_clear(&picture);
        cairo_move_to(cr, at[i] + THUMB_W / 2.0, y + THUMB_H + 22);
        cairo_line_to(cr, peak, top - 5);
        cairo_set_source_rgba(cr, paint_mark.r, paint_mark.g, paint_mark.b, 0.5);
        cairo_set_line_width(cr, 1);
        cairo_stroke(cr);
        cairo_arc(cr, peak, top, 4, 0, 2 * G_PI);
        paint_set(cr, &paint_mark);
        cairo_fill(cr);

        paint_round(cr, at[i], y, THUMB_W, THUMB_H, 6);
        paint_set(cr, &paint_panel);
        cairo_fill_preserve(cr);
        if (frame) {
            cairo_save(cr);
            cairo_clip(cr);
            cairo_set_source_surface(
                cr, frame, at[i] + (THUMB_W - cairo_image_surface_get_width(frame)) / 2,
                y + (THUMB_H - cairo_image_surface_get_height(frame)) / 2);
            cairo_paint(cr);
            cairo_restore(cr);
            cairo_surface_destroy(frame);
        }
        cairo_new_path(cr);
        if (!frame) {
            paint_set(cr, &paint_dim);
            paint_text(cr, SHEET_NO_FRAME, 10, FALSE, at[i] + THUMB_W / 2.0,
                       y + THUMB_H / 2.0 + 4, THUMB_W - 8, PAINT_MIDDLE);
        }
        paint_set(cr, &paint_ink);
        paint_text(cr, code, 12, TRUE, at[i], y + THUMB_H + 16, THUMB_W / 2.0, PAINT_LEFT);
        paint_set(cr, &paint_mark);
        paint_text(cr, score, 12, FALSE, at[i] + THUMB_W, y + THUMB_H + 16, THUMB_W / 2.0,
                   PAINT_RIGHT);
    }
    film_close(film);
}

static void draw_lane(cairo_t *cr, Lane *lane, double low, double high, double y)
{
    const Score *first = &g_array_index(lane->scores, Score, 0);
    const Score *last = &g_array_index(lane->scores, Score, lane->scores->len - 1);
    gint64 from = first->pts < 60 * G_GINT64_CONSTANT(1000000000) ? 0 : first->pts;
    gint64 to = MAX(last->pts, lane->stream->duration);
    Scale scale = {.x = MARGIN,
                   .y = y + 24 + THUMB_H + 42,
                   .w = WIDTH - 2 * MARGIN,
                   .h = CURVE_H,
                   .from = from,
                   .length = MAX(1, to - from),
                   .low = low,
                   .high = high > low ? high : low + 1};
    g_autofree char *score = g_strdup_printf("best %.3f, average of the index %.3f",
                                             (double)lane->best, low);

    paint_set(cr, &paint_ink);
    paint_text(cr, answer_short_name(lane->stream), 15, TRUE, MARGIN, y + 14, WIDTH / 2.0,
               PAINT_LEFT);
    paint_set(cr, &paint_dim);
    paint_text(cr, score, 12, FALSE, WIDTH - MARGIN, y + 14, 400, PAINT_RIGHT);
    paint_set(cr, &paint_panel);
    cairo_rectangle(cr, scale.x, scale.y, scale.w, scale.h);
    cairo_fill(cr);
    draw_axis(cr, &scale);
    draw_curve(cr, &scale, lane);
    draw_frames(cr, &scale, lane, y + 24);
}

static gboolean draw(Searcher *searcher, const Score *scores, const char *title, guint top,
                     const char *path, GError **error)
{
    guint64 n = vectors_count(searcher->vectors);
    double mean = moments_mean(scores, n), best = -1;
    g_autoptr(GPtrArray) lanes = make_lanes(searcher, scores, mean, top, error);

    if (!lanes)
        return FALSE;
    for (guint64 i = 0; i < n; i++)
        best = MAX(best, scores[i].score);
    int height = HEAD + (int)MAX(1, lanes->len) * (LANE + 24);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, height);
    cairo_t *cr = cairo_create(surface);
    g_autofree char *about = g_strdup_printf("%" G_GUINT64_FORMAT " frames", n);
    paint_set(cr, &paint_paper);
    cairo_paint(cr);
    paint_set(cr, &paint_ink);
    paint_text(cr, title, 26, TRUE, MARGIN, 52, WIDTH - 2 * MARGIN - 220, PAINT_LEFT);
    paint_set(cr, &paint_dim);
    paint_text(cr, about, 14, FALSE, WIDTH - MARGIN, 52, 210, PAINT_RIGHT);
    for (guint i = 0; i < lanes->len; i++)
        draw_lane(cr, lanes->pdata[i], mean, best, HEAD + i * (LANE + 24));
    cairo_destroy(cr);
    gboolean ok = png_file_write(surface, path, error);
    cairo_surface_destroy(surface);
    return ok;
}

int timeline_command(Options *options, int argc, char **argv)
{
    g_autofree char *out = NULL;
    gboolean similar = FALSE;
    int top = 4, status = EXIT_USAGE;
    Searcher searcher = {0};
    GError *error = NULL;
    const GOptionEntry entries[] = {
        {"out", 0, 0, G_OPTION_ARG_FILENAME, &out, "The picture to write", "PNG"},
        {"top", 0, 0, G_OPTION_ARG_INT, &top, "So many films, the best. Default: 4", "N"},
        {"similar", 0, 0, G_OPTION_ARG_NONE, &similar,
         "TEXT is a picture's file, or VIDEO@mm:ss", NULL},
        G_OPTION_ENTRY_NULL,
    };

    if (!options_parse(options, entries, "TEXT", &argc, &argv, 1, 1, TRUE))
        return EXIT_USAGE;
    if (!out || top < 1 || top > 50) {
        g_printerr("gemma4-search: %s\n",
                   out ? "--top is a number from 1 to 50" : "--out PNG is missing");
        return EXIT_USAGE;
    }
    g_autofree float *query = searcher_open(&searcher, options, &error)
                                  ? (similar ? searcher_file : searcher_text)(&searcher, argv[1],
                                                                              &error)
                                  : NULL;
    if (query) {
        g_autofree Score *scores = searcher_score(&searcher, query);
        status = draw(&searcher, scores, argv[1], (guint)top, out, &error) ? EXIT_FINE
                                                                          : options_fail(error);
    } else {
        status = options_fail(error);
    }
    searcher_clear(&searcher);
    return status;
}
