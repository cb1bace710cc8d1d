/* SPDX-License-Identifier: Apache-2.0
 *
 * The example program, which is built as a user of the library would build it.
 */
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "folder.h"

/* Its output, or (`fails`) what it says is wrong. */
static char *run(gboolean fails, const char *model, const char *picture, const char *sentence)
{
    const char *const argv[] = {g_getenv("G4_EXAMPLE"), model, picture, sentence, NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    g_autofree char *problem = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &problem, &status,
                 &error);
    g_assert_no_error(error);
    g_test_message("%s%s", out, problem);
    g_assert_true(g_spawn_check_wait_status(status, NULL) == !fails);
    return fails ? g_steal_pointer(&problem) : g_steal_pointer(&out);
}

static void test_a_picture_and_a_sentence(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *model = g_build_filename(g_getenv("G4_TEST_DATA"), "embedding_case", NULL);
    guint8 ppm[11 + 3 * 6 * 4] = "P6 6 4 255\n";
    float cosine = NAN;

    for (guint i = 11; i < sizeof ppm; i++)
        ppm[i] = (guint8)(i * 37);
    g_autofree char *picture = folder_write(folder, "picture.ppm", ppm, sizeof ppm);
    g_autofree char *size = run(FALSE, model, picture, NULL);
    guint rows = 0, cols = 0;
    g_assert_cmpint(sscanf(size, "%u x %u\n", &rows, &cols), ==, 2);
    g_assert_cmpuint(rows, >=, 1);
    g_assert_cmpuint(cols, ==, 32);
    g_autofree char *line = run(FALSE, model, picture, "a red car");
    g_assert_cmpint(sscanf(line, "%f a red car\n", &cosine), ==, 1);
    g_assert_cmpfloat(fabsf(cosine), <=, 1.0f);

    g_autofree char *missing = run(TRUE, "/nowhere", picture, NULL);
    g_assert_nonnull(strstr(missing, "/nowhere"));
    g_autofree char *cut = folder_write(folder, "cut.ppm", ppm, sizeof ppm - 1);
    g_autofree char *refused = run(TRUE, model, cut, NULL);
    g_assert_nonnull(strstr(refused, "not a binary PPM"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/example/a-picture-and-a-sentence", test_a_picture_and_a_sentence);
    return g_test_run();
}
