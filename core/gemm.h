/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products. A G4Gemm is a tile kernel together with the packing that it reads; OpenBLAS is
 * one more of them. All compute
 *
 *     c[i][j] (+)= sum_k a[i][k] * b[j][k]
 *
 * with b given row-major [out, in], as checkpoints store a linear and as q k^T wants the keys.
 */
#ifndef G4_GEMM_H
#define G4_GEMM_H

#include <glib.h>

typedef struct G4Gemm {
    const char *name; /* "avx2", "openblas", ... */
    guint nr;         /* columns of a panel: packed sizes and widths of c are multiples of it */
    guint row_block;  /* rows of `a` that run() likes at a time; 0: as many as there are */
    gboolean evens_out; /* its rows have one scale each: a linear behind a norm gets an in_scale */

    /* Bytes of b packed, [out, in]. */
    gsize (*packed_size)(guint out, guint in);

    /* Packs rows first .. first + count - 1 of b into `packed`, which began as zeros. Different
     * rows may be packed by different threads. `rows` is [count, in], `stride` floats from one row
     * to the next. */
    void (*pack)(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride);

    /* Packs columns instead: `rows` is [count, out], each row one k of b, first .. first + count -
     * 1 of `in`. What P V wants of the values. NULL where attention does not use this product. */
    void (*pack_t)(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride);

    /* The scales, [in], that load() is to be given with rows for what pack_t() packed; NULL where
     * it needs none. */
    const float *(*scales_t)(const void *packed, guint out, guint in);

    /* Bytes from one loaded row of `in` values to the next. NULL, as is load, where run() reads
     * rows of floats as they are. */
    gsize (*loaded_stride)(guint in);

    /* Brings `n` rows of floats, x[n, in], x_stride floats apart, into the form that run() reads:
     * each value clamped to lo .. hi, then multiplied by scale[k] unless scale is NULL. */
    void (*load)(void *a, gsize a_stride, const float *x, gsize x_stride, guint n, guint in,
                 float lo, float hi, const float *scale);

    /* c[rows, n] (+)= a[rows, k] b[n0 .., k0 ..]^T for n columns from n0 (a multiple of nr) and k
     * products from k0 (a multiple of G4_K_UNIT) of b packed as [out, in]. Without pack_t, k0 + k
     * is a multiple of G4_K_UNIT or `in`. `a` holds the k values alone, its rows a_stride bytes
     * apart. c: row-major, ldc floats, its rows up to nr - 1 floats longer than n. */
    void (*run)(const void *a, gsize a_stride, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate);

    /* The same for what pack_t() packed; NULL: run() takes both. */
    void (*run_t)(const void *a, gsize a_stride, guint rows, const void *packed, guint out,
                  guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                  gboolean accumulate);

    /* NULL, or what must stand round every frame's calls of run(). Thread safe, counted. */
    void (*enter)(void);
    void (*leave)(void);
} G4Gemm;

/* Products are taken in groups of so many where only a part of them is wanted. */
#define G4_K_UNIT 256

/* float32 throughout. */
extern const G4Gemm g4_gemm_f32_c;
/* b in bfloat16, widened where it is multiplied; a in float32. */
extern const G4Gemm g4_gemm_bf16_c;
/* Both sides in 16-bit fixed point with a scale for each row; equal at every level. */
extern const G4Gemm g4_gemm_int16_c;
/* b in 8 bits with a scale for each row, a in 8 bits with a scale and a zero point for each row,
 * int32 sums, equal at every level. */
extern const G4Gemm g4_gemm_int8_c;
#ifdef G4_HAVE_X86
extern const G4Gemm g4_gemm_f32_avx2;
extern const G4Gemm g4_gemm_f32_avx512;
extern const G4Gemm g4_gemm_bf16_avx2;
extern const G4Gemm g4_gemm_bf16_avx512;
extern const G4Gemm g4_gemm_bf16_avx512bf16; /* a rounded to bfloat16 too */
extern const G4Gemm g4_gemm_int16_avx2;
extern const G4Gemm g4_gemm_int16_avx512;
extern const G4Gemm g4_gemm_int16_avx512vnni;
extern const G4Gemm g4_gemm_int8_avx2;
extern const G4Gemm g4_gemm_int8_avx512;
extern const G4Gemm g4_gemm_int8_avx512vnni;
#endif
#ifdef G4_HAVE_ARM
extern const G4Gemm g4_gemm_f32_neon;
extern const G4Gemm g4_gemm_bf16_neon;
extern const G4Gemm g4_gemm_int16_neon;
extern const G4Gemm g4_gemm_int8_neon;
extern const G4Gemm g4_gemm_int8_dotprod;
#endif

/* The OpenBLAS product if this build has it and it computes what the C reference does on a few
 * small products (checked once; old builds are wrong on processors newer than they are), else NULL:
 * `wrong_shape` then receives the first product that it gets wrong, static, or NULL where this
 * build has no OpenBLAS. Thread safe.
 *
 * OpenBLAS's thread setting is the process's. From the first enter to the last leave it is 1, so
 * that our workers each call a single-threaded product; then the value that the host had is put
 * back. The window is one frame's encode. */
const G4Gemm *g4_gemm_blas(const char **wrong_shape);

/* Compares g with the C reference on products of several shapes; NULL when all agree, else a
 * static description of the first that does not. */
const char *g4_gemm_check(const G4Gemm *g);

/* c's and a's row length for n floats: a multiple of every nr, and not of a page, so that rows do
 * not fall onto the same cache sets. */
static inline gsize g4_row_stride(guint n)
{
    const gsize padded = ((gsize)n + 31) / 32 * 32;
    return padded % 512 == 0 ? padded + 32 : padded;
}

#endif /* G4_GEMM_H */
