/* SPDX-License-Identifier: Apache-2.0
 *
 * vectors-time: how long an exact search of an index takes, without the query's own embedding.
 *
 *   vectors-time INDEX.db [THREADS]
 *
 * Prints one JSON line: opening, scores of all vectors, merging them into ten moments, in
 * milliseconds: the first time (which makes the vector file where there is none, and reads what is
 * in no cache) and the median of the next 9. Then the memory at its highest: the process's own, and
 * that of the mapped file.
 */
#include "moments.h"

#include <gemma4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 9

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

/* MiB that a line of this process's status says. */
static double status_mb(const char *key)
{
    g_autofree char *status = NULL;

    if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL))
        return 0;
    const char *line = strstr(status, key);
    return line ? (double)g_ascii_strtoull(line + strlen(key), NULL, 10) / 1024 : 0;
}

static double ms_since(gint64 start)
{
    return (double)(g_get_monotonic_time() - start) / 1e3;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    double opening[ROUNDS], scoring[ROUNDS], merging[ROUNDS], first = 0, first_score = 0;
    double own = 0, mapped = 0;
    guint threads = argc > 2 ? (guint)atoi(argv[2]) : g4_default_threads();
    guint64 n = 0, found = 0;
    guint cols = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: vectors-time INDEX.db [THREADS]\n");
        return 2;
    }
    for (int round = -1; round < ROUNDS; round++) {
        gint64 start = g_get_monotonic_time();
        g_autoptr(Store) store = store_open(argv[1], STORE_READ, &error);
        g_autoptr(StoreModel) model = store ? store_get_model(store, &error) : NULL;
        g_autoptr(Vectors) vectors = model ? vectors_open(store, model, &error) : NULL;
        if (!vectors) {
            fprintf(stderr, "vectors-time: %s\n", error->message);
            return 1;
        }
        double opened = ms_since(start);
        n = vectors_count(vectors);
        cols = vectors_cols(vectors);
        g_autofree float *query = g_new(float, cols);
        g_autofree Score *scores = g_new(Score, MAX(1, n));
        for (guint i = 0; i < cols; i++)
            query[i] = (float)((i * 2654435761u >> 16) % 1000) - 500;
        start = g_get_monotonic_time();
        vectors_score(vectors, query, threads, scores);
        double scored = ms_since(start);
        start = g_get_monotonic_time();
        g_autoptr(GArray) moments = moments_find(scores, n, moments_mean(scores, n), 10);
        double merged = ms_since(start);
        found = moments->len;
        own = MAX(own, status_mb("\nRssAnon:"));
        mapped = MAX(mapped, status_mb("\nRssFile:"));
        if (round < 0) {
            first = opened;
            first_score = scored;
            continue;
        }
        opening[round] = opened;
        scoring[round] = scored;
        merging[round] = merged;
    }
    printf("{\"vectors\":%" G_GUINT64_FORMAT ",\"cols\":%u,\"threads\":%u,\"open_first_ms\":%.1f,"
           "\"score_first_ms\":%.1f,\"open_ms\":%.1f,\"score_ms\":%.1f,\"merge_ms\":%.1f,"
           "\"moments\":%" G_GUINT64_FORMAT ",\"own_mb\":%.1f,\"mapped_mb\":%.1f}\n",
           n, cols, threads, first, first_score, median(opening), median(scoring), median(merging),
           found, own, mapped);
    return 0;
}
