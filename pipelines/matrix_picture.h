/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws a film's cosine matrix with its time axes, cuts and small frames.
 */
#ifndef G4_MATRIX_PICTURE_H
#define G4_MATRIX_PICTURE_H

#include <cairo.h>
#include <glib.h>

typedef struct G4MatrixPicture {
    guint n;
    const float *cosines;   /* [n, n] */
    const double *seconds;  /* [n], not falling; NULL: the axes count frames */
    const guint64 *frames;  /* [n] */
    const guint *cuts;      /* [n_cuts], rising: a cut lies before entry cuts[i] */
    guint n_cuts;
    double low, high;       /* cosines of the colour bar's ends */
    const char *title;      /* UTF-8, as the next three; cut off where they are too long */
    const char *subtitle;   /* "" allowed */
    const char *note;       /* NULL allowed */
    cairo_surface_t *const *thumbnails; /* [n_thumbnails], NULL entries allowed */
    guint n_thumbnails;     /* thumbnail i belongs to g4_matrix_picture_thumbnail_entry() */
    guint side;             /* of the square picture, in pixels */
} G4MatrixPicture;

/* How many small frames stand along an edge, and which of the n entries the i-th shows. */
guint g4_matrix_picture_n_thumbnails(guint n);
guint g4_matrix_picture_thumbnail_entry(guint n, guint i);

/* The largest a thumbnail is drawn, for a picture of the given side. */
void g4_matrix_picture_thumbnail_size(guint side, guint *width, guint *height);

/* A new surface; never NULL, but its cairo_surface_status may be an error. */
cairo_surface_t *g4_matrix_picture_draw(const G4MatrixPicture *picture);

#endif /* G4_MATRIX_PICTURE_H */
