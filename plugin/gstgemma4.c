/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin: what it registers.
 */
#include "gstembeddinggate.h"
#include "gstembeddingmatch.h"
#include "gstembeddingsink.h"
#include "gstembeddingtensor.h"
#include "gstgemma4embed.h"

#include <gst/gemma4/gstgemma4embeddingmeta.h>
#include <gst/gemma4/gstgemma4scoremeta.h>

static gboolean plugin_init(GstPlugin *plugin)
{
    gboolean any = FALSE;

    /* A process that only receives the metas from another must know them as well. */
    gst_gemma4_embedding_meta_get_info();
    gst_gemma4_score_meta_get_info();

    any |= GST_ELEMENT_REGISTER(gemma4embed, plugin);
    any |= GST_ELEMENT_REGISTER(embeddingtensor, plugin);
    any |= GST_ELEMENT_REGISTER(embeddingsink, plugin);
    any |= GST_ELEMENT_REGISTER(embeddinggate, plugin);
    any |= GST_ELEMENT_REGISTER(embeddingmatch, plugin);
    return any;
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, gemma4,
                  "Embeddings of video by the Gemma 4 vision encoder", plugin_init, VERSION,
                  "Apache 2.0", PACKAGE, PACKAGE_ORIGIN)
