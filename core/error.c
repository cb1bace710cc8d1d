/* SPDX-License-Identifier: Apache-2.0
 *
 * The error domain, and names of public enumerations.
 */
#include "gemma4.h"

#ifndef G4_VERSION
#define G4_VERSION "unknown"
#endif

GQuark g4_error_quark(void)
{
    return g_quark_from_static_string("g4-error-quark");
}

const char *g4_precision_name(G4Precision precision)
{
    switch (precision) {
    case G4_PRECISION_F32:
        return "f32";
    case G4_PRECISION_BF16:
        return "bf16";
    case G4_PRECISION_INT8:
        return "int8";
    case G4_PRECISION_AUTO:
        break;
    }
    return "auto";
}

const char *g4_version(void)
{
    return G4_VERSION;
}
