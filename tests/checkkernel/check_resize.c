/* SPDX-License-Identifier: Apache-2.0
 *
 * The resize kernels, and the whole resizer of a level: equal to C, byte for byte.
 */
#include "checkkernel.h"

#include <string.h>

#include "cpu.h"
#include "resize.h"
#include "workers.h"

/* Sides with windows of one sample, of odd and even counts, on both edges at once. */
static const guint sides[][2] = {
    {1, 1},     {1, 2},      {2, 1},  {1, 37},   {37, 1},    {2, 3},    {3, 2},
    {5, 4},     {4, 48},     {7, 96}, {96, 7},   {97, 48},   {100, 33}, {33, 100},
    {640, 768}, {1920, 768}, {64, 8}, {513, 11}, {1000, 16},
};

#define BENCH_ROWS G4_RESIZE_MAX_ROWS /* a multiple of every kernel's number */

typedef struct Horizontal {
    g4_resize_horizontal_fn run;
    guint8 *dst;
    gsize dst_stride;
    const guint8 *src;
    gsize src_stride;
    guint rows;
    const G4ResizePass *pass;
    void *columns;
} Horizontal;

static void run_horizontal(void *data)
{
    const Horizontal *h = data;
    for (guint y = 0; y < BENCH_ROWS; y += h->rows)
        h->run(h->dst + y * h->dst_stride, h->dst_stride, h->src + y * h->src_stride, h->src_stride,
               h->rows, h->pass, h->columns);
}

static void init_pass(Check *c, G4ResizePass *pass, guint n_in, guint n_out, guint unit)
{
    g_autoptr(GError) error = NULL;

    if (!g4_resize_pass_init(pass, n_in, n_out, unit, &error))
        check_fail(c, "%s", error->message);
}

static void check_horizontal(Check *c, const G4ResizeKernels *k)
{
    if (!check_kernel(c, "resize_horizontal_rgb", k->horizontal))
        return;
    for (guint s = 0; s < G_N_ELEMENTS(sides) + 40; s++) {
        guint n_in = s < G_N_ELEMENTS(sides) ? sides[s][0] : check_range(c, 1, 300);
        guint n_out = s < G_N_ELEMENTS(sides) ? sides[s][1] : check_range(c, 1, 300);
        guint rows = 1 + s % k->rows;
        CheckFill fill = s % CHECK_N_FILLS;
        gsize src_stride = n_in * 3 + G4_RESIZE_SLACK + check_range(c, 0, 40);
        gsize src_bytes = (rows - 1) * src_stride + n_in * 3 + G4_RESIZE_SLACK;
        G4ResizePass pass;

        check_params(c, "%u to %u, %u rows, fill %u", n_in, n_out, rows, fill);
        init_pass(c, &pass, n_in, n_out, 2);
        guint8 *src = check_input_new(c, src_bytes);
        check_fill_u8(c, src, src_bytes, fill);
        CheckBuffer *ref = check_buffer_new(c, rows, n_out * 3);
        CheckBuffer *out = check_buffer_new(c, rows, n_out * 3);
        CheckBuffer *columns = check_buffer_new(c, 1, g4_resize_columns_size(n_in, k->rows));
        g4_resize_horizontal_rgb_c(ref->data, ref->stride, src, src_stride, rows, &pass, NULL);
        k->horizontal(out->data, out->stride, src, src_stride, rows, &pass, columns->data);
        check_equal(c, ref, out);
        check_intact(c, out);

        /* Rows that touch: what is written after one is the next one. */
        CheckBuffer *packed = check_buffer_new_strided(c, rows, n_out * 3, n_out * 3);
        k->horizontal(packed->data, packed->stride, src, src_stride, rows, &pass, columns->data);
        check_equal(c, ref, packed);
        check_intact(c, packed);
        check_intact(c, columns);
        g4_resize_pass_clear(&pass);
        check_next(c);
    }

    G4ResizePass pass;
    init_pass(c, &pass, 1920, 768, 2);
    gsize stride = 1920 * 3 + G4_RESIZE_SLACK;
    guint8 *src = check_input_new(c, stride * BENCH_ROWS);
    CheckBuffer *out = check_buffer_new(c, BENCH_ROWS, 768 * 3);
    check_fill_u8(c, src, stride * BENCH_ROWS, CHECK_RANDOM);
    CheckBuffer *columns = check_buffer_new(c, 1, g4_resize_columns_size(1920, k->rows));
    check_bench(c, "1920 to 768, 16 rows", run_horizontal,
                &(Horizontal){k->horizontal, out->data, out->stride, src, stride, k->rows, &pass,
                              columns->data});
    g4_resize_pass_clear(&pass);
    check_done(c);
}

typedef struct Vertical {
    g4_resize_vertical_fn run;
    guint8 *dst;
    const guint8 *const *rows;
    gsize bytes;
    const G4ResizePass *pass;
} Vertical;

static void run_vertical(void *data)
{
    const Vertical *v = data;
    v->run(v->dst, v->rows, v->bytes, v->pass, v->pass->n_out / 2);
}

static void check_vertical(Check *c, const G4ResizeKernels *k)
{
    static const guint widths[] = {1, 2, 21, 22, 42, 43, 5, 32, 64, 85, 86};

    if (!check_kernel(c, "resize_vertical_u8", k->vertical))
        return;
    for (guint s = 0; s < G_N_ELEMENTS(sides) + 40; s++) {
        guint n_in = s < G_N_ELEMENTS(sides) ? sides[s][0] : check_range(c, 1, 120);
        guint n_out = s < G_N_ELEMENTS(sides) ? sides[s][1] : check_range(c, 1, 120);
        gsize bytes = 3 * widths[s % G_N_ELEMENTS(widths)];
        G4ResizePass pass;

        init_pass(c, &pass, n_in, n_out, 1);
        const guint8 **rows = g_new(const guint8 *, pass.taps);
        for (guint n = 0; n < MIN(n_out, 12); n++) {
            guint i = n_out <= 12 ? n : check_range(c, 0, n_out - 1);
            CheckFill fill = (s + n) % CHECK_N_FILLS;

            check_params(c, "%u to %u, row %u, %" G_GSIZE_FORMAT " bytes, fill %u", n_in, n_out, i,
                         bytes, fill);
            for (guint j = 0; j < pass.count[i]; j++) {
                guint8 *row = check_input_new(c, bytes);
                check_fill_u8(c, row, bytes, fill);
                rows[j] = row;
            }
            if (pass.count[i] % 2 != 0)
                rows[pass.count[i]] = rows[check_range(c, 0, pass.count[i] - 1)];
            CheckBuffer *ref = check_buffer_new(c, 1, bytes);
            CheckBuffer *out = check_buffer_new(c, 1, bytes);
            g4_resize_vertical_u8_c(ref->data, rows, bytes, &pass, i);
            k->vertical(out->data, rows, bytes, &pass, i);
            check_equal(c, ref, out);
            check_intact(c, out);
            check_next(c);
        }
        g_free(rows);
        g4_resize_pass_clear(&pass);
    }

    G4ResizePass pass;
    init_pass(c, &pass, 1080, 768, 1);
    CheckBuffer *in = check_buffer_new(c, pass.taps, 768 * 3);
    CheckBuffer *out = check_buffer_new(c, 1, 768 * 3);
    const guint8 **rows = g_new(const guint8 *, pass.taps);
    for (guint j = 0; j < pass.taps; j++)
        rows[j] = in->data + j * in->stride;
    check_bench(c, "1080 to 768, a row of 768", run_vertical,
                &(Vertical){k->vertical, out->data, rows, 768 * 3, &pass});
    g_free(rows);
    g4_resize_pass_clear(&pass);
    check_done(c);
}

typedef struct Convert {
    g4_rgb_from_fn run;
    guint8 *dst;
    const guint8 *src;
    gsize pixels;
} Convert;

static void run_convert(void *data)
{
    const Convert *v = data;
    v->run(v->dst, v->src, v->pixels);
}

static void check_rgb_from(Check *c, const char *name, g4_rgb_from_fn fn, g4_rgb_from_fn reference)
{
    if (!check_kernel(c, name, fn))
        return;
    for (guint pixels = 1; pixels < 140; pixels++) {
        CheckFill fill = pixels % 3 == 0 ? CHECK_EXTREME : CHECK_RANDOM;

        check_params(c, "%u pixels, fill %u", pixels, fill);
        guint8 *src = check_input_new(c, pixels * 4);
        check_fill_u8(c, src, pixels * 4, fill);
        CheckBuffer *ref = check_buffer_new(c, 1, pixels * 3);
        CheckBuffer *out = check_buffer_new(c, 1, pixels * 3);
        reference(ref->data, src, pixels);
        fn(out->data, src, pixels);
        check_equal(c, ref, out);
        check_intact(c, out);
        check_next(c);
    }

    /* Every channel value with every fourth byte. */
    check_params(c, "all pairs of channel and fourth byte");
    guint8 *src = check_input_new(c, 65536 * 4);
    CheckBuffer *ref = check_buffer_new(c, 1, 65536 * 3);
    CheckBuffer *out = check_buffer_new(c, 1, 65536 * 3);
    for (guint i = 0; i < 65536; i++) {
        src[4 * i] = i;
        src[4 * i + 1] = 255 - i;
        src[4 * i + 2] = i + 128;
        src[4 * i + 3] = i >> 8;
    }
    reference(ref->data, src, 65536);
    fn(out->data, src, 65536);
    check_equal(c, ref, out);
    check_intact(c, out);
    check_bench(c, "1920 pixels", run_convert, &(Convert){fn, out->data, src, 1920});
    check_next(c);
    check_done(c);
}

typedef struct Whole {
    G4Crew *crew;
    G4Resizer *resizer;
    G4Frame frame;
    guint8 *dst;
} Whole;

static void run_whole(void *data)
{
    const Whole *w = data;

    g4_crew_borrow(w->crew);
    g4_resizer_run(w->resizer, w->crew, &w->frame, w->dst);
    g4_crew_release(w->crew);
}

static void run_resizer(Check *c, Whole *w, guint dst_width, guint dst_height, guint flags,
                        guint threads)
{
    g_autoptr(GError) error = NULL;

    w->resizer = g4_resizer_new(w->frame.width, w->frame.height, dst_width, dst_height, flags,
                                threads, &error);
    w->crew = w->resizer ? g4_crew_new(threads, FALSE, &error) : NULL;
    if (w->crew)
        run_whole(w);
    else
        check_fail(c, "%s", error->message);
    g4_crew_free(w->crew);
    g4_resizer_free(w->resizer);
}

/* The whole, with the level's kernels; reported under the horizontal kernel's function. */
static void check_resizer(Check *c, const G4ResizeKernels *k)
{
    static const G4PixelFormat formats[] = {G4_PIXELS_RGB, G4_PIXELS_RGBX, G4_PIXELS_RGBA};
    static const guint bench_sizes[][4] = {
        {1920, 1080, 768, 768},
        {1920, 1080, 1056, 576},
        {3840, 2160, 768, 768},
        {640, 360, 768, 768},
    };

    if (!check_kernel(c, "resizer", k->horizontal))
        return;
    for (guint s = 0; s < 120; s++) {
        guint width = check_range(c, 1, 90), height = check_range(c, 1, 90);
        guint dst_width = s % 5 == 0 ? width : check_range(c, 1, 90);
        guint dst_height = s % 7 == 0 ? height : check_range(c, 1, 90);
        guint threads = 1 + s % 4;
        G4PixelFormat format = formats[s % 3];
        gsize row_bytes = width * (format == G4_PIXELS_RGB ? 3 : 4);
        gsize stride = row_bytes + check_range(c, 0, 9);
        gsize bytes = (height - 1) * stride + row_bytes;

        check_params(c, "%ux%u to %ux%u, format %u, stride %" G_GSIZE_FORMAT ", %u threads", width,
                     height, dst_width, dst_height, format, stride, threads);
        guint8 *src = check_input_new(c, bytes);
        check_fill_u8(c, src, bytes, s % 2 == 0 ? CHECK_RANDOM : CHECK_EXTREME);
        CheckBuffer *ref = check_buffer_new_strided(c, dst_height, dst_width * 3, dst_width * 3);
        CheckBuffer *out = check_buffer_new_strided(c, dst_height, dst_width * 3, dst_width * 3);
        Whole w = {.frame = {src, stride, width, height, format}};
        w.dst = ref->data;
        run_resizer(c, &w, dst_width, dst_height, 0, 1);
        w.dst = out->data;
        run_resizer(c, &w, dst_width, dst_height, c->flags, threads);
        check_equal(c, ref, out);
        check_intact(c, out);
        check_next(c);
    }
    for (guint s = 0; s < G_N_ELEMENTS(bench_sizes) && c->bench; s++) {
        const guint *size = bench_sizes[s];
        guint8 *src = check_input_new(c, (gsize)size[0] * size[1] * 3);
        CheckBuffer *out = check_buffer_new_strided(c, size[3], size[2] * 3, size[2] * 3);

        check_fill_u8(c, src, (gsize)size[0] * size[1] * 3, CHECK_RANDOM);
        for (guint threads = 1; threads <= 2; threads++) {
            g_autofree char *what = g_strdup_printf("%ux%u to %ux%u, threads %u", size[0], size[1],
                                                    size[2], size[3], threads);
            Whole w = {
                .crew = g4_crew_new(threads, FALSE, NULL),
                .resizer =
                    g4_resizer_new(size[0], size[1], size[2], size[3], c->flags, threads, NULL),
                .frame = {src, (gsize)size[0] * 3, size[0], size[1], G4_PIXELS_RGB},
                .dst = out->data,
            };
            if (w.crew && w.resizer)
                check_bench(c, what, run_whole, &w);
            g4_crew_free(w.crew);
            g4_resizer_free(w.resizer);
        }
    }
    check_done(c);
}

void check_resize(Check *c)
{
    G4ResizeKernels k;

    g4_resize_kernels_init(&k, c->flags);
    check_rgb_from(c, "rgb_from_rgbx", k.rgb_from_rgbx, g4_rgb_from_rgbx_c);
    check_rgb_from(c, "rgb_from_rgba", k.rgb_from_rgba, g4_rgb_from_rgba_c);
    check_horizontal(c, &k);
    check_vertical(c, &k);
    check_resizer(c, &k);
}
