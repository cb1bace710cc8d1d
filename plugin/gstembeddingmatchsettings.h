/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingmatch's properties: their table and where they are kept.
 */
#ifndef GST_EMBEDDING_MATCH_SETTINGS_H
#define GST_EMBEDDING_MATCH_SETTINGS_H

#include "gemma4.h"
#include "gstembeddingmatchset.h"

G_BEGIN_DECLS

typedef struct {
    gchar *model;
    G4Precision precision;
    guint threads;
    GstEmbeddingMatchSources sources;
    gdouble threshold, hysteresis, temperature;
    guint top_k;
    gboolean softmax;
} GstEmbeddingMatchSettings;

void gst_embedding_match_settings_init(GstEmbeddingMatchSettings *settings);
void gst_embedding_match_settings_clear(GstEmbeddingMatchSettings *settings);

/* Installs all of them, numbered from 1. */
void gst_embedding_match_settings_install(GObjectClass *klass);

/* What a property is about. */
typedef enum {
    GST_EMBEDDING_MATCH_UNKNOWN, /* no such property */
    GST_EMBEDDING_MATCH_VALUE,   /* of what happens to scores */
    GST_EMBEDDING_MATCH_SOURCE,  /* of what there is to compare with */
} GstEmbeddingMatchKind;

GstEmbeddingMatchKind gst_embedding_match_settings_set(GstEmbeddingMatchSettings *settings,
                                                       guint id, const GValue *value);
GstEmbeddingMatchKind gst_embedding_match_settings_get(const GstEmbeddingMatchSettings *settings,
                                                       guint id, GValue *value);

G_END_DECLS

#endif /* GST_EMBEDDING_MATCH_SETTINGS_H */
