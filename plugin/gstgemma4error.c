/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's errors, by who can mend them: the path, the file, the frame, or the settings.
 */
#include "gstgemma4error.h"

#include "gemma4.h"

void gst_gemma4_error_translate(const GError *error, GQuark *domain, gint *code)
{
    if (error->domain != G4_ERROR)
        return;
    *domain = GST_RESOURCE_ERROR;
    *code = GST_RESOURCE_ERROR_SETTINGS;
    if (error->code == G4_ERROR_MISSING) {
        *code = GST_RESOURCE_ERROR_NOT_FOUND;
    } else if (error->code == G4_ERROR_UNREADABLE) {
        *code = GST_RESOURCE_ERROR_OPEN_READ;
    } else if (error->code == G4_ERROR_FRAME) {
        *domain = GST_STREAM_ERROR;
        *code = GST_STREAM_ERROR_FORMAT;
    }
}
