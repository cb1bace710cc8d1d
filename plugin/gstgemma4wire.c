/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and strings to bytes and back.
 */
#include "gstgemma4wire.h"

#include <string.h>

#define NO_STRING G_MAXUINT32
#define MAX_STRING (1u << 20)

void gst_gemma4_wire_put_u32(GByteArray *bytes, guint32 value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
}

void gst_gemma4_wire_put_u64(GByteArray *bytes, guint64 value)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
}

void gst_gemma4_wire_put_f64(GByteArray *bytes, gdouble value)
{
    guint64 bits;
    memcpy(&bits, &value, sizeof bits);
    gst_gemma4_wire_put_u64(bytes, bits);
}

gboolean gst_gemma4_wire_put_string(GByteArray *bytes, const gchar *string)
{
    if (string == NULL) {
        gst_gemma4_wire_put_u32(bytes, NO_STRING);
        return TRUE;
    }
    gsize length = strlen(string);
    if (length > MAX_STRING || !g_utf8_validate(string, length, NULL))
        return FALSE;
    gst_gemma4_wire_put_u32(bytes, length);
    g_byte_array_append(bytes, (const guint8 *)string, length);
    return TRUE;
}

const guint8 *gst_gemma4_wire_take(GstGemma4WireReader *r, gsize size)
{
    if (!r->ok || size > r->left) {
        r->ok = FALSE;
        return NULL;
    }
    const guint8 *at = r->data;
    r->data += size;
    r->left -= size;
    return at;
}

guint32 gst_gemma4_wire_get_u32(GstGemma4WireReader *r)
{
    const guint8 *at = gst_gemma4_wire_take(r, sizeof(guint32));
    guint32 value = 0;

    if (at != NULL)
        memcpy(&value, at, sizeof value);
    return GUINT32_FROM_LE(value);
}

guint64 gst_gemma4_wire_get_u64(GstGemma4WireReader *r)
{
    const guint8 *at = gst_gemma4_wire_take(r, sizeof(guint64));
    guint64 value = 0;

    if (at != NULL)
        memcpy(&value, at, sizeof value);
    return GUINT64_FROM_LE(value);
}

gdouble gst_gemma4_wire_get_f64(GstGemma4WireReader *r)
{
    guint64 bits = gst_gemma4_wire_get_u64(r);
    gdouble value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

gchar *gst_gemma4_wire_get_string(GstGemma4WireReader *r)
{
    guint32 length = gst_gemma4_wire_get_u32(r);
    if (length == NO_STRING)
        return NULL;
    const guint8 *at = gst_gemma4_wire_take(r, length);
    if (at == NULL)
        return NULL;
    /* With a length given, a zero byte does not pass g_utf8_validate() either. */
    if (!g_utf8_validate((const gchar *)at, length, NULL)) {
        r->ok = FALSE;
        return NULL;
    }
    return g_strndup((const gchar *)at, length);
}
