/* SPDX-License-Identifier: Apache-2.0
 *
 * One block of memory, carved once into parts. The function that carves runs twice: first over an
 * empty block, which only counts, then over one of that size.
 */
#ifndef G4_SCRATCH_H
#define G4_SCRATCH_H

#include <glib.h>

typedef struct G4Scratch {
    guint8 *base; /* NULL while counting */
    gsize size, used;
} G4Scratch;

/* Zeroed, page-aligned, on huge pages where the system gives them. Fails with G4_ERROR_SETTINGS;
 * `what` names it in the message. `scratch` must be empty ({0}). */
gboolean g4_scratch_init(G4Scratch *scratch, gsize size, const char *what, GError **error);
void g4_scratch_clear(G4Scratch *scratch); /* leaves it empty */

/* The next `count` things of `size` bytes, aligned to a cache line; NULL while counting. */
void *g4_scratch_take(G4Scratch *scratch, gsize count, gsize size);

#endif /* G4_SCRATCH_H */
