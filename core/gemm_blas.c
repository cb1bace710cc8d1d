/* SPDX-License-Identifier: Apache-2.0
 *
 * The float32 product by OpenBLAS: the only file that touches it.
 */
#include "gemm.h"

#include <cblas.h>
#include <pthread.h>
#include <string.h>

/* "Packed" is row-major [out, in] as it is: OpenBLAS packs anew in every call. */
static gsize packed_size(guint out, guint in)
{
    return (gsize)out * in * sizeof(float);
}

static void pack(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                 gsize stride)
{
    (void)out;
    for (guint j = 0; j < count; j++)
        memcpy((float *)packed + (gsize)(first + j) * in, rows + j * stride, in * sizeof(float));
}

static void pack_t(void *packed, guint out, guint in, guint first, guint count, const float *rows,
                   gsize stride)
{
    for (guint j = 0; j < out; j++)
        for (guint k = 0; k < count; k++)
            ((float *)packed)[(gsize)j * in + first + k] = rows[k * stride + j];
}

static void run(const void *a, gsize a_stride, guint rows, const void *packed, guint out, guint in,
                guint n0, guint n, guint k0, guint k, float *c, gsize ldc, gboolean accumulate)
{
    (void)out;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)n, (int)k, 1.0f, a,
                (int)(a_stride / sizeof(float)), (const float *)packed + (gsize)n0 * in + k0,
                (int)in, accumulate ? 1.0f : 0.0f, c, (int)ldc);
}

static struct {
    pthread_mutex_t lock;
    guint active;
    int host_threads;
} window = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void enter(void)
{
    pthread_mutex_lock(&window.lock);
    if (window.active++ == 0) {
        window.host_threads = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    pthread_mutex_unlock(&window.lock);
}

static void leave(void)
{
    pthread_mutex_lock(&window.lock);
    if (--window.active == 0)
        openblas_set_num_threads(window.host_threads);
    pthread_mutex_unlock(&window.lock);
}

static const G4Gemm gemm_f32_openblas = {
    .name = "openblas",
    .nr = 1,
    .row_block = 0,
    .packed_size = packed_size,
    .pack = pack,
    .pack_t = pack_t,
    .run = run,
    .enter = enter,
    .leave = leave,
};

static const char *wrong;

static void check_once(void)
{
    wrong = g4_gemm_check(&gemm_f32_openblas);
}

const G4Gemm *g4_gemm_blas(const char **wrong_shape)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, check_once);
    *wrong_shape = wrong;
    return wrong ? NULL : &gemm_f32_openblas;
}
