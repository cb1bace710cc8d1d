/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and strings to bytes and back, for metas that cross to another process. Everything is
 * little-endian and lies at any address; a string is u32 length (0xffffffff for none) and so many
 * bytes of UTF-8 without a zero.
 */
#ifndef GST_GEMMA4_WIRE_H
#define GST_GEMMA4_WIRE_H

#include <glib.h>

G_BEGIN_DECLS

/* A GByteArray counts in 32 bits and aborts beyond: who writes more than this stops. */
#define GST_GEMMA4_WIRE_MAX_BYTES (1u << 30)

void gst_gemma4_wire_put_u32(GByteArray *bytes, guint32 value);
void gst_gemma4_wire_put_u64(GByteArray *bytes, guint64 value);
void gst_gemma4_wire_put_f64(GByteArray *bytes, gdouble value);
/* FALSE, and nothing written, for what is not UTF-8 or is longer than 1 MiB. NULL is none. */
gboolean gst_gemma4_wire_put_string(GByteArray *bytes, const gchar *string);

/* What is left to read. Once something was missing or wrong, `ok` is FALSE and every get gives
 * zero, so that the caller may look once, at the end. */
typedef struct {
    const guint8 *data; /* borrowed */
    gsize left;
    gboolean ok;
} GstGemma4WireReader;

/* The next `size` bytes where they lie; NULL where they are not all there. */
const guint8 *gst_gemma4_wire_take(GstGemma4WireReader *reader, gsize size);
guint32 gst_gemma4_wire_get_u32(GstGemma4WireReader *reader);
guint64 gst_gemma4_wire_get_u64(GstGemma4WireReader *reader);
gdouble gst_gemma4_wire_get_f64(GstGemma4WireReader *reader);
/* To be freed by the caller; NULL for none and for what is wrong, which `ok` tells apart. */
gchar *gst_gemma4_wire_get_string(GstGemma4WireReader *reader);

G_END_DECLS

#endif /* GST_GEMMA4_WIRE_H */
