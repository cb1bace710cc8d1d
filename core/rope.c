/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotary angles of the patch grid's columns and rows.
 */
#include "rope.h"

#include <math.h>

void g4_rope_table(float *cosine, float *sine, guint positions, guint head_dim, double theta)
{
    const guint half = head_dim / 2, pairs = half / 2;

    for (guint j = 0; j < pairs; j++) {
        const float inv_freq = (float)pow(theta, -2.0 * j / half);
        for (guint p = 0; p < positions; p++) {
            const float angle = (float)p * inv_freq;
            cosine[(gsize)p * pairs + j] = (float)cos(angle);
            sine[(gsize)p * pairs + j] = (float)sin(angle);
        }
    }
}
