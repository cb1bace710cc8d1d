/* SPDX-License-Identifier: Apache-2.0
 *
 * Bicubic resampling of 8-bit pictures with antialiasing: a horizontal pass, then a vertical one,
 * each rounded and clamped to 0..255; a pass whose size does not change is left out. Weights are
 * computed in double and rounded to 22 fractional bits, sums are 32-bit integers, so that every
 * kernel, every split over threads and Pillow's BICUBIC (up to version 12) give the same bytes.
 */
#ifndef G4_RESIZE_H
#define G4_RESIZE_H

#include <glib.h>

#include "gemma4.h"
#include "workers.h"

/* ------------------------------------------------------------------------------------------
 * The resizer: one picture size to another
 */
typedef struct G4Resizer G4Resizer;

/* Makes the weights of both passes and the scratch of `threads` workers (at least 1); everything
 * that allocates happens here. `cpu_flags` (cpu.h) chooses the kernels and must not promise what
 * the processor lacks. NULL and G4_ERROR_FRAME for a side of 0 or above 2^20, or when the memory
 * for it cannot be had or would exceed 1 GiB. Thread safe. */
G4Resizer *g4_resizer_new(guint src_width, guint src_height, guint dst_width, guint dst_height,
                          guint cpu_flags, guint threads, GError **error);
void g4_resizer_free(G4Resizer *resizer); /* NULL allowed */

/* Memory that the resizer takes. */
guint64 g4_resizer_get_bytes(const G4Resizer *resizer);

/* Resizes `frame`, which has the source's size, into `dst`: RGB, dst_width * 3 bytes a row, packed.
 * Reads exactly width pixels of each row of the frame, whatever its stride and alignment. A fourth
 * byte is dropped (RGBX) or composited on white first (RGBA). Runs on the workers that `crew` has
 * acquired or borrowed, at most `threads`. Allocates nothing; one call at a time on one resizer. */
void g4_resizer_run(G4Resizer *resizer, G4Crew *crew, const G4Frame *frame, guint8 *dst);

/* ------------------------------------------------------------------------------------------
 * Weights of one pass
 */
#define G4_RESIZE_BITS 22 /* fractional bits of a weight: Pillow's PRECISION_BITS */

typedef struct G4ResizePass {
    guint n_in;
    guint n_out;     /* 0: the pass is left out, nothing below is there */
    guint taps;      /* room for weights of an output, even */
    guint32 *first;  /* [n_out], input sample of weight 0; never decreases */
    guint32 *count;  /* [n_out], 1 .. taps; first + count <= n_in and never decreases */
    gint32 *weights; /* [n_out, taps], zeros after count */
    /* [n_out, taps / 2, 4]: two weights as hi, hi, lo, lo with weight = hi * 256 + lo and
     * lo = 0 .. 255. Both halves fit a 16-bit multiply-add, whose sums are exact: a weight is
     * below 1.25 * 2^22 in magnitude. */
    gint16 *split;
    guint64 bytes;
} G4ResizePass;

/* Computes the weights from n_in to n_out samples. Windows begin at a multiple of `unit` (1 or 2),
 * with a weight of 0 where the filter begins later. FALSE and G4_ERROR_FRAME as g4_resizer_new;
 * `pass` may be cleared in any case. */
gboolean g4_resize_pass_init(G4ResizePass *pass, guint n_in, guint n_out, guint unit,
                             GError **error);
void g4_resize_pass_clear(G4ResizePass *pass);

/* ------------------------------------------------------------------------------------------
 * Kernels
 */
#define G4_RESIZE_MAX_ROWS 16 /* rows that a horizontal kernel takes at once, at most */
#define G4_RESIZE_SLACK 16    /* bytes that it may read after a row */

/* Resizes `rows` (1 .. the kernel's number) rows of RGB from pass->n_in to pass->n_out pixels; the
 * pass was made with a unit of 2. Source rows are followed by G4_RESIZE_SLACK readable bytes, whose
 * values do not matter; of a destination row exactly n_out * 3 bytes are written. `columns` is
 * scratch of g4_resize_columns_size bytes, 64-byte aligned. */
#define decl_resize_horizontal_fn(name)                                                            \
    void(name)(guint8 * dst, gsize dst_stride, const guint8 *src, gsize src_stride, guint rows,    \
               const G4ResizePass *pass, void *columns)
typedef decl_resize_horizontal_fn(*g4_resize_horizontal_fn);

/* Makes output row i of `pass`, `bytes` long, from the rows that it takes: rows[0] is input row
 * pass->first[i], and there are pass->count[i] of them; after an odd count comes one more pointer,
 * to any row that can be read. `dst` is none of them. */
#define decl_resize_vertical_fn(name)                                                              \
    void(name)(guint8 * dst, const guint8 *const *rows, gsize bytes, const G4ResizePass *pass,     \
               guint i)
typedef decl_resize_vertical_fn(*g4_resize_vertical_fn);

/* `pixels` pixels of four bytes to three: the fourth dropped (rgbx), or each composited on white
 * (rgba): (c * a + 255 * (255 - a)) / 255 to the nearest, which is what Pillow's alpha_composite
 * on an opaque white picture gives for every c and a. */
#define decl_rgb_from_fn(name) void(name)(guint8 * dst, const guint8 *src, gsize pixels)
typedef decl_rgb_from_fn(*g4_rgb_from_fn);

typedef struct G4ResizeKernels {
    g4_resize_horizontal_fn horizontal;
    guint rows; /* that it takes at once */
    g4_resize_vertical_fn vertical;
    g4_rgb_from_fn rgb_from_rgbx;
    g4_rgb_from_fn rgb_from_rgba;
} G4ResizeKernels;

/* `rows` rows of n_in pixels by columns: for two pixels, for a channel, for a row, two words. */
static inline gsize g4_resize_columns_size(guint n_in, guint rows)
{
    return ((gsize)n_in + 3) / 4 * 2 * 3 * rows * 2 * sizeof(gint16);
}

/* The best kernels that these flags (cpu.h) allow. */
void g4_resize_kernels_init(G4ResizeKernels *k, guint cpu_flags);

decl_resize_horizontal_fn(g4_resize_horizontal_rgb_c);
decl_resize_horizontal_fn(g4_resize_horizontal_rgb_avx2);
decl_resize_horizontal_fn(g4_resize_horizontal_rgb_avx512);
decl_resize_horizontal_fn(g4_resize_horizontal_rgb_neon);

decl_resize_vertical_fn(g4_resize_vertical_u8_c);
decl_resize_vertical_fn(g4_resize_vertical_u8_avx2);
decl_resize_vertical_fn(g4_resize_vertical_u8_avx512);
decl_resize_vertical_fn(g4_resize_vertical_u8_neon);

decl_rgb_from_fn(g4_rgb_from_rgbx_c);
decl_rgb_from_fn(g4_rgb_from_rgbx_avx2);
decl_rgb_from_fn(g4_rgb_from_rgbx_neon);

decl_rgb_from_fn(g4_rgb_from_rgba_c);
decl_rgb_from_fn(g4_rgb_from_rgba_avx2);
decl_rgb_from_fn(g4_rgb_from_rgba_neon);

#endif /* G4_RESIZE_H */
