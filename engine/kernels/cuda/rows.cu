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
    for (int k = 0; k < K; k++) {
        if (k * lanes >= columns) break;  // all rows are as long
        sum += v[k] = expf(v[k] - most);
    }
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

// Some scores of a row, as `score` has it.
template <int N>
__device__ void scores(const float* x, unsigned column, unsigned last, float scale, float (&v)[N]) {
    load<N>(x + column, v);
#pragma unroll
    for (int j = 0; j < N; j++) v[j] = v[j] * scale + (column + j > last ? LESS_THAN_ALL : 0.0f);
}

template <int N>
__device__ void long_weights(
    const float* x, float* y, unsigned columns, unsigned last, float scale, float* room) {
    float v[N], most = LESS_THAN_ALL, sum = 0.0f;
    EACH_IN_BLOCK(i, columns / N) {
        scores<N>(x, i * N, last, scale, v);
#pragma unroll
        for (int j = 0; j < N; j++) most = Greatest::join(most, v[j]);
    }
    most = over_block<Greatest>(most, room);
    EACH_IN_BLOCK(i, columns / N) {
        scores<N>(x, i * N, last, scale, v);
#pragma unroll
        for (int j = 0; j < N; j++) sum += expf(v[j] - most);
    }
    const float factor = 1.0f / over_block<Sum>(sum, room);
    EACH_IN_BLOCK(i, columns / N) {
        scores<N>(x, i * N, last, scale, v);
#pragma unroll
        for (int j = 0; j < N; j++) v[j] = expf(v[j] - most) * factor;
        store<N>(y + i * N, v);
    }
}

// A block for each row, of any length. The second and third time its numbers come from a cache.
extern "C" __global__ void __launch_bounds__(1024) weights_long(
    const float* x, float* y, int columns, int queries, float scale) {
    __shared__ float room[WARP];
    const unsigned last = last_column(blockIdx.x, queries, columns);
    x += (size_t)blockIdx.x * columns, y += (size_t)blockIdx.x * columns;
    if (columns % 4) long_weights<1>(x, y, columns, last, scale, room);
    else long_weights<4>(x, y, columns, last, scale, room);
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

template <int N>
__device__ void long_weights_gradient(
    const float* y, const float* dy, float* dx, unsigned columns, float scale, float* room) {
    float v[N], d[N], sum = 0.0f;
    EACH_IN_BLOCK(i, columns / N) {
        load<N>(y + i * N, v);
        load<N>(dy + i * N, d);
#pragma unroll
        for (int j = 0; j < N; j++) sum += v[j] * d[j];
    }
    sum = over_block<Sum>(sum, room);
    EACH_IN_BLOCK(i, columns / N) {
        load<N>(y + i * N, v);
        load<N>(dy + i * N, d);
#pragma unroll
        for (int j = 0; j < N; j++) v[j] *= (d[j] - sum) * scale;
        store<N>(dx + i * N, v);
    }
}

extern "C" __global__ void __launch_bounds__(1024) weights_gradient_long(
    const float* y, const float* dy, float* dx, int columns, float scale) {
    __shared__ float room[WARP];
    y += (size_t)blockIdx.x * columns, dy += (size_t)blockIdx.x * columns, dx += (size_t)blockIdx.x * columns;
    if (columns % 4) long_weights_gradient<1>(y, dy, dx, columns, scale, room);
    else long_weights_gradient<4>(y, dy, dx, columns, scale, room);
}

// Elements i to i + N of the largest of pieces; `units` is a multiple of N.
template <int N>
__device__ void largest(const float* x, float* y, unsigned i, unsigned units, int pieces) {
    x += i / units * units * (size_t)pieces + i % units;
    float most[N], v[N];
    load<N>(x, most);
    for (int piece = 1; piece < pieces; piece++) {
        load<N>(x + (size_t)piece * units, v);
#pragma unroll
        for (int j = 0; j < N; j++) most[j] = Greatest::join(most[j], v[j]);
    }
    store<N>(y + i, most);
}

// y (n / units, units) = the largest of x's (n / units, pieces, units) pieces.
extern "C" __global__ void __launch_bounds__(256) maxout(const float* x, float* y, int n, int units, int pieces) {
    if (units % 4) {
        EACH(i, n) largest<1>(x, y, i, units, pieces);
    } else {
        EACH(i, n / 4) largest<4>(x, y, 4 * i, units, pieces);
    }
}

template <int N>
__device__ void to_largest(
    const float* x, const float* y, const float* dy, float* dx, unsigned i, unsigned units, int pieces) {
    const size_t first = i / units * units * (size_t)pieces + i % units;
    float most[N], d[N], v[N];
    bool taken[N] = {};
    load<N>(y + i, most);
    load<N>(dy + i, d);
    for (int piece = 0; piece < pieces; piece++) {
        load<N>(x + first + (size_t)piece * units, v);
#pragma unroll
        for (int j = 0; j < N; j++) {
            const bool wins = !taken[j] && v[j] == most[j];
            taken[j] = taken[j] || wins;
            v[j] = d[j] * (wins ? 1.0f : 0.0f);
        }
        store<N>(dx + first + (size_t)piece * units, v);
    }
}

// dx = dy where the piece was the largest, of equal ones the first; y is maxout's result, n numbers.
extern "C" __global__ void __launch_bounds__(256) maxout_gradient(
    const float* x, const float* y, const float* dy, float* dx, int n, int units, int pieces) {
    if (units % 4) {
        EACH(i, n) to_largest<1>(x, y, dy, dx, i, units, pieces);
    } else {
        EACH(i, n / 4) to_largest<4>(x, y, dy, dx, 4 * i, units, pieces);
    }
}
