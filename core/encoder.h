/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests and the bench see of the encoder beyond gemma4.h.
 */
#ifndef G4_ENCODER_H
#define G4_ENCODER_H

#include "gemma4.h"

/* Called with each stage of a frame as it is computed: rows first_row .. first_row + n_rows - 1 of
 * `width` floats, `row_stride` floats from one to the next, valid during the call. Stages are named
 * as the goldens are ("patches", "hidden.embed", "hidden.3", "layer0.self_attn.q_rope", "pooled",
 * "features", "projected", ...). Called from several threads at once, for different rows. */
typedef void (*G4Probe)(void *user, const char *stage, guint first_row, guint n_rows, guint width,
                        const float *rows, gsize row_stride);

/* NULL ends it. The encoder must be prepared again afterwards. */
void g4_encoder_set_probe(G4Encoder *encoder, G4Probe probe, void *user);

/* The steps of a frame, in order. */
typedef enum {
    G4_STAGE_EMBED,
    G4_STAGE_QKV, /* norm, three products, head norms, rotation, packing of keys and values */
    G4_STAGE_ATTENTION,
    G4_STAGE_O,       /* product, norm, residual */
    G4_STAGE_GATE_UP, /* norm, two products, GeGLU */
    G4_STAGE_DOWN,    /* product, norm, residual */
    G4_STAGE_POOL,
    G4_STAGE_PROJECT,
    G4_STAGE_WAIT, /* for the other workers */
    G4_N_STAGES
} G4Stage;

/* Seconds that the last g4_encoder_encode spent in each stage, summed over the threads and divided
 * by their number. */
void g4_encoder_get_stage_seconds(const G4Encoder *encoder, double seconds[G4_N_STAGES]);

/* Floating-point operations of a frame of the prepared size in each stage (a multiply-add is two).
 */
void g4_encoder_get_stage_flops(const G4Encoder *encoder, double flops[G4_N_STAGES]);

#endif /* G4_ENCODER_H */
