// What stands beside the optimizer's rule: see engine/ops/beside.py. All of it works in place, on many arrays at once, and
// does nothing once a loss was not finite: then `halt` is not 0.

#include "segments.cuh"

enum What { CLIP_VALUE, SOFT_THRESHOLD, AVERAGE, ACCUMULATE, ADD_ACCUMULATED };

// x brought into [-limit, limit]; what is not a number stays so, of either.
__device__ inline float within(float x, float limit) {
    const float inside = x < -limit ? -limit : x > limit ? limit : x;
    return limit == limit ? inside : limit;
}

__device__ inline float changed(int what, float x, float y, float number) {
    switch (what) {
        case CLIP_VALUE: return within(x, number);
        // What is taken away is the weight itself where it lies within the threshold: exactly nothing is left.
        case SOFT_THRESHOLD: return x - within(x, number);
        case AVERAGE: return fmaf(y - x, number, x);
        case ACCUMULATE: return fmaf(y, number, x);
        default: return fmaf(x, number, y);
    }
}

template <int N>
__device__ void change(int what, float* at, const float* other, float number) {
    float x[N], y[N] = {};
    load<N>(at, x);
    if (other) load<N>(other, y);
#pragma unroll
    for (int k = 0; k < N; k++) x[k] = changed(what, x[k], y[k], number);
    store<N>(at, x);
}

// A row of `places` for each segment: what changes, the other array or 0, and the number.
extern "C" __global__ void __launch_bounds__(256) beside(
    const int* halt, float* const* places, const int* pieces, const int* segments) {
    if (*halt) return;
    const Piece piece = piece_of_block(pieces);
    const int what = segment_at(segments, piece.segment).flags;
    float* const* row = places + piece.segment * 3;
    float* at = row[0] + piece.first;
    const float *other = row[1] ? row[1] + piece.first : nullptr, number = *row[2];
    each_in_piece(piece.count, [&](auto width, unsigned i) {
        change<decltype(width)::N>(what, at + i, other ? other + i : other, number);
    });
}

// A row of `places` for each segment: weights and bound. A block takes up to 8 columns, which are 32 bytes of each row.
extern "C" __global__ void __launch_bounds__(512) max_norm(
    const int* halt, float* const* places, const int* pieces, const int* segments) {
    __shared__ float squares[512];
    if (*halt) return;
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    const unsigned rows = segment.flags, columns = segment.extra, lane = threadIdx.x / 8;
    const float bound = *places[2 * piece.segment + 1];
    float* w = places[2 * piece.segment] + piece.first + threadIdx.x % 8;
    const unsigned end = threadIdx.x % 8 < piece.count ? rows : 0;
    float sum = 0.0f;
    for (unsigned i = lane; i < end; i += blockDim.x / 8) sum = fmaf(w[i * columns], w[i * columns], sum);
    squares[threadIdx.x] = sum;
    __syncthreads();
    for (unsigned step = blockDim.x / 2; step >= 8; step /= 2) {
        if (threadIdx.x < step) squares[threadIdx.x] += squares[threadIdx.x + step];
        __syncthreads();
    }
    // Exactly 1 within the bound, so that such weights keep their bits.
    const float factor = bound / Greatest::join(sqrtf(squares[threadIdx.x % 8]), bound);
    for (unsigned i = lane; i < end; i += blockDim.x / 8) w[i * columns] *= factor;
}
