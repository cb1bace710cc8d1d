/* SPDX-License-Identifier: Apache-2.0
 *
 * What embeddingsink asks of a file format. Each format is one file that fills in one table.
 *
 * Errors are in GST_RESOURCE_ERROR or GST_STREAM_ERROR, so that the element posts them as they
 * are, and name the file. After an error of write() nothing but close() is called. A writer
 * belongs to one streaming thread at a time.
 */
#ifndef GST_EMBEDDING_SINK_WRITER_H
#define GST_EMBEDDING_SINK_WRITER_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>

G_BEGIN_DECLS

typedef struct GstEmbeddingSinkWriter GstEmbeddingSinkWriter;

/* What the element's properties ask for. Only a format that keeps what is in the file heeds more
 * than the location. */
typedef struct {
    const gchar *location;
    gboolean replace;     /* vectors of another model give way, instead of being an error */
    guint64 max_rows;     /* the oldest beyond so many are deleted; 0: none are */
    GstClockTime max_age; /* what is so much older than the newest is deleted; 0: nothing is */
} GstEmbeddingSinkSettings;

typedef struct {
    /* Can `location` be written? Called when the element starts; leaves no trace, so that a
     * pipeline that fails to start does not cost an existing file. */
    gboolean (*check)(const gchar *location, GError **error);

    /* Called for the first embedding, or at the end of a stream without any. NULL and `error` on
     * failure. The file is valid from here on, whenever the process is killed. */
    GstEmbeddingSinkWriter *(*open)(const GstEmbeddingSinkSettings *settings, GError **error);

    /* Takes one embedding, whole or not at all. `stream` may be NULL. */
    gboolean (*write)(GstEmbeddingSinkWriter *writer, const GstGemma4Embedding *embedding,
                      const gchar *stream, GError **error);

    /* Called at the end of the stream: what write() put off goes to the file. NULL where it puts
     * nothing off. */
    gboolean (*flush)(GstEmbeddingSinkWriter *writer, GError **error);

    /* Frees the writer, even when it fails. `lost` is how many of the embeddings that write() took
     * are not in the file. */
    gboolean (*close)(GstEmbeddingSinkWriter *writer, guint64 *lost, GError **error);
} GstEmbeddingSinkFormatFuncs;

extern const GstEmbeddingSinkFormatFuncs gst_embedding_sink_jsonl;
extern const GstEmbeddingSinkFormatFuncs gst_embedding_sink_npy;
extern const GstEmbeddingSinkFormatFuncs gst_embedding_sink_sqlite;

G_END_DECLS

#endif /* GST_EMBEDDING_SINK_WRITER_H */
