/* SPDX-License-Identifier: Apache-2.0
 *
 * checkkernel: every vectorised kernel against its C reference, at every level that the processor
 * has. A family is a function that is called once a level; it fills a kernel table for the level
 * and, for each kernel of it, does
 *
 *     if (check_kernel(c, "rms_norm", k.rms_norm)) {
 *         for (...) {
 *             check_params(c, "n %u", n);
 *             CheckBuffer *ref = check_buffer_new(c, 1, n * sizeof(float));
 *             CheckBuffer *out = check_buffer_new(c, 1, n * sizeof(float));
 *             g4_rms_norm_f32_c((float *)ref->data, ...);
 *             k.rms_norm((float *)out->data, ...);
 *             check_near_f32(c, ref->data, out->data, n, 1e-6, 1e-6);
 *             check_intact(c, out);
 *             check_next(c);
 *         }
 *         check_bench(c, "n 768", run, &arguments);
 *         check_done(c);
 *     }
 *
 * check_kernel is FALSE when a lower level had the same function already, when --test names
 * another one, and for a function that is NULL. Everything that check_..._new returns is freed by
 * check_next and check_done. The first failures of a kernel are printed with their parameters.
 */
#ifndef CHECKKERNEL_H
#define CHECKKERNEL_H

#include <glib.h>

typedef struct Check {
    guint flags;       /* of the level, for the kernel table (core/cpu.h) */
    const char *level; /* its name */
    GRand *rand;       /* begins anew from the seed at each kernel */

    /* private */
    guint32 seed;
    const char *only;
    gsize slack;
    gboolean bench;
    const char *family;
    const char *name;
    char params[256];
    guint cases, failures;
    guint kernels, failed_kernels, emulated_kernels;
    GPtrArray *buffers;
    GHashTable *seen;
    GHashTable *reference_times;
    GString *bench_lines;
} Check;

/* Families, one in each check_*.c; the table is in checkkernel.c. */
void check_resize(Check *c);
void check_kernels(Check *c);
void check_gemm(Check *c);

/* ------------------------------------------------------------------------------------------
 * The frame of a kernel's check
 */
/* A function of any type, for comparing and for the table of those seen. */
typedef void (*CheckFunction)(void);

gboolean check_kernel_function(Check *c, const char *name, CheckFunction function);
#define check_kernel(c, name, function) check_kernel_function(c, name, (CheckFunction)(function))
void check_done(Check *c);

/* The parameters of the case that comes now. */
void check_params(Check *c, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* One case more; frees its buffers. */
void check_next(Check *c);
void check_fail(Check *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* With --bench: the median time of run(data), and against the time of the same `what` of the same
 * kernel at level c. Without: nothing. */
void check_bench(Check *c, const char *what, void (*run)(void *data), void *data);

/* ------------------------------------------------------------------------------------------
 * Random values
 */
guint check_range(Check *c, guint first, guint last); /* both included */

typedef enum {
    CHECK_RANDOM,  /* 0 .. 255 */
    CHECK_EXTREME, /* 0 or 255 */
    CHECK_ZERO,
    CHECK_FULL, /* 255 */
    CHECK_N_FILLS,
} CheckFill;

void check_fill_u8(Check *c, guint8 *p, gsize n, CheckFill fill);
void check_fill_f32(Check *c, float *p, gsize n, float lo, float hi);
/* Whole numbers from -max to max: sums of their products are exact in any order below 2^24. */
void check_fill_whole_f32(Check *c, float *p, gsize n, guint max);
/* Floats of every exponent and sign that are finite, with zeros and subnormals among them. */
void check_fill_wild_f32(Check *c, float *p, gsize n);

/* ------------------------------------------------------------------------------------------
 * Buffers
 */
typedef struct CheckBuffer {
    guint8 *data; /* 64-byte aligned */
    guint rows;
    gsize row_bytes;
    gsize stride; /* of rows; guard bytes between them */
    guint8 *memory;
    gsize memory_size;
} CheckBuffer;

/* `rows` rows of `row_bytes`, filled with a pattern, guard bytes round each of them. */
CheckBuffer *check_buffer_new(Check *c, guint rows, gsize row_bytes);
/* The same with the rows `stride` apart, where a kernel asks for a certain one. */
CheckBuffer *check_buffer_new_strided(Check *c, guint rows, gsize row_bytes, gsize stride);
/* Fails when a guard byte has changed. */
void check_intact(Check *c, const CheckBuffer *buffer);

/* `bytes` bytes whose end lies against a page that cannot be read: a kernel that reads too far ends
 * the program, which says where it was. Aligned as its size happens to make it. With --slack so
 * many bytes lie between. */
guint8 *check_input_new(Check *c, gsize bytes);

/* ------------------------------------------------------------------------------------------
 * Comparisons: each reports the first difference; TRUE when there is none
 */
gboolean check_equal(Check *c, const CheckBuffer *reference, const CheckBuffer *result);
/* |a - b| <= absolute + relative * |a|; NaN and infinities must be the same. */
gboolean check_near_f32(Check *c, const float *reference, const float *result, gsize n,
                        double absolute, double relative);
/* The same against a reference in double with a bound of its own for each value. */
gboolean check_bound_f64(Check *c, const double *reference, const float *result,
                         const double *bound, gsize n);
/* At most `ulp` representable floats apart. */
gboolean check_ulp_f32(Check *c, const float *reference, const float *result, gsize n, guint ulp);

#endif /* CHECKKERNEL_H */
