/* SPDX-License-Identifier: Apache-2.0
 *
 * libgstgemma4-1.0: embeddings as a meta on GStreamer buffers.
 *
 * gemma4embed attaches one GstGemma4EmbeddingMeta to each buffer that carries embeddings; the meta
 * is a list of GstGemma4Embedding, immutable counted records. Reading one in an application:
 *
 *   GstGemma4EmbeddingMeta *meta = gst_buffer_get_gemma4_embedding_meta(buffer);
 *   for (guint i = 0; meta && i < gst_gemma4_embedding_meta_get_n_entries(meta); i++) {
 *       GstGemma4Embedding *e = gst_gemma4_embedding_meta_get_entry(meta, i);
 *       gsize n;
 *       const gfloat *values = gst_gemma4_embedding_get_values(e, &n);
 *       ...
 *   }
 *
 * An embedding that has outlived its buffers (the last results of an asynchronous gemma4embed at
 * the end of the stream) travels alone in a serialized downstream event instead, see
 * gst_event_new_gemma4_embedding(); whoever reads the meta should read the event too.
 */
#ifndef GST_GEMMA4_EMBEDDING_META_H
#define GST_GEMMA4_EMBEDDING_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#ifndef GST_GEMMA4_API
#define GST_GEMMA4_API __attribute__((visibility("default")))
#endif

/* ------------------------------------------------------------------------------------------
 * One embedding
 *
 * Immutable, so every function here is thread safe. Pointers that the accessors return belong to
 * the embedding and live as long as it does.
 */

/**
 * GstGemma4Embedding:
 *
 * A matrix of float32 with where it came from: frame, time, region and model.
 */
typedef struct _GstGemma4Embedding GstGemma4Embedding;

#define GST_TYPE_GEMMA4_EMBEDDING (gst_gemma4_embedding_get_type())

/**
 * GstGemma4EmbeddingParams:
 * @id: "gemma4-tokens", "gemma4-pooled" or "gemma4-joint"
 * @rows: 1, or the number of soft tokens; at least 1
 * @cols: length of a vector; at least 1
 * @frame: index of the frame among those that entered gemma4embed
 * @pts: of that frame, or %GST_CLOCK_TIME_NONE
 * @running_time: of that frame, or %GST_CLOCK_TIME_NONE
 * @utc: nanoseconds since 1970, or %GST_CLOCK_TIME_NONE
 * @x: left edge of the region, 0..1 of the cropped picture
 * @y: top edge
 * @w: width
 * @h: height; the whole frame is 0, 0, 1, 1
 * @region_id: (nullable): name of the region
 * @track: identity of a tracked object, -1 without one
 * @label: (nullable): class of the object in the region
 * @model_name: (nullable): name of the model
 * @model_digest: (nullable): 16 hex digits that identify the weights and settings
 * @normalized: each row has L2 length 1
 * @reused: the vector is that of an earlier frame whose pixels were the same
 * @series: what the embedding is numbered in: an identity of its own for each start and each flush
 *   of a gemma4embed; 0 where it is not numbered
 * @sequence: number in that series, from 0, in the order in which they are sent on: a reader that
 *   meets a gap has missed some
 * @series_start: g_get_monotonic_time() of the first of the series, 0 where that is not known
 *   (from another process)
 *
 * What gst_gemma4_embedding_new() makes a record of. Start from
 * %GST_GEMMA4_EMBEDDING_PARAMS_INIT and set what is known; strings are copied.
 */
typedef struct _GstGemma4EmbeddingParams {
    const gchar *id;
    guint rows, cols;
    guint64 frame;
    GstClockTime pts, running_time, utc;
    gdouble x, y, w, h;
    const gchar *region_id;
    gint64 track;
    const gchar *label;
    const gchar *model_name;
    const gchar *model_digest;
    gboolean normalized;
    gboolean reused;
    guint64 series, sequence;
    gint64 series_start;
} GstGemma4EmbeddingParams;

/**
 * GST_GEMMA4_EMBEDDING_PARAMS_INIT: (skip)
 *
 * No times, the whole frame, no track, no names, no number.
 */
#define GST_GEMMA4_EMBEDDING_PARAMS_INIT                                                           \
    {                                                                                              \
        .pts = GST_CLOCK_TIME_NONE, .running_time = GST_CLOCK_TIME_NONE,                           \
        .utc = GST_CLOCK_TIME_NONE, .w = 1.0, .h = 1.0, .track = -1,                               \
    }

GST_GEMMA4_API GType gst_gemma4_embedding_get_type(void);

GST_GEMMA4_API GstGemma4Embedding *gst_gemma4_embedding_new(const GstGemma4EmbeddingParams *params,
                                                            GstBuffer *data);
GST_GEMMA4_API GstGemma4Embedding *gst_gemma4_embedding_ref(GstGemma4Embedding *embedding);
GST_GEMMA4_API void gst_gemma4_embedding_unref(GstGemma4Embedding *embedding);

GST_GEMMA4_API const gchar *gst_gemma4_embedding_get_id(const GstGemma4Embedding *embedding);
GST_GEMMA4_API const gfloat *gst_gemma4_embedding_get_values(const GstGemma4Embedding *embedding,
                                                             gsize *n_values);
GST_GEMMA4_API GstBuffer *gst_gemma4_embedding_get_data(const GstGemma4Embedding *embedding);
GST_GEMMA4_API guint gst_gemma4_embedding_get_rows(const GstGemma4Embedding *embedding);
GST_GEMMA4_API guint gst_gemma4_embedding_get_cols(const GstGemma4Embedding *embedding);
GST_GEMMA4_API guint64 gst_gemma4_embedding_get_frame(const GstGemma4Embedding *embedding);
GST_GEMMA4_API GstClockTime gst_gemma4_embedding_get_pts(const GstGemma4Embedding *embedding);
GST_GEMMA4_API GstClockTime
gst_gemma4_embedding_get_running_time(const GstGemma4Embedding *embedding);
GST_GEMMA4_API GstClockTime gst_gemma4_embedding_get_utc(const GstGemma4Embedding *embedding);
GST_GEMMA4_API void gst_gemma4_embedding_get_region(const GstGemma4Embedding *embedding, gdouble *x,
                                                    gdouble *y, gdouble *w, gdouble *h);
GST_GEMMA4_API const gchar *gst_gemma4_embedding_get_region_id(const GstGemma4Embedding *embedding);
GST_GEMMA4_API gint64 gst_gemma4_embedding_get_track(const GstGemma4Embedding *embedding);
GST_GEMMA4_API const gchar *gst_gemma4_embedding_get_label(const GstGemma4Embedding *embedding);
GST_GEMMA4_API const gchar *
gst_gemma4_embedding_get_model_name(const GstGemma4Embedding *embedding);
GST_GEMMA4_API const gchar *
gst_gemma4_embedding_get_model_digest(const GstGemma4Embedding *embedding);
GST_GEMMA4_API gboolean gst_gemma4_embedding_is_normalized(const GstGemma4Embedding *embedding);
GST_GEMMA4_API gboolean gst_gemma4_embedding_is_reused(const GstGemma4Embedding *embedding);
GST_GEMMA4_API guint64 gst_gemma4_embedding_get_series(const GstGemma4Embedding *embedding);
GST_GEMMA4_API guint64 gst_gemma4_embedding_get_sequence(const GstGemma4Embedding *embedding);
GST_GEMMA4_API gint64 gst_gemma4_embedding_get_series_start(const GstGemma4Embedding *embedding);
GST_GEMMA4_API GstGemma4Embedding *
gst_gemma4_embedding_copy_with_sequence(const GstGemma4Embedding *embedding, guint64 sequence);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstGemma4Embedding, gst_gemma4_embedding_unref)

/* ------------------------------------------------------------------------------------------
 * The meta
 *
 * Without tags, and copied by every transform, so that it survives conversions, scaling, queues
 * and copies of the buffer. A copy has a list of its own and shares the entries.
 */

/**
 * GstGemma4EmbeddingMeta:
 * @meta: the parent
 *
 * The embeddings that ride on a buffer.
 */
typedef struct _GstGemma4EmbeddingMeta {
    GstMeta meta;

    /*< private >*/
    GPtrArray *entries;
} GstGemma4EmbeddingMeta;

#define GST_GEMMA4_EMBEDDING_META_API_TYPE (gst_gemma4_embedding_meta_api_get_type())
#define GST_GEMMA4_EMBEDDING_META_INFO (gst_gemma4_embedding_meta_get_info())

GST_GEMMA4_API GType gst_gemma4_embedding_meta_api_get_type(void);
GST_GEMMA4_API const GstMetaInfo *gst_gemma4_embedding_meta_get_info(void);

GST_GEMMA4_API GstGemma4EmbeddingMeta *gst_buffer_add_gemma4_embedding_meta(GstBuffer *buffer);
GST_GEMMA4_API GstGemma4EmbeddingMeta *gst_buffer_get_gemma4_embedding_meta(GstBuffer *buffer);
GST_GEMMA4_API void gst_gemma4_embedding_meta_append(GstGemma4EmbeddingMeta *meta,
                                                     GstGemma4Embedding *entry);
GST_GEMMA4_API guint gst_gemma4_embedding_meta_get_n_entries(const GstGemma4EmbeddingMeta *meta);
GST_GEMMA4_API GstGemma4Embedding *
gst_gemma4_embedding_meta_get_entry(const GstGemma4EmbeddingMeta *meta, guint i);

/* ------------------------------------------------------------------------------------------
 * The events
 */

/**
 * GST_GEMMA4_EMBEDDING_EVENT_NAME:
 *
 * Name of the structure of the custom downstream event.
 */
#define GST_GEMMA4_EMBEDDING_EVENT_NAME "gemma4-embedding"

GST_GEMMA4_API GstEvent *gst_event_new_gemma4_embedding(GstGemma4Embedding *embedding);
GST_GEMMA4_API GstGemma4Embedding *gst_event_get_gemma4_embedding(GstEvent *event);

/**
 * GST_GEMMA4_EMBEDDING_COUNT_EVENT_NAME:
 *
 * Name of the structure of the custom downstream event that tells how many embeddings of a series
 * were sent.
 */
#define GST_GEMMA4_EMBEDDING_COUNT_EVENT_NAME "gemma4-embedding-count"

GST_GEMMA4_API GstEvent *gst_event_new_gemma4_embedding_count(guint64 series, gint64 series_start,
                                                              guint64 count);
GST_GEMMA4_API gboolean gst_event_parse_gemma4_embedding_count(GstEvent *event, guint64 *series,
                                                               gint64 *series_start,
                                                               guint64 *count);

G_END_DECLS

#endif /* GST_GEMMA4_EMBEDDING_META_H */
