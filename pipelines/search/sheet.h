/* SPDX-License-Identifier: Apache-2.0
 *
 * The contact sheet: the frames that answer a question, as a PNG.
 */
#ifndef SEARCH_SHEET_H
#define SEARCH_SHEET_H

#include "searcher.h"

#define SHEET_NO_FRAME "the film cannot be read any more" /* in place of a frame */

/* The best frame of each moment with time code, score and film under the title, best first. A
 * frame whose film is gone leaves an empty field that says so. The file is whole or not there. */
gboolean sheet_draw(const GArray *answers, const char *title, const char *path, GError **error);

#endif /* SEARCH_SHEET_H */
