/* SPDX-License-Identifier: Apache-2.0
 *
 * Processor detection. x86: CPUID says what the processor has, XGETBV what the operating system
 * saves. Arm: the kernel says both.
 */
#include "cpu.h"

#ifdef G4_HAVE_X86
#include <cpuid.h>

static guint64 xgetbv0(void)
{
    guint32 lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (guint64)hi << 32 | lo;
}

guint g4_cpu_detect(void)
{
    guint a, b, c, d, flags = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    const gboolean osxsave = (c >> 27) & 1, avx = (c >> 28) & 1, fma = (c >> 12) & 1;
    if (!osxsave || !avx || !fma)
        return 0;
    const guint64 saved = xgetbv0();
    if ((saved & 0x6) != 0x6) /* XMM and YMM */
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    if (!((b >> 5) & 1))
        return 0;
    flags |= G4_CPU_AVX2;
    /* opmask, upper halves of ZMM0-15, ZMM16-31; F, DQ, BW, VL */
    const guint avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    if ((saved & 0xe0) != 0xe0 || (b & avx512) != avx512)
        return flags;
    flags |= G4_CPU_AVX512;
    if ((c >> 11) & 1)
        flags |= G4_CPU_AVX512VNNI;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5) & 1)
        flags |= G4_CPU_AVX512BF16;
    return flags;
}
#elif defined(G4_HAVE_ARM)
#ifdef __linux__
#include <sys/auxv.h>

#define HAS_ASIMDDP (1ul << 20) /* HWCAP_ASIMDDP; not in the headers of every C library */
#endif

guint g4_cpu_detect(void)
{
    guint flags = G4_CPU_NEON;

#ifdef __linux__
    if (getauxval(AT_HWCAP) & HAS_ASIMDDP)
        flags |= G4_CPU_DOTPROD;
#endif
    return flags;
}
#else
guint g4_cpu_detect(void)
{
    return 0;
}
#endif
