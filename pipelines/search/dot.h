/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of two vectors, by what the processor has.
 */
#ifndef SEARCH_DOT_H
#define SEARCH_DOT_H

#include <glib.h>

typedef float (*DotFunc)(const float *a, const float *b, guint n);

DotFunc dot_choose(void);

#endif /* SEARCH_DOT_H */
