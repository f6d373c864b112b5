// Randomness of whole parts of an array, and added noise: see engine/ops/noise.py.

#include "stages.cuh"

// Parts: `outer` elements that lie together have `inner` parts between them, which take turns; so each part is one number
// in a row of `inner`, or, where that is 1, all of `outer`. Arrays are walked through N elements at a time, where N divides
// `outer` and, unless it is 1, `inner`.

__device__ inline unsigned part_of(unsigned i, unsigned outer, unsigned inner) {
    return i / outer * inner + (inner > 1 ? i % inner : 0);
}

// Elements i to i + N of y = x mask. Each draws its part's bits; the first of a part writes its mask.
template <int N>
__device__ void drop_some(
    const float* x, float* y, float* mask, unsigned i, Key key, unsigned limit, float factor, unsigned outer,
    unsigned inner) {
    const unsigned part = part_of(i, outer, inner);
    float v[N], kept[N];
    load<N>(x + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
        kept[j] = random_bits(key, inner > 1 ? part + j : part) >= limit ? factor : 0.0f;
        v[j] *= kept[j];
    }
    if (i % outer < inner) {
        if (inner > 1) store<N>(mask + part, kept);
        else mask[part] = kept[0];
    }
    store<N>(y + i, v);
}

// y = x mask, part by part, n numbers, four at a time where `wide`; y may be x.
extern "C" __global__ void __launch_bounds__(256) drop_parts(
    const float* x, float* y, float* mask, const float* rate, const unsigned* counters, unsigned stream, int flags,
    int n, int outer, int inner, int wide) {
    const Key key = stream_key(counters, stream);
    const float factor = kept_factor(flags, *rate);
    const unsigned limit = drop_limit(flags, *rate);
    if (wide) {
        EACH(i, n / 4) drop_some<4>(x, y, mask, 4 * i, key, limit, factor, outer, inner);
    } else {
        EACH(i, n) drop_some<1>(x, y, mask, i, key, limit, factor, outer, inner);
    }
}

template <int N>
__device__ void multiply_some(
    const float* factors, const float* x, float* y, unsigned i, unsigned outer, unsigned inner) {
    const unsigned part = part_of(i, outer, inner);
    float v[N], factor[N];
    load<N>(x + i, v);
    if (inner > 1) load<N>(factors + part, factor);
#pragma unroll
    for (int j = 0; j < N; j++) v[j] *= inner > 1 ? factor[j] : factors[part];
    store<N>(y + i, v);
}

// y = x times the factor of its part, n numbers, four at a time where `wide`; y may be x.
extern "C" __global__ void __launch_bounds__(256) multiply_parts(
    const float* factors, const float* x, float* y, int n, int outer, int inner, int wide) {
    if (wide) {
        EACH(i, n / 4) multiply_some<4>(factors, x, y, 4 * i, outer, inner);
    } else {
        EACH(i, n) multiply_some<1>(factors, x, y, i, outer, inner);
    }
}

template <int N>
__device__ void scale_some(const float* x, float* y, unsigned i, float factor) {
    float v[N];
    load<N>(x + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) v[j] *= factor;
    store<N>(y + i, v);
}

// y = x (1 - rate), or x times the share itself, n numbers; y may be x.
extern "C" __global__ void __launch_bounds__(256) expected(
    const float* x, const float* rate, float* y, int n, int is_share) {
    const float share = is_share ? *rate : 1.0f - *rate;
    EACH(i, n / 4) scale_some<4>(x, y, 4 * i, share);
    EACH(i, n % 4) scale_some<1>(x, y, n / 4 * 4 + i, share);
}

template <int N>
__device__ void add_noise(const float* x, float* y, unsigned i, Key radii, Key angles, float scale) {
    float v[N];
    load<N>(x + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
        // 24 bits are exact in a float. cos(2 pi v) by cospif is exact at quarter turns and needs no table.
        const float r = (float)((random_bits(radii, i + j) >> 8) + 1) * 5.9604644775390625e-8f;
        const float turns = (float)(random_bits(angles, i + j) >> 8) * 5.9604644775390625e-8f;
        v[j] += sqrtf(-2.0f * logf(r)) * cospif(2.0f * turns) * scale;
    }
    store<N>(y + i, v);
}

// y = x + deviation z, z normal by Box and Muller, n numbers; y may be x.
extern "C" __global__ void __launch_bounds__(256) gaussian_noise(
    const float* x, float* y, const float* deviation, const unsigned* counters, unsigned radius, unsigned angle, int n) {
    const Key radii = stream_key(counters, radius), angles = stream_key(counters, angle);
    const float scale = *deviation;
    EACH(i, n / 4) add_noise<4>(x, y, 4 * i, radii, angles, scale);
    EACH(i, n % 4) add_noise<1>(x, y, n / 4 * 4 + i, radii, angles, scale);
}
