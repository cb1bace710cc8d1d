/* SPDX-License-Identifier: Apache-2.0
 *
 * The last computed vectors of each region (reuse-threshold), for regions that look the same as
 * before. A tracked region is found by its track and class wherever it is, another one by its class
 * and rectangle. Plain data, not thread safe.
 */
#ifndef GST_GEMMA4_EMBED_REGION_CACHE_H
#define GST_GEMMA4_EMBED_REGION_CACHE_H

#include "gstgemma4embedregion.h"
#include "gstgemma4embedreuse.h"

G_BEGIN_DECLS

#define GST_GEMMA4_REGION_CACHE_SIZE 64

typedef struct {
    struct {
        GstGemma4Region region;
        guint64 turn; /* 0: never used */
        GstGemma4Reuse reuse;
    } slots[GST_GEMMA4_REGION_CACHE_SIZE];
    guint64 turn;
} GstGemma4RegionCache;

/* The region's, in the place of the one that was asked for longest ago if it has none yet. Belongs
 * to the cache; the next call may give it to another region. */
GstGemma4Reuse *gst_gemma4_region_cache_get(GstGemma4RegionCache *cache,
                                            const GstGemma4Region *region);

/* Forgets and frees; the struct can be used again. */
void gst_gemma4_region_cache_clear(GstGemma4RegionCache *cache);

gsize gst_gemma4_region_cache_get_bytes(const GstGemma4RegionCache *cache);

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_REGION_CACHE_H */
