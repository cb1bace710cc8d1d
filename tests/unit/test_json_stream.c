/* SPDX-License-Identifier: Apache-2.0
 *
 * The streaming JSON reader: what it makes of all that JSON allows, and what it says of the rest;
 * from a text in memory and from a file of several windows, which must not differ.
 */
#include "json_stream.h"

#include <glib.h>
#include <string.h>

#include "folder.h"
#include "gemma4.h"

/* All events in one line: { } [ ] k:KEY s:STRING i:INTEGER r:REAL t f n, or !MESSAGE. Text is
 * escaped, long text shortened to its length. */
static char *events_of(G4JsonStream *stream)
{
    static const char marks[] = "{}[]ksirtfn";
    GString *out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    G4JsonEvent event;
    while (g4_json_stream_next(stream, &event, &error)) {
        if (event.type == G4_JSON_END)
            return g_string_free(out, FALSE);
        if (out->len > 0)
            g_string_append_c(out, ' ');
        g_string_append_c(out, marks[event.type]);
        if (event.type < G4_JSON_KEY || event.type > G4_JSON_REAL)
            continue;
        g_string_append_c(out, ':');
        if (event.type == G4_JSON_INTEGER)
            g_string_append_printf(out, "%" G_GINT64_FORMAT, event.integer);
        else if (event.length > 100)
            g_string_append_printf(out, "%" G_GSIZE_FORMAT " bytes", event.length);
        else
            for (gsize i = 0; i < event.length; i++)
                g_string_append_printf(out, g_ascii_isgraph(event.text[i]) ? "%c" : "<%02x>",
                                       (guint8)event.text[i]);
    }
    g_assert_nonnull(error);
    g_assert_true(error->domain == G4_ERROR && error->code == G4_ERROR_MALFORMED);
    g_string_truncate(out, 0);
    g_string_append_printf(out, "!%s", error->message);
    return g_string_free(out, FALSE);
}

/* The bytes in a block of exactly their size, so that a sanitizer sees each step beyond. */
static char *events_of_text(const char *text, gsize length)
{
    G4JsonStream stream;
    g_autofree char *copy = g_memdup2(text, MAX(length, 1));
    g4_json_stream_init_text(&stream, "FILE", copy, length);
    char *events = events_of(&stream);
    g4_json_stream_clear(&stream);
    return events;
}

static void test_good(void)
{
    static const char *const good[][2] = {
        {"{}", "{ }"},
        {" [ ] \n", "[ ]"},
        {"[[],{}]", "[ [ ] { } ]"},
        {"3", "i:3"},
        {"\"\"", "s:"},
        {"{\"a\":1,\"b\" : [ true , false,null ]}", "{ k:a i:1 k:b [ t f n ] }"},
        {"{\"a\":1,\"a\":2}", "{ k:a i:1 k:a i:2 }"}, /* left to the reader of the events */
        {"[0,-0,-12,1.5,1e3,1E+3,-0.25e-2]", "[ i:0 i:0 i:-12 r:1.5 r:1e3 r:1E+3 r:-0.25e-2 ]"},
        {"[9223372036854775807,-9223372036854775808,9223372036854775808]",
         "[ i:9223372036854775807 i:-9223372036854775808 r:9223372036854775808 ]"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s:\"\\/<08><0c><0a><0d><09>"},
        {"\"\\u0041\\u00e9\\u2581\\uD83D\\ude97\\u0000\"",
         "s:A<c3><a9><e2><96><81><f0><9f><9a><97><00>"},
        {"\"\xc3\xa9\xf0\x9f\x9a\x97\x7f\"", "s:<c3><a9><f0><9f><9a><97><7f>"},
        {"\"\xef\xbb\xbf\"", "s:<ef><bb><bf>"},
        {"[\"\\ud7ff\\uE000\xed\x9f\xbf\xee\x80\x80\"]",
         "[ s:<ed><9f><bf><ee><80><80><ed><9f><bf><ee><80><80> ]"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *events = events_of_text(good[i][0], strlen(good[i][0]));
        g_assert_cmpstr(events, ==, good[i][1]);
    }
}

static void test_bad(void)
{
    static const char *const bad[][2] = {
        {"", "byte 0: found the end of the file, expected a value"},
        {"  ", "byte 2: found the end of the file, expected a value"},
        {"{} x", "byte 3: found 'x', expected the end of the file"},
        {"[1 2]", "byte 3: found '2', expected ',' or ']'"},
        {"[1,]", "byte 3: found ']', expected a value"},
        {"[,1]", "byte 1: found ',', expected a value"},
        {"[1}", "byte 2: found '}', expected ',' or ']'"},
        {"{\"a\" 1}", "byte 5: found '1', expected ':'"},
        {"{\"a\":}", "byte 5: found '}', expected a value"},
        {"{\"a\":1,}", "byte 7: found '}', expected a key in quotes"},
        {"{a:1}", "byte 1: found 'a', expected a key in quotes"},
        {"{1:1}", "byte 1: found '1', expected a key in quotes"},
        {"{\"a\":1]", "byte 6: found ']', expected ',' or '}'"},
        {"[", "byte 1: found the end of the file, expected a value"},
        {"{\"a\":", "byte 5: found the end of the file, expected a value"},
        {"{\"a\"", "byte 4: found the end of the file, expected ':'"},
        {"\"abc", "byte 4: found the end of the file, expected the end of a string"},
        {"\"a\nb\"", "byte 2: found byte 0x0a, expected no bare control character in a string"},
        {"\"\\n\tb\"", "byte 3: found byte 0x09, expected no bare control character in a string"},
        {"\"\\x\"", "byte 2: found 'x', expected one of \"\\/bfnrtu after a backslash"},
        {"\"\\",
         "byte 2: found the end of the file, expected one of \"\\/bfnrtu after a backslash"},
        {"\"\\u12g4\"", "byte 5: found 'g', expected four hexadecimal digits"},
        {"\"\\ud83d\"", "byte 7: found '\"', expected a pair of surrogates"},
        {"\"\\ud83d\\n\"", "byte 8: found 'n', expected a pair of surrogates"},
        {"\"\\ud83d\\u0041\"", "byte 13: found '\"', expected a pair of surrogates"},
        {"\"\\ude97\"", "byte 7: found '\"', expected a pair of surrogates"},
        {"[\"\xff\"]", "byte 1: found a string that is not UTF-8"},
        {"[\"\\n\xed\xa0\x80\"]", "byte 1: found a string that is not UTF-8"},
        {"\"\xc0\x80\"", "byte 0: found a string that is not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "byte 0: found a string that is not UTF-8"},
        {"\xef\xbb\xbf{}", "byte 0: found byte 0xef, expected a value"},
        {"tru", "byte 3: found the end of the file, expected true"},
        {"nulL", "byte 3: found 'L', expected null"},
        {"[falsee]", "byte 6: found 'e', expected ',' or ']'"},
        {"01", "byte 0: found \"01\", expected a number"},
        {"[-]", "byte 1: found \"-\", expected a number"},
        {"1.", "byte 0: found \"1.\", expected a number"},
        {"1.e3", "byte 0: found \"1.e3\", expected a number"},
        {"1e", "byte 0: found \"1e\", expected a number"},
        {"1e+", "byte 0: found \"1e+\", expected a number"},
        {"0x10", "byte 0: found \"0x10\", expected a number"},
        {"+1", "byte 0: found '+', expected a value"},
        {"NaN", "byte 0: found 'N', expected a value"},
        {"[\v]", "byte 1: found byte 0x0b, expected a value"},
        {"// x", "byte 0: found '/', expected a value"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *events = events_of_text(bad[i][0], strlen(bad[i][0]));
        g_autofree char *expected = g_strconcat("!FILE: ", bad[i][1], NULL);
        g_assert_cmpstr(events, ==, expected);
    }
    g_autofree char *events = events_of_text("[\0]", 3);
    g_assert_cmpstr(events, ==, "!FILE: byte 1: found byte 0x00, expected a value");
}

static char *repeat(const char *text, gsize n)
{
    GString *out = g_string_new(NULL);
    for (gsize i = 0; i < n; i++)
        g_string_append(out, text);
    return g_string_free(out, FALSE);
}

static void test_limits(void)
{
    for (guint depth = G4_JSON_STREAM_MAX_DEPTH; depth <= G4_JSON_STREAM_MAX_DEPTH + 1; depth++) {
        g_autofree char *open = repeat("[{\"a\":", depth / 2), *close = repeat("}]", depth / 2);
        gboolean odd = depth % 2 != 0;
        g_autofree char *text = g_strconcat(open, odd ? "[]" : "1", close, NULL);
        g_autofree char *events = events_of_text(text, strlen(text));
        g_assert_cmpint(*events, ==, odd ? '!' : '[');
    }
    /* A million brackets cost no more than the sixty-fifth. */
    g_autofree char *brackets = repeat("[", 1000000);
    g_autofree char *deep = events_of_text(brackets, strlen(brackets));
    g_assert_cmpstr(deep, ==, "!FILE: byte 64: JSON nested deeper than 64 levels");

    for (gsize n = G4_JSON_STREAM_MAX_STRING; n <= G4_JSON_STREAM_MAX_STRING + 1; n++) {
        for (gsize escape = 0; escape < 2; escape++) {
            g_autofree char *body = g_strnfill(n - escape, 'x');
            g_autofree char *text = g_strconcat("[\"", escape ? "\\n" : "", body, "\"]", NULL);
            g_autofree char *events = events_of_text(text, strlen(text));
            g_assert_cmpstr(events, ==,
                            n == G4_JSON_STREAM_MAX_STRING
                                ? "[ s:1048576 bytes ]"
                                : "!FILE: byte 1: found a string of more than 1048576 bytes");
        }
    }
    g_autofree char *digits = g_strnfill(G4_JSON_STREAM_MAX_NUMBER, '7');
    g_autofree char *good = events_of_text(digits, strlen(digits));
    g_autofree char *expected = g_strconcat("r:", digits, NULL);
    g_assert_cmpstr(good, ==, expected);
    g_autofree char *more = g_strconcat(digits, "7", NULL);
    g_autofree char *bad = events_of_text(more, strlen(more));
    g_assert_cmpstr(bad, ==, "!FILE: byte 0: found a number of more than 64 bytes");
}

/* Of every kind of token, each a bit later in each round, so that the edge of the window, at
 * 256 KiB, falls into all of them. */
static void test_windows(void)
{
    static const char item[] =
        "{\"k\\ud83d\\ude97\":\"caf\xc3\xa9\",\"long\":\"0123456789\\u0041\","
        "\"n\": [ -12.5e3 , 123456789 , true,false ,null ] } , ";
    g_autoptr(TestFolder) folder = folder_new();
    for (gsize shift = 0; shift < strlen(item); shift++) {
        g_autoptr(GString) text = g_string_new("[");
        while (text->len < (256 << 10) - shift - 1)
            g_string_append_c(text, ' ');
        for (int i = 0; i < 3; i++)
            g_string_append(text, item);
        g_string_append(text, "0]");
        g_autofree char *path = folder_write(folder, "FILE", text->str, (gssize)text->len);
        g_autofree char *expected = events_of_text(text->str, text->len);
        g_autoptr(GError) error = NULL;
        G4File file;
        G4JsonStream stream;
        g_assert_true(g4_file_open(&file, path, &error));
        g4_json_stream_init_file(&stream, &file);
        g_autofree char *events = events_of(&stream);
        g_assert_cmpstr(events, ==, expected);
        g4_json_stream_clear(&stream);
        g4_file_clear(&file);
    }
}

static void check_load(G4JsonStream *stream)
{
    G4JsonEvent event;
    G4JsonMark mark;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;
    g_assert_true(g4_json_stream_next(stream, &event, &error)); /* { */
    g_assert_true(g4_json_stream_next(stream, &event, &error)); /* a */
    g4_json_stream_get_mark(stream, &mark);
    g_assert_true(g4_json_stream_next(stream, &event, &error)); /* [ */
    g_assert_true(g4_json_stream_load(stream, &event, 100, &text, &length, &error));
    g_assert_cmpstr(text, ==, "[1, {\"x\": \"]\"}]");
    g_assert_cmpuint(length, ==, strlen(text));
    g_assert_true(g4_json_stream_next(stream, &event, &error)); /* b */
    g_assert_cmpint(event.type, ==, G4_JSON_KEY);
    g_assert_true(g4_json_stream_next(stream, &event, &error));
    g_assert_true(g4_json_stream_skip(stream, &event, &error));
    g_assert_true(g4_json_stream_next(stream, &event, &error)); /* } */
    g_assert_true(g4_json_stream_next(stream, &event, &error));
    g_assert_cmpint(event.type, ==, G4_JSON_END);

    g4_json_stream_go_to(stream, &mark);
    g_assert_true(g4_json_stream_next(stream, &event, &error)); /* [ again */
    g_assert_cmpint(event.type, ==, G4_JSON_BEGIN_ARRAY);
    g_autofree char *more = NULL;
    g_assert_false(g4_json_stream_load(stream, &event, 13, &more, &length, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "found 15 bytes, expected at most 13"));
}

static void test_load(void)
{
    static const char text[] = " {\"a\" : [1, {\"x\": \"]\"}] ,\"b\":{\"c\":[]}}";
    G4JsonStream stream;
    g4_json_stream_init_text(&stream, "FILE", text, strlen(text));
    check_load(&stream);
    g4_json_stream_clear(&stream);

    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = folder_write(folder, "FILE", text, -1);
    g_autoptr(GError) error = NULL;
    G4File file;
    g_assert_true(g4_file_open(&file, path, &error));
    g4_json_stream_init_file(&stream, &file);
    check_load(&stream);
    g4_json_stream_clear(&stream);
    g4_file_clear(&file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json stream/all of JSON is read", test_good);
    g_test_add_func("/json stream/what is not JSON is refused with its place", test_bad);
    g_test_add_func("/json stream/depth and lengths are bounded", test_limits);
    g_test_add_func("/json stream/a window's edge may fall anywhere", test_windows);
    g_test_add_func("/json stream/a value is loaded, a place returned to", test_load);
    return g_test_run();
}
