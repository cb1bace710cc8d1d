/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotary angles of the patch grid's columns and rows.
 */
#ifndef G4_ROPE_H
#define G4_ROPE_H

#include <glib.h>

/* cosine[position][j], sine[position][j] for position = 0 .. positions - 1 and
 * j = 0 .. head_dim / 4 - 1: angle = position * theta^(-2 j / (head_dim / 2)). Specification,
 * section 3, RoPE2D. The inverse frequencies and angles are float32, as the reference's are. */
void g4_rope_table(float *cosine, float *sine, guint positions, guint head_dim, double theta);

#endif /* G4_ROPE_H */
