/* SPDX-License-Identifier: Apache-2.0
 *
 * The process's worker threads. One pool serves every encoder: it grows to the largest number of
 * threads ever asked for, and jobs take it in turns, first come first served, so the number of
 * busy threads never exceeds what was asked. Idle workers spin briefly, then sleep.
 */
#ifndef G4_WORKERS_H
#define G4_WORKERS_H

#include <glib.h>
#include <stdatomic.h>

/* `worker` is 0 .. n_workers - 1; the caller of g4_workers_run is worker 0. */
typedef void (*G4Task)(void *data, guint worker, guint n_workers);

/* Makes sure that at least n - 1 threads beside the caller exist. May fail with G4_ERROR_SETTINGS
 * when the system gives no thread. Thread safe. */
gboolean g4_workers_reserve(guint n, GError **error);

/* Gives one successful reserve back; after the last one the threads end. Thread safe. */
void g4_workers_unreserve(void);

/* Takes the pool (waiting for the turn). Between acquire and release the caller may run any number
 * of tasks. n must have been reserved. */
void g4_workers_acquire(void);
void g4_workers_release(void);

/* Runs task(data, i, n) for i = 0 .. n - 1 and returns when all have returned. Only between acquire
 * and release. No allocation. */
void g4_workers_run(guint n, G4Task task, void *data);

/* Inside a task: waits until all n workers of this run have come here. */
void g4_workers_barrier(void);

/* Inside a task: the part [*first, *last) of 0 .. total that is `worker`'s, in multiples of
 * `unit`, split as evenly as that allows. */
void g4_workers_split(guint total, guint unit, guint worker, guint n_workers, guint *first,
                      guint *last);

#endif /* G4_WORKERS_H */
