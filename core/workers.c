/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker threads of the process.
 */
#include "workers.h"
#include "gemma4.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* About 30 us: longer than the gap between two tasks of a frame, shorter than a time slice. */
#define SPINS 1500

typedef struct Worker {
    pthread_t thread;
    guint index;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint posted; /* tasks given so far */
    gboolean quit;      /* under lock */
} Worker;

static struct {
    pthread_mutex_t lock; /* workers, n_workers, users */
    Worker **workers;
    guint n_workers;
    guint users;

    pthread_mutex_t turn_lock; /* first come, first served */
    pthread_cond_t turn_changed;
    guint64 next_ticket, serving;

    G4Task task;
    void *data;
    guint n;

    pthread_mutex_t done_lock;
    pthread_cond_t done_changed;
    atomic_uint pending;

    pthread_mutex_t barrier_lock;
    pthread_cond_t barrier_changed;
    guint arrived;
    atomic_uint barrier_round;
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .turn_lock = PTHREAD_MUTEX_INITIALIZER,
    .turn_changed = PTHREAD_COND_INITIALIZER,
    .done_lock = PTHREAD_MUTEX_INITIALIZER,
    .done_changed = PTHREAD_COND_INITIALIZER,
    .barrier_lock = PTHREAD_MUTEX_INITIALIZER,
    .barrier_changed = PTHREAD_COND_INITIALIZER,
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* TRUE when *value left `old` within the spin. */
static gboolean spin_while_equal(atomic_uint *value, guint old)
{
    for (guint i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(value, memory_order_acquire) != old)
            return TRUE;
        relax();
    }
    return FALSE;
}

static void finish_one(void)
{
    if (atomic_fetch_sub_explicit(&pool.pending, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&pool.done_lock);
    pthread_cond_signal(&pool.done_changed);
    pthread_mutex_unlock(&pool.done_lock);
}

static void *worker_main(void *arg)
{
    Worker *w = arg;
    guint seen = 0;

    for (;;) {
        spin_while_equal(&w->posted, seen);
        pthread_mutex_lock(&w->lock);
        while (atomic_load_explicit(&w->posted, memory_order_acquire) == seen && !w->quit)
            pthread_cond_wait(&w->wake, &w->lock);
        const gboolean quit = w->quit;
        pthread_mutex_unlock(&w->lock);
        if (quit)
            return NULL;
        seen++;
        pool.task(pool.data, w->index, pool.n);
        finish_one();
    }
}

static Worker *worker_new(guint index, GError **error)
{
    Worker *w = calloc(1, sizeof *w);
    char name[24];

    if (!w) {
        g_set_error_literal(error, G4_ERROR, G4_ERROR_SETTINGS, "no memory for a worker thread");
        return NULL;
    }
    w->index = index;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    const int rc = pthread_create(&w->thread, NULL, worker_main, w);
    if (rc != 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "worker thread %u: %s", index,
                    g_strerror(rc));
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return NULL;
    }
    snprintf(name, sizeof name, "gemma4-%u", index % 1000);
    pthread_setname_np(w->thread, name);
    return w;
}

static void worker_free(Worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->quit = TRUE;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

gboolean g4_workers_reserve(guint n, GError **error)
{
    gboolean ok = TRUE;

    pthread_mutex_lock(&pool.lock);
    if (n > pool.n_workers + 1) {
        Worker **grown = realloc(pool.workers, (n - 1) * sizeof *grown);
        if (grown)
            pool.workers = grown;
        while (ok && pool.n_workers + 1 < n) {
            Worker *w = grown ? worker_new(pool.n_workers + 1, error) : NULL;
            if (w)
                pool.workers[pool.n_workers++] = w;
            ok = w != NULL;
        }
        if (!grown)
            g_set_error_literal(error, G4_ERROR, G4_ERROR_SETTINGS, "no memory for the workers");
    }
    if (ok)
        pool.users++;
    pthread_mutex_unlock(&pool.lock);
    return ok;
}

void g4_workers_unreserve(void)
{
    pthread_mutex_lock(&pool.lock);
    if (--pool.users == 0) {
        while (pool.n_workers > 0)
            worker_free(pool.workers[--pool.n_workers]);
        free(pool.workers);
        pool.workers = NULL;
    }
    pthread_mutex_unlock(&pool.lock);
}

void g4_workers_acquire(void)
{
    pthread_mutex_lock(&pool.turn_lock);
    const guint64 ticket = pool.next_ticket++;
    while (pool.serving != ticket)
        pthread_cond_wait(&pool.turn_changed, &pool.turn_lock);
    pthread_mutex_unlock(&pool.turn_lock);
}

void g4_workers_release(void)
{
    pthread_mutex_lock(&pool.turn_lock);
    pool.serving++;
    pthread_cond_broadcast(&pool.turn_changed);
    pthread_mutex_unlock(&pool.turn_lock);
}

void g4_workers_run(guint n, G4Task task, void *data)
{
    pool.task = task;
    pool.data = data;
    pool.n = n;
    atomic_store_explicit(&pool.pending, n - 1, memory_order_relaxed);
    /* Growing the pool moves the array; the workers themselves stay where they are. */
    pthread_mutex_lock(&pool.lock);
    for (guint i = 0; i + 1 < n; i++) {
        Worker *w = pool.workers[i];
        pthread_mutex_lock(&w->lock);
        atomic_fetch_add_explicit(&w->posted, 1, memory_order_release);
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
    }
    pthread_mutex_unlock(&pool.lock);

    task(data, 0, n);

    for (guint i = 0; i < SPINS && atomic_load_explicit(&pool.pending, memory_order_acquire); i++)
        relax();
    if (atomic_load_explicit(&pool.pending, memory_order_acquire)) {
        pthread_mutex_lock(&pool.done_lock);
        while (atomic_load_explicit(&pool.pending, memory_order_acquire))
            pthread_cond_wait(&pool.done_changed, &pool.done_lock);
        pthread_mutex_unlock(&pool.done_lock);
    }
}

void g4_workers_barrier(void)
{
    pthread_mutex_lock(&pool.barrier_lock);
    const guint round = atomic_load_explicit(&pool.barrier_round, memory_order_relaxed);
    if (++pool.arrived == pool.n) {
        pool.arrived = 0;
        atomic_store_explicit(&pool.barrier_round, round + 1, memory_order_release);
        pthread_cond_broadcast(&pool.barrier_changed);
        pthread_mutex_unlock(&pool.barrier_lock);
        return;
    }
    pthread_mutex_unlock(&pool.barrier_lock);
    if (spin_while_equal(&pool.barrier_round, round))
        return;
    pthread_mutex_lock(&pool.barrier_lock);
    while (atomic_load_explicit(&pool.barrier_round, memory_order_acquire) == round)
        pthread_cond_wait(&pool.barrier_changed, &pool.barrier_lock);
    pthread_mutex_unlock(&pool.barrier_lock);
}

void g4_workers_split(guint total, guint unit, guint worker, guint n_workers, guint *first,
                      guint *last)
{
    const guint64 units = ((guint64)total + unit - 1) / unit;
    const guint64 a = units * worker / n_workers * unit;
    const guint64 b = units * (worker + 1) / n_workers * unit;

    *first = (guint)MIN(a, total);
    *last = (guint)MIN(b, total);
}

/* Cores that the CPU controllers of cgroup v2 (cpu.max) and v1 leave, over all parents that can
 * be seen; 0 where no quota is set. */
static guint cgroup_quota(void)
{
    static const char *const files[][2] = {
        {"/sys/fs/cgroup/cpu.max", NULL},
        {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = NULL, *period_text = NULL;
        if (!g_file_get_contents(files[i][0], &text, NULL, NULL))
            continue;
        char *end = text;
        const gint64 quota = g_ascii_strtoll(text, &end, 10);
        if (end == text) /* "max" */
            continue;
        if (files[i][1] && g_file_get_contents(files[i][1], &period_text, NULL, NULL))
            end = period_text;
        const gint64 period = g_ascii_strtoll(end, NULL, 10);
        if (quota > 0 && period > 0)
            return (guint)MIN((quota + period - 1) / period, 4096);
    }
    return 0;
}

guint g4_default_threads(void)
{
    cpu_set_t set;
    guint n = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = MAX(CPU_COUNT(&set), 1);
    else
        n = MAX(g_get_num_processors(), 1);
    const guint quota = cgroup_quota();
    return quota ? MIN(n, quota) : n;
}
