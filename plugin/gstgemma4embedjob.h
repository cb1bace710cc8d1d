/* SPDX-License-Identifier: Apache-2.0
 *
 * One frame on its way through gemma4embed: what is known of it when it comes in, for whoever
 * computes its embeddings, now or on another thread.
 */
#ifndef GST_GEMMA4_EMBED_JOB_H
#define GST_GEMMA4_EMBED_JOB_H

#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/video/video.h>

#include "gstgemma4embedregion.h"

G_BEGIN_DECLS

typedef struct {
    GstBuffer *buffer; /* a reference, until the resized pixels exist; then NULL */
    GstVideoInfo info; /* of its caps */
    guint64 frame;
    gboolean whole;  /* the whole frame is embedded */
    GArray *regions; /* of GstGemma4Region, these are, too; owned, NULL: none */
    guint stretch;   /* another one after each flush and stream start */
    guint flushes;   /* before it came in */
    GstClockTime pts, running_time, stream_time, utc; /* NONE where there is none */
    gboolean normalize;
    gboolean post_messages;
    gdouble reuse_threshold;
} GstGemma4Job;

/* A new job on the heap, a copy of `job`, whose buffer and regions it takes. */
GstGemma4Job *gst_gemma4_job_copy(GstGemma4Job *job);
void gst_gemma4_job_free(GstGemma4Job *job);

/* Lets go of what a job on the stack has. */
void gst_gemma4_job_clear(GstGemma4Job *job);

/* Nanoseconds since 1970 of a buffer's reference timestamp meta (Unix time, else NTP), NONE
 * without one of a kind that tells. */
GstClockTime gst_gemma4_job_find_utc(GstBuffer *buffer);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_JOB_H */
