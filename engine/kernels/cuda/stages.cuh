// Elementwise work on numbers that were just computed: how a bias, an activation, dropout, and the same backwards become
// part of the operation before them. Every kernel whose last parameter is `Stages` ends with them.
//
// The codes and this structure are declared once more in stages.py; a test holds them against each other.

#pragma once
#include "common.cuh"
#include "activations.cuh"

enum StageCode {
    KEEP = 1,  // other = v
    ADD_BIAS,  // v += other[column]
    ADD,  // v += other
    MULTIPLY,  // v *= other
    SCALE,  // v *= number
    DROPOUT,  // other: the mask to be written; extra: the rate; counters and stream; number: flags
    SHAPE,  // v = shape(v), an activation: see activations.cuh; which: `shape`
    SLOPE,  // v *= slope(other), a derivative: likewise; other: what it is computed from
    LEARNED,  // v = shape(v) with a parameter for each column, or one for all: extra
    LEARNED_SLOPE,  // v *= slope(other), likewise
};

// Flags of a mask: what is kept is multiplied by 1, not 1 / (1 - rate); 1 - rate is given, not the rate.
#define PLAIN 1
#define SURVIVAL 2

struct Stage {
    int code;
    int shape;  // of SHAPE, SLOPE, LEARNED, LEARNED_SLOPE; of LEARNED and LEARNED_SLOPE: + ONE_FOR_ALL
    float number, second;
    float* other;
    const float* extra;
    const unsigned* counters;
    unsigned stream;
    int unused;
};

struct Stages {
    int count;
    int columns;  // length of the last axis
    Stage stage[4];
};

static_assert(sizeof(Stage) == 48 && sizeof(Stages) == 200, "as in stages.py");

#define ONE_FOR_ALL 1024

__device__ inline float kept_factor(int flags, float rate) {
    return flags & PLAIN ? 1.0f : 1.0f / (1.0f - (flags & SURVIVAL ? 1.0f - rate : rate));
}

__device__ inline unsigned drop_limit(int flags, float rate) {
    return (unsigned)(4294967296.0f * (flags & SURVIVAL ? 1.0f - rate : rate));
}

template <int N>
__device__ void stage_on(const Stage& s, unsigned columns, float (&v)[N], unsigned index) {
    float w[N];
    switch (s.code) {
        case KEEP:
            store<N>(s.other + index, v);
            return;
        case ADD_BIAS:
#pragma unroll
            for (int j = 0; j < N; j++) v[j] += s.other[(index + j) % columns];
            return;
        case ADD:
            load<N>(s.other + index, w);
#pragma unroll
            for (int j = 0; j < N; j++) v[j] += w[j];
            return;
        case MULTIPLY:
            load<N>(s.other + index, w);
#pragma unroll
            for (int j = 0; j < N; j++) v[j] *= w[j];
            return;
        case SCALE:
#pragma unroll
            for (int j = 0; j < N; j++) v[j] *= s.number;
            return;
        case DROPOUT: {
            const Key key = stream_key(s.counters, s.stream);
            const float rate = *s.extra, factor = kept_factor((int)s.number, rate);
            const unsigned limit = drop_limit((int)s.number, rate);
#pragma unroll
            for (int j = 0; j < N; j++) {
                w[j] = random_bits(key, index + j) >= limit ? factor : 0.0f;
                v[j] *= w[j];
            }
            store<N>(s.other + index, w);
            return;
        }
        case SHAPE:
            shape<N>(s.shape, s.number, s.second, v);
            return;
        case SLOPE:
            load<N>(s.other + index, w);
            slope<N>(s.shape, s.number, s.second, w, v);
            return;
        case LEARNED:
        case LEARNED_SLOPE: {
            const bool one = s.shape & ONE_FOR_ALL;
            const int which = s.shape & ~ONE_FOR_ALL;
            if (s.code == LEARNED_SLOPE) load<N>(s.other + index, w);
#pragma unroll
            for (int j = 0; j < N; j++) {
                const float number = s.extra[one ? 0 : (index + j) % columns];
                v[j] = s.code == LEARNED ? learned_shape(which, number, v[j]) : v[j] * learned_slope(which, number, w[j]);
            }
            return;
        }
    }
}

// Runs the stages on N numbers that lie behind one another, the first at `index`.
template <int N>
__device__ void apply(const Stages& stages, float (&v)[N], unsigned index) {
#pragma unroll
    for (int i = 0; i < 4; i++)
        if (i < stages.count) stage_on<N>(stages.stage[i], stages.columns, v, index);
}
