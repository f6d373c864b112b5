// What is counted and summed up over the elements of an array, by a thread, a block, and blocks that wait for nobody.

#pragma once
#include "common.cuh"

// A quarter of the greatest number: from there on an element counts as not finite. Four that are below can be added.
#define BEYOND 0x1.fffffep125f

__device__ inline float infinity() { return __int_as_float(0x7f800000); }

__device__ inline float not_a_number() { return __int_as_float(0x7fffffff); }

// Some elements: how many are finite, their sum and extremes, and how many are zero or saturated.
struct Known {
    double sum;
    float least, greatest;
    unsigned finite, zeros, saturated;
};

__device__ inline Known nothing() { return {0.0, infinity(), -infinity(), 0, 0, 0}; }

__device__ inline Known joined(Known a, Known b) {
    return {a.sum + b.sum, fminf(a.least, b.least), fmaxf(a.greatest, b.greatest),
            a.finite + b.finite, a.zeros + b.zeros, a.saturated + b.saturated};
}

// Deviations from a mean that is rounded, which add up to what it lacks, and their squares.
struct Spread {
    double squares, rest;
};

__device__ inline Spread joined(Spread a, Spread b) { return {a.squares + b.squares, a.rest + b.rest}; }

// Squared deviations from the mean of `finite` elements that is not rounded.
__device__ inline float squares_of(Spread s, float finite) {
    const bool exact = s.squares < infinity() && finite > 0.0f;
    return (float)(exact ? fmax(s.squares - s.rest * s.rest / finite, 0.0) : s.squares);
}

__device__ inline bool is_finite(float x) { return fabsf(x) < BEYOND; }

template <int N>
__device__ double total(const float (&v)[N]) {
    if constexpr (N == 4) return (v[0] + v[1]) + (v[2] + v[3]);
    else return v[0];
}

// Adds N elements. Up to `low` and from `high` on they are saturated.
template <int N>
__device__ void count_in(const float (&v)[N], float low, float high, Known& k) {
    float kept[N];
#pragma unroll
    for (int j = 0; j < N; j++) {
        const bool finite = is_finite(v[j]);
        kept[j] = finite ? v[j] : 0.0f;
        k.least = fminf(k.least, finite ? v[j] : infinity());
        k.greatest = fmaxf(k.greatest, finite ? v[j] : -infinity());
        k.finite += finite;
        k.zeros += v[j] == 0.0f;
        k.saturated += (finite && v[j] <= low) + (finite && v[j] >= high);
    }
    k.sum += total(kept);
}

template <int N>
__device__ void spread_in(const float (&v)[N], float mean, Spread& s) {
    float apart[N], squared[N];
#pragma unroll
    for (int j = 0; j < N; j++) {
        apart[j] = is_finite(v[j]) ? v[j] - mean : 0.0f;
        squared[j] = apart[j] * apart[j];
    }
    s.squares += total(squared);
    s.rest += total(apart);
}

// -- over a block ------------------------------------------------------------------------------------------------------

__device__ inline Known over_lanes(Known k) {
    return {over_warp<Sum>(k.sum), over_warp<Least>(k.least), over_warp<Greatest>(k.greatest),
            over_warp<Sum>(k.finite), over_warp<Sum>(k.zeros), over_warp<Sum>(k.saturated)};
}

__device__ inline Spread over_lanes(Spread s) { return {over_warp<Sum>(s.squares), over_warp<Sum>(s.rest)}; }

// What all threads of the block know, in every thread; `room` has a place for each warp and may be used again at once.
template <typename T>
__device__ T over_all(T known, T* room) {
    known = over_lanes(known);
    if (threadIdx.x % WARP == 0) room[threadIdx.x / WARP] = known;
    __syncthreads();
    known = room[0];
#pragma unroll 1
    for (unsigned warp = 1; warp < blockDim.x / WARP; warp++) known = joined(known, room[warp]);
    __syncthreads();
    return known;
}

// What all warps of the block know of their lane's column, in the lanes of the first warp; the columns of a unit, which
// are `units` apart, are joined as well where there is more than one. `room` has a place for each thread and may be
// used again at once.
template <typename T>
__device__ T over_columns(T known, T* room, unsigned units) {
    const unsigned lane = threadIdx.x % WARP;
    room[threadIdx.x] = known;
    __syncthreads();
    if (threadIdx.x < WARP) {
#pragma unroll 1
        for (unsigned at = lane + WARP; at < blockDim.x; at += WARP) known = joined(known, room[at]);
        room[lane] = known;
        __syncwarp();
        if (lane < units)
            for (unsigned at = lane + units; at < WARP; at += units) known = joined(known, room[at]);
    }
    __syncthreads();
    return known;
}

// -- partial results in memory: of `count` each ------------------------------------------------------------------------

struct Parts {
    volatile double* sums;  // (2, count)
    volatile float* extremes;  // (2, count)
    volatile unsigned* numbers;  // (3, count)
    unsigned count;
};

__device__ inline void put(const Parts& parts, unsigned at, const Known& k) {
    parts.sums[at] = k.sum;
    parts.extremes[at] = k.least, parts.extremes[parts.count + at] = k.greatest;
    parts.numbers[at] = k.finite, parts.numbers[parts.count + at] = k.zeros;
    parts.numbers[2 * parts.count + at] = k.saturated;
}

__device__ inline void put(const Parts& parts, unsigned at, const Spread& s) {
    parts.sums[at] = s.squares, parts.sums[parts.count + at] = s.rest;
}

__device__ inline void get(const Parts& parts, unsigned at, Known& k) {
    k = {parts.sums[at], parts.extremes[at], parts.extremes[parts.count + at], parts.numbers[at],
         parts.numbers[parts.count + at], parts.numbers[2 * parts.count + at]};
}

__device__ inline void get(const Parts& parts, unsigned at, Spread& s) {
    s = {parts.sums[at], parts.sums[parts.count + at]};
}
