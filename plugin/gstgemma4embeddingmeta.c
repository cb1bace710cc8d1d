/* SPDX-License-Identifier: Apache-2.0
 *
 * The meta: a list of embeddings on a buffer. It has no tags and every transform copies it, since
 * regions are normalized and nothing in it depends on the buffer's memory or size.
 */
#include "gstgemma4embeddingwire.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>

static gboolean meta_init(GstMeta *meta, gpointer params, GstBuffer *buffer)
{
    GstGemma4EmbeddingMeta *self = (GstGemma4EmbeddingMeta *)meta;

    self->entries = g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);
    return TRUE;
}

static void meta_free(GstMeta *meta, GstBuffer *buffer)
{
    GstGemma4EmbeddingMeta *self = (GstGemma4EmbeddingMeta *)meta;

    g_ptr_array_unref(self->entries);
}

static gboolean meta_transform(GstBuffer *transbuf, GstMeta *meta, GstBuffer *buffer, GQuark type,
                               gpointer data)
{
    const GstGemma4EmbeddingMeta *self = (GstGemma4EmbeddingMeta *)meta;
    GstGemma4EmbeddingMeta *copy = gst_buffer_add_gemma4_embedding_meta(transbuf);

    if (copy == NULL)
        return FALSE;
    for (guint i = 0; i < self->entries->len; i++)
        gst_gemma4_embedding_meta_append(copy, gst_gemma4_embedding_ref(self->entries->pdata[i]));
    return TRUE;
}

#if GST_CHECK_VERSION(1, 24, 0)
static gboolean meta_serialize(const GstMeta *meta, GstByteArrayInterface *data, guint8 *version)
{
    const GstGemma4EmbeddingMeta *self = (const GstGemma4EmbeddingMeta *)meta;
    g_autoptr(GByteArray) bytes = gst_gemma4_embeddings_pack(self->entries);

    *version = GST_GEMMA4_EMBEDDING_WIRE_VERSION;
    return bytes != NULL && gst_byte_array_interface_append_data(data, bytes->data, bytes->len);
}

static GstMeta *meta_deserialize(const GstMetaInfo *info, GstBuffer *buffer, const guint8 *data,
                                 gsize size, guint8 version)
{
    g_autoptr(GPtrArray) entries = gst_gemma4_embeddings_parse(data, size, version);
    if (entries == NULL)
        return NULL;

    GstGemma4EmbeddingMeta *self = gst_buffer_add_gemma4_embedding_meta(buffer);
    if (self == NULL)
        return NULL;
    g_ptr_array_extend_and_steal(self->entries, g_steal_pointer(&entries));
    return &self->meta;
}
#endif

GType gst_gemma4_embedding_meta_api_get_type(void)
{
    static gsize type;

    if (g_once_init_enter(&type)) {
        static const gchar *tags[] = {NULL};
        g_once_init_leave(&type, gst_meta_api_type_register("GstGemma4EmbeddingMetaAPI", tags));
    }
    return type;
}

/**
 * gst_gemma4_embedding_meta_get_info: (skip)
 *
 * Also registers the meta, which a process must have done before it receives one from another.
 *
 * Returns: how the meta is made, copied and freed
 */
const GstMetaInfo *gst_gemma4_embedding_meta_get_info(void)
{
    static gsize info;

    if (g_once_init_enter(&info)) {
#if GST_CHECK_VERSION(1, 24, 0)
        GstMetaInfo *made =
            gst_meta_info_new(GST_GEMMA4_EMBEDDING_META_API_TYPE, "GstGemma4EmbeddingMeta",
                              sizeof(GstGemma4EmbeddingMeta));
        made->init_func = meta_init;
        made->free_func = meta_free;
        made->transform_func = meta_transform;
        made->serialize_func = meta_serialize;
        made->deserialize_func = meta_deserialize;
        const GstMetaInfo *registered = gst_meta_info_register(made);
#else
        const GstMetaInfo *registered =
            gst_meta_register(GST_GEMMA4_EMBEDDING_META_API_TYPE, "GstGemma4EmbeddingMeta",
                              sizeof(GstGemma4EmbeddingMeta), meta_init, meta_free, meta_transform);
#endif
        g_once_init_leave(&info, (gsize)registered);
    }
    return (const GstMetaInfo *)info;
}

/**
 * gst_buffer_add_gemma4_embedding_meta:
 * @buffer: a writable buffer
 *
 * A buffer has one such meta at most: that which is there is returned, or an empty one is added.
 *
 * Returns: (transfer none): the meta, which belongs to @buffer
 */
GstGemma4EmbeddingMeta *gst_buffer_add_gemma4_embedding_meta(GstBuffer *buffer)
{
    g_return_val_if_fail(GST_IS_BUFFER(buffer), NULL);

    GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
    if (meta == NULL)
        meta = (GstGemma4EmbeddingMeta *)gst_buffer_add_meta(buffer, GST_GEMMA4_EMBEDDING_META_INFO,
                                                             NULL);
    return meta;
}

/**
 * gst_buffer_get_gemma4_embedding_meta:
 * @buffer: a buffer
 *
 * Returns: (transfer none) (nullable): the meta, which belongs to @buffer, or %NULL without one
 */
GstGemma4EmbeddingMeta *gst_buffer_get_gemma4_embedding_meta(GstBuffer *buffer)
{
    g_return_val_if_fail(GST_IS_BUFFER(buffer), NULL);

    return (GstGemma4EmbeddingMeta *)gst_buffer_get_meta(buffer,
                                                         GST_GEMMA4_EMBEDDING_META_API_TYPE);
}

/**
 * gst_gemma4_embedding_meta_append:
 * @meta: the meta of a writable buffer
 * @entry: (transfer full): an embedding
 *
 * Copies of the buffer that were made before keep their entries.
 */
void gst_gemma4_embedding_meta_append(GstGemma4EmbeddingMeta *meta, GstGemma4Embedding *entry)
{
    g_return_if_fail(meta != NULL);
    g_return_if_fail(entry != NULL);

    g_ptr_array_add(meta->entries, entry);
}

/**
 * gst_gemma4_embedding_meta_get_n_entries:
 * @meta: a meta
 *
 * Returns: number of embeddings in it
 */
guint gst_gemma4_embedding_meta_get_n_entries(const GstGemma4EmbeddingMeta *meta)
{
    g_return_val_if_fail(meta != NULL, 0);

    return meta->entries->len;
}

/**
 * gst_gemma4_embedding_meta_get_entry:
 * @meta: a meta
 * @i: less than gst_gemma4_embedding_meta_get_n_entries()
 *
 * Returns: (transfer none): the embedding; with a reference of its own it may outlive the meta
 */
GstGemma4Embedding *gst_gemma4_embedding_meta_get_entry(const GstGemma4EmbeddingMeta *meta, guint i)
{
    g_return_val_if_fail(meta != NULL, NULL);
    g_return_val_if_fail(i < meta->entries->len, NULL);

    return meta->entries->pdata[i];
}
