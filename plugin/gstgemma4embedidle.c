/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells when no frame has come for a time.
 */
#include "gstgemma4embedidle.h"

typedef struct {
    GstGemma4Idle *idle;
    GstObject *owner; /* a reference: `idle` is part of it */
} Timer;

static void timer_free(gpointer data)
{
    Timer *timer = data;

    gst_object_unref(timer->owner);
    g_free(timer);
}

static gboolean timer_expired(GstClock *clock, GstClockTime time, GstClockID id, gpointer data);

/* lock held. */
static void disarm(GstGemma4Idle *idle)
{
    if (!idle->timer)
        return;
    gst_clock_id_unschedule(idle->timer);
    g_clear_pointer(&idle->timer, gst_clock_id_unref);
}

/* lock held; with no timer set. */
static void arm(GstGemma4Idle *idle)
{
    if (!idle->clock || idle->timeout == 0 || idle->timeout >= GST_CLOCK_TIME_NONE - idle->last)
        return;
    Timer *timer = g_new(Timer, 1);
    *timer = (Timer){idle, gst_object_ref(idle->owner)};
    idle->timer = gst_clock_new_single_shot_id(idle->clock, idle->last + idle->timeout);
    gst_clock_id_wait_async(idle->timer, timer_expired, timer, timer_free);
}

/* lock held. */
static gboolean is_due(const GstGemma4Idle *idle)
{
    if (!idle->clock || idle->timeout == 0)
        return FALSE;
    GstClockTime now = gst_clock_get_time(idle->clock);
    return now >= idle->last && now - idle->last >= idle->timeout;
}

static gboolean timer_expired(GstClock *clock, GstClockTime time, GstClockID id, gpointer data)
{
    GstGemma4Idle *idle = ((Timer *)data)->idle;
    gboolean due = FALSE;

    g_mutex_lock(&idle->lock);
    if (idle->timer == id) { /* else it was replaced, or the end came */
        g_clear_pointer(&idle->timer, gst_clock_id_unref);
        due = is_due(idle);
        if (!due)
            arm(idle);
    }
    g_mutex_unlock(&idle->lock);
    if (due)
        idle->expired(idle->owner);
    return TRUE;
}

void gst_gemma4_idle_init(GstGemma4Idle *idle, GstObject *owner, GstGemma4IdleFunc expired)
{
    *idle = (GstGemma4Idle){.owner = owner, .expired = expired};
    g_mutex_init(&idle->lock);
}

void gst_gemma4_idle_clear(GstGemma4Idle *idle)
{
    g_mutex_clear(&idle->lock);
}

void gst_gemma4_idle_start(GstGemma4Idle *idle)
{
    g_mutex_lock(&idle->lock);
    idle->clock = gst_system_clock_obtain();
    idle->last = gst_clock_get_time(idle->clock);
    arm(idle);
    g_mutex_unlock(&idle->lock);
}

void gst_gemma4_idle_stop(GstGemma4Idle *idle)
{
    g_mutex_lock(&idle->lock);
    disarm(idle);
    gst_clear_object(&idle->clock);
    g_mutex_unlock(&idle->lock);
}

void gst_gemma4_idle_set_timeout(GstGemma4Idle *idle, GstClockTime timeout)
{
    g_mutex_lock(&idle->lock);
    disarm(idle);
    idle->timeout = timeout;
    arm(idle);
    g_mutex_unlock(&idle->lock);
}

void gst_gemma4_idle_touch(GstGemma4Idle *idle)
{
    g_mutex_lock(&idle->lock);
    if (idle->clock && idle->timeout > 0) {
        idle->last = gst_clock_get_time(idle->clock);
        if (!idle->timer)
            arm(idle);
    }
    g_mutex_unlock(&idle->lock);
}

gboolean gst_gemma4_idle_is_due(GstGemma4Idle *idle)
{
    g_mutex_lock(&idle->lock);
    gboolean due = is_due(idle);
    g_mutex_unlock(&idle->lock);
    return due;
}
