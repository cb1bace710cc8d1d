/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes in which embeddings cross to another process (unixfdsink from GStreamer 1.24).
 *
 * Version 2, everything little-endian:
 *
 *   u32 number of entries, at least 1, then for each
 *   u32 rows, u32 cols, u64 frame, u64 pts, u64 running time, u64 utc, i64 track,
 *   f64 x, f64 y, f64 w, f64 h, u8 flags (1 normalized, 2 reused), u64 series, u64 sequence,
 *   five strings: id, region id, label, model name, model digest; each u32 length (0xffffffff for
 *   none) and so many bytes of UTF-8 without a zero,
 *   rows x cols f32.
 *
 * Nothing follows the last entry. Version 1, without series and sequence, is still read. A change
 * of the layout gets another version.
 */
#ifndef GST_GEMMA4_EMBEDDING_WIRE_H
#define GST_GEMMA4_EMBEDDING_WIRE_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_GEMMA4_EMBEDDING_WIRE_VERSION 2

/* The bytes of an array of GstGemma4Embedding, to be freed by the caller; NULL when there is none,
 * when a string of theirs is not UTF-8, or when they are more than about 2 GiB. */
GByteArray *gst_gemma4_embeddings_pack(const GPtrArray *entries);

/* The opposite. `data` may hold anything: what is not exactly the above, of that version, gives
 * NULL, and memory is only taken for bytes that are there. The array owns its entries. */
GPtrArray *gst_gemma4_embeddings_parse(const guint8 *data, gsize size, guint version);

G_END_DECLS

#endif /* GST_GEMMA4_EMBEDDING_WIRE_H */
