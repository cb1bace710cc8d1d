/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's statistics.
 */
#include "gstgemma4embedstats.h"

void gst_gemma4_stats_clear(GstGemma4Stats *s)
{
    g_free(s->precision);
    g_free(s->kernels);
    g_free(s->digest);
    *s = (GstGemma4Stats){0};
}

void gst_gemma4_stats_set_model(GstGemma4Stats *s, const G4Model *model, guint64 bytes)
{
    g_free(s->precision);
    g_free(s->kernels);
    g_free(s->digest);
    s->model_bytes = bytes;
    s->precision = g_strdup(g4_precision_name(g4_model_get_precision(model)));
    s->kernels = g_strdup(g4_model_get_kernels(model));
    s->digest = g_strdup(g4_model_get_digest(model));
}

void gst_gemma4_stats_reset(GstGemma4Stats *s, const G4Model *model, guint64 bytes)
{
    gst_gemma4_stats_clear(s);
    gst_gemma4_stats_set_model(s, model, bytes);
}

GstStructure *gst_gemma4_stats_to_structure(const GstGemma4Stats *s)
{
    return gst_structure_new(
        "application/x-gemma4-stats", "frames", G_TYPE_UINT64, s->frames, "embedded", G_TYPE_UINT64,
        s->embedded, "reused", G_TYPE_UINT64, s->reused, "skipped-interval", G_TYPE_UINT64,
        s->skipped_interval, "skipped-rate", G_TYPE_UINT64, s->skipped_rate, "skipped-late",
        G_TYPE_UINT64, s->skipped_late, "dropped-async", G_TYPE_UINT64, s->dropped_async, "failed",
        G_TYPE_UINT64, s->failed, "inference-mean", G_TYPE_UINT64,
        gst_gemma4_timing_mean(&s->inference), "inference-p50", G_TYPE_UINT64,
        gst_gemma4_timing_percentile(&s->inference, 50), "inference-p95", G_TYPE_UINT64,
        gst_gemma4_timing_percentile(&s->inference, 95), "inference-last", G_TYPE_UINT64,
        s->inference.last, "element-mean", G_TYPE_UINT64, gst_gemma4_timing_mean(&s->element),
        "model-bytes", G_TYPE_UINT64, s->model_bytes, "activation-bytes", G_TYPE_UINT64,
        s->activation_bytes, "precision", G_TYPE_STRING, s->precision, "kernels", G_TYPE_STRING,
        s->kernels, "digest", G_TYPE_STRING, s->digest, NULL);
}
