/* SPDX-License-Identifier: Apache-2.0
 *
 * The enumerations of gemma4embed's properties, as GTypes. Registration is thread safe.
 */
#ifndef GST_GEMMA4_EMBED_TYPES_H
#define GST_GEMMA4_EMBED_TYPES_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
    GST_GEMMA4_OUTPUT_AUTO,
    GST_GEMMA4_OUTPUT_JOINT,
    GST_GEMMA4_OUTPUT_POOLED,
    GST_GEMMA4_OUTPUT_TOKENS,
} GstGemma4Output;

typedef enum {
    GST_GEMMA4_META_OWN = 1 << 0,       /* GstGemma4EmbeddingMeta */
    GST_GEMMA4_META_TENSOR = 1 << 1,    /* GstTensorMeta, from GStreamer 1.26 */
    GST_GEMMA4_META_ANALYTICS = 1 << 2, /* tensors inside GstAnalyticsRelationMeta */
} GstGemma4MetaTypes;

typedef enum {
    GST_GEMMA4_LATE_SKIP,
    GST_GEMMA4_LATE_IGNORE,
} GstGemma4LatePolicy;

typedef enum {
    GST_GEMMA4_REGIONS_FRAME,
    GST_GEMMA4_REGIONS_ROI,
    GST_GEMMA4_REGIONS_BOTH,
} GstGemma4Regions;

/* Those of GstGemma4MetaTypes that this build can attach. */
#ifdef HAVE_GST_TENSOR_META
#define GST_GEMMA4_META_AVAILABLE (GST_GEMMA4_META_OWN | GST_GEMMA4_META_TENSOR)
#else
#define GST_GEMMA4_META_AVAILABLE GST_GEMMA4_META_OWN
#endif

#define GST_TYPE_GEMMA4_OUTPUT (gst_gemma4_output_get_type())
#define GST_TYPE_GEMMA4_META_TYPES (gst_gemma4_meta_types_get_type())
#define GST_TYPE_GEMMA4_LATE_POLICY (gst_gemma4_late_policy_get_type())
#define GST_TYPE_GEMMA4_REGIONS (gst_gemma4_regions_get_type())
#define GST_TYPE_GEMMA4_RESIZE (gst_gemma4_resize_get_type())       /* values of G4Resize */
#define GST_TYPE_GEMMA4_PRECISION (gst_gemma4_precision_get_type()) /* values of G4Precision */

GType gst_gemma4_output_get_type(void);
GType gst_gemma4_meta_types_get_type(void);
GType gst_gemma4_late_policy_get_type(void);
GType gst_gemma4_regions_get_type(void);
GType gst_gemma4_resize_get_type(void);
GType gst_gemma4_precision_get_type(void);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_TYPES_H */
