/* SPDX-License-Identifier: Apache-2.0
 *
 * What the contact sheet and the timeline look like: their colours and their letters.
 */
#ifndef SEARCH_PAINT_H
#define SEARCH_PAINT_H

#include <cairo.h>
#include <glib.h>

typedef struct {
    double r, g, b;
} Colour;

static const Colour paint_paper = {0.071, 0.078, 0.094};
static const Colour paint_panel = {0.118, 0.129, 0.153};
static const Colour paint_line = {0.20, 0.22, 0.26};
static const Colour paint_ink = {0.93, 0.94, 0.95};
static const Colour paint_dim = {0.58, 0.61, 0.66};
static const Colour paint_mark = {1.00, 0.71, 0.25};

void paint_set(cairo_t *cr, const Colour *colour);

typedef enum { PAINT_LEFT, PAINT_MIDDLE, PAINT_RIGHT } PaintAlign;

/* Text with its baseline at y; longer than `width` it is cut in its middle. Returns its width. */
double paint_text(cairo_t *cr, const char *text, double size, gboolean bold, double x, double y,
                  double width, PaintAlign align);

void paint_round(cairo_t *cr, double x, double y, double w, double h, double radius);

#endif /* SEARCH_PAINT_H */
