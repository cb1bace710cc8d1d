/* SPDX-License-Identifier: Apache-2.0
 *
 * The contact sheet. Films are opened one after the other, each once.
 */
#include "sheet.h"

#include "../png_file.h"
#include "paint.h"
#include "timecode.h"

#include <math.h>
#include <string.h>

#define CELL_W 320
#define CELL_H 180
#define CAPTION 58
#define GUTTER 20
#define MARGIN 32
#define HEAD 84
#define MOST_CELLS 200

static void draw_frame(cairo_t *cr, cairo_surface_t *frame, const char *why, double x, double y)
{
    paint_round(cr, x, y, CELL_W, CELL_H, 8);
    paint_set(cr, &paint_panel);
    cairo_fill_preserve(cr);
    cairo_save(cr);
    cairo_clip(cr);
    if (frame) {
        int w = cairo_image_surface_get_width(frame), h = cairo_image_surface_get_height(frame);
        cairo_set_source_surface(cr, frame, x + (CELL_W - w) / 2, y + (CELL_H - h) / 2);
        cairo_paint(cr);
    }
    cairo_restore(cr);
    if (!frame) {
        paint_set(cr, &paint_dim);
        paint_text(cr, why, 12, FALSE, x + CELL_W / 2, y + CELL_H / 2 + 4, CELL_W - 24,
                   PAINT_MIDDLE);
    }
}

/* The bar under a frame spans the sheet's best score, from none. */
static void draw_caption(cairo_t *cr, const Answer *answer, guint place, double best, double x,
                         double y)
{
    g_autofree char *code = timecode_format(answer->moment.best, 1);
    g_autofree char *start = timecode_format(answer->moment.start, 0);
    g_autofree char *end = timecode_format(answer->moment.end, 0);
    g_autofree char *span = g_strdup_printf("%s \xe2\x80\x93 %s", start, end);
    g_autofree char *score = g_strdup_printf("%.3f", (double)answer->moment.score);
    g_autofree char *number = g_strdup_printf("%u", place);
    double share = best > 0 ? CLAMP(answer->moment.score / best, 0, 1) : 0;

    cairo_rectangle(cr, x, y + CELL_H + 7, CELL_W, 3);
    paint_set(cr, &paint_line);
    cairo_fill(cr);
    cairo_rectangle(cr, x, y + CELL_H + 7, CELL_W * share, 3);
    paint_set(cr, &paint_mark);
    cairo_fill(cr);

    paint_set(cr, &paint_ink);
    double w = paint_text(cr, code, 17, TRUE, x, y + CELL_H + 32, 140, PAINT_LEFT);
    if (strcmp(start, end) != 0) {
        paint_set(cr, &paint_dim);
        paint_text(cr, span, 12, FALSE, x + w + 10, y + CELL_H + 32, CELL_W - w - 80, PAINT_LEFT);
    }
    paint_set(cr, &paint_mark);
    paint_text(cr, score, 14, TRUE, x + CELL_W, y + CELL_H + 32, 80, PAINT_RIGHT);
    paint_set(cr, &paint_dim);
    paint_text(cr, answer_short_name(answer->stream), 12, FALSE, x, y + CELL_H + 51, CELL_W,
               PAINT_LEFT);

    paint_round(cr, x + 8, y + 8, 26, 22, 5);
    cairo_set_source_rgba(cr, 0, 0, 0, 0.6);
    cairo_fill(cr);
    paint_set(cr, &paint_ink);
    paint_text(cr, number, 13, TRUE, x + 21, y + 24, 26, PAINT_MIDDLE);
}

/* frames[i] of the answers in one film; those that fail stay NULL. */
static void decode(const GArray *answers, guint from, guint n, cairo_surface_t **frames)
{
    const StoreStream *stream = g_array_index(answers, Answer, from).stream;
    Film *film = stream->uri ? film_open(stream->uri, NULL) : NULL;

    for (guint i = from; film && i < n; i++) {
        const Answer *answer = &g_array_index(answers, Answer, i);
        Picture picture = {0};
        if (answer->stream != stream)
            continue;
        if (film_picture(film, answer->moment.best, &picture, NULL))
            frames[i] = picture_shrink(&picture, CELL_W, CELL_H);
        picture_clear(&picture);
    }
    film_close(film);
}

static guint count_films(const GArray *answers, guint n)
{
    guint films = 0;

    for (guint i = 0; i < n; i++) {
        gboolean seen = FALSE;
        for (guint k = 0; k < i && !seen; k++)
            seen = g_array_index(answers, Answer, k).stream ==
                   g_array_index(answers, Answer, i).stream;
        films += !seen;
    }
    return films;
}

/* Of four to six columns those that leave the fewest places of the last row empty. */
static guint choose_columns(guint n)
{
    guint best = n <= 25 ? 5 : 6;

    if (n <= 3)
        return MAX(n, 2);
    if (n <= 8)
        return (n + 1) / 2;
    for (guint columns = best - 1; columns >= 4; columns--)
        if ((columns - n % columns) % columns < (best - n % best) % best)
            best = columns;
    return best;
}

gboolean sheet_draw(const GArray *answers, const char *title, const char *path, GError **error)
{
    guint n = MIN(answers->len, MOST_CELLS);
    guint columns = choose_columns(n);
    guint rows = MAX(1, (n + columns - 1) / columns);
    int width = 2 * MARGIN + (int)columns * CELL_W + (int)(columns - 1) * GUTTER;
    int height = HEAD + (int)rows * (CELL_H + CAPTION) + (int)(rows - 1) * GUTTER + MARGIN;
    g_autofree cairo_surface_t **frames = g_new0(cairo_surface_t *, MAX(1, n));
    g_autofree gboolean *tried = g_new0(gboolean, MAX(1, n));
    guint films = count_films(answers, n);
    g_autofree char *about = g_strdup_printf("%u %s in %u %s", n, n == 1 ? "moment" : "moments",
                                             films, films == 1 ? "film" : "films");
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *cr = cairo_create(surface);
    double best = n > 0 ? g_array_index(answers, Answer, 0).moment.score : 0;

    for (guint i = 0; i < n; i++) {
        if (tried[i])
            continue;
        decode(answers, i, n, frames);
        for (guint k = i; k < n; k++)
            tried[k] = tried[k] || g_array_index(answers, Answer, k).stream ==
                                       g_array_index(answers, Answer, i).stream;
    }
    paint_set(cr, &paint_paper);
    cairo_paint(cr);
    paint_set(cr, &paint_ink);
    paint_text(cr, title, 26, TRUE, MARGIN, 52, width - 2 * MARGIN - 220, PAINT_LEFT);
    paint_set(cr, &paint_dim);
    paint_text(cr, n > 0 ? about : "nothing found", 14, FALSE, width - MARGIN, 52, 210,
               PAINT_RIGHT);
    for (guint i = 0; i < n; i++) {
        const Answer *answer = &g_array_index(answers, Answer, i);
        double x = MARGIN + (i % columns) * (CELL_W + GUTTER);
        double y = HEAD + (i / columns) * (CELL_H + CAPTION + GUTTER);
        draw_frame(cr, frames[i], SHEET_NO_FRAME, x, y);
        draw_caption(cr, answer, i + 1, best, x, y);
        if (frames[i])
            cairo_surface_destroy(frames[i]);
    }
    cairo_destroy(cr);
    gboolean ok = png_file_write(surface, path, error);
    cairo_surface_destroy(surface);
    return ok;
}
