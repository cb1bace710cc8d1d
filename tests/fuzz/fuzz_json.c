/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: the JSON trees of the small files, with every reader on every key of the root.
 */
#include "fuzz.h"
#include "json.h"

FUZZ_INITIALIZE

static void read_key(const G4JsonObject *object, const char *key)
{
    G4JsonObject inner;
    guint number = 0;
    double real = 0;
    gboolean flag = FALSE;
    const char *text = NULL;
    (void)g4_json_has(object, key);
    g_autoptr(GError) errors = NULL;
    if (!g4_json_read_object(object, key, &inner, &errors))
        g_clear_error(&errors);
    if (!g4_json_read_uint(object, key, 1, 1000, &number, &errors))
        g_clear_error(&errors);
    if (!g4_json_read_double(object, key, 0, 1, &real, &errors))
        g_clear_error(&errors);
    if (!g4_json_read_boolean(object, key, &flag, &errors))
        g_clear_error(&errors);
    if (!g4_json_read_string(object, key, &text, &errors))
        g_clear_error(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_copy(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) root = g4_json_parse("FILE", text, size, 10000, &error);
    fuzz_check_error(root != NULL, error);
    if (root == NULL)
        return 0;
    G4JsonObject object;
    g4_json_object_init(&object, root, "FILE");
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        g_autofree char *description = g4_json_describe(value);
        g_assert_true(g_utf8_validate(description, -1, NULL));
        read_key(&object, key);
    }
    return 0;
}
