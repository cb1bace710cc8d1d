/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that works on one item at a time while the stream goes on.
 */
#include "gstgemma4embedasync.h"

#include "gemma4.h"

struct GstGemma4Async {
    const GstGemma4AsyncFuncs *funcs;
    gpointer user;
    GThread *thread;

    GMutex lock;   /* all that follows */
    GCond changed; /* of item, busy, flushing, quit */
    gpointer item; /* given and not begun */
    gboolean busy; /* from give() until its results are there */
    guint flushes; /* an item's results count when this is as it was at give(): */
    guint flushes_at_give;
    gboolean flushing;
    gboolean failed;
    gboolean quit;
    GPtrArray *results; /* not taken yet; NULL: none */
};

static GPtrArray *new_results(const GstGemma4AsyncFuncs *funcs)
{
    return g_ptr_array_new_with_free_func(funcs->unref_result);
}

/* lock held. A copy of `results` for whoever takes them. */
static void keep(GstGemma4Async *a, const GPtrArray *results)
{
    if (!a->results && results->len > 0)
        a->results = new_results(a->funcs);
    for (guint i = 0; i < results->len; i++)
        g_ptr_array_add(a->results, a->funcs->ref_result(results->pdata[i]));
}

static void work_on(GstGemma4Async *a, gpointer item, guint flushes)
{
    g_autoptr(GPtrArray) results = new_results(a->funcs);
    gboolean ok = a->funcs->work(item, results, a->user);

    g_mutex_lock(&a->lock);
    gboolean wanted = flushes == a->flushes && !a->flushing;
    if (wanted) {
        keep(a, results);
        a->failed |= !ok;
    }
    a->busy = FALSE;
    g_cond_broadcast(&a->changed);
    g_mutex_unlock(&a->lock);

    if (wanted)
        a->funcs->done(item, results, a->user);
    a->funcs->free_item(item);
}

static gpointer thread_main(gpointer data)
{
    GstGemma4Async *a = data;

    g4_background_thread();
    g_mutex_lock(&a->lock);
    for (;;) {
        while (!a->item && !a->quit)
            g_cond_wait(&a->changed, &a->lock);
        if (!a->item)
            break;
        gpointer item = g_steal_pointer(&a->item);
        guint flushes = a->flushes_at_give;
        g_mutex_unlock(&a->lock);
        work_on(a, item, flushes);
        g_mutex_lock(&a->lock);
    }
    g_mutex_unlock(&a->lock);
    return NULL;
}

GstGemma4Async *gst_gemma4_async_new(const GstGemma4AsyncFuncs *funcs, gpointer user,
                                     GError **error)
{
    GstGemma4Async *a = g_new0(GstGemma4Async, 1);

    a->funcs = funcs;
    a->user = user;
    g_mutex_init(&a->lock);
    g_cond_init(&a->changed);
    a->thread = g_thread_try_new("gemma4embed", thread_main, a, error);
    if (!a->thread)
        g_clear_pointer(&a, gst_gemma4_async_free);
    return a;
}

void gst_gemma4_async_free(GstGemma4Async *a)
{
    if (!a)
        return;
    g_mutex_lock(&a->lock);
    a->quit = TRUE;
    if (a->item) {
        a->funcs->free_item(g_steal_pointer(&a->item));
        a->busy = FALSE;
    }
    g_cond_broadcast(&a->changed);
    g_mutex_unlock(&a->lock);
    if (a->thread)
        g_thread_join(a->thread);
    g_clear_pointer(&a->results, g_ptr_array_unref);
    g_mutex_clear(&a->lock);
    g_cond_clear(&a->changed);
    g_free(a);
}

gboolean gst_gemma4_async_is_free(GstGemma4Async *a)
{
    g_mutex_lock(&a->lock);
    gboolean is_free = !a->busy;
    g_mutex_unlock(&a->lock);
    return is_free;
}

void gst_gemma4_async_give(GstGemma4Async *a, gpointer item)
{
    g_mutex_lock(&a->lock);
    g_assert(!a->busy);
    a->item = item;
    a->flushes_at_give = a->flushes;
    a->busy = TRUE;
    g_cond_broadcast(&a->changed);
    g_mutex_unlock(&a->lock);
}

GPtrArray *gst_gemma4_async_take(GstGemma4Async *a)
{
    g_mutex_lock(&a->lock);
    GPtrArray *results = g_steal_pointer(&a->results);
    g_mutex_unlock(&a->lock);
    return results;
}

GPtrArray *gst_gemma4_async_drain(GstGemma4Async *a)
{
    g_mutex_lock(&a->lock);
    while (a->busy && !a->flushing)
        g_cond_wait(&a->changed, &a->lock);
    GPtrArray *results = g_steal_pointer(&a->results);
    g_mutex_unlock(&a->lock);
    return results;
}

void gst_gemma4_async_set_flushing(GstGemma4Async *a, gboolean flushing)
{
    g_mutex_lock(&a->lock);
    a->flushing = flushing;
    a->flushes++;
    a->failed = FALSE;
    g_clear_pointer(&a->results, g_ptr_array_unref);
    g_cond_broadcast(&a->changed);
    g_mutex_unlock(&a->lock);
}

gboolean gst_gemma4_async_has_failed(GstGemma4Async *a)
{
    g_mutex_lock(&a->lock);
    gboolean failed = a->failed;
    g_mutex_unlock(&a->lock);
    return failed;
}
