// Convolutions as products of matrices of which one is never laid out: the patches of images are looked up where a tile
// needs them. See gemm.cuh; each kernel's name says the size of its tiles.

#include "gemm.cuh"
#include "windows.cuh"

// Patches as the left factor: rows are windows, and the sum runs over what stands under the filter.
struct Patches {
    const Gemm& g;
    const Windows& w;
    const float* image;
    const int* taps;
    Corner at;
    bool here;

    __device__ Patches(const float* image, const int* taps, const Gemm& g, const Windows& w, int row)
        : g(g), w(w), image(image), taps(taps + 2 * group_of(g) * g.inner), at(corner(row, w)), here(row < g.rows) {}

    __device__ bool along() const { return true; }

    __device__ void fetch(int inner, int end, float (&v)[4]) const {
        if (g.wide_a && here && inner < end) {
            look<4>(image, at, tap(taps, inner), w, v);
            return;
        }
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float one[1] = {0.0f};
            if (here && inner + j < end) look<1>(image, at, tap(taps, inner + j), w, one);
            v[j] = one[0];
        }
    }
};

// Their transpose: rows are what stands under the filter, and the sum runs over windows.
struct TurnedPatches {
    const Gemm& g;
    const Windows& w;
    const float* image;
    const int* taps;  // of the thread's rows; kept in memory, as registers are scarce
    int left;

    __device__ TurnedPatches(const float* image, const int* taps, const Gemm& g, const Windows& w, int row)
        : g(g), w(w), image(image), taps(taps + 2 * (group_of(g) * g.rows + row)), left(g.rows - row) {}

    __device__ bool along() const { return false; }

    __device__ void fetch(int inner, int end, float (&v)[4]) const {
        const int count = inner < end ? left : 0;
        const Corner at = corner(inner, w);
        if (g.wide_a && count >= 4) {
            look<4>(image, at, tap(taps, 0), w, v);
            return;
        }
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float one[1] = {0.0f};
            if (j < count) look<1>(image, at, tap(taps, j), w, one);
            v[j] = one[0];
        }
    }
};

// Mirrored weights as the right factor: columns are channels, and the sum runs over the taps, last to first, and filters,
// which are what the windows of gradients hold. The weights are (taps, channels, filters) for every group.
struct MirroredWeights {
    const Gemm& g;
    const Windows& w;
    const float* at;  // null beyond the last column

    __device__ MirroredWeights(const float* weights, const Gemm& g, const Windows& w, int column)
        : g(g), w(w), at(column < g.columns ? weights + group_of(g) * g.b_group + column * g.b_column : nullptr) {}

    __device__ bool along() const { return true; }

    __device__ const float* of(int inner) const {
        unsigned filter;
        const int tap = divide(inner, w.by_group, filter);
        return at + (w.filter_height * w.filter_width - 1 - tap) * g.columns * w.channels + filter;
    }

    __device__ void fetch(int inner, int end, float (&v)[4]) const {
        if (g.wide_b && at && inner < end) {
            load4(of(inner), v);
            return;
        }
#pragma unroll
        for (int j = 0; j < 4; j++) v[j] = at && inner + j < end ? *of(inner + j) : 0.0f;
    }
};

template <class T>
__device__ void correlation(
    const float* x, const float* weights, float* y, const Gemm& g, const int* taps, const Windows& w,
    const Stages& stages, float* room) {
    const Place at_a = place<T::ROWS, T::DEPTH>(true), at_b = place<T::COLUMNS, T::DEPTH>(g.b_inner == 1);
    const Patches left(x, taps, g, w, first_row<T>(g) + at_a.outer);
    const RightMatrix right(weights, g, first_column<T>(g) + at_b.outer);
    tile<T>(left, at_a, right, at_b, room, y, g, stages);
}

template <class T>
__device__ void correlation_with_mirrored(
    const float* dy, const float* weights, float* dx, const Gemm& g, const int* taps, const Windows& w,
    const Stages& stages, float* room) {
    const Place at_a = place<T::ROWS, T::DEPTH>(true), at_b = place<T::COLUMNS, T::DEPTH>(true);
    const Patches left(dy, taps, g, w, first_row<T>(g) + at_a.outer);
    const MirroredWeights right(weights, g, w, first_column<T>(g) + at_b.outer);
    tile<T>(left, at_a, right, at_b, room, dx, g, stages);
}

template <class T>
__device__ void correlation_of_results(
    const float* x, const float* dy, float* dw, const Gemm& g, const int* taps, const Windows& w, const Stages& stages,
    float* room) {
    const Place at_a = place<T::ROWS, T::DEPTH>(false), at_b = place<T::COLUMNS, T::DEPTH>(g.b_inner == 1);
    const TurnedPatches left(x, taps, g, w, first_row<T>(g) + at_a.outer);
    const RightMatrix right(dy, g, first_column<T>(g) + at_b.outer);
    tile<T>(left, at_a, right, at_b, room, dw, g, stages);
}

// Of the largest tiles two blocks find room on a multiprocessor, with 128 registers a thread. The compiler comes to that
// by itself, without spilling; told to, it spills.

// -- y = what the weights see of x ------------------------------------------------------------------------------------

extern "C" __global__ void __launch_bounds__(256) correlate_128x128(
    const float* x, const float* weights, float* y, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 128, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation<T>(x, weights, y, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_64x64(
    const float* x, const float* weights, float* y, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<64, 64, 16> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation<T>(x, weights, y, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_128x32(
    const float* x, const float* weights, float* y, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 32, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation<T>(x, weights, y, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_128x16(
    const float* x, const float* weights, float* y, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 16, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation<T>(x, weights, y, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_32x32(
    const float* x, const float* weights, float* y, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<32, 32, 32> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation<T>(x, weights, y, g, taps, w, stages, (float*)room);
}

// -- dx, where it is what the mirrored weights see of dy --------------------------------------------------------------

extern "C" __global__ void __launch_bounds__(256) correlate_mirrored_128x128(
    const float* dy, const float* weights, float* dx, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 128, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_with_mirrored<T>(dy, weights, dx, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_mirrored_64x64(
    const float* dy, const float* weights, float* dx, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<64, 64, 16> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_with_mirrored<T>(dy, weights, dx, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_mirrored_128x32(
    const float* dy, const float* weights, float* dx, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 32, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_with_mirrored<T>(dy, weights, dx, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_mirrored_128x16(
    const float* dy, const float* weights, float* dx, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 16, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_with_mirrored<T>(dy, weights, dx, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_mirrored_32x32(
    const float* dy, const float* weights, float* dx, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<32, 32, 32> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_with_mirrored<T>(dy, weights, dx, g, taps, w, stages, (float*)room);
}

// -- dw ---------------------------------------------------------------------------------------------------------------

extern "C" __global__ void __launch_bounds__(256) correlate_results_128x128(
    const float* x, const float* dy, float* dw, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 128, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_of_results<T>(x, dy, dw, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_results_64x64(
    const float* x, const float* dy, float* dw, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<64, 64, 16> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_of_results<T>(x, dy, dw, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_results_128x32(
    const float* x, const float* dy, float* dw, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 32, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_of_results<T>(x, dy, dw, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_results_128x16(
    const float* x, const float* dy, float* dw, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<128, 16, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_of_results<T>(x, dy, dw, g, taps, w, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) correlate_results_32x32(
    const float* x, const float* dy, float* dw, const __grid_constant__ Gemm g, const int* taps,
    const __grid_constant__ Windows w, const __grid_constant__ Stages stages) {
    typedef Tile<32, 32, 32> T;
    __shared__ float4 room[T::ROOM / 4];
    correlation_of_results<T>(x, dy, dw, g, taps, w, stages, (float*)room);
}
