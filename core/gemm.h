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

    /* Bytes of b packed, [out, in]. */
    gsize (*packed_size)(guint out, guint in);

    /* Packs rows first .. first + count - 1 of b into `packed`. Rows that fill up the last panel
     * are set to zero by the call that packs row out - 1. Different rows may be packed by
     * different threads. `rows` is [count, in], `stride` floats from one row to the next. */
    void (*pack)(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride);

    /* Packs columns instead: `rows` is [count, out], each row one k of b, first .. first + count - 1
     * of `in`. What P V wants of the values. */
    void (*pack_t)(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride);

    /* c[rows, n] (+)= a[rows, k] b[n0 .., k0 ..]^T for n columns from n0 (a multiple of nr) and k
     * products from k0 of b packed as [out, in]. a: row-major, lda floats. c: row-major, ldc floats,
     * its rows up to nr - 1 floats longer than n. */
    void (*run)(const float *a, gsize lda, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate);
} G4Gemm;

extern const G4Gemm g4_gemm_f32_c;
#ifdef G4_HAVE_X86
extern const G4Gemm g4_gemm_f32_avx2;
extern const G4Gemm g4_gemm_f32_avx512;
#endif

#ifdef G4_HAVE_BLAS
extern const G4Gemm g4_gemm_f32_openblas;

/* OpenBLAS's thread setting is the process's. From the first enter to the last leave it is 1, so
 * that our workers each call a single-threaded product; then the value that the host had is put
 * back. The window is one frame's encode. Thread safe, counted. */
void g4_blas_enter(void);
void g4_blas_leave(void);
#endif

/* The OpenBLAS product if this build has it and it computes what the C reference does on a few
 * small products (checked once; old builds are wrong on processors newer than they are), else NULL.
 * `reason` receives what is wrong, or NULL. Thread safe. */
const G4Gemm *g4_gemm_blas(const char **reason);

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
