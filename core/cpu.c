/* SPDX-License-Identifier: Apache-2.0
 *
 * Processor detection: CPUID says what the processor has, XGETBV what the operating system saves.
 */
#include "cpu.h"
#include "gemma4.h"

#include <stdlib.h>
#include <string.h>

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
#else
guint g4_cpu_detect(void)
{
    return 0;
}
#endif

/* From low to high; a level includes those below it. */
static const struct {
    const char *name;
    guint flag;
} levels[] = {
    {"c", 0},
    {"avx2", G4_CPU_AVX2},
    {"avx512", G4_CPU_AVX512},
    {"avx512vnni", G4_CPU_AVX512VNNI},
    {"avx512bf16", G4_CPU_AVX512BF16},
};

gboolean g4_cpu_level_parse(const char *name, guint *flags)
{
    guint sum = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(levels); i++) {
        sum |= levels[i].flag;
        if (strcmp(levels[i].name, name) == 0) {
            *flags = sum;
            return TRUE;
        }
    }
    return FALSE;
}

const char *g4_cpu_level_name(guint flags)
{
    gsize i = G_N_ELEMENTS(levels) - 1;

    while (i > 0 && !(flags & levels[i].flag))
        i--;
    return levels[i].name;
}

gboolean g4_cpu_flags(guint *flags, GError **error)
{
    const guint have = g4_cpu_detect();
    const char *name = getenv("G4_CPU");
    guint wanted;

    *flags = have;
    if (!name || !*name)
        return TRUE;
    if (!g4_cpu_level_parse(name, &wanted)) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "G4_CPU=%s: expected c, avx2, avx512, avx512vnni or avx512bf16", name);
        return FALSE;
    }
    /* VNNI and BF16 are independent: a processor may have the second without the first. */
    const guint highest = wanted & ~(wanted >> 1);
    if (wanted && (have & highest) != highest) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "G4_CPU=%s: this processor has no such level, its highest is %s", name,
                    g4_cpu_level_name(have));
        return FALSE;
    }
    *flags = have & wanted;
    return TRUE;
}
