/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests and the bench see of the text encoder beyond gemma4.h.
 */
#ifndef G4_TEXT_ENCODER_H
#define G4_TEXT_ENCODER_H

#include "encoder.h"
#include "gemma4.h"

/* Called with each stage of an input as it is computed, as for g4_encoder_set_probe. Stages:
 * "inputs_embeds" [L, D], "ple.0" [L, P], "layer0" [L, D] after the layer's scalar, ...,
 * "last_hidden_state" [L, E]. NULL ends it. */
void g4_text_encoder_set_probe(G4TextEncoder *encoder, G4Probe probe, void *user);

/* The token ids of the last input that was embedded; the encoder's, until the next. */
const guint32 *g4_text_encoder_get_ids(const G4TextEncoder *encoder, guint *n);

/* Memory of its activations. */
guint64 g4_text_encoder_get_bytes(const G4TextEncoder *encoder);

#endif /* G4_TEXT_ENCODER_H */
