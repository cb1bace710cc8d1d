/* SPDX-License-Identifier: Apache-2.0
 *
 * Soft tokens to vectors in the space shared with text: one frame as a picture, or a window of
 * frames as a video.
 *
 * Frames are counted from the last restart. With window w and stride s there is a vector at frame
 * w - 1 and at every s-th after it, of the w latest frames; frames that belong to no window (s > w)
 * need no soft tokens. Belongs to one stream, not thread safe.
 */
#ifndef GST_GEMMA4_EMBED_JOINT_H
#define GST_GEMMA4_EMBED_JOINT_H

#include <gst/gst.h>

#include "gstgemma4embedsettings.h"

G_BEGIN_DECLS

typedef struct GstGemma4Joint GstGemma4Joint;

/* Opens the text encoder of `settings->model`, or finds it open in this process. `width` is that of
 * the vision tower's soft tokens. NULL and `error` (G4_ERROR) as g4_text_model_open() and
 * g4_text_encoder_new() set it, or SETTINGS on a prompt that the checkpoint does not have. */
GstGemma4Joint *gst_gemma4_joint_new(const GstGemma4Settings *settings, guint width,
                                     GError **error);
void gst_gemma4_joint_free(GstGemma4Joint *joint); /* NULL allowed */

/* FALSE with SETTINGS when `window` frames (1: a picture) of so many soft tokens each are more than
 * the text encoder takes. */
gboolean gst_gemma4_joint_check(const GstGemma4Joint *joint, guint window, guint rows,
                                GError **error);

/* Whether a vector needs the next frame. */
gboolean gst_gemma4_joint_needs_next(const GstGemma4Joint *joint);

/* The next frame, with its soft tokens [rows, width]; NULL where it is not needed. Its vector,
 * float32 [cols], goes to `values`, for the caller to unref, or NULL at a frame without one. */
gboolean gst_gemma4_joint_add(GstGemma4Joint *joint, const float *tokens, guint rows,
                              gboolean normalize, GstBuffer **values, GError **error);

/* A picture by itself, which is no frame of a window, with its soft tokens [rows, width]. */
gboolean gst_gemma4_joint_embed(GstGemma4Joint *joint, const float *tokens, guint rows,
                                gboolean normalize, GstBuffer **values, GError **error);

/* The next frame, whose vector is known. Only with a window of 1. */
void gst_gemma4_joint_pass(GstGemma4Joint *joint);

/* The next frame is the first of a window. */
void gst_gemma4_joint_restart(GstGemma4Joint *joint);

/* While TRUE, a vector that is being computed is given up: FALSE with CANCELLED, and the frame has
 * been counted. Thread safe. */
void gst_gemma4_joint_set_cancelled(GstGemma4Joint *joint, gboolean cancelled);

/* Computes a vector of a whole window of the same soft tokens and throws it away. */
void gst_gemma4_joint_warm_up(GstGemma4Joint *joint, const float *tokens, guint rows);

guint gst_gemma4_joint_get_cols(const GstGemma4Joint *joint);
guint gst_gemma4_joint_get_window(const GstGemma4Joint *joint);
guint64 gst_gemma4_joint_get_model_bytes(const GstGemma4Joint *joint);
guint64 gst_gemma4_joint_get_bytes(const GstGemma4Joint *joint); /* of the window's frames */

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_JOINT_H */
