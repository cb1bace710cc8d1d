/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of frames in progress: a list of free blocks for each power of two.
 */
#include "arena.h"
#include "gemma4.h"

#include <pthread.h>
#include <string.h>

#define N_SIZES 48
#define SMALLEST 12 /* log2 of a page */

static struct {
    pthread_mutex_t lock;
    struct {
        G4Block *idle; /* used last first */
        guint blocks, reserves;
    } sizes[N_SIZES];
} arena = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The smallest power of two that holds them; N_SIZES where none does. */
static guint size_of(gsize bytes)
{
    guint size = SMALLEST;

    while (size < N_SIZES && ((gsize)1 << size) < bytes)
        size++;
    return size;
}

static void block_free(G4Block *block)
{
    g4_scratch_clear(&block->scratch);
    g_free(block);
}

gboolean g4_arena_reserve(gsize bytes, GError **error)
{
    const guint size = size_of(bytes);

    if (size == N_SIZES) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "activations: no memory for %" G_GSIZE_FORMAT " bytes", bytes);
        return FALSE;
    }
    G4Block *block = g_new0(G4Block, 1);
    if (!g4_scratch_init(&block->scratch, (gsize)1 << size, "activations", error)) {
        g_free(block);
        return FALSE;
    }
    block->kept = block->scratch.size;
    pthread_mutex_lock(&arena.lock);
    arena.sizes[size].reserves++;
    arena.sizes[size].blocks++;
    /* Behind the others, which may have pages already. */
    G4Block **end = &arena.sizes[size].idle;
    while (*end)
        end = &(*end)->next;
    *end = block;
    pthread_mutex_unlock(&arena.lock);
    return TRUE;
}

void g4_arena_unreserve(gsize bytes)
{
    const guint size = size_of(bytes);
    G4Block *block = NULL;

    pthread_mutex_lock(&arena.lock);
    arena.sizes[size].reserves--;
    /* The one at the end, which was used the longest ago; if all are taken, the next to return. */
    G4Block **end = &arena.sizes[size].idle;
    while (*end && (*end)->next)
        end = &(*end)->next;
    block = *end;
    if (block) {
        *end = NULL;
        arena.sizes[size].blocks--;
    }
    pthread_mutex_unlock(&arena.lock);
    if (block)
        block_free(block);
}

G4Block *g4_arena_take(gsize bytes, guint64 layout)
{
    const guint size = size_of(bytes);

    pthread_mutex_lock(&arena.lock);
    G4Block **found = &arena.sizes[size].idle;
    for (G4Block **b = found; *b; b = &(*b)->next)
        if ((*b)->layout == layout) {
            found = b;
            break;
        }
    G4Block *block = *found;
    g_assert(block);
    *found = block->next;
    pthread_mutex_unlock(&arena.lock);

    /* Of the layout's users some need fewer bytes than others: behind those that they had lies what
     * another layout left. */
    const gsize kept = block->layout == layout || block->layout == 0 ? block->kept : 0;
    if (kept < bytes)
        memset(block->scratch.base + kept, 0, bytes - kept);
    block->kept = MAX(kept, bytes);
    block->layout = layout;
    block->scratch.used = 0;
    return block;
}

void g4_arena_give(G4Block *block)
{
    const guint size = size_of(block->scratch.size);

    pthread_mutex_lock(&arena.lock);
    const gboolean surplus = arena.sizes[size].blocks > arena.sizes[size].reserves;
    if (surplus) {
        arena.sizes[size].blocks--;
    } else {
        block->next = arena.sizes[size].idle;
        arena.sizes[size].idle = block;
    }
    pthread_mutex_unlock(&arena.lock);
    if (surplus)
        block_free(block);
}
