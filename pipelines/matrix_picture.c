/* SPDX-License-Identifier: Apache-2.0
 *
 * All lengths below are on a sheet of 1400 x 1400 units, scaled to the picture's side.
 *
 *      title, subtitle, note
 *            small frames
 *      small  matrix         colour
 *      frames                bar
 *            time axis
 *            cosine of neighbours against time
 */
#include "matrix_picture.h"

#include <math.h>
#include <string.h>

#define SHEET 1400.0
#define MATRIX_X 206.0
#define MATRIX_Y 236.0
#define MATRIX 1000.0
#define THUMB_SLOTS 10
#define THUMB_GAP 5.0
#define THUMB_W (MATRIX / THUMB_SLOTS - THUMB_GAP)
#define THUMB_H 78.0
#define TICK_ROOM 44.0 /* between matrix and small frames at the left */
#define BAR_X (MATRIX_X + MATRIX + 34.0)
#define BAR_W 26.0
#define STRIP_Y (MATRIX_Y + MATRIX + 52.0)
#define STRIP_H 78.0

static const double ink[3] = {0.13, 0.15, 0.20};
static const double grey[3] = {0.42, 0.45, 0.50};
static const double pale[3] = {0.85, 0.86, 0.88};
static const double accent[3] = {0.84, 0.16, 0.24};
static const double paper[3] = {0.985, 0.985, 0.98};

/* Nine points of viridis (CC0), dark to bright with even steps of lightness. */
static const guint8 viridis[9][3] = {
    {68, 1, 84},    {71, 45, 123},  {59, 82, 139},  {44, 114, 142}, {33, 145, 140},
    {40, 174, 128}, {94, 201, 98},  {173, 220, 48}, {253, 231, 37},
};

static guint32 colour(double value)
{
    double at = CLAMP(value, 0.0, 1.0) * 8;
    int i = MIN((int)at, 7);
    guint32 out = 0;

    for (int c = 0; c < 3; c++) {
        double v = viridis[i][c] + (at - i) * (viridis[i + 1][c] - viridis[i][c]);
        out = out << 8 | (guint32)lrint(v);
    }
    return out;
}

static void set_ink(cairo_t *cr, const double rgb[3])
{
    cairo_set_source_rgb(cr, rgb[0], rgb[1], rgb[2]);
}

typedef enum { LEFT, CENTRE, RIGHT } Align;

static void font(cairo_t *cr, double size, gboolean bold)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

static void text_at(cairo_t *cr, double x, double y, Align align, const char *text)
{
    cairo_text_extents_t e;

    cairo_text_extents(cr, text, &e);
    cairo_move_to(cr, x - e.x_advance * align / 2.0, y);
    cairo_show_text(cr, text);
}

/* A line of text that ends with an ellipsis where it would pass `room`. */
static void line_of_text(cairo_t *cr, double x, double y, double room, const char *text)
{
    g_autofree char *shown = g_strdup(text);
    glong n = g_utf8_strlen(shown, -1);
    cairo_text_extents_t e;

    for (cairo_text_extents(cr, shown, &e); e.x_advance > room && n > 1;
         cairo_text_extents(cr, shown, &e)) {
        g_autofree char *head = g_utf8_substring(text, 0, n = n * 15 / 16);

        g_free(shown);
        shown = g_strconcat(head, "…", NULL);
    }
    text_at(cr, x, y, LEFT, shown);
}

/* ------------------------------------------------------------------------------------------
 * Thumbnails
 */
guint g4_matrix_picture_n_thumbnails(guint n)
{
    return MIN(n, THUMB_SLOTS);
}

guint g4_matrix_picture_thumbnail_entry(guint n, guint i)
{
    guint count = g4_matrix_picture_n_thumbnails(n);

    return (guint)(((2 * (guint64)i + 1) * n) / (2 * count));
}

void g4_matrix_picture_thumbnail_size(guint side, guint *width, guint *height)
{
    *width = MAX(1, (guint)(THUMB_W * side / SHEET));
    *height = MAX(1, (guint)(THUMB_H * side / SHEET));
}

/* Where entry i (or a boundary between two) lies along the matrix. */
static double along(const G4MatrixPicture *p, double i)
{
    return i / p->n * MATRIX;
}

static void thumbnail(cairo_t *cr, const G4MatrixPicture *p, cairo_surface_t *picture, double x,
                      double y, double w, double h)
{
    double scale = SHEET / p->side;

    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rectangle(cr, 0, 0, w, h);
    cairo_save(cr);
    cairo_scale(cr, scale, scale);
    cairo_set_source_surface(cr, picture, 0, 0);
    cairo_fill_preserve(cr);
    cairo_restore(cr);
    cairo_set_line_width(cr, 1);
    cairo_set_source_rgba(cr, 0, 0, 0, 0.35);
    cairo_stroke(cr);
    cairo_restore(cr);
}

static void leader(cairo_t *cr, double x0, double y0, double x1, double y1)
{
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

static void thumbnails(cairo_t *cr, const G4MatrixPicture *p)
{
    double slot = MATRIX / MAX(p->n_thumbnails, 1u);

    for (guint i = 0; i < p->n_thumbnails; i++) {
        cairo_surface_t *picture = p->thumbnails[i];
        double centre = (i + 0.5) * slot;
        double at = along(p, g4_matrix_picture_thumbnail_entry(p->n, i) + 0.5);
        double w, h;

        if (!picture)
            continue;
        w = cairo_image_surface_get_width(picture) * SHEET / p->side;
        h = cairo_image_surface_get_height(picture) * SHEET / p->side;
        cairo_set_line_width(cr, 1);
        set_ink(cr, grey);
        leader(cr, MATRIX_X + centre, MATRIX_Y - 18, MATRIX_X + at, MATRIX_Y - 3);
        leader(cr, MATRIX_X - TICK_ROOM - 8, MATRIX_Y + centre, MATRIX_X - TICK_ROOM + 2,
               MATRIX_Y + at);
        thumbnail(cr, p, picture, MATRIX_X + centre - w / 2, MATRIX_Y - 18 - h, w, h);
        thumbnail(cr, p, picture, MATRIX_X - TICK_ROOM - 8 - w, MATRIX_Y + centre - h / 2, w, h);
    }
}

/* ------------------------------------------------------------------------------------------
 * The matrix itself: one pixel a pair, or of a long film the pixels that the sheet can show.
 */
static void matrix(cairo_t *cr, const G4MatrixPicture *p)
{
    guint cells = MIN(p->n, p->side);
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, cells, cells);
    guint8 *data;
    int stride;

    if (cairo_surface_status(image) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(image);
        return;
    }
    data = cairo_image_surface_get_data(image);
    stride = cairo_image_surface_get_stride(image);
    for (guint y = 0; y < cells; y++) {
        const float *row = p->cosines + (gsize)((guint64)y * p->n / cells) * p->n;

        for (guint x = 0; x < cells; x++) {
            double value = row[(guint64)x * p->n / cells];
            guint32 pixel = colour((value - p->low) / (p->high - p->low));

            memcpy(data + (gsize)y * stride + 4 * x, &pixel, 4);
        }
    }
    cairo_surface_mark_dirty(image);

    cairo_save(cr);
    cairo_translate(cr, MATRIX_X, MATRIX_Y);
    cairo_rectangle(cr, 0, 0, MATRIX, MATRIX);
    cairo_scale(cr, MATRIX / cells, MATRIX / cells);
    cairo_set_source_surface(cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), cells * 3 < p->side * 2 ? CAIRO_FILTER_NEAREST
                                                                          : CAIRO_FILTER_GOOD);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(image);
}

/* A shot is a square on the diagonal; its cuts are triangles at the edges. */
static void cuts(cairo_t *cr, const G4MatrixPicture *p)
{
    double from = 0;

    for (guint i = 0; i <= p->n_cuts; i++) {
        double to = i < p->n_cuts ? along(p, p->cuts[i]) : MATRIX;

        cairo_rectangle(cr, MATRIX_X + from, MATRIX_Y + from, to - from, to - from);
        cairo_set_source_rgba(cr, 1, 1, 1, 0.9);
        cairo_set_line_width(cr, 2);
        cairo_stroke(cr);
        from = to;
    }
    for (guint i = 0; i < p->n_cuts; i++) {
        double at = along(p, p->cuts[i]);

        cairo_set_source_rgba(cr, 1, 1, 1, 0.4);
        cairo_set_line_width(cr, 1);
        leader(cr, MATRIX_X + at, MATRIX_Y, MATRIX_X + at, MATRIX_Y + MATRIX);
        leader(cr, MATRIX_X, MATRIX_Y + at, MATRIX_X + MATRIX, MATRIX_Y + at);
        set_ink(cr, accent);
        cairo_move_to(cr, MATRIX_X + at, MATRIX_Y);
        cairo_rel_line_to(cr, -6, -11);
        cairo_rel_line_to(cr, 12, 0);
        cairo_close_path(cr);
        cairo_move_to(cr, MATRIX_X + MATRIX, MATRIX_Y + at);
        cairo_rel_line_to(cr, 11, -6);
        cairo_rel_line_to(cr, 0, 12);
        cairo_close_path(cr);
        cairo_fill(cr);
    }
}

/* ------------------------------------------------------------------------------------------
 * Axes
 */
static void time_text(char *out, gsize size, double seconds, double step)
{
    int decimals = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
    double minutes = floor(seconds / 60 + 1e-9);
    double rest = MAX(0, seconds - 60 * minutes);

    if (minutes >= 60)
        g_snprintf(out, size, "%.0f:%02.0f:%02.0f", floor(minutes / 60), fmod(minutes, 60), rest);
    else
        g_snprintf(out, size, "%.0f:%0*.*f", minutes, decimals ? 3 + decimals : 2, decimals, rest);
}

/* A round step that gives at most 12 ticks over `span`. */
static double tick_step(double span, gboolean is_time)
{
    static const double times[] = {0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
                                   900, 1800, 3600, 7200, 14400};
    double step = 1;

    if (is_time)
        for (guint i = 0; i < G_N_ELEMENTS(times); i++)
            if (span / times[i] <= 12)
                return times[i];
    for (guint i = 0; span / step > 12; i++)
        step *= i % 3 == 1 ? 2.5 : 2; /* 1 2 5 10 20 50 ... */
    return step;
}

/* The entry, with a fraction, at which the axis passes `value`. */
static double entry_at(const G4MatrixPicture *p, double value)
{
    guint low = 0, high = p->n - 1;

    if (!p->seconds)
        return value;
    while (high - low > 1) {
        guint middle = low + (high - low) / 2;

        if (p->seconds[middle] <= value)
            low = middle;
        else
            high = middle;
    }
    if (low == high || p->seconds[high] <= p->seconds[low])
        return low;
    return low + (value - p->seconds[low]) / (p->seconds[high] - p->seconds[low]);
}

static void axes(cairo_t *cr, const G4MatrixPicture *p)
{
    double first = p->seconds ? p->seconds[0] : 0;
    double last = p->seconds ? p->seconds[p->n - 1] : p->n - 1;
    double step = tick_step(last - first, p->seconds != NULL);

    font(cr, 15, FALSE);
    for (double k = ceil(first / step - 1e-9); k * step <= last + step * 1e-6; k++) {
        double v = MAX(k * step, 0); /* and no minus zero */
        double at = along(p, entry_at(p, v));
        char text[32];

        if (p->seconds)
            time_text(text, sizeof(text), v, step);
        else
            g_snprintf(text, sizeof(text), "%" G_GUINT64_FORMAT, p->frames[(guint)(v + 0.5)]);
        set_ink(cr, grey);
        cairo_set_line_width(cr, 1);
        leader(cr, MATRIX_X + at, MATRIX_Y + MATRIX + 1, MATRIX_X + at, MATRIX_Y + MATRIX + 7);
        leader(cr, MATRIX_X - 1, MATRIX_Y + at, MATRIX_X - 7, MATRIX_Y + at);
        set_ink(cr, ink);
        text_at(cr, MATRIX_X + at, MATRIX_Y + MATRIX + 24, CENTRE, text);
        text_at(cr, MATRIX_X - 9, MATRIX_Y + at + 5, RIGHT, text);
    }
    set_ink(cr, grey);
    font(cr, 13, FALSE);
    text_at(cr, MATRIX_X + MATRIX + 10, MATRIX_Y + MATRIX + 24, LEFT,
            p->seconds ? "time" : "frame");
}

/* ------------------------------------------------------------------------------------------
 * Colour bar and the strip of neighbours
 */
static void colour_bar(cairo_t *cr, const G4MatrixPicture *p)
{
    const double height = MATRIX * 0.5;
    int decimals = CLAMP(2 - (int)floor(log10(p->high - p->low)), 2, 7);

    for (int i = 0; i < 256; i++) {
        guint32 c = colour(i / 255.0);

        cairo_set_source_rgb(cr, (c >> 16) / 255.0, (c >> 8 & 255) / 255.0, (c & 255) / 255.0);
        cairo_rectangle(cr, BAR_X, MATRIX_Y + height * (255 - i) / 256, BAR_W, height / 256 + 0.6);
        cairo_fill(cr);
    }
    font(cr, 15, FALSE);
    for (int i = 0; i <= 4; i++) {
        double y = MATRIX_Y + height * (4 - i) / 4;
        char text[32];

        g_snprintf(text, sizeof(text), "%.*f", decimals, p->low + (p->high - p->low) * i / 4);
        set_ink(cr, grey);
        leader(cr, BAR_X + BAR_W, y, BAR_X + BAR_W + 5, y);
        set_ink(cr, ink);
        text_at(cr, BAR_X + BAR_W + 9, y + 5, LEFT, text);
    }
    font(cr, 15, TRUE);
    text_at(cr, BAR_X, MATRIX_Y - 34, LEFT, "cosine");
    font(cr, 13, FALSE);
    set_ink(cr, grey);
    text_at(cr, BAR_X, MATRIX_Y - 16, LEFT, "colours span this film");

    if (p->n_cuts) {
        double y = MATRIX_Y + height + 44;

        set_ink(cr, accent);
        cairo_move_to(cr, BAR_X + 6, y);
        cairo_rel_line_to(cr, -6, -11);
        cairo_rel_line_to(cr, 12, 0);
        cairo_close_path(cr);
        cairo_fill(cr);
        set_ink(cr, ink);
        font(cr, 15, TRUE);
        text_at(cr, BAR_X + 20, y, LEFT, p->n_cuts == 1 ? "cut at" : "cuts at");
        font(cr, 15, FALSE);
        for (guint i = 0; i < p->n_cuts; i++) {
            char text[32];

            y += 21;
            if (y > MATRIX_Y + MATRIX - 20) {
                text_at(cr, BAR_X + 20, y, LEFT, "…");
                break;
            }
            if (p->seconds)
                time_text(text, sizeof(text), p->seconds[p->cuts[i]], 0.01);
            else
                g_snprintf(text, sizeof(text), "%" G_GUINT64_FORMAT, p->frames[p->cuts[i]]);
            text_at(cr, BAR_X + 20, y, LEFT, text);
        }
    }
}

/* The cosine of each entry with the one before it, the matrix's own first off-diagonal. */
static void strip(cairo_t *cr, const G4MatrixPicture *p)
{
    double low = p->high, high = p->low;

    for (guint i = 1; i < p->n; i++) {
        double c = p->cosines[(gsize)i * p->n + i - 1];

        low = MIN(low, c);
        high = MAX(high, c);
    }
    if (p->n < 2 || !(high > low))
        return;

    set_ink(cr, pale);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, MATRIX_X, STRIP_Y, MATRIX, STRIP_H);
    cairo_stroke(cr);
    for (guint i = 0; i < p->n_cuts; i++) {
        double x = MATRIX_X + along(p, p->cuts[i]);

        cairo_set_source_rgba(cr, accent[0], accent[1], accent[2], 0.75);
        cairo_set_line_width(cr, 1.5);
        leader(cr, x, STRIP_Y, x, STRIP_Y + STRIP_H);
    }
    for (guint i = 1; i < p->n; i++) {
        double c = p->cosines[(gsize)i * p->n + i - 1];
        double x = MATRIX_X + along(p, i);
        double y = STRIP_Y + 5 + (STRIP_H - 10) * (high - c) / (high - low);

        if (i == 1)
            cairo_move_to(cr, x, y);
        else
            cairo_line_to(cr, x, y);
    }
    set_ink(cr, ink);
    cairo_set_line_width(cr, 1.6);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cr);

    font(cr, 13, FALSE);
    set_ink(cr, grey);
    text_at(cr, MATRIX_X - 9, STRIP_Y + 22, RIGHT, "cosine with the");
    text_at(cr, MATRIX_X - 9, STRIP_Y + 39, RIGHT, "frame before");
    for (int i = 0; i < 2; i++) {
        char text[32];

        g_snprintf(text, sizeof(text), "%.*f",
                   CLAMP(2 - (int)floor(log10(high - low)), 2, 7), i ? low : high);
        text_at(cr, MATRIX_X + MATRIX + 10, STRIP_Y + (i ? STRIP_H : 10), LEFT, text);
    }
}

cairo_surface_t *g4_matrix_picture_draw(const G4MatrixPicture *picture)
{
    cairo_surface_t *sheet = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)picture->side,
                                                        (int)picture->side);
    cairo_t *cr = cairo_create(sheet);

    set_ink(cr, paper);
    cairo_paint(cr);
    cairo_scale(cr, picture->side / SHEET, picture->side / SHEET);

    set_ink(cr, ink);
    font(cr, 34, TRUE);
    line_of_text(cr, 52, 62, SHEET - 104, picture->title);
    font(cr, 18, FALSE);
    set_ink(cr, grey);
    line_of_text(cr, 52, 94, SHEET - 104, picture->subtitle);
    if (picture->note) {
        set_ink(cr, accent);
        line_of_text(cr, 52, 120, SHEET - 104, picture->note);
    }
    matrix(cr, picture);
    cuts(cr, picture);
    axes(cr, picture);
    thumbnails(cr, picture);
    colour_bar(cr, picture);
    strip(cr, picture);
    cairo_destroy(cr);
    return sheet;
}
