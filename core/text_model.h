/* SPDX-License-Identifier: Apache-2.0
 *
 * An open text model: configuration, tokenizer, prompts, and its weights packed for the kernels
 * that will read them.
 */
#ifndef G4_TEXT_MODEL_H
#define G4_TEXT_MODEL_H

#include "gemma4.h"
#include "kernels.h"
#include "prompts.h"
#include "scratch.h"
#include "text_config.h"
#include "tokenizer.h"
#include "weights.h"

typedef struct G4TextLayer {
    float *input_layernorm, *post_attention_layernorm; /* [D] */
    float *pre_feedforward_layernorm, *post_feedforward_layernorm;
    float *post_per_layer_input_norm;
    float *q_norm, *k_norm; /* [d] */
    float *layer_scalar;    /* [1] */
    G4Linear q, k, v, o, gate, up, down;
    G4Linear ple_in, ple_out; /* per_layer_input_gate [P, D], per_layer_projection [D, P] */
} G4TextLayer;

struct G4TextModel {
    gint refs;
    char *name, *digest;
    G4Precision precision;
    G4TextConfig config;
    G4Kernels kernels;
    G4Tokenizer *tokenizer;
    G4Prompts prompts;
    gboolean has_image, has_video; /* the tokenizer has the placeholder, and boi and eoi */

    G4Scratch memory; /* holds all that follows */
    void *table;      /* embed_tokens [vocab, D], as the file has it */
    G4Dtype table_dtype;
    G4TextLayer *layers; /* [NL], itself not in `memory` */
    G4Linear *ple;       /* [NL], likewise: layer i's P rows of W_ple, [P, D] */
    float *ple_norm;     /* [P] */
    float *norm;         /* [D] */
    G4Linear projection; /* [E, D] */
};

/* As the tokenizer knows the parts of a media block. */
#define G4_TOKEN_BOI "<|image>"
#define G4_TOKEN_EOI "<image|>"
#define G4_TOKEN_IMAGE "<|image|>"
#define G4_TOKEN_VIDEO "<|video|>"

#endif /* G4_TEXT_MODEL_H */
