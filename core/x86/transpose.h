/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposing a block of eight by eight 32-bit words, which is how rows become panels. AVX2, which
 * every level above has too.
 */
#ifndef G4_X86_TRANSPOSE_H
#define G4_X86_TRANSPOSE_H

#include <immintrin.h>

/* dst[k * dst_stride + row] = rows[row][k] for row, k = 0 .. 7; the rows come in registers. */
static inline void transpose_8x8(float *dst, unsigned dst_stride, __m256 r[8])
{
    __m256 t[8];

    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(dst + i * dst_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(dst + (i + 4) * dst_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

#endif /* G4_X86_TRANSPOSE_H */
