/* SPDX-License-Identifier: Apache-2.0
 *
 * A model file, open for reading. Regular files only: a FIFO, a device, a socket or a folder is
 * refused without waiting for it. Contents are copied by pread, never mapped, so a file that
 * shrinks while it is read costs an error and not the process.
 */
#ifndef G4_FILE_H
#define G4_FILE_H

#include <glib.h>
#include <stdatomic.h>

typedef struct G4File {
    int fd;       /* -1 where not open */
    guint64 size; /* when it was opened */
    char *name;   /* the path, fit for a message (UTF-8) */
    _Atomic guint64 bytes_read;
} G4File;

/* Opens `path`. Errors: MISSING, UNREADABLE. On failure `file` needs no clear. */
gboolean g4_file_open(G4File *file, const char *path, GError **error);

/* Accepts a file that was cleared, or never opened but filled with { .fd = -1 }. */
void g4_file_clear(G4File *file);

/* Copies bytes offset .. offset + count - 1 into dst, in pieces of at most 1 MiB. Fails with
 * UNREADABLE where the file ends early; dst then holds any part of it. Thread safe. */
gboolean g4_file_read(G4File *file, guint64 offset, guint64 count, void *dst, GError **error);

/* The whole of a text file, of at most `max_size` bytes (more: MALFORMED) and at least one
 * (none: UNREADABLE). *text ends with a zero byte that `length` does not count; free with g_free.
 */
gboolean g4_file_load(const char *path, gsize max_size, char **text, gsize *length, GError **error);

#endif /* G4_FILE_H */
