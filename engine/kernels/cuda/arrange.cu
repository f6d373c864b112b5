// Moving numbers without computing: pieces of arrays, frames of zeros, other orders of axes, arrays side by side.

#include "common.cuh"

// How an array y is filled from x, axis by axis, the innermost first. `wide` is 1 where four numbers at a time are one
// unit of all that follows, in x and in y.
struct Places {
    int axes, wide;
    int length[8];  // of y
    int begin[8];  // where x begins in y; less than 0 where y is a piece of x
    int inside[8];  // length of x
    int step[8];  // how far x's elements lie apart along the axis
};

static_assert(sizeof(Places) == 136, "as in arrange.py");

template <int N>
__device__ void rearranged(const float* x, float* y, unsigned i, const Places& p) {
    unsigned rest = i;
    int at = 0;
    bool here = true;
#pragma unroll
    for (int axis = 0; axis < 8; axis++) {
        if (axis >= p.axes) break;
        const unsigned outer = axis + 1 < p.axes ? rest / p.length[axis] : 0;
        const int place = (int)(rest - outer * p.length[axis]) - p.begin[axis];
        here = here && (unsigned)place < (unsigned)p.inside[axis];
        at += place * p.step[axis];
        rest = outer;
    }
    float v[N] = {};
    if (here) load<N>(x + (size_t)at * N, v);
    store<N>(y + (size_t)i * N, v);
}

// y from x as `places` say, n units; zeros where x has nothing.
extern "C" __global__ void __launch_bounds__(256) rearrange(
    const float* x, float* y, int n, const __grid_constant__ Places places) {
    EACH(i, n) {
        if (places.wide) rearranged<4>(x, y, i, places);
        else rearranged<1>(x, y, i, places);
    }
}

// y (matrices, columns, rows) = x (matrices, rows, columns) transposed. A block for each tile of 32 x 32, which is read
// and written along rows.
extern "C" __global__ void __launch_bounds__(256) transpose(const float* x, float* y, int rows, int columns) {
    __shared__ float tile[32][33];
    const unsigned across = (columns + 31) / 32, down = (rows + 31) / 32;
    const unsigned column = blockIdx.x % across * 32, row = blockIdx.x / across % down * 32;
    const size_t matrix = (size_t)(blockIdx.x / (across * down)) * rows * columns;
    const unsigned lane = threadIdx.x % 32, first = threadIdx.x / 32;
#pragma unroll
    for (unsigned i = first; i < 32; i += 8)
        if (row + i < (unsigned)rows && column + lane < (unsigned)columns)
            tile[i][lane] = x[matrix + (size_t)(row + i) * columns + column + lane];
    __syncthreads();
#pragma unroll
    for (unsigned i = first; i < 32; i += 8)
        if (column + i < (unsigned)columns && row + lane < (unsigned)rows)
            y[matrix + (size_t)(column + i) * rows + row + lane] = tile[lane][i];
}

template <int N>
__device__ void from_part(
    const float* const* parts, const int* starts, int count, float* y, unsigned i, unsigned columns) {
    const unsigned row = i / columns;
    const int column = i - row * columns;
    int part = 0;
    while (part + 1 < count && column >= starts[part + 1]) part++;
    const size_t width = starts[part + 1] - starts[part];
    float v[N];
    load<N>(parts[part] + (row * width + column - starts[part]) * N, v);
    store<N>(y + (size_t)i * N, v);
}

// y (rows, columns) = `count` arrays side by side, of which the i-th fills the columns from starts[i] on; n units, of
// four numbers each where `wide`.
extern "C" __global__ void __launch_bounds__(256) concatenate(
    const float* const* parts, const int* starts, int count, float* y, int n, int columns, int wide) {
    EACH(i, n) {
        if (wide) from_part<4>(parts, starts, count, y, i, columns);
        else from_part<1>(parts, starts, count, y, i, columns);
    }
}
