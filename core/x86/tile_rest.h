/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows that do not fill a tile. A tile's height is a constant of the code, so that its sums are
 * registers: TILE_REST(n, TILE) is TILE(n) for n = 0 (nothing) .. TILE_ROWS - 1, a constant in
 * each. TILE_ROWS, 6 or 12, is defined ahead of this.
 */
#ifndef G4_X86_TILE_REST_H
#define G4_X86_TILE_REST_H

#define TILE_REST_CASE(n, TILE)                                                                    \
    case n:                                                                                        \
        TILE(n);                                                                                   \
        break;

#define TILE_REST_TO_5(TILE)                                                                       \
    TILE_REST_CASE(1, TILE)                                                                        \
    TILE_REST_CASE(2, TILE)                                                                        \
    TILE_REST_CASE(3, TILE)                                                                        \
    TILE_REST_CASE(4, TILE)                                                                        \
    TILE_REST_CASE(5, TILE)

#if TILE_ROWS == 6
#define TILE_REST_CASES(TILE) TILE_REST_TO_5(TILE)
#elif TILE_ROWS == 12
#define TILE_REST_CASES(TILE)                                                                      \
    TILE_REST_TO_5(TILE)                                                                           \
    TILE_REST_CASE(6, TILE)                                                                        \
    TILE_REST_CASE(7, TILE)                                                                        \
    TILE_REST_CASE(8, TILE)                                                                        \
    TILE_REST_CASE(9, TILE)                                                                        \
    TILE_REST_CASE(10, TILE)                                                                       \
    TILE_REST_CASE(11, TILE)
#else
#error "TILE_ROWS is 6 or 12"
#endif

#define TILE_REST(rows, TILE)                                                                      \
    switch (rows) {                                                                                \
        TILE_REST_CASES(TILE)                                                                      \
    default:                                                                                       \
        break;                                                                                     \
    }

#endif /* G4_X86_TILE_REST_H */
