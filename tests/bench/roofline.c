/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4-roofline [threads]: what this processor can do at most.
 *
 * Multiply-add loops that touch registers alone, for each instruction set that the processor has
 * (float32, bfloat16, 8-bit integers), a sequential read of memory, and OpenBLAS on the shapes of
 * the encoder's products. Times one thread and then twice as many, up to `threads`. The best
 * float32 figure is what gemma4-bench takes as --roofline.
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_BLAS
#include <cblas.h>
#endif
#if defined(__x86_64__) && !defined(PLAIN_C)
#include <immintrin.h>
#define HAVE_X86
#endif

#define MAX_THREADS 64
#define ITERATIONS 20000000L
#define SPAN ((size_t)256 << 20) /* bytes that each thread reads: far more than any cache */
#define READS 4

/* Where results go, so that no loop can be dropped. */
static volatile float sink;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------
 * Loops. Each has enough independent sums to hide the latency of its instruction.
 */
static void *f32_c(void *arg)
{
    float acc[8];

    for (int i = 0; i < 8; i++)
        acc[i] = (float)i;
    for (long n = 0; n < ITERATIONS; n++) {
        float a = 1.0f, b = 1e-9f;
        __asm__ volatile("" : "+m"(a), "+m"(b));
        for (int i = 0; i < 8; i++)
            acc[i] += a * b;
    }
    for (int i = 1; i < 8; i++)
        acc[0] += acc[i];
    sink = acc[0];
    return arg;
}

static void *read_memory(void *arg)
{
    const uint64_t *p = arg;
    uint64_t sum[4] = {0};

    for (int r = 0; r < READS; r++)
        for (size_t i = 0; i < SPAN / sizeof *p; i += 4)
            for (int k = 0; k < 4; k++)
                sum[k] ^= p[i + k];
    sink = (float)(sum[0] ^ sum[1] ^ sum[2] ^ sum[3]);
    return arg;
}

#ifdef HAVE_X86
__attribute__((target("avx2,fma"))) static void *f32_avx2(void *arg)
{
    __m256 acc[12], a = _mm256_set1_ps(1.0f), b = _mm256_set1_ps(1e-9f);

    for (int i = 0; i < 12; i++)
        acc[i] = _mm256_set1_ps((float)i);
    for (long n = 0; n < ITERATIONS; n++) {
        for (int i = 0; i < 12; i++)
            acc[i] = _mm256_fmadd_ps(a, b, acc[i]);
        __asm__ volatile("" : "+x"(a), "+x"(b));
    }
    for (int i = 1; i < 12; i++)
        acc[0] = _mm256_add_ps(acc[0], acc[i]);
    sink = _mm256_cvtss_f32(acc[0]);
    return arg;
}

/* 16-bit products in pairs, as 8-bit integers without saturation take them: a madd and an add. The
 * factors of all sums differ, or the compiler would compute one product for several. */
__attribute__((target("avx2"))) static void *int8_avx2(void *arg)
{
    __m256i acc[6], a[2], b[3];

    for (int i = 0; i < 6; i++)
        acc[i] = _mm256_set1_epi32(i);
    for (int i = 0; i < 2; i++)
        a[i] = _mm256_set1_epi16((short)(1 + i));
    for (int i = 0; i < 3; i++)
        b[i] = _mm256_set1_epi16((short)(3 + i));
    for (long n = 0; n < ITERATIONS; n++) {
        for (int i = 0; i < 6; i++)
            acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(a[i / 3], b[i % 3]));
        __asm__ volatile("" : "+x"(a[0]), "+x"(a[1]));
    }
    for (int i = 1; i < 6; i++)
        acc[0] = _mm256_add_epi32(acc[0], acc[i]);
    sink = (float)_mm256_extract_epi32(acc[0], 0);
    return arg;
}

__attribute__((target("avx512f"))) static void *f32_avx512(void *arg)
{
    __m512 acc[16], a = _mm512_set1_ps(1.0f), b = _mm512_set1_ps(1e-9f);

    for (int i = 0; i < 16; i++)
        acc[i] = _mm512_set1_ps((float)i);
    for (long n = 0; n < ITERATIONS; n++) {
        for (int i = 0; i < 16; i++)
            acc[i] = _mm512_fmadd_ps(a, b, acc[i]);
        __asm__ volatile("" : "+v"(a), "+v"(b));
    }
    for (int i = 1; i < 16; i++)
        acc[0] = _mm512_add_ps(acc[0], acc[i]);
    sink = _mm512_reduce_add_ps(acc[0]);
    return arg;
}

__attribute__((target("avx512f,avx512bf16"))) static void *bf16_avx512bf16(void *arg)
{
    __m512 acc[16];
    __m512i a = _mm512_set1_epi16(0x3f80), b = _mm512_set1_epi16(0x3080); /* 1 and 2^-30 */

    for (int i = 0; i < 16; i++)
        acc[i] = _mm512_set1_ps((float)i);
    for (long n = 0; n < ITERATIONS; n++) {
        for (int i = 0; i < 16; i++)
            acc[i] = _mm512_dpbf16_ps(acc[i], (__m512bh)a, (__m512bh)b);
        __asm__ volatile("" : "+v"(a), "+v"(b));
    }
    for (int i = 1; i < 16; i++)
        acc[0] = _mm512_add_ps(acc[0], acc[i]);
    sink = _mm512_reduce_add_ps(acc[0]);
    return arg;
}

__attribute__((target("avx512f,avx512vnni"))) static void *int8_avx512vnni(void *arg)
{
    __m512i acc[16], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(1);

    for (int i = 0; i < 16; i++)
        acc[i] = _mm512_set1_epi32(i);
    for (long n = 0; n < ITERATIONS; n++) {
        for (int i = 0; i < 16; i++)
            acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
        __asm__ volatile("" : "+v"(a), "+v"(b));
    }
    for (int i = 1; i < 16; i++)
        acc[0] = _mm512_add_epi32(acc[0], acc[i]);
    sink = (float)_mm512_reduce_add_epi32(acc[0]);
    return arg;
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512f(void)
{
    return __builtin_cpu_supports("avx512f");
}

static int has_avx512bf16(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
}

static int has_avx512vnni(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni");
}
#endif

static int has_always(void)
{
    return 1;
}

static const struct Loop {
    const char *what, *unit;
    int (*available)(void);
    void *(*run)(void *);
    double work; /* operations of an iteration, or bytes of a run */
    int reads;   /* takes a buffer of SPAN bytes */
} loops[] = {
    {"f32 c", "GFLOP/s", has_always, f32_c, 8 * 2, 0},
#ifdef HAVE_X86
    {"f32 avx2 fma", "GFLOP/s", has_avx2, f32_avx2, 12 * 8 * 2, 0},
    {"f32 avx512 fma", "GFLOP/s", has_avx512f, f32_avx512, 16 * 16 * 2, 0},
    {"bf16 avx512 vdpbf16ps", "GFLOP/s", has_avx512bf16, bf16_avx512bf16, 16 * 32 * 2, 0},
    {"int8 avx2 vpmaddwd", "GOP/s", has_avx2, int8_avx2, 6 * 16 * 2, 0},
    {"int8 avx512 vpdpbusd", "GOP/s", has_avx512vnni, int8_avx512vnni, 16 * 64 * 2, 0},
#endif
    {"read", "GB/s", has_always, read_memory, (double)SPAN *READS, 1},
};

/* The best of three. */
static double seconds_of(void *(*run)(void *), int threads, void **args)
{
    double best = INFINITY;

    for (int round = 0; round < 3; round++) {
        pthread_t thread[MAX_THREADS];
        const double start = now();
        int started = 0;
        while (started < threads && pthread_create(&thread[started], NULL, run, args[started]) == 0)
            started++;
        for (int i = 0; i < started; i++)
            pthread_join(thread[i], NULL);
        if (started < threads) {
            fprintf(stderr, "gemma4-roofline: cannot start %d threads\n", threads);
            exit(1);
        }
        best = fmin(best, now() - start);
    }
    return best;
}

static void run_loop(const struct Loop *loop, int threads)
{
    void *args[MAX_THREADS] = {NULL};

    for (int i = 0; loop->reads && i < threads; i++) {
        args[i] = aligned_alloc(64, SPAN);
        if (!args[i]) {
            fprintf(stderr, "gemma4-roofline: no memory for %d buffers\n", threads);
            exit(1);
        }
        memset(args[i], i + 1, SPAN);
    }
    const double work = loop->reads ? loop->work : loop->work * (double)ITERATIONS;
    printf("threads=%d  %-22s %8.1f %s\n", threads, loop->what,
           1e-9 * threads * work / seconds_of(loop->run, threads, args), loop->unit);
    fflush(stdout);
    for (int i = 0; i < threads; i++)
        free(args[i]);
}

#ifdef HAVE_BLAS
static void run_sgemm(int threads, int m, int n, int k)
{
    float *a = malloc(sizeof *a * m * k), *b = malloc(sizeof *b * n * k),
          *c = malloc(sizeof *c * m * n);
    double best = INFINITY;

    if (!a || !b || !c)
        exit(1);
    for (int i = 0; i < m * k; i++)
        a[i] = (float)(i % 7) - 3;
    for (int i = 0; i < n * k; i++)
        b[i] = (float)(i % 5) - 2;
    openblas_set_num_threads(threads);
    for (int round = 0; round < 6; round++) {
        const double start = now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, a, k, b, k, 0, c, n);
        best = fmin(best, now() - start);
    }
    printf("threads=%d  sgemm %5d x %4d x %4d %8.1f GFLOP/s\n", threads, m, n, k,
           2e-9 * m * n * k / best);
    free(a);
    free(b);
    free(c);
}
#endif

int main(int argc, char **argv)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const long max = argc > 1 ? atol(argv[1]) : online > MAX_THREADS ? MAX_THREADS : online;

    if (argc > 2 || max < 1 || max > MAX_THREADS) {
        fprintf(stderr, "usage: gemma4-roofline [threads, 1 to %d]\n", MAX_THREADS);
        return 2;
    }
#ifdef HAVE_BLAS
    printf("OpenBLAS: %s, core %s\n", openblas_get_config(), openblas_get_corename());
#endif
    for (int threads = 1; threads <= max; threads *= 2) {
        for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
            if (loops[i].available())
                run_loop(&loops[i], threads);
#ifdef HAVE_BLAS
        /* Rows times columns times depth: gate and up, down, q or o, scores of a head, a small
         * frame. */
        static const int shapes[][3] = {{2304, 3072, 768},
                                        {2304, 768, 3072},
                                        {2304, 768, 768},
                                        {2304, 2304, 64},
                                        {594, 3072, 768}};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            run_sgemm(threads, shapes[i][0], shapes[i][1], shapes[i][2]);
#endif
    }
    return 0;
}
