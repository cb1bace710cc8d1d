/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json and the processor files: every size and setting of the vision tower, checked.
 */
#ifndef G4_CONFIG_H
#define G4_CONFIG_H

#include <glib.h>

typedef struct G4Config {
    /* Network; names as in the specification, section 1. */
    guint hidden;     /* D */
    guint layers;     /* L */
    guint heads;      /* H */
    guint kv_heads;   /* G, divides H */
    guint head_dim;   /* d, a multiple of 4 */
    guint ffn;        /* F */
    guint patch;      /* P */
    guint pool;       /* k */
    guint table;      /* rows of each position table */
    guint output_dim; /* width of the text space; 0: no projection (tower saved alone) */
    float eps;        /* rms_norm_eps */
    double rope_theta;
    gboolean clipped; /* use_clipped_linears; absent means FALSE */
    gboolean standardize;
    /* Processor; 0 where the files have none. */
    guint image_soft_tokens; /* max_soft_tokens of the image block (or of the top level) */
    guint video_soft_tokens; /* max_soft_tokens of the video block */
    guint square_size;       /* `size` of a processor file without max_soft_tokens */
} G4Config;

/* Reads `folder`/config.json and the processor file beside it (processor_config.json if there is
 * one; preprocessor_config.json only without it, and only if it has image keys; neither: all
 * processor fields 0). Every number is checked for its type and range before it is used; nothing
 * is allocated in proportion to one. `config_text` receives config.json's bytes, for the digest;
 * free with g_free. On failure *error (G4_ERROR) names file, key, found, expected. */
gboolean g4_config_read(const char *folder, G4Config *config, char **config_text,
                        gsize *config_length, GError **error);

#endif /* G4_CONFIG_H */
