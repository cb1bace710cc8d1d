/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores to bytes and back.
 */
#include "gstgemma4scorewire.h"
#include "gstgemma4wire.h"

#include <gst/gemma4/gstgemma4scoremeta.h>

enum {
    FLAG_MATCH = 1,
};

GByteArray *gst_gemma4_scores_pack(const GPtrArray *entries)
{
    if (entries->len == 0)
        return NULL;

    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gst_gemma4_wire_put_u32(bytes, entries->len);
    for (guint i = 0; i < entries->len; i++) {
        const GstGemma4Score *s = entries->pdata[i];
        gdouble region[4];
        if (bytes->len > GST_GEMMA4_WIRE_MAX_BYTES)
            return NULL;

        gst_gemma4_wire_put_f64(bytes, gst_gemma4_score_get_score(s));
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_score_get_frame(s));
        gst_gemma4_wire_put_u64(bytes, gst_gemma4_score_get_pts(s));
        gst_gemma4_wire_put_u64(bytes, (guint64)gst_gemma4_score_get_track(s));
        gst_gemma4_score_get_region(s, &region[0], &region[1], &region[2], &region[3]);
        for (guint k = 0; k < 4; k++)
            gst_gemma4_wire_put_f64(bytes, region[k]);
        guint8 flags = gst_gemma4_score_is_match(s) ? FLAG_MATCH : 0;
        g_byte_array_append(bytes, &flags, 1);
        if (!gst_gemma4_wire_put_string(bytes, gst_gemma4_score_get_label(s)) ||
            !gst_gemma4_wire_put_string(bytes, gst_gemma4_score_get_region_id(s)))
            return NULL;
    }
    return g_steal_pointer(&bytes);
}

static GstGemma4Score *get_entry(GstGemma4WireReader *r)
{
    GstGemma4ScoreParams params = {0};

    params.score = gst_gemma4_wire_get_f64(r);
    params.frame = gst_gemma4_wire_get_u64(r);
    params.pts = gst_gemma4_wire_get_u64(r);
    params.track = (gint64)gst_gemma4_wire_get_u64(r);
    params.x = gst_gemma4_wire_get_f64(r);
    params.y = gst_gemma4_wire_get_f64(r);
    params.w = gst_gemma4_wire_get_f64(r);
    params.h = gst_gemma4_wire_get_f64(r);
    const guint8 *flags = gst_gemma4_wire_take(r, 1);
    params.match = flags != NULL && (*flags & FLAG_MATCH) != 0;
    g_autofree gchar *label = gst_gemma4_wire_get_string(r);
    g_autofree gchar *region_id = gst_gemma4_wire_get_string(r);
    params.label = label;
    params.region_id = region_id;
    return r->ok ? gst_gemma4_score_new(&params) : NULL;
}

GPtrArray *gst_gemma4_scores_parse(const guint8 *data, gsize size)
{
    GstGemma4WireReader r = {data, size, TRUE};
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_score_unref);

    guint32 n = gst_gemma4_wire_get_u32(&r);
    for (guint32 i = 0; i < n; i++) {
        GstGemma4Score *entry = get_entry(&r);
        if (entry == NULL)
            return NULL;
        g_ptr_array_add(entries, entry);
    }
    return n > 0 && r.left == 0 ? g_steal_pointer(&entries) : NULL;
}
