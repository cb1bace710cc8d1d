/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels of kernels: their names, and the one that the environment asks for.
 */
#include "cpu.h"
#include "gemma4.h"

#include <stdlib.h>
#include <string.h>

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
