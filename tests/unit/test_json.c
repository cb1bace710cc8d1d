/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of strangers: limits, types, ranges, and errors that name the place; and the file reader
 * that feeds it.
 */
#include <glib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "file.h"
#include "folder.h"
#include "gemma4.h"
#include "json.h"

#define VALUES 1000

static json_t *parse(const char *text, gssize length, GError **error)
{
    gsize n = length < 0 ? strlen(text) : (gsize)length;
    /* A copy of the exact size, so that a sanitizer sees a read beyond it. */
    g_autofree char *copy = n > 0 ? g_memdup2(text, n) : g_malloc(1);
    return g4_json_parse("FILE", copy, n, VALUES, error);
}

static const struct {
    const char *name;
    const char *text;
    gssize length;
    const char *words;
} malformed[] = {
    {"empty", "", 0, "FILE"},
    {"one_byte", "{", 1, "FILE"},
    {"array", "[1, 2]", -1, "FILE|found an array of 2|expected a JSON object"},
    {"number", "3", -1, "FILE"},
    {"trailing", "{} x", -1, "FILE|byte"},
    {"cut_string", "{\"a\": \"b", -1, "FILE|\"a\""},
    {"cut_escape", "{\"a\": \"b\\", -1, "FILE|\"a\""},
    {"duplicate", "{\"a\": 1, \"a\": 2}", -1, "FILE|duplicate|\"a\""},
    {"nan", "{\"rms_norm_eps\": NaN}", -1, "FILE|NaN|rms_norm_eps"},
    {"infinity", "{\"eps\": Infinity}", -1, "FILE|Infinity|eps"},
    {"real_overflow", "{\"theta\": 1e999}", -1, "FILE|overflow|theta"},
    {"integer_overflow", "{\"hidden\": 99999999999999999999}", -1, "FILE|big|hidden"},
    {"nul_byte", "{\"a\0b\": 1}", 10, "FILE"},
    {"nul_escape", "{\"a\\u0000b\": 1}", -1, "FILE|u0000"},
    {"invalid_utf8", "{\"a\xff\": 1}", -1, "FILE|decode byte 0x"},
    {"truncated_utf8", "{\"a\xe2\x82\": 1}", -1, "FILE|decode byte 0x"},
    {"lone_surrogate", "{\"a\": \"\\ud800\"}", -1, "FILE|a"},
    {"control", "{\"a\": \"\x1b[31m\"}", -1, "FILE|a"},
    {"closing_first", "}{", -1, "FILE"},
};

static void test_malformed(gconstpointer data)
{
    const char *text = malformed[GPOINTER_TO_UINT(data)].text;
    g_autoptr(GError) error = NULL;
    json_t *root = parse(text, malformed[GPOINTER_TO_UINT(data)].length, &error);
    g_assert_null(root);
    assert_error_names(error, G4_ERROR, G4_ERROR_MALFORMED,
                       malformed[GPOINTER_TO_UINT(data)].words);
    g_assert_null(strchr(error->message, '\n'));
    g_assert_null(strchr(error->message, '\x1b'));
}

static char *nested(guint depth)
{
    GString *text = g_string_new("{\"a\":");
    for (guint i = 1; i < depth; i++)
        g_string_append_c(text, '[');
    for (guint i = 1; i < depth; i++)
        g_string_append_c(text, ']');
    return g_string_free(g_string_append_c(text, '}'), FALSE);
}

static void test_depth(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *most = nested(G4_JSON_MAX_DEPTH);
    g_autoptr(json_t) root = parse(most, -1, &error);
    g_assert_no_error(error);
    g_assert_nonnull(root);

    static const guint depths[] = {G4_JSON_MAX_DEPTH + 1, 3000, 4000000};
    for (guint i = 0; i < G_N_ELEMENTS(depths); i++) {
        g_autoptr(GError) problem = NULL;
        g_autofree char *deep = nested(depths[i]);
        g_assert_null(parse(deep, -1, &problem));
        assert_error_names(problem, G4_ERROR, G4_ERROR_MALFORMED, "FILE|deeper|64");
    }
}

static char *many(guint n)
{
    GString *text = g_string_new("{\"a,[{\": [0");
    for (guint i = 1; i < n; i++)
        g_string_append(text, ",0");
    return g_string_free(g_string_append(text, "]}"), FALSE);
}

static void test_number_of_values(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *most = many(VALUES - 2);
    g_autoptr(json_t) root = parse(most, -1, &error);
    g_assert_no_error(error);
    g_assert_nonnull(root);
    g_autofree char *more = many(VALUES);
    g_assert_null(parse(more, -1, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_MALFORMED, "FILE|1000");
}

static void test_readers(void)
{
    static const char text[] =
        "{\"o\": {\"u\": 7, \"d\": 2.5, \"i\": 2, \"t\": true, \"s\": \"x\", \"n\": null}}";
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) root = parse(text, -1, &error);
    g_assert_no_error(error);
    G4JsonObject top, o, none;
    guint u = 1, absent = 5;
    double d = 0, i = 0;
    gboolean t = FALSE;
    const char *s = NULL;
    g4_json_object_init(&top, root, "FILE");
    g_assert_true(g4_json_read_object(&top, "o", &o, &error));
    g_assert_true(g4_json_read_uint(&o, "u", 7, 7, &u, &error));
    g_assert_true(g4_json_read_double(&o, "d", 2, 3, &d, &error));
    g_assert_true(g4_json_read_double(&o, "i", 1, 3, &i, &error));
    g_assert_true(g4_json_read_boolean(&o, "t", &t, &error));
    g_assert_true(g4_json_read_string(&o, "s", &s, &error));
    g_assert_true(g4_json_read_uint(&o, "n", 1, 2, &absent, &error));
    g_assert_true(g4_json_read_uint(&o, "not there", 1, 2, &absent, &error));
    g_assert_true(g4_json_read_object(&o, "n", &none, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(u, ==, 7);
    g_assert_cmpfloat(d, ==, 2.5);
    g_assert_cmpfloat(i, ==, 2);
    g_assert_true(t);
    g_assert_cmpstr(s, ==, "x");
    g_assert_cmpuint(absent, ==, 5);
    g_assert_null(none.object);
    g_assert_true(g4_json_has(&o, "u"));
    g_assert_false(g4_json_has(&o, "n"));
    /* An object that is not there has no keys. */
    g_assert_true(g4_json_read_uint(&none, "u", 1, 9, &absent, &error));
    g_assert_cmpuint(absent, ==, 5);
}

static void test_wrong_types(void)
{
    static const char text[] =
        "{\"v\": {\"string\": \"768\", \"negative\": -3, \"zero\": 0, \"real\": 768.0, \"bool\": "
        "true, \"billions\": 5000000000, \"array\": [1, 2], \"object\": {}, \"long\": "
        "\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\\u001b\", \"odd\": "
        "\"a\\nb\\u001b\"}}";
    static const struct {
        const char *key, *found;
    } wrong[] = {
        {"string", "\"768\""}, {"negative", "-3"},         {"zero", "found 0,"},
        {"real", "768.0"},     {"bool", "true"},           {"billions", "5000000000"},
        {"object", "object"},  {"array", "an array of 2"}, {"long", "dddddddddd...\""},
        {"odd", "\"a b?\""},
    };
    g_autoptr(json_t) root = parse(text, -1, NULL);
    G4JsonObject top, v;
    g4_json_object_init(&top, root, "FILE");
    g_assert_true(g4_json_read_object(&top, "v", &v, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        guint value = 42;
        g_assert_false(g4_json_read_uint(&v, wrong[i].key, 1, 65536, &value, &error));
        g_autofree char *words = g_strdup_printf("FILE|v.%s|%s|an integer from 1 to 65536",
                                                 wrong[i].key, wrong[i].found);
        assert_error_names(error, G4_ERROR, G4_ERROR_MALFORMED, words);
        g_assert_cmpuint(value, ==, 42);
    }

    g_autoptr(GError) number = NULL, flag = NULL, string = NULL, object = NULL, bound = NULL;
    double d = 1;
    gboolean b = TRUE;
    const char *s = "s";
    G4JsonObject o;
    g_assert_false(g4_json_read_double(&v, "string", 0, 1000, &d, &number));
    assert_error_names(number, G4_ERROR, G4_ERROR_MALFORMED, "v.string|between 0 and 1000");
    g_assert_false(g4_json_read_double(&v, "zero", 0, 1, &d, &bound));
    assert_error_names(bound, G4_ERROR, G4_ERROR_MALFORMED, "v.zero|between 0 and 1");
    g_assert_false(g4_json_read_boolean(&v, "zero", &b, &flag));
    assert_error_names(flag, G4_ERROR, G4_ERROR_MALFORMED, "v.zero|found 0|true or false");
    g_assert_false(g4_json_read_string(&v, "real", &s, &string));
    assert_error_names(string, G4_ERROR, G4_ERROR_MALFORMED, "v.real|a string");
    g_assert_false(g4_json_read_object(&v, "array", &o, &object));
    assert_error_names(object, G4_ERROR, G4_ERROR_MALFORMED, "v.array|an object");
}

/* -------------------------------------------------------------------------------------------
 * Files
 */
static void assert_refused(const char *path, int code, const char *words)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    gsize length;
    g_assert_false(g4_file_load(path, 100, &text, &length, &error));
    assert_error_names(error, G4_ERROR, code, words);
    g_assert_null(text);
}

static void test_files_that_are_none(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *empty = folder_write(folder, "empty", "", 0);
    g_autofree char *large = folder_write(folder, "large", "", 0);
    g_autofree char *fifo = g_build_filename(folder, "fifo", NULL);
    g_autofree char *socket_path = g_build_filename(folder, "socket", NULL);
    g_autofree char *loop = g_build_filename(folder, "loop", NULL);
    g_autofree char *below = g_build_filename(empty, "below", NULL);
    g_assert_cmpint(truncate(large, (off_t)1 << 40), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("loop", loop), ==, 0);

    assert_refused(folder, G4_ERROR_UNREADABLE, "a folder");
    assert_refused(empty, G4_ERROR_UNREADABLE, "empty");
    assert_refused(large, G4_ERROR_MALFORMED, "large|1099511627776|at most 100");
    assert_refused(fifo, G4_ERROR_UNREADABLE, "a FIFO"); /* nobody writes: must not wait */
    assert_refused("/dev/zero", G4_ERROR_UNREADABLE, "a device");
    assert_refused(loop, G4_ERROR_UNREADABLE, "loop");
    assert_refused(below, G4_ERROR_MISSING, "below");
    assert_refused("", G4_ERROR_MISSING, "");

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_strlcpy(address.sun_path, socket_path, sizeof address.sun_path);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        assert_refused(socket_path, G4_ERROR_UNREADABLE, "a socket");
    if (fd >= 0)
        close(fd);
}

static void test_file_that_shrinks(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = folder_write(folder, "f", "0123456789", 10);
    g_autoptr(GError) error = NULL;
    G4File file = {.fd = -1};
    char bytes[8] = {0};
    g_assert_true(g4_file_open(&file, path, &error));
    g_assert_true(g4_file_read(&file, 6, 4, bytes, &error));
    g_assert_cmpmem(bytes, 4, "6789", 4);
    g_assert_cmpuint(atomic_load(&file.bytes_read), ==, 4);
    g_assert_cmpint(truncate(path, 7), ==, 0);
    g_assert_false(g4_file_read(&file, 6, 4, bytes, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_UNREADABLE, "ends at byte 7|expected 3");
    g4_file_clear(&file);
    g4_file_clear(&file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(malformed); i++) {
        g_autofree char *path = g_strconcat("/json/malformed/", malformed[i].name, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_malformed);
    }
    g_test_add_func("/json/depth_is_bounded", test_depth);
    g_test_add_func("/json/number_of_values_is_bounded", test_number_of_values);
    g_test_add_func("/json/readers_give_the_values", test_readers);
    g_test_add_func("/json/wrong_types_name_the_key", test_wrong_types);
    g_test_add_func("/file/only_regular_files_are_read", test_files_that_are_none);
    g_test_add_func("/file/shrinking_is_an_error", test_file_that_shrinks);
    return g_test_run();
}
