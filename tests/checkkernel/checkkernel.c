/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: options, levels, families, and what they all use.
 */
#include "checkkernel.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu.h"

#define GUARD 128 /* bytes round each row of a buffer */
#define MAX_REPORTS 5

/* Levels of which this program has an emulation in place of the kernels themselves: tests/cross. */
#ifndef EMULATED_LEVELS
#define EMULATED_LEVELS 0
#define EMULATOR ""
#endif

static const struct {
    const char *name;
    void (*check)(Check *c);
} families[] = {
    {"resize", check_resize},
    {"kernels", check_kernels},
    {"gemm", check_gemm},
};

static const char *const level_names[] = {"c",          "avx2", "avx512", "avx512vnni",
                                          "avx512bf16", "neon", "dotprod"};

/* ------------------------------------------------------------------------------------------
 * The frame of a kernel's check
 */
/* What the crash handler can say without formatting. */
static char now_running[512];

static void say_where(int sig)
{
    static const char text[] = "\ncheckkernel: a signal in ";
    ssize_t done = write(STDERR_FILENO, text, sizeof text - 1);

    done += write(STDERR_FILENO, now_running, strlen(now_running));
    done += write(STDERR_FILENO, "\n", 1);
    _exit(done > 0 ? 1 : 2);
}

static void note_where(const Check *c)
{
    snprintf(now_running, sizeof now_running, "%s %s, seed %u, %s", c->level, c->name, c->seed,
             c->params);
}

gboolean check_kernel_function(Check *c, const char *name, CheckFunction function)
{
    g_autofree char *key = g_strdup_printf("%s %p", name, (void *)(guintptr)function);

    if (function == NULL)
        return FALSE;
    if (c->only != NULL && strcmp(c->only, name) != 0 && strcmp(c->only, c->family) != 0)
        return FALSE;
    if (!g_hash_table_add(c->seen, g_steal_pointer(&key)))
        return FALSE;
    c->name = name;
    c->cases = c->failures = 0;
    c->params[0] = '\0';
    g_rand_set_seed(c->rand, c->seed);
    note_where(c);
    return TRUE;
}

void check_done(Check *c)
{
    g_ptr_array_set_size(c->buffers, 0);
    c->kernels++;
    if (c->failures > 0)
        c->failed_kernels++;
    const gboolean emulated = (c->flags & EMULATED_LEVELS) != 0;
    c->emulated_kernels += emulated;
    printf("%-10s %-28s %s, %u cases", c->level, c->name,
           c->failures > 0 ? "FAILED" : emulated ? "emulated by " EMULATOR : "ok", c->cases);
    if (c->failures > 0)
        printf(", %u failures", c->failures);
    printf("\n%s", c->bench_lines->str);
    g_string_truncate(c->bench_lines, 0);
    fflush(stdout);
    c->name = NULL;
}

void check_params(Check *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(c->params, sizeof c->params, format, args);
    va_end(args);
    note_where(c);
}

void check_next(Check *c)
{
    c->cases++;
    g_ptr_array_set_size(c->buffers, 0);
}

void check_fail(Check *c, const char *format, ...)
{
    va_list args;

    if (c->failures++ >= MAX_REPORTS)
        return;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(stderr, "%s %s, seed %u, %s: %s\n", c->level, c->name, c->seed, c->params, what);
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

void check_bench(Check *c, const char *what, void (*run)(void *data), void *data)
{
    double times[31]; /* microseconds of a run */
    guint runs = 1;

    if (!c->bench)
        return;
    run(data);
    /* As many runs a measurement as take half a millisecond. */
    for (;;) {
        gint64 start = g_get_monotonic_time();
        for (guint i = 0; i < runs; i++)
            run(data);
        if (g_get_monotonic_time() - start > 500 || runs >= 1u << 20)
            break;
        runs *= 2;
    }
    for (guint t = 0; t < G_N_ELEMENTS(times); t++) {
        gint64 start = g_get_monotonic_time();
        for (guint i = 0; i < runs; i++)
            run(data);
        times[t] = (double)(g_get_monotonic_time() - start) / runs;
    }
    qsort(times, G_N_ELEMENTS(times), sizeof times[0], compare_doubles);
    double median = times[G_N_ELEMENTS(times) / 2];

    g_autofree char *key = g_strdup_printf("%s %s", c->name, what);
    double *reference = g_hash_table_lookup(c->reference_times, key);
    g_string_append_printf(c->bench_lines, "           %-28s %10.3f us (%.3f .. %.3f)", what,
                           median, times[0], times[G_N_ELEMENTS(times) - 1]);
    if (reference != NULL && median > 0)
        g_string_append_printf(c->bench_lines, ", %.1f x c", *reference / median);
    g_string_append_c(c->bench_lines, '\n');
    if (reference == NULL)
        g_hash_table_insert(c->reference_times, g_steal_pointer(&key),
                            g_memdup2(&median, sizeof median));
}

/* ------------------------------------------------------------------------------------------
 * Random values
 */
guint check_range(Check *c, guint first, guint last)
{
    return first + g_rand_int(c->rand) % (last - first + 1);
}

void check_fill_u8(Check *c, guint8 *p, gsize n, CheckFill fill)
{
    for (gsize i = 0; i < n; i++) {
        guint32 r = g_rand_int(c->rand);
        switch (fill) {
        case CHECK_RANDOM:
            p[i] = r >> 24;
            break;
        case CHECK_EXTREME:
            p[i] = r >> 31 ? 255 : 0;
            break;
        case CHECK_ZERO:
            p[i] = 0;
            break;
        default:
            p[i] = 255;
        }
    }
}

void check_fill_f32(Check *c, float *p, gsize n, float lo, float hi)
{
    for (gsize i = 0; i < n; i++)
        p[i] = g_rand_double_range(c->rand, lo, hi);
}

void check_fill_whole_f32(Check *c, float *p, gsize n, guint max)
{
    for (gsize i = 0; i < n; i++)
        p[i] = (int)check_range(c, 0, 2 * max) - (int)max;
}

void check_fill_wild_f32(Check *c, float *p, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        guint32 bits = g_rand_int(c->rand);
        if ((bits >> 23 & 255) == 255)
            bits &= 0x80000000;
        memcpy(&p[i], &bits, sizeof bits);
    }
}

/* ------------------------------------------------------------------------------------------
 * Buffers
 */
static guint8 guard_byte(gsize i)
{
    return 0xa5 ^ (guint8)(i * 31);
}

/* With what lies before and after it inaccessible. */
static guint8 *map_pages(gsize bytes, gsize *size)
{
    gsize page = sysconf(_SC_PAGESIZE);
    *size = (bytes + page - 1) / page * page + 2 * page;
    guint8 *memory = mmap(NULL, *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED ||
        mprotect(memory + page, *size - 2 * page, PROT_READ | PROT_WRITE) != 0) {
        fprintf(stderr, "checkkernel: no memory for %" G_GSIZE_FORMAT " bytes\n", bytes);
        exit(1);
    }
    return memory;
}

static void buffer_free(void *data)
{
    CheckBuffer *buffer = data;

    munmap(buffer->memory, buffer->memory_size);
    g_free(buffer);
}

CheckBuffer *check_buffer_new(Check *c, guint rows, gsize row_bytes)
{
    return check_buffer_new_strided(c, rows, row_bytes, (row_bytes + GUARD + 63) / 64 * 64);
}

CheckBuffer *check_buffer_new_strided(Check *c, guint rows, gsize row_bytes, gsize stride)
{
    CheckBuffer *buffer = g_new0(CheckBuffer, 1);
    gsize inside = rows > 0 ? (rows - 1) * stride + row_bytes : 0;

    buffer->rows = rows;
    buffer->row_bytes = row_bytes;
    buffer->stride = stride;
    buffer->memory = map_pages(inside + 2 * GUARD, &buffer->memory_size);
    buffer->data = buffer->memory + sysconf(_SC_PAGESIZE) + GUARD;
    for (gsize i = 0; i < inside + 2 * GUARD; i++)
        buffer->data[(gssize)i - GUARD] = guard_byte(i);
    g_ptr_array_add(c->buffers, buffer);
    return buffer;
}

void check_intact(Check *c, const CheckBuffer *buffer)
{
    gsize inside = buffer->rows > 0 ? (buffer->rows - 1) * buffer->stride + buffer->row_bytes : 0;

    for (gsize i = 0; i < inside + 2 * GUARD; i++) {
        gssize at = (gssize)i - GUARD;
        gboolean guard =
            at < 0 || (gsize)at >= inside || (gsize)at % buffer->stride >= buffer->row_bytes;
        if (guard && buffer->data[at] != guard_byte(i)) {
            check_fail(c,
                       "wrote at byte %" G_GSSIZE_FORMAT " of rows of %" G_GSIZE_FORMAT
                       " bytes, %" G_GSIZE_FORMAT " apart",
                       at, buffer->row_bytes, buffer->stride);
            return;
        }
    }
}

guint8 *check_input_new(Check *c, gsize bytes)
{
    CheckBuffer *buffer = g_new0(CheckBuffer, 1);

    buffer->memory = map_pages(bytes + c->slack, &buffer->memory_size);
    buffer->data = buffer->memory + buffer->memory_size - sysconf(_SC_PAGESIZE) - c->slack - bytes;
    buffer->rows = 1;
    buffer->row_bytes = buffer->stride = bytes;
    g_ptr_array_add(c->buffers, buffer);
    return buffer->data;
}

/* ------------------------------------------------------------------------------------------
 * Comparisons
 */
gboolean check_equal(Check *c, const CheckBuffer *reference, const CheckBuffer *result)
{
    for (guint y = 0; y < reference->rows; y++) {
        const guint8 *a = reference->data + y * reference->stride;
        const guint8 *b = result->data + y * result->stride;
        for (gsize x = 0; x < reference->row_bytes; x++) {
            if (a[x] != b[x]) {
                check_fail(c, "row %u, byte %" G_GSIZE_FORMAT ": %u, expected %u", y, x, b[x],
                           a[x]);
                return FALSE;
            }
        }
    }
    return TRUE;
}

gboolean check_near_f32(Check *c, const float *reference, const float *result, gsize n,
                        double absolute, double relative)
{
    for (gsize i = 0; i < n; i++) {
        double a = reference[i], b = result[i];
        gboolean near = isfinite(a) ? fabs(a - b) <= absolute + relative * fabs(a)
                                    : a == b || (isnan(a) && isnan(b));
        if (!near) {
            check_fail(c, "value %" G_GSIZE_FORMAT ": %.9g, expected %.9g (+- %.3g)", i, b, a,
                       absolute + relative * fabs(a));
            return FALSE;
        }
    }
    return TRUE;
}

gboolean check_bound_f64(Check *c, const double *reference, const float *result,
                         const double *bound, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        if (!(fabs(reference[i] - result[i]) <= bound[i])) {
            check_fail(c, "value %" G_GSIZE_FORMAT ": %.9g, expected %.12g (+- %.3g)", i, result[i],
                       reference[i], bound[i]);
            return FALSE;
        }
    }
    return TRUE;
}

/* Floats in their order as integers, both zeros as 0. */
static gint64 ordered(float value)
{
    gint32 bits;

    memcpy(&bits, &value, sizeof bits);
    return bits >= 0 ? bits : -(gint64)(bits & 0x7fffffff);
}

gboolean check_ulp_f32(Check *c, const float *reference, const float *result, gsize n, guint ulp)
{
    for (gsize i = 0; i < n; i++) {
        float a = reference[i], b = result[i];
        gint64 apart = ABS(ordered(a) - ordered(b));
        if (isnan(a) != isnan(b) || (!isnan(a) && apart > ulp)) {
            check_fail(c,
                       "value %" G_GSIZE_FORMAT ": %.9g, expected %.9g, %" G_GINT64_FORMAT
                       " ulp apart, allowed %u",
                       i, b, a, apart, ulp);
            return FALSE;
        }
    }
    return TRUE;
}

/* ------------------------------------------------------------------------------------------
 * The program
 */
int main(int argc, char **argv)
{
    g_autofree char *cpu = NULL;
    g_autofree char *expected = NULL;
    g_autofree char *only = NULL;
    gint64 seed = -1;
    int slack = 0;
    gboolean bench = FALSE, list = FALSE;
    const GOptionEntry entries[] = {
        {"cpu", 0, 0, G_OPTION_ARG_STRING, &cpu, "Highest level to run", "LEVEL"},
        {"expect", 0, 0, G_OPTION_ARG_STRING, &expected,
         "Fail unless this is the processor's highest level", "LEVEL"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Seed of the random values", "N"},
        {"test", 0, 0, G_OPTION_ARG_STRING, &only, "Run this family or kernel only", "NAME"},
        {"slack", 0, 0, G_OPTION_ARG_INT, &slack,
         "Readable bytes behind each input, for emulators that load what a mask leaves out", "N"},
        {"bench", 0, 0, G_OPTION_ARG_NONE, &bench, "Measure the kernels too", NULL},
        {"list", 0, 0, G_OPTION_ARG_NONE, &list, "List levels and families, run nothing", NULL},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- kernels against their C reference");
    g_autoptr(GError) error = NULL;
    guint have = g4_cpu_detect();
    guint highest = G_MAXUINT;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "checkkernel: %s\n", error->message);
        return 1;
    }
    if (cpu != NULL && !g4_cpu_level_parse(cpu, &highest)) {
        fprintf(stderr, "checkkernel: --cpu=%s: no such level\n", cpu);
        return 1;
    }
    if (expected != NULL && !g_str_equal(expected, g4_cpu_level_name(have))) {
        fprintf(stderr, "checkkernel: --expect=%s: this processor's highest level is %s\n",
                expected, g4_cpu_level_name(have));
        return 1;
    }
    if (list) {
        for (guint i = 0; i < G_N_ELEMENTS(level_names); i++)
            printf("level %s\n", level_names[i]);
        for (guint i = 0; i < G_N_ELEMENTS(families); i++)
            printf("family %s\n", families[i].name);
        return 0;
    }

    Check c = {
        .seed = seed >= 0 ? (guint32)seed : g_random_int(),
        .only = only,
        .slack = (gsize)MAX(slack, 0),
        .bench = bench,
        .buffers = g_ptr_array_new_with_free_func(buffer_free),
        .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .reference_times = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .bench_lines = g_string_new(NULL),
    };
    c.rand = g_rand_new_with_seed(c.seed);
    printf("checkkernel: seed %u\n", c.seed);
    fflush(stdout);
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    for (guint i = 0; i < G_N_ELEMENTS(signals); i++)
        signal(signals[i], say_where);

    guint below = 0;
    for (guint i = 0; i < G_N_ELEMENTS(level_names); i++) {
        guint flags = 0;
        gboolean known = g4_cpu_level_parse(level_names[i], &flags);
        guint own = flags & ~below; /* VNNI and BF16 are independent of each other */

        below |= flags;
        c.level = level_names[i];
        if (!known || (own & ~highest) != 0) {
            printf("not run: %s (above --cpu)\n", c.level);
            continue;
        }
        if ((own & ~have) != 0) {
            printf("not run: %s (processor lacks it)\n", c.level);
            continue;
        }
        c.flags = flags & have;
        for (guint f = 0; f < G_N_ELEMENTS(families); f++) {
            c.family = families[f].name;
            families[f].check(&c);
        }
    }
    printf("checkkernel: %u kernels, %u failed", c.kernels, c.failed_kernels);
    if (EMULATED_LEVELS != 0)
        printf(", %u emulated by " EMULATOR, c.emulated_kernels);
    printf("\n");

    gboolean failed = c.failed_kernels > 0;
    if (c.kernels == 0) {
        fprintf(stderr, "checkkernel: --test=%s: nothing has that name\n", only ? only : "");
        failed = TRUE;
    }
    g_ptr_array_unref(c.buffers);
    g_hash_table_unref(c.seen);
    g_hash_table_unref(c.reference_times);
    g_string_free(c.bench_lines, TRUE);
    g_rand_free(c.rand);
    return failed ? 1 : 0;
}
