/* SPDX-License-Identifier: Apache-2.0
 *
 * What computes: a checkpoint opened with an element's settings, one picture at a time.
 *
 *   GstGemma4Embedder *e = gst_gemma4_embedder_new(&settings, &error);
 *   gst_gemma4_embedder_load(e, &picture, NULL, &error);        the picture is free again
 *   gst_gemma4_embedder_compute(e, NULL, normalize, threshold, &vectors, &error);
 *   gst_gemma4_embedder_free(e);
 *
 * It knows of neither buffers nor elements, so that one can be opened on another thread and put
 * in the place of another between two frames. Not thread safe.
 */
#ifndef GST_GEMMA4_EMBEDDER_H
#define GST_GEMMA4_EMBEDDER_H

#include <gst/gst.h>

#include "gemma4.h"
#include "gstgemma4embedregion.h"
#include "gstgemma4embedsettings.h"

G_BEGIN_DECLS

typedef struct GstGemma4Embedder GstGemma4Embedder;

/* What comes of one picture. */
typedef struct {
    const gchar *id;   /* "gemma4-tokens", "gemma4-pooled"; static */
    GstBuffer *values; /* float32 [rows, cols], not to be written to; the caller's */
    guint rows, cols;
    gboolean normalized;
    gboolean reused;      /* the values are those of an earlier picture */
    gboolean cancelled;   /* the network was stopped on the way, nothing is known */
    gboolean left_out;    /* no window has the picture; nothing was computed */
    GstClockTime encoded; /* time in the core's encode calls; 0 when the network did not run */
} GstGemma4Vectors;

/* Opens `settings->model`, or finds it open in this process. Everything in `settings` is copied.
 * NULL and `error` (G4_ERROR) as g4_model_open() and g4_encoder_new() set it. Thread safe. */
GstGemma4Embedder *gst_gemma4_embedder_new(const GstGemma4Settings *settings, GError **error);
void gst_gemma4_embedder_free(GstGemma4Embedder *embedder); /* NULL allowed */

/* Makes ready for frames of width x height; load() does it, too. Cheap when nothing changed. */
gboolean gst_gemma4_embedder_prepare(GstGemma4Embedder *embedder, guint width, guint height,
                                     GError **error);

/* Reads the picture into the encoder: a whole frame (`region` NULL), or that region of one. After
 * it returns the picture is not needed any more. */
gboolean gst_gemma4_embedder_load(GstGemma4Embedder *embedder, const G4Frame *picture,
                                  const GstGemma4Region *region, GError **error);

/* Computes the vectors of the loaded picture, or takes the last computed ones when its resized
 * pixels differ from theirs by at most `reuse_threshold` (gstgemma4embedreuse.h; negative:
 * never): those of the last frame, or of the same region (gstgemma4embedregioncache.h). A region
 * is no frame of a window, it is embedded by itself. TRUE with values NULL: it was cancelled, or
 * this frame ends no window. */
gboolean gst_gemma4_embedder_compute(GstGemma4Embedder *embedder, const GstGemma4Region *region,
                                     gboolean normalize, gdouble reuse_threshold,
                                     GstGemma4Vectors *vectors, GError **error);

/* The next picture is of another stretch of the stream: it begins a window. */
void gst_gemma4_embedder_restart(GstGemma4Embedder *embedder);

/* While TRUE, a compute() gives up soon. Thread safe, also while another thread computes. */
void gst_gemma4_embedder_set_cancelled(GstGemma4Embedder *embedder, gboolean cancelled);

/* One inference on a black picture of the size last made ready; the vectors are thrown away.
 * Returns how long resize and inference took, 0 when there was no memory for it. */
GstClockTime gst_gemma4_embedder_warm_up(GstGemma4Embedder *embedder, guint width, guint height);

/* Facts; strings live as long as the embedder. */
const G4Model *gst_gemma4_embedder_get_model(const GstGemma4Embedder *embedder);
guint64 gst_gemma4_embedder_get_model_bytes(const GstGemma4Embedder *embedder); /* of weights */
guint64 gst_gemma4_embedder_get_bytes(const GstGemma4Embedder *embedder); /* without the weights */

G_END_DECLS

#endif /* GST_GEMMA4_EMBEDDER_H */
