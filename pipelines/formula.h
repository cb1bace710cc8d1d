/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and frames from a formula.
 *
 * A full-size checkpoint need not be stored or downloaded to try the encoder, to time it or to
 * compare it with another implementation: each value follows from the tensor's name and its
 * row-major index, with integers and one double expression, so every language makes the same bits.
 *
 *   base     = fnv1a64(name) + seed * 0xD1B54A32D192ED03            (mod 2^64)
 *   z(i)     = splitmix64(base + i)
 *   u(i)     = (z(i) >> 40) / 2^23 - 1                              in [-1, 1), exact
 *   value(i) = (float)(offset + scale * u(i))                       in double
 *
 * scale and offset are float32, so that the product is exact in double and a fused multiply-add
 * changes nothing. The name is the canonical one ("model.vision_tower...", "model.embed_vision...")
 * whatever prefix the file uses. bfloat16 is the float32 value rounded to nearest, ties to even.
 *
 * With outliers, 0.5 % of the channels of the norms ahead of a layer's linears are made far larger
 * than the rest, as training makes them: channel c of such a norm is one where z(2^32 + c) of the
 * norm's stream is a multiple of 200. The norm's value is then taken times 30, and those of the
 * linears' columns c over 30 (in float32, before any rounding to bfloat16), so that the products
 * stay what they were; the linears' input bounds are 30 times as wide.
 *
 * Such weights have the statistics of a trained network at each stage (norms, logits, clipped
 * shares), but they have learned nothing: two pictures' embeddings differ as their pixels do.
 *
 * Everything here is thread safe; nothing allocates but g4_formula_tensors.
 */
#ifndef G4_FORMULA_H
#define G4_FORMULA_H

#include <glib.h>

/* A kind of full-size checkpoint. All: D 768, H = G = 12, d 64, F 3072, P 16, k 3. */
typedef struct G4FormulaKind {
    const char *name;
    const char *what;   /* one line for a person */
    const char *prefix; /* before "vision_tower." and "embed_vision." in the file */
    guint layers;
    gboolean clipped;
    float clip_center; /* mean of the clip bounds' absolute values */
    guint table;       /* rows of each position table */
    guint output_dim;
    guint square_size;       /* square policy: side in pixels; 0: aspect policy */
    guint image_soft_tokens; /* aspect policy: budgets of a picture and of a video frame */
    guint video_soft_tokens;
    gboolean text;     /* the text encoder's tensors come behind these (formula_text.h) */
    gboolean outliers; /* none of the table has them: set in a copy */
} G4FormulaKind;

#define G4_FORMULA_HIDDEN 768
#define G4_FORMULA_HEADS 12
#define G4_FORMULA_HEAD_DIM 64
#define G4_FORMULA_FFN 3072
#define G4_FORMULA_PATCH 16
#define G4_FORMULA_POOL 3

/* The kinds, in a table that ends with a NULL name: base12, e2b, tower16, embeddinggemma2. */
extern const G4FormulaKind g4_formula_kinds[];

/* NULL without one of that name. */
const G4FormulaKind *g4_formula_kind_find(const char *name);

/* One tensor of a checkpoint. */
typedef struct G4FormulaTensor {
    char *name; /* canonical */
    guint n_dims;
    guint64 dims[3];
    guint64 elements; /* 1 for a scalar (n_dims 0) */
    float scale, offset;
    char *norm;   /* canonical name of the norm whose outlying channels this follows, or NULL */
    float factor; /* of the values in these columns */
} G4FormulaTensor;

/* All tensors of `kind`, in the order of its file: a GArray of G4FormulaTensor that frees the
 * strings; the caller's. */
GArray *g4_formula_tensors(const G4FormulaKind *kind);

guint64 g4_formula_fnv1a64(const char *name);

/* Start of the stream of `name`. */
guint64 g4_formula_base(const char *name, guint64 seed);

/* z(i) of the stream that starts at `base`. */
guint64 g4_formula_integer(guint64 base, guint64 i);

/* Values first .. first + count - 1 into dst. */
void g4_formula_fill_f32(guint64 base, guint64 first, gsize count, float scale, float offset,
                         float *dst);
void g4_formula_fill_bf16(guint64 base, guint64 first, gsize count, float scale, float offset,
                          guint16 *dst);

/* Whether channel c of the norm whose stream starts at `base` is far larger than the rest. */
gboolean g4_formula_is_outlier(guint64 base, guint64 channel);

/* The same of a tensor, with its outliers: float32, or bfloat16. */
void g4_formula_fill_tensor(const G4FormulaTensor *tensor, guint64 seed, guint64 first, gsize count,
                            gboolean bf16, void *dst);

/* A picture of gradients, shapes, hard edges and a little noise: packed RGB, width x height x 3
 * bytes, into rgb. */
void g4_formula_frame(guint width, guint height, guint64 seed, guint8 *rgb);

#endif /* G4_FORMULA_H */
