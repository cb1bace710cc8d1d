/* SPDX-License-Identifier: Apache-2.0
 *
 * Target sizes and patches.
 */
#include <glib.h>

#include "preprocess.h"

/* width, height, patch, pool, budget, and what Transformers' get_aspect_ratio_preserving_size makes
 * of it. */
static const guint sizes[][7] = {
    /* the rounding edges of the specification: exact arithmetic gives another size */
    {34, 17, 8, 3, 8, 72, 24},
    {385, 22, 16, 3, 280, 69 * 48, 4 * 48},
    /* usual video */
    {1920, 1080, 16, 3, 280, 1056, 576},
    {1920, 1080, 16, 3, 70, 528, 288},
    {1280, 720, 16, 3, 280, 1056, 576},
    {720, 1280, 16, 3, 280, 576, 1056},
    {1080, 1920, 16, 3, 70, 288, 528},
    {3840, 2160, 16, 3, 1120, 2112, 1200},
    {640, 480, 16, 3, 70, 432, 336},
    {768, 768, 16, 3, 256, 768, 768},
    /* one side falls to 0: bounded by the ratio, or by the budget */
    {400, 20, 4, 3, 4, 48, 12},
    {20, 400, 4, 3, 4, 12, 48},
    {13, 300, 4, 3, 4, 12, 48},
    {9, 4, 4, 3, 1, 12, 12},
    {32768, 1, 16, 3, 280, 280 * 48, 48},
    {1, 32768, 16, 3, 280, 48, 280 * 48},
    /* the smallest and the largest */
    {1, 1, 16, 3, 1, 48, 48},
    {1, 1, 16, 3, 70, 384, 384},
    {32768, 32768, 16, 3, 65536, 12288, 12288},
};

static void test_sizes(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const guint *s = sizes[i];
        g_autoptr(GError) error = NULL;
        guint width = 0, height = 0;

        gboolean ok = g4_target_size(s[0], s[1], s[2], s[3], s[4], &width, &height, &error);
        g_assert_no_error(error);
        g_assert_true(ok);
        if (width != s[5] || height != s[6])
            g_test_message("%ux%u with %u soft tokens of %u pixels: %ux%u, expected %ux%u", s[0],
                           s[1], s[4], s[2] * s[3], width, height, s[5], s[6]);
        g_assert_cmpuint(width, ==, s[5]);
        g_assert_cmpuint(height, ==, s[6]);
    }
}

/* Never more soft tokens than the budget, never less than one block to a side. */
static void test_budget_holds(void)
{
    for (guint width = 1; width < 2000; width += 37) {
        for (guint height = 1; height < 2000; height += 41) {
            for (guint budget = 1; budget <= 1120; budget = budget * 3 + 1) {
                guint w = 0, h = 0;

                if (!g4_target_size(width, height, 16, 3, budget, &w, &h, NULL))
                    continue;
                g_assert_cmpuint(w % 48, ==, 0);
                g_assert_cmpuint(h % 48, ==, 0);
                g_assert_cmpuint(w / 48, >=, 1);
                g_assert_cmpuint(h / 48, >=, 1);
                g_assert_cmpuint((w / 48) * (h / 48), <=, budget);
            }
        }
    }
}

static void test_impossible_sizes(void)
{
    static const guint impossible[][5] = {
        {17, 17, 16, 3, 1}, /* both sides fall to 0 */
        {0, 10, 16, 3, 280},
        {10, 0, 16, 3, 280},
        {0, 0, 16, 3, 280},
        {G_MAXUINT, 10, 16, 3, 280},
        {10, G_MAXUINT, 16, 3, 280},
        {100, 100, 16, 3, 0},
        {100, 100, 65535, 65535, G_MAXUINT}, /* its pixels are no whole number in double */
        {100, 100, G_MAXUINT, G_MAXUINT, G_MAXUINT},
    };

    for (guint i = 0; i < G_N_ELEMENTS(impossible); i++) {
        const guint *s = impossible[i];
        g_autoptr(GError) error = NULL;
        guint width, height;

        g_assert_false(g4_target_size(s[0], s[1], s[2], s[3], s[4], &width, &height, &error));
        g_assert_error(error, G4_ERROR, G4_ERROR_FRAME);
    }
}

static void test_patches(void)
{
    static const guint shapes[][3] = {{4, 3, 2}, {1, 1, 1}, {3, 1, 16}, {2, 5, 3}, {1, 4, 7}};
    float values[256];

    for (guint v = 0; v < 256; v++)
        values[v] = v / 255.0f;
    for (guint s = 0; s < G_N_ELEMENTS(shapes); s++) {
        guint grid_width = shapes[s][0], grid_height = shapes[s][1], patch = shapes[s][2];
        guint width = grid_width * patch, height = grid_height * patch;
        guint n = grid_width * grid_height, length = patch * patch * 3, stride = length + 5;
        g_autofree guint8 *pixels = g_malloc(width * height * 3);
        g_autofree float *rows = g_new(float, n *stride);

        for (guint i = 0; i < width * height * 3; i++)
            pixels[i] = g_test_rand_int_range(0, 256);
        /* All at once, then in pieces. */
        for (guint piece = n; piece >= 1; piece = piece > 1 ? piece / 2 : 0) {
            for (guint i = 0; i < n * stride; i++)
                rows[i] = -1;
            for (guint first = 0; first < n; first += piece)
                g4_patchify(pixels, width, patch, first, MIN(piece, n - first), values,
                            rows + first * stride, stride);
            for (guint y = 0; y < height; y++) {
                for (guint x = 0; x < width * 3; x++) {
                    guint i = y / patch * grid_width + x / 3 / patch;
                    guint at = y % patch * patch * 3 + x % (patch * 3);
                    g_assert_cmpfloat(rows[i * stride + at], ==,
                                      pixels[y * width * 3 + x] / 255.0f);
                }
            }
            for (guint i = 0; i < n; i++)
                for (guint at = length; at < stride; at++)
                    g_assert_cmpfloat(rows[i * stride + at], ==, -1);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/preprocess/target-sizes-are-the-reference's", test_sizes);
    g_test_add_func("/preprocess/the-budget-holds", test_budget_holds);
    g_test_add_func("/preprocess/impossible-sizes-are-errors", test_impossible_sizes);
    g_test_add_func("/preprocess/patches-are-in-order", test_patches);
    return g_test_run();
}
