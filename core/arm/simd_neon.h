/* SPDX-License-Identifier: Apache-2.0
 *
 * Four floats at a time, for vec_tmpl.h.
 */
#include <arm_neon.h>

#define VF_WIDTH 4
#define VF_NAME(name) name##_neon

typedef float32x4_t vf;

static inline vf vf_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void vf_store(float *p, vf v)
{
    vst1q_f32(p, v);
}

static inline vf vf_set1(float x)
{
    return vdupq_n_f32(x);
}

/* The first n lanes, 1 .. 4; the others are 0 and touch no memory. */
static inline vf vf_load_n(const float *p, unsigned n)
{
    if (n == VF_WIDTH)
        return vf_load(p);
    vf v = vld1q_lane_f32(p, vf_set1(0.0f), 0);
    if (n > 1)
        v = vld1q_lane_f32(p + 1, v, 1);
    if (n > 2)
        v = vld1q_lane_f32(p + 2, v, 2);
    return v;
}

static inline void vf_store_n(float *p, vf v, unsigned n)
{
    vst1q_lane_f32(p, v, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, v, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, v, 2);
    if (n > 3)
        vst1q_lane_f32(p + 3, v, 3);
}

static inline vf vf_select_n(vf v, vf other, unsigned n)
{
    static const uint32_t lanes[] = {0, 1, 2, 3};

    return vbslq_f32(vcltq_u32(vld1q_u32(lanes), vdupq_n_u32(n)), v, other);
}

static inline vf vf_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}

static inline vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}

/* Of a number and a NaN the number, as fminf and fmaxf have it. */
static inline vf vf_min(vf a, vf b)
{
    return vminnmq_f32(a, b);
}

static inline vf vf_max(vf a, vf b)
{
    return vmaxnmq_f32(a, b);
}

static inline vf vf_round(vf a)
{
    return vrndnq_f32(a);
}

/* x * 2^n for whole n in -126 .. 127 */
static inline vf vf_scale2(vf x, vf n)
{
    const int32x4_t e = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), e));
}

static inline float vf_sum(vf v)
{
    return vaddvq_f32(v);
}

static inline float vf_max_lane(vf v)
{
    return vmaxnmvq_f32(v);
}
