/* SPDX-License-Identifier: Apache-2.0
 *
 * The element-wise kernels for Advanced SIMD.
 */
#include "simd_neon.h"

#include "../vec_tmpl.h"
