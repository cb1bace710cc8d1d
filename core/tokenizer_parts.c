/* SPDX-License-Identifier: Apache-2.0
 *
 * normalizer, pre_tokenizer and post_processor of tokenizer.json.
 */
#include "tokenizer_parts.h"

#include <string.h>

#include "gemma4.h"
#include "json.h"

#define MAX_VALUES 4096

static json_t *parse(const char *name, const char *part, const char *text, gsize length,
                     G4JsonObject *object, GError **error)
{
    json_t *root = g4_json_parse(name, text, length, MAX_VALUES, error);
    if (root == NULL)
        return NULL;
    g4_json_object_init(object, root, name);
    g_snprintf(object->path, sizeof object->path, "%s.", part);
    return root;
}

static gboolean read_type(const G4JsonObject *object, const char **type, GError **error)
{
    *type = NULL;
    if (!g4_json_read_string(object, "type", type, error))
        return FALSE;
    return *type != NULL || g4_json_fail(object, "type", G4_ERROR_MALFORMED, error, "a type");
}

/* A string that must be there, of at most G4_TOKENIZER_MAX_PATTERN bytes. */
static gboolean read_text(const G4JsonObject *object, const char *key, const char **text,
                          GError **error)
{
    *text = NULL;
    if (!g4_json_read_string(object, key, text, error))
        return FALSE;
    if (*text == NULL)
        return g4_json_fail(object, key, G4_ERROR_MALFORMED, error, "a string");
    if (strlen(*text) > G4_TOKENIZER_MAX_PATTERN)
        return g4_json_fail(object, key, G4_ERROR_UNSUPPORTED, error, "at most %d bytes",
                            G4_TOKENIZER_MAX_PATTERN);
    return TRUE;
}

/* { "String": "..." }, not empty. */
static gboolean read_pattern(const G4JsonObject *object, const char **text, GError **error)
{
    G4JsonObject pattern;
    if (!g4_json_read_object(object, "pattern", &pattern, error))
        return FALSE;
    if (pattern.object == NULL || !g4_json_has(&pattern, "String")) {
        gboolean regex = pattern.object != NULL && g4_json_has(&pattern, "Regex");
        return g4_json_fail(regex ? &pattern : object, regex ? "Regex" : "pattern",
                            regex ? G4_ERROR_UNSUPPORTED : G4_ERROR_MALFORMED, error, "a String");
    }
    if (!read_text(&pattern, "String", text, error))
        return FALSE;
    return **text != '\0' ||
           g4_json_fail(&pattern, "String", G4_ERROR_UNSUPPORTED, error, "at least one character");
}

/* -------------------------------------------------------------------------------------------
 * normalizer
 */
static gboolean read_replace(G4TokenizerFile *file, const G4JsonObject *object, GError **error)
{
    const char *type, *pattern, *content;
    if (!read_type(object, &type, error))
        return FALSE;
    if (strcmp(type, "Replace") != 0)
        return g4_json_fail(object, "type", G4_ERROR_UNSUPPORTED, error,
                            "Replace, or a Sequence of Replace");
    if (!read_pattern(object, &pattern, error) || !read_text(object, "content", &content, error))
        return FALSE;
    file->replaces[file->n_replaces++] =
        (G4Replace){.pattern = g_strdup(pattern), .content = g_strdup(content)};
    return TRUE;
}

gboolean g4_tokenizer_read_normalizer(G4TokenizerFile *file, const char *name, const char *text,
                                      gsize length, GError **error)
{
    G4JsonObject object, item;
    const char *type;
    g_autoptr(json_t) root = parse(name, "normalizer", text, length, &object, error);
    if (root == NULL || !read_type(&object, &type, error))
        return FALSE;
    if (strcmp(type, "Sequence") != 0)
        return read_replace(file, &object, error);

    json_t *list = json_object_get(root, "normalizers");
    if (!json_is_array(list))
        return g4_json_fail(&object, "normalizers", G4_ERROR_MALFORMED, error, "an array");
    if (json_array_size(list) > G4_TOKENIZER_MAX_REPLACES)
        return g4_json_fail(&object, "normalizers", G4_ERROR_UNSUPPORTED, error, "at most %d",
                            G4_TOKENIZER_MAX_REPLACES);
    for (gsize i = 0; i < json_array_size(list); i++) {
        json_t *member = json_array_get(list, i);
        if (!json_is_object(member))
            return g4_json_fail(&object, "normalizers", G4_ERROR_MALFORMED, error,
                                "an array of objects");
        g4_json_object_init(&item, member, name);
        g_snprintf(item.path, sizeof item.path, "normalizer.normalizers[%u].", (guint)i);
        if (!read_replace(file, &item, error))
            return FALSE;
    }
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * pre_tokenizer
 */
gboolean g4_tokenizer_read_pre_tokenizer(G4TokenizerFile *file, const char *name, const char *text,
                                         gsize length, GError **error)
{
    static const struct {
        const char *name;
        G4Split split;
    } behaviors[] = {
        {"Removed", G4_SPLIT_REMOVED},
        {"Isolated", G4_SPLIT_ISOLATED},
        {"MergedWithPrevious", G4_SPLIT_MERGED_WITH_PREVIOUS},
        {"MergedWithNext", G4_SPLIT_MERGED_WITH_NEXT},
        {"Contiguous", G4_SPLIT_CONTIGUOUS},
    };
    G4JsonObject object;
    const char *type, *pattern, *behavior;
    gboolean invert = FALSE;
    g_autoptr(json_t) root = parse(name, "pre_tokenizer", text, length, &object, error);
    if (root == NULL || !read_type(&object, &type, error))
        return FALSE;
    if (strcmp(type, "Split") != 0)
        return g4_json_fail(&object, "type", G4_ERROR_UNSUPPORTED, error, "Split");
    if (!read_pattern(&object, &pattern, error) ||
        !read_text(&object, "behavior", &behavior, error) ||
        !g4_json_read_boolean(&object, "invert", &invert, error))
        return FALSE;
    if (invert)
        return g4_json_fail(&object, "invert", G4_ERROR_UNSUPPORTED, error, "false");
    for (guint i = 0; i < G_N_ELEMENTS(behaviors); i++) {
        if (strcmp(behavior, behaviors[i].name) == 0)
            file->split = behaviors[i].split;
    }
    if (file->split == G4_SPLIT_NONE)
        return g4_json_fail(&object, "behavior", G4_ERROR_UNSUPPORTED, error,
                            "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
    file->split_pattern = g_strdup(pattern);
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * post_processor
 */

/* Appends the ids that `special_tokens` has for a name. */
static gboolean append_special(const G4JsonObject *specials, const char *token, GArray *ids,
                               GError **error)
{
    json_t *entry = json_object_get(specials->object, token);
    json_t *list = json_object_get(entry, "ids");
    if (!json_is_array(list))
        return g4_json_fail(specials, token, G4_ERROR_MALFORMED, error, "an object with ids");
    for (gsize i = 0; i < json_array_size(list); i++) {
        json_t *number = json_array_get(list, i);
        json_int_t value = json_is_integer(number) ? json_integer_value(number) : -1;
        if (value < 0 || value >= G4_BPE_MAX_ID)
            return g4_json_fail(specials, token, G4_ERROR_MALFORMED, error, "ids from 0 to %d",
                                G4_BPE_MAX_ID - 1);
        if (ids->len == G4_TOKENIZER_MAX_TEMPLATE)
            return g4_json_fail(specials, token, G4_ERROR_UNSUPPORTED, error,
                                "at most %d ids on one side of the text",
                                G4_TOKENIZER_MAX_TEMPLATE);
        guint32 id = (guint32)value;
        g_array_append_val(ids, id);
    }
    return TRUE;
}

/* One of the template: { "SpecialToken": { "id": ... } } or { "Sequence": { "id": "A" } }. */
static gboolean read_piece(G4TokenizerFile *file, const G4JsonObject *piece,
                           const G4JsonObject *specials, gboolean *seen, GError **error)
{
    G4JsonObject part;
    const char *id;
    gboolean special = g4_json_has(piece, "SpecialToken");
    if (!g4_json_read_object(piece, special ? "SpecialToken" : "Sequence", &part, error))
        return FALSE;
    if (part.object == NULL)
        return g4_json_fail(piece, "Sequence", G4_ERROR_MALFORMED, error,
                            "a SpecialToken or a Sequence");
    if (!read_text(&part, "id", &id, error))
        return FALSE;
    if (special)
        return append_special(specials, id, *seen ? file->after : file->before, error);
    if (strcmp(id, "A") != 0 || *seen)
        return g4_json_fail(&part, "id", G4_ERROR_UNSUPPORTED, error, "the text, A, once");
    *seen = TRUE;
    return TRUE;
}

gboolean g4_tokenizer_read_post_processor(G4TokenizerFile *file, const char *name, const char *text,
                                          gsize length, GError **error)
{
    G4JsonObject object, specials, piece;
    const char *type;
    gboolean seen = FALSE;
    g_autoptr(json_t) root = parse(name, "post_processor", text, length, &object, error);
    if (root == NULL || !read_type(&object, &type, error))
        return FALSE;
    if (strcmp(type, "TemplateProcessing") != 0)
        return g4_json_fail(&object, "type", G4_ERROR_UNSUPPORTED, error, "TemplateProcessing");
    if (!g4_json_read_object(&object, "special_tokens", &specials, error))
        return FALSE;
    json_t *single = json_object_get(root, "single");
    if (!json_is_array(single))
        return g4_json_fail(&object, "single", G4_ERROR_MALFORMED, error, "an array");
    for (gsize i = 0; i < json_array_size(single); i++) {
        json_t *member = json_array_get(single, i);
        if (!json_is_object(member))
            return g4_json_fail(&object, "single", G4_ERROR_MALFORMED, error,
                                "an array of objects");
        g4_json_object_init(&piece, member, name);
        g_snprintf(piece.path, sizeof piece.path, "post_processor.single[%u].", (guint)i);
        if (!read_piece(file, &piece, &specials, &seen, error))
            return FALSE;
    }
    return seen ||
           g4_json_fail(&object, "single", G4_ERROR_UNSUPPORTED, error, "the text, A, among them");
}
