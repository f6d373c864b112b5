// Patches of images as matrices, and images from such patches: what convolutions by matrix products need beside them.

#include "stages.cuh"
#include "windows.cuh"

// patches (windows, depth) = what stands under the filter; n numbers from the image `x` begins with. `taps`: see Filter
// in windows.py.
template <int N>
__device__ void lay_out(
    const float* x, float* patches, int n, const int* taps, const Divisor& by_depth, const Windows& w) {
    EACH(i, n / N) {
        unsigned element;
        const Corner at = corner(divide(N * i, by_depth, element), w);
        float v[N];
        look<N>(x, at, tap(taps, element), w, v);
        store<N>(patches + N * i, v);
    }
}

extern "C" __global__ void __launch_bounds__(256) lay_patches_out(
    const float* x, float* patches, int n, const int* taps, const __grid_constant__ Divisor by_depth,
    const __grid_constant__ Windows w) {
    if (w.group % 4 == 0) lay_out<4>(x, patches, n, taps, by_depth, w);
    else lay_out<1>(x, patches, n, taps, by_depth, w);
}

// The sum of all elements of patches that stand for a pixel's N channels. `i`: of the image's numbers, the image being
// among those that the patches are of.
template <int N>
__device__ void gather(const float* patches, unsigned i, const Windows& w, float (&sum)[N]) {
    unsigned channel, x, y, rest, inner;
    const unsigned pixel = divide(i, w.by_channels, channel);
    const unsigned image = divide(divide(pixel, w.by_width, x), w.by_height, y);
    const unsigned group = divide(channel, w.by_group, inner), taps = w.filter_height * w.filter_width;
    const unsigned first = group * taps * w.group + inner, depth = taps * w.channels;
#pragma unroll
    for (int j = 0; j < N; j++) sum[j] = 0.0f;
    for (int down = 0; down < w.filter_height; down++) {
        const int below = (int)y + w.top - down * w.dilation;
        const unsigned row = divide((unsigned)max(below, 0), w.by_stride, rest);
        if (below < 0 || rest || row >= (unsigned)w.rows) continue;
        for (int along = 0; along < w.filter_width; along++) {
            const int beside = (int)x + w.left - along * w.dilation;
            const unsigned column = divide((unsigned)max(beside, 0), w.by_stride, rest);
            if (beside < 0 || rest || column >= (unsigned)w.columns) continue;
            float v[N];
            const unsigned window = (image * w.rows + row) * w.columns + column;
            load<N>(patches + window * depth + first + (down * w.filter_width + along) * w.group, v);
#pragma unroll
            for (int j = 0; j < N; j++) sum[j] += v[j];
        }
    }
}

// The n numbers of x from `first` on, patches being those of the images there.
extern "C" __global__ void __launch_bounds__(256, 4) gather_patches(
    const float* patches, float* x, int first, int n, const __grid_constant__ Windows w,
    const __grid_constant__ Stages stages) {
    if (w.group % 4 == 0) {
        EACH(i, n / 4) {
            float sum[4];
            gather<4>(patches, 4 * i, w, sum);
            apply<4>(stages, sum, first + 4 * i);
            store4(x + first + 4 * i, sum);
        }
    } else {
        EACH(i, n) {
            float sum[1];
            gather<1>(patches, i, w, sum);
            apply<1>(stages, sum, first + i);
            x[first + i] = sum[0];
        }
    }
}

// turned (groups, filter height, filter width, filters of a group, channels of a group) = the mirrored weights (filter
// height, filter width, channels of a group, filters), n in all.
extern "C" __global__ void __launch_bounds__(256) turn_weights(
    const float* weights, float* turned, int n, int taps, const __grid_constant__ Divisor by_taps,
    const __grid_constant__ Divisor by_group, const __grid_constant__ Divisor by_filters) {
    EACH(i, n) {
        unsigned channel, filter, tap;
        const unsigned group = divide(divide(divide(i, by_group, channel), by_filters, filter), by_taps, tap);
        const unsigned filters = n / (taps * by_group.by);
        turned[i] = weights[((taps - 1 - tap) * by_group.by + channel) * filters + group * by_filters.by + filter];
    }
}
