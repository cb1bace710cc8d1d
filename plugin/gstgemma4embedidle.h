/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells when no frame has come for a time.
 *
 * The time is the system clock's (gst_system_clock_set_default() gives another): a pipeline's
 * clock may stand still just when no frame comes. A frame costs a look at the clock; one timer
 * runs, and is set again when it finds that frames have come meanwhile. Thread safe.
 */
#ifndef GST_GEMMA4_EMBED_IDLE_H
#define GST_GEMMA4_EMBED_IDLE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Called on the clock's thread, not to be kept long: since the last touch the time has passed. */
typedef void (*GstGemma4IdleFunc)(GstObject *owner);

typedef struct {
    GstObject *owner; /* borrowed; each timer holds a reference */
    GstGemma4IdleFunc expired;
    GMutex lock;          /* all that follows */
    GstClockTime timeout; /* 0: never */
    GstClock *clock;      /* NULL: not running */
    GstClockTime last;    /* time of the last touch */
    GstClockID timer;     /* NULL: none is set */
} GstGemma4Idle;

void gst_gemma4_idle_init(GstGemma4Idle *idle, GstObject *owner, GstGemma4IdleFunc expired);
void gst_gemma4_idle_clear(GstGemma4Idle *idle);

/* From start to stop the time counts; stop may come more often than start. */
void gst_gemma4_idle_start(GstGemma4Idle *idle);
void gst_gemma4_idle_stop(GstGemma4Idle *idle);

void gst_gemma4_idle_set_timeout(GstGemma4Idle *idle, GstClockTime timeout);

/* A frame: the time starts anew. */
void gst_gemma4_idle_touch(GstGemma4Idle *idle);

/* Whether the time has passed, for one who comes some time after the call of `expired`. */
gboolean gst_gemma4_idle_is_due(GstGemma4Idle *idle);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_IDLE_H */
