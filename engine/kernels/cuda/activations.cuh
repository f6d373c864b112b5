// The activations and their derivatives, number by number. What they compute is written, with sources, in
// engine/kernels/reference/activation.py, pointwise.py and learned.py; numbers that are not finite spread as there.

#pragma once

enum Shape {
    RELU = 1,
    LEAKY_RELU,  // number: slope
    SIGMOID,
    TANH,
};

__device__ inline float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }

// v = f(v)
template <int N>
__device__ void shape(int which, float number, float second, float (&v)[N]) {
#pragma unroll
    for (int j = 0; j < N; j++) {
        const float x = v[j];
        switch (which) {
            // The comparison this way round keeps what is not a number.
            case RELU: v[j] = x < 0.0f ? 0.0f : x; break;
            case LEAKY_RELU: v[j] = x < 0.0f ? x * number : x; break;
            case SIGMOID: v[j] = logistic(x); break;
            case TANH: v[j] = tanhf(x); break;
        }
    }
}

// v *= f', from y: the activation's result, or its argument where f' is computed from that
template <int N>
__device__ void slope(int which, float number, float second, const float (&y)[N], float (&v)[N]) {
#pragma unroll
    for (int j = 0; j < N; j++) {
        const float r = y[j];
        switch (which) {
            case RELU: v[j] *= r > 0.0f ? 1.0f : 0.0f; break;
            case LEAKY_RELU: v[j] *= r > 0.0f ? 1.0f : number; break;
            case SIGMOID: v[j] *= r * (1.0f - r); break;
            case TANH: v[j] *= 1.0f - r * r; break;
        }
    }
}

__device__ inline float learned_shape(int which, float number, float x) { return x; }

__device__ inline float learned_slope(int which, float number, float x) { return 1.0f; }
