/* SPDX-License-Identifier: Apache-2.0
 *
 * How many workers a turn should have: one frame over all of them, or several frames side by side.
 * Functions of their arguments alone; workers.h is where they are used.
 *
 * Over w workers a frame of n rows takes as long as the worker with the most rows: n / w rounded up
 * to the unit in which rows are dealt out, which is much where n is small and w large (594 patches
 * in twelves over 32 workers: 24 rows for some, 18.6 on average). On top comes what a worker pays
 * for each block of rows whatever its height, reading all weights once, and waiting for the slowest
 * at each layer. All that is less the fewer share a frame, so side by side is never slower for
 * many; it makes the single frame slower and its memory twofold, so it must be worth it.
 */
#ifndef G4_TURNS_H
#define G4_TURNS_H

#include <glib.h>

/* What a turn is going to do. */
typedef struct G4Turn {
    guint rows;  /* that are split over the workers; 0: many small pieces */
    guint unit;  /* in multiples of this; at least 1 */
    double work; /* its cost, by which turns are counted: floating-point operations */
} G4Turn;

/* The situation in which one more turn may begin. */
typedef struct G4TurnsNow {
    guint capacity; /* workers that may be busy */
    guint busy;     /* workers that are */
    guint running;  /* turns under way */
    guint wanting;  /* who would compute now: running, waiting and expected at once */
} G4TurnsNow;

/* Frames a second of one turn with `workers`, on a scale of its own. */
double g4_turns_speed(const G4Turn *turn, guint workers);

/* The number of workers with which `turn`, which can use `most`, is to begin now; 0: not yet. */
guint g4_turns_width(const G4Turn *turn, guint most, const G4TurnsNow *now);

#endif /* G4_TURNS_H */
