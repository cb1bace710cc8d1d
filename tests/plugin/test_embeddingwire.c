/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings as bytes: whole ones come back, anything else is refused without harm.
 */
#include "../../plugin/gstgemma4embeddingwire.h"
#include "producer.h"

#include <string.h>

static GByteArray *two_entries(void)
{
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);

    g_ptr_array_add(entries, producer_full_embedding(2, 3, 4));
    g_ptr_array_add(entries, producer_embedding("gemma4-pooled", 1, 5, 6));
    GByteArray *bytes = gst_gemma4_embeddings_pack(entries);
    g_assert_nonnull(bytes);
    return bytes;
}

static guint64 number_at(const GByteArray *bytes, guint at, guint size)
{
    guint64 value = 0;

    while (size-- > 0)
        value = value << 8 | bytes->data[at + size];
    return value;
}

/* A copy of exactly this size, so that a sanitizer or valgrind sees a byte read too much. */
static GPtrArray *parse_exact(const guint8 *data, gsize size)
{
    g_autofree guint8 *copy = g_memdup2(data, size);
    return gst_gemma4_embeddings_parse(copy, size, GST_GEMMA4_EMBEDDING_WIRE_VERSION);
}

static void embeddings_come_back(void)
{
    g_autoptr(GByteArray) bytes = two_entries();
    g_autoptr(GPtrArray) entries = parse_exact(bytes->data, bytes->len);
    g_autoptr(GstGemma4Embedding) first = producer_full_embedding(2, 3, 4);
    g_autoptr(GstGemma4Embedding) second = producer_embedding("gemma4-pooled", 1, 5, 6);

    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 2);
    g_assert_true(producer_equal(entries->pdata[0], first));
    g_assert_true(producer_equal(entries->pdata[1], second));
}

static void layout_stays_as_described(void)
{
    g_autoptr(GByteArray) bytes = two_entries();

    g_assert_cmpuint(number_at(bytes, 0, 4), ==, 2);
    g_assert_cmpuint(number_at(bytes, 4, 4), ==, 2);
    g_assert_cmpuint(number_at(bytes, 8, 4), ==, 3);
    g_assert_cmpuint(number_at(bytes, 12, 8), ==, 4);
    g_assert_cmpuint(number_at(bytes, 20, 8), ==, 160 * GST_MSECOND);
    g_assert_cmpuint(bytes->data[4 + 8 + 5 * 8 + 4 * 8], ==, 3);
    g_assert_cmpuint(number_at(bytes, 85, 8), ==, G_GUINT64_CONSTANT(0xfedcba9876543210));
    g_assert_cmpuint(number_at(bytes, 93, 8), ==, 1004);
    g_assert_cmpuint(number_at(bytes, 101, 4), ==, strlen("gemma4-joint"));
    g_assert_cmpmem(bytes->data + 105, 12, "gemma4-joint", 12);
}

/* Bytes of the version before, without the numbers in a series, still come back. */
static void version_1_is_read(void)
{
    g_autoptr(GPtrArray) one =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);
    g_ptr_array_add(one, producer_full_embedding(2, 3, 4));
    g_autoptr(GByteArray) bytes = gst_gemma4_embeddings_pack(one);
    g_byte_array_remove_range(bytes, 85, 16);

    g_autoptr(GPtrArray) entries = gst_gemma4_embeddings_parse(bytes->data, bytes->len, 1);
    g_assert_nonnull(entries);
    g_assert_cmpuint(gst_gemma4_embedding_get_series(entries->pdata[0]), ==, 0);
    g_assert_cmpstr(gst_gemma4_embedding_get_id(entries->pdata[0]), ==, "gemma4-joint");
    gsize n;
    g_assert_true(gst_gemma4_embedding_get_values(entries->pdata[0], &n)[5] ==
                  producer_value(4, 5));
    g_assert_null(gst_gemma4_embeddings_parse(bytes->data, bytes->len, 0));
    g_assert_null(gst_gemma4_embeddings_parse(bytes->data, bytes->len, 2));
    g_assert_null(gst_gemma4_embeddings_parse(bytes->data, bytes->len, 3));
}

static void every_cut_is_refused(void)
{
    g_autoptr(GByteArray) bytes = two_entries();

    for (guint size = 0; size < bytes->len; size++)
        g_assert_null(parse_exact(bytes->data, size));
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    g_assert_null(parse_exact(bytes->data, bytes->len));
}

static void claims_beyond_the_bytes_are_refused(void)
{
    g_autoptr(GByteArray) bytes = two_entries();
    static const guint32 claims[] = {0, 1, 3, 0x7fffffff, 0x80000000u, 0xffffffffu};
    static const guint at[] = {0, 4, 8, 101}; /* entries, rows, cols, length of the id */

    for (guint i = 0; i < G_N_ELEMENTS(at); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(claims); k++) {
            g_autofree guint8 *copy = g_memdup2(bytes->data, bytes->len);
            if (number_at(bytes, at[i], 4) == claims[k])
                continue;
            for (guint byte = 0; byte < 4; byte++)
                copy[at[i] + byte] = claims[k] >> (8 * byte);
            g_assert_null(parse_exact(copy, bytes->len));
        }
    }
}

static void strings_that_are_not_utf8_are_refused(void)
{
    g_autoptr(GByteArray) bytes = two_entries();
    guint8 *id = bytes->data + 105;

    id[3] = 0xff;
    g_assert_null(parse_exact(bytes->data, bytes->len));
    id[3] = 0;
    g_assert_null(parse_exact(bytes->data, bytes->len));
    id[3] = 'x';
    g_autoptr(GPtrArray) entries = parse_exact(bytes->data, bytes->len);
    g_assert_nonnull(entries);
}

/* Whatever the bytes are, the answer is a valid list or NULL. */
static void changed_bytes_do_no_harm(void)
{
    g_autoptr(GByteArray) bytes = two_entries();

    for (guint round = 0; round < 20000; round++) {
        g_autofree guint8 *copy = g_memdup2(bytes->data, bytes->len);
        guint n = g_test_rand_int_range(1, 5);
        for (guint i = 0; i < n; i++)
            copy[g_test_rand_int_range(0, bytes->len)] = g_test_rand_int_range(0, 256);
        g_autoptr(GPtrArray) entries = parse_exact(
            copy, g_test_rand_int_range(0, 2) ? bytes->len : g_test_rand_int_range(0, bytes->len));
        for (guint i = 0; entries != NULL && i < entries->len; i++) {
            gsize values;
            gst_gemma4_embedding_get_values(entries->pdata[i], &values);
            g_assert_cmpuint(values, ==,
                             (gsize)gst_gemma4_embedding_get_rows(entries->pdata[i]) *
                                 gst_gemma4_embedding_get_cols(entries->pdata[i]));
            g_assert_nonnull(gst_gemma4_embedding_get_id(entries->pdata[i]));
        }
    }
}

static void nothing_is_not_packed(void)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new();

    g_assert_null(gst_gemma4_embeddings_pack(entries));
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/embeddings-come-back", embeddings_come_back);
    g_test_add_func("/wire/layout-stays-as-described", layout_stays_as_described);
    g_test_add_func("/wire/version-1-is-read", version_1_is_read);
    g_test_add_func("/wire/every-cut-is-refused", every_cut_is_refused);
    g_test_add_func("/wire/claims-beyond-the-bytes-are-refused",
                    claims_beyond_the_bytes_are_refused);
    g_test_add_func("/wire/strings-that-are-not-utf8-are-refused",
                    strings_that_are_not_utf8_are_refused);
    g_test_add_func("/wire/changed-bytes-do-no-harm", changed_bytes_do_no_harm);
    g_test_add_func("/wire/nothing-is-not-packed", nothing_is_not_packed);
    return g_test_run();
}
