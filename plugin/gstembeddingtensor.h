/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingtensor: makes buffers of the embeddings that come with buffers, or alone in events.
 */
#ifndef GST_EMBEDDING_TENSOR_H
#define GST_EMBEDDING_TENSOR_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_EMBEDDING_TENSOR (gst_embedding_tensor_get_type())
G_DECLARE_FINAL_TYPE(GstEmbeddingTensor, gst_embedding_tensor, GST, EMBEDDING_TENSOR, GstElement)

GST_ELEMENT_REGISTER_DECLARE(embeddingtensor)

G_END_DECLS

#endif /* GST_EMBEDDING_TENSOR_H */
