// Randomness of whole parts of an array, and added noise: see engine/ops/noise.py.

#include "stages.cuh"

// Which part element i belongs to. `outer` elements that lie together have `inner` parts between them, which take turns.
__device__ inline unsigned part_of(unsigned i, unsigned outer, unsigned inner) {
    return i / outer * inner + (inner > 1 ? i % inner : 0);
}

// y = x mask, part by part, n numbers; y may be x. Each element draws its part's bits; the first of a part writes them.
extern "C" __global__ void __launch_bounds__(256) drop_parts(
    const float* x, float* y, float* mask, const float* rate, const unsigned* counters, unsigned stream, int flags,
    int n, int outer, int inner) {
    const Key key = stream_key(counters, stream);
    const float factor = kept_factor(flags, *rate);
    const unsigned limit = drop_limit(flags, *rate);
    EACH(i, n) {
        const unsigned part = part_of(i, outer, inner);
        const float kept = random_bits(key, part) >= limit ? factor : 0.0f;
        if (i % outer < (unsigned)inner) mask[part] = kept;
        y[i] = x[i] * kept;
    }
}

// y = x times the factor of its part, n numbers; y may be x.
extern "C" __global__ void __launch_bounds__(256) multiply_parts(
    const float* factors, const float* x, float* y, int n, int outer, int inner) {
    EACH(i, n) y[i] = x[i] * factors[part_of(i, outer, inner)];
}

// y = x (1 - rate), or x times the share itself, n numbers; y may be x.
extern "C" __global__ void __launch_bounds__(256) expected(
    const float* x, const float* rate, float* y, int n, int is_share) {
    const float share = is_share ? *rate : 1.0f - *rate;
    EACH(i, n) y[i] = x[i] * share;
}

// y = x + deviation z, z normal by Box and Muller, n numbers; y may be x.
extern "C" __global__ void __launch_bounds__(256) gaussian_noise(
    const float* x, float* y, const float* deviation, const unsigned* counters, unsigned radius, unsigned angle, int n) {
    const Key radii = stream_key(counters, radius), angles = stream_key(counters, angle);
    const float scale = *deviation;
    EACH(i, n) {
        // 24 bits are exact in a float. cos(2 pi v) by cospif is exact at quarter turns and needs no table.
        const float u = (float)((random_bits(radii, i) >> 8) + 1) * 5.9604644775390625e-8f;
        const float v = (float)(random_bits(angles, i) >> 8) * 5.9604644775390625e-8f;
        y[i] = x[i] + sqrtf(-2.0f * logf(u)) * cospif(2.0f * v) * scale;
    }
}
