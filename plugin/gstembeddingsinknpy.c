/* SPDX-License-Identifier: Apache-2.0
 *
 * embeddingsink format=npy: the vectors as one NumPy array, [n, cols] or, for soft tokens,
 * [n, rows, cols]; the rest of each record as a line of JSON in LOCATION.jsonl.
 *
 * NPY 1.0: magic, version, the length of the header, a Python dict padded with blanks to a fixed
 * size, then the values. The header is rewritten after each vector and its line are out, so it
 * never promises what is not there; a kill in between leaves a vector more than it says, which
 * NumPy leaves out. Until the first vector tells the shape it says (0, 0).
 */
#include "gstembeddingsinkfile.h"
#include "gstembeddingsinkwriter.h"
#include "gstgemma4record.h"

#include <string.h>

#define HEADER_SIZE 128 /* a multiple of 64, and enough for three numbers of 20 digits */
#define PREFIX_SIZE 10  /* magic, version, length */

typedef struct {
    GstEmbeddingSinkFile vectors, lines;
    GString *line;
    guint64 n;
    gboolean tokens;  /* three dimensions */
    guint rows, cols; /* 0 before the first */
} NpyWriter;

static void fill_header(const NpyWriter *self, gchar header[HEADER_SIZE])
{
    gchar shape[72];

    if (self->tokens)
        g_snprintf(shape, sizeof shape, "%" G_GUINT64_FORMAT ", %u, %u", self->n, self->rows,
                   self->cols);
    else
        g_snprintf(shape, sizeof shape, "%" G_GUINT64_FORMAT ", %u", self->n, self->cols);

    memset(header, ' ', HEADER_SIZE);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = HEADER_SIZE - PREFIX_SIZE; /* two bytes, little-endian */
    header[9] = 0;
    gint length = g_snprintf(header + PREFIX_SIZE, HEADER_SIZE - PREFIX_SIZE,
                             "{'descr': '%cf4', 'fortran_order': False, 'shape': (%s), }",
                             G_BYTE_ORDER == G_LITTLE_ENDIAN ? '<' : '>', shape);
    header[PREFIX_SIZE + length] = ' ';
    header[HEADER_SIZE - 1] = '\n';
}

static gchar *lines_location(const gchar *location)
{
    return g_strconcat(location, ".jsonl", NULL);
}

static gboolean npy_check(const gchar *location, GError **error)
{
    g_autofree gchar *lines = lines_location(location);

    if (g_file_test(location, G_FILE_TEST_EXISTS) &&
        !g_file_test(location, G_FILE_TEST_IS_DIR | G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: format=npy needs a regular file, whose header can be rewritten", location);
        return FALSE;
    }
    return gst_embedding_sink_file_check(location, error) &&
           gst_embedding_sink_file_check(lines, error);
}

static gboolean npy_close(GstEmbeddingSinkWriter *writer, guint64 *lost, GError **error)
{
    NpyWriter *self = (NpyWriter *)writer;
    gboolean ok = gst_embedding_sink_file_close(&self->vectors, error);

    ok = gst_embedding_sink_file_close(&self->lines, ok ? error : NULL) && ok;
    g_string_free(self->line, TRUE);
    g_free(self);
    *lost = 0;
    return ok;
}

static GstEmbeddingSinkWriter *npy_open(const GstEmbeddingSinkSettings *settings, GError **error)
{
    NpyWriter *self = g_new0(NpyWriter, 1);
    g_autofree gchar *lines = lines_location(settings->location);
    gchar header[HEADER_SIZE];
    guint64 lost;

    self->vectors = self->lines = (GstEmbeddingSinkFile)GST_EMBEDDING_SINK_FILE_INIT;
    self->line = g_string_new(NULL);
    fill_header(self, header);
    if (!gst_embedding_sink_file_create(&self->vectors, settings->location, header, sizeof header,
                                        error) ||
        !gst_embedding_sink_file_create(&self->lines, lines, "", 0, error)) {
        npy_close((GstEmbeddingSinkWriter *)self, &lost, NULL);
        return NULL;
    }
    return (GstEmbeddingSinkWriter *)self;
}

static gchar *shape_name(gboolean tokens, guint rows, guint cols)
{
    return tokens ? g_strdup_printf("[%u, %u]", rows, cols) : g_strdup_printf("[%u]", cols);
}

static gboolean npy_write(GstEmbeddingSinkWriter *writer, const GstGemma4Embedding *embedding,
                          const gchar *stream, GError **error)
{
    NpyWriter *self = (NpyWriter *)writer;
    guint rows = gst_gemma4_embedding_get_rows(embedding);
    guint cols = gst_gemma4_embedding_get_cols(embedding);
    gboolean tokens =
        rows > 1 || g_str_equal(gst_gemma4_embedding_get_id(embedding), "gemma4-tokens");
    guint64 before = self->vectors.size;
    gchar header[HEADER_SIZE];
    gsize n;

    if (self->n == 0) {
        self->tokens = tokens;
        self->rows = rows;
        self->cols = cols;
    } else if (tokens != self->tokens || rows != self->rows || cols != self->cols) {
        g_autofree gchar *found = shape_name(tokens, rows, cols);
        g_autofree gchar *expected = shape_name(self->tokens, self->rows, self->cols);
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                    "%s: frame %" G_GUINT64_FORMAT " has an embedding of shape %s, the file holds "
                    "such of shape %s",
                    self->vectors.path, gst_gemma4_embedding_get_frame(embedding), found, expected);
        return FALSE;
    }

    const gfloat *values = gst_gemma4_embedding_get_values(embedding, &n);
    if (!gst_embedding_sink_file_append(&self->vectors, values, n * sizeof *values, error))
        return FALSE;
    g_string_truncate(self->line, 0);
    gst_gemma4_record_append(self->line, embedding, stream, GST_GEMMA4_RECORD_WITHOUT_VECTOR);
    if (!gst_embedding_sink_file_append(&self->lines, self->line->str, self->line->len, error)) {
        gst_embedding_sink_file_cut(&self->vectors, before);
        return FALSE;
    }
    self->n++;
    fill_header(self, header);
    return gst_embedding_sink_file_rewrite_head(&self->vectors, header, sizeof header, error);
}

const GstEmbeddingSinkFormatFuncs gst_embedding_sink_npy = {
    .check = npy_check,
    .open = npy_open,
    .write = npy_write,
    .close = npy_close,
};
