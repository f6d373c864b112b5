// Groups of channels of samples (samples, places, channels), and how threads walk them: see group_norm.cu.

#pragma once
#include "moments.cuh"
#include "windows.cuh"

struct Groups {
    int samples, places, channels, groups, of_group;  // of_group: channels of a group
    int splits, part_places;  // into how many parts places are split, and how many a part has
    int shift;  // see moments.cuh
    Divisor by_channels;
};

static_assert(sizeof(Groups) == 44, "as in group_norm.py");

// The result of all threads that share a unit: those of a warp, or of the whole block.
__device__ inline float over_team(float value, bool block, float* room) {
    return block ? over_block<Sum>(value, room) : over_warp<Sum>(value);
}

// A group of a sample, and what of it a thread takes: numbers at base + column + row length, for every `apart`-th column
// and every `step`-th row. What lies in one piece is walked as such.
template <int N>
struct Unit {
    unsigned base, channel, size;  // its first number, the channel of that, and how many there are
    unsigned column, columns, apart, length, row, rows, step;
    bool whole;

    __device__ Unit(const Groups& g, unsigned unit, unsigned thread, unsigned threads) {
        channel = unit % g.groups * g.of_group;
        base = unit / g.groups * g.places * g.channels + channel;
        size = g.places * g.of_group;
        whole = g.places == 1 || g.groups == 1;
        if (whole) {
            columns = apart = size;
            column = thread * N;
            length = threads * N;
            row = 0;
            rows = column < size ? (size - column + length - 1) / length : 0;
            step = 1;
        } else {
            columns = g.of_group;
            apart = N << g.shift;
            column = (thread & ((1u << g.shift) - 1)) * N;
            length = g.channels;
            row = thread >> g.shift;
            rows = g.places;
            step = threads >> g.shift;
        }
    }

    __device__ unsigned channel_of(const Groups& g, unsigned at) const {
        unsigned rest;
        divide(channel + at, g.by_channels, rest);
        return rest;
    }
};

#define EACH_OF_UNIT(unit, at)                                                                 \
    for (unsigned column_ = unit.column; column_ < unit.columns; column_ += unit.apart)        \
        for (unsigned row_ = unit.row, at = column_ + row_ * unit.length; row_ < unit.rows;    \
             row_ += unit.step, at = column_ + row_ * unit.length)

// Each group of a sample, by one thread or, if it has many parts, by a warp.
#define EACH_GROUP(group, lane, lanes)                                                             \
    for (unsigned lanes = g.of_group * g.splits > WARP ? WARP : 1, lane = threadIdx.x % lanes,     \
                  group = threadIdx.x / lanes;                                                     \
         group < (unsigned)g.groups; group += COLUMN_THREADS / lanes)

// Where the i-th part of a group lies in (samples x splits, channels).
__device__ inline unsigned part_at(const Groups& g, unsigned sample, unsigned group, unsigned i) {
    return (sample * g.splits + i / g.of_group) * g.channels + group * g.of_group + i % g.of_group;
}

__device__ inline float over_lanes(float value, unsigned lanes) { return lanes > 1 ? over_warp<Sum>(value) : value; }

// v = for each column of a sample what its group has
template <int N>
__device__ void load_of_groups(const float* values, const Groups& g, unsigned sample, unsigned column, float (&v)[N]) {
#pragma unroll
    for (int j = 0; j < N; j++) v[j] = values[sample * g.groups + (column + j) / g.of_group];
}
