/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise kernels on float32 rows, and the table that names one of each for a processor.
 * The C versions in kernels_c.c say what each computes; every other is tested against them.
 */
#ifndef G4_KERNELS_H
#define G4_KERNELS_H

#include "gemm.h"
#include "gemma4.h"

#include <glib.h>

/* dst[i] = src[i] * (mean(src^2) + eps)^(-1/2) * weight[i]; weight NULL: without it. In place
 * allowed. Specification, section 3. */
#define decl_rms_norm_fn(name)                                                                     \
    void(name)(float *dst, const float *src, const float *weight, guint n, float eps)
typedef decl_rms_norm_fn(*g4_rms_norm_fn);

/* x[i] += y[i] * (mean(y^2) + eps)^(-1/2) * weight[i] */
#define decl_add_rms_norm_fn(name)                                                                 \
    void(name)(float *x, const float *y, const float *weight, guint n, float eps)
typedef decl_add_rms_norm_fn(*g4_add_rms_norm_fn);

/* dst[i] = min(max(src[i], lo), hi); in place allowed, bounds may be infinite. */
#define decl_clamp_fn(name) void(name)(float *dst, const float *src, guint n, float lo, float hi)
typedef decl_clamp_fn(*g4_clamp_fn);

/* dst[i] = gelu_tanh(gate[i]) * up[i], dst may be gate. */
#define decl_geglu_fn(name) void(name)(float *dst, const float *gate, const float *up, guint n)
typedef decl_geglu_fn(*g4_geglu_fn);

/* One block of an online softmax in base 2 over one row of logits s[0 .. n-1]:
 *     m' = max(*max, max(s)); s[i] = 2^(s[i] - m'); *sum = *sum * 2^(*max - m') + sum(s); *max = m'
 * Returns 2^(old max - m'), the factor for what was accumulated before. Start with *max = -inf,
 * *sum = 0. */
#define decl_softmax_fn(name) float(name)(float *s, guint n, float *max, float *sum)
typedef decl_softmax_fn(*g4_softmax_fn);

/* x[i] *= factor */
#define decl_scale_fn(name) void(name)(float *x, guint n, float factor)
typedef decl_scale_fn(*g4_scale_fn);

/* Rotates `heads` vectors of 2 * half floats that follow each other: in each, element j and
 * j + half / 2 of the first half by the angle of cos_x[j], sin_x[j], of the second half by that of
 * cos_y[j], sin_y[j], j < half / 2. Specification, section 3, RoPE2D. */
#define decl_rope_fn(name)                                                                         \
    void(name)(float *x, guint heads, guint half, const float *cos_x, const float *sin_x,          \
               const float *cos_y, const float *sin_y)
typedef decl_rope_fn(*g4_rope_fn);

typedef struct G4Kernels {
    g4_rms_norm_fn rms_norm;
    g4_add_rms_norm_fn add_rms_norm;
    g4_clamp_fn clamp;
    g4_geglu_fn geglu;
    g4_softmax_fn softmax;
    g4_scale_fn scale;
    g4_rope_fn rope;
    const G4Gemm *gemm_f32, *gemm_bf16, *gemm_int16, *gemm_int8;
    const G4Gemm *linear;    /* the product of a layer's linears */
    const G4Gemm *embedding; /* of the patch embedding and the projection */
    const G4Gemm *scores;    /* attention's q k^T */
    const G4Gemm *values;    /* attention's p v */
    guint cpu_flags;
    char name[64]; /* e.g. "avx2", "neon+openblas", "avx512 (products avx512vnni)" */
} G4Kernels;

/* Fills the table for a processor with these flags (cpu.h): the C functions first, then each level
 * it has; then the products of `precision` (not AUTO) for weights that are stored in bfloat16 or
 * not. A function of its arguments and of whether OpenBLAS passed its check. */
void g4_kernels_init(G4Kernels *k, guint cpu_flags, G4Precision precision, gboolean stored_bf16);

decl_rms_norm_fn(g4_rms_norm_f32_c);
decl_add_rms_norm_fn(g4_add_rms_norm_f32_c);
decl_clamp_fn(g4_clamp_f32_c);
decl_geglu_fn(g4_geglu_f32_c);
decl_softmax_fn(g4_softmax_f32_c);
decl_scale_fn(g4_scale_f32_c);
decl_rope_fn(g4_rope_f32_c);

#ifdef G4_HAVE_X86
decl_rms_norm_fn(g4_rms_norm_f32_avx2);
decl_add_rms_norm_fn(g4_add_rms_norm_f32_avx2);
decl_clamp_fn(g4_clamp_f32_avx2);
decl_geglu_fn(g4_geglu_f32_avx2);
decl_softmax_fn(g4_softmax_f32_avx2);
decl_scale_fn(g4_scale_f32_avx2);
decl_rope_fn(g4_rope_f32_avx2);

decl_rms_norm_fn(g4_rms_norm_f32_avx512);
decl_add_rms_norm_fn(g4_add_rms_norm_f32_avx512);
decl_clamp_fn(g4_clamp_f32_avx512);
decl_geglu_fn(g4_geglu_f32_avx512);
decl_softmax_fn(g4_softmax_f32_avx512);
decl_scale_fn(g4_scale_f32_avx512);
decl_rope_fn(g4_rope_f32_avx512);
#endif

#ifdef G4_HAVE_ARM
decl_rms_norm_fn(g4_rms_norm_f32_neon);
decl_add_rms_norm_fn(g4_add_rms_norm_f32_neon);
decl_clamp_fn(g4_clamp_f32_neon);
decl_geglu_fn(g4_geglu_f32_neon);
decl_softmax_fn(g4_softmax_f32_neon);
decl_scale_fn(g4_scale_f32_neon);
decl_rope_fn(g4_rope_f32_neon);
#endif

#endif /* G4_KERNELS_H */
