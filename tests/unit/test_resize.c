/* SPDX-License-Identifier: Apache-2.0
 *
 * The resizer against the specification's formula, written here a second time and as directly as
 * it stands there.
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "cpu.h"
#include "resize.h"
#include "workers.h"

#define MAX_THREADS 4

/* ------------------------------------------------------------------------------------------
 * The specification
 */
static double cubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* One pass along samples `in_step` apart. */
static void resample(const guint8 *in, gsize in_step, guint n_in, guint8 *out, gsize out_step,
                     guint n_out)
{
    double scale = (double)n_in / n_out, fs = MAX(scale, 1), support = 2 * fs;
    g_autofree double *w = g_new(double, n_in);

    for (guint i = 0; i < n_out; i++) {
        double center = (i + 0.5) * scale, total = 0;
        int lo = MAX((int)(center - support + 0.5), 0);
        int hi = MIN((int)(center + support + 0.5), (int)n_in);
        gint32 sum = 1 << 21;

        for (int j = 0; j < hi - lo; j++)
            total += w[j] = cubic((j + lo - center + 0.5) * (1 / fs));
        for (int j = 0; j < hi - lo; j++) {
            w[j] /= total;
            sum += (int)(w[j] * 4194304 + (w[j] < 0 ? -0.5 : 0.5)) * in[(lo + j) * in_step];
        }
        out[i * out_step] = CLAMP(sum >> 22, 0, 255);
    }
}

/* Packed RGB to packed RGB. */
static guint8 *expected(const guint8 *rgb, guint width, guint height, guint dst_width,
                        guint dst_height)
{
    g_autofree guint8 *between = g_malloc((gsize)dst_width * height * 3);
    guint8 *out = g_malloc((gsize)dst_width * dst_height * 3);
    gsize pitch = (gsize)width * 3, dst_pitch = (gsize)dst_width * 3;

    for (guint y = 0; y < height; y++)
        for (guint c = 0; c < 3; c++)
            if (width == dst_width)
                memcpy(between + y * dst_pitch, rgb + y * pitch, pitch);
            else
                resample(rgb + y * pitch + c, 3, width, between + y * dst_pitch + c, 3, dst_width);
    for (gsize x = 0; x < dst_pitch; x++)
        if (height == dst_height)
            for (guint y = 0; y < height; y++)
                out[y * dst_pitch + x] = between[y * dst_pitch + x];
        else
            resample(between + x, dst_pitch, height, out + x, dst_pitch, dst_height);
    return out;
}

/* ------------------------------------------------------------------------------------------
 * Frames
 */
enum { NOISE, EXTREMES, RAMP, N_CONTENTS };

/* A frame of `format` whose rows are `stride` apart, in a block of exactly its size, and the packed
 * RGB that it means. */
static guint8 *make_frame(G4PixelFormat format, guint content, guint width, guint height,
                          gsize stride, guint8 **rgb)
{
    guint bytes = format == G4_PIXELS_RGB ? 3 : 4;
    guint8 *data = g_malloc0((height - 1) * stride + (gsize)width * bytes);

    *rgb = g_malloc((gsize)width * height * 3);
    for (guint y = 0; y < height; y++) {
        for (guint x = 0; x < width; x++) {
            guint8 *pixel = data + y * stride + (gsize)x * bytes;
            guint8 *out = *rgb + ((gsize)y * width + x) * 3;

            for (guint b = 0; b < bytes; b++)
                pixel[b] = content == NOISE      ? g_test_rand_int_range(0, 256)
                           : content == EXTREMES ? g_test_rand_int_range(0, 2) * 255
                                                 : x * 3 + y * 5 + b * 40;
            for (guint c = 0; c < 3; c++) {
                out[c] = pixel[c];
                if (format == G4_PIXELS_RGBA)
                    out[c] = floor((pixel[c] * pixel[3] + 255.0 * (255 - pixel[3])) / 255 + 0.5);
            }
        }
    }
    return data;
}

static const char *const levels[] = {"c", "avx2", "avx512", "neon"};
static G4Crew *crews[MAX_THREADS + 1]; /* by their number of threads */

static void run(G4Resizer *resizer, guint threads, const G4Frame *frame, guint8 *dst)
{
    g_assert_cmpuint(g4_crew_borrow(crews[threads]), ==, threads);
    g4_resizer_run(resizer, crews[threads], frame, dst);
    g4_crew_release(crews[threads]);
}

static void check(G4PixelFormat format, guint content, guint width, guint height, guint dst_width,
                  guint dst_height, guint padding, guint max_threads)
{
    g_autofree guint8 *rgb = NULL;
    gsize stride = (gsize)width * (format == G4_PIXELS_RGB ? 3 : 4) + padding;
    g_autofree guint8 *data = make_frame(format, content, width, height, stride, &rgb);
    g_autofree guint8 *wanted = expected(rgb, width, height, dst_width, dst_height);
    gsize size = (gsize)dst_width * dst_height * 3;
    g_autofree guint8 *result = g_malloc(size + 16);
    G4Frame frame = {data, stride, width, height, format};

    for (guint l = 0; l < G_N_ELEMENTS(levels); l++) {
        guint flags;

        g_assert_true(g4_cpu_level_parse(levels[l], &flags));
        if ((flags & ~g4_cpu_detect()) != 0)
            continue;
        for (guint threads = 1; threads <= max_threads; threads++) {
            g_autoptr(GError) error = NULL;
            G4Resizer *resizer =
                g4_resizer_new(width, height, dst_width, dst_height, flags, threads, &error);
            g_assert_no_error(error);
            g_assert_nonnull(resizer);
            g_assert_cmpuint(g4_resizer_get_bytes(resizer), >, 0);
            /* Twice: nothing of the first picture stays in the scratch. */
            for (guint turn = 0; turn < 2; turn++) {
                memset(result, 0x5a, size + 16);
                run(resizer, threads, &frame, result);
            }
            if (memcmp(result, wanted, size) != 0)
                g_test_message("%ux%u to %ux%u, format %d, padding %u, %s, %u threads", width,
                               height, dst_width, dst_height, format, padding, levels[l], threads);
            g_assert_cmpmem(result, size, wanted, size);
            for (guint i = 0; i < 16; i++)
                g_assert_cmpuint(result[size + i], ==, 0x5a);
            g4_resizer_free(resizer);
        }
    }
}

/* ------------------------------------------------------------------------------------------
 * Tests
 */
static void test_small_sides(void)
{
    static const guint sides[] = {1, 2, 3, 5, 8, 13};

    for (guint a = 0; a < G_N_ELEMENTS(sides); a++)
        for (guint b = 0; b < G_N_ELEMENTS(sides); b++)
            for (guint c = 0; c < G_N_ELEMENTS(sides); c++)
                for (guint d = 0; d < G_N_ELEMENTS(sides); d++)
                    check(G4_PIXELS_RGB, (a + b + c + d) % N_CONTENTS, sides[a], sides[b], sides[c],
                          sides[d], 0, 2);
}

static void test_random_sizes(void)
{
    for (guint i = 0; i < 60; i++) {
        guint width = g_test_rand_int_range(1, 150), height = g_test_rand_int_range(1, 150);
        guint dst_width = g_test_rand_int_range(1, 150), dst_height = g_test_rand_int_range(1, 150);
        guint padding = g_test_rand_int_range(0, 20);

        check(i % 3, i / 3 % N_CONTENTS, width, height, dst_width, dst_height, padding,
              MAX_THREADS);
    }
}

static void test_one_pass(void)
{
    for (guint format = 0; format < 3; format++) {
        check(format, NOISE, 61, 45, 61, 24, 0, MAX_THREADS);
        check(format, NOISE, 61, 45, 61, 100, 5, MAX_THREADS);
        check(format, NOISE, 61, 45, 24, 45, 0, MAX_THREADS);
        check(format, NOISE, 61, 45, 100, 45, 5, MAX_THREADS);
    }
}

static void test_same_size(void)
{
    for (guint format = 0; format < 3; format++) {
        check(format, NOISE, 61, 45, 61, 45, 0, MAX_THREADS);
        check(format, NOISE, 33, 2, 33, 2, 7, MAX_THREADS);
        check(format, NOISE, 1, 1, 1, 1, 0, MAX_THREADS);
    }
}

static void test_extreme_ratios(void)
{
    check(G4_PIXELS_RGB, EXTREMES, 4000, 3, 48, 48, 0, 2);
    check(G4_PIXELS_RGB, EXTREMES, 3, 4000, 48, 48, 0, 2);
    check(G4_PIXELS_RGBA, NOISE, 3000, 7, 1, 1, 3, 2);
    check(G4_PIXELS_RGB, RAMP, 1, 1, 400, 300, 0, 2);
    check(G4_PIXELS_RGB, NOISE, 640, 3, 24, 400, 1, MAX_THREADS);
}

static void test_video_sizes(void)
{
    check(G4_PIXELS_RGB, NOISE, 320, 180, 264, 144, 0, 2);
    check(G4_PIXELS_RGBX, EXTREMES, 480, 270, 192, 192, 0, 2);
    check(G4_PIXELS_RGB, RAMP, 180, 320, 192, 192, 0, 2);
}

static void test_transparency(void)
{
    guint8 rgba[] = {200, 0, 0, 128, 9, 8, 7, 0, 9, 8, 7, 255};
    const guint8 wanted[] = {227, 127, 127, 255, 255, 255, 9, 8, 7};
    guint8 result[9];
    G4Frame frame = {rgba, sizeof rgba, 3, 1, G4_PIXELS_RGBA};
    g_autoptr(GError) error = NULL;
    G4Resizer *resizer = g4_resizer_new(3, 1, 3, 1, 0, 1, &error);

    g_assert_no_error(error);
    run(resizer, 1, &frame, result);
    g_assert_cmpmem(result, sizeof result, wanted, sizeof wanted);
    g4_resizer_free(resizer);
}

static void test_absurd_sizes(void)
{
    static const guint absurd[][4] = {
        {0, 1, 1, 1},
        {1, 0, 1, 1},
        {1, 1, 0, 1},
        {1, 1, 1, 0},
        {G_MAXUINT, 1, 1, 1},
        {1, G_MAXUINT, 1, 1},
        {1, 1, G_MAXUINT, 1},
        {1, 1, 1, G_MAXUINT},
        {1 << 20, 1 << 20, (1 << 20) - 1, 1}, /* a window of rows alone is terabytes */
    };

    for (guint i = 0; i < G_N_ELEMENTS(absurd); i++) {
        const guint *s = absurd[i];
        g_autoptr(GError) error = NULL;

        g_assert_null(g4_resizer_new(s[0], s[1], s[2], s[3], 0, 1, &error));
        g_assert_error(error, G4_ERROR, G4_ERROR_FRAME);
    }
    g4_resizer_free(NULL);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    for (guint i = 1; i <= MAX_THREADS; i++) {
        crews[i] = g4_crew_new(i, FALSE, &error);
        if (!crews[i])
            g_error("%s", error->message);
    }
    g_test_add_func("/resize/small-sides", test_small_sides);
    g_test_add_func("/resize/random-sizes", test_random_sizes);
    g_test_add_func("/resize/one-pass-only", test_one_pass);
    g_test_add_func("/resize/same-size-is-a-copy", test_same_size);
    g_test_add_func("/resize/extreme-ratios", test_extreme_ratios);
    g_test_add_func("/resize/video-sizes", test_video_sizes);
    g_test_add_func("/resize/transparency-is-on-white", test_transparency);
    g_test_add_func("/resize/absurd-sizes-are-errors", test_absurd_sizes);
    int result = g_test_run();
    for (guint i = 1; i <= MAX_THREADS; i++)
        g4_crew_free(crews[i]);
    return result;
}
