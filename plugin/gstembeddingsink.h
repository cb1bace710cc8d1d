/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingsink: writes the embeddings that come with buffers, or alone in events, to a file.
 */
#ifndef GST_EMBEDDING_SINK_H
#define GST_EMBEDDING_SINK_H

#include <gst/base/gstbasesink.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_EMBEDDING_SINK (gst_embedding_sink_get_type())
G_DECLARE_FINAL_TYPE(GstEmbeddingSink, gst_embedding_sink, GST, EMBEDDING_SINK, GstBaseSink)

GST_ELEMENT_REGISTER_DECLARE(embeddingsink)

G_END_DECLS

#endif /* GST_EMBEDDING_SINK_H */
