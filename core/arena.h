/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of frames in progress, shared by all encoders of the process.
 *
 * An encoder needs its activations during a turn alone. So it does not own them: it makes sure that
 * a block of its size will be there, and takes one for the length of the turn, the one used last
 * first. There are as many blocks as encoders, since all might compute at once, but a block that
 * was never taken has no pages: the memory in use is that of the frames that ever ran at the same
 * time. Sizes are rounded up to powers of two, so that encoders of about the same size share.
 */
#ifndef G4_ARENA_H
#define G4_ARENA_H

#include "scratch.h"

typedef struct G4Block {
    struct G4Block *next; /* the arena's */
    G4Scratch scratch;
    guint64 layout; /* of its last user; 0: all zeros */
    gsize kept;     /* bytes that users of that layout left, or zeros */
} G4Block;

/* Adds a block of at least `bytes` for one more user. Fails with G4_ERROR_SETTINGS. Thread safe. */
gboolean g4_arena_reserve(gsize bytes, GError **error);

/* Gives a reserve of that size back, between takes. Thread safe. */
void g4_arena_unreserve(gsize bytes);

/* A block of at least the reserved `bytes`, each reserve being good for one at a time. What is in
 * it was left by a user of the same `layout` (any number but 0 that names where what lies in it),
 * or is zeros. Its scratch is ready to be carved. Cannot fail, allocates nothing. Thread safe. */
G4Block *g4_arena_take(gsize bytes, guint64 layout);
void g4_arena_give(G4Block *block);

#endif /* G4_ARENA_H */
