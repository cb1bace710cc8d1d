/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging the best frames into moments. Candidates are taken best first from a selection of the
 * highest scores, which grows only if it is used up (a film that looks the same for hours is one
 * moment); the frames of a stream are put in order of time when one of them is a candidate.
 */
#include "moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2.5
#define SELECTION 4096 /* candidates at first */

typedef struct {
    gint64 stream;
    guint64 *order; /* indices into scores, by pts */
    guint64 n;
    gint64 longest; /* gap between neighbours */
} Track;

/* Scores of one stream that stand behind each other: mostly a whole film. */
typedef struct {
    gint64 stream;
    guint64 first, end; /* indices into scores */
} Run;

typedef struct {
    const Score *scores;
    GArray *runs; /* of Run: all scores, so that nobody looks through all of them for a stream */
    double mean;
    guint8 *taken;     /* [n] */
    GHashTable *tracks; /* gint64 -> Track */
} Finder;

static void track_free(gpointer data)
{
    Track *track = data;

    g_free(track->order);
    g_free(track);
}

static int compare_pts(const void *a, const void *b, void *data)
{
    const Score *scores = data;
    const Score *x = &scores[*(const guint64 *)a], *y = &scores[*(const guint64 *)b];

    if (x->pts != y->pts)
        return x->pts < y->pts ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int compare_int64(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

/* The median step between different times. */
static gint64 usual_step(const Score *scores, const guint64 *order, guint64 n)
{
    g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(gint64));
    guint64 stride = MAX(1, n / 4096); /* enough of them for a median */

    for (guint64 i = 1; i < n; i += stride) {
        gint64 step = scores[order[i]].pts - scores[order[i - 1]].pts;
        if (step > 0)
            g_array_append_val(steps, step);
    }
    if (steps->len == 0)
        return 0;
    qsort(steps->data, steps->len, sizeof(gint64), compare_int64);
    return g_array_index(steps, gint64, steps->len / 2);
}

static GArray *find_runs(const Score *scores, guint64 n)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(Run));

    for (guint64 i = 0, first = 0; i < n; i++) {
        if (i + 1 < n && scores[i + 1].stream == scores[i].stream)
            continue;
        const Run run = {scores[i].stream, first, i + 1};
        g_array_append_val(runs, run);
        first = i + 1;
    }
    return runs;
}

static guint64 count_frames(const Finder *finder, gint64 stream)
{
    guint64 n = 0;

    for (guint r = 0; r < finder->runs->len; r++) {
        const Run *run = &g_array_index(finder->runs, Run, r);
        n += run->stream == stream ? run->end - run->first : 0;
    }
    return n;
}

static Track *get_track(Finder *finder, gint64 stream)
{
    Track *track = g_hash_table_lookup(finder->tracks, &stream);
    gboolean sorted = TRUE;

    if (track)
        return track;
    track = g_new0(Track, 1);
    track->stream = stream;
    track->order = g_new(guint64, MAX(1, count_frames(finder, stream)));
    for (guint r = 0; r < finder->runs->len; r++) {
        const Run *run = &g_array_index(finder->runs, Run, r);
        for (guint64 i = run->first; run->stream == stream && i < run->end; i++) {
            sorted = sorted && (track->n == 0 || finder->scores[track->order[track->n - 1]].pts <=
                                                     finder->scores[i].pts);
            track->order[track->n++] = i;
        }
    }
    if (!sorted)
        qsort_r(track->order, track->n, sizeof(guint64), compare_pts, (void *)finder->scores);
    track->longest = (gint64)(GAP * (double)usual_step(finder->scores, track->order, track->n));
    g_hash_table_insert(finder->tracks, &track->stream, track);
    return track;
}

/* Where `index` is in the track. */
static guint64 position(const Finder *finder, const Track *track, guint64 index)
{
    guint64 low = 0, high = track->n;

    while (low < high) {
        guint64 middle = low + (high - low) / 2;
        if (finder->scores[track->order[middle]].pts < finder->scores[index].pts)
            low = middle + 1;
        else
            high = middle;
    }
    while (track->order[low] != index) /* among those of the same time */
        low++;
    return low;
}

static Moment take_moment(Finder *finder, guint64 index)
{
    const Score *scores = finder->scores, *best = &scores[index];
    Track *track = get_track(finder, best->stream);
    double least = (finder->mean + best->score) / 2;
    guint64 from = position(finder, track, index), to = from;

    while (from > 0) {
        const Score *next = &scores[track->order[from - 1]];
        if (finder->taken[track->order[from - 1]] || next->score < least ||
            scores[track->order[from]].pts - next->pts > track->longest)
            break;
        from--;
    }
    while (to + 1 < track->n) {
        const Score *next = &scores[track->order[to + 1]];
        if (finder->taken[track->order[to + 1]] || next->score < least ||
            next->pts - scores[track->order[to]].pts > track->longest)
            break;
        to++;
    }
    for (guint64 i = from; i <= to; i++)
        finder->taken[track->order[i]] = 1;
    return (Moment){.stream = best->stream,
                    .id = best->id,
                    .start = scores[track->order[from]].pts,
                    .end = scores[track->order[to]].pts,
                    .best = best->pts,
                    .score = best->score,
                    .frames = (guint)(to - from + 1)};
}

static int compare_floats_down(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

/* A score that about `wanted` of all reach: from a sample where there are many. */
static float floor_of(const Score *scores, guint64 n, guint64 wanted)
{
    guint64 stride = MAX(1, n / 16384);
    guint64 m = (n + stride - 1) / stride;
    g_autofree float *sample = g_new(float, m);

    for (guint64 i = 0; i < m; i++)
        sample[i] = scores[i * stride].score;
    qsort(sample, m, sizeof(float), compare_floats_down);
    guint64 at = wanted / stride + 1;
    return at < m ? sample[at] : -INFINITY;
}

static int compare_candidates(const void *a, const void *b, void *data)
{
    const Score *scores = data;
    const Score *x = &scores[*(const guint64 *)a], *y = &scores[*(const guint64 *)b];

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* All that score at least `least`, best first. */
static GArray *select_candidates(const Score *scores, guint64 n, float least)
{
    GArray *candidates = g_array_new(FALSE, FALSE, sizeof(guint64));

    for (guint64 i = 0; i < n; i++)
        if (scores[i].score >= least)
            g_array_append_val(candidates, i);
    qsort_r(candidates->data, candidates->len, sizeof(guint64), compare_candidates,
            (void *)scores);
    return candidates;
}

double moments_mean(const Score *scores, guint64 n)
{
    double sum = 0;

    for (guint64 i = 0; i < n; i++)
        sum += scores[i].score;
    return n > 0 ? sum / (double)n : 0;
}

GArray *moments_find(const Score *scores, guint64 n, double mean, guint top)
{
    GArray *moments = g_array_new(FALSE, FALSE, sizeof(Moment));
    Finder finder = {.scores = scores, .mean = mean};
    guint64 wanted = MAX(SELECTION, (guint64)top * 16);

    if (n == 0 || top == 0)
        return moments;
    finder.runs = find_runs(scores, n);
    finder.taken = g_malloc0(n);
    finder.tracks = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, track_free);

    for (gboolean all = FALSE; moments->len < top && !all; wanted *= 16) {
        float least = wanted >= n ? -INFINITY : floor_of(scores, n, wanted);
        g_autoptr(GArray) candidates = select_candidates(scores, n, least);

        all = candidates->len == n;
        for (guint i = 0; i < candidates->len && moments->len < top; i++) {
            guint64 index = g_array_index(candidates, guint64, i);
            if (finder.taken[index])
                continue;
            Moment moment = take_moment(&finder, index);
            g_array_append_val(moments, moment);
        }
    }
    g_hash_table_unref(finder.tracks);
    g_array_unref(finder.runs);
    g_free(finder.taken);
    return moments;
}

GArray *moments_of_frames(const Score *scores, guint64 n, guint top)
{
    GArray *moments = g_array_new(FALSE, FALSE, sizeof(Moment));
    gboolean all = n == 0;

    for (guint64 wanted = MAX(SELECTION, top); moments->len < MIN(top, n) && !all; wanted *= 16) {
        float least = wanted >= n ? -INFINITY : floor_of(scores, n, wanted);
        g_autoptr(GArray) candidates = select_candidates(scores, n, least);

        all = candidates->len == n;
        if (candidates->len < top && !all)
            continue;
        for (guint i = 0; i < MIN(top, candidates->len); i++) {
            const Score *s = &scores[g_array_index(candidates, guint64, i)];
            Moment moment = {s->stream, s->id, s->pts, s->pts, s->pts, s->score, 1};
            g_array_append_val(moments, moment);
        }
    }
    return moments;
}
