/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits before jansson, types and ranges after it.
 */
#include "json.h"

#include <math.h>
#include <string.h>

#include "gemma4.h"
#include "quote.h"

/* jansson recurses once a level and allocates for each value before it knows what is wrong, so
 * both are bounded first, by the separators outside strings. Whether they are in order is left
 * to jansson. */
static gboolean check_limits(const char *file, const char *text, gsize length, gsize max_values,
                             GError **error)
{
    gsize values = 1, depth = 0;
    gboolean in_string = FALSE;
    for (gsize i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = FALSE;
            continue;
        }
        if (c == '"') {
            in_string = TRUE;
        } else if (c == ',') {
            values++;
        } else if (c == '{' || c == '[') {
            values++;
            depth++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
        if (depth > G4_JSON_MAX_DEPTH) {
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: byte %" G_GSIZE_FORMAT ": JSON nested deeper than %d levels", file, i,
                        G4_JSON_MAX_DEPTH);
            return FALSE;
        }
        if (values > max_values) {
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: more than %" G_GSIZE_FORMAT " JSON values", file, max_values);
            return FALSE;
        }
    }
    return TRUE;
}

json_t *g4_json_parse(const char *file, const char *text, gsize length, gsize max_values,
                      GError **error)
{
    if (!check_limits(file, text, length, max_values, error))
        return NULL;
    json_error_t problem;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL) {
        /* What leads up to the place holds the key; jansson's own text has the offending token. */
        gsize end = CLAMP(problem.position, 0, length);
        gsize start = end > G4_QUOTE_MAX ? end - G4_QUOTE_MAX : 0;
        g_autofree char *what = g4_printable(problem.text, strlen(problem.text));
        g_autofree char *excerpt = g4_printable(text + start, end - start);
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: line %d, byte %" G_GSIZE_FORMAT ": %s, after `%s`; expected JSON", file,
                    problem.line, end, what, excerpt);
        return NULL;
    }
    if (!json_is_object(root)) {
        g_autofree char *found = g4_json_describe(root);
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: found %s, expected a JSON object",
                    file, found);
        json_decref(root);
        return NULL;
    }
    return root;
}

char *g4_json_describe(const json_t *value)
{
    if (value == NULL)
        return g_strdup("nothing");
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return g_strdup("an object");
    case JSON_ARRAY:
        return g_strdup_printf("an array of %" G_GSIZE_FORMAT, json_array_size(value));
    case JSON_STRING:
        return g4_quote(json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL: {
        /* As people write it where 15 digits are enough; with its point or exponent, so that 3.0
         * for an integer explains itself. */
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        g_ascii_formatd(text, sizeof text, "%.15g", json_real_value(value));
        if (g_ascii_strtod(text, NULL) != json_real_value(value))
            g_ascii_dtostr(text, sizeof text, json_real_value(value));
        return g_strconcat(text, strpbrk(text, ".e") == NULL ? ".0" : "", NULL);
    }
    case JSON_TRUE:
        return g_strdup("true");
    case JSON_FALSE:
        return g_strdup("false");
    case JSON_NULL:
        break;
    }
    return g_strdup("null");
}

void g4_json_object_init(G4JsonObject *object, json_t *root, const char *file)
{
    *object = (G4JsonObject){.object = root, .file = file};
}

static json_t *find(const G4JsonObject *parent, const char *key)
{
    json_t *value = json_object_get(parent->object, key);
    return json_is_null(value) ? NULL : value;
}

gboolean g4_json_fail(const G4JsonObject *parent, const char *key, int code, GError **error,
                      const char *expected, ...)
{
    g_autofree char *found = g4_json_describe(json_object_get(parent->object, key));
    /* The file's own where it names things by keys. */
    g_autofree char *name = g4_printable(key, MIN(strlen(key), sizeof parent->path));
    va_list args;
    va_start(args, expected);
    g_autofree char *text = g_strdup_vprintf(expected, args);
    va_end(args);
    g_set_error(error, G4_ERROR, code, "%s: %s%s: found %s, expected %s", parent->file,
                parent->path, name, found, text);
    return FALSE;
}

gboolean g4_json_has(const G4JsonObject *parent, const char *key)
{
    return find(parent, key) != NULL;
}

gboolean g4_json_read_object(const G4JsonObject *parent, const char *key, G4JsonObject *value,
                             GError **error)
{
    json_t *found = find(parent, key);
    if (found != NULL && !json_is_object(found))
        return g4_json_fail(parent, key, G4_ERROR_MALFORMED, error, "an object");
    g4_json_object_init(value, found, parent->file);
    g_snprintf(value->path, sizeof value->path, "%s%s.", parent->path, key);
    return TRUE;
}

gboolean g4_json_read_uint(const G4JsonObject *parent, const char *key, guint min, guint max,
                           guint *value, GError **error)
{
    json_t *found = find(parent, key);
    if (found == NULL)
        return TRUE;
    if (!json_is_integer(found) || json_integer_value(found) < (json_int_t)min ||
        json_integer_value(found) > (json_int_t)max)
        return g4_json_fail(parent, key, G4_ERROR_MALFORMED, error, "an integer from %u to %u", min,
                            max);
    *value = (guint)json_integer_value(found);
    return TRUE;
}

gboolean g4_json_read_double(const G4JsonObject *parent, const char *key, double min, double max,
                             double *value, GError **error)
{
    json_t *found = find(parent, key);
    if (found == NULL)
        return TRUE;
    double number = json_is_number(found) ? json_number_value(found) : NAN;
    if (!(number > min && number < max))
        return g4_json_fail(parent, key, G4_ERROR_MALFORMED, error, "a number between %g and %g",
                            min, max);
    *value = number;
    return TRUE;
}

gboolean g4_json_read_boolean(const G4JsonObject *parent, const char *key, gboolean *value,
                              GError **error)
{
    json_t *found = find(parent, key);
    if (found == NULL)
        return TRUE;
    if (!json_is_boolean(found))
        return g4_json_fail(parent, key, G4_ERROR_MALFORMED, error, "true or false");
    *value = json_is_true(found);
    return TRUE;
}

gboolean g4_json_read_string(const G4JsonObject *parent, const char *key, const char **value,
                             GError **error)
{
    json_t *found = find(parent, key);
    if (found == NULL)
        return TRUE;
    if (!json_is_string(found))
        return g4_json_fail(parent, key, G4_ERROR_MALFORMED, error, "a string");
    *value = json_string_value(found);
    return TRUE;
}
