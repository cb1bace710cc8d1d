/* SPDX-License-Identifier: Apache-2.0
 *
 * Target: the header of a safetensors file whose tensors' bytes are as many as the first four
 * bytes of the input say.
 */
#include <string.h>

#include "fuzz.h"
#include "safetensors.h"
#include "tensor.h"

FUZZ_INITIALIZE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    guint64 bytes = 0;
    size_t n = MIN(size, 4);
    for (size_t i = 0; i < n; i++)
        bytes |= (guint64)data[i] << 8 * i;
    g_autofree char *header = fuzz_copy(data + n, size - n);
    g_autoptr(GArray) tensors = g4_tensor_array_new();
    g_autoptr(GError) error = NULL;
    guint64 start = 8 + (size - n);
    gboolean ok = g4_safetensors_parse("FILE", header, size - n, start, bytes, 0, tensors, &error);
    fuzz_check_error(ok, error);
    guint64 sum = 0;
    for (guint i = 0; ok && i < tensors->len; i++) {
        const G4Tensor *tensor = &g_array_index(tensors, G4Tensor, i);
        g_assert_cmpuint(tensor->offset, >=, start);
        g_assert_cmpuint(tensor->bytes, <=, bytes);
        g_assert_cmpuint(tensor->offset - start, <=, bytes - tensor->bytes);
        sum += tensor->bytes;
    }
    if (ok)
        g_assert_cmpuint(sum, ==, bytes);
    return 0;
}
