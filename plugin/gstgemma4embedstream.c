/* SPDX-License-Identifier: Apache-2.0
 *
 * A frame of gemma4embed on the streaming thread: whether it is embedded, and what it carries on.
 */
#include "gstgemma4embedprivate.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>

#include "gstgemma4tensormeta.h"

#define GST_CAT_DEFAULT gst_gemma4_embed_debug

static void attach(GstGemma4Embed *self, GstBuffer *buffer, const GPtrArray *results)
{
    for (guint i = 0; i < results->len; i++) {
        GstGemma4Embedding *e = results->pdata[i];

        if (self->meta_types & GST_GEMMA4_META_OWN)
            gst_gemma4_embedding_meta_append(gst_buffer_add_gemma4_embedding_meta(buffer),
                                             gst_gemma4_embedding_ref(e));
#ifdef HAVE_GST_TENSOR_META
        if (self->meta_types & GST_GEMMA4_META_TENSOR)
            gst_gemma4_tensor_meta_append(
                buffer, gst_gemma4_embedding_get_id(e), gst_gemma4_embedding_get_data(e),
                gst_gemma4_embedding_get_rows(e), gst_gemma4_embedding_get_cols(e));
#endif
    }
}

/* What is known of a frame without its pixels. */
static void describe(GstGemma4Embed *self, GstBuffer *buffer, GstGemma4Job *job)
{
    const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;
    GstClockTime pts = GST_BUFFER_PTS(buffer);

    *job = (GstGemma4Job){
        .info = self->info,
        .pts = pts,
        .running_time = GST_CLOCK_TIME_NONE,
        .stream_time = GST_CLOCK_TIME_NONE,
        .utc = gst_gemma4_job_find_utc(buffer),
    };
    if (segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(pts)) {
        job->stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, pts);
        job->running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, pts);
    }
}

/* The frame is late and its embedding skipped. */
static void post_qos(GstGemma4Embed *self, GstBuffer *buffer, const GstGemma4Job *job,
                     GstClockTimeDiff jitter)
{
    GST_OBJECT_LOCK(self);
    gdouble proportion = self->late.proportion;
    const GstGemma4Stats *s = &self->stats;
    guint64 skipped = s->skipped_late; /* frames, of which each has any number of vectors */
    guint64 processed =
        s->frames - s->skipped_interval - s->skipped_rate - s->dropped_async - s->failed - skipped;
    GST_OBJECT_UNLOCK(self);

    GST_DEBUG_OBJECT(self, "frame %" G_GUINT64_FORMAT " is late by %" GST_STIME_FORMAT, job->frame,
                     GST_STIME_ARGS(jitter));
    GstMessage *message =
        gst_message_new_qos(GST_OBJECT(self), FALSE, job->running_time, job->stream_time, job->pts,
                            GST_BUFFER_DURATION(buffer));
    gst_message_set_qos_values(message, jitter, proportion, 1000000);
    gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, processed, skipped);
    gst_element_post_message(GST_ELEMENT(self), message);
}

/* Object lock held. What of the frame is to be embedded; FALSE: nothing. */
static gboolean find_pictures(GstGemma4Embed *self, GstBuffer *buffer, GstGemma4Job *job)
{
    const GstGemma4Settings *settings = &self->settings;

    job->whole = settings->region != GST_GEMMA4_REGIONS_ROI;
    if (settings->region == GST_GEMMA4_REGIONS_FRAME)
        return TRUE;

    job->regions = g_array_new(FALSE, FALSE, sizeof(GstGemma4Region));
    gst_gemma4_regions_find(buffer, self->info.width, self->info.height, settings->object_class,
                            settings->min_region_size, job->regions);
    gst_gemma4_tracks_filter(&self->tracks, job->regions, job->frame, settings->reembed_interval);
    return job->whole || job->regions->len > 0;
}

/* Counts the frame and decides whether it is embedded. One without anything to embed is no late
 * one, and leaves its period of max-rate to the next. */
static gboolean choose(GstGemma4Embed *self, GstBuffer *buffer, GstGemma4Job *job)
{
    gboolean chosen = FALSE, late = FALSE;
    GstClockTimeDiff jitter = 0;

    GST_OBJECT_LOCK(self);
    const GstGemma4Settings *settings = &self->settings;
    job->frame = self->stats.frames++;
    job->stretch = self->stretches;
    job->flushes = self->flushes;
    job->normalize = settings->normalize;
    job->post_messages = settings->post_messages;
    job->reuse_threshold = settings->reuse_threshold;
    switch (gst_gemma4_pick_frame(&self->pick, settings->inference_interval, settings->max_rate_n,
                                  settings->max_rate_d, job->stream_time)) {
    case GST_GEMMA4_PICK_SKIP_INTERVAL:
        self->stats.skipped_interval++;
        break;
    case GST_GEMMA4_PICK_SKIP_RATE:
        self->stats.skipped_rate++;
        break;
    case GST_GEMMA4_PICK_EMBED:
        if (!find_pictures(self, buffer, job))
            break;
        late = settings->late_policy == GST_GEMMA4_LATE_SKIP &&
               gst_gemma4_late_is_late(&self->late, job->running_time, &jitter);
        if (late) {
            self->stats.skipped_late++;
        } else if (self->async && !gst_gemma4_async_is_free(self->async)) {
            self->stats.dropped_async++;
        } else {
            gst_gemma4_pick_embedded(&self->pick, job->stream_time);
            if (job->regions)
                gst_gemma4_tracks_embedded(&self->tracks, job->regions, job->frame);
            chosen = TRUE;
        }
        break;
    }
    GST_OBJECT_UNLOCK(self);
    if (late)
        post_qos(self, buffer, job, jitter);
    return chosen;
}

GstFlowReturn gst_gemma4_embed_transform_ip(GstBaseTransform *base, GstBuffer *buffer)
{
    GstGemma4Embed *self = GST_GEMMA4_EMBED(base);
    GstGemma4Job job;

    gst_gemma4_idle_touch(&self->idle);
    if (self->async) {
        g_autoptr(GPtrArray) results = gst_gemma4_async_take(self->async);

        if (results)
            attach(self, buffer, results);
        if (gst_gemma4_async_has_failed(self->async)) /* and has posted why */
            return GST_FLOW_ERROR;
    }
    describe(self, buffer, &job);
    if (!choose(self, buffer, &job)) {
        gst_gemma4_job_clear(&job);
        return GST_FLOW_OK;
    }

    job.buffer = gst_buffer_ref(buffer);
    if (self->async) {
        gst_gemma4_async_give(self->async, gst_gemma4_job_copy(&job));
        return GST_FLOW_OK;
    }
    g_autoptr(GPtrArray) results =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_gemma4_embedding_unref);
    gboolean ok = gst_gemma4_embed_work(self, &job, results);
    gst_gemma4_job_clear(&job);
    if (!ok)
        return GST_FLOW_ERROR;
    attach(self, buffer, results);
    gst_gemma4_embed_post_embeddings(self, &job, results);
    return GST_FLOW_OK;
}
