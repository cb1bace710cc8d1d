/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingmatch: scores embeddings against sentences, example pictures and vectors.
 */
#ifndef GST_EMBEDDING_MATCH_H
#define GST_EMBEDDING_MATCH_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_EMBEDDING_MATCH (gst_embedding_match_get_type())
G_DECLARE_FINAL_TYPE(GstEmbeddingMatch, gst_embedding_match, GST, EMBEDDING_MATCH, GstElement)

GST_ELEMENT_REGISTER_DECLARE(embeddingmatch)

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_H */
