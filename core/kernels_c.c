/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels in plain C: written to be read, and what every other version is tested against.
 */
#include "kernels.h"

#include <math.h>

static float inverse_rms(const float *x, guint n, float eps)
{
    double sum = 0.0;

    for (guint i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return (float)(1.0 / sqrt(sum / n + eps));
}

void g4_rms_norm_f32_c(float *dst, const float *src, const float *weight, guint n, float eps)
{
    const float scale = inverse_rms(src, n, eps);

    for (guint i = 0; i < n; i++)
        dst[i] = src[i] * scale * (weight ? weight[i] : 1.0f);
}

void g4_add_rms_norm_f32_c(float *x, const float *y, const float *weight, guint n, float eps)
{
    const float scale = inverse_rms(y, n, eps);

    for (guint i = 0; i < n; i++)
        x[i] += y[i] * scale * weight[i];
}

void g4_clamp_f32_c(float *dst, const float *src, guint n, float lo, float hi)
{
    for (guint i = 0; i < n; i++)
        dst[i] = fminf(fmaxf(src[i], lo), hi);
}

static float gelu_tanh(float u)
{
    const float sqrt_2_over_pi = 0.7978845608028654f;

    return 0.5f * u * (1.0f + tanhf(sqrt_2_over_pi * (u + 0.044715f * u * u * u)));
}

void g4_geglu_f32_c(float *dst, const float *gate, const float *up, guint n)
{
    for (guint i = 0; i < n; i++)
        dst[i] = gelu_tanh(gate[i]) * up[i];
}

float g4_softmax_f32_c(float *s, guint n, float *max, float *sum)
{
    float m = *max, total = 0.0f;

    for (guint i = 0; i < n; i++)
        m = fmaxf(m, s[i]);
    for (guint i = 0; i < n; i++) {
        s[i] = exp2f(s[i] - m);
        total += s[i];
    }
    const float factor = exp2f(*max - m); /* 0 for the first block: *max is -inf */
    *sum = *sum * factor + total;
    *max = m;
    return factor;
}

void g4_scale_f32_c(float *x, guint n, float factor)
{
    for (guint i = 0; i < n; i++)
        x[i] *= factor;
}

static void rotate(float *x, guint pairs, const float *cosine, const float *sine)
{
    for (guint j = 0; j < pairs; j++) {
        const float a = x[j], b = x[j + pairs];
        x[j] = a * cosine[j] - b * sine[j];
        x[j + pairs] = b * cosine[j] + a * sine[j];
    }
}

void g4_rope_f32_c(float *x, guint heads, guint half, const float *cos_x, const float *sin_x,
                   const float *cos_y, const float *sin_y)
{
    for (guint h = 0; h < heads; h++, x += 2 * half) {
        rotate(x, half / 2, cos_x, sin_x);
        rotate(x + half, half / 2, cos_y, sin_y);
    }
}
