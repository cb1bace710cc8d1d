/* SPDX-License-Identifier: Apache-2.0
 *
 * The meta: a list of scores on a buffer. It has no tags and every transform copies it, since
 * regions are normalized and nothing in it depends on the buffer's memory or size.
 */
#include "gstgemma4scorewire.h"

#include <gst/gemma4/gstgemma4scoremeta.h>

static gboolean meta_init(GstMeta *meta, gpointer params, GstBuffer *buffer)
{
    GstGemma4ScoreMeta *self = (GstGemma4ScoreMeta *)meta;

    self->entries = g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_score_unref);
    return TRUE;
}

static void meta_free(GstMeta *meta, GstBuffer *buffer)
{
    GstGemma4ScoreMeta *self = (GstGemma4ScoreMeta *)meta;

    g_ptr_array_unref(self->entries);
}

static gboolean meta_transform(GstBuffer *transbuf, GstMeta *meta, GstBuffer *buffer, GQuark type,
                               gpointer data)
{
    const GstGemma4ScoreMeta *self = (GstGemma4ScoreMeta *)meta;
    GstGemma4ScoreMeta *copy = gst_buffer_add_gemma4_score_meta(transbuf);

    if (copy == NULL)
        return FALSE;
    for (guint i = 0; i < self->entries->len; i++)
        gst_gemma4_score_meta_append(copy, gst_gemma4_score_ref(self->entries->pdata[i]));
    return TRUE;
}

#if GST_CHECK_VERSION(1, 24, 0)
static gboolean meta_serialize(const GstMeta *meta, GstByteArrayInterface *data, guint8 *version)
{
    const GstGemma4ScoreMeta *self = (const GstGemma4ScoreMeta *)meta;
    g_autoptr(GByteArray) bytes = gst_gemma4_scores_pack(self->entries);

    *version = GST_GEMMA4_SCORE_WIRE_VERSION;
    return bytes != NULL && gst_byte_array_interface_append_data(data, bytes->data, bytes->len);
}

static GstMeta *meta_deserialize(const GstMetaInfo *info, GstBuffer *buffer, const guint8 *data,
                                 gsize size, guint8 version)
{
    g_autoptr(GPtrArray) entries =
        version == GST_GEMMA4_SCORE_WIRE_VERSION ? gst_gemma4_scores_parse(data, size) : NULL;
    if (entries == NULL)
        return NULL;

    GstGemma4ScoreMeta *self = gst_buffer_add_gemma4_score_meta(buffer);
    if (self == NULL)
        return NULL;
    g_ptr_array_extend_and_steal(self->entries, g_steal_pointer(&entries));
    return &self->meta;
}
#endif

GType gst_gemma4_score_meta_api_get_type(void)
{
    static gsize type;

    if (g_once_init_enter(&type)) {
        static const gchar *tags[] = {NULL};
        g_once_init_leave(&type, gst_meta_api_type_register("GstGemma4ScoreMetaAPI", tags));
    }
    return type;
}

/**
 * gst_gemma4_score_meta_get_info: (skip)
 *
 * Also registers the meta, which a process must have done before it receives one from another.
 *
 * Returns: how the meta is made, copied and freed
 */
const GstMetaInfo *gst_gemma4_score_meta_get_info(void)
{
    static gsize info;

    if (g_once_init_enter(&info)) {
#if GST_CHECK_VERSION(1, 24, 0)
        GstMetaInfo *made = gst_meta_info_new(GST_GEMMA4_SCORE_META_API_TYPE, "GstGemma4ScoreMeta",
                                              sizeof(GstGemma4ScoreMeta));
        made->init_func = meta_init;
        made->free_func = meta_free;
        made->transform_func = meta_transform;
        made->serialize_func = meta_serialize;
        made->deserialize_func = meta_deserialize;
        const GstMetaInfo *registered = gst_meta_info_register(made);
#else
        const GstMetaInfo *registered =
            gst_meta_register(GST_GEMMA4_SCORE_META_API_TYPE, "GstGemma4ScoreMeta",
                              sizeof(GstGemma4ScoreMeta), meta_init, meta_free, meta_transform);
#endif
        g_once_init_leave(&info, (gsize)registered);
    }
    return (const GstMetaInfo *)info;
}

/**
 * gst_buffer_add_gemma4_score_meta:
 * @buffer: a writable buffer
 *
 * A buffer has one such meta at most: that which is there is returned, or an empty one is added.
 *
 * Returns: (transfer none): the meta, which belongs to @buffer
 */
GstGemma4ScoreMeta *gst_buffer_add_gemma4_score_meta(GstBuffer *buffer)
{
    g_return_val_if_fail(GST_IS_BUFFER(buffer), NULL);

    GstGemma4ScoreMeta *meta = gst_buffer_get_gemma4_score_meta(buffer);
    if (meta == NULL)
        meta = (GstGemma4ScoreMeta *)gst_buffer_add_meta(buffer, GST_GEMMA4_SCORE_META_INFO, NULL);
    return meta;
}

/**
 * gst_buffer_get_gemma4_score_meta:
 * @buffer: a buffer
 *
 * Returns: (transfer none) (nullable): the meta, which belongs to @buffer, or %NULL without one
 */
GstGemma4ScoreMeta *gst_buffer_get_gemma4_score_meta(GstBuffer *buffer)
{
    g_return_val_if_fail(GST_IS_BUFFER(buffer), NULL);

    return (GstGemma4ScoreMeta *)gst_buffer_get_meta(buffer, GST_GEMMA4_SCORE_META_API_TYPE);
}

/**
 * gst_gemma4_score_meta_append:
 * @meta: the meta of a writable buffer
 * @entry: (transfer full): a score
 *
 * Copies of the buffer that were made before keep their entries.
 */
void gst_gemma4_score_meta_append(GstGemma4ScoreMeta *meta, GstGemma4Score *entry)
{
    g_return_if_fail(meta != NULL);
    g_return_if_fail(entry != NULL);

    g_ptr_array_add(meta->entries, entry);
}

/**
 * gst_gemma4_score_meta_get_n_entries:
 * @meta: a meta
 *
 * Returns: number of scores in it
 */
guint gst_gemma4_score_meta_get_n_entries(const GstGemma4ScoreMeta *meta)
{
    g_return_val_if_fail(meta != NULL, 0);

    return meta->entries->len;
}

/**
 * gst_gemma4_score_meta_get_entry:
 * @meta: a meta
 * @i: less than gst_gemma4_score_meta_get_n_entries()
 *
 * Returns: (transfer none): the score; with a reference of its own it may outlive the meta
 */
GstGemma4Score *gst_gemma4_score_meta_get_entry(const GstGemma4ScoreMeta *meta, guint i)
{
    g_return_val_if_fail(meta != NULL, NULL);
    g_return_val_if_fail(i < meta->entries->len, NULL);

    return meta->entries->pdata[i];
}
