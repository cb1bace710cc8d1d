/* SPDX-License-Identifier: Apache-2.0
 *
 * Quotas of control groups: Linux's Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
 * scheduler/sched-bwc.rst (v1).
 */
#include "quota.h"

#include <string.h>

#define MOST_CORES 4096

/* Of two numbers of cores, of which 0 is none. */
static guint least(guint a, guint b)
{
    return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

static char *read_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

/* Of the group whose files are in `folder`. A v2 file holds both numbers, or "max" for the first;
 * in v1 no quota is -1. */
static guint quota_of(const char *folder, gboolean v2)
{
    g_autofree char *quota_text = read_file(folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    g_autofree char *period_text = v2 ? NULL : read_file(folder, "cpu.cfs_period_us");
    char *end;

    if (!quota_text || (!v2 && !period_text))
        return 0;
    const gint64 quota = g_ascii_strtoll(quota_text, &end, 10);
    const gint64 period = g_ascii_strtoll(v2 ? end : period_text, NULL, 10);
    if (quota <= 0 || period <= 0)
        return 0;
    return (guint)MIN(quota / period + (quota % period != 0), MOST_CORES);
}

/* Of the group `path` ("/a/b") and of those above it. */
static guint least_above(const char *root, gboolean v2, const char *path)
{
    /* From outside of what this process can see there is nothing to read. */
    g_autofree char *group = g_strdup(strstr(path, "..") ? "" : path);
    guint cores = 0;

    for (;;) {
        g_autofree char *folder =
            g_build_filename(root, "sys/fs/cgroup", v2 ? "" : "cpu", group, NULL);
        char *last = strrchr(group, '/');
        cores = least(cores, quota_of(folder, v2));
        if (*group == '\0')
            return cores;
        *(last ? last : group) = '\0';
    }
}

/* Whether a line's list of controllers ("cpu,cpuacct") has that of CPU time. */
static gboolean has_cpu(const char *controllers)
{
    g_auto(GStrv) names = g_strsplit(controllers, ",", -1);

    return g_strv_contains((const char *const *)names, "cpu");
}

guint g4_cpu_quota(const char *root)
{
    g_autofree char *groups = read_file(root, "proc/self/cgroup");
    g_auto(GStrv) lines = g_strsplit(groups ? groups : "", "\n", -1);
    guint cores = least(least_above(root, TRUE, ""), least_above(root, FALSE, ""));

    /* "0::/path" is the group of v2, "4:cpu,cpuacct:/path" that of a controller of v1. */
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) parts = g_strsplit(lines[i], ":", 3);
        if (g_strv_length(parts) != 3)
            continue;
        const gboolean v2 = *parts[1] == '\0';
        if (v2 || has_cpu(parts[1]))
            cores = least(cores, least_above(root, v2, parts[2]));
    }
    return cores;
}
