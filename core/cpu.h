/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processor and the operating system offer.
 */
#ifndef G4_CPU_H
#define G4_CPU_H

#include <glib.h>

enum {
    G4_CPU_AVX2 = 1 << 0,   /* AVX2 and FMA */
    G4_CPU_AVX512 = 1 << 1, /* F, BW, VL, DQ */
    G4_CPU_AVX512VNNI = 1 << 2,
    G4_CPU_AVX512BF16 = 1 << 3,
    G4_CPU_NEON = 1 << 4,    /* Advanced SIMD, which every aarch64 processor has */
    G4_CPU_DOTPROD = 1 << 5, /* sdot and udot: the optional extension of Armv8.2 */
};

/* Flags of this processor, held down to the level that G4_CPU names (c; avx2, avx512, avx512vnni,
 * avx512bf16; neon, dotprod). Fails with G4_ERROR_SETTINGS on a name that is not one or a level
 * that the processor lacks. Thread safe. */
gboolean g4_cpu_flags(guint *flags, GError **error);

/* What the processor has, whatever G4_CPU says. */
guint g4_cpu_detect(void);

/* The name of the highest level in flags; static. */
const char *g4_cpu_level_name(guint flags);

/* Parses a level's name into the flags up to it; FALSE when it is none. */
gboolean g4_cpu_level_parse(const char *name, guint *flags);

#endif /* G4_CPU_H */
