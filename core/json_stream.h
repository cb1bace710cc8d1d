/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON read from front to back, one event at a time, for files whose tree would take many times
 * their size. Memory: one window on the file, and one string.
 *
 * It accepts what RFC 8259 calls JSON and nothing else. Strings are UTF-8 and may hold U+0000; an
 * escape that is half a surrogate pair is refused. Every error (MALFORMED, UNREADABLE) names file,
 * byte, what was found and what was expected. After one, the stream can only be cleared.
 *
 * Not thread safe.
 */
#ifndef G4_JSON_STREAM_H
#define G4_JSON_STREAM_H

#include <glib.h>

#include "file.h"

#define G4_JSON_STREAM_MAX_DEPTH 64
#define G4_JSON_STREAM_MAX_STRING (1 << 20) /* bytes, escapes replaced */
#define G4_JSON_STREAM_MAX_NUMBER 64        /* characters */

typedef enum {
    G4_JSON_BEGIN_OBJECT,
    G4_JSON_END_OBJECT,
    G4_JSON_BEGIN_ARRAY,
    G4_JSON_END_ARRAY,
    G4_JSON_KEY,
    G4_JSON_STRING,
    G4_JSON_INTEGER, /* no point, no exponent, fits gint64 */
    G4_JSON_REAL,    /* any other number */
    G4_JSON_TRUE,
    G4_JSON_FALSE,
    G4_JSON_NULL,
    G4_JSON_END, /* of the file; comes once more whenever asked for */
} G4JsonEventType;

typedef struct G4JsonEvent {
    G4JsonEventType type;
    guint64 offset;   /* of its first byte in the file */
    const char *text; /* KEY, STRING: without quotes, escapes replaced; INTEGER, REAL: as written.
                         The stream's, valid until its next call; not NUL-terminated */
    gsize length;     /* of text, bytes */
    gint64 integer;   /* INTEGER */
} G4JsonEvent;

/* A place in a file to come back to. */
typedef struct G4JsonMark {
    guint64 offset;
    guint64 objects;
    guint depth;
    int state;
} G4JsonMark;

typedef struct G4JsonStream {
    G4File *file;     /* NULL: a text in memory */
    const char *name; /* for messages */
    const char *pos, *end;
    guint64 loaded; /* bytes of the file up to `end` */
    guint64 size;
    char *window;    /* owned; NULL in memory */
    GString *string; /* one that needed to be put together */
    guint64 objects; /* a bit a level, lowest innermost: object or array */
    guint depth;
    int state;
} G4JsonStream;

/* Both arguments must outlive the stream. */
void g4_json_stream_init_file(G4JsonStream *stream, G4File *file);
void g4_json_stream_init_text(G4JsonStream *stream, const char *name, const char *text,
                              gsize length);
void g4_json_stream_clear(G4JsonStream *stream);

gboolean g4_json_stream_next(G4JsonStream *stream, G4JsonEvent *event, GError **error);

/* After the first event of a value: reads on to its end. */
gboolean g4_json_stream_skip(G4JsonStream *stream, const G4JsonEvent *first, GError **error);

/* The same, and the value's own bytes, of which there may be at most `max` (more: UNSUPPORTED); for
 * the small parts of a file, to be parsed as a tree. *text ends with a zero byte that `length` does
 * not count; free with g_free. */
gboolean g4_json_stream_load(G4JsonStream *stream, const G4JsonEvent *first, gsize max, char **text,
                             gsize *length, GError **error);

/* Takes the place before the next event, and goes back to it. */
void g4_json_stream_get_mark(const G4JsonStream *stream, G4JsonMark *mark);
void g4_json_stream_go_to(G4JsonStream *stream, const G4JsonMark *mark);

/* Sets "FILE: byte OFFSET: found FOUND, expected EXPECTED", G4Error `code`; returns FALSE. */
gboolean g4_json_stream_fail(const G4JsonStream *stream, const G4JsonEvent *event, int code,
                             GError **error, const char *expected, ...) G_GNUC_PRINTF(5, 6);

#endif /* G4_JSON_STREAM_H */
