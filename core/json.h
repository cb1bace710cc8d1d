/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON that somebody else wrote: parsed with limits, read with types and ranges checked. Every
 * error names the file, the keys that lead to the value, what was found and what was expected.
 *
 * Thread safe as long as a tree is not changed.
 */
#ifndef G4_JSON_H
#define G4_JSON_H

#include <glib.h>
#include <jansson.h>

/* Nesting allowed; the files read here have up to 4 levels. */
#define G4_JSON_MAX_DEPTH 64

/* Parses `length` bytes into an object. Refuses (MALFORMED) invalid UTF-8, NUL characters,
 * repeated keys, anything after the object, deeper nesting than the above, and more than
 * `max_values` values: a value of two bytes can take 250 in memory, so the file's size alone
 * bounds too little. `file` is named in messages. Free with json_decref. */
json_t *g4_json_parse(const char *file, const char *text, gsize length, gsize max_values,
                      GError **error);

/* An object inside a tree. Borrows everything; `object` is NULL where the file has none. */
typedef struct G4JsonObject {
    json_t *object;
    const char *file;
    char path[64]; /* the keys that lead here, each with a dot behind: "vision_config." */
} G4JsonObject;

void g4_json_object_init(G4JsonObject *object, json_t *root, const char *file);

/* Readers. Python writes its None as null, so a key whose value is null counts as absent, here as
 * in all that follow. Absent: TRUE, and *value keeps the default that the caller put there. Of the
 * wrong type or out of [min, max]: FALSE, MALFORMED. */
gboolean g4_json_has(const G4JsonObject *parent, const char *key);
gboolean g4_json_read_object(const G4JsonObject *parent, const char *key, G4JsonObject *value,
                             GError **error);
/* An integer; neither 3.0 nor true nor "3" is one. */
gboolean g4_json_read_uint(const G4JsonObject *parent, const char *key, guint min, guint max,
                           guint *value, GError **error);
/* Any number, strictly between min and max. */
gboolean g4_json_read_double(const G4JsonObject *parent, const char *key, double min, double max,
                             double *value, GError **error);
gboolean g4_json_read_boolean(const G4JsonObject *parent, const char *key, gboolean *value,
                              GError **error);
/* *value lives as long as the tree. */
gboolean g4_json_read_string(const G4JsonObject *parent, const char *key, const char **value,
                             GError **error);

/* Sets `error` to "FILE: KEYS: found FOUND, expected EXPECTED" and returns FALSE; for the checks
 * that only the caller can make. `code` is a G4Error. `key` need not exist ("found nothing"), and
 * may be the file's own: what of it is not printable is not shown. */
gboolean g4_json_fail(const G4JsonObject *parent, const char *key, int code, GError **error,
                      const char *expected, ...) G_GNUC_PRINTF(5, 6);

/* A value in a few words, for a message: 3, "a string", an array of 5. At most about 60
 * characters, printable. Free with g_free. */
char *g4_json_describe(const json_t *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

#endif /* G4_JSON_H */
