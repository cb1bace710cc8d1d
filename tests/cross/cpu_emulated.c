/* SPDX-License-Identifier: Apache-2.0
 *
 * core/cpu_detect.c for programs whose AVX-512 kernels are emulated with AVX2: a processor that has
 * the one has, here, all levels of the other.
 */
#define g4_cpu_detect g4_cpu_detect_native
#include "../../core/cpu_detect.c"
#undef g4_cpu_detect

guint g4_cpu_detect(void);

guint g4_cpu_detect(void)
{
    const guint native = g4_cpu_detect_native();

    return native & G4_CPU_AVX2
               ? native | G4_CPU_AVX512 | G4_CPU_AVX512VNNI | G4_CPU_AVX512BF16
               : native;
}
