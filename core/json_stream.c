/* SPDX-License-Identifier: Apache-2.0
 *
 * A window on the file, and a machine of seven states over it.
 */
#include "json_stream.h"

#include <string.h>

#include "gemma4.h"
#include "quote.h"
#include "utf8.h"

#define WINDOW ((gsize)256 << 10)

enum {
    VALUE,        /* a value has to follow */
    VALUE_OR_END, /* after [ */
    KEY,          /* after a comma in an object */
    KEY_OR_END,   /* after { */
    COLON,        /* after a key */
    COMMA_OR_END, /* after a value inside of another */
    DONE,         /* after the outermost */
};

G_STATIC_ASSERT(G4_JSON_STREAM_MAX_DEPTH <= 64); /* bits of `objects` */

void g4_json_stream_init_file(G4JsonStream *stream, G4File *file)
{
    *stream = (G4JsonStream){.file = file,
                             .name = file->name,
                             .size = file->size,
                             .window = g_malloc(MIN(file->size, WINDOW) + 1),
                             .string = g_string_new(NULL),
                             .state = VALUE};
    stream->pos = stream->end = stream->window;
}

void g4_json_stream_init_text(G4JsonStream *stream, const char *name, const char *text,
                              gsize length)
{
    *stream = (G4JsonStream){.name = name,
                             .pos = text,
                             .end = text + length,
                             .loaded = length,
                             .size = length,
                             .string = g_string_new(NULL),
                             .state = VALUE};
}

void g4_json_stream_clear(G4JsonStream *stream)
{
    g_free(stream->window);
    if (stream->string != NULL)
        g_string_free(stream->string, TRUE);
    *stream = (G4JsonStream){0};
}

/* -------------------------------------------------------------------------------------------
 * Errors
 */
static char *describe(const G4JsonEvent *event)
{
    switch (event->type) {
    case G4_JSON_BEGIN_OBJECT:
        return g_strdup("an object");
    case G4_JSON_BEGIN_ARRAY:
        return g_strdup("an array");
    case G4_JSON_END_OBJECT:
    case G4_JSON_END_ARRAY:
        return g_strdup("its end");
    case G4_JSON_KEY:
    case G4_JSON_STRING:
        return g4_quote(event->text, event->length);
    case G4_JSON_INTEGER:
    case G4_JSON_REAL:
        return g_strndup(event->text, event->length);
    case G4_JSON_TRUE:
        return g_strdup("true");
    case G4_JSON_FALSE:
        return g_strdup("false");
    case G4_JSON_NULL:
        return g_strdup("null");
    case G4_JSON_END:
        break;
    }
    return g_strdup("the end of the file");
}

gboolean g4_json_stream_fail(const G4JsonStream *stream, const G4JsonEvent *event, int code,
                             GError **error, const char *expected, ...)
{
    g_autofree char *found = describe(event);
    va_list args;
    va_start(args, expected);
    g_autofree char *text = g_strdup_vprintf(expected, args);
    va_end(args);
    g_set_error(error, G4_ERROR, code, "%s: byte %" G_GUINT64_FORMAT ": found %s, expected %s",
                stream->name, event->offset, found, text);
    return FALSE;
}

static guint64 tell(const G4JsonStream *s)
{
    return s->loaded - (guint64)(s->end - s->pos);
}

static gboolean at_end(const G4JsonStream *s)
{
    return s->pos == s->end && s->loaded == s->size;
}

/* What stands at the current place is not JSON, or not here. */
static gboolean unexpected(const G4JsonStream *s, const char *expected, GError **error)
{
    g_autofree char *found = NULL;
    if (s->pos == s->end)
        found = g_strdup("the end of the file");
    else if (*s->pos > 0x20 && *s->pos < 0x7f)
        found = g_strdup_printf("'%c'", *s->pos);
    else
        found = g_strdup_printf("byte 0x%02x", (guint8)*s->pos);
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "%s: byte %" G_GUINT64_FORMAT ": found %s, expected %s", s->name, tell(s), found,
                expected);
    return FALSE;
}

/* -------------------------------------------------------------------------------------------
 * Bytes
 */

/* Moves the window on. Only when it is used up, and not at the file's end. */
static gboolean fill(G4JsonStream *s, GError **error)
{
    gsize n = (gsize)MIN(s->size - s->loaded, (guint64)WINDOW);
    if (!g4_file_read(s->file, s->loaded, n, s->window, error))
        return FALSE;
    s->pos = s->window;
    s->end = s->window + n;
    s->loaded += n;
    return TRUE;
}

/* Sees to it that there is a byte at `pos`. */
static inline gboolean need(G4JsonStream *s, const char *expected, GError **error)
{
    if (G_LIKELY(s->pos < s->end))
        return TRUE;
    if (s->loaded == s->size)
        return unexpected(s, expected, error);
    return fill(s, error);
}

static gboolean skip_space(G4JsonStream *s, GError **error)
{
    for (;;) {
        while (s->pos < s->end &&
               (*s->pos == ' ' || *s->pos == '\n' || *s->pos == '\r' || *s->pos == '\t'))
            s->pos++;
        if (s->pos < s->end || s->loaded == s->size)
            return TRUE;
        if (!fill(s, error))
            return FALSE;
    }
}

/* -------------------------------------------------------------------------------------------
 * Scalars
 */
static gboolean too_long(const G4JsonStream *s, const G4JsonEvent *event, const char *what, int max,
                         GError **error)
{
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "%s: byte %" G_GUINT64_FORMAT ": found %s of more than %d bytes", s->name,
                event->offset, what, max);
    return FALSE;
}

static gboolean read_hex4(G4JsonStream *s, guint *value, GError **error)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        if (!need(s, "four hexadecimal digits", error))
            return FALSE;
        int digit = g_ascii_xdigit_value(*s->pos);
        if (digit < 0)
            return unexpected(s, "four hexadecimal digits", error);
        *value = *value << 4 | (guint)digit;
        s->pos++;
    }
    return TRUE;
}

/* \uXXXX, of which "\u" is behind us, with its other half where it is one of a pair. */
static gboolean read_unicode_escape(G4JsonStream *s, GError **error)
{
    guint unit, low;
    if (!read_hex4(s, &unit, error))
        return FALSE;
    if (unit >= 0xd800 && unit < 0xe000) {
        static const char expected[] = "a pair of surrogates";
        if (unit >= 0xdc00)
            return unexpected(s, expected, error);
        for (int i = 0; i < 2; i++) {
            if (!need(s, expected, error))
                return FALSE;
            if (*s->pos != "\\u"[i])
                return unexpected(s, expected, error);
            s->pos++;
        }
        if (!read_hex4(s, &low, error))
            return FALSE;
        if (low < 0xdc00 || low >= 0xe000)
            return unexpected(s, expected, error);
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    char utf8[6];
    g_string_append_len(s->string, utf8, g_unichar_to_utf8(unit, utf8));
    return TRUE;
}

static gboolean read_escape(G4JsonStream *s, GError **error)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    static const char expected[] = "one of \"\\/bfnrtu after a backslash";
    s->pos++;
    if (!need(s, expected, error))
        return FALSE;
    char c = *s->pos;
    if (c == 'u') {
        s->pos++;
        return read_unicode_escape(s, error);
    }
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found == NULL)
        return unexpected(s, expected, error);
    s->pos++;
    g_string_append_c(s->string, to[found - from]);
    return TRUE;
}

/* Bytes of a string that stand for themselves, up to `end`. */
static const char *plain_end(const char *p, const char *end, guint8 *all)
{
    guint8 seen = 0;
    while (p < end && (guint8)*p >= 0x20 && *p != '"' && *p != '\\')
        seen |= (guint8)*p++;
    *all |= seen;
    return p;
}

static gboolean read_string(G4JsonStream *s, G4JsonEvent *event, GError **error)
{
    guint8 seen = 0;
    s->pos++;
    const char *p = plain_end(s->pos, s->end, &seen);
    if (p < s->end && *p == '"') {
        event->text = s->pos;
        event->length = (gsize)(p - s->pos);
        s->pos = p + 1;
    } else {
        /* It has escapes, or goes on beyond the window. */
        g_string_truncate(s->string, 0);
        for (;;) {
            g_string_append_len(s->string, s->pos, p - s->pos);
            s->pos = p;
            if (s->string->len > G4_JSON_STREAM_MAX_STRING)
                break;
            if (!need(s, "the end of a string", error))
                return FALSE;
            if (*s->pos == '"') {
                s->pos++;
                break;
            }
            if (*s->pos == '\\' && !read_escape(s, error))
                return FALSE;
            if (s->pos < s->end && (guint8)*s->pos < 0x20)
                return unexpected(s, "no bare control character in a string", error);
            p = plain_end(s->pos, s->end, &seen);
        }
        event->text = s->string->str;
        event->length = s->string->len;
    }
    if (event->length > G4_JSON_STREAM_MAX_STRING)
        return too_long(s, event, "a string", G4_JSON_STREAM_MAX_STRING, error);
    if ((seen & 0x80) != 0 && g4_utf8_check(event->text, event->length) != event->length) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: byte %" G_GUINT64_FORMAT ": found a string that is not UTF-8", s->name,
                    event->offset);
        return FALSE;
    }
    return TRUE;
}

/* The grammar of a number: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static gboolean check_number(const char *p, gboolean *integer)
{
    *integer = TRUE;
    if (*p == '-')
        p++;
    if (!g_ascii_isdigit(*p))
        return FALSE;
    if (*p == '0' && g_ascii_isdigit(p[1]))
        return FALSE;
    while (g_ascii_isdigit(*p))
        p++;
    if (*p == '.') {
        *integer = FALSE;
        if (!g_ascii_isdigit(*++p))
            return FALSE;
        while (g_ascii_isdigit(*p))
            p++;
    }
    if (*p == 'e' || *p == 'E') {
        *integer = FALSE;
        p++;
        if (*p == '+' || *p == '-')
            p++;
        if (!g_ascii_isdigit(*p))
            return FALSE;
        while (g_ascii_isdigit(*p))
            p++;
    }
    return *p == '\0';
}

static gboolean read_number(G4JsonStream *s, G4JsonEvent *event, GError **error)
{
    g_string_truncate(s->string, 0);
    for (;;) {
        while (s->pos < s->end && *s->pos != '\0' &&
               (g_ascii_isalnum(*s->pos) || strchr("+-.", *s->pos) != NULL)) {
            if (s->string->len == G4_JSON_STREAM_MAX_NUMBER)
                return too_long(s, event, "a number", G4_JSON_STREAM_MAX_NUMBER, error);
            g_string_append_c(s->string, *s->pos++);
        }
        if (s->pos < s->end || s->loaded == s->size)
            break;
        if (!fill(s, error))
            return FALSE;
    }
    event->text = s->string->str;
    event->length = s->string->len;
    gboolean integer;
    if (!check_number(event->text, &integer)) {
        event->type = G4_JSON_STRING; /* quoted in the message */
        return g4_json_stream_fail(s, event, G4_ERROR_MALFORMED, error, "a number");
    }
    integer = integer && g_ascii_string_to_signed(event->text, 10, G_MININT64, G_MAXINT64,
                                                  &event->integer, NULL);
    event->type = integer ? G4_JSON_INTEGER : G4_JSON_REAL;
    return TRUE;
}

static gboolean read_word(G4JsonStream *s, const char *word, GError **error)
{
    for (const char *p = word; *p != '\0'; p++) {
        if (!need(s, word, error))
            return FALSE;
        if (*s->pos != *p)
            return unexpected(s, word, error);
        s->pos++;
    }
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * Structure
 */
static gboolean open_value(G4JsonStream *s, gboolean object, G4JsonEvent *event, GError **error)
{
    if (s->depth == G4_JSON_STREAM_MAX_DEPTH) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: byte %" G_GUINT64_FORMAT ": JSON nested deeper than %d levels", s->name,
                    event->offset, G4_JSON_STREAM_MAX_DEPTH);
        return FALSE;
    }
    s->pos++;
    s->depth++;
    s->objects = s->objects << 1 | (object ? 1 : 0);
    s->state = object ? KEY_OR_END : VALUE_OR_END;
    event->type = object ? G4_JSON_BEGIN_OBJECT : G4_JSON_BEGIN_ARRAY;
    return TRUE;
}

static gboolean close_value(G4JsonStream *s, G4JsonEvent *event)
{
    event->type = (s->objects & 1) != 0 ? G4_JSON_END_OBJECT : G4_JSON_END_ARRAY;
    s->pos++;
    s->depth--;
    s->objects >>= 1;
    s->state = s->depth == 0 ? DONE : COMMA_OR_END;
    return TRUE;
}

static gboolean read_value(G4JsonStream *s, G4JsonEvent *event, GError **error)
{
    if (!need(s, "a value", error))
        return FALSE;
    switch (*s->pos) {
    case '{':
        return open_value(s, TRUE, event, error);
    case '[':
        return open_value(s, FALSE, event, error);
    default:
        break;
    }
    s->state = s->depth == 0 ? DONE : COMMA_OR_END;
    switch (*s->pos) {
    case '"':
        event->type = G4_JSON_STRING;
        return read_string(s, event, error);
    case 't':
        event->type = G4_JSON_TRUE;
        return read_word(s, "true", error);
    case 'f':
        event->type = G4_JSON_FALSE;
        return read_word(s, "false", error);
    case 'n':
        event->type = G4_JSON_NULL;
        return read_word(s, "null", error);
    default:
        if (*s->pos == '-' || g_ascii_isdigit(*s->pos))
            return read_number(s, event, error);
        return unexpected(s, "a value", error);
    }
}

/* Past a comma or colon and the space behind it. */
static gboolean step(G4JsonStream *s, int state, G4JsonEvent *event, GError **error)
{
    s->pos++;
    s->state = state;
    if (!skip_space(s, error))
        return FALSE;
    event->offset = tell(s);
    return TRUE;
}

gboolean g4_json_stream_next(G4JsonStream *s, G4JsonEvent *event, GError **error)
{
    gboolean object = (s->objects & 1) != 0;
    if (!skip_space(s, error))
        return FALSE;
    event->offset = tell(s);
    if (s->state == DONE) {
        event->type = G4_JSON_END;
        return at_end(s) || unexpected(s, "the end of the file", error);
    }
    char c = s->pos < s->end ? *s->pos : '\0';
    switch (s->state) {
    case COLON:
        if (c != ':')
            return unexpected(s, "':'", error);
        if (!step(s, VALUE, event, error))
            return FALSE;
        break;
    case COMMA_OR_END:
        if (c == (object ? '}' : ']'))
            return close_value(s, event);
        if (c != ',')
            return unexpected(s, object ? "',' or '}'" : "',' or ']'", error);
        if (!step(s, object ? KEY : VALUE, event, error))
            return FALSE;
        break;
    case KEY_OR_END:
    case VALUE_OR_END:
        if (c == (object ? '}' : ']'))
            return close_value(s, event);
        break;
    default:
        break;
    }
    if (s->state == KEY || s->state == KEY_OR_END) {
        if (s->pos == s->end || *s->pos != '"')
            return unexpected(s, "a key in quotes", error);
        s->state = COLON;
        event->type = G4_JSON_KEY;
        return read_string(s, event, error);
    }
    return read_value(s, event, error);
}

gboolean g4_json_stream_skip(G4JsonStream *s, const G4JsonEvent *first, GError **error)
{
    if (first->type != G4_JSON_BEGIN_OBJECT && first->type != G4_JSON_BEGIN_ARRAY)
        return TRUE;
    guint outside = s->depth - 1;
    G4JsonEvent event;
    while (s->depth > outside) {
        if (!g4_json_stream_next(s, &event, error))
            return FALSE;
    }
    return TRUE;
}

gboolean g4_json_stream_load(G4JsonStream *s, const G4JsonEvent *first, gsize max, char **text,
                             gsize *length, GError **error)
{
    if (!g4_json_stream_skip(s, first, error))
        return FALSE;
    guint64 bytes = tell(s) - first->offset;
    if (bytes > max) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED,
                    "%s: byte %" G_GUINT64_FORMAT ": found %" G_GUINT64_FORMAT
                    " bytes, expected at most %" G_GSIZE_FORMAT,
                    s->name, first->offset, bytes, max);
        return FALSE;
    }
    g_autofree char *copy = g_malloc(bytes + 1);
    if (s->file == NULL)
        memcpy(copy, s->end - s->size + first->offset, bytes);
    else if (!g4_file_read(s->file, first->offset, bytes, copy, error))
        return FALSE;
    copy[bytes] = '\0';
    *text = g_steal_pointer(&copy);
    *length = bytes;
    return TRUE;
}

void g4_json_stream_get_mark(const G4JsonStream *s, G4JsonMark *mark)
{
    *mark = (G4JsonMark){
        .offset = tell(s), .objects = s->objects, .depth = s->depth, .state = s->state};
}

void g4_json_stream_go_to(G4JsonStream *s, const G4JsonMark *mark)
{
    s->objects = mark->objects;
    s->depth = mark->depth;
    s->state = mark->state;
    if (s->file == NULL) {
        s->pos = s->end - s->size + mark->offset;
    } else {
        s->loaded = mark->offset;
        s->pos = s->end = s->window;
    }
}
