/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeddings to bytes and back.
 */
#include "gstgemma4embeddingwire.h"
#include "gstgemma4wire.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <string.h>

enum {
    FLAG_NORMALIZED = 1,
    FLAG_REUSED = 2,
};

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
    gst_gemma4_wire_put_u32(bytes, entries->len);
    for (guint i = 0; i < entries->len; i++) {
        const GstGemma4Embedding *e = entries->pdata[i];
        gsize n;
        const gfloat *values = gst_gemma4_embedding_get_values(e, &n);
        if (bytes->len > GST_GEMMA4_WIRE_MAX_BYTES ||
            n > GST_GEMMA4_WIRE_MAX_BYTES / sizeof(gfloat))
            return NULL;

        gst_gemma4_wire_put_u32(bytes, gst_gemma4_embedding_get_rows(e));
        gst_gemma4_wire_put_u32(bytes, gst_gemma4_embedding_get_cols(e));
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_embedding_get_frame(e));
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_embedding_get_pts(e));
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_embedding_get_running_time(e));
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_embedding_get_utc(e));
        gst_gemma4_wire_put_u64(bytes, (guint64)gst_gemma4_embedding_get_track(e));
        gdouble region[4];
        gst_gemma4_embedding_get_region(e, &region[0], &region[1], &region[2], &region[3]);
        for (guint k = 0; k < 4; k++)
            gst_gemma4_wire_put_f64(bytes, region[k]);
        guint8 flags = (gst_gemma4_embedding_is_normalized(e) ? FLAG_NORMALIZED : 0) |
                       (gst_gemma4_embedding_is_reused(e) ? FLAG_REUSED : 0);
        g_byte_array_append(bytes, &flags, 1);
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_embedding_get_series(e));
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_embedding_get_sequence(e));
        if (!gst_gemma4_wire_put_string(bytes, gst_gemma4_embedding_get_id(e)) ||
            !gst_gemma4_wire_put_string(bytes, gst_gemma4_embedding_get_region_id(e)) ||
            !gst_gemma4_wire_put_string(bytes, gst_gemma4_embedding_get_label(e)) ||
            !gst_gemma4_wire_put_string(bytes, gst_gemma4_embedding_get_model_name(e)) ||
            !gst_gemma4_wire_put_string(bytes, gst_gemma4_embedding_get_model_digest(e)))
            return NULL;
        put_values(bytes, values, n);
    }
    return g_steal_pointer(&bytes);
}

/* rows x cols float32, or NULL where they are not all there. */
static GstBuffer *get_values(GstGemma4WireReader *r, guint32 rows, guint32 cols)
{
    if (rows == 0 || cols == 0 || cols > r->left / sizeof(gfloat) / rows)
        return NULL;
    gsize size = (gsize)rows * cols * sizeof(gfloat);
    const guint8 *at = gst_gemma4_wire_take(r, size);
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

static GstGemma4Embedding *get_entry(GstGemma4WireReader *r, guint version)
{
    GstGemma4EmbeddingParams params = {0};

    params.rows = gst_gemma4_wire_get_u32(r);
    params.cols = gst_gemma4_wire_get_u32(r);
    params.frame = gst_gemma4_wire_get_u64(r);
    params.pts = gst_gemma4_wire_get_u64(r);
    params.running_time = gst_gemma4_wire_get_u64(r);
    params.utc = gst_gemma4_wire_get_u64(r);
    params.track = (gint64)gst_gemma4_wire_get_u64(r);
    params.x = gst_gemma4_wire_get_f64(r);
    params.y = gst_gemma4_wire_get_f64(r);
    params.w = gst_gemma4_wire_get_f64(r);
    params.h = gst_gemma4_wire_get_f64(r);
    const guint8 *flags = gst_gemma4_wire_take(r, 1);
    params.normalized = flags != NULL && (*flags & FLAG_NORMALIZED) != 0;
    params.reused = flags != NULL && (*flags & FLAG_REUSED) != 0;
    if (version >= 2) {
        params.series = gst_gemma4_wire_get_u64(r);
        params.sequence = gst_gemma4_wire_get_u64(r);
    }
    g_autofree gchar *id = gst_gemma4_wire_get_string(r);
    g_autofree gchar *region_id = gst_gemma4_wire_get_string(r);
    g_autofree gchar *label = gst_gemma4_wire_get_string(r);
    g_autofree gchar *model_name = gst_gemma4_wire_get_string(r);
    g_autofree gchar *model_digest = gst_gemma4_wire_get_string(r);
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

GPtrArray *gst_gemma4_embeddings_parse(const guint8 *data, gsize size, guint version)
{
    if (version < 1 || version > GST_GEMMA4_EMBEDDING_WIRE_VERSION)
        return NULL;

    GstGemma4WireReader r = {data, size, TRUE};
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);

    guint32 n = gst_gemma4_wire_get_u32(&r);
    for (guint32 i = 0; i < n; i++) {
        GstGemma4Embedding *entry = get_entry(&r, version);
        if (entry == NULL)
            return NULL;
        g_ptr_array_add(entries, entry);
    }
    return n > 0 && r.left == 0 ? g_steal_pointer(&entries) : NULL;
}
