/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints derived from a case, written by hand: 8 bytes of length, a JSON table, the data.
 */
#include "rewrite.h"

#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>

static char *read_file(const char *folder, const char *name, gsize *size)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;
    char *data = NULL;

    g_file_get_contents(path, &data, size, &error);
    g_assert_no_error(error);
    return data;
}

static void write_file(const char *folder, const char *name, const char *data, gsize size)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, data, size, &error);
    g_assert_no_error(error);
}

static void rewrite_weights(const char *from, const char *to, RewriteTensor rewrite)
{
    gsize size;
    g_autofree char *file = read_file(from, "model.safetensors", &size);
    guint64 length;

    memcpy(&length, file, sizeof length);
    length = GUINT64_FROM_LE(length);
    const char *data = file + 8 + length;
    json_t *table = json_loadb(file + 8, length, 0, NULL), *new_table = json_object();
    GByteArray *new_data = g_byte_array_new();
    const char *name;
    json_t *entry;

    g_assert_nonnull(table);
    json_object_foreach(table, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        const json_t *offsets = json_object_get(entry, "data_offsets");
        const guint64 begin = json_integer_value(json_array_get(offsets, 0));
        const guint64 end = json_integer_value(json_array_get(offsets, 1));
        g_assert_cmpstr(json_string_value(json_object_get(entry, "dtype")), ==, "F32");
        g_autofree char *new_name = rewrite(name, (const guint8 *)data + begin, end - begin);
        if (!new_name)
            continue;
        json_object_set_new(new_table, new_name,
                            json_pack("{s:s, s:O, s:[I, I]}", "dtype", "F32", "shape",
                                      json_object_get(entry, "shape"), "data_offsets",
                                      (json_int_t)new_data->len,
                                      (json_int_t)(new_data->len + end - begin)));
        g_byte_array_append(new_data, (const guint8 *)data + begin, end - begin);
    }

    char *text = json_dumps(new_table, JSON_COMPACT);
    GString *out = g_string_new(text);
    while (out->len % 8)
        g_string_append_c(out, ' ');
    length = GUINT64_TO_LE((guint64)out->len);
    g_string_prepend_len(out, (const char *)&length, sizeof length);
    g_string_append_len(out, (const char *)new_data->data, new_data->len);
    write_file(to, "model.safetensors", out->str, out->len);

    g_string_free(out, TRUE);
    free(text);
    g_byte_array_unref(new_data);
    json_decref(new_table);
    json_decref(table);
}

void rewrite_checkpoint(const char *from, const char *to, RewriteTensor tensor, const char *before,
                        const char *after)
{
    g_autoptr(GDir) dir = g_dir_open(from, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    rewrite_weights(from, to, tensor);
    while ((name = g_dir_read_name(dir))) {
        if (!g_str_has_suffix(name, ".json"))
            continue;
        gsize size;
        g_autofree char *file = read_file(from, name, &size);
        g_autoptr(GString) text = g_string_new_len(file, size);
        if (before && strcmp(name, "config.json") == 0)
            g_assert_cmpuint(g_string_replace(text, before, after, 0), >, 0);
        write_file(to, name, text->str, text->len);
    }
}

char *rewrite_make_folder(void)
{
    const char *parent = g_getenv("G4_TEST_TMP");
    char *folder = g_build_filename(parent ? parent : g_get_tmp_dir(), "golden.XXXXXX", NULL);
    g_assert_nonnull(g_mkdtemp(folder));
    return folder;
}

void rewrite_remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}
