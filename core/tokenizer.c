/* SPDX-License-Identifier: Apache-2.0
 *
 * From text to ids, in the reference's order: added tokens are cut out of the raw text; what lies
 * between them is normalized; added tokens that count there are cut out of that; what is left is
 * split, and each piece goes through the merges.
 */
#include "tokenizer.h"

#include <string.h>

#include "bpe.h"
#include "file.h"
#include "gemma4.h"
#include "json_stream.h"
#include "tokenizer_file.h"
#include "utf8.h"

#define MAX_FILE ((guint64)512 << 20)

struct G4Tokenizer {
    G4TokenizerFile file;
};

static G4Tokenizer *read_stream(G4JsonStream *stream, GError **error)
{
    G4Tokenizer *tokenizer = g_new0(G4Tokenizer, 1);
    if (!g4_tokenizer_file_read(&tokenizer->file, stream, error))
        g_clear_pointer(&tokenizer, g_free);
    g4_json_stream_clear(stream);
    return tokenizer;
}

G4Tokenizer *g4_tokenizer_open(const char *path, GError **error)
{
    G4Tokenizer *tokenizer = NULL;
    G4JsonStream stream;
    G4File file = {.fd = -1};
    if (!g4_file_open(&file, path, error))
        return NULL;
    if (file.size > MAX_FILE) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: %" G_GUINT64_FORMAT " bytes, expected at most %" G_GUINT64_FORMAT,
                    file.name, file.size, MAX_FILE);
    } else {
        g4_json_stream_init_file(&stream, &file);
        tokenizer = read_stream(&stream, error);
    }
    g4_file_clear(&file);
    return tokenizer;
}

G4Tokenizer *g4_tokenizer_parse(const char *name, const char *text, gsize length, GError **error)
{
    G4JsonStream stream;
    g4_json_stream_init_text(&stream, name, text, length);
    return read_stream(&stream, error);
}

void g4_tokenizer_free(G4Tokenizer *tokenizer)
{
    if (tokenizer == NULL)
        return;
    g4_tokenizer_file_clear(&tokenizer->file);
    g_free(tokenizer);
}

guint32 g4_tokenizer_get_n_ids(const G4Tokenizer *tokenizer)
{
    return tokenizer->file.n_ids;
}

gboolean g4_tokenizer_find(const G4Tokenizer *tokenizer, const char *token, guint32 *id)
{
    guint32 found = g4_vocabulary_find(&tokenizer->file.added, token, strlen(token));
    if (found == G4_NO_ID)
        found = g4_vocabulary_find(&tokenizer->file.bpe.vocabulary, token, strlen(token));
    if (found == G4_NO_ID)
        return FALSE;
    *id = found;
    return TRUE;
}

/* -------------------------------------------------------------------------------------------
 * Encoding
 */
typedef struct Encoding {
    const G4TokenizerFile *file;
    GArray *ids;
    G4BpeScratch scratch;
    GString *normalized;
    gboolean too_long; /* it grew beyond the limit when it was normalized */
} Encoding;

typedef void (*EncodePiece)(Encoding *encoding, const char *text, gsize length);

static void encode_word(Encoding *e, const char *word, gsize length)
{
    g4_bpe_encode(&e->file->bpe, &e->scratch, word, length, e->ids);
}

/* The splitting of the reference: matches of the pattern and what lies between them are pieces in
 * a row, of which the behavior then joins some. */
static void encode_split(Encoding *e, const char *text, gsize length)
{
    const G4TokenizerFile *file = e->file;
    const char *pattern = file->split_pattern, *end = text + length;
    if (file->split == G4_SPLIT_NONE) {
        encode_word(e, text, length);
        return;
    }
    gsize n = strlen(pattern);
    /* `start` to `p` is the piece that still grows. */
    const char *start = text, *p = text;
    gboolean after_match = FALSE;
    while (p < end) {
        const char *found = memmem(p, (gsize)(end - p), pattern, n);
        const char *stop = found == NULL ? end : found;
        if (stop > p) {
            /* What is no match. A match waits for it only with MergedWithNext. */
            if (after_match && file->split != G4_SPLIT_MERGED_WITH_NEXT) {
                encode_word(e, start, (gsize)(p - start));
                start = p;
            }
            p = stop;
            after_match = FALSE;
        }
        if (found == NULL)
            break;
        switch (file->split) {
        case G4_SPLIT_REMOVED:
            encode_word(e, start, (gsize)(p - start));
            start = p = found + n;
            continue;
        case G4_SPLIT_MERGED_WITH_PREVIOUS:
            /* Only the first of several matches in a row. */
            if (after_match) {
                encode_word(e, start, (gsize)(p - start));
                start = p;
            }
            break;
        case G4_SPLIT_CONTIGUOUS:
            if (!after_match) {
                encode_word(e, start, (gsize)(p - start));
                start = p;
            }
            break;
        default:
            encode_word(e, start, (gsize)(p - start));
            start = p;
            break;
        }
        p = found + n;
        after_match = TRUE;
    }
    encode_word(e, start, (gsize)(p - start));
}

/* Cuts the tokens of `set` out of the text and hands what lies between to `encode`. White space
 * that a token takes with it may have been taken before it, and what it takes is still looked
 * through for tokens: both as in the reference. */
static void cut_out(Encoding *e, const G4AddedTokens *set, const char *text, gsize length,
                    EncodePiece encode)
{
    gsize done = 0, from = 0, at = 0;
    gsize space = 0, space_end = 0; /* white space that was looked through: it is so only once */
    const G4AddedToken *token;
    while ((token = g4_added_tokens_find(set, text, length, from, &at)) != NULL) {
        gsize start = at, stop = from = at + token->length;
        if (token->lstrip)
            start = done < start ? g4_space_before(text, done, start) : done;
        if (token->rstrip) {
            if (stop < space || stop > space_end) {
                space = stop;
                space_end = g4_space_after(text, length, stop);
            }
            stop = space_end;
        }
        if (done < start)
            encode(e, text + done, start - done);
        if (start != stop)
            g_array_append_val(e->ids, token->id);
        done = stop;
    }
    if (done != length)
        encode(e, text + done, length - done);
}

static void encode_raw(Encoding *e, const char *text, gsize length)
{
    g_string_truncate(e->normalized, 0);
    g_string_append_len(e->normalized, text, (gssize)length);
    e->too_long =
        e->too_long || !g4_tokenizer_file_normalize(e->file, e->normalized, G4_TOKENIZER_MAX_TEXT);
    if (!e->too_long)
        cut_out(e, &e->file->normalized, e->normalized->str, e->normalized->len, encode_split);
}

static gboolean check_text(const char *text, gsize length, GError **error)
{
    if (length > G4_TOKENIZER_MAX_TEXT) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "text: %" G_GSIZE_FORMAT " bytes, expected at most %d", length,
                    G4_TOKENIZER_MAX_TEXT);
        return FALSE;
    }
    gsize bad = g4_utf8_check(text, length);
    if (bad != length) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "text: byte %" G_GSIZE_FORMAT ": found 0x%02x, expected UTF-8", bad,
                    (guint8)text[bad]);
        return FALSE;
    }
    return TRUE;
}

gboolean g4_tokenizer_encode(const G4Tokenizer *tokenizer, const char *text, gsize length,
                             GArray *ids, GError **error)
{
    const G4TokenizerFile *file = &tokenizer->file;
    guint before = ids->len;
    if (!check_text(text, length, error))
        return FALSE;
    Encoding encoding = {.file = file, .ids = ids, .normalized = g_string_new(NULL)};
    g_array_append_vals(ids, file->before->data, file->before->len);
    cut_out(&encoding, &file->raw, text, length, encode_raw);
    g_array_append_vals(ids, file->after->data, file->after->len);
    g_string_free(encoding.normalized, TRUE);
    g4_bpe_scratch_clear(&encoding.scratch);
    if (encoding.too_long) {
        g_array_set_size(ids, before);
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS, "text: more than %d bytes when normalized",
                    G4_TOKENIZER_MAX_TEXT);
        return FALSE;
    }
    return TRUE;
}
