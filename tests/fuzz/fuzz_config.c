/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: config.json, and behind a NUL byte, if there is one, processor_config.json.
 */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fuzz.h"

static char *folder, *config_path, *processor_path;

static void remove_folder(void)
{
    g_remove(config_path);
    g_remove(processor_path);
    g_rmdir(folder);
    g_free(config_path);
    g_free(processor_path);
    g_free(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_FATAL_MASK);
    folder = g_dir_make_tmp("gemma4-fuzz-XXXXXX", NULL);
    g_assert_nonnull(folder);
    config_path = g_build_filename(folder, "config.json", NULL);
    processor_path = g_build_filename(folder, "processor_config.json", NULL);
    atexit(remove_folder);
    return 0;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = g_fopen(path, "wb");
    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(data, 1, size, file), ==, size);
    g_assert_cmpint(fclose(file), ==, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t first = nul != NULL ? (size_t)(nul - data) : size;
    write_file(config_path, size > 0 ? (const void *)data : "", first);
    if (nul != NULL)
        write_file(processor_path, nul + 1, size - first - 1);
    else
        g_unlink(processor_path);

    G4Config config;
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(GError) error = NULL;
    gboolean ok = g4_config_read(folder, &config, &text, &length, &error);
    fuzz_check_error(ok, error);
    if (ok) {
        g_assert_cmpuint(length, ==, first);
        g_assert_cmpuint(config.heads, >, 0);
        g_assert_cmpuint(config.heads % config.kv_heads, ==, 0);
        g_assert_cmpuint(config.patch, >, 0);
        g_assert_cmpuint(config.pool, >, 0);
    }
    return 0;
}
