/* SPDX-License-Identifier: Apache-2.0
 *
 * Small pictures of a film at given times, by GStreamer.
 */
#ifndef G4_THUMBNAILS_H
#define G4_THUMBNAILS_H

#include <cairo.h>
#include <glib.h>

/* Decodes the film at `uri` and seeks to each of the n times (seconds of stream time), storing
 * into out[i] a picture that fits in width x height with its aspect ratio kept, or NULL where
 * there is none (a time that is NAN or past the end). The caller destroys the surfaces.
 * FALSE and `error` when the film cannot be decoded at all; then every out[i] is NULL.
 * gst_init must have been called. */
gboolean g4_thumbnails_decode(const char *uri, const double *seconds, guint n, guint width,
                              guint height, cairo_surface_t **out, GError **error);

#endif /* G4_THUMBNAILS_H */
