/* SPDX-License-Identifier: Apache-2.0
 *
 * An open model: its configuration, and its weights packed for the kernels that will read them.
 */
#ifndef G4_MODEL_H
#define G4_MODEL_H

#include "config.h"
#include "gemma4.h"
#include "kernels.h"
#include "scratch.h"
#include "weights.h"

typedef struct G4Layer {
    float *input_layernorm, *post_attention_layernorm; /* [D] */
    float *pre_feedforward_layernorm, *post_feedforward_layernorm;
    float *q_norm, *k_norm; /* [d] */
    G4Linear q, k, v, o, gate, up, down;
} G4Layer;

struct G4Model {
    gint refs;
    char *name, *digest;
    G4Precision precision;
    G4Config config;
    G4Kernels kernels;
    G4Scratch memory;         /* holds all that follows */
    G4Linear patch_embedding; /* [D, 3 P^2] */
    guint16 *table_bf16; /* position tables [2, table, D]: as bf16 where the file has them so */
    float *table_f32;    /* else this; the other is NULL */
    G4Layer *layers;
    float *std_bias, *std_scale; /* [D]; NULL without standardize */
    G4Linear projection;         /* [output_dim, D]; packed NULL without one */
};

#endif /* G4_MODEL_H */
