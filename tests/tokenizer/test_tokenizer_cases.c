/* SPDX-License-Identifier: Apache-2.0
 *
 * Ids equal to those that Hugging Face `tokenizers` gave (cases/KIND.jsonl, written by
 * make_cases.py) for tokenizers of several kinds.
 */
#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "tokenizer.h"

static void check_line(const G4Tokenizer *tokenizer, const char *line, guint number)
{
    json_error_t problem;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GError) error = NULL;
    json_t *root = json_loads(line, JSON_ALLOW_NUL, &problem);
    g_assert_nonnull(root);
    json_t *text = json_object_get(root, "text"), *expected = json_object_get(root, "ids");
    g_assert_true(json_is_string(text) && json_is_array(expected));

    gboolean ok = g4_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text),
                                      ids, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    gboolean equal = ids->len == json_array_size(expected);
    for (guint i = 0; equal && i < ids->len; i++)
        equal = g_array_index(ids, guint32, i) ==
                (guint32)json_integer_value(json_array_get(expected, i));
    if (!equal) {
        g_autoptr(GString) found = g_string_new(NULL);
        for (guint i = 0; i < ids->len; i++)
            g_string_append_printf(found, " %u", g_array_index(ids, guint32, i));
        g_test_message("line %u: found%s, expected %s", number, found->str, line);
        g_test_fail();
    }
    for (guint i = 0; i < ids->len; i++)
        g_assert_cmpuint(g_array_index(ids, guint32, i), <, g4_tokenizer_get_n_ids(tokenizer));
    json_decref(root);
}

static void test_kind(gconstpointer data)
{
    const char *kind = data;
    g_autofree char *json = g_strconcat(kind, ".json", NULL);
    g_autofree char *jsonl = g_strconcat(kind, ".jsonl", NULL);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "cases", json, NULL);
    g_autofree char *lines_path = g_test_build_filename(G_TEST_DIST, "cases", jsonl, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Tokenizer) tokenizer = g4_tokenizer_open(path, &error);
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(lines_path, &text, NULL, &error));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint n = 0;
    for (; lines[n] != NULL && *lines[n] != '\0'; n++)
        check_line(tokenizer, lines[n], n + 1);
    g_assert_cmpuint(n, >=, 100);
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {"released",   "lines",       "spaces",    "some_bytes",
                                        "added_ones", "whole_words", "contiguous"};
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *name = g_strconcat("/tokenizer/equal to the reference/", kinds[i], NULL);
        g_test_add_data_func(name, kinds[i], test_kind);
    }
    return g_test_run();
}
