/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers of safetensors files.
 */
#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "gemma4.h"
#include "json.h"

#define MAX_HEADER 100000000        /* the format's own limit, bytes */
#define MAX_VALUES ((gsize)1 << 20) /* a tensor takes about 8: 130,000 tensors */
#define MAX_NAME 1024               /* bytes; real ones stay below 150 */

/* All of the format's, with the bits of an element. */
static const struct {
    const char *name;
    G4Dtype dtype;
    guint bits;
} dtypes[] = {
    {"F32", G4_DTYPE_F32, 32},          {"BF16", G4_DTYPE_BF16, 16},
    {"F16", G4_DTYPE_F16, 16},          {"U8", G4_DTYPE_U8, 8},
    {"I32", G4_DTYPE_I32, 32},          {"BOOL", G4_DTYPE_OTHER, 8},
    {"I8", G4_DTYPE_OTHER, 8},          {"I16", G4_DTYPE_OTHER, 16},
    {"U16", G4_DTYPE_OTHER, 16},        {"U32", G4_DTYPE_OTHER, 32},
    {"I64", G4_DTYPE_OTHER, 64},        {"U64", G4_DTYPE_OTHER, 64},
    {"F64", G4_DTYPE_OTHER, 64},        {"C64", G4_DTYPE_OTHER, 64},
    {"F8_E4M3", G4_DTYPE_OTHER, 8},     {"F8_E5M2", G4_DTYPE_OTHER, 8},
    {"F8_E8M0", G4_DTYPE_OTHER, 8},     {"F8_E4M3FNUZ", G4_DTYPE_OTHER, 8},
    {"F8_E5M2FNUZ", G4_DTYPE_OTHER, 8}, {"F6_E2M3", G4_DTYPE_OTHER, 6},
    {"F6_E3M2", G4_DTYPE_OTHER, 6},     {"F4", G4_DTYPE_OTHER, 4},
};

/* Names go into messages and on the bus as they are, so they have to be printable. */
static gboolean check_name(const char *file, const char *name, GError **error)
{
    gsize length = strlen(name);
    gboolean plain = length > 0 && length <= MAX_NAME;
    for (gsize i = 0; plain && i < length; i++)
        plain = !g_ascii_iscntrl(name[i]);
    if (!plain)
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: found a tensor's name of %" G_GSIZE_FORMAT
                    " bytes, expected 1 to %d without control characters",
                    file, length, MAX_NAME);
    return plain;
}

static gboolean parse_dtype(const G4JsonObject *entry, G4Dtype *dtype, guint *bits, GError **error)
{
    const char *text = NULL;
    if (!g4_json_read_string(entry, "dtype", &text, error))
        return FALSE;
    if (text == NULL)
        return g4_json_fail(entry, "dtype", G4_ERROR_MALFORMED, error, "a dtype");
    for (guint i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            *dtype = dtypes[i].dtype;
            *bits = dtypes[i].bits;
            return TRUE;
        }
    }
    return g4_json_fail(entry, "dtype", G4_ERROR_UNSUPPORTED, error,
                        "one of the format's (F32, F16, BF16, ...)");
}

/* An array of at most `max` integers from 0 on. */
static gboolean parse_numbers(const G4JsonObject *entry, const char *key, guint max,
                              guint64 *numbers, guint *n, GError **error)
{
    json_t *array = json_object_get(entry->object, key);
    if (!json_is_array(array))
        return g4_json_fail(entry, key, G4_ERROR_MALFORMED, error, "an array of integers");
    if (json_array_size(array) > max)
        return g4_json_fail(entry, key, G4_ERROR_UNSUPPORTED, error, "at most %u numbers", max);
    *n = (guint)json_array_size(array);
    for (guint i = 0; i < *n; i++) {
        json_t *number = json_array_get(array, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0) {
            g_autofree char *found = g4_json_describe(number);
            return g4_json_fail(entry, key, G4_ERROR_MALFORMED, error, "integers from 0 on, not %s",
                                found);
        }
        numbers[i] = (guint64)json_integer_value(number);
    }
    return TRUE;
}

static gboolean parse_entry(const G4JsonObject *entry, G4Tensor *tensor, GError **error)
{
    guint bits = 0, n_offsets = 0;
    guint64 offsets[2] = {0};
    if (!parse_dtype(entry, &tensor->dtype, &bits, error) ||
        !parse_numbers(entry, "shape", G4_MAX_DIMS, tensor->dims, &tensor->n_dims, error) ||
        !parse_numbers(entry, "data_offsets", 2, offsets, &n_offsets, error))
        return FALSE;
    if (n_offsets != 2 || offsets[0] > offsets[1])
        return g4_json_fail(entry, "data_offsets", G4_ERROR_MALFORMED, error,
                            "[begin, end], begin not after end");

    guint64 elements = 1, total_bits;
    gboolean fits = TRUE;
    for (guint i = 0; i < tensor->n_dims; i++)
        fits = fits && !__builtin_mul_overflow(elements, tensor->dims[i], &elements);
    fits = fits && !__builtin_mul_overflow(elements, (guint64)bits, &total_bits);
    if (!fits)
        return g4_json_fail(entry, "shape", G4_ERROR_MALFORMED, error,
                            "a product of less than 2^64 bits");
    if (total_bits % 8 != 0 || total_bits / 8 != offsets[1] - offsets[0]) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: data_offsets span %" G_GUINT64_FORMAT
                    " bytes, dtype and shape need %" G_GUINT64_FORMAT,
                    entry->file, offsets[1] - offsets[0], total_bits / 8);
        return FALSE;
    }
    tensor->elements = elements;
    tensor->offset = offsets[0];
    tensor->bytes = offsets[1] - offsets[0];
    return TRUE;
}

static gint compare_offsets(gconstpointer a, gconstpointer b)
{
    const G4Tensor *x = *(const G4Tensor *const *)a, *y = *(const G4Tensor *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; /* the empty ones first */
}

/* The format lets ranges neither overlap nor leave a byte out, so that no file means two things.
 * Offsets still count from the first tensor's byte. */
static gboolean check_cover(const char *name, const GArray *tensors, guint first, guint64 start,
                            guint64 size, GError **error)
{
    guint n = tensors->len - first;
    g_autofree const G4Tensor **sorted = g_new(const G4Tensor *, n + 1);
    for (guint i = 0; i < n; i++)
        sorted[i] = &g_array_index(tensors, G4Tensor, first + i);
    qsort(sorted, n, sizeof *sorted, compare_offsets);
    guint64 end = 0;
    for (guint i = 0; i < n; i++) {
        const G4Tensor *tensor = sorted[i];
        if (tensor->offset != end) {
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                        "%s: %s: data_offsets begin at %" G_GUINT64_FORMAT
                        ", expected %" G_GUINT64_FORMAT ", where the tensor before ends",
                        name, tensor->name, tensor->offset, end);
            return FALSE;
        }
        end += tensor->bytes; /* begins at `end`, and its own end was a number */
        if (end > size) {
            g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE,
                        "%s: %s: ends at byte %" G_GUINT64_FORMAT
                        ", but the file is truncated at %" G_GUINT64_FORMAT,
                        name, tensor->name, start + end, start + size);
            return FALSE;
        }
    }
    if (end != size) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: %" G_GUINT64_FORMAT " bytes, but its tensors end at %" G_GUINT64_FORMAT,
                    name, start + size, start + end);
        return FALSE;
    }
    return TRUE;
}

gboolean g4_safetensors_parse(const char *name, const char *header, gsize length, guint64 start,
                              guint64 size, guint file, GArray *tensors, GError **error)
{
    g_autoptr(json_t) root = g4_json_parse(name, header, length, MAX_VALUES, error);
    if (root == NULL)
        return FALSE;
    guint first = tensors->len;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0)
            continue;
        if (!check_name(name, key, error))
            return FALSE;
        if (!json_is_object(value)) {
            g_autofree char *found = g4_json_describe(value);
            g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED, "%s: %s: found %s, expected an object",
                        name, key, found);
            return FALSE;
        }
        g_autofree char *where = g_strconcat(name, ": ", key, NULL);
        G4JsonObject entry;
        G4Tensor tensor = {.file = file};
        g4_json_object_init(&entry, value, where);
        if (!parse_entry(&entry, &tensor, error))
            return FALSE;
        tensor.name = g_strdup(key);
        g_array_append_val(tensors, tensor);
    }
    if (!check_cover(name, tensors, first, start, size, error))
        return FALSE;
    for (guint i = first; i < tensors->len; i++)
        g_array_index(tensors, G4Tensor, i).offset += start;
    return TRUE;
}

gboolean g4_safetensors_read(G4File *file, guint index, GArray *tensors, GError **error)
{
    guint8 prefix[9];
    guint64 length;
    G4Cursor cursor = {.data = prefix, .size = sizeof prefix};
    if (file->size < sizeof prefix) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE,
                    "%s: %" G_GUINT64_FORMAT " bytes, too short for a safetensors file", file->name,
                    file->size);
        return FALSE;
    }
    if (!g4_file_read(file, 0, sizeof prefix, prefix, error))
        return FALSE;
    g4_cursor_u64(&cursor, &length);
    /* The format wants '{' right behind the length. */
    if (length < 2 || length > MAX_HEADER || prefix[cursor.pos] != '{') {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: begins with a header length of %" G_GUINT64_FORMAT
                    " and byte 0x%02x, expected 2 to %d and '{': not a safetensors file",
                    file->name, length, prefix[cursor.pos], MAX_HEADER);
        return FALSE;
    }
    guint64 start = cursor.pos + length;
    if (start > file->size) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE,
                    "%s: header ends at byte %" G_GUINT64_FORMAT
                    ", but the file is truncated at %" G_GUINT64_FORMAT,
                    file->name, start, file->size);
        return FALSE;
    }
    g_autofree char *header = g_malloc(length);
    return g4_file_read(file, cursor.pos, length, header, error) &&
           g4_safetensors_parse(file->name, header, length, start, file->size - start, index,
                                tensors, error);
}
