/* SPDX-License-Identifier: Apache-2.0
 *
 * An output file of embeddingsink, for the formats that are plain files.
 *
 * A file that exists is replaced in one step: the new one is made beside it with its first bytes
 * already in it, then renamed over it, so that there is a valid file at every moment. Where the
 * folder does not allow that (a single file mounted into a container, a folder without write
 * permission), and for what is no regular file (/dev/stdout, a named pipe), it is opened and
 * truncated in place. Everything goes straight to the kernel: killing the process loses nothing
 * that was written.
 *
 * Errors are in GST_RESOURCE_ERROR and name the file. Not thread safe.
 */
#ifndef GST_EMBEDDING_SINK_FILE_H
#define GST_EMBEDDING_SINK_FILE_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
    gchar *path;
    int fd;           /* -1: closed */
    gboolean regular; /* can be truncated and rewritten */
    guint64 size;     /* bytes of whole appends */
} GstEmbeddingSinkFile;

#define GST_EMBEDDING_SINK_FILE_INIT                                                               \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Whether `path` can probably be written: NOT_FOUND where its folder is missing, OPEN_WRITE where
 * it or its folder may not be written or it is a folder. Leaves no trace. */
gboolean gst_embedding_sink_file_check(const gchar *path, GError **error);

/* Replaces `path` by a file with `size` bytes of `head`, open for appending. */
gboolean gst_embedding_sink_file_create(GstEmbeddingSinkFile *file, const gchar *path,
                                        gconstpointer head, gsize size, GError **error);

/* Appends all of it, or, if the file is a regular one, nothing: what went out before an error is
 * taken back. NO_SPACE_LEFT or WRITE. */
gboolean gst_embedding_sink_file_append(GstEmbeddingSinkFile *file, gconstpointer data, gsize size,
                                        GError **error);

/* Writes over the first bytes. `size` is at most a page, so a kill cannot tear it. */
gboolean gst_embedding_sink_file_rewrite_head(GstEmbeddingSinkFile *file, gconstpointer head,
                                              gsize size, GError **error);

/* Cuts a regular file back to `size`. */
void gst_embedding_sink_file_cut(GstEmbeddingSinkFile *file, guint64 size);

/* May report an error that the system had put off (a network file system). A closed file is
 * fine. */
gboolean gst_embedding_sink_file_close(GstEmbeddingSinkFile *file, GError **error);

G_END_DECLS

#endif /* GST_EMBEDDING_SINK_FILE_H */
