// Sums down the columns of a matrix. A block takes `width` neighbouring columns of `height` rows; as many rows as fit
// are taken at once, each thread adds up every so-manieth of them, and what the threads of a column have is added up as
// a tree. Where further blocks take further rows, each leaves its sums in a row of `partials`, and the last of them to come
// adds these up, in their order.

#include "common.cuh"
#include "activations.cuh"

#define MOST 512
#define AT_ONCE 8  // loads under way

// The sum of all threads' values that belong to one column, in the thread of `part` 0. Thread `part` width + its column
// has one, of `parts`.
__device__ inline float over_parts(float value, float* room, int width, int part, int parts) {
    room[threadIdx.x] = value;
    __syncthreads();
    while (parts > 1) {
        const int half = (parts + 1) / 2;
        if (part + half < parts) room[threadIdx.x] += room[threadIdx.x + half * width];
        __syncthreads();
        parts = half;
    }
    return room[threadIdx.x];
}

// y (columns) = what the blocks that take the same columns bring, each in the thread of `part` 0. `partials` has a place
// for each column and block, `finished` one for each stripe of columns.
__device__ inline void add_up(
    float sum, float* y, float* partials, unsigned* finished, unsigned columns, int width, int part, int parts,
    unsigned column, float* room, unsigned* turn) {
    const bool here = part < parts && column < columns;
    sum = over_parts(sum, room, width, part, parts);
    if (gridDim.y > 1) {
        if (part == 0 && here) partials[blockIdx.y * columns + column] = sum;
        if (!is_last(finished + blockIdx.x, gridDim.y, turn)) return;
        const volatile float* all = partials;
        sum = 0.0f;
        if (here) {
#pragma unroll AT_ONCE
            for (unsigned row = part; row < gridDim.y; row += parts) sum += all[row * columns + column];
        }
        sum = over_parts(sum, room, width, part, parts);
    }
    if (part == 0 && here) y[column] = sum;
}

// y (columns) = the sums of x (rows, columns) over its rows. Blocks: across, down.
extern "C" __global__ void __launch_bounds__(512) column_sums(
    const float* x, float* y, float* partials, unsigned* finished, int rows, int columns, int width, int height) {
    __shared__ float room[MOST];
    __shared__ unsigned turn;
    const int parts = blockDim.x / width, part = threadIdx.x / width;
    const unsigned column = blockIdx.x * width + threadIdx.x % width;
    const unsigned first = blockIdx.y * height, last = min((unsigned)rows, first + height);
    float sum = 0.0f;
    if (part < parts && column < columns) {
        const float* at = x + (size_t)(first + part) * columns + column;
        const size_t step = (size_t)parts * columns;
        for (unsigned row = first + part; row < last; row += AT_ONCE * parts, at += AT_ONCE * step) {
            float v[AT_ONCE];
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++) v[j] = row + j * parts < last ? at[j * step] : 0.0f;
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++) sum += v[j];
        }
    }
    add_up(sum, y, partials, finished, columns, width, part, parts, column, room, &turn);
}

// Of an activation with learned numbers, one for each column: dx = dy f'(x), and the sums as above of dy times f's
// derivative by the number. dx may be dy. One number for all is a matrix of one column.
extern "C" __global__ void __launch_bounds__(512) learned_gradient(
    int which, const float* x, const float* numbers, const float* dy, float* dx, float* dnumbers, float* partials,
    unsigned* finished, int rows, int columns, int width, int height) {
    __shared__ float room[MOST];
    __shared__ unsigned turn;
    const int parts = blockDim.x / width, part = threadIdx.x / width;
    const unsigned column = blockIdx.x * width + threadIdx.x % width;
    const unsigned first = blockIdx.y * height, last = min((unsigned)rows, first + height);
    float sum = 0.0f;
    if (part < parts && column < columns) {
        const float number = numbers[column];
        size_t at = (size_t)(first + part) * columns + column;
        const size_t step = (size_t)parts * columns;
        for (unsigned row = first + part; row < last; row += 4 * parts, at += 4 * step) {
            float v[4], d[4];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const bool inside = row + j * parts < last;
                v[j] = inside ? x[at + j * step] : 0.0f;
                d[j] = inside ? dy[at + j * step] : 0.0f;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                if (row + j * parts >= last) break;
                float by_x, by_number;
                learned_slopes(which, number, v[j], by_x, by_number);
                dx[at + j * step] = d[j] * by_x;
                sum += d[j] * by_number;
            }
        }
    }
    add_up(sum, dnumbers, partials, finished, columns, width, part, parts, column, room, &turn);
}
