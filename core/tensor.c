/* SPDX-License-Identifier: Apache-2.0
 *
 * From a tensor's bytes to float32.
 */
#include "tensor.h"
#include "bf16.h"

#include <string.h>

#include "gemma4.h"

#define PIECE 16384 /* 16-bit elements widened at a time: 32 KiB of stack */

static void clear_tensor(gpointer data)
{
    g_free(((G4Tensor *)data)->name);
}

GArray *g4_tensor_array_new(void)
{
    GArray *tensors = g_array_new(FALSE, FALSE, sizeof(G4Tensor));
    g_array_set_clear_func(tensors, clear_tensor);
    return tensors;
}

char *g4_shape_to_string(guint n_dims, const guint64 *dims)
{
    GString *text = g_string_new("[");
    for (guint i = 0; i < n_dims; i++)
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", dims[i]);
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

const char *g4_dtype_name(G4Dtype dtype)
{
    switch (dtype) {
    case G4_DTYPE_F32:
        return "F32";
    case G4_DTYPE_F16:
        return "F16";
    case G4_DTYPE_BF16:
        return "BF16";
    case G4_DTYPE_U8:
        return "U8";
    case G4_DTYPE_I32:
        return "I32";
    case G4_DTYPE_OTHER:
        break;
    }
    return "another dtype";
}

void g4_widen_bf16(const guint16 *src, gsize n, float *dst)
{
    for (gsize i = 0; i < n; i++)
        dst[i] = f32_from_bf16(src[i]);
}

/* 1 sign, 5 exponent (bias 15), 10 fraction bits to 1, 8 (bias 127), 23. */
static guint32 f16_bits(guint16 half)
{
    guint32 sign = (guint32)(half & 0x8000) << 16;
    guint32 exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return sign | 0x7f800000 | fraction << 13;
    if (exponent != 0)
        return sign | (exponent + 127 - 15) << 23 | fraction << 13;
    if (fraction == 0)
        return sign;
    /* Subnormal: fraction * 2^-24, a normal number in float32. */
    guint32 top = 31 - (guint32)__builtin_clz(fraction);
    return sign | (top + 127 - 24) << 23 | (fraction << (23 - top) & 0x7fffff);
}

void g4_widen_f16(const guint16 *src, gsize n, float *dst)
{
    for (gsize i = 0; i < n; i++) {
        guint32 bits = f16_bits(src[i]);
        memcpy(&dst[i], &bits, sizeof bits);
    }
}

/* The caller's own range, against the header's: of no file's making, but a wrong one must not
 * read a neighbour's bytes. */
static gboolean check_range(const G4Tensor *tensor, const G4File *file, const char *unit,
                            guint64 total, guint64 first, guint64 count, GError **error)
{
    if (first <= total && count <= total - first)
        return TRUE;
    g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                "%s: %s: has %" G_GUINT64_FORMAT " %s, expected %" G_GUINT64_FORMAT
                " from %" G_GUINT64_FORMAT,
                file->name, tensor->name, total, unit, count, first);
    return FALSE;
}

static gboolean read_f32(const G4Tensor *tensor, G4File *file, guint64 first, guint64 count,
                         float *dst, GError **error)
{
    if (!g4_file_read(file, tensor->offset + first * 4, count * 4, dst, error))
        return FALSE;
    if (G_BYTE_ORDER != G_LITTLE_ENDIAN) {
        guint32 *bits = (guint32 *)(void *)dst;
        for (guint64 i = 0; i < count; i++)
            bits[i] = GUINT32_FROM_LE(bits[i]);
    }
    return TRUE;
}

static gboolean read_16(const G4Tensor *tensor, G4File *file, guint64 first, guint64 count,
                        void (*widen)(const guint16 *src, gsize n, float *dst), float *dst,
                        GError **error)
{
    guint16 piece[PIECE];
    for (guint64 done = 0; done < count;) {
        gsize n = MIN(count - done, PIECE);
        if (!g4_file_read(file, tensor->offset + (first + done) * 2, n * 2, piece, error))
            return FALSE;
        if (G_BYTE_ORDER != G_LITTLE_ENDIAN) {
            for (gsize i = 0; i < n; i++)
                piece[i] = GUINT16_FROM_LE(piece[i]);
        }
        widen(piece, n, dst + done);
        done += n;
    }
    return TRUE;
}

gboolean g4_tensor_read_f32(const G4Tensor *tensor, G4File *file, guint64 first, guint64 count,
                            float *dst, GError **error)
{
    if (!check_range(tensor, file, "elements", tensor->elements, first, count, error))
        return FALSE;
    switch (tensor->dtype) {
    case G4_DTYPE_F32:
        return read_f32(tensor, file, first, count, dst, error);
    case G4_DTYPE_F16:
        return read_16(tensor, file, first, count, g4_widen_f16, dst, error);
    case G4_DTYPE_BF16:
        return read_16(tensor, file, first, count, g4_widen_bf16, dst, error);
    case G4_DTYPE_U8:
    case G4_DTYPE_I32:
    case G4_DTYPE_OTHER:
        break;
    }
    g_set_error(error, G4_ERROR, G4_ERROR_UNSUPPORTED, "%s: %s: %s, expected F32, F16 or BF16",
                file->name, tensor->name, g4_dtype_name(tensor->dtype));
    return FALSE;
}

gboolean g4_tensor_read_bytes(const G4Tensor *tensor, G4File *file, guint64 offset, guint64 count,
                              void *dst, GError **error)
{
    return check_range(tensor, file, "bytes", tensor->bytes, offset, count, error) &&
           g4_file_read(file, tensor->offset + offset, count, dst, error);
}
