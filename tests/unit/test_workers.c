/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker threads: every part runs once, barriers hold, jobs take turns.
 */
#include "workers.h"
#include "gemma4.h"

#include <string.h>

#define MOST 8

typedef struct Job {
    atomic_uint calls[MOST];
    atomic_uint sum;
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
    g_autoptr(GError) error = NULL;

    for (guint n = 1; n <= MOST; n++) {
        Job j = {.n = n};
        g_assert_true(g4_workers_reserve(n, &error));
        g_assert_no_error(error);
        for (guint round = 0; round < 200; round++) {
            g4_workers_acquire();
            g4_workers_run(n, count_task, &j);
            g4_workers_release();
            for (guint i = 0; i < MOST; i++)
                g_assert_cmpuint(j.calls[i], ==, i < n ? round + 1 : 0);
        }
        g4_workers_unreserve();
    }
}

/* Each round adds n to the sum; behind the barrier everybody must see all of it. */
static void barrier_task(void *data, guint worker, guint n_workers)
{
    Job *j = data;

    (void)worker;
    for (guint round = 1; round <= 500; round++) {
        atomic_fetch_add(&j->sum, 1);
        g4_workers_barrier();
        g_assert_cmpuint(j->sum, ==, round * n_workers);
        g4_workers_barrier();
    }
}

static void test_barrier_holds_everybody(void)
{
    for (guint n = 1; n <= 5; n++) {
        Job j = {.n = n};
        g_assert_true(g4_workers_reserve(n, NULL));
        g4_workers_acquire();
        g4_workers_run(n, barrier_task, &j);
        g4_workers_release();
        g4_workers_unreserve();
        g_assert_cmpuint(j.sum, ==, 500 * n);
    }
}

typedef struct Streams {
    atomic_uint inside; /* streams between acquire and release */
    atomic_uint runs;
} Streams;

static void alone_task(void *data, guint worker, guint n_workers)
{
    Streams *s = data;

    (void)worker;
    (void)n_workers;
    g_assert_cmpuint(s->inside, ==, 1);
    atomic_fetch_add(&s->runs, 1);
}

static gpointer stream_main(gpointer data)
{
    Streams *s = data;

    for (guint i = 0; i < 100; i++) {
        g4_workers_acquire();
        atomic_fetch_add(&s->inside, 1);
        g4_workers_run(3, alone_task, s);
        atomic_fetch_sub(&s->inside, 1);
        g4_workers_release();
    }
    return NULL;
}

static void test_jobs_take_turns(void)
{
    Streams s = {0};
    GThread *threads[6];

    g_assert_true(g4_workers_reserve(3, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("stream", stream_main, &s);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g4_workers_unreserve();
    g_assert_cmpuint(s.runs, ==, 6 * 100 * 3);
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
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/workers/every-worker-runs-once", test_every_worker_runs_once);
    g_test_add_func("/workers/barrier-holds-everybody", test_barrier_holds_everybody);
    g_test_add_func("/workers/jobs-take-turns", test_jobs_take_turns);
    g_test_add_func("/workers/split-covers-all-in-units", test_split_covers_all_in_units);
    g_test_add_func("/workers/default-threads-is-what-is-there",
                    test_default_threads_is_what_is_there);
    return g_test_run();
}
