// The activations and their derivatives, number by number. What they compute is written, with sources, in
// engine/kernels/reference/activation.py, pointwise.py and learned.py; numbers that are not finite spread as there.

#pragma once

enum Shape {
    RELU = 1,
    LEAKY_RELU,  // number: slope
    SIGMOID,
    TANH,
    ELU,  // number: scale; second: alpha scale
    SWISH,  // number: beta
    GELU,
    GELU_TANH,
    SOFTPLUS,  // number: beta
    MISH,
    HARD_TANH,
    PRELU,  // learned: the slope
    LEARNED_SWISH,  // learned: beta
};

#define ROOT 0.7978845608028654f  // sqrt(2 / pi)
#define CUBIC 0.044715f
#define DENSITY 0.3989422804014327f  // 1 / sqrt(2 pi)
#define FLAT 20.0f  // beyond it nothing is left of the derivatives that follow

__device__ inline float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }

// Comparisons are this way round so that what is not a number stays.
__device__ inline float at_most(float x, float most) { return x > most ? most : x; }

__device__ inline float at_least(float x, float least) { return x < least ? least : x; }

__device__ inline float softplus(float x) { return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x))); }

__device__ inline float swish_slope(float x, float beta) {
    const float s = logistic(beta * x);
    return s * (1.0f + beta * (x * (1.0f - s)));
}

__device__ inline float gelu_slope(float x) { return normcdff(x) + x * (DENSITY * expf(-0.5f * (x * x))); }

// (1 + tanh u) / 2 is the logistic function of 2 u, without cancellation.
__device__ inline float gelu_tanh_share(float x) { return logistic(2.0f * (x * (ROOT + ROOT * CUBIC * (x * x)))); }

__device__ inline float gelu_tanh_slope(float x) {
    const float v = at_most(at_least(x, -FLAT), FLAT), s = gelu_tanh_share(v);
    return s + 2.0f * (s * (1.0f - s)) * v * (ROOT + 3.0f * ROOT * CUBIC * (v * v));
}

// With e = exp(x) and n = e (e + 2), tanh(ln(1 + e)) = n / (n + 2).
__device__ inline float mish(float x) {
    const float e = expf(at_most(x, FLAT)), n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
}

__device__ inline float mish_slope(float x) {
    const float v = at_most(x, FLAT), e = expf(v), n = e * (e + 2.0f), m = n + 2.0f;
    return n / m + 4.0f * (v * e) * ((e + 1.0f) / m) / m;
}

// v = f(v)
template <int N>
__device__ void shape(int which, float number, float second, float (&v)[N]) {
#define BECOMES(result)                \
    _Pragma("unroll")                  \
    for (int j = 0; j < N; j++) {      \
        const float x = v[j];          \
        v[j] = result;                 \
    }                                  \
    break
    switch (which) {
        case RELU: BECOMES(at_least(x, 0.0f));
        case LEAKY_RELU: BECOMES(x < 0.0f ? x * number : x);
        case SIGMOID: BECOMES(logistic(x));
        case TANH: BECOMES(tanhf(x));
        case ELU: BECOMES(x > 0.0f ? x * number : second * expm1f(x));
        case SWISH: BECOMES(x * logistic(number * x));
        case GELU: BECOMES(x * normcdff(x));
        case GELU_TANH: BECOMES(x * gelu_tanh_share(x));
        case SOFTPLUS: BECOMES(softplus(number * x) / number);
        case MISH: BECOMES(mish(x));
        case HARD_TANH: BECOMES(at_most(at_least(x, -1.0f), 1.0f));
    }
#undef BECOMES
}

// v *= f', from y: the activation's result, or its argument where f' is computed from that
template <int N>
__device__ void slope(int which, float number, float second, const float (&y)[N], float (&v)[N]) {
#define TIMES(factor)                  \
    _Pragma("unroll")                  \
    for (int j = 0; j < N; j++) {      \
        const float r = y[j];          \
        v[j] *= factor;                \
    }                                  \
    break
    switch (which) {
        case RELU: TIMES(r > 0.0f ? 1.0f : 0.0f);
        case LEAKY_RELU: TIMES(r > 0.0f ? 1.0f : number);
        case SIGMOID: TIMES(r * (1.0f - r));
        case TANH: TIMES(1.0f - r * r);
        case ELU: TIMES(r > 0.0f ? number : r + second);
        case SWISH: TIMES(swish_slope(r, number));
        case GELU: TIMES(gelu_slope(r));
        case GELU_TANH: TIMES(gelu_tanh_slope(r));
        case SOFTPLUS: TIMES(-expm1f(-number * r));
        case MISH: TIMES(mish_slope(r));
        case HARD_TANH: TIMES(fabsf(r) < 1.0f ? 1.0f : 0.0f);
    }
#undef TIMES
}

// f(x; number)
__device__ inline float learned_shape(int which, float number, float x) {
    if (which == LEARNED_SWISH) return x * logistic(number * x);
    // A slope that is not finite shows everywhere.
    return (x > 0.0f ? 0.0f : x) * number + (x > 0.0f ? x : 0.0f);
}

// The derivatives of f by x and by the number.
__device__ inline void learned_slopes(int which, float number, float x, float& by_x, float& by_number) {
    if (which == LEARNED_SWISH) {
        const float s = logistic(number * x), t = (1.0f - s) * s * x;
        by_x = t * number + s;
        by_number = t * x;
        return;
    }
    const float positive = x > 0.0f ? 1.0f : 0.0f;
    by_x = (1.0f - positive) * number + positive;
    by_number = x > 0.0f ? 0.0f : x;
}
