// Matrix products by tiles: a block of 256 threads makes a tile of the result, a thread a small part of that in its
// registers, from pieces of the factors that lie in shared memory. While one piece is multiplied, the next is on its
// way. What a factor is, and how it is read, says the kernel: a matrix, or an image seen through a filter.
//
// y (rows, columns) = a (rows, inner) b (inner, columns), for each of some groups. Where few tiles have long sums, the
// terms are shared between blocks, which leave partial sums for `add_splits`.

#pragma once
#include "stages.cuh"

struct Gemm {
    int rows, columns, inner;
    int across;  // tiles that lie beside one another
    int splits, share;  // blocks that share the terms, and how many terms one takes
    int a_row, a_inner, a_group;  // how far apart neighbouring elements lie in memory: in a, b, and y
    int b_column, b_inner, b_group;
    int y_row, y_group;
    int size;  // of y, all groups
    int wide_a, wide_b, wide_y;  // whether four neighbours are aligned
};

static_assert(sizeof(Gemm) == 72, "as in gemm.py");

#define BESIDE 4  // floats between the rows of a piece, so that they begin in different banks

// Tiles of (ROWS, COLUMNS), from pieces DEPTH deep. Each thread makes HEIGHT rows and WIDTH columns.
template <int ROWS_, int COLUMNS_, int DEPTH_>
struct Tile {
    static const int ROWS = ROWS_, COLUMNS = COLUMNS_, DEPTH = DEPTH_;
    static const int WIDTH = COLUMNS == 128 ? 8 : 4, HEIGHT = ROWS * COLUMNS / 256 / WIDTH;
    static const int BESIDES = COLUMNS / WIDTH;  // threads beside one another
    static const int A = DEPTH * (ROWS + BESIDE), B = DEPTH * (COLUMNS + BESIDE);
    static const int ROOM = 2 * (A + B);  // floats of shared memory
};

// What a thread brings of each piece: four numbers, along the sum or across it. `outer` is a row of a, or a column of b.
struct Place {
    int outer, inner;
};

template <int OUTER, int DEPTH>
__device__ Place place(bool along) {
    const int t = threadIdx.x;
    if (along) return {t / (DEPTH / 4), t % (DEPTH / 4) * 4};
    return {t % (OUTER / 4) * 4, t / (OUTER / 4)};
}

template <int OUTER>
__device__ void keep(float* piece, const Place& at, bool along, const float (&v)[4]) {
    float* to = piece + at.inner * (OUTER + BESIDE) + at.outer;
    if (along) {
#pragma unroll
        for (int j = 0; j < 4; j++) to[j * (OUTER + BESIDE)] = v[j];
    } else {
        store4(to, v);
    }
}

// Four elements from a pointer on, of `count` that there are, and zeros in place of the others.
__device__ inline void four_of(const float* from, int count, bool wide, float (&v)[4]) {
    if (wide && count >= 4) {
        load4(from, v);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++) v[j] = j < count ? from[j] : 0.0f;
    }
}

__device__ inline unsigned group_of(const Gemm& g) { return blockIdx.z / g.splits; }

template <class T>
__device__ int first_row(const Gemm& g) {
    return blockIdx.x / g.across * T::ROWS;
}

template <class T>
__device__ int first_column(const Gemm& g) {
    return blockIdx.x % g.across * T::COLUMNS;
}

// Factors that are matrices. `at`: the thread's first element, with inner 0; `left`: outer elements from there on. What
// is the same for all threads is read where it is needed, so that no thread keeps it in registers.
struct LeftMatrix {
    const Gemm& g;
    const float* at;
    int left;

    __device__ LeftMatrix(const float* a, const Gemm& g, int row)
        : g(g), at(a + group_of(g) * g.a_group + row * g.a_row), left(g.rows - row) {}

    __device__ bool along() const { return g.a_inner == 1; }

    // The thread's four from `inner` on, and zeros in place of what lies beyond `end`.
    __device__ void fetch(int inner, int end, float (&v)[4]) const {
        const int count = along() ? (left > 0 ? end - inner : 0) : (inner < end ? left : 0);
        four_of(at + inner * g.a_inner, count, g.wide_a, v);
    }
};

struct RightMatrix {
    const Gemm& g;
    const float* at;
    int left;

    __device__ RightMatrix(const float* b, const Gemm& g, int column)
        : g(g), at(b + group_of(g) * g.b_group + column * g.b_column), left(g.columns - column) {}

    __device__ bool along() const { return g.b_inner == 1; }

    __device__ void fetch(int inner, int end, float (&v)[4]) const {
        const int count = along() ? (left > 0 ? end - inner : 0) : (inner < end ? left : 0);
        four_of(at + inner * g.b_inner, count, g.wide_b, v);
    }
};

// Row `i` of those that a thread makes, or column, of `count` in all, in groups of four that lie `span` apart.
template <int COUNT, int SPAN>
__device__ int element(int i, int thread) {
    if (COUNT < 4) return thread * COUNT + i;
    return i / 4 * (SPAN * 4 / COUNT) + thread * 4 + i % 4;
}

// The fragment of a piece that a thread multiplies.
template <int COUNT, int SPAN>
__device__ void fragment(const float* row, int thread, float (&v)[COUNT]) {
    if constexpr (COUNT < 4) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) v[i] = row[thread * COUNT + i];
    } else {
#pragma unroll
        for (int i = 0; i < COUNT; i += 4) {
            float four[4];
            load4(row + element<COUNT, SPAN>(i, thread), four);
#pragma unroll
            for (int j = 0; j < 4; j++) v[i + j] = four[j];
        }
    }
}

template <class T>
__device__ void finish(const float (&sum)[T::HEIGHT][T::WIDTH], float* y, const Gemm& g, const Stages& stages) {
    const int down = threadIdx.x / T::BESIDES, beside = threadIdx.x % T::BESIDES;
    const unsigned partial = blockIdx.z % g.splits * g.size;
    // Not unrolled: the stages are in the code once. The branches are the same for all threads.
#pragma unroll 1
    for (int part = 0; part < T::HEIGHT * T::WIDTH / 4; part++) {
        float v[4];
#pragma unroll
        for (int i = 0; i < T::HEIGHT * T::WIDTH / 4; i++)
            if (i == part || i == 0) {
#pragma unroll
                for (int j = 0; j < 4; j++) v[j] = sum[i / (T::WIDTH / 4)][i % (T::WIDTH / 4) * 4 + j];
            }
        const int row = first_row<T>(g) + element<T::HEIGHT, T::ROWS>(part / (T::WIDTH / 4), down);
        const int column = first_column<T>(g) + element<T::WIDTH, T::COLUMNS>(part % (T::WIDTH / 4) * 4, beside);
        if (row >= g.rows) continue;
        const unsigned index = group_of(g) * g.y_group + row * g.y_row + column;
        if (g.wide_y && column + 4 <= g.columns) {
            apply<4>(stages, v, index);
            store4(y + partial + index, v);
            continue;
        }
#pragma unroll 1
        for (int j = 0; j < 4 && column + j < g.columns; j++) {
            float one[1] = {j == 0 ? v[0] : j == 1 ? v[1] : j == 2 ? v[2] : v[3]};
            apply<1>(stages, one, index + j);
            y[partial + index + j] = one[0];
        }
    }
}

// The tile that this block makes. `room`: T::ROOM floats of shared memory.
template <class T, class A, class B>
__device__ void tile(
    const A& a, const Place& at_a, const B& b, const Place& at_b, float* room, float* y, const Gemm& g,
    const Stages& stages) {
    const int down = threadIdx.x / T::BESIDES, beside = threadIdx.x % T::BESIDES;
    const int first = blockIdx.z % g.splits * g.share, end = min(g.inner, first + g.share);
    // Where a piece has fewer than 256 fours, not every thread brings one.
    const bool brings_a = T::ROWS * T::DEPTH >= 1024 || (at_a.outer < T::ROWS && at_a.inner < T::DEPTH);
    const bool brings_b = T::COLUMNS * T::DEPTH >= 1024 || (at_b.outer < T::COLUMNS && at_b.inner < T::DEPTH);
    float sum[T::HEIGHT][T::WIDTH] = {}, next_a[4], next_b[4];
    int turn = 0;  // which half of the room
    if (brings_a) a.fetch(first + at_a.inner, end, next_a);
    if (brings_b) b.fetch(first + at_b.inner, end, next_b);
    for (int inner = first; inner < end; inner += T::DEPTH) {
        float *here_a = room + turn, *here_b = here_a + T::A;
        if (brings_a) keep<T::ROWS>(here_a, at_a, a.along(), next_a);
        if (brings_b) keep<T::COLUMNS>(here_b, at_b, b.along(), next_b);
        __syncthreads();
        if (inner + T::DEPTH < end) {
            if (brings_a) a.fetch(inner + T::DEPTH + at_a.inner, end, next_a);
            if (brings_b) b.fetch(inner + T::DEPTH + at_b.inner, end, next_b);
        }
#pragma unroll
        for (int k = 0; k < T::DEPTH; k++) {
            float left[T::HEIGHT], right[T::WIDTH];
            fragment<T::HEIGHT, T::ROWS>(here_a + k * (T::ROWS + BESIDE), down, left);
            fragment<T::WIDTH, T::COLUMNS>(here_b + k * (T::COLUMNS + BESIDE), beside, right);
#pragma unroll
            for (int i = 0; i < T::HEIGHT; i++)
#pragma unroll
                for (int j = 0; j < T::WIDTH; j++) sum[i][j] += left[i] * right[j];
        }
        turn ^= T::ROOM / 2;
    }
    finish<T>(sum, y, g, stages);
}
