/* SPDX-License-Identifier: Apache-2.0
 *
 * The process's worker threads, and whose turn it is.
 *
 * Everybody who computes (an encoder, a loader of weights) has a crew: a claim on at most so many
 * threads, of which the caller itself is the first. A crew works in turns. A turn is a frame: it is
 * granted workers, keeps them to its end and is never interrupted. The turns of all crews share one
 * pool, under these rules:
 *
 *   - Never more workers are busy than the largest number of threads that a living crew asked for.
 *   - The least served goes first (start-time fair queueing, Goyal, Vin and Cheng, 1996): each
 *     crew has a clock that its turns push on by their work, and of those who wait the one whose
 *     clock is furthest behind is next; of equals, who came first. A crew that was away does not
 *     save up turns. So equal streams take turns one by one, and one with large frames gets as much
 *     of the processor as one with small frames, not as many frames. Nobody is passed by: while the
 *     next in line waits for enough workers, no later one is let in.
 *   - Several turns run side by side where turns.h expects more frames a second of that than of one
 *     frame after the other over all workers. It counts those who run, those who wait, and those
 *     who are expected back at once since that is how they came the last time.
 *   - A turn of which nobody stands in the way gets all workers that it may have.
 *
 * Work of a millisecond or two in the course of the caller's own (the resize of a frame) does not
 * wait for a turn: it is done by the caller and by whoever is idle at that moment.
 *
 * Crews of the background have threads of their own, at nice 10 (a thread can be made nicer, but
 * without privileges not less nice again), which sleep instead of spinning wherever they wait; and
 * they count among the busy as all others do. The calling thread is the host's to make nice.
 */
#ifndef G4_WORKERS_H
#define G4_WORKERS_H

#include "turns.h"

#include <glib.h>
#include <stdatomic.h>

#define G4_MOST_WORKERS 1024
#define G4_BACKGROUND_NICE 10

typedef struct G4Crew G4Crew;

/* `worker` is 0 .. n_workers - 1; the caller of g4_crew_run is worker 0. */
typedef void (*G4Task)(void *data, guint worker, guint n_workers);

/* A claim on up to `threads` (1 .. G4_MOST_WORKERS) threads. Starts those that the pool lacks;
 * fails with G4_ERROR_SETTINGS when the system gives none. Thread safe. */
G4Crew *g4_crew_new(guint threads, gboolean background, GError **error);

/* Not within a turn. After the last crew the threads end. NULL allowed. Thread safe. */
void g4_crew_free(G4Crew *crew);

/* Waits for the crew's turn. Returns how many workers it has until the release, 1 .. threads; 0
 * when cancelled, which is no turn. One caller at a time. No allocation. */
guint g4_crew_acquire(G4Crew *crew, const G4Turn *turn);

/* Takes whoever is idle, the caller in any case, without waiting: for work so short that nobody
 * notices. Returns how many workers that is. Ends with g4_crew_release, too. No allocation. */
guint g4_crew_borrow(G4Crew *crew);

void g4_crew_release(G4Crew *crew);

/* While TRUE, an acquire that waits, and every later one, returns 0, and a task that asks is told
 * so. Thread safe. */
void g4_crew_cancel(G4Crew *crew, gboolean cancelled);
gboolean g4_crew_is_cancelled(const G4Crew *crew);

/* How many crews wait for their turn at this moment. For tests. Thread safe. */
guint g4_crews_waiting(void);

/* Runs task(data, i, n) on the n workers of the turn, i = 0 .. n - 1, and returns when all have
 * returned. No allocation. */
void g4_crew_run(G4Crew *crew, G4Task task, void *data);

/* Inside a task: waits until all workers of this crew have come here. */
void g4_crew_barrier(G4Crew *crew);

/* Inside a task: the part [*first, *last) of 0 .. total that is `worker`'s, in multiples of
 * `unit`, split as evenly as that allows. */
void g4_workers_split(guint total, guint unit, guint worker, guint n_workers, guint *first,
                      guint *last);

#endif /* G4_WORKERS_H */
