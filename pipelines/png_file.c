/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures as PNG files.
 */
#include "png_file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Only what is a file, or not there yet, can be replaced. */
static gboolean is_replaceable(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 || S_ISREG(st.st_mode);
}

gboolean png_file_write(cairo_surface_t *surface, const char *path, GError **error)
{
    g_autofree char *part = NULL;
    char *target = realpath(path, NULL); /* NULL where nothing is there yet */

    if (is_replaceable(path))
        part = g_strconcat(target ? target : path, ".part", NULL);
    errno = 0;
    cairo_status_t status = cairo_surface_write_to_png(surface, part ? part : path);
    gboolean ok = status == CAIRO_STATUS_SUCCESS &&
                  (!part || g_rename(part, target ? target : path) == 0);
    int code = errno; /* cairo says no more than that it could not write */
    if (!ok) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "%s: %s", path,
                    code != 0 ? g_strerror(code) : cairo_status_to_string(status));
        if (part)
            g_unlink(part);
    }
    free(target);
    return ok;
}
