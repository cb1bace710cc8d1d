/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores as GStreamer's own classifications. From GStreamer 1.24 on; not compiled before.
 */
#ifndef GST_EMBEDDING_MATCH_ANALYTICS_H
#define GST_EMBEDDING_MATCH_ANALYTICS_H

#include <gst/gemma4/gstgemma4scoremeta.h>

G_BEGIN_DECLS

#ifdef HAVE_GST_ANALYTICS

/* Adds a classification of `n` scores, all of the same embedding, to the analytics meta of
 * `buffer`, which must be writable. That of a region is contained by the detected object whose
 * rectangle it is, if there is one; width and height are the picture's, 0 where they are not
 * known. */
void gst_embedding_match_analytics_append(GstBuffer *buffer, GstGemma4Score *const *scores, guint n,
                                          guint width, guint height);

#endif

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_ANALYTICS_H */
