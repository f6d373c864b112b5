// What treats each row of a matrix by itself: softmax, the weights of attention, maxout.

#include "common.cuh"

#define LESS_THAN_ALL __int_as_float(0xff800000)  // minus infinity

// A score, scaled. Behind `last` there is minus infinity added, so that the weight is zero.
__device__ inline float score(const float* x, unsigned column, unsigned last, float scale) {
    return x[column] * scale + (column > last ? LESS_THAN_ALL : 0.0f);
}

// The last column of a row that may have a weight: of the matrices' `queries` rows the i-th has up to the i-th. All of
// them where `queries` is 0.
__device__ inline unsigned last_column(unsigned row, int queries, int columns) {
    return queries ? row % queries : columns;
}

// Rows of up to lanes K numbers, each with some lanes of a warp, which read it once.
template <int K>
__device__ void short_weights(
    const float* x, float* y, int rows, int columns, int queries, int lanes, float scale) {
    const unsigned row = blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes, lane = threadIdx.x % lanes;
    const bool inside = row < (unsigned)rows;
    const unsigned last = last_column(row, queries, columns);
    x += (size_t)row * columns, y += (size_t)row * columns;
    float v[K], most = LESS_THAN_ALL, sum = 0.0f;
#pragma unroll
    for (int k = 0; k < K; k++) {
        const unsigned column = lane + k * lanes;
        v[k] = inside && column < (unsigned)columns ? score(x, column, last, scale) : LESS_THAN_ALL;
        most = Greatest::join(most, v[k]);
    }
    most = over_lanes<Greatest>(most, lanes);
#pragma unroll
    for (int k = 0; k < K; k++) sum += v[k] = expf(v[k] - most);
    const float factor = 1.0f / over_lanes<Sum>(sum, lanes);
#pragma unroll
    for (int k = 0; k < K; k++) {
        const unsigned column = lane + k * lanes;
        if (inside && column < (unsigned)columns) y[column] = v[k] * factor;
    }
}

template <int K>
__device__ void short_weights_gradient(
    const float* y, const float* dy, float* dx, int rows, int columns, int lanes, float scale) {
    const unsigned row = blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes, lane = threadIdx.x % lanes;
    const bool inside = row < (unsigned)rows;
    y += (size_t)row * columns, dy += (size_t)row * columns, dx += (size_t)row * columns;
    float v[K], d[K], sum = 0.0f;
#pragma unroll
    for (int k = 0; k < K; k++) {
        const unsigned column = lane + k * lanes;
        const bool here = inside && column < (unsigned)columns;
        v[k] = here ? y[column] : 0.0f;
        d[k] = here ? dy[column] : 0.0f;
        sum += v[k] * d[k];
    }
    sum = over_lanes<Sum>(sum, lanes);
#pragma unroll
    for (int k = 0; k < K; k++) {
        const unsigned column = lane + k * lanes;
        if (inside && column < (unsigned)columns) dx[column] = (d[k] - sum) * v[k] * scale;
    }
}

// y = softmax of scale x over the columns of x (rows, columns); y may be x. Columns: up to 4 lanes.
extern "C" __global__ void __launch_bounds__(256) weights_4(
    const float* x, float* y, int rows, int columns, int queries, int lanes, float scale) {
    short_weights<4>(x, y, rows, columns, queries, lanes, scale);
}

// Columns: up to 16 lanes.
extern "C" __global__ void __launch_bounds__(256) weights_16(
    const float* x, float* y, int rows, int columns, int queries, int lanes, float scale) {
    short_weights<16>(x, y, rows, columns, queries, lanes, scale);
}

// A block for each row, of any length. The second and third time its numbers come from a cache.
extern "C" __global__ void __launch_bounds__(1024) weights_long(
    const float* x, float* y, int columns, int queries, float scale) {
    __shared__ float room[WARP];
    const unsigned last = last_column(blockIdx.x, queries, columns);
    x += (size_t)blockIdx.x * columns, y += (size_t)blockIdx.x * columns;
    float most = LESS_THAN_ALL, sum = 0.0f;
    EACH_IN_BLOCK(j, columns) most = Greatest::join(most, score(x, j, last, scale));
    most = over_block<Greatest>(most, room);
    EACH_IN_BLOCK(j, columns) sum += expf(score(x, j, last, scale) - most);
    const float factor = 1.0f / over_block<Sum>(sum, room);
    EACH_IN_BLOCK(j, columns) y[j] = expf(score(x, j, last, scale) - most) * factor;
}

// dx = scale y (dy - the sum of y dy over the columns); dx may be dy. Columns as above.
extern "C" __global__ void __launch_bounds__(256) weights_gradient_4(
    const float* y, const float* dy, float* dx, int rows, int columns, int lanes, float scale) {
    short_weights_gradient<4>(y, dy, dx, rows, columns, lanes, scale);
}

extern "C" __global__ void __launch_bounds__(256) weights_gradient_16(
    const float* y, const float* dy, float* dx, int rows, int columns, int lanes, float scale) {
    short_weights_gradient<16>(y, dy, dx, rows, columns, lanes, scale);
}

extern "C" __global__ void __launch_bounds__(1024) weights_gradient_long(
    const float* y, const float* dy, float* dx, int columns, float scale) {
    __shared__ float room[WARP];
    y += (size_t)blockIdx.x * columns, dy += (size_t)blockIdx.x * columns, dx += (size_t)blockIdx.x * columns;
    float sum = 0.0f;
    EACH_IN_BLOCK(j, columns) sum += y[j] * dy[j];
    sum = over_block<Sum>(sum, room);
    EACH_IN_BLOCK(j, columns) dx[j] = (dy[j] - sum) * y[j] * scale;
}

// y (n / units, units) = the largest of x's (n / units, pieces, units) pieces.
extern "C" __global__ void __launch_bounds__(256) maxout(const float* x, float* y, int n, int units, int pieces) {
    EACH(i, n) {
        const float* at = x + i / units * units * (size_t)pieces + i % units;
        float most = *at;
        for (int piece = 1; piece < pieces; piece++) most = Greatest::join(most, at[(size_t)piece * units]);
        y[i] = most;
    }
}

// dx = dy where the piece was the largest, of equal ones the first; y is maxout's result.
extern "C" __global__ void __launch_bounds__(256) maxout_gradient(
    const float* x, const float* y, const float* dy, float* dx, int n, int units, int pieces) {
    EACH(i, n) {
        const size_t first = i / units * units * (size_t)pieces + i % units;
        const float most = y[i], d = dy[i];
        bool free = true;
        for (int piece = 0; piece < pieces; piece++) {
            const size_t at = first + (size_t)piece * units;
            const bool wins = free && x[at] == most;
            dx[at] = d * (wins ? 1.0f : 0.0f);
            free = free && !wins;
        }
    }
}
