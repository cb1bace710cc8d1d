/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors headers: what the format allows is read, what it forbids is refused; and the widening
 * of 16-bit floats, over all of them.
 */
#include "safetensors.h"

#include <glib.h>
#include <math.h>

#include "folder.h"
#include "gemma4.h"
#include "tensor.h"

static gboolean parse(const char *header, gssize length, guint64 size, GArray *tensors,
                      GError **error)
{
    gsize n = length < 0 ? strlen(header) : (gsize)length;
    g_autofree char *copy = n > 0 ? g_memdup2(header, n) : g_malloc(1);
    return g4_safetensors_parse("FILE", copy, n, 8 + n, size, 3, tensors, error);
}

static void test_header(void)
{
    static const char header[] =
        "{\"__metadata__\": {\"format\": \"pt\"},"
        "\"b\": {\"dtype\": \"BF16\", \"shape\": [2, 3], \"data_offsets\": [4, 16]},"
        "\"empty\": {\"dtype\": \"F32\", \"shape\": [0, 4], \"data_offsets\": [4, 4]},"
        "\"scalar\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [0, 4], \"x\": 1},"
        "\"four bits\": {\"dtype\": \"F4\", \"shape\": [6], \"data_offsets\": [16, 19]}}   ";
    g_autoptr(GArray) tensors = g4_tensor_array_new();
    g_autoptr(GError) error = NULL;
    g_assert_true(parse(header, -1, 19, tensors, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(tensors->len, ==, 4);
    const G4Tensor *t = &g_array_index(tensors, G4Tensor, 0);
    g_assert_cmpstr(t[0].name, ==, "b");
    g_assert_cmpint(t[0].dtype, ==, G4_DTYPE_BF16);
    g_assert_cmpuint(t[0].n_dims, ==, 2);
    g_assert_cmpuint(t[0].dims[0], ==, 2);
    g_assert_cmpuint(t[0].dims[1], ==, 3);
    g_assert_cmpuint(t[0].elements, ==, 6);
    g_assert_cmpuint(t[0].bytes, ==, 12);
    g_assert_cmpuint(t[0].offset, ==, 8 + strlen(header) + 4);
    g_assert_cmpuint(t[0].file, ==, 3);
    g_assert_cmpuint(t[1].elements, ==, 0);
    g_assert_cmpuint(t[2].n_dims, ==, 0);
    g_assert_cmpuint(t[2].elements, ==, 1);
    g_assert_cmpint(t[3].dtype, ==, G4_DTYPE_OTHER);
}

static void test_all_dtypes(void)
{
    static const struct {
        const char *name;
        guint bytes; /* of 8 elements */
    } dtypes[] = {
        {"BOOL", 8},    {"U8", 8},      {"I8", 8},          {"I16", 16},        {"U16", 16},
        {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
        {"I64", 64},    {"U64", 64},    {"F64", 64},        {"C64", 64},        {"F8_E4M3", 8},
        {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
        {"F6_E3M2", 6}, {"F4", 4},
    };
    for (guint i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        g_autoptr(GArray) tensors = g4_tensor_array_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *header = g_strdup_printf(
            "{\"t\": {\"dtype\": \"%s\", \"shape\": [8], \"data_offsets\": [0, %u]}}",
            dtypes[i].name, dtypes[i].bytes);
        gboolean ok = parse(header, -1, dtypes[i].bytes, tensors, &error);
        g_assert_no_error(error);
        g_assert_true(ok);
    }
}

#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"a.weight\": {\"dtype\": " dtype ", \"shape\": " shape ", \"data_offsets\": " offsets "}}"

static const struct {
    const char *name;
    const char *header;
    gssize length;
    guint64 size; /* bytes behind the header */
    int code;
    const char *words;
} bad[] = {
    {"empty", "", 0, 0, G4_ERROR_MALFORMED, "FILE"},
    {"array", "[]", -1, 0, G4_ERROR_MALFORMED, "FILE|an array"},
    {"entry_is_a_number", "{\"a\": 3}", -1, 0, G4_ERROR_MALFORMED, "FILE|a|found 3|an object"},
    {"no_dtype", "{\"a.weight\": {\"shape\": [1], \"data_offsets\": [0, 4]}}", -1, 4,
     G4_ERROR_MALFORMED, "FILE|a.weight|dtype|nothing"},
    {"no_shape", "{\"a.weight\": {\"dtype\": \"F32\", \"data_offsets\": [0, 4]}}", -1, 4,
     G4_ERROR_MALFORMED, "FILE|a.weight|shape|nothing"},
    {"no_offsets", "{\"a.weight\": {\"dtype\": \"F32\", \"shape\": [1]}}", -1, 4,
     G4_ERROR_MALFORMED, "FILE|a.weight|data_offsets|nothing"},
    {"unknown_dtype", ENTRY("\"Q4_0\"", "[1]", "[0, 4]"), -1, 4, G4_ERROR_UNSUPPORTED,
     "FILE|a.weight|dtype|\"Q4_0\"|F32"},
    {"dtype_is_a_number", ENTRY("32", "[1]", "[0, 4]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|dtype|found 32|a string"},
    {"negative_dim", ENTRY("\"F32\"", "[-1]", "[0, 4]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|shape|-1"},
    {"string_dim", ENTRY("\"F32\"", "[\"1\"]", "[0, 4]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|shape|\"1\""},
    {"real_dim", ENTRY("\"F32\"", "[1.0]", "[0, 4]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|shape|1.0"},
    {"shape_is_an_object", ENTRY("\"F32\"", "{}", "[0, 4]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|shape|an object"},
    {"nine_dims", ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0, 4]"), -1, 4, G4_ERROR_UNSUPPORTED,
     "FILE|a.weight|shape|an array of 9|at most 8"},
    {"elements_overflow", ENTRY("\"F32\"", "[4294967296, 4294967296]", "[0, 0]"), -1, 0,
     G4_ERROR_MALFORMED, "FILE|a.weight|shape|2^64"},
    {"bits_overflow", ENTRY("\"F32\"", "[576460752303423489]", "[0, 4]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|shape|2^64"},
    {"half_a_byte", ENTRY("\"F4\"", "[3]", "[0, 1]"), -1, 1, G4_ERROR_MALFORMED, "FILE|a.weight"},
    {"bytes_too_few", ENTRY("\"F32\"", "[2, 2]", "[0, 15]"), -1, 15, G4_ERROR_MALFORMED,
     "FILE|a.weight|span 15 bytes|need 16"},
    {"bytes_too_many", ENTRY("\"F16\"", "[2, 2]", "[0, 16]"), -1, 16, G4_ERROR_MALFORMED,
     "FILE|a.weight|span 16 bytes|need 8"},
    {"end_before_begin", ENTRY("\"F32\"", "[1]", "[4, 0]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|data_offsets|begin"},
    {"one_offset", ENTRY("\"F32\"", "[1]", "[4]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|data_offsets"},
    {"three_offsets", ENTRY("\"F32\"", "[1]", "[0, 4, 4]"), -1, 4, G4_ERROR_UNSUPPORTED,
     "FILE|a.weight|data_offsets|at most 2"},
    {"negative_offset", ENTRY("\"F32\"", "[1]", "[-4, 0]"), -1, 4, G4_ERROR_MALFORMED,
     "FILE|a.weight|data_offsets|-4"},
    {"gap_at_the_start", ENTRY("\"F32\"", "[1]", "[4, 8]"), -1, 8, G4_ERROR_MALFORMED,
     "FILE|a.weight|begin at 4|expected 0"},
    {"huge_offsets", ENTRY("\"U8\"", "[7]", "[9223372036854775800, 9223372036854775807]"), -1, 7,
     G4_ERROR_MALFORMED, "FILE|a.weight|9223372036854775800"},
    {"beyond_the_end", ENTRY("\"F32\"", "[1000000, 1000000]", "[0, 4000000000000]"), -1, 64,
     G4_ERROR_UNREADABLE, "FILE|a.weight|4000000000|truncated at"},
    {"bytes_left_over", ENTRY("\"F32\"", "[1]", "[0, 4]"), -1, 5, G4_ERROR_MALFORMED,
     "FILE|tensors end at"},
    {"no_tensors_but_bytes", "{}", -1, 5, G4_ERROR_MALFORMED, "FILE|tensors end at"},
    {"overlap",
     "{\"a\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]},"
     "\"b\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [2, 6]}}",
     -1, 6, G4_ERROR_MALFORMED, "FILE|b|begin at 2|expected 4"},
    {"same_bytes_twice",
     "{\"a\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]},"
     "\"b\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]}}",
     -1, 4, G4_ERROR_MALFORMED, "FILE|begin at 0|expected 4"},
    {"name_twice",
     "{\"a\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [0, 4]},"
     "\"a\": {\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": [4, 8]}}",
     -1, 8, G4_ERROR_MALFORMED, "FILE|duplicate|a"},
    {"empty_name", "{\"\": {}}", -1, 0, G4_ERROR_MALFORMED, "FILE|name"},
    {"newline_in_a_name", "{\"a\\nb\": {}}", -1, 0, G4_ERROR_MALFORMED, "FILE|control"},
    {"nul_in_a_name", "{\"a\\u0000b\": {}}", -1, 0, G4_ERROR_MALFORMED, "FILE|u0000"},
    {"nul_byte_in_a_name", "{\"a\0b\": {}}", 11, 0, G4_ERROR_MALFORMED, "FILE"},
    {"invalid_utf8_in_a_name", "{\"a\xc3\x28\": {}}", -1, 0, G4_ERROR_MALFORMED,
     "FILE|decode byte 0x"},
};

static void test_bad_header(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    g_autoptr(GArray) tensors = g4_tensor_array_new();
    g_autoptr(GError) error = NULL;
    g_assert_false(parse(bad[i].header, bad[i].length, bad[i].size, tensors, &error));
    assert_error_names(error, G4_ERROR, bad[i].code, bad[i].words);
}

static void test_long_name(void)
{
    g_autoptr(GArray) tensors = g4_tensor_array_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strnfill(100000, 'a');
    g_autofree char *header = g_strdup_printf("{\"%s\": {}}", name);
    g_assert_false(parse(header, -1, 0, tensors, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_MALFORMED, "FILE|100000|1024");
    g_assert_cmpuint(strlen(error->message), <, 200);
}

/* -------------------------------------------------------------------------------------------
 * Files
 */
static const char one[] = ENTRY("\"U8\"", "[4]", "[0, 4]");

static void assert_refused(const char *path, int code, const char *words)
{
    g_autoptr(GArray) tensors = g4_tensor_array_new();
    g_autoptr(GError) error = NULL;
    G4File file = {.fd = -1};
    g_assert_true(g4_file_open(&file, path, &error));
    g_assert_false(g4_safetensors_read(&file, 0, tensors, &error));
    assert_error_names(error, G4_ERROR, code, words);
    /* Neither the claimed header nor any tensor was looked at. */
    g_assert_cmpuint(atomic_load(&file.bytes_read), <=, 9 + strlen(one));
    g4_file_clear(&file);
}

static void test_every_truncation(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    gsize whole = 8 + strlen(one) + 4;
    g_autofree char *path = folder_write_tensors(folder, "cut.safetensors", one, "wxyz", 4);
    for (gsize n = whole; n-- > 0;) {
        g_assert_cmpint(truncate(path, (off_t)n), ==, 0);
        assert_refused(path, G4_ERROR_UNREADABLE, "cut.safetensors");
    }
}

static void test_lying_header_length(void)
{
    static const struct {
        guint64 length;
        char first;
        int code;
    } lies[] = {
        {0, '{', G4_ERROR_MALFORMED},
        {1, '{', G4_ERROR_MALFORMED},
        {100000001, '{', G4_ERROR_MALFORMED},
        {G_MAXUINT64, '{', G4_ERROR_MALFORMED},
        {G_MAXUINT64 - 7, '{', G4_ERROR_MALFORMED},
        {(guint64)1 << 63, '{', G4_ERROR_MALFORMED},
        {99999999, '{', G4_ERROR_UNREADABLE},
        {20, '\0', G4_ERROR_MALFORMED},
        {20, '[', G4_ERROR_MALFORMED},
        {20, '{', G4_ERROR_MALFORMED}, /* zeros behind it are no JSON */
    };
    for (guint i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autoptr(TestFolder) folder = folder_new();
        guint8 bytes[64] = {0};
        guint64 length = GUINT64_TO_LE(lies[i].length);
        memcpy(bytes, &length, 8);
        bytes[8] = (guint8)lies[i].first;
        g_autofree char *path = folder_write(folder, "lie.safetensors", bytes, sizeof bytes);
        assert_refused(path, lies[i].code, "lie.safetensors");
    }
}

/* A hole of 90 MB that claims to be the header: refused by its first byte. */
static void test_sparse_header(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    guint64 length = GUINT64_TO_LE((guint64)90000000);
    g_autofree char *path = folder_write(folder, "hole.safetensors", &length, sizeof length);
    g_assert_cmpint(truncate(path, 90000100), ==, 0);
    assert_refused(path, G4_ERROR_MALFORMED, "hole.safetensors|0x00");
}

static void test_read(void)
{
    g_autoptr(TestFolder) folder = folder_new();
    g_autoptr(GArray) tensors = g4_tensor_array_new();
    g_autoptr(GError) error = NULL;
    G4File file = {.fd = -1};
    char bytes[4];
    g_autofree char *path = folder_write_tensors(folder, "t.safetensors", one, "wxyz", 4);
    g_assert_true(g4_file_open(&file, path, &error));
    g_assert_true(g4_safetensors_read(&file, 5, tensors, &error));
    g_assert_no_error(error);
    const G4Tensor *t = &g_array_index(tensors, G4Tensor, 0);
    g_assert_cmpuint(t->file, ==, 5);
    g_assert_true(g4_tensor_read_bytes(t, &file, 0, 4, bytes, &error));
    g_assert_cmpmem(bytes, 4, "wxyz", 4);
    g_assert_true(g4_tensor_read_bytes(t, &file, 3, 1, bytes, &error));
    g_assert_cmpint(bytes[0], ==, 'z');
    g_assert_false(g4_tensor_read_bytes(t, &file, 3, 2, bytes, &error));
    assert_error_names(error, G4_ERROR, G4_ERROR_MALFORMED, "t.safetensors|a.weight|has 4 bytes");
    g4_file_clear(&file);
}

/* -------------------------------------------------------------------------------------------
 * Widening
 */
static guint32 float_bits(float value)
{
    guint32 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void test_widen_f16(void)
{
    g_autofree guint16 *src = g_new(guint16, 65536);
    g_autofree float *dst = g_new(float, 65536);
    for (guint i = 0; i < 65536; i++)
        src[i] = (guint16)i;
    g4_widen_f16(src, 65536, dst);
    for (guint i = 0; i < 65536; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        g_assert_cmpint(signbit(dst[i]) != 0, ==, i >> 15);
        if (exponent == 31 && fraction != 0) {
            g_assert_true(isnan(dst[i]));
            g_assert_cmpuint(float_bits(dst[i]) & 0x7fffff, ==, (guint)fraction << 13);
            continue;
        }
        double expected = exponent == 31  ? HUGE_VAL
                          : exponent == 0 ? ldexp(fraction, -24)
                                          : ldexp(1024 + fraction, exponent - 25);
        g_assert_cmpfloat(fabs(dst[i]), ==, expected);
    }
}

static void test_widen_bf16(void)
{
    g_autofree guint16 *src = g_new(guint16, 65536);
    g_autofree float *dst = g_new(float, 65536);
    for (guint i = 0; i < 65536; i++)
        src[i] = (guint16)i;
    g4_widen_bf16(src, 65536, dst);
    for (guint i = 0; i < 65536; i++)
        g_assert_cmphex(float_bits(dst[i]), ==, i << 16);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/safetensors/header_is_read", test_header);
    g_test_add_func("/safetensors/all_dtypes_are_known", test_all_dtypes);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strconcat("/safetensors/refused/", bad[i].name, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_bad_header);
    }
    g_test_add_func("/safetensors/long_names_are_refused", test_long_name);
    g_test_add_func("/safetensors/every_truncation_is_refused", test_every_truncation);
    g_test_add_func("/safetensors/lying_header_length_is_refused", test_lying_header_length);
    g_test_add_func("/safetensors/sparse_header_is_not_read", test_sparse_header);
    g_test_add_func("/safetensors/bytes_are_read", test_read);
    g_test_add_func("/tensor/f16_widens_exactly", test_widen_f16);
    g_test_add_func("/tensor/bf16_widens_exactly", test_widen_bf16);
    return g_test_run();
}
