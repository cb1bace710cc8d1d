/* SPDX-License-Identifier: Apache-2.0
 *
 * One picture through gst-launch-1.0, as a user would send it.
 */
#include "launch.h"

#include <glib/gstdio.h>
#include <string.h>

/* Run once: whether gst-launch-1.0 and the elements that feed it are installed. Our own elements
 * are not asked for: they must be there. */
const char *launch_missing(void)
{
    static const char *const feeders[] = {"filesrc", "rawvideoparse"};
    static const char *missing;
    static gboolean known;

    if (known)
        return missing;
    known = TRUE;
    if (!g_getenv("GST_PLUGIN_PATH"))
        return missing = "the plugin is not built: GST_PLUGIN_PATH does not name it";
    g_autofree char *program = g_find_program_in_path("gst-launch-1.0");
    g_autofree char *inspect = g_find_program_in_path("gst-inspect-1.0");
    if (!program || !inspect)
        return missing = "gst-launch-1.0 is not installed";
    for (guint i = 0; i < G_N_ELEMENTS(feeders); i++) {
        const char *argv[] = {inspect, "--exists", feeders[i], NULL};
        int status = -1;
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status,
                     NULL);
        if (status != 0)
            return missing = "GStreamer has no filesrc or no rawvideoparse (plugins-bad)";
    }
    return missing;
}

/* Rows padded to a multiple of 4 bytes, as rawvideoparse expects them. */
static void write_raw(const char *path, const guint8 *rgb, guint width, guint height)
{
    const gsize row = (gsize)width * 3, stride = (row + 3) & ~(gsize)3;
    g_autofree char *raw = g_malloc0(stride * height);
    g_autoptr(GError) error = NULL;

    for (guint y = 0; y < height; y++)
        memcpy(raw + y * stride, rgb + y * row, row);
    g_file_set_contents(path, raw, stride * height, &error);
    g_assert_no_error(error);
}

/* Version 1 of the format: "\x93NUMPY", 1, 0, two bytes of length, a Python dictionary. */
static void read_npy(const char *path, Npy *npy)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = NULL;
    gsize size;

    g_file_get_contents(path, &file, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, >, 10);
    g_assert_cmpmem(file, 8, "\x93NUMPY\x01\x00", 8);
    const gsize head = 10 + (guint8)file[8] + 256 * (gsize)(guint8)file[9];
    g_assert_cmpuint(size, >=, head);
    g_autofree char *text = g_strndup(file + 10, head - 10);
    g_assert_nonnull(strstr(text, "'descr': '<f4'"));
    g_assert_nonnull(strstr(text, "'fortran_order': False"));

    const char *at = strstr(text, "'shape': (");
    g_assert_nonnull(at);
    at += strlen("'shape': (");
    npy->n_values = 1;
    npy->n_dims = 0;
    while (g_ascii_isdigit(*at)) {
        char *end;
        g_assert_cmpuint(npy->n_dims, <, G_N_ELEMENTS(npy->shape));
        npy->shape[npy->n_dims] = g_ascii_strtoull(at, &end, 10);
        npy->n_values *= npy->shape[npy->n_dims++];
        at = end + strspn(end, ", ");
    }
    g_assert_cmpuint(size - head, ==, npy->n_values * sizeof(float));
    npy->values = g_memdup2(file + head, size - head);
    for (gsize i = 0; i < npy->n_values; i++) {
        guint32 *bits = (guint32 *)(npy->values + i);
        *bits = GUINT32_FROM_LE(*bits);
    }
}

void npy_clear(Npy *npy)
{
    g_free(npy->values);
}

void launch(const char *model, const guint8 *rgb, guint width, guint height, guint max_soft_tokens,
            const char *output, const char *folder, Npy *npy)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *raw = g_build_filename(folder, "frame.rgb", NULL);
    g_autofree char *out = g_build_filename(folder, "out.npy", NULL);
    g_autofree char *lines = g_strconcat(out, ".jsonl", NULL);
    g_autofree char *source = g_strconcat("location=", raw, NULL);
    g_autofree char *sink = g_strconcat("location=", out, NULL);
    g_autofree char *path = g_strconcat("model=", model, NULL);
    g_autofree char *w = g_strdup_printf("width=%u", width);
    g_autofree char *h = g_strdup_printf("height=%u", height);
    g_autofree char *kind = g_strconcat("output=", output, NULL);
    g_autofree char *budget = g_strdup_printf("max-soft-tokens=%u", max_soft_tokens);
    g_autofree char *standard_output = NULL, *standard_error = NULL;
    const char *argv[] = {"gst-launch-1.0",
                          "-q",
                          "filesrc",
                          source,
                          "!",
                          "rawvideoparse",
                          "format=rgb",
                          w,
                          h,
                          "framerate=1/1",
                          "!",
                          "gemma4embed",
                          path,
                          "precision=f32",
                          kind,
                          budget,
                          "!",
                          "embeddingsink",
                          sink,
                          NULL};
    int status;

    write_raw(raw, rgb, width, height);
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &standard_output,
                 &standard_error, &status, &error);
    g_assert_no_error(error);
    if (!g_spawn_check_wait_status(status, &error))
        g_error("gst-launch-1.0: %s\n%s%s", error->message, standard_output, standard_error);
    read_npy(out, npy);
    g_unlink(raw);
    g_unlink(out);
    g_unlink(lines);
}
