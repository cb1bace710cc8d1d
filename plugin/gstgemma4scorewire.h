/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes in which scores cross to another process (unixfdsink from GStreamer 1.24).
 *
 * Version 1, numbers and strings as gstgemma4wire.h has them:
 *
 *   u32 number of entries, at least 1, then for each
 *   f64 score, u64 frame, u64 pts, i64 track, f64 x, f64 y, f64 w, f64 h, u8 flags (1 match),
 *   two strings: label, region id.
 *
 * Nothing follows the last entry. A change of the layout gets another version.
 */
#ifndef GST_GEMMA4_SCORE_WIRE_H
#define GST_GEMMA4_SCORE_WIRE_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_GEMMA4_SCORE_WIRE_VERSION 1

/* The bytes of an array of GstGemma4Score, to be freed by the caller; NULL when there is none,
 * when a string of theirs is not UTF-8, or when they are more than about 1 GiB. */
GByteArray *gst_gemma4_scores_pack(const GPtrArray *entries);

/* The opposite. `data` may hold anything: what is not exactly the above gives NULL, and memory is
 * only taken for bytes that are there. The array owns its entries. */
GPtrArray *gst_gemma4_scores_parse(const guint8 *data, gsize size);

G_END_DECLS

#endif /* GST_GEMMA4_SCORE_WIRE_H */
