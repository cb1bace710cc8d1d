/* SPDX-License-Identifier: Apache-2.0
 *
 * core/cpu.c, but for programs whose AVX-512 kernels are emulated with AVX2: a processor that has
 * the one has, here, all levels of the other.
 */
#define g4_cpu_detect g4_cpu_detect_native
#define g4_cpu_flags g4_cpu_flags_native
#include "../../core/cpu.c"
#undef g4_cpu_detect
#undef g4_cpu_flags

guint g4_cpu_detect(void);
gboolean g4_cpu_flags(guint *flags, GError **error);

guint g4_cpu_detect(void)
{
    const guint native = g4_cpu_detect_native();

    return native & G4_CPU_AVX2
               ? native | G4_CPU_AVX512 | G4_CPU_AVX512VNNI | G4_CPU_AVX512BF16
               : native;
}

gboolean g4_cpu_flags(guint *flags, GError **error)
{
    const char *name = getenv("G4_CPU");
    guint wanted = G_MAXUINT;

    if (name && *name && !g4_cpu_level_parse(name, &wanted)) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "G4_CPU=%s: no such level", name);
        return FALSE;
    }
    *flags = g4_cpu_detect() & wanted;
    return TRUE;
}
