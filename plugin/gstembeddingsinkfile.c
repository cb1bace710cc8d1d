/* SPDX-License-Identifier: Apache-2.0
 *
 * An output file of embeddingsink.
 */
#include "gstembeddingsinkfile.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void set_error(GError **error, const gchar *path, GstResourceError otherwise, int code)
{
    GstResourceError kind = otherwise;

    if (code == ENOENT || code == ENOTDIR)
        kind = GST_RESOURCE_ERROR_NOT_FOUND;
    else if (code == ENOSPC || code == EDQUOT)
        kind = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    g_set_error(error, GST_RESOURCE_ERROR, kind, "%s: %s", path, g_strerror(code));
}

gboolean gst_embedding_sink_file_check(const gchar *path, GError **error)
{
    g_autofree gchar *folder = g_path_get_dirname(path);
    struct stat st;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            set_error(error, path, GST_RESOURCE_ERROR_OPEN_WRITE, EISDIR);
            return FALSE;
        }
        if (access(path, W_OK) < 0) {
            set_error(error, path, GST_RESOURCE_ERROR_OPEN_WRITE, errno);
            return FALSE;
        }
        return TRUE;
    }
    if (errno != ENOENT) {
        set_error(error, path, GST_RESOURCE_ERROR_OPEN_WRITE, errno);
        return FALSE;
    }
    if (stat(folder, &st) < 0 || access(folder, W_OK | X_OK) < 0) {
        set_error(error, folder, GST_RESOURCE_ERROR_OPEN_WRITE, errno);
        return FALSE;
    }
    return TRUE;
}

/* write() until all is out. A pipe whose reader has gone gives EPIPE here, and no signal to a
 * process that does not know of this file. Returns 0 or an errno. */
static int write_all(int fd, const guint8 *data, gsize size)
{
    sigset_t pipe_signal, before, pending;
    int code = 0;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    while (size > 0 && code == 0) {
        gssize n = write(fd, data, size);
        if (n < 0 && errno != EINTR)
            code = errno;
        else if (n == 0)
            code = EIO;
        else if (n > 0) {
            data += n;
            size -= n;
        }
    }
    if (code == EPIPE && !sigismember(&before, SIGPIPE)) {
        sigpending(&pending);
        if (sigismember(&pending, SIGPIPE)) {
            int taken;
            sigwait(&pipe_signal, &taken);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* A new file beside `target`, with `head` in it, renamed over it. -1 where that does not work. */
static int replace(const gchar *target, gconstpointer head, gsize size)
{
    g_autofree gchar *name = g_strdup_printf("%s.XXXXXX", target);
    int fd = g_mkstemp_full(name, O_WRONLY | O_CLOEXEC, 0666);

    if (fd < 0)
        return -1;
    if (write_all(fd, head, size) != 0 || g_rename(name, target) < 0) {
        close(fd);
        g_unlink(name);
        return -1;
    }
    return fd;
}

/* -1 and errno on failure. Opening a pipe without a reader fails instead of waiting for one. */
static int open_in_place(const gchar *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);

    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

gboolean gst_embedding_sink_file_create(GstEmbeddingSinkFile *file, const gchar *path,
                                        gconstpointer head, gsize size, GError **error)
{
    /* Of a link, what it points to is replaced; realpath() fails where nothing is there yet. */
    char *target = realpath(path, NULL);
    struct stat st;

    file->path = g_strdup(path);
    file->size = size;
    file->fd = -1;
    if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
        file->fd = replace(target != NULL ? target : path, head, size);
    free(target);
    if (file->fd >= 0) {
        file->regular = TRUE;
        return TRUE;
    }

    file->fd = open_in_place(path);
    if (file->fd < 0 || fstat(file->fd, &st) < 0) {
        set_error(error, path, GST_RESOURCE_ERROR_OPEN_WRITE, errno);
        gst_embedding_sink_file_close(file, NULL);
        return FALSE;
    }
    file->regular = S_ISREG(st.st_mode);
    int code = write_all(file->fd, head, size);
    if (code != 0) {
        set_error(error, path, GST_RESOURCE_ERROR_WRITE, code);
        gst_embedding_sink_file_close(file, NULL);
        return FALSE;
    }
    return TRUE;
}

void gst_embedding_sink_file_cut(GstEmbeddingSinkFile *file, guint64 size)
{
    if (file->regular && ftruncate(file->fd, size) == 0 && lseek(file->fd, size, SEEK_SET) >= 0)
        file->size = size;
}

gboolean gst_embedding_sink_file_append(GstEmbeddingSinkFile *file, gconstpointer data, gsize size,
                                        GError **error)
{
    int code = write_all(file->fd, data, size);

    if (code != 0) {
        gst_embedding_sink_file_cut(file, file->size);
        set_error(error, file->path, GST_RESOURCE_ERROR_WRITE, code);
        return FALSE;
    }
    file->size += size;
    return TRUE;
}

gboolean gst_embedding_sink_file_rewrite_head(GstEmbeddingSinkFile *file, gconstpointer head,
                                              gsize size, GError **error)
{
    gssize n;

    do
        n = pwrite(file->fd, head, size, 0);
    while (n < 0 && errno == EINTR);
    if (n == (gssize)size)
        return TRUE;
    set_error(error, file->path, GST_RESOURCE_ERROR_WRITE, n < 0 ? errno : EIO);
    return FALSE;
}

gboolean gst_embedding_sink_file_close(GstEmbeddingSinkFile *file, GError **error)
{
    gboolean ok = file->fd < 0 || close(file->fd) == 0;

    if (!ok)
        set_error(error, file->path, GST_RESOURCE_ERROR_CLOSE, errno);
    g_clear_pointer(&file->path, g_free);
    file->fd = -1;
    return ok;
}
