/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker threads: every part runs once, barriers hold, turns are fair, never too many are busy.
 * Nothing here depends on time: who must be waiting is waited for.
 */
#include "workers.h"
#include "gemma4.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 8

static const G4Turn frame = {.rows = 594, .unit = 12, .work = 1.0};

static G4Crew *crew_new(guint threads)
{
    g_autoptr(GError) error = NULL;
    G4Crew *crew = g4_crew_new(threads, FALSE, &error);

    g_assert_no_error(error);
    g_assert_nonnull(crew);
    return crew;
}

static void wait_until_waiting(guint n)
{
    while (g4_crews_waiting() != n)
        g_usleep(200);
}

static void wait_until_equal(atomic_uint *value, guint wanted)
{
    while (atomic_load(value) != wanted)
        g_usleep(200);
}

/* ------------------------------------------------------------------------------------------
 * Within a turn
 */
typedef struct Job {
    atomic_uint calls[MOST];
    atomic_uint sum;
    G4Crew *crew;
    guint n;
} Job;

static void count_task(void *data, guint worker, guint n_workers)
{
    Job *j = data;

    g_assert_cmpuint(n_workers, ==, j->n);
    g_assert_cmpuint(worker, <, n_workers);
    atomic_fetch_add(&j->calls[worker], 1);
}

static void test_every_worker_runs_once(void)
{
    for (guint n = 1; n <= MOST; n++) {
        Job j = {.n = n, .crew = crew_new(n)};
        for (guint round = 0; round < 200; round++) {
            g_assert_cmpuint(g4_crew_acquire(j.crew, &frame), ==, n);
            g4_crew_run(j.crew, count_task, &j);
            g4_crew_release(j.crew);
            for (guint i = 0; i < MOST; i++)
                g_assert_cmpuint(j.calls[i], ==, i < n ? round + 1 : 0);
        }
        g4_crew_free(j.crew);
    }
}

/* Each round adds n to the sum; behind the barrier everybody must see all of it. */
static void barrier_task(void *data, guint worker, guint n_workers)
{
    Job *j = data;

    (void)worker;
    for (guint round = 1; round <= 500; round++) {
        atomic_fetch_add(&j->sum, 1);
        g4_crew_barrier(j->crew);
        g_assert_cmpuint(j->sum, ==, round * n_workers);
        g4_crew_barrier(j->crew);
    }
}

static void test_barrier_holds_everybody(void)
{
    for (guint n = 1; n <= 5; n++) {
        Job j = {.crew = crew_new(n)};
        g_assert_cmpuint(g4_crew_acquire(j.crew, &frame), ==, n);
        g4_crew_run(j.crew, barrier_task, &j);
        g4_crew_release(j.crew);
        g4_crew_free(j.crew);
        g_assert_cmpuint(j.sum, ==, 500 * n);
    }
}

/* ------------------------------------------------------------------------------------------
 * Several at once
 */

/* What all streams of a test see. */
typedef struct Shared {
    atomic_uint inside; /* workers inside a task */
    atomic_uint most;   /* of them that there may be */
    atomic_uint runs;
    atomic_uint together; /* turns that have begun, of those that must run at the same time */
    guint together_wanted;

    GMutex lock; /* of order */
    GArray *order;
    atomic_uint active; /* streams that have turns to come */
} Shared;

typedef struct Stream {
    Shared *shared;
    G4Crew *crew;
    guint id, turns;
    G4Turn turn;
    atomic_uint sum;
    guint width; /* of the last turn */
} Stream;

static void busy_task(void *data, guint worker, guint n_workers)
{
    Stream *s = data;

    (void)worker;
    for (guint i = 0; i < 20; i++) {
        const guint inside = atomic_fetch_add(&s->shared->inside, 1) + 1;
        g_assert_cmpuint(inside, <=, atomic_load(&s->shared->most));
        g4_crew_barrier(s->crew);
        atomic_fetch_sub(&s->shared->inside, 1);
        atomic_fetch_add(&s->sum, 1);
        g4_crew_barrier(s->crew);
        g_assert_cmpuint(atomic_load(&s->sum) % n_workers, ==, 0);
        g4_crew_barrier(s->crew);
    }
    atomic_fetch_add(&s->shared->runs, 1);
}

static gpointer busy_main(gpointer data)
{
    Stream *s = data;

    for (guint i = 0; i < s->turns; i++) {
        atomic_store(&s->sum, 0);
        s->width = g4_crew_acquire(s->crew, &s->turn);
        g_assert_cmpuint(s->width, >=, 1);
        g4_crew_run(s->crew, busy_task, s);
        g4_crew_release(s->crew);
    }
    return NULL;
}

/* Streams that ask for 1, 2, ... 5 threads: never more than 5 workers inside, whoever computes. */
static void test_never_more_busy_than_asked(void)
{
    Shared shared = {.most = 5};
    Stream streams[10] = {0};
    GThread *threads[G_N_ELEMENTS(streams)];

    for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
        streams[i].shared = &shared;
        streams[i].crew = crew_new(1 + i % 5);
        streams[i].turns = 60;
        streams[i].turn = (G4Turn){.rows = 12 + 200 * (i % 3), .unit = 12, .work = 1.0 + i};
    }
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
        threads[i] = g_thread_new("stream", busy_main, &streams[i]);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < G_N_ELEMENTS(streams); i++)
        g4_crew_free(streams[i].crew);
    g_assert_cmpuint(shared.runs, >=, 10 * 60);
}

static void meet_task(void *data, guint worker, guint n_workers)
{
    Stream *s = data;

    (void)n_workers;
    if (worker == 0)
        atomic_fetch_add(&s->shared->together, 1);
    wait_until_equal(&s->shared->together, s->shared->together_wanted);
}

static gpointer meet_main(gpointer data)
{
    Stream *s = data;

    s->width = g4_crew_acquire(s->crew, &s->turn);
    g4_crew_run(s->crew, meet_task, s);
    g4_crew_release(s->crew);
    return NULL;
}

/* Lets `n` streams of `threads` each wait behind a turn that holds all workers, then ends it. Each
 * stream's turn lasts until all have begun theirs: one after the other would never end. */
static void run_side_by_side(Stream *streams, guint n, guint threads, const G4Turn *turn)
{
    Shared shared = {.together_wanted = n};
    G4Crew *holder = crew_new(threads);
    GThread *running[MOST];

    g_assert_cmpuint(g4_crew_acquire(holder, &frame), ==, threads);
    for (guint i = 0; i < n; i++) {
        streams[i] = (Stream){.shared = &shared, .crew = crew_new(threads), .turn = *turn};
        running[i] = g_thread_new("stream", meet_main, &streams[i]);
    }
    wait_until_waiting(n);
    g4_crew_release(holder);
    for (guint i = 0; i < n; i++)
        g_thread_join(running[i]);
    for (guint i = 0; i < n; i++)
        g4_crew_free(streams[i].crew);
    g4_crew_free(holder);
}

static void test_small_frames_run_side_by_side(void)
{
    Stream streams[MOST];

    run_side_by_side(streams, 8, 8, &frame);
    for (guint i = 0; i < 8; i++)
        g_assert_cmpuint(streams[i].width, ==, 1);
    run_side_by_side(streams, 4, 8, &frame);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpuint(streams[i].width, ==, 2);
}

/* ------------------------------------------------------------------------------------------
 * Fairness
 */
static gpointer ordered_main(gpointer data)
{
    Stream *s = data;
    Shared *shared = s->shared;

    for (guint i = 0; i < s->turns; i++) {
        g_assert_cmpuint(g4_crew_acquire(s->crew, &s->turn), ==, 1);
        /* Everybody else must be in line again before the next is chosen. */
        wait_until_waiting(atomic_load(&shared->active) - 1);
        g_mutex_lock(&shared->lock);
        g_array_append_val(shared->order, s->id);
        g_mutex_unlock(&shared->lock);
        if (i + 1 == s->turns)
            atomic_fetch_sub(&shared->active, 1);
        g4_crew_release(s->crew);
    }
    return NULL;
}

/* One worker, `n` streams, `turns` turns each: the order in which they were served. */
static GArray *serve(const guint *work, const guint *turns, guint n)
{
    Shared shared = {.order = g_array_new(FALSE, FALSE, sizeof(guint)), .active = n};
    G4Crew *holder = crew_new(1);
    Stream streams[MOST] = {0};
    GThread *threads[MOST];

    g_mutex_init(&shared.lock);
    g_assert_cmpuint(g4_crew_acquire(holder, &frame), ==, 1);
    for (guint i = 0; i < n; i++) {
        streams[i].shared = &shared;
        streams[i].crew = crew_new(1);
        streams[i].id = i;
        streams[i].turns = turns[i];
        streams[i].turn = (G4Turn){.rows = 100, .unit = 1, .work = work[i]};
        threads[i] = g_thread_new("stream", ordered_main, &streams[i]);
        wait_until_waiting(i + 1);
    }
    g4_crew_release(holder);
    for (guint i = 0; i < n; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < n; i++)
        g4_crew_free(streams[i].crew);
    g4_crew_free(holder);
    g_mutex_clear(&shared.lock);
    return shared.order;
}

static void test_equals_take_turns_one_by_one(void)
{
    g_autoptr(GArray) order = serve((guint[]){1, 1, 1, 1, 1}, (guint[]){6, 6, 6, 6, 6}, 5);

    g_assert_cmpuint(order->len, ==, 30);
    for (guint i = 0; i < order->len; i++)
        g_assert_cmpuint(g_array_index(order, guint, i), ==, i % 5);
}

/* A stream with three times the work gets a third of the turns while the others want theirs. */
static void test_the_least_served_goes_first(void)
{
    g_autoptr(GArray) order = serve((guint[]){1, 3, 1}, (guint[]){30, 10, 30}, 3);
    guint served[3] = {0};

    g_assert_cmpuint(order->len, ==, 70);
    for (guint i = 0; i < order->len; i++) {
        served[g_array_index(order, guint, i)]++;
        if (served[0] == 30 || served[2] == 30)
            break;
        g_assert_cmpint(ABS((gint)served[0] - (gint)(3 * served[1])), <=, 3);
        g_assert_cmpint(ABS((gint)served[0] - (gint)served[2]), <=, 1);
    }
}

/* Who comes late is served as everybody else, and not for the time that it was away. */
static void test_absence_saves_nothing_up(void)
{
    G4Crew *away = crew_new(1), *busy = crew_new(1);
    const G4Turn turn = {.rows = 1, .unit = 1, .work = 1.0};

    for (guint i = 0; i < 50; i++) {
        g4_crew_acquire(busy, &turn);
        g4_crew_release(busy);
    }
    g_autoptr(GArray) order = NULL;
    g4_crew_acquire(away, &turn);
    g4_crew_release(away);
    order = serve((guint[]){1, 1}, (guint[]){5, 5}, 2);
    for (guint i = 0; i < order->len; i++)
        g_assert_cmpuint(g_array_index(order, guint, i), ==, i % 2);
    g4_crew_free(away);
    g4_crew_free(busy);
}

/* ------------------------------------------------------------------------------------------
 * Coming and going
 */
static gpointer acquire_main(gpointer data)
{
    Stream *s = data;

    s->width = g4_crew_acquire(s->crew, &s->turn);
    atomic_fetch_add(&s->sum, 1);
    if (s->width > 0)
        g4_crew_release(s->crew);
    return NULL;
}

static void test_who_is_cancelled_does_not_wait(void)
{
    G4Crew *holder = crew_new(2);
    Stream waits = {.crew = crew_new(2), .turn = frame},
           stays = {.crew = crew_new(2), .turn = frame};

    g4_crew_acquire(holder, &frame);
    GThread *first = g_thread_new("stream", acquire_main, &waits);
    wait_until_waiting(1);
    GThread *second = g_thread_new("stream", acquire_main, &stays);
    wait_until_waiting(2);
    g4_crew_cancel(waits.crew, TRUE);
    g_thread_join(first);
    g_assert_cmpuint(waits.width, ==, 0);
    g_assert_true(g4_crew_is_cancelled(waits.crew));
    g_assert_cmpuint(g4_crew_acquire(waits.crew, &frame), ==, 0);
    wait_until_waiting(1);
    g4_crew_release(holder);
    g_thread_join(second);
    g_assert_cmpuint(stays.width, >=, 1);

    g4_crew_cancel(waits.crew, FALSE);
    g_assert_cmpuint(g4_crew_acquire(waits.crew, &frame), ==, 2);
    g4_crew_release(waits.crew);
    g4_crew_free(waits.crew);
    g4_crew_free(stays.crew);
    g4_crew_free(holder);
}

/* The bound is the largest number that somebody alive asked for, up and down. */
static void test_the_bound_follows_who_is_there(void)
{
    Stream second = {.crew = crew_new(1), .turn = frame};
    G4Crew *first = crew_new(1);

    g4_crew_acquire(first, &frame);
    GThread *thread = g_thread_new("stream", acquire_main, &second);
    wait_until_waiting(1);
    G4Crew *large = crew_new(4); /* makes room */
    g_thread_join(thread);
    g_assert_cmpuint(second.width, ==, 1);

    g4_crew_free(large);
    thread = g_thread_new("stream", acquire_main, &second);
    wait_until_waiting(1);
    g4_crew_release(first);
    g_thread_join(thread);
    g4_crew_free(first);
    g4_crew_free(second.crew);
}

/* A short job never waits, and takes the idle ones along. */
static void test_borrowing_never_waits(void)
{
    G4Crew *holder = crew_new(4), *other = crew_new(4);

    g_assert_cmpuint(g4_crew_borrow(other), ==, 4);
    g4_crew_release(other);
    g4_crew_acquire(holder, &frame);
    g_assert_cmpuint(g4_crew_borrow(other), ==, 1);
    g4_crew_release(other);
    g4_crew_release(holder);
    g_assert_cmpuint(g4_crew_acquire(other, &frame), ==, 4);
    g4_crew_release(other);
    g4_crew_free(holder);
    g4_crew_free(other);
}

static void nice_task(void *data, guint worker, guint n_workers)
{
    gint *nices = data;

    (void)n_workers;
    errno = 0;
    nices[worker] = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    g_assert_cmpint(errno, ==, 0);
}

static void test_background_workers_are_nice(void)
{
    G4Crew *background = g4_crew_new(3, TRUE, NULL), *foreground = crew_new(3);
    gint nices[3];

    g_assert_nonnull(background);
    g4_crew_acquire(background, &frame);
    g4_crew_run(background, nice_task, nices);
    g4_crew_release(background);
    const gint own = nices[0];
    g_assert_cmpint(nices[1], ==, MAX(own, G4_BACKGROUND_NICE));
    g_assert_cmpint(nices[2], ==, MAX(own, G4_BACKGROUND_NICE));
    g4_crew_acquire(foreground, &frame);
    g4_crew_run(foreground, nice_task, nices);
    g4_crew_release(foreground);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(nices[i], ==, own);
    g4_crew_free(background);
    g4_crew_free(foreground);
}

static void test_absurd_numbers_are_errors(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(g4_crew_new(0, FALSE, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_SETTINGS);
    g_clear_error(&error);
    g_assert_null(g4_crew_new(G4_MOST_WORKERS + 1, FALSE, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_SETTINGS);
    g4_crew_free(NULL);
}

/* ------------------------------------------------------------------------------------------
 * How many workers a turn gets
 */
static guint width(guint rows, guint most, guint capacity, guint busy, guint running, guint wanting)
{
    const G4Turn turn = {.rows = rows, .unit = 12, .work = 1.0};

    return g4_turns_width(&turn, most, &(G4TurnsNow){capacity, busy, running, wanting});
}

static void test_alone_it_gets_all(void)
{
    for (guint capacity = 1; capacity <= 64; capacity++) {
        g_assert_cmpuint(width(594, capacity, capacity, 0, 0, 1), ==, capacity);
        g_assert_cmpuint(width(0, capacity, capacity, 0, 0, 1), ==, capacity);
    }
    g_assert_cmpuint(width(594, 3, 8, 0, 0, 1), ==, 3);
    g_assert_cmpuint(width(594, 8, 8, 8, 1, 2), ==, 0);
}

static void test_many_small_frames_share_many_cores(void)
{
    g_assert_cmpuint(width(594, 64, 64, 0, 0, 64), ==, 1);
    g_assert_cmpuint(width(594, 16, 16, 0, 0, 4), ==, 4);
    /* Many pieces of work that can be dealt out in any number are done one after the other. */
    g_assert_cmpuint(width(0, 16, 16, 0, 0, 4), ==, 16);
    /* A turn holds so much that a fair part is not there yet. */
    g_assert_cmpuint(width(594, 16, 16, 15, 1, 2), ==, 0);
}

/* Whatever the situation, a turn gets no more than is idle, and somebody can always begin. */
static void test_width_is_possible(void)
{
    for (guint i = 0; i < 20000; i++) {
        const guint capacity = g_test_rand_int_range(1, 130), most = g_test_rand_int_range(1, 130);
        const guint busy = g_test_rand_int_range(0, capacity + 2);
        const guint running = busy ? g_test_rand_int_range(0, MIN(busy, capacity) + 1) : 0;
        const guint wanting = running + g_test_rand_int_range(1, 40);
        const guint n = width(g_test_rand_int_range(0, 3000), MIN(most, capacity), capacity, busy,
                              running, wanting);

        g_assert_cmpuint(n, <=, most);
        g_assert_cmpuint(n, <=, capacity > busy ? capacity - busy : 0);
        if (busy == 0)
            g_assert_cmpuint(n, >=, 1);
    }
}

static void test_split_covers_all_in_units(void)
{
    static const guint totals[] = {0, 1, 11, 12, 13, 100, 594, 2304, 2376};

    for (guint t = 0; t < G_N_ELEMENTS(totals); t++)
        for (guint n = 1; n <= MOST; n++)
            for (guint unit = 1; unit <= 12; unit += 11) {
                guint expected = 0;
                for (guint i = 0; i < n; i++) {
                    guint first, last;
                    g4_workers_split(totals[t], unit, i, n, &first, &last);
                    g_assert_cmpuint(first, ==, expected);
                    g_assert_cmpuint(first % unit, ==, first == totals[t] ? first % unit : 0);
                    /* No part is more than a unit larger than another. */
                    g_assert_cmpuint(last - first, <=, totals[t] / n + unit + 1);
                    expected = last;
                }
                g_assert_cmpuint(expected, ==, totals[t]);
            }
}

static void test_default_threads_is_what_is_there(void)
{
    g_assert_cmpuint(g4_default_threads(), >=, 1);
    g_assert_cmpuint(g4_default_threads(), <=, g_get_num_processors());
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(void);
    } tests[] = {
        {"every-worker-runs-once", test_every_worker_runs_once},
        {"barrier-holds-everybody", test_barrier_holds_everybody},
        {"never-more-busy-than-asked", test_never_more_busy_than_asked},
        {"small-frames-run-side-by-side", test_small_frames_run_side_by_side},
        {"equals-take-turns-one-by-one", test_equals_take_turns_one_by_one},
        {"the-least-served-goes-first", test_the_least_served_goes_first},
        {"absence-saves-nothing-up", test_absence_saves_nothing_up},
        {"who-is-cancelled-does-not-wait", test_who_is_cancelled_does_not_wait},
        {"the-bound-follows-who-is-there", test_the_bound_follows_who_is_there},
        {"borrowing-never-waits", test_borrowing_never_waits},
        {"background-workers-are-nice", test_background_workers_are_nice},
        {"absurd-numbers-are-errors", test_absurd_numbers_are_errors},
        {"alone-it-gets-all", test_alone_it_gets_all},
        {"many-small-frames-share-many-cores", test_many_small_frames_share_many_cores},
        {"width-is-possible", test_width_is_possible},
        {"split-covers-all-in-units", test_split_covers_all_in_units},
        {"default-threads-is-what-is-there", test_default_threads_is_what_is_there},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/workers/%s", tests[i].name);
        g_test_add_func(path, tests[i].test);
    }
    return g_test_run();
}
