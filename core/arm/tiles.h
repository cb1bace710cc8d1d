/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a product in tiles. A tile's height is a constant of the code, so that its sums are
 * registers: TILES(rows, TILE) is TILE(i, height) for first rows i and heights 8, 4, 2 and 1 that
 * cover them, from FIRST_HEIGHT (8 or 4) down.
 */
#ifndef G4_ARM_TILES_H
#define G4_ARM_TILES_H

#define TILES(rows, TILE)                                                                          \
    do {                                                                                           \
        guint first_row = 0;                                                                       \
        for (; first_row + FIRST_HEIGHT <= (rows); first_row += FIRST_HEIGHT)                      \
            TILE(first_row, FIRST_HEIGHT);                                                         \
        if (FIRST_HEIGHT == 8 && ((rows)&4)) {                                                     \
            TILE(first_row, 4);                                                                    \
            first_row += 4;                                                                        \
        }                                                                                          \
        if ((rows)&2) {                                                                            \
            TILE(first_row, 2);                                                                    \
            first_row += 2;                                                                        \
        }                                                                                          \
        if ((rows)&1)                                                                              \
            TILE(first_row, 1);                                                                    \
    } while (0)

#endif /* G4_ARM_TILES_H */
