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
};

// Flags of a mask: what is kept is multiplied by 1, not 1 / (1 - rate); 1 - rate is given, not the rate.
#define PLAIN 1
#define SURVIVAL 2

struct Stage {
    int code;
    int shape;  // of SHAPE, SLOPE, LEARNED; of LEARNED also ONE_FOR_ALL is added
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

__device__ inline unsigned next_column(unsigned column, unsigned columns) {
    return column + 1 == columns ? 0 : column + 1;
}

template <int N>
__device__ void stage_on(const Stage& s, unsigned columns, float (&v)[N], unsigned index) {
    float w[N];
    switch (s.code) {
        case KEEP:
            store<N>(s.other + index, v);
            return;
        case ADD_BIAS: {
            unsigned column = index % columns;
            if (N == 4 && columns % 4 == 0) {
                load<N>(s.other + column, w);
#pragma unroll
                for (int j = 0; j < N; j++) v[j] += w[j];
                return;
            }
#pragma unroll
            for (int j = 0; j < N; j++) {
                v[j] += s.other[column];
                column = next_column(column, columns);
            }
            return;
        }
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
        case LEARNED: {
            const int which = s.shape & ~ONE_FOR_ALL;
            unsigned column = s.shape & ONE_FOR_ALL ? 0 : index % columns;
#pragma unroll
            for (int j = 0; j < N; j++) {
                v[j] = learned_shape(which, s.extra[column], v[j]);
                if (!(s.shape & ONE_FOR_ALL)) column = next_column(column, columns);
            }
            return;
        }
    }
}

// Runs the stages on N numbers that lie behind one another, the first at `index`.
template <int N>
__device__ void apply(const Stages& stages, float (&v)[N], unsigned index) {
    // One after the other: unrolled, the code would be four times as long, and be loaded by each of a network's kernels.
#pragma unroll 1
    for (int i = 0; i < stages.count; i++) stage_on<N>(stages.stage[i], stages.columns, v, index);
}
