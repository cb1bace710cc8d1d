/* SPDX-License-Identifier: Apache-2.0
 *
 * The check that a library's products must pass before they are used (tests/checkkernel checks ours
 * more closely): it accepts what is right, and names the product where something is not.
 */
#include "gemm.h"

/* The C product, but for what a test breaks. */
static void run_without_the_last_product(const void *a, gsize a_stride, guint rows,
                                         const void *packed, guint out, guint in, guint n0, guint n,
                                         guint k0, guint k, float *c, gsize ldc,
                                         gboolean accumulate)
{
    g4_gemm_f32_c.run(a, a_stride, rows, packed, out, in, n0, n, k0, k - 1, c, ldc, accumulate);
}

/* As an old library on a new processor: right in small products, wrong in tall ones. */
static void run_wrong_in_row_299(const void *a, gsize a_stride, guint rows, const void *packed,
                                 guint out, guint in, guint n0, guint n, guint k0, guint k,
                                 float *c, gsize ldc, gboolean accumulate)
{
    g4_gemm_f32_c.run(a, a_stride, rows, packed, out, in, n0, n, k0, k, c, ldc, accumulate);
    if (rows > 299)
        c[299 * ldc + 1] += 1.0f;
}

static guint inside, entered;

static void count_enter(void)
{
    inside++;
    entered++;
}

static void count_leave(void)
{
    inside--;
}

static void run_inside(const void *a, gsize a_stride, guint rows, const void *packed, guint out,
                       guint in, guint n0, guint n, guint k0, guint k, float *c, gsize ldc,
                       gboolean accumulate)
{
    g_assert_cmpuint(inside, ==, 1);
    g4_gemm_f32_c.run(a, a_stride, rows, packed, out, in, n0, n, k0, k, c, ldc, accumulate);
}

static void test_check_accepts_the_c_product(void)
{
    g_assert_null(g4_gemm_check(&g4_gemm_f32_c));
}

static void test_check_names_the_first_wrong_product(void)
{
    G4Gemm wrong = g4_gemm_f32_c;

    wrong.run = run_without_the_last_product;
    g_assert_cmpstr(g4_gemm_check(&wrong), ==, "1 x 16 x 64");
    wrong.run = run_wrong_in_row_299;
    g_assert_cmpstr(g4_gemm_check(&wrong), ==, "300 x 96 x 256");
}

static void test_check_runs_inside_enter_and_leave(void)
{
    G4Gemm guarded = g4_gemm_f32_c;

    guarded.run = run_inside;
    guarded.enter = count_enter;
    guarded.leave = count_leave;
    g_assert_null(g4_gemm_check(&guarded));
    g_assert_cmpuint(inside, ==, 0);
    g_assert_cmpuint(entered, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gemm/check-accepts-the-c-product", test_check_accepts_the_c_product);
    g_test_add_func("/gemm/check-names-the-first-wrong-product",
                    test_check_names_the_first_wrong_product);
    g_test_add_func("/gemm/check-runs-inside-enter-and-leave",
                    test_check_runs_inside_enter_and_leave);
    return g_test_run();
}
