/* SPDX-License-Identifier: Apache-2.0
 *
 * One bfloat16 to float32 and back: the upper half of a float32.
 */
#ifndef G4_BF16_H
#define G4_BF16_H

#include <glib.h>
#include <string.h>

/* Round to nearest, ties to even; NaN stays NaN. */
static inline guint16 bf16_from_f32(float x)
{
    guint32 u;

    memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (guint16)(u >> 16 | 0x40);
    return (guint16)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float f32_from_bf16(guint16 b)
{
    const guint32 u = (guint32)b << 16;
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

#endif /* G4_BF16_H */
