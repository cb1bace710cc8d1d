/* SPDX-License-Identifier: Apache-2.0
 *
 * One frame on its way through gemma4embed.
 */
#include "gstgemma4embedjob.h"

GstGemma4Job *gst_gemma4_job_copy(GstGemma4Job *job)
{
    GstGemma4Job *copy = g_new(GstGemma4Job, 1);

    *copy = *job;
    job->buffer = NULL;
    job->regions = NULL;
    return copy;
}

void gst_gemma4_job_clear(GstGemma4Job *job)
{
    gst_clear_buffer(&job->buffer);
    g_clear_pointer(&job->regions, g_array_unref);
}

void gst_gemma4_job_free(GstGemma4Job *job)
{
    gst_gemma4_job_clear(job);
    g_free(job);
}

GstClockTime gst_gemma4_job_find_utc(GstBuffer *buffer)
{
    const GstClockTime ntp_epoch = G_GUINT64_CONSTANT(2208988800) * GST_SECOND; /* RFC 5905 */
    GstReferenceTimestampMeta *meta;
    gpointer state = NULL;
    GstClockTime utc = GST_CLOCK_TIME_NONE;

    while ((meta = (GstReferenceTimestampMeta *)gst_buffer_iterate_meta_filtered(
                buffer, &state, GST_REFERENCE_TIMESTAMP_META_API_TYPE))) {
        const GstStructure *s = gst_caps_get_structure(meta->reference, 0);

        if (!GST_CLOCK_TIME_IS_VALID(meta->timestamp))
            continue;
        if (gst_structure_has_name(s, "timestamp/x-unix"))
            return meta->timestamp;
        if (gst_structure_has_name(s, "timestamp/x-ntp") && meta->timestamp >= ntp_epoch)
            utc = meta->timestamp - ntp_epoch;
    }
    return utc;
}
