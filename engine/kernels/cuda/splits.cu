// Sums whose terms were shared between blocks, put together in a fixed order.

#include "stages.cuh"

// y = the sum of `splits` arrays of n numbers that lie one behind the other, each number by one thread.
extern "C" __global__ void __launch_bounds__(256) add_splits(
    const float* partials, float* y, int n, int splits, const __grid_constant__ Stages stages) {
    EACH(i, n) {
        float sum[1] = {partials[i]};
        for (int split = 1; split < splits; split++) sum[0] += partials[split * n + i];
        apply<1>(stages, sum, i);
        y[i] = sum[0];
    }
}

// The same, each number by 8 warps, which take turns: for few numbers and many arrays.
extern "C" __global__ void __launch_bounds__(256) add_many_splits(
    const float* partials, float* y, int n, int splits, const __grid_constant__ Stages stages) {
    __shared__ float sums[8][WARP];
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, i = blockIdx.x * WARP + lane;
    float sum[1] = {0.0f};
    if (i < (unsigned)n)
        for (unsigned split = warp; split < (unsigned)splits; split += 8) sum[0] += partials[split * n + i];
    sums[warp][lane] = sum[0];
    __syncthreads();
    if (warp || i >= (unsigned)n) return;
    for (int other = 1; other < 8; other++) sum[0] += sums[other][lane];
    apply<1>(stages, sum, i);
    y[i] = sum[0];
}
