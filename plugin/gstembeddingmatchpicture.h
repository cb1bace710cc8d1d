/* SPDX-License-Identifier: Apache-2.0
 *
 * A picture file as pixels, by whatever decoders GStreamer has.
 */
#ifndef GST_EMBEDDING_MATCH_PICTURE_H
#define GST_EMBEDDING_MATCH_PICTURE_H

#include <gst/gst.h>

#include "gemma4.h"

G_BEGIN_DECLS

/* Decodes the file (of a film its first frame), turned upright where the file says how, and calls
 * `use` once with the pixels, which live as long as the call. `cancelled` may be set from another
 * thread at any time and ends it early; a file whose decoder gives nothing for 20 seconds is given
 * up.
 *
 * FALSE and `error` of G4_ERROR (MISSING, UNREADABLE, CANCELLED) when that fails or `use` does,
 * which then has set it. */
typedef gboolean (*GstEmbeddingMatchPictureFunc)(const G4Frame *picture, gpointer data,
                                                 GError **error);
gboolean gst_embedding_match_read_picture(const gchar *path, const gint *cancelled,
                                          GstEmbeddingMatchPictureFunc use, gpointer data,
                                          GError **error);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_PICTURE_H */
