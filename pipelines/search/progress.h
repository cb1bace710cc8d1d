/* SPDX-License-Identifier: Apache-2.0
 *
 * A progress line on a terminal; on anything else only what is printed in between.
 */
#ifndef SEARCH_PROGRESS_H
#define SEARCH_PROGRESS_H

#include <glib.h>

typedef struct Progress Progress;

Progress *progress_new(gboolean quiet);
void progress_free(Progress *progress); /* NULL allowed; takes the line away */

/* Prints a line of its own on standard error, above the progress line. */
void progress_print(Progress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Draws the line: a bar of `fraction` (negative: not known) and the text. */
void progress_show(Progress *progress, double fraction, const char *text);

#endif /* SEARCH_PROGRESS_H */
