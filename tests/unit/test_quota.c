/* SPDX-License-Identifier: Apache-2.0
 *
 * Quotas of control groups, from files as Linux shows them.
 */
#include "quota.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct File {
    const char *path, *text;
} File;

static void write_file(const char *root, const File *file)
{
    g_autofree char *path = g_build_filename(root, file->path, NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_file_set_contents(path, file->text, -1, &error);
    g_assert_no_error(error);
}

/* The file, and the folders that are empty without it. */
static void remove_file(const char *root, const File *file)
{
    g_autofree char *path = g_build_filename(root, file->path, NULL);

    g_assert_cmpint(g_remove(path), ==, 0);
    for (char *slash; strlen(path) > strlen(root) + 1 && (slash = strrchr(path, '/'));) {
        *slash = '\0';
        if (g_rmdir(path) != 0)
            break;
    }
}

/* Cores by these files, of which one without a path is the last. */
static guint quota(const File *files)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *made = g_dir_make_tmp("gemma4-quota-XXXXXX", &error);
    g_autofree char *root = g_build_filename(made, "root", NULL);

    g_assert_no_error(error);
    for (const File *file = files; file->path; file++)
        write_file(root, file);
    const guint cores = g4_cpu_quota(root);
    for (const File *file = files; file->path; file++)
        remove_file(root, file);
    g_rmdir(root);
    g_assert_cmpint(g_rmdir(made), ==, 0);
    return cores;
}

#define GROUP "proc/self/cgroup"
#define FS "sys/fs/cgroup/"

static void test_none(void)
{
    g_assert_cmpuint(quota((const File[]){{0}}), ==, 0);
    g_assert_cmpuint(quota((const File[]){{GROUP, "0::/\n"}, {0}}), ==, 0);
    g_assert_cmpuint(
        quota((const File[]){{GROUP, "0::/a\n"}, {FS "a/cpu.max", "max 100000\n"}, {0}}), ==, 0);
    g_assert_cmpuint(quota((const File[]){{GROUP, "2:cpu:/\n"},
                                          {FS "cpu/cpu.cfs_quota_us", "-1\n"},
                                          {FS "cpu/cpu.cfs_period_us", "100000\n"},
                                          {0}}),
                     ==, 0);
}

static void test_the_groups_own(void)
{
    g_assert_cmpuint(quota((const File[]){{GROUP, "0::/a.slice/b.service\n"},
                                          {FS "a.slice/b.service/cpu.max", "150000 100000\n"},
                                          {0}}),
                     ==, 2);
    g_assert_cmpuint(quota((const File[]){{GROUP, "9:memory:/x\n4:cpu,cpuacct:/c\n"},
                                          {FS "cpu/c/cpu.cfs_quota_us", "300000\n"},
                                          {FS "cpu/c/cpu.cfs_period_us", "100000\n"},
                                          {0}}),
                     ==, 3);
}

static void test_the_least_of_those_above(void)
{
    g_assert_cmpuint(quota((const File[]){{GROUP, "0::/a/b/c\n"},
                                          {FS "a/b/c/cpu.max", "800000 100000\n"},
                                          {FS "a/b/cpu.max", "max 100000\n"},
                                          {FS "a/cpu.max", "400000 100000\n"},
                                          {0}}),
                     ==, 4);
}

/* A container that sees its own group as the root, whatever its path is outside. */
static void test_the_root_where_the_path_is_another(void)
{
    static const char *const groups[] = {"0::/docker/0123\n", "0::/../../x\n", "0::/\n", "", "?\n"};

    for (guint i = 0; i < G_N_ELEMENTS(groups); i++)
        g_assert_cmpuint(
            quota((const File[]){{GROUP, groups[i]}, {FS "cpu.max", "50000 100000\n"}, {0}}), ==,
            1);
}

static void test_nonsense_is_no_quota(void)
{
    static const char *const texts[] = {"", "x", "5", "0 100000", "-3 100000", "100000 0", "1 -1"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_assert_cmpuint(quota((const File[]){{FS "cpu.max", texts[i]}, {0}}), ==, 0);
    g_assert_cmpuint(quota((const File[]){{FS "cpu.max", "9223372036854775807 1"}, {0}}), ==, 4096);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/quota/none", test_none);
    g_test_add_func("/quota/the-groups-own", test_the_groups_own);
    g_test_add_func("/quota/the-least-of-those-above", test_the_least_of_those_above);
    g_test_add_func("/quota/the-root-where-the-path-is-another",
                    test_the_root_where_the_path_is_another);
    g_test_add_func("/quota/nonsense-is-no-quota", test_nonsense_is_no_quota);
    return g_test_run();
}
