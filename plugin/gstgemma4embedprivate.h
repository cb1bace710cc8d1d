/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed from within: its instance, for the files that the element is made of.
 *
 *   gstgemma4embed.c         pads, caps, queries, events, properties
 *   gstgemma4embedmodel.c    the model: opened, swapped, given back
 *   gstgemma4embedstream.c   a frame on the streaming thread
 *   gstgemma4embedwork.c     a frame on the thread that computes
 *
 * Locks, the outer one first: `lock` is held while a frame is computed, by whoever computes it;
 * the object lock for properties and counts, and never for long.
 */
#ifndef GST_GEMMA4_EMBED_PRIVATE_H
#define GST_GEMMA4_EMBED_PRIVATE_H

#include <gst/video/video.h>

#include "gemma4.h"
#include "gstgemma4embed.h"
#include "gstgemma4embedasync.h"
#include "gstgemma4embedder.h"
#include "gstgemma4embedidle.h"
#include "gstgemma4embedjob.h"
#include "gstgemma4embedlate.h"
#include "gstgemma4embedpick.h"
#include "gstgemma4embedseries.h"
#include "gstgemma4embedsettings.h"
#include "gstgemma4embedstats.h"
#include "gstgemma4embedswap.h"
#include "gstgemma4embedtracks.h"
#include "gstgemma4frame.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN(gst_gemma4_embed_debug);

struct _GstGemma4Embed {
    GstBaseTransform parent;

    /* Under the object lock. */
    GstGemma4Settings settings;
    GstGemma4Stats stats;
    GstGemma4Pick pick;
    GstGemma4Late late;
    GstGemma4Tracks tracks;
    guint stretches; /* flushes and stream starts */
    guint flushes;
    GstGemma4Series series;
    GstClockTime latency;  /* as reported; 0 before the first inference */
    GstGemma4Async *async; /* from start to stop where asked for, else NULL */

    /* Thread safe. */
    GstGemma4Swap swap;
    GstGemma4Idle idle;

    /* Whoever computes; from start to stop. */
    GMutex lock;
    GstGemma4Embedder *embedder; /* NULL while the weights are given back; set with the object
                                    lock held, too, so that either lock is enough to look */
    GstGemma4Frame frame;
    guint stretch;             /* of the frame last computed */
    GstGemma4Timing latencies; /* whole time of computed frames, the warm-up included */

    /* From start to stop the streaming thread's. */
    GstVideoInfo info;
    GstGemma4MetaTypes meta_types;
};

/* ------------------------------------------------------------------------------------------
 * The model
 */

/* Virtual functions of GstBaseTransform: everything is opened, everything is freed. */
gboolean gst_gemma4_embed_start(GstBaseTransform *base);
gboolean gst_gemma4_embed_stop(GstBaseTransform *base);

/* Posts the core's error, or one of GLib's (no thread), as an error or warning of the element. */
void gst_gemma4_embed_post_error(GstGemma4Embed *self, GstMessageType type, const GError *error);

/* While TRUE, a frame in work is given up, for a stream that flushes or stops. */
void gst_gemma4_embed_set_cancelled(GstGemma4Embed *self, gboolean cancelled);

/* lock held. The embedder is there, opened again if need be. */
gboolean gst_gemma4_embed_ensure_embedder(GstGemma4Embed *self, GError **error);

/* Makes ready for the caps' pictures ahead of the first. FALSE: an error was posted. */
gboolean gst_gemma4_embed_prepare(GstGemma4Embed *self, const GstVideoInfo *info);

/* lock held. Takes the whole time of an inference into the latency. TRUE: that moved, and the
 * pipeline is to be told once the lock is free. Asynchronous inference delays no picture. */
gboolean gst_gemma4_embed_add_latency(GstGemma4Embed *self, GstClockTime duration);
void gst_gemma4_embed_post_latency(GstGemma4Embed *self);

/* lock held. Tells the statistics what the embedder holds. */
void gst_gemma4_embed_update_bytes(GstGemma4Embed *self);

/* Called back by `swap` and `idle`. */
void gst_gemma4_embed_load_aside(const gchar *path, GObject *owner);
void gst_gemma4_embed_idle_expired(GstObject *owner);

/* ------------------------------------------------------------------------------------------
 * A frame
 */

/* Virtual function of GstBaseTransform. */
GstFlowReturn gst_gemma4_embed_transform_ip(GstBaseTransform *base, GstBuffer *buffer);

/* Adds the frame's GstGemma4Embedding to `results`. FALSE: one error was posted. */
gboolean gst_gemma4_embed_work(GstGemma4Embed *self, GstGemma4Job *job, GPtrArray *results);

/* Their messages, where the frame's settings ask for them. */
void gst_gemma4_embed_post_embeddings(GstGemma4Embed *self, const GstGemma4Job *job,
                                      const GPtrArray *results);

/* The same on a thread of its own; items are GstGemma4Job, the user is the element. */
extern const GstGemma4AsyncFuncs gst_gemma4_embed_async_funcs;

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_PRIVATE_H */
