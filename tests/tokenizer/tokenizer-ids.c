/* SPDX-License-Identifier: Apache-2.0
 *
 * tokenizer-ids FILE              texts on stdin, ids on stdout: each text as its length in bytes
 *                                 and its bytes, each answer as how many ids and the ids; numbers
 *                                 are guint32 of the machine's own order. A refused text:
 * G_MAXUINT32. tokenizer-ids --bench FILE [TEXT-FILE] one JSON line: how long opening takes (median
 * of 5), what it needs (peak of the resident memory, and its growth over the start), and how fast
 * TEXT-FILE is encoded, as one text.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tokenizer.h"

#define RUNS 5

static gboolean read_number(guint32 *value)
{
    return fread(value, sizeof *value, 1, stdin) == 1;
}

static int answer(const G4Tokenizer *tokenizer)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GByteArray) text = g_byte_array_new();
    guint32 n;
    while (read_number(&n)) {
        g_byte_array_set_size(text, n + 1);
        if (fread(text->data, 1, n, stdin) != n)
            return 1;
        g_array_set_size(ids, 0);
        n = g4_tokenizer_encode(tokenizer, (const char *)text->data, n, ids, NULL) ? ids->len
                                                                                   : G_MAXUINT32;
        fwrite(&n, sizeof n, 1, stdout);
        if (n != G_MAXUINT32)
            fwrite(ids->data, sizeof(guint32), n, stdout);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int bench(const char *path, const char *text_path)
{
    double seconds[RUNS];
    long before = peak_kib(), peak = 0;
    g_autoptr(G4Tokenizer) tokenizer = NULL;
    g_autoptr(GError) error = NULL;
    for (int i = 0; i < RUNS; i++) {
        g_clear_pointer(&tokenizer, g4_tokenizer_free);
        gint64 start = g_get_monotonic_time();
        tokenizer = g4_tokenizer_open(path, &error);
        seconds[i] = 1e-6 * (double)(g_get_monotonic_time() - start);
        if (tokenizer == NULL) {
            fprintf(stderr, "tokenizer-ids: %s\n", error->message);
            return 1;
        }
        if (i == 0)
            peak = peak_kib(); /* later ones find the first one's memory */
    }
    qsort(seconds, RUNS, sizeof *seconds, compare);
    printf("{\"open_s\": %.4f, \"open_min_s\": %.4f, \"open_max_s\": %.4f, \"ids\": %u, "
           "\"peak_mib\": %.1f, \"grown_mib\": %.1f",
           seconds[RUNS / 2], seconds[0], seconds[RUNS - 1], g4_tokenizer_get_n_ids(tokenizer),
           (double)peak / 1024, (double)(peak - before) / 1024);
    if (text_path != NULL) {
        g_autofree char *text = NULL;
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
        gsize length;
        if (!g_file_get_contents(text_path, &text, &length, &error))
            goto failed;
        for (int i = 0; i < RUNS; i++) {
            g_array_set_size(ids, 0);
            gint64 start = g_get_monotonic_time();
            if (!g4_tokenizer_encode(tokenizer, text, length, ids, &error))
                goto failed;
            seconds[i] = 1e-6 * (double)(g_get_monotonic_time() - start);
        }
        qsort(seconds, RUNS, sizeof *seconds, compare);
        printf(", \"text_bytes\": %" G_GSIZE_FORMAT ", \"tokens\": %u, \"encode_s\": %.4f, "
               "\"mb_per_s\": %.2f, \"encode_peak_mib\": %.1f",
               length, ids->len, seconds[RUNS / 2], 1e-6 * (double)length / seconds[RUNS / 2],
               (double)peak_kib() / 1024);
    }
    puts("}");
    return 0;
failed:
    fprintf(stderr, "tokenizer-ids: %s\n", error->message);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "--bench") == 0)
        return bench(argv[2], argc > 3 ? argv[3] : NULL);
    if (argc != 2) {
        fprintf(stderr, "tokenizer-ids FILE, or tokenizer-ids --bench FILE [TEXT-FILE]\n");
        return 2;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Tokenizer) tokenizer = g4_tokenizer_open(argv[1], &error);
    if (tokenizer == NULL) {
        fprintf(stderr, "tokenizer-ids: %s\n", error->message);
        return 1;
    }
    return answer(tokenizer);
}
