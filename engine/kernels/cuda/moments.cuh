// Matrices by columns, and their moments. A block takes some columns of some rows.
//
// Of its threads 2^shift lie side by side, each of them N columns wide, and the others below one another. Sums over rows
// are taken by each thread, then over the lanes of a warp, then over the warps of a block, then over blocks.

#pragma once
#include "common.cuh"

#define COLUMN_THREADS 256

template <int N>
struct Place {
    unsigned column, row, step;  // the first of the thread's columns, its first row, and how far the next one is
    bool inside;

    // `block` counts blocks from the left.
    __device__ Place(unsigned columns, unsigned shift, unsigned block) {
        const unsigned across = 1u << shift;
        column = (block * across + (threadIdx.x & (across - 1))) * N;
        row = threadIdx.x >> shift;
        step = COLUMN_THREADS >> shift;
        inside = column < columns;
    }
};

// v = its sum (or How else) over all threads that have the same columns, in each of them. `room` has COLUMN_THREADS x N places and may
// be used again at once; 2^shift is at most a warp.
template <int N, typename How = Sum>
__device__ void over_rows(float (&v)[N], float* room, unsigned shift) {
    const unsigned across = 1u << shift, warps = COLUMN_THREADS / WARP;
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
    for (int j = 0; j < N; j++)
        for (unsigned step = WARP / 2; step >= across; step /= 2) v[j] = How::join(v[j], __shfl_xor_sync(FULL, v[j], step));
    if (lane < across) {
#pragma unroll
        for (int j = 0; j < N; j++) room[(warp * N + j) * WARP + lane] = v[j];
    }
    __syncthreads();
#pragma unroll
    for (int j = 0; j < N; j++) {
        const float* const at = room + j * WARP + (lane & (across - 1));
        v[j] = at[0];
        for (unsigned w = 1; w < warps; w++) v[j] = How::join(v[j], at[w * N * WARP]);
    }
    __syncthreads();
}

// Sums of some numbers and of their squared distances from their own mean, for each of N columns. Squares are only taken
// of distances from a mean, so that nothing cancels; parts are joined as in Chan, Golub and LeVeque 1983, "Algorithms
// for computing the sample variance".
template <int N>
struct Moments {
    float count, sum[N], squares[N];

    __device__ Moments() : count(0.0f) {
#pragma unroll
        for (int j = 0; j < N; j++) sum[j] = squares[j] = 0.0f;
    }

    // Take in the rows from `row` up to `stop`, `step` apart; x is at the first of the columns, rows are `length` long.
    __device__ void add(const float* x, unsigned length, unsigned row, unsigned stop, unsigned step) {
        const int AT_ONCE = N == 4 ? 4 : 8;
        for (; row < stop; row += AT_ONCE * step) {
            float v[AT_ONCE][N];
            const unsigned rest = (stop - row + step - 1) / step;
            const int many = rest < AT_ONCE ? rest : AT_ONCE;
#pragma unroll
            for (int u = 0; u < AT_ONCE; u++)
                if (u < many) load<N>(x + (row + u * step) * length, v[u]);
            const float share = 1.0f / many, before = count > 0.0f ? 1.0f / count : 0.0f;
            const float weight = count * many / (count + many);
#pragma unroll
            for (int j = 0; j < N; j++) {
                float total = 0.0f, distances = 0.0f;
#pragma unroll
                for (int u = 0; u < AT_ONCE; u++)
                    if (u < many) total += v[u][j];
                const float mean = total * share;
#pragma unroll
                for (int u = 0; u < AT_ONCE; u++)
                    if (u < many) distances += (v[u][j] - mean) * (v[u][j] - mean);
                if (count > 0.0f) {
                    const float apart = mean - sum[j] * before;
                    distances += apart * apart * weight;
                }
                sum[j] += total;
                squares[j] += distances;
            }
            count += many;
        }
    }

    // What belongs to numbers with a mean of their own now belongs to their distances from `mean`.
    __device__ void move_to(const float (&mean)[N]) {
        if (count > 0.0f) {
#pragma unroll
            for (int j = 0; j < N; j++) {
                const float apart = sum[j] / count - mean[j];
                squares[j] += count * apart * apart;
            }
        }
    }
};

// The moments of all the block's rows, in each thread; total = their number.
template <int N>
__device__ void join_block(Moments<N>& moments, float total, float (&mean)[N], float* room, unsigned shift) {
    float sum[N];
#pragma unroll
    for (int j = 0; j < N; j++) sum[j] = moments.sum[j];
    over_rows<N>(sum, room, shift);
#pragma unroll
    for (int j = 0; j < N; j++) mean[j] = sum[j] / total;
    moments.move_to(mean);
    over_rows<N>(moments.squares, room, shift);
#pragma unroll
    for (int j = 0; j < N; j++) moments.sum[j] = sum[j];
}

// products += sums over rows of dy (x - center) each, total += those of dy
template <int N>
__device__ void sum_products(
    const float* x, const float* dy, unsigned columns, unsigned row, unsigned stop, unsigned step,
    const float (&center)[N], const float (&each)[N], float (&products)[N], float (&total)[N]) {
    const int AT_ONCE = N == 4 ? 2 : 4;
    for (; row < stop; row += AT_ONCE * step) {
        float v[AT_ONCE][N], g[AT_ONCE][N];
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++)
            if (row + u * step < stop) {
                load<N>(x + (row + u * step) * columns, v[u]);
                load<N>(dy + (row + u * step) * columns, g[u]);
            }
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++)
            if (row + u * step < stop) {
#pragma unroll
                for (int j = 0; j < N; j++) {
                    total[j] += g[u][j];
                    products[j] += g[u][j] * ((v[u][j] - center[j]) * each[j]);
                }
            }
    }
}

// products, total = the sums of `count` parts each, (count, columns); the second ones lie `apart` behind the first.
template <int N>
__device__ void join_parts(
    const Place<N>& place, const float* parts, unsigned count, unsigned columns, unsigned apart,
    float (&products)[N], float (&total)[N], float* room, unsigned shift) {
#pragma unroll
    for (int j = 0; j < N; j++) products[j] = total[j] = 0.0f;
    if (place.inside) {
        for (unsigned i = place.row; i < count; i += place.step) {
            float one[N], other[N];
            load<N>(parts + i * columns + place.column, one);
            load<N>(parts + apart + i * columns + place.column, other);
#pragma unroll
            for (int j = 0; j < N; j++) products[j] += one[j], total[j] += other[j];
        }
    }
    over_rows<N>(products, room, shift);
    over_rows<N>(total, room, shift);
}

template <int N>
__device__ void load_or(const float* at, float otherwise, float (&v)[N]) {
    if (at) {
        load<N>(at, v);
        return;
    }
#pragma unroll
    for (int j = 0; j < N; j++) v[j] = otherwise;
}

// v = 1 / sqrt(v + epsilon)
template <int N>
__device__ void deviations(float (&v)[N], float epsilon) {
#pragma unroll
    for (int j = 0; j < N; j++) v[j] = 1.0f / sqrtf(v[j] + epsilon);
}
