/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokenizer by itself: what is refused and how it is said, limits, and texts for which no
 * reference is needed. Equality with the reference is tests/tokenizer.
 */
#include "tokenizer.h"

#include <glib.h>
#include <string.h>

#include "bpe.h"
#include "folder.h"
#include "gemma4.h"
#include "tokenizer_file.h"

/* A tokenizer of two letters and what they make, with any other keys. */
#define VOCAB "\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"ab\":3,\"\xe2\x96\x81\":4}"
#define MERGES "\"merges\":[[\"a\",\"b\"]]"
#define MODEL "\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES "}"
#define ADDED(flags)                                                                               \
    "{\"id\":5,\"content\":\"<x>\"," flags ",\"normalized\":false,\"special\":true}"
#define NO_FLAGS "\"single_word\":false,\"lstrip\":false,\"rstrip\":false"
#define TEMPLATE(single, specials)                                                                 \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":" single                       \
    ",\"special_tokens\":" specials "}"
#define A "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define S "{\"SpecialToken\":{\"id\":\"s\",\"type_id\":0}}"
#define REPLACE(pattern, content)                                                                  \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" pattern "\"},\"content\":\"" content "\"}"

static G4Tokenizer *parse(const char *text, GError **error)
{
    gsize length = strlen(text);
    g_autofree char *copy = g_memdup2(text, MAX(length, 1));
    return g4_tokenizer_parse("FILE", copy, length, error);
}

/* "1 2 3", or the error's message. */
static char *ids_of(const G4Tokenizer *tokenizer, const char *text, gsize length)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_memdup2(text, MAX(length, 1));
    if (!g4_tokenizer_encode(tokenizer, copy, length, ids, &error)) {
        g_assert_cmpuint(ids->len, ==, 0);
        return g_strdup(error->message);
    }
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < ids->len; i++)
        g_string_append_printf(out, i > 0 ? " %u" : "%u", g_array_index(ids, guint32, i));
    return g_string_free(out, FALSE);
}

static void test_accepted(void)
{
    static const struct {
        const char *document, *text, *ids;
    } cases[] = {
        {"{" MODEL "}", "abba?", "3 2 1"},
        {"{" MODEL "}", "", ""},
        {"{\"model\":{" MERGES "," VOCAB "}}", "ab", "3"},
        {"{\"model\":{\"merges\":[\"a b\"]," VOCAB "}}", "ab", "3"},
        {"{\"model\":{\"merges\":[]," VOCAB "}}", "ab", "1 2"},
        {"{\"model\":{" MERGES "," VOCAB ",\"unk_token\":\"<unk>\"}}", "x\xc3\xa9ya", "0 0 0 1"},
        {"{\"model\":{" MERGES "," VOCAB ",\"unk_token\":\"<unk>\",\"fuse_unk\":true}}", "xya",
         "0 1"},
        {"{\"model\":{" MERGES "," VOCAB ",\"dropout\":0.0,\"end_of_word_suffix\":\"\"}}", "ab",
         "3"},
        {"{\"normalizer\":" REPLACE(" ", "\\u2581") "," MODEL "}", " a b", "4 1 4 2"},
        {"{\"normalizer\":" REPLACE("x", "") "," MODEL "}", "axxb", "3"},
        {"{\"added_tokens\":[" ADDED(NO_FLAGS) "]," MODEL "}", "a<x>b<x", "1 5 2"},
        {"{" TEMPLATE("[" S "," A "," S "," S "]", "{\"s\":{\"ids\":[9,8]}}") "," MODEL "}", "a",
         "9 8 1 9 8 9 8"},
        {"{" TEMPLATE("[" A "]", "{}") "," MODEL "}", "a", "1"},
        {"{\"version\":\"1.0\",\"truncation\":{\"max_length\":1},\"padding\":[],\"x\":{\"y\":[1]}"
         "," MODEL "}",
         "ab", "3"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(G4Tokenizer) tokenizer = parse(cases[i].document, &error);
        g_assert_no_error(error);
        g_autofree char *ids = ids_of(tokenizer, cases[i].text, strlen(cases[i].text));
        g_assert_cmpstr(ids, ==, cases[i].ids);
    }
}

#define PART(key, text) "{\"" key "\":" text "," MODEL "}"
#define MODEL_WITH(text) "{\"model\":{\"type\":\"BPE\"," text "," VOCAB "," MERGES "}}"

/* An added token that is looked for in the normalized text. */
#define LETTER(id, text)                                                                           \
    "{\"id\":" id ",\"content\":\"" text "\"," NO_FLAGS ",\"normalized\":true,\"special\":false}"
#define IDS_13 "0,1,2,3,4,5,6,7,8,9,10,11,12"

static void test_refused(void)
{
    static const struct {
        const char *document;
        int code;
        const char *message;
    } cases[] = {
        {"", G4_ERROR_MALFORMED, "FILE: byte 0: found the end of the file, expected a value"},
        {"[]", G4_ERROR_MALFORMED, "FILE: byte 0: found an array, expected an object"},
        {"{}", G4_ERROR_MALFORMED, "FILE: found no model.vocab, expected one"},
        {"{" MODEL "} x", G4_ERROR_MALFORMED, "found 'x', expected the end of the file"},
        {"{" MODEL "," MODEL "}", G4_ERROR_MALFORMED, "found \"model\", expected this key once"},
        {"{\"model\":{" VOCAB "}}", G4_ERROR_MALFORMED, "found no model.merges"},
        {"{\"model\":{" VOCAB "," VOCAB "}}", G4_ERROR_MALFORMED,
         "found \"vocab\", expected this key once"},
        {"{\"version\":\"2.0\"," MODEL "}", G4_ERROR_UNSUPPORTED,
         "found \"2.0\", expected version \"1.0\""},
        {"{\"model\":{\"type\":\"Unigram\"}}", G4_ERROR_UNSUPPORTED,
         "found \"Unigram\", expected BPE"},
        {"{\"model\":{\"vocab\":[]}}", G4_ERROR_MALFORMED, "expected an object, model.vocab"},
        {"{\"model\":{\"vocab\":{\"a\":1,\"a\":2}}}", G4_ERROR_MALFORMED,
         "byte 25: found \"a\", expected each token once in model.vocab"},
        {"{\"model\":{\"vocab\":{\"a\":-1}}}", G4_ERROR_MALFORMED,
         "byte 23: found -1, expected an id"},
        {"{\"model\":{\"vocab\":{\"a\":2147483647}}}", G4_ERROR_MALFORMED,
         "found 2147483647, expected an id"},
        {"{\"model\":{\"vocab\":{\"a\":1.0}}}", G4_ERROR_MALFORMED, "found 1.0, expected an id"},
        {"{\"model\":{\"vocab\":{\"a\":\"1\"}}}", G4_ERROR_MALFORMED,
         "found \"1\", expected an id"},
        {"{\"model\":{" VOCAB ",\"merges\":[[\"a\",\"c\"]]}}", G4_ERROR_MALFORMED,
         "model.merges: \"c\" is not in model.vocab"},
        {"{\"model\":{" VOCAB ",\"merges\":[[\"b\",\"a\"]]}}", G4_ERROR_MALFORMED,
         "model.merges: what two tokens become is not in model.vocab"},
        {"{\"model\":{" VOCAB ",\"merges\":[[\"a\"]]}}", G4_ERROR_MALFORMED,
         "expected the right side of a merge"},
        {"{\"model\":{" VOCAB ",\"merges\":[[\"a\",\"b\",\"a\"]]}}", G4_ERROR_MALFORMED,
         "expected the end of a merge"},
        {"{\"model\":{" VOCAB ",\"merges\":[\"ab\"]}}", G4_ERROR_MALFORMED,
         "found \"ab\", expected a merge of two"},
        {"{\"model\":{" VOCAB ",\"merges\":[\"a b \"]}}", G4_ERROR_MALFORMED,
         "expected a merge of two"},
        {"{\"model\":{" VOCAB ",\"merges\":[\"a b\",[\"a\",\"b\"]]}}", G4_ERROR_MALFORMED,
         "found an array, expected a merge, all of them pairs or all strings"},
        {MODEL_WITH("\"dropout\":0.1"), G4_ERROR_UNSUPPORTED,
         "found 0.1, expected null for dropout"},
        {MODEL_WITH("\"continuing_subword_prefix\":\"##\""), G4_ERROR_UNSUPPORTED,
         "found \"##\", expected null for continuing_subword_prefix"},
        {MODEL_WITH("\"end_of_word_suffix\":\"</w>\""), G4_ERROR_UNSUPPORTED,
         "null for end_of_word_suffix"},
        {MODEL_WITH("\"unk_token\":\"[U]\""), G4_ERROR_MALFORMED, "model.unk_token: found \"[U]\""},
        {MODEL_WITH("\"unk_token\":3"), G4_ERROR_MALFORMED, "found 3, expected a token or null"},
        {MODEL_WITH("\"fuse_unk\":1"), G4_ERROR_MALFORMED,
         "found 1, expected true, false or null for fuse_unk"},
        {PART("normalizer", "{\"type\":\"NFC\"}"), G4_ERROR_UNSUPPORTED,
         "FILE: normalizer.type: found \"NFC\", expected Replace"},
        {PART("normalizer", "{}"), G4_ERROR_MALFORMED, "normalizer.type: found nothing"},
        {PART("normalizer", "[]"), G4_ERROR_MALFORMED,
         "found an array, expected an object or null"},
        {PART("normalizer",
              "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +\"},\"content\":\"\"}"),
         G4_ERROR_UNSUPPORTED, "normalizer.pattern.Regex: found \" +\", expected a String"},
        {PART("normalizer", REPLACE("", "x")), G4_ERROR_UNSUPPORTED,
         "expected at least one character"},
        {PART("normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"}]}"),
         G4_ERROR_UNSUPPORTED, "normalizer.normalizers[0].type: found \"Lowercase\""},
        {PART("pre_tokenizer", "{\"type\":\"ByteLevel\"}"), G4_ERROR_UNSUPPORTED,
         "pre_tokenizer.type: found \"ByteLevel\", expected Split"},
        {PART("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
                               "\"behavior\":\"Removed\",\"invert\":true}"),
         G4_ERROR_UNSUPPORTED, "pre_tokenizer.invert: found true, expected false"},
        {PART("pre_tokenizer",
              "{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},\"behavior\":\"Odd\"}"),
         G4_ERROR_UNSUPPORTED, "pre_tokenizer.behavior: found \"Odd\""},
        {PART("post_processor", "{\"type\":\"RobertaProcessing\"}"), G4_ERROR_UNSUPPORTED,
         "post_processor.type: found \"RobertaProcessing\", expected TemplateProcessing"},
        {"{" TEMPLATE("[" S "]", "{\"s\":{\"ids\":[1]}}") "," MODEL "}", G4_ERROR_UNSUPPORTED,
         "post_processor.single: found an array of 1, expected the text, A, among them"},
        {"{" TEMPLATE("[" A "," A "]", "{}") "," MODEL "}", G4_ERROR_UNSUPPORTED,
         "expected the text, A, once"},
        {"{" TEMPLATE("[" S "," A "]", "{}") "," MODEL "}", G4_ERROR_MALFORMED,
         "post_processor.special_tokens.s: found nothing, expected an object with ids"},
        {"{" TEMPLATE("[" S "," A "]", "{\"s\":{\"ids\":[-1]}}") "," MODEL "}", G4_ERROR_MALFORMED,
         "expected ids from 0"},
        {"{\"added_tokens\":[{}]," MODEL "}", G4_ERROR_MALFORMED,
         "byte 17: found its end, expected id, content"},
        {"{\"added_tokens\":[" ADDED(
             "\"single_word\":true,\"lstrip\":false,\"rstrip\":false") "]," MODEL "}",
         G4_ERROR_UNSUPPORTED, "added_tokens: found single_word for \"<x>\", expected false"},
        {"{\"added_tokens\":[{\"id\":5,\"content\":\"\",\"single_word\":true,\"lstrip\":false,"
         "\"rstrip\":false,\"normalized\":false,\"special\":true}]," MODEL "}",
         G4_ERROR_UNSUPPORTED, "found single_word for \"\", expected false"},
        {"{\"added_tokens\":[" ADDED(NO_FLAGS) "," ADDED(NO_FLAGS) "]," MODEL "}",
         G4_ERROR_MALFORMED, "<x>"},
        {"{\"added_tokens\":[{\"id\":6,\"content\":\"<x>\"," NO_FLAGS
         ",\"normalized\":false,\"special\":true}]," MODEL "}",
         G4_ERROR_MALFORMED, "\"<x>\": found id 6, expected 5 by the vocabulary"},
        {"{\"added_tokens\":[{\"id\":6,\"content\":\"ab\"," NO_FLAGS
         ",\"normalized\":false,\"special\":true}]," MODEL "}",
         G4_ERROR_MALFORMED, "\"ab\": found id 6, expected 3 by the vocabulary"},
        {"{\"added_tokens\":[3]," MODEL "}", G4_ERROR_MALFORMED,
         "found 3, expected an added token"},
        {"{\"added_tokens\":[{\"id\":-1}]," MODEL "}", G4_ERROR_MALFORMED,
         "found -1, expected an id from 0"},
        {"{\"added_tokens\":[{\"lstrip\":null}]," MODEL "}", G4_ERROR_MALFORMED,
         "found null, expected true or false for lstrip"},
        {"{\"added_tokens\":[{\"content\":{}}]," MODEL "}", G4_ERROR_MALFORMED,
         "found an object, expected the text of an added token"},
        {"{\"added_tokens\":[" LETTER("5", "<x>") "," LETTER(
             "6", "<y>") "],\"normalizer\":" REPLACE("y", "x") "," MODEL "}",
         G4_ERROR_MALFORMED, "two normalize to \"<x>\", expected one"},
        {"{\"added_tokens\":[" LETTER("5", "x") "],\"normalizer\":" REPLACE("x", "") "," MODEL "}",
         G4_ERROR_UNSUPPORTED, "\"x\": normalizes to nothing"},
        {"{\"added_tokens\":[" LETTER("3", "ab") "," LETTER("3", "ab") "]," MODEL "}",
         G4_ERROR_MALFORMED, "\"ab\": is there twice"},
        {PART("normalizer",
              "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":null}"),
         G4_ERROR_MALFORMED, "normalizer.content: found null, expected a string"},
        {PART("normalizer", "{\"type\":\"Sequence\"}"), G4_ERROR_MALFORMED,
         "normalizer.normalizers: found nothing, expected an array"},
        {PART("normalizer", "{\"type\":\"Sequence\",\"normalizers\":[0]}"), G4_ERROR_MALFORMED,
         "expected an array of objects"},
        {PART("normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{},{},{},{},{},{},{},{},{}]}"),
         G4_ERROR_UNSUPPORTED, "normalizer.normalizers: found an array of 9, expected at most 8"},
        {"{" TEMPLATE("3", "{}") "," MODEL "}", G4_ERROR_MALFORMED,
         "post_processor.single: found 3, expected an array"},
        {"{" TEMPLATE("[3]", "{}") "," MODEL "}", G4_ERROR_MALFORMED,
         "expected an array of objects"},
        {"{" TEMPLATE("[{}]", "{}") "," MODEL "}", G4_ERROR_MALFORMED,
         "post_processor.single[0].Sequence: found nothing, expected a SpecialToken or a Sequence"},
        {"{" TEMPLATE("[" S "," A "]", "{\"s\":{\"ids\":[" IDS_13 "," IDS_13 "," IDS_13 "," IDS_13
                                       "," IDS_13 "]}}") "," MODEL "}",
         G4_ERROR_UNSUPPORTED, "at most 64 ids on one side"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(G4Tokenizer) tokenizer = parse(cases[i].document, &error);
        if (tokenizer != NULL)
            g_error("accepted: %s", cases[i].document);
        g_assert_error(error, G4_ERROR, cases[i].code);
        if (strstr(error->message, cases[i].message) == NULL)
            g_error("%s; expected %s", error->message, cases[i].message);
    }
}

/* Every beginning of a good file is refused, whatever it breaks off in. */
static void test_truncated(void)
{
    static const char whole[] = "{\"added_tokens\":[" ADDED(NO_FLAGS) "],\"normalizer\":" REPLACE(
        " ", "\\u2581") "," TEMPLATE("[" S "," A "]", "{\"s\":{\"ids\":[9,8]}}") "," MODEL "}";
    for (gsize n = 0; n <= strlen(whole); n++) {
        g_autofree char *text = g_strndup(whole, n);
        g_autoptr(GError) error = NULL;
        g_autoptr(G4Tokenizer) tokenizer = parse(text, &error);
        if (n < strlen(whole))
            g_assert_error(error, G4_ERROR, G4_ERROR_MALFORMED);
        else
            g_assert_no_error(error);
        g_assert_true((tokenizer != NULL) == (n == strlen(whole)));
    }
}

static void test_open(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autofree char *path = folder_write(folder, "tokenizer.json", "{" MODEL "}", -1);
    g_autofree char *missing = g_build_filename(folder, "missing", NULL);
    g_autofree char *empty = folder_write(folder, "empty", "", 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Tokenizer) tokenizer = g4_tokenizer_open(path, &error);
    g_assert_no_error(error);
    guint32 id = 77;
    g_assert_cmpuint(g4_tokenizer_get_n_ids(tokenizer), ==, 5);
    g_assert_true(g4_tokenizer_find(tokenizer, "ab", &id));
    g_assert_cmpuint(id, ==, 3);
    g_assert_false(g4_tokenizer_find(tokenizer, "ba", &id));
    g_assert_cmpuint(id, ==, 3);

    g_assert_null(g4_tokenizer_open(missing, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_MISSING);
    g_clear_error(&error);
    g_assert_null(g4_tokenizer_open(folder, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_UNREADABLE);
    g_clear_error(&error);
    g_assert_null(g4_tokenizer_open(empty, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_MALFORMED);
    g4_tokenizer_free(NULL);
}

static void test_utf8(void)
{
    static const struct {
        const char *text;
        gsize length, bad;
    } cases[] = {
        {"\x80", 1, 0},
        {"ab\xff", 3, 2},
        {"abababababab\xc3", 13, 12},
        {"a\xc3(", 3, 1},
        {"\xc0\x80", 2, 0},
        {"\xe0\x80\x80", 3, 0},
        {"ab\xed\xa0\x80", 5, 2},
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xe2\x96", 2, 0},
        {"\xe2\x96\x81\xe2\x96", 5, 3},
    };
    g_autoptr(G4Tokenizer) tokenizer = parse("{" MODEL "}", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = ids_of(tokenizer, cases[i].text, cases[i].length);
        g_autofree char *expected =
            g_strdup_printf("text: byte %" G_GSIZE_FORMAT ": found 0x%02x, expected UTF-8",
                            cases[i].bad, (guint8)cases[i].text[cases[i].bad]);
        g_assert_cmpstr(message, ==, expected);
    }
    /* NUL and what is not a character to some (U+FFFE, U+10FFFF) are text. */
    g_autofree char *ids = ids_of(tokenizer, "a\0b\xef\xbf\xbe\xf4\x8f\xbf\xbf", 10);
    g_assert_cmpstr(ids, ==, "3");

    g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GError) error = NULL;
    g_assert_true(g4_tokenizer_encode(tokenizer, "ab", 2, kept, &error));
    g_assert_false(g4_tokenizer_encode(tokenizer, "ab\xff", 3, kept, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_MALFORMED);
    g_assert_cmpuint(kept->len, ==, 1);
}

/* Every character at both ends of its length in bytes, and that the decoder agrees with GLib's. */
static void test_code_points(void)
{
    g_autoptr(GString) vocabulary = g_string_new("{\"model\":{\"merges\":[],\"vocab\":{");
    static const gunichar points[] = {0x1,    0x7f,   0x80,   0x7ff,   0x800,   0xd7ff,
                                      0xe000, 0xfeff, 0xffff, 0x10000, 0x1f697, 0x10ffff};
    for (guint i = 0; i < G_N_ELEMENTS(points); i++) {
        char utf8[7] = {0};
        g_unichar_to_utf8(points[i], utf8);
        g_string_append_printf(vocabulary, "%s\"%s\":%u", i > 0 ? "," : "",
                               points[i] < 0x20 ? "\\u0001" : utf8, i);
    }
    g_string_append(vocabulary, "}}}");
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Tokenizer) tokenizer = parse(vocabulary->str, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(points); i++) {
        char utf8[7] = {0};
        gint length = g_unichar_to_utf8(points[i], utf8);
        g_autofree char *ids = ids_of(tokenizer, utf8, (gsize)length);
        g_autofree char *expected = g_strdup_printf("%u", i);
        g_assert_cmpstr(ids, ==, expected);
    }
}

/* 2^20 letters that become one token, in pairs of pairs: a million merges in one word. A loop over
 * the word for each would take days. */
static void test_long_word(void)
{
    enum { LEVELS = 20 };
    G4Bpe bpe;
    G4BpeScratch scratch = {0};
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autofree char *word = g_strnfill((1 << LEVELS) + 5, 'a');
    g4_bpe_init(&bpe);
    g4_vocabulary_add(&bpe.vocabulary, "a", 1, 0);
    for (guint32 i = 0; i < LEVELS; i++)
        g4_bpe_add_merge(&bpe, i, i, i, i + 1);
    g4_bpe_finish(&bpe, &(G4BpeOptions){.unknown = G4_NO_ID});
    g4_bpe_encode(&bpe, &scratch, word, strlen(word), ids);
    g_assert_cmpuint(ids->len, ==, 3); /* 2^20, then 4, then 1 */
    g_assert_cmpuint(g_array_index(ids, guint32, 0), ==, LEVELS);
    g_assert_cmpuint(g_array_index(ids, guint32, 1), ==, 2);
    g_assert_cmpuint(g_array_index(ids, guint32, 2), ==, 0);
    g4_bpe_scratch_clear(&scratch);
    g4_bpe_clear(&bpe);
}

/* White space that is a token and takes white space with it, on either side, and another that takes
 * none: each of a million would look through all the others. */
static void test_white_space_is_looked_through_once(void)
{
    static const char added[] = "{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":%s,"
                                "\"rstrip\":%s,\"normalized\":false,\"special\":true}";
    enum { N = 1 << 20 };
    for (int strip = 1; strip < 4; strip++) {
        g_autofree char *one = g_strdup_printf(added, 5, " ", strip & 1 ? "true" : "false",
                                               strip & 2 ? "true" : "false");
        g_autofree char *two = g_strdup_printf(added, 6, "\\t", "false", "false");
        g_autofree char *document =
            g_strdup_printf("{\"added_tokens\":[%s,%s]," MODEL "}", one, two);
        g_autoptr(GError) error = NULL;
        g_autoptr(G4Tokenizer) tokenizer = parse(document, &error);
        g_assert_no_error(error);
        g_autofree char *text = g_strnfill(N, ' ');
        for (int tabs = 0; tabs < 2; tabs++) {
            g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
            g_assert_true(g4_tokenizer_encode(tokenizer, text, N, ids, NULL));
            g_assert_cmpuint(ids->len, >=, 1);
            g_assert_cmpuint(g_array_index(ids, guint32, 0), ==, 5);
            for (int i = 1; i < N; i += 2)
                text[i] = '\t';
        }
    }
}

static void test_limits(void)
{
    /* Replaced by 64 times its size, a short text would take more than the limit. */
    g_autofree char *content = g_strnfill(G4_TOKENIZER_MAX_PATTERN, 'c');
    g_autofree char *document =
        g_strdup_printf("{\"normalizer\":" REPLACE("b", "%s") "," MODEL "}", content);
    g_autoptr(G4Tokenizer) tokenizer = parse(document, NULL);
    g_autofree char *text = g_strnfill(G4_TOKENIZER_MAX_TEXT / G4_TOKENIZER_MAX_PATTERN + 1, 'b');
    g_autofree char *message = ids_of(tokenizer, text, strlen(text));
    g_assert_cmpstr(message, ==, "text: more than 16777216 bytes when normalized");

    g_autofree char *longer = g_strnfill(G4_TOKENIZER_MAX_TEXT + 1, '?');
    g_autofree char *refused = ids_of(tokenizer, longer, strlen(longer));
    g_assert_cmpstr(refused, ==, "text: 16777217 bytes, expected at most 16777216");

    g_autofree char *too_long = g_strnfill(G4_TOKENIZER_MAX_PATTERN + 1, 'c');
    g_autofree char *bad =
        g_strdup_printf("{\"normalizer\":" REPLACE("b", "%s") "," MODEL "}", too_long);
    g_autoptr(GError) error = NULL;
    g_assert_null(parse(bad, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED);
    g_clear_error(&error);

    g_autofree char *token = g_strnfill(257, 'x');
    g_autofree char *added =
        g_strdup_printf("{\"added_tokens\":[{\"id\":5,\"content\":\"%s\"," NO_FLAGS
                        ",\"normalized\":false,\"special\":true}]," MODEL "}",
                        token);
    g_assert_null(parse(added, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "expected at most 256 bytes"));
}

/* Ids far apart cost nothing. */
static void test_sparse_ids(void)
{
    g_autoptr(G4Tokenizer) tokenizer = parse(
        "{\"model\":{\"vocab\":{\"a\":2147483646,\"b\":0,\"ab\":7},\"merges\":[[\"a\",\"b\"]]}}",
        NULL);
    g_assert_nonnull(tokenizer);
    g_assert_cmpuint(g4_tokenizer_get_n_ids(tokenizer), ==, G_MAXINT32);
    g_autofree char *ids = ids_of(tokenizer, "aabb", 4);
    g_assert_cmpstr(ids, ==, "2147483646 7 0");
}

static gpointer encode_often(gpointer data)
{
    for (int i = 0; i < 200; i++) {
        g_autofree char *ids = ids_of(data, "a<x>abba b<x>", 13);
        g_assert_cmpstr(ids, ==, "1 5 3 2 1 4 2 5");
    }
    return NULL;
}

static void test_threads(void)
{
    g_autoptr(G4Tokenizer) tokenizer = parse(
        "{\"added_tokens\":[" ADDED(NO_FLAGS) "],\"normalizer\":" REPLACE(" ", "\\u2581") "," MODEL
                                                                                          "}",
        NULL);
    GThread *threads[4];
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("encode", encode_often, tokenizer);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tokenizer/what is implemented is read", test_accepted);
    g_test_add_func("/tokenizer/what is not is refused by name", test_refused);
    g_test_add_func("/tokenizer/a truncated file is refused", test_truncated);
    g_test_add_func("/tokenizer/a file is opened, its tokens found", test_open);
    g_test_add_func("/tokenizer/text that is not UTF-8 is refused with its byte", test_utf8);
    g_test_add_func("/tokenizer/characters of all lengths", test_code_points);
    g_test_add_func("/tokenizer/a word of a million merges", test_long_word);
    g_test_add_func("/tokenizer/white space is looked through once",
                    test_white_space_is_looked_through_once);
    g_test_add_func("/tokenizer/texts and patterns are bounded", test_limits);
    g_test_add_func("/tokenizer/large ids allocate nothing", test_sparse_ids);
    g_test_add_func("/tokenizer/threads share one", test_threads);
    return g_test_run();
}
