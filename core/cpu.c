/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels of kernels: their names, and the one that the environment asks for.
 */
#include "cpu.h"
#include "gemma4.h"

#include <stdlib.h>
#include <string.h>

#define BELOW_AVX512 G4_CPU_AVX2
#define BELOW_VNNI (BELOW_AVX512 | G4_CPU_AVX512)

/* From low to high within an architecture; a level includes those below it. */
static const struct {
    const char *name;
    guint flag;
    guint below;
} levels[] = {
    {"c", 0, 0},
    {"avx2", G4_CPU_AVX2, 0},
    {"avx512", G4_CPU_AVX512, BELOW_AVX512},
    {"avx512vnni", G4_CPU_AVX512VNNI, BELOW_VNNI},
    {"avx512bf16", G4_CPU_AVX512BF16, BELOW_VNNI | G4_CPU_AVX512VNNI},
    {"neon", G4_CPU_NEON, 0},
    {"dotprod", G4_CPU_DOTPROD, G4_CPU_NEON},
};

/* The number of a name's level; G_N_ELEMENTS(levels) when there is none. */
static gsize find(const char *name)
{
    gsize i = 0;

    while (i < G_N_ELEMENTS(levels) && strcmp(levels[i].name, name) != 0)
        i++;
    return i;
}

gboolean g4_cpu_level_parse(const char *name, guint *flags)
{
    const gsize i = find(name);

    if (i == G_N_ELEMENTS(levels))
        return FALSE;
    *flags = levels[i].flag | levels[i].below;
    return TRUE;
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

    *flags = have;
    if (!name || !*name)
        return TRUE;
    const gsize i = find(name);
    if (i == G_N_ELEMENTS(levels)) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "G4_CPU=%s: expected c; avx2, avx512, avx512vnni or avx512bf16 on x86; neon or "
                    "dotprod on Arm",
                    name);
        return FALSE;
    }
    /* VNNI and BF16 are independent: a processor may have the second without the first. */
    if ((have & levels[i].flag) != levels[i].flag) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "G4_CPU=%s: this processor has no such level, its highest is %s", name,
                    g4_cpu_level_name(have));
        return FALSE;
    }
    *flags = have & (levels[i].flag | levels[i].below);
    return TRUE;
}
