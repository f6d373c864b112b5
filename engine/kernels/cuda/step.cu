// What frames a step: its numbers and its batch come in, its loss is looked at, its results are kept.
//
// `place` is the step's number within the chunk that is run, `halt` other than 0 once a loss was not finite: from then
// on nothing changes, neither the state nor the batch, until the host says otherwise.

#include "common.cuh"

// target (batch, length) = the rows of source at `rows`, N words at a time, of whatever type: nothing is computed.
template <int N>
__device__ void bring(const float* source, float* target, const long long* rows, unsigned batch, unsigned length) {
    const unsigned wide = length / N;
    EACH(i, batch * wide) {
        const unsigned sample = i / wide;
        float v[N];
        load<N>(source + (rows[sample] * wide + i - sample * wide) * N, v);
        store<N>(target + (size_t)i * N, v);
    }
}

// Bring in row `place` of the table of controls, the step's number for the random streams (clock: low and high word of
// the seed and of the chunk's first step), and, one input or target for each row of blocks, the samples at `indices`
// (steps, batch). A sample has words[y] words of four bytes; sources[y] and targets[y] are addresses.
extern "C" __global__ void __launch_bounds__(256) begin_step(
    const int* halt, const int* place, const float* table, float* control, int controls, const unsigned* clock,
    unsigned* counters, const float* const* sources, float* const* targets, const int* words,
    const long long* indices, int batch) {
    if (*halt) return;
    const unsigned at = *place;
    if (blockIdx.x == 0 && blockIdx.y == 0) {
        EACH_IN_BLOCK(i, controls) control[i] = table[(size_t)at * controls + i];
        if (threadIdx.x == 0) {
            counters[0] = clock[0], counters[1] = clock[1];
            counters[2] = clock[2] + at;
            counters[3] = clock[3] + (counters[2] < clock[2]);
        }
    }
    if (batch == 0) return;
    const long long* rows = indices + (size_t)at * batch;
    const float* source = sources[blockIdx.y];
    if (words[blockIdx.y] % 4 == 0) bring<4>(source, targets[blockIdx.y], rows, batch, words[blockIdx.y]);
    else bring<1>(source, targets[blockIdx.y], rows, batch, words[blockIdx.y]);
}

// Keep the weighted sum of the losses, and halt if it is not finite.
extern "C" __global__ void __launch_bounds__(32) watch_loss(
    int* halt, const int* place, const float* const* losses, const float* const* weights, int count, double* kept) {
    if (threadIdx.x != 0 || *halt) return;
    double total = 0.0;
    for (int i = 0; i < count; i++) total += (double)*weights[i] * (double)*losses[i];
    kept[*place] = total;
    if (!isfinite(total)) *halt = 1;
}

// Keep the predictions of this step behind those of the steps before it, one for each row of blocks.
extern "C" __global__ void __launch_bounds__(256) keep_outputs(
    const int* halt, const int* place, const float* const* sources, float* const* kept, const int* sizes) {
    if (*halt) return;
    const unsigned size = sizes[blockIdx.y];
    const float* source = sources[blockIdx.y];
    float* target = kept[blockIdx.y] + (size_t)*place * size;
    EACH(i, size) target[i] = source[i];
}

// The step is done: keep the penalties' part of its loss, and go on to the next. Without penalties, `penalty` is 0.
extern "C" __global__ void __launch_bounds__(32) end_step(
    const int* halt, int* place, int* done, const float* penalty, float* kept) {
    if (threadIdx.x != 0 || *halt) return;
    kept[*place] = penalty ? *penalty : 0.0f;
    *place += 1;
    *done += 1;
}

// found = 1 if one of n numbers is not finite; it is not set to 0 here.
extern "C" __global__ void __launch_bounds__(256) find_nonfinite(const float* x, int n, int* found) {
    EACH(i, n) if (!isfinite(x[i])) *found = 1;
}
