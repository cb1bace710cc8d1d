/* SPDX-License-Identifier: Apache-2.0
 *
 * The safetensors format: eight bytes with the header's length, a JSON header that gives each
 * tensor's dtype, shape and byte range, then the tensors' bytes without gaps.
 */
#ifndef G4_SAFETENSORS_H
#define G4_SAFETENSORS_H

#include <glib.h>

#include "file.h"
#include "tensor.h"

/* Parses a header and appends its tensors to `tensors` (g4_tensor_array_new), with `file` in each.
 * `start` is where in the file the tensors' bytes begin and `size` how many there are. Checks all
 * that the format demands: names without control characters, known dtypes, ranges that match dtype
 * and shape and that together cover the bytes exactly, none twice. `name` is the file in messages.
 * Errors: MALFORMED, UNSUPPORTED (a dtype or a rank unknown here), UNREADABLE (ranges beyond the
 * file's end: it is truncated); what was appended by then stays. */
gboolean g4_safetensors_parse(const char *name, const char *header, gsize length, guint64 start,
                              guint64 size, guint file, GArray *tensors, GError **error);

/* The same from an open file, of which only the header is read. The header's length is compared
 * with the file's size and the format's limit before memory is taken for it. */
gboolean g4_safetensors_read(G4File *file, guint index, GArray *tensors, GError **error);

#endif /* G4_SAFETENSORS_H */
