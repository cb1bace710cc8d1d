/* SPDX-License-Identifier: Apache-2.0
 *
 * gemma4embed: puts an embedding of the picture on the buffers that pass.
 */
#ifndef GST_GEMMA4_EMBED_H
#define GST_GEMMA4_EMBED_H

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_GEMMA4_EMBED (gst_gemma4_embed_get_type())
G_DECLARE_FINAL_TYPE(GstGemma4Embed, gst_gemma4_embed, GST, GEMMA4_EMBED, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(gemma4embed)

G_END_DECLS

#endif /* GST_GEMMA4_EMBED_H */
