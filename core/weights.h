/* SPDX-License-Identifier: Apache-2.0
 *
 * From a checkpoint's tensors to weights in memory: what opening a model is made of, for the vision
 * tower as for the text encoder.
 *
 * One description of what a model holds serves twice. The function that takes everything runs first
 * over a scratch that only counts: each tensor is bound by name and its shape compared with
 * config.json, and nothing has been allocated because of a number in a file. Then over a scratch of
 * that size: memory is carved, and what is to be read into it is noted. g4_loader_read reads, all
 * matrices and stored tables shared out among the workers.
 */
#ifndef G4_WEIGHTS_H
#define G4_WEIGHTS_H

#include "checkpoint.h"
#include "gemma4.h"
#include "kernels.h"
#include "scratch.h"

#include <stdatomic.h>

/* y = clamp(W clamp(x, in_min, in_max), out_min, out_max); a bound that is absent is infinite. */
typedef struct G4Linear {
    const G4Gemm *gemm;
    void *packed;    /* W, [out, in]; with in_scale, W diag(1 / in_scale) */
    float *in_scale; /* [in], or NULL: what the input is multiplied by after it was clipped */
    guint out, in;
    float in_min, in_max, out_min, out_max;
} G4Linear;

typedef struct G4Loader {
    G4Checkpoint *checkpoint; /* set by the caller; freed by g4_loader_clear */
    gboolean even_out;        /* linears behind a norm get an in_scale */

    GPtrArray *bound; /* G4Tensor, for the digest */
    GArray *matrices; /* to read and pack */
    GArray *vectors;  /* to read as float32 */
    atomic_uint next; /* of matrices */
    GMutex lock;
    GError *error; /* the first one of a worker; under lock */
} G4Loader;

void g4_loader_init(G4Loader *l);
void g4_loader_clear(G4Loader *l);

/* g4_checkpoint_bind, and noted for the digest. */
const G4Tensor *g4_loader_bind(G4Loader *l, const char *name, guint n_dims, const guint64 *dims,
                               GError **error);

/* A tensor that is kept as float32, [n]: norms, statistics. */
gboolean g4_loader_take_vector(G4Loader *l, G4Scratch *scratch, const char *prefix,
                               const char *name, guint n, float **dst, GError **error);

/* A matrix [out, in] for the product `gemm`. `norm` is where the weight of the RMSNorm ahead of it
 * is kept, or NULL: with `even_out`, channels that it makes large are evened out between the input
 * and the weights. w's bounds become infinite. */
gboolean g4_loader_take_matrix(G4Loader *l, G4Scratch *scratch, const char *prefix,
                               const char *name, const G4Gemm *gemm, float *const *norm, guint out,
                               guint in, G4Linear *w, GError **error);

/* n matrices [out, in], w[0 .. n-1], that lie one after the other in one tensor [n * out, in]. */
gboolean g4_loader_take_stack(G4Loader *l, G4Scratch *scratch, const char *name, const G4Gemm *gemm,
                              guint n, guint out, guint in, G4Linear *w, GError **error);

/* A table [rows, cols] kept in the dtype that the file has, so that no copy of it is wider. */
gboolean g4_loader_take_table(G4Loader *l, G4Scratch *scratch, const char *name, guint rows,
                              guint cols, void **dst, G4Dtype *dtype, GError **error);

/* Reads all that was taken with a scratch that has memory. */
gboolean g4_loader_read(G4Loader *l, GError **error);

/* The first 16 hex digits of SHA-256 over config.json, `settings` and, for each bound tensor in
 * name order, its name, dtype, shape, and first and last 4096 bytes. Free with g_free. */
char *g4_loader_digest(G4Loader *l, const char *config_text, gsize config_length,
                       const char *settings, GError **error);

/* bf16 for AUTO where the processor multiplies it in hardware, else f32. */
G4Precision g4_precision_choose(G4Precision wanted, guint cpu_flags);

#endif /* G4_WEIGHTS_H */
