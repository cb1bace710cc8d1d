/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings as GstTensorMeta. gst_tensor_meta_set() would free the tensors that another element
 * put there, so the meta is extended through its public fields.
 */
#include "gstgemma4tensormeta.h"

#ifdef HAVE_GST_TENSOR_META

#ifndef GST_USE_UNSTABLE_API
#define GST_USE_UNSTABLE_API
#endif
#include <gst/analytics/analytics.h>

void gst_gemma4_tensor_meta_append(GstBuffer *buffer, const gchar *id, GstBuffer *values,
                                   guint rows, guint cols)
{
    GstTensor *tensor = gst_tensor_new_simple(
        g_quark_from_string(id), GST_TENSOR_DATA_TYPE_FLOAT32, gst_buffer_ref(values),
        GST_TENSOR_DIM_ORDER_ROW_MAJOR, 2, (gsize[]){rows, cols});
    GstTensorMeta *meta = gst_buffer_get_tensor_meta(buffer);

    if (!meta)
        meta = gst_buffer_add_tensor_meta(buffer);
    meta->tensors = g_renew(GstTensor *, meta->tensors, meta->num_tensors + 1);
    meta->tensors[meta->num_tensors++] = tensor;
}

#endif /* HAVE_GST_TENSOR_META */
