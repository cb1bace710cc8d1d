/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: a meta as bytes, as another process sends it. The first byte of the input says which: 1
 * and 2 are versions of the embeddings, anything else is scores. What is accepted is valid, and
 * packs to as many bytes.
 */
#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/gemma4/gstgemma4scoremeta.h>

#include "../../plugin/gstgemma4embeddingwire.h"
#include "../../plugin/gstgemma4scorewire.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    gst_init(NULL, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_FATAL_MASK);
    return 0;
}

static void check_embedding(const GstGemma4Embedding *e)
{
    gsize n;
    const gfloat *values = gst_gemma4_embedding_get_values(e, &n);
    gfloat sum = 0;

    g_assert_cmpuint(n, >, 0);
    g_assert_cmpuint(n, ==,
                     (gsize)gst_gemma4_embedding_get_rows(e) * gst_gemma4_embedding_get_cols(e));
    for (gsize i = 0; i < n; i++)
        sum += values[i];
    (void)sum;
    g_assert_true(g_utf8_validate(gst_gemma4_embedding_get_id(e), -1, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const guint kind = size > 0 ? data[0] : 0;
    const size_t skip = MIN(size, 1);
    g_autofree char *copy = fuzz_copy(data + skip, size - skip);
    const guint8 *bytes = (const guint8 *)copy;

    if (kind == 1 || kind == 2) {
        g_autoptr(GPtrArray) entries = gst_gemma4_embeddings_parse(bytes, size - skip, kind);
        for (guint i = 0; entries != NULL && i < entries->len; i++)
            check_embedding(entries->pdata[i]);
        g_autoptr(GByteArray) again = entries ? gst_gemma4_embeddings_pack(entries) : NULL;
        if (entries != NULL && kind == GST_GEMMA4_EMBEDDING_WIRE_VERSION)
            g_assert_cmpuint(again->len, ==, size - skip);
    } else {
        g_autoptr(GPtrArray) entries = gst_gemma4_scores_parse(bytes, size - skip);
        for (guint i = 0; entries != NULL && i < entries->len; i++)
            g_assert_nonnull(gst_gemma4_score_get_label(entries->pdata[i]));
        g_autoptr(GByteArray) again = entries ? gst_gemma4_scores_pack(entries) : NULL;
        if (entries != NULL)
            g_assert_cmpuint(again->len, ==, size - skip);
    }
    return 0;
}
