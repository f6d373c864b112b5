// Convolutions whose groups are single channels: there is nothing to sum over but the window. Filter f sees channel
// f / each, where `each` is the number of filters of a channel. Weights are (filter height, filter width, filters).

#include "stages.cuh"
#include "windows.cuh"

template <int N>
__device__ void channel_products(
    const float* x, const float* weights, unsigned i, int filters, const Divisor& by_filters, const Divisor& by_each,
    const Windows& w, float (&sum)[N]) {
    unsigned filter, rest;
    const Corner at = corner(divide(i, by_filters, filter), w);
    const float* image = x + divide(filter, by_each, rest);
#pragma unroll
    for (int j = 0; j < N; j++) sum[j] = 0.0f;
#pragma unroll 1
    for (int down = 0; down < w.filter_height; down++)
#pragma unroll 1
        for (int along = 0; along < w.filter_width; along++) {
            const int below = down * w.dilation, beside = along * w.dilation;
            // Zeros outside the image are multiplied, too: what is not finite spreads as in the reference.
            float v[N], factor[N];
            look<N>(image, at, {(below * w.width + beside) * w.channels, below << 16 | beside}, w, v);
            load<N>(weights + (down * w.filter_width + along) * filters + filter, factor);
#pragma unroll
            for (int j = 0; j < N; j++) sum[j] += v[j] * factor[j];
        }
}

// y = x seen through the filters, n numbers.
extern "C" __global__ void __launch_bounds__(256) depthwise(
    const float* x, const float* weights, float* y, int n, int filters, const __grid_constant__ Divisor by_filters,
    const __grid_constant__ Divisor by_each, const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    if (by_each.by == 1 && filters % 4 == 0) {
        EACH(i, n / 4) {
            float sum[4];
            channel_products<4>(x, weights, 4 * i, filters, by_filters, by_each, w, sum);
            apply<4>(stages, sum, 4 * i);
            store4(y + 4 * i, sum);
        }
    } else {
        EACH(i, n) {
            float sum[1];
            channel_products<1>(x, weights, i, filters, by_filters, by_each, w, sum);
            apply<1>(stages, sum, i);
            y[i] = sum[0];
        }
    }
}

template <int N>
__device__ void channel_gradients(
    const float* dy, const float* weights, unsigned i, int filters, int each, const Windows& w, float (&sum)[N]) {
    unsigned channel, x, y, rest;
    const unsigned pixel = divide(i, w.by_channels, channel);
    const unsigned image = divide(divide(pixel, w.by_width, x), w.by_height, y);
#pragma unroll
    for (int j = 0; j < N; j++) sum[j] = 0.0f;
    for (int k = 0; k < each; k++)
        for (int down = 0; down < w.filter_height; down++) {
            const int below = (int)y + w.top - down * w.dilation;
            const unsigned row = divide((unsigned)max(below, 0), w.by_stride, rest);
            if (below < 0 || rest || row >= (unsigned)w.rows) continue;
            for (int along = 0; along < w.filter_width; along++) {
                const int beside = (int)x + w.left - along * w.dilation;
                const unsigned column = divide((unsigned)max(beside, 0), w.by_stride, rest);
                if (beside < 0 || rest || column >= (unsigned)w.columns) continue;
                const unsigned filter = channel * each + k;
                float v[N], factor[N];
                load<N>(dy + ((image * w.rows + row) * w.columns + column) * filters + filter, v);
                load<N>(weights + (down * w.filter_width + along) * filters + filter, factor);
#pragma unroll
                for (int j = 0; j < N; j++) sum[j] += v[j] * factor[j];
            }
        }
}

// dx, n numbers.
extern "C" __global__ void __launch_bounds__(256, 2) depthwise_input_gradient(
    const float* dy, const float* weights, float* dx, int n, int filters, int each, const __grid_constant__ Windows w,
    const __grid_constant__ Stages stages) {
    if (each == 1 && filters % 4 == 0) {
        EACH(i, n / 4) {
            float sum[4];
            channel_gradients<4>(dy, weights, 4 * i, filters, each, w, sum);
            apply<4>(stages, sum, 4 * i);
            store4(dx + 4 * i, sum);
        }
    } else {
        EACH(i, n) {
            float sum[1];
            channel_gradients<1>(dy, weights, i, filters, each, w, sum);
            apply<1>(stages, sum, i);
            dx[i] = sum[0];
        }
    }
}

#define TAPS 9  // of a filter, that a thread sums up at a time

// partials (splits, taps, filters) of dw: each block takes 32 filters (x), TAPS taps (y), and a share (z) of the windows,
// which its 8 warps go through in turn. Where `splits` (the blocks along z) is one, partials is dw.
extern "C" __global__ void __launch_bounds__(256) depthwise_weight_gradient(
    const float* x, const float* dy, float* partials, int windows, int filters, const __grid_constant__ Divisor by_each,
    const __grid_constant__ Windows w) {
    __shared__ float sums[8][TAPS][WARP];
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, filter = blockIdx.x * WARP + lane;
    const int taps = w.filter_height * w.filter_width, first = blockIdx.y * TAPS;
    const bool here = filter < (unsigned)filters;
    unsigned rest;
    const float* image = x + divide(filter, by_each, rest);
    float sum[TAPS];
    Tap tap[TAPS];
#pragma unroll
    for (int t = 0; t < TAPS; t++) {
        const int down = (first + t) / w.filter_width * w.dilation, along = (first + t) % w.filter_width * w.dilation;
        tap[t] = {(down * w.width + along) * w.channels, down << 16 | along};
        sum[t] = 0.0f;
    }
    for (unsigned window = blockIdx.z * 8 + warp; here && window < (unsigned)windows; window += gridDim.z * 8) {
        const Corner at = corner(window, w);
        const float gradient = dy[window * filters + filter];
#pragma unroll
        for (int t = 0; t < TAPS; t++) {
            float v[1] = {0.0f};
            if (first + t < taps) look<1>(image, at, tap[t], w, v);
            sum[t] += v[0] * gradient;
        }
    }
#pragma unroll
    for (int t = 0; t < TAPS; t++) sums[warp][t][lane] = sum[t];
    __syncthreads();
    for (int t = warp; t < TAPS; t += 8) {
        if (!here || first + t >= taps) continue;
        float all = sums[0][t][lane];
        for (int other = 1; other < 8; other++) all += sums[other][t][lane];
        partials[((int)blockIdx.z * taps + first + t) * filters + filter] = all;
    }
}
