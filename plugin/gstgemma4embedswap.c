/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads what is asked for on a thread of its own.
 */
#include "gstgemma4embedswap.h"

static gpointer thread_main(gpointer data)
{
    GstGemma4Swap *swap = data;
    GObject *owner = swap->owner; /* `swap` is part of it */

    g_mutex_lock(&swap->lock);
    while (swap->wanted) {
        g_autofree gchar *path = g_steal_pointer(&swap->wanted);
        g_mutex_unlock(&swap->lock);
        swap->load(path, owner);
        g_mutex_lock(&swap->lock);
    }
    swap->busy = FALSE;
    g_mutex_unlock(&swap->lock);
    g_object_unref(owner);
    return NULL;
}

void gst_gemma4_swap_init(GstGemma4Swap *swap, GstGemma4SwapFunc load, GObject *owner)
{
    *swap = (GstGemma4Swap){.load = load, .owner = owner};
    g_mutex_init(&swap->lock);
}

void gst_gemma4_swap_clear(GstGemma4Swap *swap)
{
    g_mutex_clear(&swap->lock);
}

void gst_gemma4_swap_start(GstGemma4Swap *swap)
{
    g_mutex_lock(&swap->lock);
    swap->active = TRUE;
    g_mutex_unlock(&swap->lock);
}

gchar *gst_gemma4_swap_stop(GstGemma4Swap *swap)
{
    g_mutex_lock(&swap->lock);
    swap->active = FALSE;
    gchar *wanted = g_steal_pointer(&swap->wanted);
    GThread *thread = g_steal_pointer(&swap->thread);
    g_mutex_unlock(&swap->lock);

    if (thread && thread == g_thread_self())
        g_thread_unref(thread);
    else if (thread)
        g_thread_join(thread);
    return wanted;
}

gboolean gst_gemma4_swap_request(GstGemma4Swap *swap, const gchar *path)
{
    GThread *ended = NULL;

    g_mutex_lock(&swap->lock);
    gboolean active = swap->active;
    if (active) {
        g_free(swap->wanted);
        swap->wanted = g_strdup(path ? path : "");
        if (!swap->busy) {
            swap->busy = TRUE;
            ended = swap->thread;
            g_object_ref(swap->owner);
            swap->thread = g_thread_new("gemma4load", thread_main, swap);
        }
    }
    g_mutex_unlock(&swap->lock);
    if (ended)
        g_thread_join(ended);
    return active;
}
