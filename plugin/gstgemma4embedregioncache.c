/* SPDX-License-Identifier: Apache-2.0
 *
 * The last computed vectors of each region.
 */
#include "gstgemma4embedregioncache.h"

GstGemma4Reuse *gst_gemma4_region_cache_get(GstGemma4RegionCache *cache,
                                            const GstGemma4Region *region)
{
    guint chosen = 0;

    cache->turn++;
    for (guint i = 0; i < GST_GEMMA4_REGION_CACHE_SIZE; i++) {
        if (cache->slots[i].turn > 0 &&
            gst_gemma4_region_is_same(&cache->slots[i].region, region)) {
            cache->slots[i].turn = cache->turn;
            return &cache->slots[i].reuse;
        }
        if (cache->slots[i].turn < cache->slots[chosen].turn)
            chosen = i;
    }
    gst_clear_buffer(&cache->slots[chosen].reuse.values); /* the memory for pixels stays */
    cache->slots[chosen].region = *region;
    cache->slots[chosen].turn = cache->turn;
    return &cache->slots[chosen].reuse;
}

void gst_gemma4_region_cache_clear(GstGemma4RegionCache *cache)
{
    for (guint i = 0; i < GST_GEMMA4_REGION_CACHE_SIZE; i++)
        gst_gemma4_reuse_clear(&cache->slots[i].reuse);
    *cache = (GstGemma4RegionCache){0};
}

gsize gst_gemma4_region_cache_get_bytes(const GstGemma4RegionCache *cache)
{
    gsize bytes = 0;

    for (guint i = 0; i < GST_GEMMA4_REGION_CACHE_SIZE; i++)
        bytes += gst_gemma4_reuse_get_bytes(&cache->slots[i].reuse);
    return bytes;
}
