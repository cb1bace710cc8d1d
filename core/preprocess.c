/* SPDX-License-Identifier: Apache-2.0
 *
 * Target sizes and patches.
 */
#include "preprocess.h"

#include <math.h>

#define MAX_SIDE (1u << 20)
/* Integers up to here are doubles, so that quotients of them are rounded once, as Python's are. */
#define MAX_EXACT (G_GUINT64_CONSTANT(1) << 53)

gboolean g4_target_size(guint width, guint height, guint patch, guint pool, guint max_soft_tokens,
                        guint *target_width, guint *target_height, GError **error)
{
    guint64 block = (guint64)patch * pool;
    guint64 target_pixels;

    if (MIN(width, height) < 1 || MAX(width, height) > MAX_SIDE) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "a picture of %ux%u cannot be embedded, expected sides of 1 to %u", width,
                    height, MAX_SIDE);
        return FALSE;
    }
    if (!g_uint64_checked_mul(&target_pixels, block, block) ||
        !g_uint64_checked_mul(&target_pixels, target_pixels, max_soft_tokens) ||
        target_pixels > MAX_EXACT) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "a budget of %u soft tokens of %" G_GUINT64_FORMAT "x%" G_GUINT64_FORMAT
                    " pixels is too large",
                    max_soft_tokens, block, block);
        return FALSE;
    }

    double factor = sqrt((double)target_pixels / (double)((guint64)height * width));
    guint64 blocks_x = floor(factor * width / block);
    guint64 blocks_y = floor(factor * height / block);

    if (blocks_x == 0 && blocks_y == 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "a picture of %ux%u has no size of at least %" G_GUINT64_FORMAT
                    "x%" G_GUINT64_FORMAT " pixels within %u soft tokens",
                    width, height, block, block, max_soft_tokens);
        return FALSE;
    }
    if (blocks_y == 0) {
        blocks_y = 1;
        blocks_x = MIN(width / height, max_soft_tokens);
    } else if (blocks_x == 0) {
        blocks_x = 1;
        blocks_y = MIN(height / width, max_soft_tokens);
    }
    if (MAX(blocks_x, blocks_y) > G_MAXUINT / block) {
        g_set_error(error, G4_ERROR, G4_ERROR_FRAME,
                    "a picture of %ux%u would become too large within %u soft tokens", width,
                    height, max_soft_tokens);
        return FALSE;
    }
    *target_width = blocks_x * block;
    *target_height = blocks_y * block;
    return TRUE;
}

void g4_patchify(const guint8 *pixels, guint width, guint patch, guint first, guint count,
                 const float values[256], float *rows, gsize row_stride)
{
    guint grid_width = width / patch;
    gsize pitch = (gsize)width * 3;
    gsize line = (gsize)patch * 3;

    for (guint i = first; i < first + count; i++, rows += row_stride) {
        const guint8 *in = pixels + i / grid_width * patch * pitch + i % grid_width * line;
        float *out = rows;

        for (guint y = 0; y < patch; y++, in += pitch, out += line)
            for (gsize x = 0; x < line; x++)
                out[x] = values[in[x]];
    }
}
