/* SPDX-License-Identifier: Apache-2.0
 *
 * Times as people write them: 1:02:03.5, 62:03, 3723.
 */
#ifndef SEARCH_TIMECODE_H
#define SEARCH_TIMECODE_H

#include <glib.h>

/* "2:03", "1:02:03"; with `decimals` 1 to 3 of them. A new string. */
char *timecode_format(gint64 ns, guint decimals);

/* FALSE where it is none. */
gboolean timecode_parse(const char *text, gint64 *ns);

#endif /* SEARCH_TIMECODE_H */
