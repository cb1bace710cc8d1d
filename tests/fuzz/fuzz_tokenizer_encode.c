/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: a text through a tokenizer with something of everything. What it gives is held against
 * the plain way to do the same: the lowest ranked pair of the whole word, again and again.
 */
#include <string.h>

#include "bpe.h"
#include "fuzz.h"
#include "gemma4.h"
#include "tokenizer.h"

FUZZ_INITIALIZE

static const char file[] =
    "{\"added_tokens\":["
    "{\"id\":14,\"content\":\"<x>\",\"single_word\":false,\"lstrip\":true,\"rstrip\":true,"
    "\"normalized\":false,\"special\":true},"
    "{\"id\":15,\"content\":\"<x\",\"single_word\":false,\"lstrip\":false,\"rstrip\":true,"
    "\"normalized\":false,\"special\":true},"
    "{\"id\":16,\"content\":\"a b\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
    "\"normalized\":true,\"special\":false}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\\u2581\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"zz\"},\"content\":\"\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\\n\"},"
    "\"behavior\":\"MergedWithNext\",\"invert\":false},"
    "\"model\":{\"unk_token\":\"<unk>\",\"byte_fallback\":true,\"fuse_unk\":true,\"vocab\":{"
    "\"<unk>\":0,\"a\":1,\"b\":2,\"ab\":3,\"\\u2581\":4,\"\\u2581a\":5,\"aba\":6,\"abab\":7,\"ba\":"
    "8,"
    "\"bab\":9,\"\\n\":10,\"<0xC3>\":11,\"<0xA9>\":12,\"aa\":13},\"merges\":["
    "[\"b\",\"a\"],[\"a\",\"b\"],[\"ab\",\"a\"],[\"a\",\"ba\"],[\"ab\",\"ab\"],[\"\\u2581\",\"a\"],"
    "[\"ba\",\"b\"],[\"a\",\"bab\"],[\"a\",\"a\"]]}}";

/* The same merges on one word of a and b alone. */
static void merge_plainly(const char *word, gsize length, GArray *ids)
{
    static const guint32 merges[][3] = {{2, 1, 8}, {1, 2, 3}, {3, 1, 6}, {1, 8, 6}, {3, 3, 7},
                                        {4, 1, 5}, {8, 2, 9}, {1, 9, 7}, {1, 1, 13}};
    for (gsize i = 0; i < length; i++) {
        guint32 id = word[i] == 'a' ? 1 : 2;
        g_array_append_val(ids, id);
    }
    for (guint rank = 0; rank < G_N_ELEMENTS(merges);) {
        gboolean merged = FALSE;
        for (guint i = 0; i + 1 < ids->len && !merged; i++) {
            if (g_array_index(ids, guint32, i) != merges[rank][0] ||
                g_array_index(ids, guint32, i + 1) != merges[rank][1])
                continue;
            g_array_index(ids, guint32, i) = merges[rank][2];
            g_array_remove_index(ids, i + 1);
            merged = TRUE;
        }
        rank = merged ? 0 : rank + 1;
    }
}

static void compare_words(const G4Tokenizer *tokenizer, const uint8_t *data, size_t size)
{
    g_autoptr(GArray) plain = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    size = MIN(size, 64);
    g_autofree char *word = g_malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        word[i] = (data[i] & 1) != 0 ? 'a' : 'b';
    merge_plainly(word, size, plain);
    g_assert_true(g4_tokenizer_encode(tokenizer, word, size, ids, NULL));
    g_assert_cmpmem(ids->data, ids->len * sizeof(guint32), plain->data,
                    plain->len * sizeof(guint32));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static G4Tokenizer *tokenizer;
    if (tokenizer == NULL)
        tokenizer = g4_tokenizer_parse("FILE", file, strlen(file), NULL);
    g_assert_nonnull(tokenizer);
    g_autofree char *text = fuzz_copy(data, size);
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GError) error = NULL;
    gboolean ok = g4_tokenizer_encode(tokenizer, text, size, ids, &error);
    fuzz_check_error(ok, error);
    g_assert_cmpuint(ids->len, <=, size);
    for (guint i = 0; i < ids->len; i++)
        g_assert_cmpuint(g_array_index(ids, guint32, i), <, g4_tokenizer_get_n_ids(tokenizer));
    /* NULs apart, both must say the same of the encoding. */
    if (memchr(text, 0, size) == NULL)
        g_assert_true(ok == g_utf8_validate(text, (gssize)size, NULL));
    compare_words(tokenizer, data, size);
    return 0;
}
