// The last step of every normalization by columns: see normalization.cu and group_norm.cu.

#pragma once
#include "moments.cuh"
#include "stages.cuh"

// y = (x - mean) factor + offset, then stages, for the rows from `row` on, `step` apart; y may be x. With AHEAD a row is
// on its way while the one before goes through the stages: not worth its registers for what lies in the caches.
template <int N, bool AHEAD>
__device__ void normalize_rows(
    const float* x, float* y, unsigned rows, unsigned columns, unsigned column, unsigned row, unsigned step,
    const float (&mean)[N], const float (&factor)[N], const float (&offset)[N], const Stages& stages) {
    float next[N], v[N];
    if (AHEAD && row < rows) load<N>(x + row * columns + column, next);
    while (row < rows) {
        const unsigned index = row * columns + column;
        if (!AHEAD) load<N>(x + index, next);
#pragma unroll
        for (int j = 0; j < N; j++) v[j] = (next[j] - mean[j]) * factor[j] + offset[j];
        row += step;
        if (AHEAD && row < rows) load<N>(x + row * columns + column, next);
        apply<N>(stages, v, index);
        store<N>(y + index, v);
    }
}
