/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel table of a processor.
 */
#include "kernels.h"
#include "cpu.h"

#include <stdio.h>

void g4_kernels_init(G4Kernels *k, guint cpu_flags)
{
    const char *level = "c";

    *k = (G4Kernels){
        .rms_norm = g4_rms_norm_f32_c,
        .add_rms_norm = g4_add_rms_norm_f32_c,
        .clamp = g4_clamp_f32_c,
        .geglu = g4_geglu_f32_c,
        .softmax = g4_softmax_f32_c,
        .scale = g4_scale_f32_c,
        .rope = g4_rope_f32_c,
        .cpu_flags = cpu_flags,
    };
#ifdef G4_HAVE_X86
    if (cpu_flags & G4_CPU_AVX2) {
        level = "avx2";
        k->rms_norm = g4_rms_norm_f32_avx2;
        k->add_rms_norm = g4_add_rms_norm_f32_avx2;
        k->clamp = g4_clamp_f32_avx2;
        k->geglu = g4_geglu_f32_avx2;
        k->softmax = g4_softmax_f32_avx2;
        k->scale = g4_scale_f32_avx2;
        k->rope = g4_rope_f32_avx2;
        k->gemm_f32 = &g4_gemm_f32_avx2;
    }
    if (cpu_flags & G4_CPU_AVX512) {
        level = "avx512";
        k->rms_norm = g4_rms_norm_f32_avx512;
        k->add_rms_norm = g4_add_rms_norm_f32_avx512;
        k->clamp = g4_clamp_f32_avx512;
        k->geglu = g4_geglu_f32_avx512;
        k->softmax = g4_softmax_f32_avx512;
        k->scale = g4_scale_f32_avx512;
        k->rope = g4_rope_f32_avx512;
        k->gemm_f32 = &g4_gemm_f32_avx512;
    }
#endif
    /* Where no kernel of ours is faster, OpenBLAS; where it is missing or wrong, C. */
    if (!k->gemm_f32)
        k->gemm_f32 = g4_gemm_blas(NULL);
    if (!k->gemm_f32)
        k->gemm_f32 = &g4_gemm_f32_c;
    snprintf(k->name, sizeof k->name, "%s%s%s", level,
             k->gemm_f32->name[0] == 'o' ? "+" : "", k->gemm_f32->name[0] == 'o' ? "openblas" : "");
}
