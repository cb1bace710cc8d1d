/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of async=true share. That the worker is done is told by the messages of
 * post-messages, and a gate (gate.h) holds it busy: nothing here looks at a clock.
 */
#ifndef ASYNC_FIXTURE_H
#define ASYNC_FIXTURE_H

#include "embedfixture.h"
#include "gate.h"

/* An element on a case, to be set further. */
static inline GstElement *async_element(const char *name)
{
    g_autofree char *path = fixture_case(name);
    GstElement *element = fixture_element(path);

    g_object_set(element, "async", TRUE, "post-messages", TRUE, NULL);
    return element;
}

/* The same in a harness, with caps. Takes the element. */
static inline GstHarness *async_harness(GstElement *element)
{
    GstHarness *h = fixture_harness(element);

    fixture_set_caps(h);
    return h;
}

/* Waits until the worker has told a result and is free again; the frame it is of. */
static inline guint64 async_wait(GstHarness *h)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);
    const GstStructure *s = gst_message_get_structure(message);
    guint64 frame;

    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_ELEMENT);
    g_assert_true(gst_structure_has_name(s, "gemma4-embedding"));
    g_assert_true(gst_structure_get_uint64(s, "frame", &frame));
    return frame;
}

/* Asks, at the moment the frame is given back, how much was computed by then. */
static inline void async_given_back(gpointer element, GstMiniObject *where_the_frame_was)
{
    g_object_set_data(G_OBJECT(element), "given-back",
                      GUINT_TO_POINTER(1 + (guint)fixture_stat(element, "embedded")));
}

/* Looks at when the worker gives that frame back. */
static inline void async_watch(GstHarness *h, GstBuffer *frame)
{
    gst_mini_object_weak_ref(GST_MINI_OBJECT(frame), async_given_back, h->element);
}

/* How many vectors there were when the watched frame was given back, -1 where it was not yet. */
static inline gint async_computed_by_then(GstHarness *h)
{
    return GPOINTER_TO_INT(g_object_get_data(G_OBJECT(h->element), "given-back")) - 1;
}

#endif /* ASYNC_FIXTURE_H */
