/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings to bytes and back.
 */
#include "gstgemma4embeddingwire.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <math.h>
#include <string.h>

#define NO_STRING G_MAXUINT32

/* A GByteArray counts in 32 bits and aborts beyond: what is larger does not go out. */
#define MAX_BYTES (1u << 30)
#define MAX_STRING (1u << 20)

enum {
    FLAG_NORMALIZED = 1,
    FLAG_REUSED = 2,
};

static void put_u32(GByteArray *bytes, guint32 value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
}

static void put_u64(GByteArray *bytes, guint64 value)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
}

static void put_f64(GByteArray *bytes, gdouble value)
{
    guint64 bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(bytes, bits);
}

static gboolean put_string(GByteArray *bytes, const gchar *string)
{
    if (string == NULL) {
        put_u32(bytes, NO_STRING);
        return TRUE;
    }
    gsize length = strlen(string);
    if (length > MAX_STRING || !g_utf8_validate(string, length, NULL))
        return FALSE;
    put_u32(bytes, length);
    g_byte_array_append(bytes, (const guint8 *)string, length);
    return TRUE;
}

static void put_values(GByteArray *bytes, const gfloat *values, gsize n)
{
    guint at = bytes->len;
    g_byte_array_set_size(bytes, at + n * sizeof(gfloat));
    for (gsize i = 0; i < n; i++) {
        guint32 bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = GUINT32_TO_LE(bits);
        memcpy(bytes->data + at + i * sizeof bits, &bits, sizeof bits);
    }
}

GByteArray *gst_gemma4_embeddings_pack(const GPtrArray *entries)
{
    if (entries->len == 0)
        return NULL;

    g_autoptr(GByteArray) bytes = g_byte_array_new();
    put_u32(bytes, entries->len);
    for (guint i = 0; i < entries->len; i++) {
        const GstGemma4Embedding *e = entries->pdata[i];
        gsize n;
        const gfloat *values = gst_gemma4_embedding_get_values(e, &n);
        if (bytes->len > MAX_BYTES || n > MAX_BYTES / sizeof(gfloat))
            return NULL;

        put_u32(bytes, gst_gemma4_embedding_get_rows(e));
        put_u32(bytes, gst_gemma4_embedding_get_cols(e));
        put_u64(bytes, gst_gemma4_embedding_get_frame(e));
        put_u64(bytes, gst_gemma4_embedding_get_pts(e));
        put_u64(bytes, gst_gemma4_embedding_get_running_time(e));
        put_u64(bytes, gst_gemma4_embedding_get_utc(e));
        put_u64(bytes, (guint64)gst_gemma4_embedding_get_track(e));
        gdouble region[4];
        gst_gemma4_embedding_get_region(e, &region[0], &region[1], &region[2], &region[3]);
        for (guint k = 0; k < 4; k++)
            put_f64(bytes, region[k]);
        guint8 flags = (gst_gemma4_embedding_is_normalized(e) ? FLAG_NORMALIZED : 0) |
                       (gst_gemma4_embedding_is_reused(e) ? FLAG_REUSED : 0);
        g_byte_array_append(bytes, &flags, 1);
        if (!put_string(bytes, gst_gemma4_embedding_get_id(e)) ||
            !put_string(bytes, gst_gemma4_embedding_get_region_id(e)) ||
            !put_string(bytes, gst_gemma4_embedding_get_label(e)) ||
            !put_string(bytes, gst_gemma4_embedding_get_model_name(e)) ||
            !put_string(bytes, gst_gemma4_embedding_get_model_digest(e)))
            return NULL;
        put_values(bytes, values, n);
    }
    return g_steal_pointer(&bytes);
}

/* What is left to read. Once something was missing or wrong, `ok` is FALSE and every get gives
 * zero, so that the caller may look once, at the end. */
typedef struct {
    const guint8 *data;
    gsize left;
    gboolean ok;
} Reader;

static const guint8 *take(Reader *r, gsize size)
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

/* Numbers lie at any address. */
static guint32 get_u32(Reader *r)
{
    const guint8 *at = take(r, sizeof(guint32));
    guint32 value = 0;

    if (at != NULL)
        memcpy(&value, at, sizeof value);
    return GUINT32_FROM_LE(value);
}

static guint64 get_u64(Reader *r)
{
    const guint8 *at = take(r, sizeof(guint64));
    guint64 value = 0;

    if (at != NULL)
        memcpy(&value, at, sizeof value);
    return GUINT64_FROM_LE(value);
}

static gdouble get_f64(Reader *r)
{
    guint64 bits = get_u64(r);
    gdouble value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static gchar *get_string(Reader *r)
{
    guint32 length = get_u32(r);
    if (length == NO_STRING)
        return NULL;
    const guint8 *at = take(r, length);
    if (at == NULL)
        return NULL;
    /* With a length given, a zero byte does not pass g_utf8_validate() either. */
    if (!g_utf8_validate((const gchar *)at, length, NULL)) {
        r->ok = FALSE;
        return NULL;
    }
    return g_strndup((const gchar *)at, length);
}

/* rows x cols float32, or NULL where they are not all there. */
static GstBuffer *get_values(Reader *r, guint32 rows, guint32 cols)
{
    if (rows == 0 || cols == 0 || cols > r->left / sizeof(gfloat) / rows)
        return NULL;
    gsize size = (gsize)rows * cols * sizeof(gfloat);
    const guint8 *at = take(r, size);
    if (at == NULL)
        return NULL;
    guint8 *copy = g_try_malloc(size);
    if (copy == NULL)
        return NULL;
    for (gsize i = 0; i < size; i += sizeof(guint32)) {
        guint32 bits;
        memcpy(&bits, at + i, sizeof bits);
        bits = GUINT32_FROM_LE(bits);
        memcpy(copy + i, &bits, sizeof bits);
    }
    return gst_buffer_new_wrapped(copy, size);
}

static GstGemma4Embedding *get_entry(Reader *r)
{
    GstGemma4EmbeddingParams params = {0};

    params.rows = get_u32(r);
    params.cols = get_u32(r);
    params.frame = get_u64(r);
    params.pts = get_u64(r);
    params.running_time = get_u64(r);
    params.utc = get_u64(r);
    params.track = (gint64)get_u64(r);
    params.x = get_f64(r);
    params.y = get_f64(r);
    params.w = get_f64(r);
    params.h = get_f64(r);
    const guint8 *flags = take(r, 1);
    params.normalized = flags != NULL && (*flags & FLAG_NORMALIZED) != 0;
    params.reused = flags != NULL && (*flags & FLAG_REUSED) != 0;
    g_autofree gchar *id = get_string(r);
    g_autofree gchar *region_id = get_string(r);
    g_autofree gchar *label = get_string(r);
    g_autofree gchar *model_name = get_string(r);
    g_autofree gchar *model_digest = get_string(r);
    if (!r->ok)
        return NULL;
    GstBuffer *values = get_values(r, params.rows, params.cols);
    if (values == NULL)
        return NULL;

    params.id = id;
    params.region_id = region_id;
    params.label = label;
    params.model_name = model_name;
    params.model_digest = model_digest;
    return gst_gemma4_embedding_new(&params, values);
}

GPtrArray *gst_gemma4_embeddings_parse(const guint8 *data, gsize size)
{
    Reader r = {data, size, TRUE};
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);

    guint32 n = get_u32(&r);
    for (guint32 i = 0; i < n; i++) {
        GstGemma4Embedding *entry = get_entry(&r);
        if (entry == NULL)
            return NULL;
        g_ptr_array_add(entries, entry);
    }
    return n > 0 && r.left == 0 ? g_steal_pointer(&entries) : NULL;
}
