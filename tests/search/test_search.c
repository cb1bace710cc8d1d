/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of gemma4-search: scores, the file of vectors as the database changes, moments, time
 * codes.
 */
#include "../png_file.h"
#include "dot.h"
#include "moments.h"
#include "printable.h"
#include "timecode.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLS 20

static gchar *make_folder(void)
{
    const gchar *base = g_getenv("G4_TEST_TMP");
    gchar *folder = g_build_filename(base ? base : g_get_tmp_dir(), "search-XXXXXX", NULL);

    g_assert_nonnull(g_mkdtemp(folder));
    return folder;
}

static void remove_folder(gchar *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree gchar *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_free(folder);
}

static void run(Store *store, const char *format, ...)
{
    va_list arguments;
    char *message = NULL;

    va_start(arguments, format);
    g_autofree char *sql = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (sqlite3_exec(store_db(store), sql, NULL, NULL, &message) != SQLITE_OK)
        g_error("%s: %s", sql, message);
}

/* Value i of the vector of `seed`. */
static float value(guint seed, guint i)
{
    return sinf((float)(seed * 37 + i * 11)) + 0.01f * (float)seed;
}

static void add_row(Store *store, gint64 stream, gint64 seconds, guint seed)
{
    GString *blob = g_string_new(NULL);

    for (guint i = 0; i < COLS; i++) {
        float x = value(seed, i);
        guint32 word;
        memcpy(&word, &x, sizeof word);
        word = GUINT32_TO_LE(word);
        for (guint k = 0; k < 4; k++)
            g_string_append_printf(blob, "%02x", (word >> (8 * k)) & 0xff);
    }
    run(store,
        "INSERT OR IGNORE INTO stream(id, name) VALUES(%d, 's%d');"
        "INSERT OR REPLACE INTO embedding(stream, model, pts, vector) VALUES(%d, 1, %lld, x'%s')",
        (int)stream, (int)stream, (int)stream, (long long)seconds * 1000000000, blob->str);
    g_string_free(blob, TRUE);
}

static Store *make_store(const char *path)
{
    g_autoptr(GError) error = NULL;
    Store *store = store_open(path, STORE_WRITE, &error);

    g_assert_no_error(error);
    run(store, "INSERT INTO model(id, name, digest, kind, rows, cols) "
               "VALUES(1, 'm', 'd', 'pooled', 1, %d)", COLS);
    return store;
}

static double exact_score(const float *query, guint seed)
{
    double dot = 0, a = 0, b = 0;

    for (guint i = 0; i < COLS; i++) {
        dot += (double)query[i] * value(seed, i);
        a += (double)query[i] * query[i];
        b += (double)value(seed, i) * value(seed, i);
    }
    return dot / sqrt(a * b);
}

/* Row i of the database, by id, has the vector of seeds[i]. Returns what opening had to read. */
static guint64 expect_scores(Store *store, const guint *seeds, guint n)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreModel) model = store_get_model(store, &error);
    g_autoptr(Vectors) vectors = vectors_open(store, model, &error);
    float query[COLS];
    Score scores[64];

    g_assert_no_error(error);
    g_assert_cmpuint(vectors_count(vectors), ==, n);
    g_assert_cmpuint(n, <=, G_N_ELEMENTS(scores));
    for (guint i = 0; i < COLS; i++)
        query[i] = cosf((float)i) * 3;
    vectors_score(vectors, query, 2, scores);
    for (guint i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon(scores[i].score, exact_score(query, seeds[i]), 1e-6);
    return vectors_added(vectors);
}

static void vectors_follow_the_database(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "i.db", NULL);
    g_autofree gchar *cache = g_strconcat(path, ".vectors", NULL);
    Store *store = make_store(path);
    guint seeds[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

    expect_scores(store, seeds, 0);
    for (guint i = 0; i < 8; i++)
        add_row(store, 1 + i % 2, i, i);
    g_assert_cmpuint(expect_scores(store, seeds, 8), ==, 8);
    g_assert_cmpuint(expect_scores(store, seeds, 8), ==, 0);
    for (guint i = 8; i < 12; i++)
        add_row(store, 1, i, i);
    g_assert_cmpuint(expect_scores(store, seeds, 12), ==, 4); /* what is new alone */

    run(store, "DELETE FROM embedding WHERE id IN (3, 7)");
    guint left[] = {0, 1, 3, 4, 5, 7, 8, 9, 10, 11};
    g_assert_cmpuint(expect_scores(store, left, 10), ==, 0);
    add_row(store, 2, 1, 50); /* in place of seed 1 */
    guint replaced[] = {0, 3, 4, 5, 7, 8, 9, 10, 11, 50};
    g_assert_cmpuint(expect_scores(store, replaced, 10), ==, 1);

    /* All ids and times as before, but other vectors. */
    run(store, "DELETE FROM embedding");
    for (guint i = 0; i < 8; i++)
        add_row(store, 1 + i % 2, i, 20 + i);
    guint others[] = {20, 21, 22, 23, 24, 25, 26, 27};
    expect_scores(store, others, 8);
    run(store, "DELETE FROM embedding");
    for (guint i = 0; i < 8; i++)
        add_row(store, 1 + i % 2, i, 30 + i);
    guint again[] = {30, 31, 32, 33, 34, 35, 36, 37};
    expect_scores(store, again, 8);

    /* A file that is broken, cut or somebody else's. */
    g_autofree gchar *whole = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(cache, &whole, &size, NULL));
    g_assert_true(g_file_set_contents(cache, whole, (gssize)size - 40, NULL));
    g_assert_cmpuint(expect_scores(store, again, 8), ==, 8);
    whole[16]++;
    g_assert_true(g_file_set_contents(cache, whole, (gssize)size, NULL));
    g_assert_cmpuint(expect_scores(store, again, 8), ==, 8);
    g_assert_true(g_file_set_contents(cache, "hello", -1, NULL));
    g_assert_cmpuint(expect_scores(store, again, 8), ==, 8);
    store_close(store);
    remove_folder(folder);
}

/* Where no file can be made they are in memory. */
static void vectors_do_without_a_file(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "i.db", NULL);
    g_autofree gchar *cache = g_strconcat(path, ".vectors", NULL);
    Store *store = make_store(path);
    guint seeds[] = {0, 1, 2};

    g_assert_cmpint(g_mkdir(cache, 0777), ==, 0);
    for (guint i = 0; i < 3; i++)
        add_row(store, 1, i, i);
    g_assert_cmpuint(expect_scores(store, seeds, 3), ==, 3);
    g_assert_cmpuint(expect_scores(store, seeds, 3), ==, 3);
    store_close(store);
    g_rmdir(cache);
    remove_folder(folder);
}

/* Here because the memory that readers and writers share cannot be made: SQLite follows no link to
 * it. (Root could write in any folder.) */
static void index_that_cannot_be_written_is_read(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "a % index?.db", NULL);
    g_autofree gchar *shared = g_strconcat(path, "-shm", NULL);
    g_autoptr(GError) error = NULL;
    guint seeds[] = {0, 1, 2};
    Store *store = make_store(path);

    for (guint i = 0; i < 3; i++)
        add_row(store, 1, i, i);
    store_close(store);
    g_assert_cmpint(symlink("nowhere", shared), ==, 0);
    store = store_open(path, STORE_READ, &error);
    g_assert_no_error(error);
    expect_scores(store, seeds, 3);
    store_close(store);
    g_assert_null(store_open(path, STORE_WRITE, &error));
    g_assert_error(error, STORE_ERROR, STORE_ERROR_SQLITE);
    remove_folder(folder);
}

static void newer_index_is_named(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "i.db", NULL);
    g_autoptr(GError) error = NULL;
    Store *store = make_store(path);

    run(store, "PRAGMA user_version = 99");
    store_close(store);
    for (StoreMode mode = STORE_READ; mode <= STORE_WRITE; mode++) {
        g_assert_null(store_open(path, mode, &error));
        g_assert_error(error, STORE_ERROR, STORE_ERROR_FOREIGN);
        g_assert_nonnull(strstr(error->message, "newer"));
        g_clear_error(&error);
    }
    remove_folder(folder);
}

static void names_are_one_line(void)
{
    g_autofree char *name = printable("a\nb \033[2J 100%s \xc2\x9b\x7f \xc3\xa9 \xff");

    g_assert_cmpstr(name, ==, "a?b ?[2J 100%s ?? \xc3\xa9 \xef\xbf\xbd");
}

static void hostile_rows_score_nothing(void)
{
    gchar *folder = make_folder();
    g_autofree gchar *path = g_build_filename(folder, "i.db", NULL);
    g_autoptr(GError) error = NULL;
    Store *store = make_store(path);
    float query[COLS] = {1};
    Score scores[4];

    add_row(store, 1, 0, 5);
    run(store,
        "INSERT INTO embedding(stream, model, pts, vector) VALUES(1, 1, 1, x'0011');"
        "INSERT INTO embedding(stream, model, pts, vector) VALUES(1, 1, 2, 'text');"
        "INSERT INTO embedding(stream, model, pts, vector) VALUES(1, 1, 3, zeroblob(%d));"
        "UPDATE embedding SET vector = replace(hex(zeroblob(%d)), '00', 'fff0') WHERE id = 2",
        COLS * 4, COLS * 2);
    g_autoptr(StoreModel) model = store_get_model(store, &error);
    g_autoptr(Vectors) vectors = vectors_open(store, model, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vectors_count(vectors), ==, 4);
    vectors_score(vectors, query, 1, scores);
    for (guint i = 1; i < 4; i++)
        g_assert_true(isfinite(scores[i].score));
    g_assert_true(scores[3].score == 0);

    run(store, "UPDATE model SET cols = 999999999");
    g_autoptr(StoreModel) wide = store_get_model(store, NULL);
    g_assert_null(vectors_open(store, wide, &error));
    g_assert_error(error, STORE_ERROR, STORE_ERROR_FOREIGN);
    store_close(store);
    remove_folder(folder);
}

static void products_agree_with_a_plain_sum(void)
{
    DotFunc dot = dot_choose();
    float a[1100], b[1101];

    for (guint i = 0; i < G_N_ELEMENTS(a); i++) {
        a[i] = (float)((int)(i * 7 % 13) - 6); /* small integers: any order is exact */
        b[i + 1] = (float)((int)(i * 5 % 11) - 5);
    }
    for (guint n = 0; n <= G_N_ELEMENTS(a); n++) {
        float sum = 0;
        for (guint i = 0; i < n; i++)
            sum += a[i] * b[i + 1];
        g_assert_true(dot(a, b + 1, n) == sum);
    }
}

static Score score_of(gint64 id, gint64 stream, gint64 seconds, float score)
{
    return (Score){.id = id, .stream = stream, .pts = seconds * 1000000000, .score = score};
}

static void neighbours_are_one_moment(void)
{
    /* Two films, a second between frames; the average is near 0.1. */
    GArray *scores = g_array_new(FALSE, FALSE, sizeof(Score));
    for (gint64 t = 0; t < 60; t++) {
        float score = t >= 10 && t <= 14 ? 0.8f : t == 40 ? 0.7f : 0.05f;
        Score a = score_of(2 * t, 1, t, t == 12 ? 0.9f : score);
        Score b = score_of(2 * t + 1, 2, 59 - t, t >= 57 ? 0.75f : 0.05f); /* backwards */
        g_array_append_val(scores, a);
        g_array_append_val(scores, b);
    }
    const Score *data = (const Score *)(gpointer)scores->data;
    g_autoptr(GArray) moments =
        moments_find(data, scores->len, moments_mean(data, scores->len), 3);
    static const struct {
        gint64 stream, start, best, end;
        guint frames;
    } expected[] = {{1, 10, 12, 14, 5}, {2, 0, 2, 2, 3}, {1, 40, 40, 40, 1}};
    g_assert_cmpuint(moments->len, ==, 3);
    for (guint i = 0; i < 3; i++) {
        const Moment *moment = &g_array_index(moments, Moment, i);
        g_assert_cmpint(moment->stream, ==, expected[i].stream);
        g_assert_cmpint(moment->start, ==, expected[i].start * 1000000000);
        g_assert_cmpint(moment->best, ==, expected[i].best * 1000000000);
        g_assert_cmpint(moment->end, ==, expected[i].end * 1000000000);
        g_assert_cmpuint(moment->frames, ==, expected[i].frames);
    }
    g_array_unref(scores);
}

static void gap_parts_two_moments(void)
{
    Score scores[] = {score_of(1, 1, 0, 0.9f), score_of(2, 1, 1, 0.9f), score_of(3, 1, 2, 0.9f),
                      score_of(4, 1, 30, 0.9f), score_of(5, 1, 31, 0.9f)};
    g_autoptr(GArray) moments = moments_find(scores, 5, 0.1, 10);

    g_assert_cmpuint(moments->len, ==, 2);
    g_assert_cmpint(g_array_index(moments, Moment, 0).end, ==, G_GINT64_CONSTANT(2000000000));
    g_assert_cmpint(g_array_index(moments, Moment, 1).start, ==, G_GINT64_CONSTANT(30000000000));
}

/* The shoulder of a better moment is another one, and has no part of that. */
static void moments_do_not_overlap(void)
{
    Score scores[] = {score_of(1, 1, 0, 0.9f), score_of(2, 1, 1, 0.8f), score_of(3, 1, 2, 0.45f),
                      score_of(4, 1, 3, 0.44f), score_of(5, 1, 4, 0.1f)};
    g_autoptr(GArray) moments = moments_find(scores, 5, 0.1, 2);

    g_assert_cmpuint(moments->len, ==, 2);
    g_assert_cmpint(g_array_index(moments, Moment, 0).end, ==, 1000000000);
    g_assert_cmpint(g_array_index(moments, Moment, 1).start, ==, 2000000000);
    g_assert_cmpuint(g_array_index(moments, Moment, 1).frames, ==, 2);
}

/* More frames of one moment than there are candidates at first. */
static void long_still_is_one_moment(void)
{
    guint n = 40000;
    g_autofree Score *scores = g_new(Score, n);

    for (guint i = 0; i < n; i++)
        scores[i] = score_of(i, 1 + i / 20000, i % 20000, 0.5f);
    g_autoptr(GArray) moments = moments_find(scores, n, 0.1, 10);
    g_assert_cmpuint(moments->len, ==, 2);
    g_assert_cmpuint(g_array_index(moments, Moment, 0).frames, ==, 20000);
    g_autoptr(GArray) none = moments_find(scores, 0, 0, 10);
    g_assert_cmpuint(none->len, ==, 0);
}

/* In films of more frames than there are candidates at first, asked for few and for many. */
static void single_frames_are_the_best_of_all(void)
{
    guint n = 30000;
    g_autofree Score *scores = g_new(Score, n);

    for (guint i = 0; i < n; i++) { /* each value once, and as often as any other at the end */
        scores[i] = score_of(i, 1, i, (float)((i * 7919) % n) / (float)n);
        if (i >= n / 2)
            scores[i].score = 0.25f;
    }
    for (guint top = 1; top <= 10000; top *= 100) {
        g_autoptr(GArray) frames = moments_of_frames(scores, n, top);
        g_assert_cmpuint(frames->len, ==, top);
        for (guint i = 0; i < top; i++) {
            const Moment *a = &g_array_index(frames, Moment, i);
            guint better = 0;
            for (guint k = 0; k < n && i < 200; k++)
                better += scores[k].score > a->score ||
                          (scores[k].score == a->score && scores[k].id < a->id);
            g_assert_true(i >= 200 || better == i);
            g_assert_cmpint(a->start, ==, a->best);
            g_assert_cmpint(a->end, ==, a->best);
            g_assert_cmpuint(a->frames, ==, 1);
        }
    }
    g_autoptr(GArray) all = moments_of_frames(scores, 7, 10);
    g_assert_cmpuint(all->len, ==, 7);
    g_autoptr(GArray) none = moments_of_frames(scores, 0, 10);
    g_assert_cmpuint(none->len, ==, 0);
}

static void time_codes_read_back(void)
{
    static const struct {
        const char *text;
        gint64 ms;
    } good[] = {{"0:00", 0}, {"1:02:03", 3723000}, {"62:03", 3723000}, {"3723", 3723000},
                {"0:05.25", 5250}};
    static const char *const bad[] = {"", ":", "1:", "1:60", "a", "-1", "1:2:3:4", "1:-2", "1e99"};

    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        gint64 ns;
        g_assert_true(timecode_parse(good[i].text, &ns));
        g_assert_cmpint(ns, ==, good[i].ms * 1000000);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        gint64 ns;
        g_assert_false(timecode_parse(bad[i], &ns));
    }
    g_autofree char *code = timecode_format(G_GINT64_CONSTANT(3723987000000), 1);
    g_assert_cmpstr(code, ==, "1:02:03.9");
}

static gboolean is_png(const char *path)
{
    g_autofree char *bytes = NULL;
    gsize n;

    return g_file_get_contents(path, &bytes, &n, NULL) && n > 8 && memcmp(bytes, "\x89PNG", 4) == 0;
}

static gpointer read_all(gpointer path)
{
    return GINT_TO_POINTER(is_png(path));
}

/* A link keeps its place, a pipe gets the picture and stays a pipe, and where nothing can be
 * written what was there stays. */
static void pictures_replace_files_alone(void)
{
    gchar *folder = make_folder();
    g_autofree char *file = g_build_filename(folder, "a.png", NULL);
    g_autofree char *link = g_build_filename(folder, "link.png", NULL);
    g_autofree char *pipe = g_build_filename(folder, "pipe", NULL);
    g_autofree char *lost = g_build_filename(folder, "none", "a.png", NULL);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 4, 4);
    g_autoptr(GError) error = NULL;
    struct stat st;

    g_assert_true(g_file_set_contents(file, "before", -1, NULL));
    g_assert_cmpint(symlink("a.png", link), ==, 0);
    g_assert_true(png_file_write(surface, link, NULL));
    g_assert_true(is_png(file));
    g_assert_cmpint(lstat(link, &st), ==, 0);
    g_assert_true(S_ISLNK(st.st_mode));

    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    GThread *reader = g_thread_new("reader", read_all, pipe);
    g_assert_true(png_file_write(surface, pipe, NULL));
    g_assert_true(GPOINTER_TO_INT(g_thread_join(reader)));
    g_assert_cmpint(lstat(pipe, &st), ==, 0);
    g_assert_true(S_ISFIFO(st.st_mode));

    g_assert_false(png_file_write(surface, lost, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(error->message, lost));
    cairo_surface_destroy(surface);
    g_unlink(pipe);
    g_unlink(link);
    remove_folder(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/search/vectors-follow-the-database", vectors_follow_the_database);
    g_test_add_func("/search/vectors-do-without-a-file", vectors_do_without_a_file);
    g_test_add_func("/search/index-that-cannot-be-written-is-read",
                    index_that_cannot_be_written_is_read);
    g_test_add_func("/search/newer-index-is-named", newer_index_is_named);
    g_test_add_func("/search/names-are-one-line", names_are_one_line);
    g_test_add_func("/search/hostile-rows-score-nothing", hostile_rows_score_nothing);
    g_test_add_func("/search/products-agree-with-a-plain-sum", products_agree_with_a_plain_sum);
    g_test_add_func("/search/neighbours-are-one-moment", neighbours_are_one_moment);
    g_test_add_func("/search/gap-parts-two-moments", gap_parts_two_moments);
    g_test_add_func("/search/moments-do-not-overlap", moments_do_not_overlap);
    g_test_add_func("/search/long-still-is-one-moment", long_still_is_one_moment);
    g_test_add_func("/search/single-frames-are-the-best-of-all", single_frames_are_the_best_of_all);
    g_test_add_func("/search/time-codes-read-back", time_codes_read_back);
    g_test_add_func("/search/pictures-replace-files-alone", pictures_replace_files_alone);
    return g_test_run();
}
