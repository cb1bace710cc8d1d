/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed's writable properties. A plain struct: the element guards its own with its object
 * lock.
 */
#ifndef GST_GEMMA4_EMBED_SETTINGS_H
#define GST_GEMMA4_EMBED_SETTINGS_H

#include "gemma4.h"
#include "gstgemma4embedtypes.h"

G_BEGIN_DECLS

/* Property ids; GST_GEMMA4_SETTING_END is the first free one. */
enum {
    GST_GEMMA4_SETTING_MODEL = 1,
    GST_GEMMA4_SETTING_OUTPUT,
    GST_GEMMA4_SETTING_NORMALIZE,
    GST_GEMMA4_SETTING_RESIZE,
    GST_GEMMA4_SETTING_IMAGE_SIZE,
    GST_GEMMA4_SETTING_MAX_SOFT_TOKENS,
    GST_GEMMA4_SETTING_PRECISION,
    GST_GEMMA4_SETTING_THREADS,
    GST_GEMMA4_SETTING_INFERENCE_INTERVAL,
    GST_GEMMA4_SETTING_MAX_RATE,
    GST_GEMMA4_SETTING_ASYNC,
    GST_GEMMA4_SETTING_LATE_POLICY,
    GST_GEMMA4_SETTING_REUSE_THRESHOLD,
    GST_GEMMA4_SETTING_IDLE_UNLOAD,
    GST_GEMMA4_SETTING_DIMENSIONS,
    GST_GEMMA4_SETTING_PROMPT,
    GST_GEMMA4_SETTING_WINDOW,
    GST_GEMMA4_SETTING_WINDOW_STRIDE,
    GST_GEMMA4_SETTING_META_TYPES,
    GST_GEMMA4_SETTING_POST_MESSAGES,
    GST_GEMMA4_SETTING_REGION,
    GST_GEMMA4_SETTING_OBJECT_CLASS,
    GST_GEMMA4_SETTING_MIN_REGION_SIZE,
    GST_GEMMA4_SETTING_REEMBED_INTERVAL,
    GST_GEMMA4_SETTING_END,
};

typedef struct {
    gchar *model; /* owned, NULL: none */
    GstGemma4Output output;
    gboolean normalize;
    G4Resize resize;
    guint image_size;
    guint max_soft_tokens;
    G4Precision precision;
    guint threads;
    guint inference_interval;
    gint max_rate_n, max_rate_d;
    gboolean async;
    GstGemma4LatePolicy late_policy;
    gdouble reuse_threshold;
    GstClockTime idle_unload; /* 0: never */
    guint dimensions;         /* 0: all */
    gchar *prompt;            /* owned, NULL: none */
    guint window, window_stride;
    GstGemma4MetaTypes meta_types;
    gboolean post_messages;
    GstGemma4Regions region;
    gchar *object_class; /* owned, NULL: any */
    guint min_region_size;
    guint reembed_interval;
} GstGemma4Settings;

/* The defaults. */
void gst_gemma4_settings_init(GstGemma4Settings *settings);

/* A copy with strings of its own, and their end. */
GstGemma4Settings gst_gemma4_settings_copy(const GstGemma4Settings *settings);
void gst_gemma4_settings_clear(GstGemma4Settings *settings);

/* Installs the properties with their ids. */
void gst_gemma4_settings_install(GObjectClass *klass);

/* FALSE for an id that is not one of these. */
gboolean gst_gemma4_settings_set(GstGemma4Settings *settings, guint id, const GValue *value);
gboolean gst_gemma4_settings_get(const GstGemma4Settings *settings, guint id, GValue *value);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_SETTINGS_H */
