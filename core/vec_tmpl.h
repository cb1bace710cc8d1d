/* SPDX-License-Identifier: Apache-2.0
 *
 * The element-wise kernels, written once over the vector type of simd_*.h. Tails are masked loads
 * and stores, so no kernel reads or writes past its row.
 */
#include "kernels.h"

#include <math.h>

/* 2^x, x clamped to -126 .. 127. Minimax polynomial of 2^r, |r| <= 1/2: relative error 2e-9 before
 * rounding, 1.5 ulp in all. */
static inline vf vf_exp2(vf x)
{
    x = vf_min(vf_max(x, vf_set1(-126.0f)), vf_set1(127.0f));
    const vf n = vf_round(x);
    const vf r = vf_sub(x, n);
    vf p = vf_set1(0.0001535335904918611f);
    p = vf_fma(p, r, vf_set1(0.0013398875016719103f));
    p = vf_fma(p, r, vf_set1(0.00961843691766262f));
    p = vf_fma(p, r, vf_set1(0.055503323674201965f));
    p = vf_fma(p, r, vf_set1(0.24022647738456726f));
    p = vf_fma(p, r, vf_set1(0.6931471824645996f));
    p = vf_fma(p, r, vf_set1(1.0f));
    return vf_scale2(p, n);
}

static inline float inverse_rms(const float *x, guint n, float eps)
{
    vf s0 = vf_set1(0.0f), s1 = s0;
    guint i = 0;

    for (; i + 2 * VF_WIDTH <= n; i += 2 * VF_WIDTH) {
        const vf a = vf_load(x + i), b = vf_load(x + i + VF_WIDTH);
        s0 = vf_fma(a, a, s0);
        s1 = vf_fma(b, b, s1);
    }
    for (; i < n; i += VF_WIDTH) {
        const vf a = vf_load_n(x + i, MIN(n - i, VF_WIDTH));
        s0 = vf_fma(a, a, s0);
    }
    return 1.0f / sqrtf(vf_sum(vf_add(s0, s1)) / (float)n + eps);
}

static inline void scale_into(float *dst, const float *src, guint n, vf factor)
{
    guint i = 0;

    for (; i + VF_WIDTH <= n; i += VF_WIDTH)
        vf_store(dst + i, vf_mul(vf_load(src + i), factor));
    if (i < n)
        vf_store_n(dst + i, vf_mul(vf_load_n(src + i, n - i), factor), n - i);
}

void VF_NAME(g4_rms_norm_f32)(float *dst, const float *src, const float *weight, guint n, float eps)
{
    const vf scale = vf_set1(inverse_rms(src, n, eps));
    guint i = 0;

    if (!weight) {
        scale_into(dst, src, n, scale);
        return;
    }
    for (; i + VF_WIDTH <= n; i += VF_WIDTH)
        vf_store(dst + i, vf_mul(vf_mul(vf_load(src + i), scale), vf_load(weight + i)));
    if (i < n)
        vf_store_n(dst + i,
                   vf_mul(vf_mul(vf_load_n(src + i, n - i), scale), vf_load_n(weight + i, n - i)),
                   n - i);
}

void VF_NAME(g4_add_rms_norm_f32)(float *x, const float *y, const float *weight, guint n, float eps)
{
    const vf scale = vf_set1(inverse_rms(y, n, eps));
    guint i = 0;

    for (; i + VF_WIDTH <= n; i += VF_WIDTH)
        vf_store(x + i, vf_fma(vf_mul(vf_load(y + i), scale), vf_load(weight + i), vf_load(x + i)));
    if (i < n)
        vf_store_n(x + i,
                   vf_fma(vf_mul(vf_load_n(y + i, n - i), scale), vf_load_n(weight + i, n - i),
                          vf_load_n(x + i, n - i)),
                   n - i);
}

void VF_NAME(g4_clamp_f32)(float *dst, const float *src, guint n, float lo, float hi)
{
    const vf l = vf_set1(lo), h = vf_set1(hi);
    guint i = 0;

    for (; i + VF_WIDTH <= n; i += VF_WIDTH)
        vf_store(dst + i, vf_min(vf_max(vf_load(src + i), l), h));
    if (i < n)
        vf_store_n(dst + i, vf_min(vf_max(vf_load_n(src + i, n - i), l), h), n - i);
}

/* gelu_tanh(u) = u / (1 + e^(-2 t)), t = sqrt(2/pi) (u + 0.044715 u^3): the same function as
 * 0.5 u (1 + tanh t), without its cancellation for negative u. */
static inline vf vf_gelu(vf u)
{
    const float a = -2.0f * 0.7978845608028654f * 1.4426950408889634f; /* -2 sqrt(2/pi) log2(e) */
    const vf u2 = vf_mul(u, u);
    const vf t = vf_mul(u, vf_fma(u2, vf_set1(0.044715f * a), vf_set1(a)));
    return vf_div(u, vf_add(vf_set1(1.0f), vf_exp2(t)));
}

void VF_NAME(g4_geglu_f32)(float *dst, const float *gate, const float *up, guint n)
{
    guint i = 0;

    for (; i + VF_WIDTH <= n; i += VF_WIDTH)
        vf_store(dst + i, vf_mul(vf_gelu(vf_load(gate + i)), vf_load(up + i)));
    if (i < n)
        vf_store_n(dst + i, vf_mul(vf_gelu(vf_load_n(gate + i, n - i)), vf_load_n(up + i, n - i)),
                   n - i);
}

float VF_NAME(g4_softmax_f32)(float *s, guint n, float *max, float *sum)
{
    vf m0 = vf_set1(*max), m1 = m0;
    guint i = 0;

    for (; i + 2 * VF_WIDTH <= n; i += 2 * VF_WIDTH) {
        m0 = vf_max(m0, vf_load(s + i));
        m1 = vf_max(m1, vf_load(s + i + VF_WIDTH));
    }
    for (; i < n; i += VF_WIDTH) {
        const guint left = MIN(n - i, VF_WIDTH);
        m0 = vf_max(m0, vf_select_n(vf_load_n(s + i, left), m0, left));
    }
    const float m = vf_max_lane(vf_max(m0, m1));
    const vf mv = vf_set1(m);
    vf t0 = vf_set1(0.0f), t1 = t0;
    for (i = 0; i + 2 * VF_WIDTH <= n; i += 2 * VF_WIDTH) {
        const vf a = vf_exp2(vf_sub(vf_load(s + i), mv));
        const vf b = vf_exp2(vf_sub(vf_load(s + i + VF_WIDTH), mv));
        vf_store(s + i, a);
        vf_store(s + i + VF_WIDTH, b);
        t0 = vf_add(t0, a);
        t1 = vf_add(t1, b);
    }
    for (; i < n; i += VF_WIDTH) {
        const guint left = MIN(n - i, VF_WIDTH);
        const vf a = vf_exp2(vf_sub(vf_load_n(s + i, left), mv));
        vf_store_n(s + i, a, left);
        t0 = vf_add(t0, vf_select_n(a, vf_set1(0.0f), left));
    }
    const float factor = exp2f(*max - m); /* 0 for the first block: *max is -inf */
    *sum = *sum * factor + vf_sum(vf_add(t0, t1));
    *max = m;
    return factor;
}

void VF_NAME(g4_scale_f32)(float *x, guint n, float factor)
{
    scale_into(x, x, n, vf_set1(factor));
}

static inline void rotate(float *x, guint pairs, const float *cosine, const float *sine)
{
    guint j = 0;

    for (; j + VF_WIDTH <= pairs; j += VF_WIDTH) {
        const vf a = vf_load(x + j), b = vf_load(x + pairs + j);
        const vf c = vf_load(cosine + j), s = vf_load(sine + j);
        vf_store(x + j, vf_sub(vf_mul(a, c), vf_mul(b, s)));
        vf_store(x + pairs + j, vf_fma(b, c, vf_mul(a, s)));
    }
    if (j < pairs) {
        const guint n = pairs - j;
        const vf a = vf_load_n(x + j, n), b = vf_load_n(x + pairs + j, n);
        const vf c = vf_load_n(cosine + j, n), s = vf_load_n(sine + j, n);
        vf_store_n(x + j, vf_sub(vf_mul(a, c), vf_mul(b, s)), n);
        vf_store_n(x + pairs + j, vf_fma(b, c, vf_mul(a, s)), n);
    }
}

void VF_NAME(g4_rope_f32)(float *x, guint heads, guint half, const float *cos_x, const float *sin_x,
                          const float *cos_y, const float *sin_y)
{
    for (guint h = 0; h < heads; h++, x += 2 * half) {
        rotate(x, half / 2, cos_x, sin_x);
        rotate(x + half, half / 2, cos_y, sin_y);
    }
}
