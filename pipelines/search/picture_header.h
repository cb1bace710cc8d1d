/* SPDX-License-Identifier: Apache-2.0
 *
 * What the first bytes of a picture in memory say, before anybody allocates anything for it: a file
 * of a few hundred bytes may claim four thousand million pixels, and decoders believe it.
 */
#ifndef SEARCH_PICTURE_HEADER_H
#define SEARCH_PICTURE_HEADER_H

#include <glib.h>

typedef struct {
    const char *caps;    /* for GStreamer; static */
    const char *decoder; /* a launch line; static */
    guint32 width, height;
} PictureHeader;

/* Of a JPEG, PNG, WebP, GIF or BMP. FALSE for anything else, and where no size can be read. */
gboolean picture_header_parse(const guint8 *bytes, gsize size, PictureHeader *header);

#endif /* SEARCH_PICTURE_HEADER_H */
