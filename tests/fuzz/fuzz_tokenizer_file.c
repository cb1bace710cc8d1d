/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: tokenizer.json, and a text through what it describes.
 */
#include <string.h>

#include "fuzz.h"
#include "tokenizer.h"

FUZZ_INITIALIZE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "a  b\n<bos>ab abab\xe2\x96\x81 <x>\xc3\xa9\xf0\x9f\x9a\x97 the";
    g_autofree char *file = fuzz_copy(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Tokenizer) tokenizer = g4_tokenizer_parse("FILE", file, size, &error);
    fuzz_check_error(tokenizer != NULL, error);
    if (tokenizer == NULL)
        return 0;
    /* The file itself is a text, too, if it is not large. */
    const char *texts[] = {text, file};
    const gsize lengths[] = {strlen(text), MIN(size, 4096)};
    for (int i = 0; i < 2; i++) {
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
        gboolean ok = g4_tokenizer_encode(tokenizer, texts[i], lengths[i], ids, &error);
        fuzz_check_error(ok, error);
        for (guint j = 0; j < ids->len; j++)
            g_assert_cmpuint(g_array_index(ids, guint32, j), <, g4_tokenizer_get_n_ids(tokenizer));
        g_clear_error(&error);
    }
    return 0;
}
