/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core's errors are in GStreamer.
 */
#ifndef GST_GEMMA4_ERROR_H
#define GST_GEMMA4_ERROR_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Domain and code for an element's message about `error`; those given by the caller stay where it
 * is not one of the core's. */
void gst_gemma4_error_translate(const GError *error, GQuark *domain, gint *code);

G_END_DECLS

#endif /* GST_GEMMA4_ERROR_H */
