/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker threads of the process.
 */
#include "workers.h"
#include "gemma4.h"
#include "quota.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* About 30 us: longer than the gap between two tasks of a frame, shorter than a time slice. */
#define SPINS 1500
/* Who took less than this part of its turn to come back is expected to do so again. */
#define EXPECTED_WITHIN 8

typedef struct Worker Worker;
struct Worker {
    pthread_t thread;
    gboolean background;
    Worker *next_idle; /* under pool.lock */
    G4Crew *crew;      /* whose tasks it runs, and as which worker: set before it is posted one */
    guint index;

    pthread_mutex_t lock;
    pthread_cond_t wake, finished;
    atomic_uint posted; /* tasks given so far */
    atomic_uint done;   /* tasks finished */
    gboolean quit;      /* under lock */
};

typedef enum {
    AWAY,
    WAITING,  /* for its turn */
    RUNNING,  /* within its turn */
    BORROWED, /* within g4_crew_borrow */
} State;

struct G4Crew {
    guint threads;
    gboolean background;
    atomic_int cancelled; /* written under pool.lock */

    /* Under pool.lock. */
    G4Crew *next, *previous;
    State state;
    pthread_cond_t changed;
    G4Turn turn;
    double clock;     /* work done, on the pool's clock */
    guint64 ticket;   /* among equal clocks */
    guint counted;    /* workers of this turn that count as busy */
    gint64 came_back; /* all in us: how long after its last turn it waited for the next */
    gint64 began, ended, length;

    /* From acquire to release the caller's. */
    guint size;
    Worker **members; /* [threads - 1], of which size - 1 are there */
    G4Task task;
    void *data;

    pthread_mutex_t barrier_lock;
    pthread_cond_t barrier_changed;
    guint arrived;
    atomic_uint barrier_round;
};

/* Threads of one niceness. */
typedef struct Kind {
    Worker **workers;
    guint n;
    guint crews; /* that use it */
    Worker *idle;
} Kind;

static struct {
    pthread_mutex_t lock; /* everything here */
    Kind kinds[2];        /* by `background` */
    G4Crew *crews;
    guint asked[G4_MOST_WORKERS + 1]; /* crews by their threads */
    guint capacity;                   /* the largest asked */
    guint busy;                       /* workers of turns and borrowed ones */
    guint running;                    /* turns */
    double clock;                     /* that of the turn granted last */
    guint64 next_ticket;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* TRUE when *value left `old` within the spin. */
static gboolean spin_while_equal(atomic_uint *value, guint old, gboolean background)
{
    for (guint i = 0; i < (background ? 1 : SPINS); i++) {
        if (atomic_load_explicit(value, memory_order_acquire) != old)
            return TRUE;
        relax();
    }
    return FALSE;
}

/* ------------------------------------------------------------------------------------------
 * Threads
 */
static void *worker_main(void *arg)
{
    Worker *w = arg;
    guint seen = 0;

    if (w->background)
        g4_background_thread();
    for (;;) {
        spin_while_equal(&w->posted, seen, w->background);
        pthread_mutex_lock(&w->lock);
        while (atomic_load_explicit(&w->posted, memory_order_acquire) == seen && !w->quit)
            pthread_cond_wait(&w->wake, &w->lock);
        const gboolean quit = w->quit;
        pthread_mutex_unlock(&w->lock);
        if (quit)
            return NULL;
        seen++;
        w->crew->task(w->crew->data, w->index, w->crew->size);
        /* From here on the crew may be gone. */
        pthread_mutex_lock(&w->lock);
        atomic_store_explicit(&w->done, seen, memory_order_release);
        pthread_cond_signal(&w->finished);
        pthread_mutex_unlock(&w->lock);
    }
}

static Worker *worker_new(guint index, gboolean background, GError **error)
{
    Worker *w = calloc(1, sizeof *w);
    char name[24];

    if (!w) {
        g_set_error_literal(error, G4_ERROR, G4_ERROR_SETTINGS, "no memory for a worker thread");
        return NULL;
    }
    w->background = background;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    pthread_cond_init(&w->finished, NULL);
    const int rc = pthread_create(&w->thread, NULL, worker_main, w);
    if (rc != 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "worker thread %u: %s", index,
                    g_strerror(rc));
        pthread_cond_destroy(&w->finished);
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return NULL;
    }
    snprintf(name, sizeof name, "gemma4%s-%u", background ? "-bg" : "", index % 1000);
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
    pthread_cond_destroy(&w->finished);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* pool.lock held. */
static gboolean kind_grow(Kind *kind, gboolean background, guint n, GError **error)
{
    if (n <= kind->n)
        return TRUE;
    Worker **grown = realloc(kind->workers, n * sizeof *grown);
    if (!grown) {
        g_set_error_literal(error, G4_ERROR, G4_ERROR_SETTINGS, "no memory for the workers");
        return FALSE;
    }
    kind->workers = grown;
    while (kind->n < n) {
        Worker *w = worker_new(kind->n + 1, background, error);
        if (!w)
            return FALSE;
        kind->workers[kind->n++] = w;
        w->next_idle = kind->idle;
        kind->idle = w;
    }
    return TRUE;
}

/* pool.lock held; none of its threads is in use. */
static void kind_clear(Kind *kind)
{
    while (kind->n > 0)
        worker_free(kind->workers[--kind->n]);
    free(kind->workers);
    *kind = (Kind){0};
}

void g4_background_thread(void)
{
    const id_t self = (id_t)syscall(SYS_gettid);

    /* Linux keeps a niceness for each thread. Refused, it stays as it is. */
    errno = 0;
    const int nice_now = getpriority(PRIO_PROCESS, self);
    if (errno == 0 && nice_now < G4_BACKGROUND_NICE)
        (void)setpriority(PRIO_PROCESS, self, G4_BACKGROUND_NICE);
}

/* ------------------------------------------------------------------------------------------
 * Turns. pool.lock is held in all of this.
 */
static gboolean is_expected(const G4Crew *crew, gint64 now)
{
    const gint64 soon = crew->length / EXPECTED_WITHIN;

    return crew->state == AWAY && crew->length > 0 && crew->came_back < soon &&
           now - crew->ended < soon && !g4_crew_is_cancelled(crew);
}

/* The next in line, NULL without one; *wanting: see G4TurnsNow. */
static G4Crew *next_in_line(guint *wanting)
{
    const gint64 now = g_get_monotonic_time();
    G4Crew *first = NULL;

    *wanting = pool.running;
    for (G4Crew *c = pool.crews; c; c = c->next) {
        if (c->state == WAITING) {
            ++*wanting;
            if (!first || c->clock < first->clock ||
                (c->clock == first->clock && c->ticket < first->ticket))
                first = c;
        } else if (is_expected(c, now)) {
            ++*wanting;
        }
    }
    return first;
}

/* Gives the crew `n` workers, of which `counted` count as busy. */
static void give_workers(G4Crew *crew, guint n, guint counted)
{
    Kind *kind = &pool.kinds[crew->background];

    crew->size = n;
    crew->counted = counted;
    pool.busy += counted;
    for (guint i = 0; i + 1 < n; i++) {
        Worker *w = kind->idle;
        kind->idle = w->next_idle;
        w->crew = crew;
        w->index = i + 1;
        crew->members[i] = w;
    }
}

static void take_workers(G4Crew *crew)
{
    Kind *kind = &pool.kinds[crew->background];

    /* In the order in which they came, so that the same cores get the same rows again. */
    for (guint i = crew->size - 1; i > 0; i--) {
        Worker *w = crew->members[i - 1];
        w->next_idle = kind->idle;
        kind->idle = w;
    }
    pool.busy -= crew->counted;
    crew->size = crew->counted = 0;
}

/* Lets everybody begin whose turn it is. */
static void grant_turns(void)
{
    guint wanting;
    G4Crew *crew;

    while ((crew = next_in_line(&wanting))) {
        const G4TurnsNow now = {pool.capacity, pool.busy, pool.running, wanting};
        const guint n = g4_turns_width(&crew->turn, MIN(crew->threads, pool.capacity), &now);

        if (n == 0)
            return;
        give_workers(crew, n, n);
        crew->state = RUNNING;
        crew->began = g_get_monotonic_time();
        pool.running++;
        pool.clock = MAX(pool.clock, crew->clock);
        pthread_cond_signal(&crew->changed);
    }
}

guint g4_crew_acquire(G4Crew *crew, const G4Turn *turn)
{
    pthread_mutex_lock(&pool.lock);
    if (!g4_crew_is_cancelled(crew)) {
        crew->turn = *turn;
        crew->state = WAITING;
        crew->clock = MAX(crew->clock, pool.clock);
        crew->ticket = pool.next_ticket++;
        crew->came_back = g_get_monotonic_time() - crew->ended;
        grant_turns();
        while (crew->state == WAITING)
            pthread_cond_wait(&crew->changed, &pool.lock);
    }
    const guint n = crew->size;
    pthread_mutex_unlock(&pool.lock);
    return n;
}

guint g4_crew_borrow(G4Crew *crew)
{
    guint wanting;

    pthread_mutex_lock(&pool.lock);
    const guint idle = pool.capacity > pool.busy ? pool.capacity - pool.busy : 0;
    /* Who waits for workers is not to lose them again. */
    const guint n = idle == 0 || next_in_line(&wanting) ? 1 : MIN(crew->threads, idle);
    give_workers(crew, n, MIN(n, idle));
    crew->state = BORROWED;
    pthread_mutex_unlock(&pool.lock);
    return n;
}

void g4_crew_release(G4Crew *crew)
{
    pthread_mutex_lock(&pool.lock);
    if (crew->state == RUNNING) {
        crew->ended = g_get_monotonic_time();
        crew->length = crew->ended - crew->began;
        crew->clock += crew->turn.work;
        pool.running--;
    }
    take_workers(crew);
    crew->state = AWAY;
    grant_turns();
    pthread_mutex_unlock(&pool.lock);
}

void g4_crew_cancel(G4Crew *crew, gboolean cancelled)
{
    pthread_mutex_lock(&pool.lock);
    atomic_store_explicit(&crew->cancelled, cancelled, memory_order_release);
    if (cancelled && crew->state == WAITING) {
        crew->state = AWAY;
        pthread_cond_signal(&crew->changed);
        grant_turns();
    }
    pthread_mutex_unlock(&pool.lock);
}

gboolean g4_crew_is_cancelled(const G4Crew *crew)
{
    return atomic_load_explicit(&crew->cancelled, memory_order_acquire) != 0;
}

guint g4_crews_waiting(void)
{
    guint n = 0;

    pthread_mutex_lock(&pool.lock);
    for (const G4Crew *c = pool.crews; c; c = c->next)
        n += c->state == WAITING;
    pthread_mutex_unlock(&pool.lock);
    return n;
}

/* ------------------------------------------------------------------------------------------
 * Crews
 */

/* pool.lock held. */
static void measure_capacity(void)
{
    pool.capacity = G4_MOST_WORKERS;
    while (pool.capacity > 0 && pool.asked[pool.capacity] == 0)
        pool.capacity--;
}

/* pool.lock held. Every kind that is in use has threads for all that may be busy. */
static gboolean grow_kinds(GError **error)
{
    for (int background = 0; background < 2; background++) {
        Kind *kind = &pool.kinds[background];
        if (kind->crews > 0 && !kind_grow(kind, background, pool.capacity - 1, error))
            return FALSE;
    }
    return TRUE;
}

/* pool.lock held. */
static void forget(const G4Crew *crew)
{
    pool.asked[crew->threads]--;
    measure_capacity();
    if (--pool.kinds[crew->background].crews == 0)
        kind_clear(&pool.kinds[crew->background]);
}

G4Crew *g4_crew_new(guint threads, gboolean background, GError **error)
{
    if (threads < 1 || threads > G4_MOST_WORKERS) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "threads %u: expected 1 to %u", threads,
                    G4_MOST_WORKERS);
        return NULL;
    }
    G4Crew *crew = g_new0(G4Crew, 1);
    crew->threads = threads;
    crew->background = background != FALSE;
    crew->members = g_new0(Worker *, threads);
    pthread_cond_init(&crew->changed, NULL);
    pthread_mutex_init(&crew->barrier_lock, NULL);
    pthread_cond_init(&crew->barrier_changed, NULL);

    pthread_mutex_lock(&pool.lock);
    pool.asked[threads]++;
    pool.kinds[crew->background].crews++;
    measure_capacity();
    const gboolean ok = grow_kinds(error);
    if (ok) {
        crew->next = pool.crews;
        if (pool.crews)
            pool.crews->previous = crew;
        pool.crews = crew;
        grant_turns(); /* there may be room for more now */
    } else {
        forget(crew);
    }
    pthread_mutex_unlock(&pool.lock);
    if (!ok) {
        crew->threads = 0;
        g4_crew_free(crew);
        return NULL;
    }
    return crew;
}

void g4_crew_free(G4Crew *crew)
{
    if (!crew)
        return;
    if (crew->threads > 0) {
        pthread_mutex_lock(&pool.lock);
        g_assert(crew->state == AWAY);
        if (crew->previous)
            crew->previous->next = crew->next;
        else
            pool.crews = crew->next;
        if (crew->next)
            crew->next->previous = crew->previous;
        forget(crew);
        grant_turns(); /* it may have been expected */
        pthread_mutex_unlock(&pool.lock);
    }
    pthread_cond_destroy(&crew->barrier_changed);
    pthread_mutex_destroy(&crew->barrier_lock);
    pthread_cond_destroy(&crew->changed);
    g_free(crew->members);
    g_free(crew);
}

/* ------------------------------------------------------------------------------------------
 * Within a turn
 */
static void wait_until_done(Worker *w, gboolean background)
{
    const guint posted = atomic_load_explicit(&w->posted, memory_order_relaxed);

    if (spin_while_equal(&w->done, posted - 1, background))
        return;
    pthread_mutex_lock(&w->lock);
    while (atomic_load_explicit(&w->done, memory_order_acquire) != posted)
        pthread_cond_wait(&w->finished, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void g4_crew_run(G4Crew *crew, G4Task task, void *data)
{
    crew->task = task;
    crew->data = data;
    for (guint i = 0; i + 1 < crew->size; i++) {
        Worker *w = crew->members[i];
        pthread_mutex_lock(&w->lock);
        atomic_fetch_add_explicit(&w->posted, 1, memory_order_release);
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
    }
    task(data, 0, crew->size);
    for (guint i = 0; i + 1 < crew->size; i++)
        wait_until_done(crew->members[i], crew->background);
}

void g4_crew_barrier(G4Crew *crew)
{
    if (crew->size == 1)
        return;
    pthread_mutex_lock(&crew->barrier_lock);
    const guint round = atomic_load_explicit(&crew->barrier_round, memory_order_relaxed);
    if (++crew->arrived == crew->size) {
        crew->arrived = 0;
        atomic_store_explicit(&crew->barrier_round, round + 1, memory_order_release);
        pthread_cond_broadcast(&crew->barrier_changed);
        pthread_mutex_unlock(&crew->barrier_lock);
        return;
    }
    pthread_mutex_unlock(&crew->barrier_lock);
    if (spin_while_equal(&crew->barrier_round, round, crew->background))
        return;
    pthread_mutex_lock(&crew->barrier_lock);
    while (atomic_load_explicit(&crew->barrier_round, memory_order_acquire) == round)
        pthread_cond_wait(&crew->barrier_changed, &crew->barrier_lock);
    pthread_mutex_unlock(&crew->barrier_lock);
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

guint g4_default_threads(void)
{
    cpu_set_t set;
    guint n = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = MAX(CPU_COUNT(&set), 1);
    else
        n = MAX(g_get_num_processors(), 1);
    const guint quota = g4_cpu_quota("/");
    n = quota ? MIN(n, quota) : n;
    return MIN(n, G4_MOST_WORKERS);
}
