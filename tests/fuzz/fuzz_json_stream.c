/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: the streaming JSON reader. What it accepts jansson must accept, and what jansson accepts
 * it must, but for what each says it refuses.
 */
#include <jansson.h>
#include <string.h>

#include "fuzz.h"
#include "gemma4.h"
#include "json_stream.h"

FUZZ_INITIALIZE

/* Whether it is JSON; *refused: by a limit, which is no judgement. */
static gboolean read_events(const char *text, size_t size, gboolean skip, gboolean *refused)
{
    G4JsonStream stream;
    G4JsonEvent event;
    g_autoptr(GError) error = NULL;
    guint depth = 0;
    gboolean ok;
    g4_json_stream_init_text(&stream, "FILE", text, size);
    while ((ok = g4_json_stream_next(&stream, &event, &error)) && event.type != G4_JSON_END) {
        if (event.type == G4_JSON_BEGIN_OBJECT || event.type == G4_JSON_BEGIN_ARRAY)
            depth++;
        if (event.type == G4_JSON_END_OBJECT || event.type == G4_JSON_END_ARRAY)
            depth--;
        g_assert_cmpuint(event.offset, <=, size);
        g_assert_cmpuint(depth, <=, G4_JSON_STREAM_MAX_DEPTH);
        /* The text is read to its end, so that a sanitizer sees it. */
        volatile char sum = 0;
        if (event.type >= G4_JSON_KEY && event.type <= G4_JSON_REAL) {
            for (gsize i = 0; i < event.length; i++)
                sum = (char)(sum + event.text[i]);
        }
        if (skip && depth == 2 && event.type == G4_JSON_BEGIN_ARRAY) {
            g_autofree char *copy = NULL;
            gsize length = 0;
            if (!g4_json_stream_load(&stream, &event, 64, &copy, &length, &error)) {
                ok = FALSE;
                break;
            }
            g_assert_cmpint(copy[0], ==, '[');
            g_assert_cmpint(copy[length - 1], ==, ']');
            depth--;
        }
    }
    fuzz_check_error(ok, error);
    *refused = error != NULL && (strstr(error->message, "more than") != NULL ||
                                 strstr(error->message, "nested deeper") != NULL ||
                                 error->code == G4_ERROR_UNSUPPORTED);
    g4_json_stream_clear(&stream);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_copy(data, size);
    gboolean refused, ignored;
    gboolean ok = read_events(text, size, FALSE, &refused);
    read_events(text, size, TRUE, &ignored);
    /* jansson loses a NUL that follows a number or a word. */
    if (memchr(text, 0, size) != NULL)
        return 0;
    json_error_t problem;
    json_t *root = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
    /* jansson refuses numbers that do not fit its types; in every other way the two agree. */
    if (ok && root == NULL)
        g_assert_true(json_error_code(&problem) == json_error_numeric_overflow);
    if (!ok && !refused)
        g_assert_null(root);
    json_decref(root);
    return 0;
}
