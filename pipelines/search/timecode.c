/* SPDX-License-Identifier: Apache-2.0
 *
 * Times as people write them.
 */
#include "timecode.h"

#include <math.h>

char *timecode_format(gint64 ns, guint decimals)
{
    static const gint64 units[] = {1000000000, 100000000, 10000000, 1000000};
    gint64 unit = units[MIN(decimals, 3)];
    gint64 value = MAX(ns, 0) / unit; /* down, as clocks do */
    gint64 per_second = 1000000000 / unit, seconds = value / per_second;
    GString *text = g_string_new(NULL);

    if (seconds >= 3600)
        g_string_append_printf(text, "%" G_GINT64_FORMAT ":%02d:%02d", seconds / 3600,
                               (int)(seconds / 60 % 60), (int)(seconds % 60));
    else
        g_string_append_printf(text, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
    if (decimals > 0)
        g_string_append_printf(text, ".%0*d", (int)MIN(decimals, 3), (int)(value % per_second));
    return g_string_free(text, FALSE);
}

gboolean timecode_parse(const char *text, gint64 *ns)
{
    double seconds = 0;

    for (guint part = 0; part < 3; part++) {
        char *end;
        if (!g_ascii_isdigit(*text))
            return FALSE;
        double value = g_ascii_strtod(text, &end);
        if (!isfinite(value) || (part > 0 && value >= 60))
            return FALSE;
        seconds = seconds * 60 + value;
        if (*end == '\0') {
            *ns = seconds < 9e9 ? (gint64)llrint(seconds * 1e9) : 0;
            return seconds < 9e9;
        }
        if (*end != ':')
            return FALSE;
        text = end + 1;
    }
    return FALSE;
}
