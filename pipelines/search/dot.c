/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of two vectors. A million of 768 values are 3 GB: what counts is that the sums keep
 * up with the memory, which 32 running ones in vector registers do. One text, built for each
 * instruction set.
 */
#include "dot.h"

#include <string.h>

typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));

static inline __attribute__((always_inline)) float dot_body(const float *a, const float *b, guint n)
{
    Eight sums[4] = {{0}, {0}, {0}, {0}};
    float sum = 0;
    guint i = 0;

    for (; i + 32 <= n; i += 32) {
        __builtin_prefetch(b + i + 1024);
        __builtin_prefetch(b + i + 1040);
        for (guint k = 0; k < 4; k++)
            sums[k] += *(const Eight *)(a + i + 8 * k) * *(const Eight *)(b + i + 8 * k);
    }
    for (; i + 8 <= n; i += 8)
        sums[0] += *(const Eight *)(a + i) * *(const Eight *)(b + i);
    sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (guint k = 0; k < 8; k++)
        sum += sums[0][k];
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float dot_c(const float *a, const float *b, guint n)
{
    return dot_body(a, b, n);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float dot_avx2(const float *a, const float *b, guint n)
{
    return dot_body(a, b, n);
}
#endif

DotFunc dot_choose(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return dot_avx2;
#endif
    return dot_c;
}
