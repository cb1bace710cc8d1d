/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddinggate: lets a frame pass when it differs from the last one that passed.
 */
#ifndef GST_EMBEDDING_GATE_H
#define GST_EMBEDDING_GATE_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_EMBEDDING_GATE (gst_embedding_gate_get_type())
G_DECLARE_FINAL_TYPE(GstEmbeddingGate, gst_embedding_gate, GST, EMBEDDING_GATE, GstElement)

GST_ELEMENT_REGISTER_DECLARE(embeddinggate)

G_END_DECLS

#endif /* GST_EMBEDDING_GATE_H */
