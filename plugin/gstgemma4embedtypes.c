/* SPDX-License-Identifier: Apache-2.0
 *
 * The enumerations of gemma4embed's properties, as GTypes.
 */
#include "gstgemma4embedtypes.h"

#include "gemma4.h"

GType gst_gemma4_output_get_type(void)
{
    static gsize type = 0;
    static const GEnumValue values[] = {
        {GST_GEMMA4_OUTPUT_AUTO, "The best vector that the checkpoint has", "auto"},
        {GST_GEMMA4_OUTPUT_JOINT, "One vector in the space shared with text", "joint"},
        {GST_GEMMA4_OUTPUT_POOLED, "One vector, the mean of the soft tokens", "pooled"},
        {GST_GEMMA4_OUTPUT_TOKENS, "The soft tokens, one row each", "tokens"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("GstGemma4Output", values));
    return type;
}

GType gst_gemma4_meta_types_get_type(void)
{
    static gsize type = 0;
    static const GFlagsValue values[] = {
        {GST_GEMMA4_META_OWN, "GstGemma4EmbeddingMeta", "own"},
        {GST_GEMMA4_META_TENSOR, "GstTensorMeta (from GStreamer 1.26)", "tensor"},
        {GST_GEMMA4_META_ANALYTICS, "Tensors inside GstAnalyticsRelationMeta (in no build yet)",
         "analytics"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_flags_register_static("GstGemma4MetaTypes", values));
    return type;
}

GType gst_gemma4_late_policy_get_type(void)
{
    static gsize type = 0;
    static const GEnumValue values[] = {
        {GST_GEMMA4_LATE_SKIP, "Pass the picture, skip its embedding", "skip"},
        {GST_GEMMA4_LATE_IGNORE, "Embed it all the same", "ignore"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("GstGemma4LatePolicy", values));
    return type;
}

GType gst_gemma4_regions_get_type(void)
{
    static gsize type = 0;
    static const GEnumValue values[] = {
        {GST_GEMMA4_REGIONS_FRAME, "The whole frame", "frame"},
        {GST_GEMMA4_REGIONS_ROI, "Each region that a meta of the frame tells", "roi"},
        {GST_GEMMA4_REGIONS_BOTH, "The whole frame and each region", "both"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("GstGemma4Regions", values));
    return type;
}

GType gst_gemma4_resize_get_type(void)
{
    static gsize type = 0;
    static const GEnumValue values[] = {
        {G4_RESIZE_AUTO, "aspect where the processor file has max_soft_tokens, else square",
         "auto"},
        {G4_RESIZE_SQUARE, "To a square of image-size", "square"},
        {G4_RESIZE_ASPECT, "Aspect ratio kept, within max-soft-tokens", "aspect"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("GstGemma4Resize", values));
    return type;
}

GType gst_gemma4_precision_get_type(void)
{
    static gsize type = 0;
    static const GEnumValue values[] = {
        {G4_PRECISION_AUTO, "bf16 where the processor multiplies bf16 in hardware, else f32",
         "auto"},
        {G4_PRECISION_F32, "32-bit floating point", "f32"},
        {G4_PRECISION_BF16, "bfloat16 products, 32-bit sums", "bf16"},
        {G4_PRECISION_INT8, "8-bit integer products, 32-bit sums", "int8"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("GstGemma4Precision", values));
    return type;
}
