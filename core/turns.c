/* SPDX-License-Identifier: Apache-2.0
 *
 * How many workers a turn should have.
 */
#include "turns.h"

/* Rows that a worker takes through the network at a time. */
#define BLOCK_ROWS 96
/* What a block costs beside its rows, in rows. */
#define BLOCK_COST 6.0
/* How much longer the slowest worker of several takes than its rows say. */
#define WAITING 1.03
/* More turns side by side must bring so much. */
#define WORTHWHILE 1.02

double g4_turns_speed(const G4Turn *turn, guint workers)
{
    if (turn->rows == 0)
        return workers;
    const guint64 unit = MAX(turn->unit, 1);
    const guint64 units = (turn->rows + unit - 1) / unit;
    const guint64 own = MIN((units + workers - 1) / workers * unit, turn->rows);
    const guint64 blocks = (own + BLOCK_ROWS - 1) / BLOCK_ROWS;

    return 1.0 / (((double)own + BLOCK_COST * (double)blocks) * (workers > 1 ? WAITING : 1.0));
}

guint g4_turns_width(const G4Turn *turn, guint most, const G4TurnsNow *now)
{
    const guint idle = now->capacity > now->busy ? now->capacity - now->busy : 0;
    const guint fewest = now->running + 1;
    const guint wanting = MIN(MAX(now->wanting, fewest), now->capacity);
    guint side_by_side = fewest;
    double best = 0.0;

    if (idle == 0)
        return 0;
    for (guint s = fewest; s <= wanting; s++) {
        const guint each = MIN(most, MAX(now->capacity / s, 1));
        const double speed = s * g4_turns_speed(turn, each);
        if (speed > best * WORTHWHILE) {
            best = speed;
            side_by_side = s;
        }
    }
    /* Those that begin now share what is idle. Rather than with less than half of the fair part,
     * which a running turn may still hold, it waits. */
    const guint fair = MIN(most, MAX(now->capacity / side_by_side, 1));
    const guint width = MIN(most, idle / (side_by_side - now->running));

    return 2 * width > fair ? width : 0;
}
