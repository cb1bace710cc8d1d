/* SPDX-License-Identifier: Apache-2.0
 *
 * The large parts of tokenizer.json, vocabulary, merges and added tokens, are read as they stream
 * by; the small ones are handed on as text. Merges need the vocabulary: where they come first,
 * they are passed over and come back to.
 */
#include "tokenizer_file.h"

#include <string.h>

#include "gemma4.h"
#include "quote.h"
#include "tokenizer_parts.h"

#define MAX_PART ((gsize)1 << 20) /* bytes of a small part; real ones have 2,000 */

typedef struct Reader {
    G4TokenizerFile *file;
    G4JsonStream *stream;
    GArray *added;   /* of Added, in the file's order */
    GString *joined; /* both sides of a merge */
    G4BpeOptions options;
    char *unknown; /* owned; the text of unk_token, of unknown_length bytes */
    gsize unknown_length;
    guint32 n_ranks; /* of merges, so far */
    gboolean has_vocabulary, has_merges, merges_later;
    G4JsonMark merges;
    guint seen, seen_in_model; /* bits: keys that came */
} Reader;

typedef struct Added {
    char *text;
    gsize length;
    guint64 offset;
    gint64 id;
    gboolean lstrip, rstrip, normalized;
} Added;

static void clear_added(gpointer added)
{
    g_free(((Added *)added)->text);
}

static gboolean is_key(const G4JsonEvent *event, const char *key)
{
    return event->length == strlen(key) && memcmp(event->text, key, event->length) == 0;
}

/* The place of a key in a list that ends with NULL; the list's end for any other. One that is on
 * the list may come once. */
static gboolean find_key(const Reader *r, const G4JsonEvent *event, const char *const *keys,
                         guint *seen, guint *place, GError **error)
{
    for (*place = 0; keys[*place] != NULL; (*place)++) {
        if (!is_key(event, keys[*place]))
            continue;
        if ((*seen & 1u << *place) != 0)
            return g4_json_stream_fail(r->stream, event, G4_ERROR_MALFORMED, error,
                                       "this key once");
        *seen |= 1u << *place;
        return TRUE;
    }
    return TRUE;
}

static gboolean next(const Reader *r, G4JsonEvent *event, GError **error)
{
    return g4_json_stream_next(r->stream, event, error);
}

static gboolean malformed(const Reader *r, const G4JsonEvent *event, const char *expected,
                          GError **error)
{
    return g4_json_stream_fail(r->stream, event, G4_ERROR_MALFORMED, error, "%s", expected);
}

static gboolean expect(const Reader *r, G4JsonEvent *event, G4JsonEventType type,
                       const char *expected, GError **error)
{
    return next(r, event, error) && (event->type == type || malformed(r, event, expected, error));
}

static gboolean read_boolean(const Reader *r, const char *what, gboolean *value, GError **error)
{
    G4JsonEvent event;
    if (!next(r, &event, error))
        return FALSE;
    if (event.type != G4_JSON_TRUE && event.type != G4_JSON_FALSE)
        return g4_json_stream_fail(r->stream, &event, G4_ERROR_MALFORMED, error,
                                   "true or false for %s", what);
    *value = event.type == G4_JSON_TRUE;
    return TRUE;
}

/* As Python's None goes by the name of null, null is false. */
static gboolean read_option(const Reader *r, const char *what, gboolean *value, GError **error)
{
    G4JsonEvent event;
    if (!next(r, &event, error))
        return FALSE;
    *value = FALSE;
    if (event.type == G4_JSON_NULL)
        return TRUE;
    if (event.type != G4_JSON_TRUE && event.type != G4_JSON_FALSE)
        return g4_json_stream_fail(r->stream, &event, G4_ERROR_MALFORMED, error,
                                   "true, false or null for %s", what);
    *value = event.type == G4_JSON_TRUE;
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * added_tokens
 */
/* One, of which the brace, at `offset`, is behind us. */
static gboolean read_added_token(Reader *r, guint64 offset, GError **error)
{
    static const char *const keys[] = {"id",     "content",    "single_word", "lstrip",
                                       "rstrip", "normalized", "special",     NULL};
    G4JsonEvent event;
    guint seen = 0, place;
    gboolean single_word = FALSE, special;
    Added token = {.offset = offset};
    for (;;) {
        gboolean ok = TRUE;
        if (!next(r, &event, error))
            break;
        if (event.type == G4_JSON_END_OBJECT) {
            event.offset = offset;
            if (seen != (1u << (G_N_ELEMENTS(keys) - 1)) - 1) {
                malformed(r, &event,
                          "id, content, single_word, lstrip, rstrip, normalized and special of an "
                          "added token",
                          error);
                break;
            }
            if (single_word) {
                g_autofree char *quoted = g4_quote(token.text, token.length);
                g_set_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED,
                            "%s: byte %" G_GUINT64_FORMAT
                            ": added_tokens: found single_word for %s, expected false",
                            r->stream->name, offset, quoted);
                break;
            }
            g_array_append_val(r->added, token);
            return TRUE;
        }
        if (!find_key(r, &event, keys, &seen, &place, error))
            break;
        switch (place) {
        case 0:
            ok = next(r, &event, error);
            if (ok && (event.type != G4_JSON_INTEGER || event.integer < 0 ||
                       event.integer >= G4_BPE_MAX_ID))
                ok = malformed(r, &event, "an id from 0 to 2147483646", error);
            token.id = event.integer;
            break;
        case 1:
            ok = expect(r, &event, G4_JSON_STRING, "the text of an added token", error);
            if (ok) {
                token.text = g_memdup2(event.text, event.length);
                token.length = event.length;
            }
            break;
        case 2:
            ok = read_boolean(r, "single_word", &single_word, error);
            break;
        case 3:
            ok = read_boolean(r, "lstrip", &token.lstrip, error);
            break;
        case 4:
            ok = read_boolean(r, "rstrip", &token.rstrip, error);
            break;
        case 5:
            ok = read_boolean(r, "normalized", &token.normalized, error);
            break;
        case 6:
            ok = read_boolean(r, "special", &special, error);
            break;
        default:
            ok = next(r, &event, error) && g4_json_stream_skip(r->stream, &event, error);
            break;
        }
        if (!ok)
            break;
    }
    g_free(token.text);
    return FALSE;
}

static gboolean read_added_tokens(Reader *r, GError **error)
{
    G4JsonEvent event;
    if (!expect(r, &event, G4_JSON_BEGIN_ARRAY, "an array of added tokens", error))
        return FALSE;
    for (;;) {
        if (!next(r, &event, error))
            return FALSE;
        if (event.type == G4_JSON_END_ARRAY)
            return TRUE;
        if (event.type != G4_JSON_BEGIN_OBJECT)
            return malformed(r, &event, "an added token", error);
        if (!read_added_token(r, event.offset, error))
            return FALSE;
    }
}

static gboolean fail_token(const Reader *r, const Added *token, int code, const char *what,
                           GError **error)
{
    g_autofree char *quoted = g4_quote(token->text, token->length);
    g_set_error(error, G4_ERROR, code, "%s: byte %" G_GUINT64_FORMAT ": added_tokens: %s: %s",
                r->stream->name, token->offset, quoted, what);
    return FALSE;
}

/* The reference does not take an added token's id from the file: it is the vocabulary's for that
 * text, or else the next that is free. A file that says otherwise contradicts itself. */
static gboolean take_added_tokens(Reader *r, GError **error)
{
    G4TokenizerFile *file = r->file;
    guint32 free_id = file->bpe.vocabulary.n;
    for (guint i = 0; i < r->added->len; i++) {
        const Added *token = &g_array_index(r->added, Added, i);
        if (token->length == 0)
            continue; /* as the reference does */
        guint32 id = g4_vocabulary_find(&file->bpe.vocabulary, token->text, token->length);
        if (id == G4_NO_ID)
            id = free_id++;
        if (token->id != id) {
            g_autofree char *what = g_strdup_printf(
                "found id %" G_GINT64_FORMAT ", expected %u by the vocabulary", token->id, id);
            return fail_token(r, token, G4_ERROR_MALFORMED, what, error);
        }
        if (!g4_vocabulary_add(&file->added, token->text, token->length, id))
            return fail_token(r, token, G4_ERROR_MALFORMED, "is there twice", error);
        g_autoptr(GString) text = g_string_new_len(token->text, (gssize)token->length);
        if (text->len > G4_ADDED_TOKEN_MAX ||
            (token->normalized && !g4_tokenizer_file_normalize(file, text, G4_ADDED_TOKEN_MAX))) {
            g_autofree char *what =
                g_strdup_printf("expected at most %d bytes", G4_ADDED_TOKEN_MAX);
            return fail_token(r, token, G4_ERROR_UNSUPPORTED, what, error);
        }
        file->n_ids = MAX(file->n_ids, id + 1);
        if (text->len == 0)
            return fail_token(r, token, G4_ERROR_UNSUPPORTED, "normalizes to nothing", error);
        G4AddedToken added = {.text = g_memdup2(text->str, text->len),
                              .length = (guint32)text->len,
                              .id = id,
                              .lstrip = token->lstrip,
                              .rstrip = token->rstrip,
                              .normalized = token->normalized};
        g4_added_tokens_add(token->normalized ? &file->normalized : &file->raw, &added);
    }
    const G4AddedToken *twice = g4_added_tokens_sort(&file->raw);
    if (twice == NULL)
        twice = g4_added_tokens_sort(&file->normalized);
    if (twice == NULL)
        return TRUE;
    g_autofree char *quoted = g4_quote(twice->text, twice->length);
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "%s: added_tokens: two normalize to %s, expected one", r->stream->name, quoted);
    return FALSE;
}

/* -------------------------------------------------------------------------------------------
 * model
 */
static gboolean read_vocabulary(Reader *r, GError **error)
{
    G4JsonEvent event;
    G4TokenizerFile *file = r->file;
    if (!expect(r, &event, G4_JSON_BEGIN_OBJECT, "an object, model.vocab", error))
        return FALSE;
    for (;;) {
        if (!next(r, &event, error))
            return FALSE;
        if (event.type == G4_JSON_END_OBJECT)
            break;
        /* The key goes as soon as its number is read. */
        g_string_truncate(r->joined, 0);
        g_string_append_len(r->joined, event.text, (gssize)event.length);
        G4JsonEvent id;
        if (!next(r, &id, error))
            return FALSE;
        if (id.type != G4_JSON_INTEGER || id.integer < 0 || id.integer >= G4_BPE_MAX_ID)
            return malformed(r, &id, "an id from 0 to 2147483646", error);
        if (!g4_vocabulary_add(&file->bpe.vocabulary, r->joined->str, r->joined->len,
                               (guint32)id.integer)) {
            event.text = r->joined->str;
            return malformed(r, &event, "each token once in model.vocab", error);
        }
        file->n_ids = MAX(file->n_ids, (guint32)id.integer + 1);
    }
    r->has_vocabulary = TRUE;
    return TRUE;
}

/* `joined` holds both sides, the left one `split` bytes long. */
static gboolean add_merge(Reader *r, guint64 offset, gsize split, GError **error)
{
    G4Bpe *bpe = &r->file->bpe;
    const char *text = r->joined->str;
    gsize length = r->joined->len;
    guint32 left = g4_vocabulary_find(&bpe->vocabulary, text, split);
    guint32 right = g4_vocabulary_find(&bpe->vocabulary, text + split, length - split);
    guint32 merged = g4_vocabulary_find(&bpe->vocabulary, text, length);
    if (left == G4_NO_ID || right == G4_NO_ID || merged == G4_NO_ID) {
        g_autofree char *a = g4_quote(text, split);
        g_autofree char *b = g4_quote(text + split, length - split);
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: byte %" G_GUINT64_FORMAT ": model.merges: %s is not in model.vocab",
                    r->stream->name, offset,
                    left == G4_NO_ID    ? a
                    : right == G4_NO_ID ? b
                                        : "what two tokens become");
        return FALSE;
    }
    g4_bpe_add_merge(bpe, left, right, r->n_ranks++, merged);
    return TRUE;
}

/* ["left", "right"], of which the bracket is behind us. */
static gboolean read_pair(Reader *r, guint64 offset, GError **error)
{
    G4JsonEvent event;
    g_string_truncate(r->joined, 0);
    if (!expect(r, &event, G4_JSON_STRING, "the left side of a merge", error))
        return FALSE;
    g_string_append_len(r->joined, event.text, (gssize)event.length);
    gsize split = r->joined->len;
    if (!expect(r, &event, G4_JSON_STRING, "the right side of a merge", error))
        return FALSE;
    g_string_append_len(r->joined, event.text, (gssize)event.length);
    return expect(r, &event, G4_JSON_END_ARRAY, "the end of a merge", error) &&
           add_merge(r, offset, split, error);
}

/* "left right", as older files have it. */
static gboolean read_line(Reader *r, const G4JsonEvent *event, GError **error)
{
    static const char version[] = "#version";
    const char *space = memchr(event->text, ' ', event->length);
    if (event->length >= strlen(version) && memcmp(event->text, version, strlen(version)) == 0)
        return TRUE;
    gsize split = space == NULL ? 0 : (gsize)(space - event->text);
    gsize rest = space == NULL ? 0 : event->length - split - 1;
    if (space == NULL || memchr(space + 1, ' ', rest) != NULL)
        return malformed(r, event, "a merge of two tokens with one space between them", error);
    g_string_truncate(r->joined, 0);
    g_string_append_len(r->joined, event->text, (gssize)split);
    g_string_append_len(r->joined, space + 1, (gssize)rest);
    return add_merge(r, event->offset, split, error);
}

static gboolean read_merges(Reader *r, GError **error)
{
    G4JsonEvent event;
    G4JsonEventType form = G4_JSON_END;
    if (!expect(r, &event, G4_JSON_BEGIN_ARRAY, "an array, model.merges", error))
        return FALSE;
    for (;;) {
        if (!next(r, &event, error))
            return FALSE;
        if (event.type == G4_JSON_END_ARRAY)
            return TRUE;
        if ((event.type != G4_JSON_BEGIN_ARRAY && event.type != G4_JSON_STRING) ||
            (form != G4_JSON_END && form != event.type))
            return malformed(r, &event, "a merge, all of them pairs or all strings", error);
        form = event.type;
        if (!(form == G4_JSON_STRING ? read_line(r, &event, error)
                                     : read_pair(r, event.offset, error)))
            return FALSE;
    }
}

static gboolean read_unknown(Reader *r, GError **error)
{
    G4JsonEvent event;
    if (!next(r, &event, error))
        return FALSE;
    if (event.type == G4_JSON_NULL)
        return TRUE;
    if (event.type != G4_JSON_STRING)
        return malformed(r, &event, "a token or null for model.unk_token", error);
    r->unknown = g_memdup2(event.text, MAX(event.length, 1));
    r->unknown_length = event.length;
    return TRUE;
}

/* Settings that are there to be refused: null, and what means the same, are allowed. */
static gboolean read_refused(Reader *r, const char *what, GError **error)
{
    G4JsonEvent event;
    if (!next(r, &event, error))
        return FALSE;
    if (event.type == G4_JSON_NULL || (event.type == G4_JSON_STRING && event.length == 0) ||
        (event.type == G4_JSON_INTEGER && event.integer == 0) ||
        (event.type == G4_JSON_REAL && g_ascii_strtod(event.text, NULL) == 0))
        return TRUE;
    return g4_json_stream_fail(r->stream, &event, G4_ERROR_UNSUPPORTED, error, "null for %s", what);
}

static gboolean read_model(Reader *r, GError **error)
{
    static const char *const keys[] = {"type",
                                       "vocab",
                                       "merges",
                                       "unk_token",
                                       "fuse_unk",
                                       "byte_fallback",
                                       "ignore_merges",
                                       "dropout",
                                       "continuing_subword_prefix",
                                       "end_of_word_suffix",
                                       NULL};
    G4JsonEvent event;
    guint place;
    if (!expect(r, &event, G4_JSON_BEGIN_OBJECT, "an object, model", error))
        return FALSE;
    for (;;) {
        gboolean ok = TRUE;
        if (!next(r, &event, error))
            return FALSE;
        if (event.type == G4_JSON_END_OBJECT)
            return TRUE;
        if (!find_key(r, &event, keys, &r->seen_in_model, &place, error))
            return FALSE;
        switch (place) {
        case 0:
            ok = expect(r, &event, G4_JSON_STRING, "a type of model", error);
            if (ok && !is_key(&event, "BPE"))
                ok = g4_json_stream_fail(r->stream, &event, G4_ERROR_UNSUPPORTED, error,
                                         "BPE, the type of model");
            break;
        case 1:
            ok = read_vocabulary(r, error);
            break;
        case 2:
            r->has_merges = TRUE;
            r->merges_later = !r->has_vocabulary;
            g4_json_stream_get_mark(r->stream, &r->merges);
            ok = r->merges_later
                     ? next(r, &event, error) && g4_json_stream_skip(r->stream, &event, error)
                     : read_merges(r, error);
            break;
        case 3:
            ok = read_unknown(r, error);
            break;
        case 4:
            ok = read_option(r, "fuse_unk", &r->options.fuse_unknown, error);
            break;
        case 5:
            ok = read_option(r, "byte_fallback", &r->options.byte_fallback, error);
            break;
        case 6:
            ok = read_option(r, "ignore_merges", &r->options.ignore_merges, error);
            break;
        default:
            ok = keys[place] != NULL
                     ? read_refused(r, keys[place], error)
                     : next(r, &event, error) && g4_json_stream_skip(r->stream, &event, error);
            break;
        }
        if (!ok)
            return FALSE;
    }
}

/* What the model's keys say together. */
static gboolean finish_model(Reader *r, GError **error)
{
    if (!r->has_vocabulary || !r->has_merges) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: found no model.%s, expected one",
                    r->stream->name, r->has_vocabulary ? "merges" : "vocab");
        return FALSE;
    }
    if (r->merges_later) {
        g4_json_stream_go_to(r->stream, &r->merges);
        if (!read_merges(r, error))
            return FALSE;
    }
    r->options.unknown = G4_NO_ID;
    if (r->unknown != NULL) {
        r->options.unknown =
            g4_vocabulary_find(&r->file->bpe.vocabulary, r->unknown, r->unknown_length);
        if (r->options.unknown == G4_NO_ID) {
            g_autofree char *quoted = g4_quote(r->unknown, r->unknown_length);
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: model.unk_token: found %s, expected a token of model.vocab",
                        r->stream->name, quoted);
            return FALSE;
        }
    }
    g4_bpe_finish(&r->file->bpe, &r->options);
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * The whole
 */
typedef gboolean (*ReadPart)(G4TokenizerFile *file, const char *name, const char *text,
                             gsize length, GError **error);

static gboolean read_part(Reader *r, ReadPart read, GError **error)
{
    G4JsonEvent event;
    g_autofree char *text = NULL;
    gsize length;
    if (!next(r, &event, error))
        return FALSE;
    if (event.type == G4_JSON_NULL)
        return TRUE;
    if (event.type != G4_JSON_BEGIN_OBJECT)
        return malformed(r, &event, "an object or null", error);
    return g4_json_stream_load(r->stream, &event, MAX_PART, &text, &length, error) &&
           read(r->file, r->stream->name, text, length, error);
}

static gboolean read_all(Reader *r, GError **error)
{
    static const char *const keys[] = {
        "version", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "model", NULL};
    G4JsonEvent event;
    guint place;
    if (!expect(r, &event, G4_JSON_BEGIN_OBJECT, "an object", error))
        return FALSE;
    for (;;) {
        gboolean ok = TRUE;
        if (!next(r, &event, error))
            return FALSE;
        if (event.type == G4_JSON_END_OBJECT)
            break;
        if (!find_key(r, &event, keys, &r->seen, &place, error))
            return FALSE;
        switch (place) {
        case 0:
            ok = next(r, &event, error);
            if (ok && (event.type != G4_JSON_STRING || !is_key(&event, "1.0")))
                ok = g4_json_stream_fail(r->stream, &event, G4_ERROR_UNSUPPORTED, error,
                                         "version \"1.0\"");
            break;
        case 1:
            ok = read_added_tokens(r, error);
            break;
        case 2:
            ok = read_part(r, g4_tokenizer_read_normalizer, error);
            break;
        case 3:
            ok = read_part(r, g4_tokenizer_read_pre_tokenizer, error);
            break;
        case 4:
            ok = read_part(r, g4_tokenizer_read_post_processor, error);
            break;
        case 5:
            ok = read_model(r, error);
            break;
        default:
            ok = next(r, &event, error) && g4_json_stream_skip(r->stream, &event, error);
            break;
        }
        if (!ok)
            return FALSE;
    }
    return next(r, &event, error) && finish_model(r, error) && take_added_tokens(r, error);
}

static void count_ids(G4TokenizerFile *file, const GArray *ids)
{
    for (guint i = 0; i < ids->len; i++)
        file->n_ids = MAX(file->n_ids, g_array_index(ids, guint32, i) + 1);
}

gboolean g4_tokenizer_file_read(G4TokenizerFile *file, G4JsonStream *stream, GError **error)
{
    *file = (G4TokenizerFile){.before = g_array_new(FALSE, FALSE, sizeof(guint32)),
                              .after = g_array_new(FALSE, FALSE, sizeof(guint32))};
    g4_bpe_init(&file->bpe);
    g4_vocabulary_init(&file->added);
    g4_added_tokens_init(&file->raw);
    g4_added_tokens_init(&file->normalized);
    Reader reader = {.file = file,
                     .stream = stream,
                     .added = g_array_new(FALSE, FALSE, sizeof(Added)),
                     .joined = g_string_new(NULL)};
    g_array_set_clear_func(reader.added, clear_added);

    gboolean ok = read_all(&reader, error);
    count_ids(file, file->before);
    count_ids(file, file->after);
    g_array_unref(reader.added);
    g_string_free(reader.joined, TRUE);
    g_free(reader.unknown);
    if (!ok)
        g4_tokenizer_file_clear(file);
    return ok;
}

void g4_tokenizer_file_clear(G4TokenizerFile *file)
{
    g4_bpe_clear(&file->bpe);
    g4_added_tokens_clear(&file->raw);
    g4_added_tokens_clear(&file->normalized);
    g4_vocabulary_clear(&file->added);
    for (guint i = 0; i < file->n_replaces; i++) {
        g_free(file->replaces[i].pattern);
        g_free(file->replaces[i].content);
    }
    file->n_replaces = 0;
    g_clear_pointer(&file->split_pattern, g_free);
    g_clear_pointer(&file->before, g_array_unref);
    g_clear_pointer(&file->after, g_array_unref);
}

gboolean g4_tokenizer_file_normalize(const G4TokenizerFile *file, GString *text, gsize max)
{
    for (guint i = 0; i < file->n_replaces; i++) {
        const char *pattern = file->replaces[i].pattern, *content = file->replaces[i].content;
        gsize n = strlen(pattern), m = strlen(content);
        const char *p = text->str, *end = text->str + text->len, *found;
        if (memmem(p, text->len, pattern, n) == NULL)
            continue;
        g_autoptr(GString) out = g_string_sized_new(text->len + text->len / 2);
        while ((found = memmem(p, (gsize)(end - p), pattern, n)) != NULL) {
            g_string_append_len(out, p, found - p);
            g_string_append_len(out, content, (gssize)m);
            p = found + n;
            if (out->len > max)
                return FALSE;
        }
        g_string_append_len(out, p, end - p);
        if (out->len > max)
            return FALSE;
        g_string_truncate(text, 0);
        g_string_append_len(text, out->str, (gssize)out->len);
    }
    return TRUE;
}
