// Many arrays in one launch: each block has a piece of one of them, as tables say that were made once (segments.py).

#pragma once
#include "common.cuh"

// What a block works on: `count` elements from `first` on of the array `array`, which belongs to the segment `segment`.
struct Piece {
    int segment, array;
    unsigned first, count;
};

__device__ inline Piece piece_of_block(const int* pieces) {
    const int4 all = reinterpret_cast<const int4*>(pieces)[blockIdx.x];
    return {all.x, all.y, (unsigned)all.z, (unsigned)all.w};
}

// Of a segment: its pieces, which are those of neighbouring blocks, and what is particular to it.
struct Segment {
    unsigned index, begin, pieces;
    int flags, extra;
};

__device__ inline Segment segment_at(const int* segments, int index) {
    const int4 all = reinterpret_cast<const int4*>(segments)[index];
    return {(unsigned)index, (unsigned)all.x, (unsigned)all.y, all.z, all.w};
}

// All elements of a piece, four at a time, and what is left over one by one: body(width, i) takes decltype(width)::N from
// the i-th on.
struct Four {
    static const int N = 4;
};

struct One {
    static const int N = 1;
};

template <typename Body>
__device__ void each_in_piece(unsigned count, const Body& body) {
    EACH_IN_BLOCK(i, count / 4) body(Four(), 4 * i);
    EACH_IN_BLOCK(i, count % 4) body(One(), count / 4 * 4 + i);
}

// The sums over a segment of what its blocks bring: in the last block of the segment to come here, and nowhere else, they
// take the place of `sums`. `partials` has N places for each piece, `finished` one for each segment, and is 0 between
// launches.
template <int N>
__device__ bool sums_of_segment(
    float (&sums)[N], const Segment& segment, float* partials, unsigned* finished, float* room, unsigned* turn) {
#pragma unroll
    for (int k = 0; k < N; k++) {
        const float mine = over_block<Sum>(sums[k], room);
        if (threadIdx.x == 0) partials[blockIdx.x * N + k] = mine;
    }
    if (!is_last(finished + segment.index, segment.pieces, turn)) return false;
    const volatile float* all = partials + segment.begin * N;
#pragma unroll
    for (int k = 0; k < N; k++) {
        float own = 0.0f;
        EACH_IN_BLOCK(i, segment.pieces) own += all[i * N + k];
        sums[k] = over_block<Sum>(own, room);
    }
    return true;
}
