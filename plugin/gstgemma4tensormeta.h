/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings as GstTensorMeta, GStreamer's own form of a model's output. From GStreamer 1.26 on;
 * not compiled before, where the name GstTensorMeta belonged to another, private struct.
 */
#ifndef GST_GEMMA4_TENSOR_META_H
#define GST_GEMMA4_TENSOR_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#ifdef HAVE_GST_TENSOR_META

/* Adds a float32 tensor of dims {rows, cols}, row-major, named by the quark of `id`, to the
 * GstTensorMeta of `buffer`, which must be writable. A buffer without the meta gets one; tensors
 * that others put there stay. `values` holds rows x cols floats; a reference is taken. */
void gst_gemma4_tensor_meta_append(GstBuffer *buffer, const gchar *id, GstBuffer *values,
                                   guint rows, guint cols);

#endif

G_END_DECLS

#endif /* GST_GEMMA4_TENSOR_META_H */
