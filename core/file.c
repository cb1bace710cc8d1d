/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and reading model files.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gemma4.h"

#define PIECE ((guint64)1 << 20)

static gboolean set_errno(GError **error, const char *name, int code)
{
    gboolean missing = code == ENOENT || code == ENOTDIR;
    g_set_error(error, G4_ERROR, missing ? G4_ERROR_MISSING : G4_ERROR_UNREADABLE, "%s: %s", name,
                g_strerror(code));
    return FALSE;
}

static const char *kind_name(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

/* `code` is 0, or the errno of the call that should have filled *st. */
static gboolean check_regular(const char *name, int code, const struct stat *st, GError **error)
{
    if (code != 0)
        return set_errno(error, name, code);
    if (!S_ISREG(st->st_mode)) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE, "%s: is %s, expected a regular file",
                    name, kind_name(st->st_mode));
        return FALSE;
    }
    return TRUE;
}

gboolean g4_file_open(G4File *file, const char *path, GError **error)
{
    g_autofree char *name = g_filename_display_name(path);
    struct stat st = {0};

    /* Looked at before it is opened, as opening a device can already do something, and again
     * after, as the path may mean another file by then. */
    if (!check_regular(name, stat(path, &st) != 0 ? errno : 0, &st, error))
        return FALSE;
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return set_errno(error, name, errno);
    if (!check_regular(name, fstat(fd, &st) != 0 ? errno : 0, &st, error)) {
        close(fd);
        return FALSE;
    }
    file->fd = fd;
    file->size = (guint64)st.st_size;
    file->name = g_steal_pointer(&name);
    atomic_init(&file->bytes_read, 0);
    return TRUE;
}

void g4_file_clear(G4File *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
    g_clear_pointer(&file->name, g_free);
}

gboolean g4_file_read(G4File *file, guint64 offset, guint64 count, void *dst, GError **error)
{
    guint8 *out = dst;
    while (count > 0) {
        ssize_t n = pread(file->fd, out, MIN(count, PIECE), (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return set_errno(error, file->name, errno);
        if (n == 0) {
            g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE,
                        "%s: ends at byte %" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT
                        " bytes more",
                        file->name, offset, count);
            return FALSE;
        }
        atomic_fetch_add_explicit(&file->bytes_read, (guint64)n, memory_order_relaxed);
        out += n;
        offset += (guint64)n;
        count -= (guint64)n;
    }
    return TRUE;
}

gboolean g4_file_load(const char *path, gsize max_size, char **text, gsize *length, GError **error)
{
    gboolean ok = FALSE;
    char *buffer = NULL;
    G4File file = {.fd = -1};

    if (!g4_file_open(&file, path, error))
        return FALSE;
    if (file.size == 0) {
        g_set_error(error, G4_ERROR, G4_ERROR_UNREADABLE, "%s: is empty", file.name);
        goto out;
    }
    if (file.size > max_size) {
        g_set_error(error, G4_ERROR, G4_ERROR_MALFORMED,
                    "%s: %" G_GUINT64_FORMAT " bytes, expected at most %" G_GSIZE_FORMAT, file.name,
                    file.size, max_size);
        goto out;
    }
    buffer = g_malloc(file.size + 1);
    if (!g4_file_read(&file, 0, file.size, buffer, error))
        goto out;
    buffer[file.size] = '\0';
    *text = g_steal_pointer(&buffer);
    *length = file.size;
    ok = TRUE;
out:
    g_free(buffer);
    g4_file_clear(&file);
    return ok;
}
