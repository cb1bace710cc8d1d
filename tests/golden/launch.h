/* SPDX-License-Identifier: Apache-2.0
 *
 * One picture through gst-launch-1.0: rawvideoparse ! gemma4embed ! embeddingsink, and the NPY
 * file that comes out.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <glib.h>

typedef struct Npy {
    guint n_dims;
    guint64 shape[3];
    gsize n_values;
    float *values; /* native float32, row-major */
} Npy;

/* Why nothing can be launched here, or NULL. */
const char *launch_missing(void);

/* Runs one RGB picture (packed rows) through the elements. max_soft_tokens 0: not set. `folder`
 * takes the files, which are removed again. A pipeline that fails ends the program with its
 * output. */
void launch(const char *model, const guint8 *rgb, guint width, guint height, guint max_soft_tokens,
            const char *output, const char *folder, Npy *npy);
void npy_clear(Npy *npy);

#endif /* LAUNCH_H */
