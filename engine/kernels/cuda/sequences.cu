// Token numbers to vectors and back.

#include "common.cuh"

#define TOGETHER 2048  // tokens that a block keeps at a time
#define FEW 16  // vectors that a thread adds up by itself

// The row of the table for a token: the nearest one that there is, the first where it is no number.
__device__ inline int row_of(float token, int vocabulary) {
    return (int)fminf(fmaxf(rintf(token), 0.0f), (float)(vocabulary - 1));
}

template <int N>
__device__ void copy_row(
    const float* tokens, const float* table, float* y, unsigned i, unsigned width, int vocabulary) {
    const unsigned place = i / width, column = i - place * width;
    float v[N];
    load<N>(table + ((size_t)row_of(tokens[place], vocabulary) * width + column) * N, v);
    store<N>(y + (size_t)i * N, v);
}

// y (tokens, width) = the table's rows; n units, of four numbers each where `wide`, `width` of them in a row.
extern "C" __global__ void __launch_bounds__(256) embedding(
    const float* tokens, const float* table, float* y, int n, int width, int vocabulary, int wide) {
    EACH(i, n) {
        if (wide) copy_row<4>(tokens, table, y, i, width, vocabulary);
        else copy_row<1>(tokens, table, y, i, width, vocabulary);
    }
}

// sorted (count) = the tokens' rows in ascending order, order (count) = where each of them stands; equal ones in the
// order of their places. A block finds how many come before each of 32 tokens: each of its 8 warps looks through an
// eighth of all.
extern "C" __global__ void __launch_bounds__(256) order_tokens(
    const float* tokens, int* sorted, int* order, int count, int vocabulary) {
    __shared__ int rows[TOGETHER];
    __shared__ int before[8][WARP];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int mine = blockIdx.x * WARP + lane;
    const int row = mine < count ? row_of(tokens[mine], vocabulary) : 0;
    int less = 0;
    for (int first = 0; first < count; first += TOGETHER) {
        const int here = min(TOGETHER, count - first);
        __syncthreads();
        EACH_IN_BLOCK(i, here) rows[i] = row_of(tokens[first + i], vocabulary);
        __syncthreads();
        const int share = (here + 7) / 8, last = min(here, (warp + 1) * share);
        for (int i = warp * share; i < last; i++) less += rows[i] < row + (first + i < mine);
    }
    before[warp][lane] = less;
    __syncthreads();
    if (warp == 0 && mine < count) {
        int rank = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) rank += before[i][lane];
        sorted[rank] = row;
        order[rank] = mine;
    }
}

// dtable (vocabulary, width): for each row the sum of dy (count, width) over the places where it stands, in their order.
// Blocks: rows of the table, stripes of columns.
extern "C" __global__ void __launch_bounds__(256) embedding_gradient(
    const int* sorted, const int* order, const float* dy, float* dtable, int count, int width) {
    __shared__ int bounds[2];
    __shared__ float room[8][WARP];
    if (threadIdx.x < 2) {
        // Where this row's tokens begin, and where the next row's.
        const int row = blockIdx.x + threadIdx.x;
        int low = 0, high = count;
        while (low < high) {
            const int middle = (low + high) / 2;
            if (sorted[middle] < row) low = middle + 1;
            else high = middle;
        }
        bounds[threadIdx.x] = low;
    }
    __syncthreads();
    const int first = bounds[0], last = bounds[1];
    dtable += (size_t)blockIdx.x * width;
    if (last - first <= FEW) {
        for (int column = blockIdx.y * blockDim.x + threadIdx.x; column < width; column += gridDim.y * blockDim.x) {
            float sum = 0.0f;
#pragma unroll 4
            for (int k = first; k < last; k++) sum += dy[(size_t)order[k] * width + column];
            dtable[column] = sum;
        }
        return;
    }
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    for (int start = blockIdx.y * WARP; start < width; start += gridDim.y * WARP) {
        const int column = start + lane;
        float sum = 0.0f;
        if (column < width)
            for (int k = first + warp; k < last; k += 64) {
                float v[8];
#pragma unroll
                for (int j = 0; j < 8; j++) v[j] = k + 8 * j < last ? dy[(size_t)order[k + 8 * j] * width + column] : 0.0f;
#pragma unroll
                for (int j = 0; j < 8; j++) sum += v[j];
            }
        room[warp][lane] = sum;
        __syncthreads();
        if (warp == 0 && column < width) {
#pragma unroll
            for (int i = 1; i < 8; i++) sum += room[i][lane];
            dtable[column] = sum;
        }
        __syncthreads();
    }
}
