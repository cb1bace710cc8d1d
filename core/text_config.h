/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json's text_config: every size and setting of EmbeddingGemma 2's text encoder, checked.
 */
#ifndef G4_TEXT_CONFIG_H
#define G4_TEXT_CONFIG_H

#include <glib.h>

/* What differs from layer to layer. */
typedef struct G4TextLayerConfig {
    gboolean full;  /* sees every token; else those at most `radius` away */
    guint head_dim; /* d, even */
    guint kv_heads; /* G, divides H */
} G4TextLayerConfig;

typedef struct G4TextConfig {
    /* Names as in the specification. */
    guint vocab;  /* rows of the embedding table */
    guint hidden; /* D */
    guint layers; /* NL */
    guint heads;  /* H */
    guint ffn;    /* F */
    guint ple;    /* P */
    guint out;    /* E */
    guint radius; /* sliding_window: inclusive, to both sides */
    float eps;    /* rms_norm_eps */
    double theta_sliding, theta_full;
    guint32 pad, boi, eoi, image, video, audio; /* token ids */
    G4TextLayerConfig *layer;                   /* [NL] */
} G4TextConfig;

/* Reads `folder`/config.json. Every number is checked for its type and range before it is used.
 * `config_text` receives the file's bytes, for the digest; free with g_free. On failure *error
 * (G4_ERROR) names file, key, found, expected, and `config` needs no clear. */
gboolean g4_text_config_read(const char *folder, G4TextConfig *config, char **config_text,
                             gsize *config_length, GError **error);
void g4_text_config_clear(G4TextConfig *config);

#endif /* G4_TEXT_CONFIG_H */
