/* SPDX-License-Identifier: Apache-2.0
 *
 * Colours and letters by cairo's own text interface, which needs no more than a font.
 */
#include "paint.h"

#include <string.h>

void paint_set(cairo_t *cr, const Colour *colour)
{
    cairo_set_source_rgb(cr, colour->r, colour->g, colour->b);
}

static double width_of(cairo_t *cr, const char *text)
{
    cairo_text_extents_t extents;

    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

/* Leaves out characters from the middle until it fits. */
static char *fit(cairo_t *cr, const char *text, double width)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    glong n = g_utf8_strlen(valid, -1);

    for (char *c = valid; *c; c++)
        if ((guchar)*c < ' ' || *c == 127)
            *c = ' ';
    if (width_of(cr, valid) <= width)
        return g_steal_pointer(&valid);
    for (glong keep = MIN(n - 1, 400); keep > 1; keep--) {
        g_autofree char *head = g_utf8_substring(valid, 0, keep - keep / 2);
        g_autofree char *tail = g_utf8_substring(valid, n - keep / 2, n);
        g_autofree char *cut = g_strconcat(head, "\xe2\x80\xa6", tail, NULL);
        if (width_of(cr, cut) <= width)
            return g_steal_pointer(&cut);
    }
    return g_strdup("");
}

double paint_text(cairo_t *cr, const char *text, double size, gboolean bold, double x, double y,
                  double width, PaintAlign align)
{
    cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
    g_autofree char *fitting = fit(cr, text, width);
    double w = width_of(cr, fitting);

    cairo_move_to(cr, align == PAINT_LEFT ? x : align == PAINT_RIGHT ? x - w : x - w / 2, y);
    cairo_show_text(cr, fitting);
    cairo_new_path(cr);
    return w;
}

void paint_round(cairo_t *cr, double x, double y, double w, double h, double radius)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x + w - radius, y + radius, radius, -G_PI_2, 0);
    cairo_arc(cr, x + w - radius, y + h - radius, radius, 0, G_PI_2);
    cairo_arc(cr, x + radius, y + h - radius, radius, G_PI_2, G_PI);
    cairo_arc(cr, x + radius, y + radius, radius, G_PI, 3 * G_PI_2);
    cairo_close_path(cr);
}
