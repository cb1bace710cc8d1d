/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that works on one item at a time while the stream goes on: it takes an item when it is
 * free, and what comes of it waits until it is fetched.
 *
 * The thread runs at nice 10 and sleeps when there is nothing to do. give(), take() and drain()
 * are the streaming thread's; set_flushing() may be called from any.
 */
#ifndef GST_GEMMA4_EMBED_ASYNC_H
#define GST_GEMMA4_EMBED_ASYNC_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct GstGemma4Async GstGemma4Async;

typedef struct {
    /* Works on `item`, on the thread, and adds what comes of it to `results`. FALSE: it failed. */
    gboolean (*work)(gpointer item, GPtrArray *results, gpointer user);
    /* On the thread, once the results can be taken and the next item can be given; not for those
     * that a flush threw away. */
    void (*done)(gpointer item, const GPtrArray *results, gpointer user);
    void (*free_item)(gpointer item);
    gpointer (*ref_result)(gpointer result);
    void (*unref_result)(gpointer result);
} GstGemma4AsyncFuncs;

/* Starts the thread. NULL and `error` when the system gives none. `funcs` is borrowed. */
GstGemma4Async *gst_gemma4_async_new(const GstGemma4AsyncFuncs *funcs, gpointer user,
                                     GError **error);

/* Waits for the item in work, ends the thread, frees what was not taken. NULL allowed. */
void gst_gemma4_async_free(GstGemma4Async *async);

/* Whether an item would be taken. Stays TRUE until the next give(). */
gboolean gst_gemma4_async_is_free(GstGemma4Async *async);

/* Hands `item` over; is_free() has said that it can. */
void gst_gemma4_async_give(GstGemma4Async *async, gpointer item);

/* The results there are, for the caller to unref with their array; NULL without one. */
GPtrArray *gst_gemma4_async_take(GstGemma4Async *async);

/* The same after the item in work is done; a flush ends the wait. */
GPtrArray *gst_gemma4_async_drain(GstGemma4Async *async);

/* TRUE throws away the results there are and those of the item in work, and ends a drain(); until
 * FALSE nothing is kept. Also forgets a failure. */
void gst_gemma4_async_set_flushing(GstGemma4Async *async, gboolean flushing);

/* Whether an item failed since the start or the last flush. */
gboolean gst_gemma4_async_has_failed(GstGemma4Async *async);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_ASYNC_H */
