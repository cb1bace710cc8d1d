/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads what is asked for on a thread of its own, one after the other; of several that were asked
 * for meanwhile only the last. Thread safe.
 */
#ifndef GST_GEMMA4_EMBED_SWAP_H
#define GST_GEMMA4_EMBED_SWAP_H

#include <glib-object.h>

G_BEGIN_DECLS

/* Called on the thread, which may stop and let go of the owner there. */
typedef void (*GstGemma4SwapFunc)(const gchar *path, GObject *owner);

typedef struct {
    GstGemma4SwapFunc load;
    GObject *owner;  /* borrowed; the thread holds a reference */
    GMutex lock;     /* all that follows */
    gboolean active; /* between start and stop */
    gboolean busy;   /* the thread has not decided to end */
    GThread *thread; /* NULL, or not joined yet */
    gchar *wanted;   /* NULL: nothing */
} GstGemma4Swap;

void gst_gemma4_swap_init(GstGemma4Swap *swap, GstGemma4SwapFunc load, GObject *owner);
void gst_gemma4_swap_clear(GstGemma4Swap *swap); /* after a stop */

void gst_gemma4_swap_start(GstGemma4Swap *swap);

/* Waits for the load in work, unless called from within it. Returns the path that was asked for
 * last and whose load has not begun, for the caller to free; NULL without one. */
gchar *gst_gemma4_swap_stop(GstGemma4Swap *swap);

/* FALSE, and nothing happens, outside of start and stop. `path` may be NULL, which is loaded as
 * "". */
gboolean gst_gemma4_swap_request(GstGemma4Swap *swap, const gchar *path);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_SWAP_H */
