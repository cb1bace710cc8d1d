/* SPDX-License-Identifier: Apache-2.0
 *
 * One block of memory, carved into parts.
 */
#include "scratch.h"
#include "gemma4.h"

#include <errno.h>
#include <sys/mman.h>

#define CACHE_LINE 64

gboolean g4_scratch_init(G4Scratch *scratch, gsize size, const char *what, GError **error)
{
    void *base =
        mmap(NULL, MAX(size, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED) {
        g_set_error(error, G4_ERROR, G4_ERROR_SETTINGS,
                    "%s: no memory for %" G_GSIZE_FORMAT " bytes: %s", what, size,
                    g_strerror(errno));
        return FALSE;
    }
#ifdef MADV_HUGEPAGE
    madvise(base, MAX(size, 1), MADV_HUGEPAGE); /* a wish, not a need */
#endif
    *scratch = (G4Scratch){.base = base, .size = size};
    return TRUE;
}

void g4_scratch_clear(G4Scratch *scratch)
{
    if (scratch->base)
        munmap(scratch->base, MAX(scratch->size, 1));
    *scratch = (G4Scratch){0};
}

void *g4_scratch_take(G4Scratch *scratch, gsize count, gsize size)
{
    const gsize first = scratch->used;

    scratch->used += (count * size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    if (!scratch->base)
        return NULL;
    g_assert(scratch->used <= scratch->size);
    return scratch->base + first;
}
