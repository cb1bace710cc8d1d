/* SPDX-License-Identifier: Apache-2.0
 *
 * replay FOLDER: runs a fuzz target over every file of its corpus. Writes TAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = argc == 2 ? g_dir_open(argv[1], 0, NULL) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "replay FOLDER\n");
        return 2;
    }
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        g_ptr_array_add(names, g_strdup(name));
    g_dir_close(dir);
    if (names->len == 0)
        return 2;
    qsort(names->pdata, names->len, sizeof *names->pdata, compare);
    LLVMFuzzerInitialize(&argc, &argv);
    printf("1..%u\n", names->len);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_autofree char *text = NULL;
        gsize size;
        if (!g_file_get_contents(path, &text, &size, NULL))
            return 1;
        LLVMFuzzerTestOneInput((const uint8_t *)text, size);
        printf("ok %u %s\n", i + 1, name);
        fflush(stdout);
    }
    return 0;
}
