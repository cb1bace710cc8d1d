/* SPDX-License-Identifier: Apache-2.0
 *
 * A temporary folder for tests that need files, and safetensors files with any header to put in it.
 */
#ifndef G4_TESTS_FOLDER_H
#define G4_TESTS_FOLDER_H

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Removes the folder and its files; not its folders' contents, of which the tests make none. */
static inline void folder_free(char *folder)
{
    if (folder == NULL)
        return;
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        char *path = g_build_filename(folder, name, NULL);
        g_assert_cmpint(g_remove(path), ==, 0);
        g_free(path);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_free(folder);
}

typedef char TestFolder;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestFolder, folder_free)

static inline TestFolder *folder_new(void)
{
    GError *error = NULL;
    char *folder = g_dir_make_tmp("gemma4-test-XXXXXX", &error);
    g_assert_no_error(error);
    return folder;
}

/* Free with g_free. */
static inline char *folder_write(const TestFolder *folder, const char *name, const void *data,
                                 gssize length)
{
    GError *error = NULL;
    char *path = g_build_filename(folder, name, NULL);
    g_file_set_contents(path, data, length, &error);
    g_assert_no_error(error);
    return path;
}

/* The eight length bytes, the header, and then `size` bytes of data (NULL: zeros, as a hole). */
static inline char *folder_write_tensors(const TestFolder *folder, const char *name,
                                         const char *header, const void *data, gsize size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint64 length = GUINT64_TO_LE((guint64)strlen(header));
    g_byte_array_append(bytes, (const guint8 *)&length, sizeof length);
    g_byte_array_append(bytes, (const guint8 *)header, (guint)strlen(header));
    gsize start = bytes->len;
    if (data != NULL)
        g_byte_array_append(bytes, data, (guint)size);
    char *path = folder_write(folder, name, bytes->data, bytes->len);
    g_assert_cmpint(truncate(path, (off_t)(start + size)), ==, 0);
    return path;
}

/* An error of this domain and code whose message has each of the words (separated by '|'). */
static inline void assert_error_names(const GError *error, GQuark domain, int code,
                                      const char *words)
{
    g_assert_nonnull(error);
    g_auto(GStrv) parts = g_strsplit(words, "|", -1);
    for (guint i = 0; parts[i] != NULL; i++) {
        if (strstr(error->message, parts[i]) == NULL)
            g_test_message("`%s` is not in `%s`", parts[i], error->message);
        g_assert_nonnull(strstr(error->message, parts[i]));
    }
    g_test_message("%s", error->message);
    g_assert_error(error, domain, code);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

#endif /* G4_TESTS_FOLDER_H */
