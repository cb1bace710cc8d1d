/* SPDX-License-Identifier: Apache-2.0
 *
 * A progress line.
 */
#include "progress.h"

#include "printable.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR 24

struct Progress {
    gboolean quiet, terminal;
    gboolean shown; /* a line is there */
};

Progress *progress_new(gboolean quiet)
{
    Progress *progress = g_new0(Progress, 1);

    progress->quiet = quiet;
    progress->terminal = !quiet && isatty(STDERR_FILENO);
    return progress;
}

static void clear_line(Progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = FALSE;
}

void progress_free(Progress *progress)
{
    if (!progress)
        return;
    clear_line(progress);
    fflush(stderr);
    g_free(progress);
}

void progress_print(Progress *progress, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = printable(text);
    clear_line(progress);
    g_printerr("%s\n", line);
}

void progress_show(Progress *progress, double fraction, const char *text)
{
    struct winsize size;
    GString *line = g_string_new(NULL);

    if (!progress->terminal) {
        g_string_free(line, TRUE);
        return;
    }
    if (fraction >= 0) {
        int filled = (int)(CLAMP(fraction, 0, 1) * BAR + 0.5);
        g_string_append_c(line, '[');
        for (int i = 0; i < BAR; i++)
            g_string_append_c(line, i < filled ? '#' : '-');
        g_string_append_printf(line, "] %3d %%  ", (int)(CLAMP(fraction, 0, 1) * 100));
    }
    g_string_append(line, text);
    glong columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
    g_autofree char *valid = printable(line->str);
    g_autofree char *cut = g_utf8_substring(valid, 0, MIN(columns, g_utf8_strlen(valid, -1)));
    fprintf(stderr, "\r\033[K%s", cut);
    fflush(stderr);
    progress->shown = TRUE;
    g_string_free(line, TRUE);
}
