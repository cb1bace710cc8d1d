/* SPDX-License-Identifier: Apache-2.0
 *
 * The resizer, its weights and its C kernels.
 *
 * Both passes are fused: a worker owns a band of output rows and walks down it. The rows that an
 * output row needs are resized horizontally, a few at a time, into a ring just large
 * enough for one vertical window, so that what lies between the passes stays in the first caches.
 * At the seam of two bands both workers resize the few shared rows.
 */
#include "resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "workers.h"

#define MAX_SIDE (1u << 20)
#define MAX_BYTES (G_GUINT64_CONSTANT(1) << 30)

#define ROUND (1 << (G4_RESIZE_BITS - 1))

static guint64 round_up(guint64 n, guint64 unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Zeroed, on a cache line; NULL and an error instead of an abort. Free with free. */
static void *allocate(guint64 bytes, GError **error)
{
    void *memory = NULL;

    bytes = MAX(bytes, 1);
    if (bytes > MAX_BYTES || posix_memalign(&memory, 64, bytes) != 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "resizing this picture would take a buffer of %" G_GUINT64_FORMAT " bytes",
                    bytes);
        return NULL;
    }
    memset(memory, 0, bytes);
    return memory;
}

/* ------------------------------------------------------------------------------------------
 * Weights
 */
#define KEYS_A (-0.5) /* cubic of Pillow's BICUBIC */

/* Written as Pillow writes it: another order of products moves the last bit of a weight. */
static double cubic(double x)
{
    x = fabs(x);
    if (x < 1.0)
        return ((KEYS_A + 2.0) * x - (KEYS_A + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * KEYS_A;
    return 0.0;
}

gboolean g4_resize_pass_init(G4ResizePass *pass, guint n_in, guint n_out, guint unit,
                             GError **error)
{
    memset(pass, 0, sizeof *pass);
    if (n_in < 1 || n_in > MAX_SIDE || n_out < 1 || n_out > MAX_SIDE) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "cannot resize a side of %u to %u, expected 1 to %u", n_in, n_out, MAX_SIDE);
        return FALSE;
    }
    double scale = (double)n_in / n_out;
    double filter_scale = MAX(scale, 1.0);
    double support = 2.0 * filter_scale;
    /* hi - lo <= 2 * support + 1; the window may begin unit - 1 before. Never more than there are.
     */
    guint64 taps = round_up(MIN((guint64)(2 * support) + 1 + unit, n_in), 2);

    pass->bytes = n_out * (2 * sizeof(guint32) + taps * 2 * sizeof(gint32));
    if (pass->bytes > MAX_BYTES) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "resizing a side of %u to %u would take %" G_GUINT64_FORMAT " bytes of weights",
                    n_in, n_out, pass->bytes);
        return FALSE;
    }
    pass->n_in = n_in;
    pass->n_out = n_out;
    pass->taps = taps;
    double *w = allocate(taps * sizeof *w, error);
    if (w == NULL || (pass->first = allocate(n_out * sizeof *pass->first, error)) == NULL ||
        (pass->count = allocate(n_out * sizeof *pass->count, error)) == NULL ||
        (pass->weights = allocate(n_out * taps * sizeof *pass->weights, error)) == NULL ||
        (pass->split = allocate(n_out * taps * 2 * sizeof *pass->split, error)) == NULL) {
        free(w);
        return FALSE;
    }

    for (guint i = 0; i < n_out; i++) {
        double center = (i + 0.5) * scale;
        int lo = MAX((int)(center - support + 0.5), 0);
        int hi = MIN((int)(center + support + 0.5), (int)n_in);
        int first = lo / (int)unit * (int)unit;
        gint32 *weights = pass->weights + i * taps;
        gint16 *split = pass->split + i * taps * 2;
        double sum = 0;

        for (int j = 0; j < hi - lo; j++) {
            w[j] = cubic((j + lo - center + 0.5) * (1.0 / filter_scale));
            sum += w[j];
        }
        for (int j = 0; j < hi - lo; j++) {
            double normal = w[j] / sum;
            weights[lo - first + j] =
                (int)(normal * (1 << G4_RESIZE_BITS) + (normal < 0 ? -0.5 : 0.5));
        }
        for (guint j = 0; j < taps; j++) {
            split[j / 2 * 4 + j % 2] = weights[j] >> 8;
            split[j / 2 * 4 + j % 2 + 2] = weights[j] & 255;
        }
        pass->first[i] = first;
        pass->count[i] = hi - first;
    }
    free(w);
    return TRUE;
}

void g4_resize_pass_clear(G4ResizePass *pass)
{
    free(pass->first);
    free(pass->count);
    free(pass->weights);
    free(pass->split);
    memset(pass, 0, sizeof *pass);
}

/* ------------------------------------------------------------------------------------------
 * Kernels in C
 */
static guint8 rounded(gint32 sum)
{
    return CLAMP(sum >> G4_RESIZE_BITS, 0, 255);
}

void g4_resize_horizontal_rgb_c(guint8 *dst, gsize dst_stride, const guint8 *src, gsize src_stride,
                                guint rows, const G4ResizePass *pass, void *columns)
{
    for (guint y = 0; y < rows; y++, dst += dst_stride, src += src_stride) {
        for (guint i = 0; i < pass->n_out; i++) {
            const gint32 *w = pass->weights + (gsize)i * pass->taps;
            const guint8 *in = src + (gsize)pass->first[i] * 3;
            gint32 r = ROUND, g = ROUND, b = ROUND;

            for (guint j = 0; j < pass->count[i]; j++) {
                r += w[j] * in[3 * j];
                g += w[j] * in[3 * j + 1];
                b += w[j] * in[3 * j + 2];
            }
            dst[3 * i] = rounded(r);
            dst[3 * i + 1] = rounded(g);
            dst[3 * i + 2] = rounded(b);
        }
    }
}

void g4_resize_vertical_u8_c(guint8 *dst, const guint8 *const *rows, gsize bytes,
                             const G4ResizePass *pass, guint i)
{
    const gint32 *w = pass->weights + (gsize)i * pass->taps;
    gint32 sums[256];

    for (gsize x = 0; x < bytes; x += G_N_ELEMENTS(sums)) {
        gsize n = MIN(bytes - x, G_N_ELEMENTS(sums));

        for (gsize k = 0; k < n; k++)
            sums[k] = ROUND;
        for (guint j = 0; j < pass->count[i]; j++)
            for (gsize k = 0; k < n; k++)
                sums[k] += w[j] * rows[j][x + k];
        for (gsize k = 0; k < n; k++)
            dst[x + k] = rounded(sums[k]);
    }
}

void g4_rgb_from_rgbx_c(guint8 *dst, const guint8 *src, gsize pixels)
{
    for (gsize i = 0; i < pixels; i++)
        for (guint c = 0; c < 3; c++)
            dst[3 * i + c] = src[4 * i + c];
}

/* (c a + 255 (255 - a)) / 255 = 255 - a (255 - c) / 255. Division by 255 to the nearest: there are
 * no ties, since 255 is odd. */
void g4_rgb_from_rgba_c(guint8 *dst, const guint8 *src, gsize pixels)
{
    for (gsize i = 0; i < pixels; i++) {
        for (guint c = 0; c < 3; c++) {
            guint darkness = src[4 * i + 3] * (255 - src[4 * i + c]);
            dst[3 * i + c] = 255 - (darkness + 127) / 255;
        }
    }
}

void g4_resize_kernels_init(G4ResizeKernels *k, guint cpu_flags)
{
    *k = (G4ResizeKernels){
        .horizontal = g4_resize_horizontal_rgb_c,
        .rows = 1,
        .vertical = g4_resize_vertical_u8_c,
        .rgb_from_rgbx = g4_rgb_from_rgbx_c,
        .rgb_from_rgba = g4_rgb_from_rgba_c,
    };
#ifdef G4_HAVE_X86
    if (cpu_flags & G4_CPU_AVX2) {
        k->horizontal = g4_resize_horizontal_rgb_avx2;
        k->rows = 8;
        k->vertical = g4_resize_vertical_u8_avx2;
        k->rgb_from_rgbx = g4_rgb_from_rgbx_avx2;
        k->rgb_from_rgba = g4_rgb_from_rgba_avx2;
    }
    if (cpu_flags & G4_CPU_AVX512) {
        k->horizontal = g4_resize_horizontal_rgb_avx512;
        k->rows = 16;
        k->vertical = g4_resize_vertical_u8_avx512;
    }
#endif
#ifdef G4_HAVE_ARM
    if (cpu_flags & G4_CPU_NEON) {
        k->horizontal = g4_resize_horizontal_rgb_neon;
        k->rows = 4;
        k->vertical = g4_resize_vertical_u8_neon;
        k->rgb_from_rgbx = g4_rgb_from_rgbx_neon;
        k->rgb_from_rgba = g4_rgb_from_rgba_neon;
    }
#endif
}

/* ------------------------------------------------------------------------------------------
 * The resizer
 */
typedef struct Band {
    guint8 *source;      /* [kernels.rows, source_stride], RGB, slack after each row */
    void *columns;       /* scratch of the horizontal kernel */
    guint8 *ring;        /* [ring_rows, ring_stride], horizontally resized rows */
    const guint8 **rows; /* [vertical.taps], the window of one output row */
} Band;

struct G4Resizer {
    guint src_width, src_height;
    guint dst_width, dst_height;
    guint threads;
    G4ResizeKernels kernels;
    G4ResizePass horizontal;
    G4ResizePass vertical;
    gsize source_stride;
    gsize ring_stride;
    guint ring_rows; /* a multiple of kernels.rows */
    guint8 *scratch; /* what the bands point into */
    Band *bands;     /* [threads] */
    guint64 bytes;
    /* for the length of a run */
    const G4Frame *frame;
    guint8 *dst;
};

static gboolean carve_scratch(G4Resizer *r, GError **error)
{
    guint64 source = 0, columns = 0, ring = 0, rows = 0;

    if (r->horizontal.n_out > 0) {
        r->source_stride = round_up((guint64)r->src_width * 3 + G4_RESIZE_SLACK, 64);
        source = r->source_stride * r->kernels.rows;
        columns = round_up(g4_resize_columns_size(r->src_width, r->kernels.rows), 64);
    }
    if (r->vertical.n_out > 0) {
        /* A window, and what comes with its last row in a block. */
        r->ring_rows = round_up(r->vertical.taps + r->kernels.rows - 1, r->kernels.rows);
        r->ring_stride = round_up((guint64)r->dst_width * 3, 64);
        ring = r->ring_stride * r->ring_rows;
        rows = round_up(r->vertical.taps * sizeof(guint8 *), 64);
    }
    guint64 each = source + columns + ring + rows;
    r->bands = allocate(r->threads * sizeof *r->bands, error);
    if (r->bands == NULL)
        return FALSE;
    r->scratch = allocate(MIN(each, MAX_BYTES + 1) * r->threads, error);
    if (r->scratch == NULL)
        return FALSE;
    for (guint i = 0; i < r->threads; i++) {
        guint8 *p = r->scratch + i * each;
        r->bands[i] = (Band){
            .source = p,
            .columns = p + source,
            .ring = p + source + columns,
            .rows = (const guint8 **)(void *)(p + source + columns + ring),
        };
    }
    r->bytes = sizeof *r + r->threads * sizeof *r->bands + each * r->threads + r->horizontal.bytes +
               r->vertical.bytes;
    return TRUE;
}

G4Resizer *g4_resizer_new(guint src_width, guint src_height, guint dst_width, guint dst_height,
                          guint cpu_flags, guint threads, GError **error)
{
    if (MIN(MIN(src_width, src_height), MIN(dst_width, dst_height)) < 1 ||
        MAX(MAX(src_width, src_height), MAX(dst_width, dst_height)) > MAX_SIDE) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "cannot resize a picture of %ux%u to %ux%u, expected sides of 1 to %u",
                    src_width, src_height, dst_width, dst_height, MAX_SIDE);
        return NULL;
    }
    G4Resizer *r = g_new0(G4Resizer, 1);
    r->src_width = src_width;
    r->src_height = src_height;
    r->dst_width = dst_width;
    r->dst_height = dst_height;
    r->threads = MAX(threads, 1);
    g4_resize_kernels_init(&r->kernels, cpu_flags);
    if ((src_width != dst_width &&
         !g4_resize_pass_init(&r->horizontal, src_width, dst_width, 2, error)) ||
        (src_height != dst_height &&
         !g4_resize_pass_init(&r->vertical, src_height, dst_height, 1, error)) ||
        !carve_scratch(r, error)) {
        g4_resizer_free(r);
        return NULL;
    }
    return r;
}

void g4_resizer_free(G4Resizer *resizer)
{
    if (resizer == NULL)
        return;
    g4_resize_pass_clear(&resizer->horizontal);
    g4_resize_pass_clear(&resizer->vertical);
    free(resizer->scratch);
    free(resizer->bands);
    g_free(resizer);
}

guint64 g4_resizer_get_bytes(const G4Resizer *resizer)
{
    return resizer->bytes;
}

/* Row y of the frame as RGB. */
static void read_row(const G4Resizer *r, guint y, guint8 *dst)
{
    const guint8 *src = r->frame->data + y * r->frame->stride;

    switch (r->frame->format) {
    case G4_PIXELS_RGB:
        memcpy(dst, src, (gsize)r->src_width * 3);
        break;
    case G4_PIXELS_RGBX:
        r->kernels.rgb_from_rgbx(dst, src, r->src_width);
        break;
    case G4_PIXELS_RGBA:
        r->kernels.rgb_from_rgba(dst, src, r->src_width);
        break;
    }
}

/* Rows y .. y + n - 1 after the horizontal pass; n <= kernels.rows. */
static void make_rows(const G4Resizer *r, const Band *band, guint y, guint n, guint8 *dst,
                      gsize dst_stride)
{
    if (r->horizontal.n_out == 0) {
        for (guint k = 0; k < n; k++)
            read_row(r, y + k, dst + k * dst_stride);
        return;
    }
    for (guint k = 0; k < n; k++)
        read_row(r, y + k, band->source + k * r->source_stride);
    r->kernels.horizontal(dst, dst_stride, band->source, r->source_stride, n, &r->horizontal,
                          band->columns);
}

static void resize_band(void *data, guint worker, guint n_workers)
{
    const G4Resizer *r = data;
    const Band *band = &r->bands[worker];
    gsize pitch = (gsize)r->dst_width * 3;
    guint first, last;

    g4_workers_split(r->dst_height, 1, worker, n_workers, &first, &last);
    if (first >= last)
        return;
    if (r->vertical.n_out == 0) {
        for (guint y = first; y < last; y += r->kernels.rows)
            make_rows(r, band, y, MIN(last - y, r->kernels.rows), r->dst + y * pitch, pitch);
        return;
    }

    gboolean in_place = r->horizontal.n_out == 0 && r->frame->format == G4_PIXELS_RGB;
    guint base = r->vertical.first[first];
    guint end = r->vertical.first[last - 1] + r->vertical.count[last - 1];
    guint made = base; /* rows of the ring made so far */

    for (guint i = first; i < last; i++) {
        guint lo = r->vertical.first[i];
        guint count = r->vertical.count[i];

        if (in_place) {
            for (guint j = 0; j < count; j++)
                band->rows[j] = r->frame->data + (lo + j) * r->frame->stride;
        } else {
            while (made < lo + count) {
                guint n = MIN(end - made, r->kernels.rows);
                guint slot = (made - base) % r->ring_rows;
                make_rows(r, band, made, n, band->ring + slot * r->ring_stride, r->ring_stride);
                made += n;
            }
            for (guint j = 0; j < count; j++)
                band->rows[j] = band->ring + (lo + j - base) % r->ring_rows * r->ring_stride;
        }
        if (count % 2 != 0)
            band->rows[count] = band->rows[count - 1];
        r->kernels.vertical(r->dst + i * pitch, band->rows, pitch, &r->vertical, i);
    }
}

void g4_resizer_run(G4Resizer *resizer, G4Crew *crew, const G4Frame *frame, guint8 *dst)
{
    resizer->frame = frame;
    resizer->dst = dst;
    g4_crew_run(crew, resize_band, resizer);
    resizer->frame = NULL;
    resizer->dst = NULL;
}
