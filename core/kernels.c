/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel table of a processor.
 */
#include "kernels.h"
#include "cpu.h"

#include <stdio.h>

/* Levels that add products and nothing else. */
#define PRODUCTS_ALONE (G4_CPU_AVX512VNNI | G4_CPU_AVX512BF16 | G4_CPU_DOTPROD)

#ifdef G4_HAVE_X86
static void climb_x86(G4Kernels *k, guint cpu_flags)
{
    if (cpu_flags & G4_CPU_AVX2) {
        k->rms_norm = g4_rms_norm_f32_avx2;
        k->add_rms_norm = g4_add_rms_norm_f32_avx2;
        k->clamp = g4_clamp_f32_avx2;
        k->geglu = g4_geglu_f32_avx2;
        k->softmax = g4_softmax_f32_avx2;
        k->scale = g4_scale_f32_avx2;
        k->rope = g4_rope_f32_avx2;
        k->gemm_f32 = &g4_gemm_f32_avx2;
        k->gemm_bf16 = &g4_gemm_bf16_avx2;
        k->gemm_int16 = &g4_gemm_int16_avx2;
        k->gemm_int8 = &g4_gemm_int8_avx2;
    }
    if (cpu_flags & G4_CPU_AVX512) {
        k->rms_norm = g4_rms_norm_f32_avx512;
        k->add_rms_norm = g4_add_rms_norm_f32_avx512;
        k->clamp = g4_clamp_f32_avx512;
        k->geglu = g4_geglu_f32_avx512;
        k->softmax = g4_softmax_f32_avx512;
        k->scale = g4_scale_f32_avx512;
        k->rope = g4_rope_f32_avx512;
        k->gemm_f32 = &g4_gemm_f32_avx512;
        k->gemm_bf16 = &g4_gemm_bf16_avx512;
        k->gemm_int16 = &g4_gemm_int16_avx512;
        k->gemm_int8 = &g4_gemm_int8_avx512;
    }
    /* Independent of each other; both are with AVX-512 wherever they are. */
    if (cpu_flags & G4_CPU_AVX512VNNI) {
        k->gemm_int16 = &g4_gemm_int16_avx512vnni;
        k->gemm_int8 = &g4_gemm_int8_avx512vnni;
    }
    if (cpu_flags & G4_CPU_AVX512BF16)
        k->gemm_bf16 = &g4_gemm_bf16_avx512bf16;
}
#endif

#ifdef G4_HAVE_ARM
/* All but the product of float32: ours has not been measured beside OpenBLAS's on such a processor,
 * and stands in where that is missing. */
static void climb_arm(G4Kernels *k, guint cpu_flags)
{
    if (cpu_flags & G4_CPU_NEON) {
        k->rms_norm = g4_rms_norm_f32_neon;
        k->add_rms_norm = g4_add_rms_norm_f32_neon;
        k->clamp = g4_clamp_f32_neon;
        k->geglu = g4_geglu_f32_neon;
        k->softmax = g4_softmax_f32_neon;
        k->scale = g4_scale_f32_neon;
        k->rope = g4_rope_f32_neon;
        k->gemm_bf16 = &g4_gemm_bf16_neon;
        k->gemm_int16 = &g4_gemm_int16_neon;
        k->gemm_int8 = &g4_gemm_int8_neon;
    }
    if (cpu_flags & G4_CPU_DOTPROD)
        k->gemm_int8 = &g4_gemm_int8_dotprod;
}
#endif

/* What bfloat16 asks for is bfloat16 where the processor multiplies it and the weights are stored
 * so. Weights with more digits would lose too many (tests/bench/RESULTS.md, exactness): they, and
 * all elsewhere, are 16-bit integers where these are vectorised, more exact and no slower; else
 * weights in bfloat16 save memory. On Arm, where an instruction multiplies four 16-bit integers or
 * four floats, most processors begin two of the latter in the time of one of the former (Arm's
 * software optimization guides): there weights that are stored in bfloat16 are widened, which loses
 * nothing. With 8 bits, what is not in 8 bits is the same at every level that has no bfloat16, so
 * that levels agree. */
static void choose_products(G4Kernels *k, G4Precision precision, gboolean stored_bf16)
{
    const gboolean multiplies_bf16 = k->gemm_bf16->pack_t != NULL && k->gemm_bf16->load != NULL;
    const gboolean multiplies_int16 = k->gemm_int16 != &g4_gemm_int16_c;
    const gboolean widens_bf16 = (k->cpu_flags & G4_CPU_NEON) && precision == G4_PRECISION_BF16;

    k->linear = k->embedding = k->scores = k->values = k->gemm_f32;
    if (precision == G4_PRECISION_F32)
        return;
    if (multiplies_bf16 && stored_bf16)
        k->linear = k->embedding = k->scores = k->values = k->gemm_bf16;
    else if (widens_bf16 && stored_bf16)
        k->linear = k->embedding = k->gemm_bf16;
    else if (multiplies_int16 || precision == G4_PRECISION_INT8)
        k->linear = k->embedding = k->scores = k->values = k->gemm_int16;
    else
        k->linear = k->embedding = k->gemm_bf16;
    if (precision == G4_PRECISION_INT8)
        k->linear = k->scores = k->gemm_int8;
}

void g4_kernels_init(G4Kernels *k, guint cpu_flags, G4Precision precision, gboolean stored_bf16)
{
    const char *wrong_blas = NULL;
    const char *level = g4_cpu_level_name(cpu_flags & ~PRODUCTS_ALONE);

    *k = (G4Kernels){
        .rms_norm = g4_rms_norm_f32_c,
        .add_rms_norm = g4_add_rms_norm_f32_c,
        .clamp = g4_clamp_f32_c,
        .geglu = g4_geglu_f32_c,
        .softmax = g4_softmax_f32_c,
        .scale = g4_scale_f32_c,
        .rope = g4_rope_f32_c,
        .gemm_bf16 = &g4_gemm_bf16_c,
        .gemm_int16 = &g4_gemm_int16_c,
        .gemm_int8 = &g4_gemm_int8_c,
        .cpu_flags = cpu_flags,
    };
#ifdef G4_HAVE_X86
    climb_x86(k, cpu_flags);
#endif
#ifdef G4_HAVE_ARM
    climb_arm(k, cpu_flags);
#endif
    /* Where no kernel of ours is known to be faster, OpenBLAS. */
    if (!k->gemm_f32)
        k->gemm_f32 = g4_gemm_blas(&wrong_blas);
#ifdef G4_HAVE_ARM
    if (!k->gemm_f32 && (cpu_flags & G4_CPU_NEON))
        k->gemm_f32 = &g4_gemm_f32_neon;
#endif
    if (!k->gemm_f32)
        k->gemm_f32 = &g4_gemm_f32_c;
    choose_products(k, precision, stored_bf16);
    if (k->linear == k->gemm_f32 && k->gemm_f32->row_block == 0)
        snprintf(k->name, sizeof k->name, "%s+%s", level, k->linear->name);
    else if (wrong_blas)
        snprintf(k->name, sizeof k->name, "%s (OpenBLAS not used, wrong at %s)", level, wrong_blas);
    else if (g_str_equal(k->linear->name, level))
        snprintf(k->name, sizeof k->name, "%s", level);
    else
        snprintf(k->name, sizeof k->name, "%s (products %s)", level, k->linear->name);
}
