/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures: of a film at a time, of a picture's file, of a picture in memory. All upright.
 */
#ifndef SEARCH_PICTURES_H
#define SEARCH_PICTURES_H

#include <cairo.h>
#include <glib.h>

/* RGBA, packed rows; pixels are `pixel_ratio` as wide as they are high. */
typedef struct {
    guint8 *data;
    guint width, height;
    double pixel_ratio;
} Picture;

void picture_clear(Picture *picture); /* zeros allowed */

typedef struct Film Film;

/* Opens a film or the file of a picture for film_picture(). A film belongs to one thread at a time.
 * gst_init() must have been called. */
Film *film_open(const char *uri, GError **error);
void film_close(Film *film); /* NULL allowed */

/* The picture that is shown at `time` (ns of stream time), or the first one at -1. FALSE and
 * `error` where there is none. */
gboolean film_picture(Film *film, gint64 time, Picture *picture, GError **error);

/* A JPEG, PNG, WebP, GIF or BMP in memory, told by its first bytes: nothing else is even tried, nor
 * one of more than a hundred million pixels, as it may come from anybody. */
gboolean picture_from_memory(GBytes *bytes, Picture *picture, GError **error);

/* A smaller copy on white that fits in width x height, with square pixels. */
cairo_surface_t *picture_shrink(const Picture *picture, guint width, guint height);

#endif /* SEARCH_PICTURES_H */
