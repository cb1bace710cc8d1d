/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures as PNG files.
 */
#ifndef PIPELINES_PNG_FILE_H
#define PIPELINES_PNG_FILE_H

#include <cairo.h>
#include <glib.h>

/* Writes `surface` to `path`, so that no half picture is ever there: under another name first, then
 * renamed. Of a link, what it points to is replaced; a device or a pipe is written to. Fails with
 * G_FILE_ERROR and the reason. */
gboolean png_file_write(cairo_surface_t *surface, const char *path, GError **error);

#endif /* PIPELINES_PNG_FILE_H */
