/* SPDX-License-Identifier: Apache-2.0
 *
 * One copy of a checkpoint's weights for all the elements of the process.
 *
 * Two paths are the same checkpoint when they resolve to the same real path and the files there
 * that make it up (weights, index, config and processor files) are the same: device, inode, size
 * and time of change. A checkpoint that was replaced on disk is therefore opened anew, while
 * those who hold the old one keep it.
 */
#ifndef GST_GEMMA4_MODEL_H
#define GST_GEMMA4_MODEL_H

#include "gemma4.h"

G_BEGIN_DECLS

typedef struct GstGemma4Model GstGemma4Model;

/* Opens the checkpoint at `path`, or finds the one that is open already in that precision. Of
 * several that ask at once one opens and the others wait for it.
 *
 * Returns a holder to be given back by gst_gemma4_model_release(), or NULL and `error` as
 * g4_model_open() sets it. Thread safe. */
GstGemma4Model *gst_gemma4_model_acquire(const char *path, G4Precision precision, GError **error);

/* The last release frees the weights. NULL allowed. Thread safe. */
void gst_gemma4_model_release(GstGemma4Model *shared);

/* The model; borrowed until the release. */
G4Model *gst_gemma4_model_get(const GstGemma4Model *shared);

/* The same for the checkpoint's text encoder, as g4_text_model_open() opens it. */
typedef struct GstGemma4TextModel GstGemma4TextModel;

GstGemma4TextModel *gst_gemma4_text_model_acquire(const char *path, G4Precision precision,
                                                  GError **error);
void gst_gemma4_text_model_release(GstGemma4TextModel *shared);
G4TextModel *gst_gemma4_text_model_get(const GstGemma4TextModel *shared);

G_END_DECLS

#endif /* GST_GEMMA4_MODEL_H */
