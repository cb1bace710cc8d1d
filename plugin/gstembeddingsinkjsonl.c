/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingsink format=jsonl: one JSON object a line (gstgemma4record.h). A kill in the middle of
 * a line leaves that line without its newline, which readers of JSON Lines leave out.
 */
#include "gstembeddingsinkfile.h"
#include "gstembeddingsinkwriter.h"
#include "gstgemma4record.h"

typedef struct {
    GstEmbeddingSinkFile file;
    GString *line; /* kept, so that its memory is */
} JsonlWriter;

static gboolean jsonl_close(GstEmbeddingSinkWriter *writer, guint64 *lost, GError **error)
{
    JsonlWriter *self = (JsonlWriter *)writer;
    gboolean ok = gst_embedding_sink_file_close(&self->file, error);

    g_string_free(self->line, TRUE);
    g_free(self);
    *lost = 0;
    return ok;
}

static GstEmbeddingSinkWriter *jsonl_open(const GstEmbeddingSinkSettings *settings, GError **error)
{
    JsonlWriter *self = g_new0(JsonlWriter, 1);
    guint64 lost;

    self->file = (GstEmbeddingSinkFile)GST_EMBEDDING_SINK_FILE_INIT;
    self->line = g_string_new(NULL);
    if (!gst_embedding_sink_file_create(&self->file, settings->location, "", 0, error)) {
        jsonl_close((GstEmbeddingSinkWriter *)self, &lost, NULL);
        return NULL;
    }
    return (GstEmbeddingSinkWriter *)self;
}

static gboolean jsonl_write(GstEmbeddingSinkWriter *writer, const GstGemma4Embedding *embedding,
                            const gchar *stream, GError **error)
{
    JsonlWriter *self = (JsonlWriter *)writer;

    g_string_truncate(self->line, 0);
    gst_gemma4_record_append(self->line, embedding, stream, GST_GEMMA4_RECORD_FULL);
    return gst_embedding_sink_file_append(&self->file, self->line->str, self->line->len, error);
}

const GstEmbeddingSinkFormatFuncs gst_embedding_sink_jsonl = {
    .check = gst_embedding_sink_file_check,
    .open = jsonl_open,
    .write = jsonl_write,
    .close = jsonl_close,
};
