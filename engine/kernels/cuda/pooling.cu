// Pooling over windows and over regions: see engine/ops/pooling.py and regions.py.
//
// A thread computes N channels of one pixel of the result. Backwards that is a pixel of the image, which gathers from all
// windows that see it. What a window is on an axis, the three structures after `Pixels` say, all in the same words:
// begin(i), end(i) of window i within the image, first(p), behind(p) of the windows that see pixel p, and share(i), what a
// pixel contributes to a mean.

#include "moments.cuh"
#include "stages.cuh"
#include "windows.cuh"

#define LOWEST __int_as_float(0xff800000)

struct Pixels {
    int count;  // numbers of the array that is walked
    int height, width, channels;  // of the image
    int rows, columns;  // of what it is pooled to
    Divisor by_lanes, by_width, by_height;  // threads that share a pixel; sizes of the array that is walked
};

struct Strided {
    int size, stride, padding;
    Divisor by_stride;
};

static_assert(sizeof(Pixels) == 60 && sizeof(Strided) == 24, "as in pooling.py");

// Windows of one size, one stride apart.
struct StridedAxis {
    const Strided& to;
    int length, count;

    __device__ int begin(int i) const { return max(i * to.stride - to.padding, 0); }
    __device__ int end(int i) const { return min(i * to.stride - to.padding + to.size, length); }
    __device__ int first(int pixel) const {
        unsigned rest;
        const int from = pixel + to.padding - to.size;
        return from < 0 ? 0 : divide(from, to.by_stride, rest) + 1;
    }
    __device__ int behind(int pixel) const {
        unsigned rest;
        return min((int)divide(pixel + to.padding, to.by_stride, rest) + 1, count);
    }
    __device__ float share(int) const { return 1.0f / to.size; }
};

// From i length / count, rounded down, to (i + 1) length / count, rounded up.
struct AdaptiveAxis {
    unsigned length, count;

    __device__ int begin(int i) const { return i * length / count; }
    __device__ int end(int i) const { return ((i + 1) * length + count - 1) / count; }
    __device__ int first(int pixel) const { return pixel * count / length; }
    __device__ int behind(int pixel) const { return ((pixel + 1) * count + length - 1) / length; }
    __device__ float share(int i) const { return 1.0f / (end(i) - begin(i)); }
};

// Bounds (2, count): where regions of up to `most` pixels begin, and what lies behind them. Both rise.
struct DrawnAxis {
    const long long* bounds;
    int length, count, most;

    __device__ int begin(int i) const { return bounds[i]; }
    __device__ int end(int i) const { return min((int)bounds[count + i], begin(i) + most); }
    // The first region that begins behind a pixel.
    __device__ int behind(int pixel) const {
        int low = 0, high = count;
        while (low < high) {
            const int middle = (low + high) / 2;
            if (begin(middle) > pixel) high = middle;
            else low = middle + 1;
        }
        return low;
    }
    __device__ int first(int pixel) const { return behind(pixel - most); }
    __device__ float share(int) const { return 1.0f; }
};

// Where element i of threads stands: its image, and the pixel and channel there.
template <int N>
struct Spot {
    unsigned image, row, column, channel;

    __device__ Spot(unsigned i, const Pixels& p) {
        unsigned lane;
        const unsigned pixel = divide(i, p.by_lanes, lane);
        const unsigned line = divide(pixel, p.by_width, column);
        image = divide(line, p.by_height, row);
        channel = lane * N;
    }
};

__device__ inline unsigned pixel_at(const Pixels& p, unsigned image, unsigned row, unsigned column) {
    return ((image * p.height + row) * p.width + column) * p.channels;
}

__device__ inline unsigned result_at(const Pixels& p, unsigned image, unsigned row, unsigned column) {
    return ((image * p.rows + row) * p.columns + column) * p.channels;
}

// y = the largest number of each window, or its mean.
template <int N, typename Axis>
__device__ void pool_on(const float* x, float* y, const Pixels& p, const Axis& down, const Axis& along, bool largest) {
    EACH(i, p.count / N) {
        const Spot<N> at(i, p);
        const int top = down.begin(at.row), bottom = down.end(at.row);
        const int left = along.begin(at.column), right = along.end(at.column);
        float v[N], w[N];
#pragma unroll
        for (int j = 0; j < N; j++) v[j] = largest ? LOWEST : 0.0f;
        for (int row = top; row < bottom; row++)
#pragma unroll 2
            for (int column = left; column < right; column++) {
                load<N>(x + pixel_at(p, at.image, row, column) + at.channel, w);
#pragma unroll
                for (int j = 0; j < N; j++) v[j] = largest ? Greatest::join(v[j], w[j]) : v[j] + w[j];
            }
        if (!largest) {
            const float share = down.share(at.row) * along.share(at.column);
#pragma unroll
            for (int j = 0; j < N; j++) v[j] *= share;
        }
        store<N>(y + i * N, v);
    }
}

// dx = the dy of all windows that see a pixel, times its share in each.
template <int N, typename Axis>
__device__ void share_back(
    const float* dy, float* dx, const Pixels& p, const Axis& down, const Axis& along, const Stages& stages) {
    EACH(i, p.count / N) {
        const Spot<N> at(i, p);
        const int bottom = down.behind(at.row), left = along.first(at.column), right = along.behind(at.column);
        float v[N] = {}, g[N];
        for (int row = down.first(at.row); row < bottom; row++) {
            const float part = down.share(row);
#pragma unroll 2
            for (int column = left; column < right; column++) {
                load<N>(dy + result_at(p, at.image, row, column) + at.channel, g);
                const float share = part * along.share(column);
#pragma unroll
                for (int j = 0; j < N; j++) v[j] += g[j] * share;
            }
        }
        apply<N>(stages, v, i * N);
        store<N>(dx + i * N, v);
    }
}

// hit = 1 where `pixel` holds the largest number of a window and none before it does, else 0.
template <int N, typename Axis>
__device__ void find_hits(
    const float* x, const Spot<N>& at, const Pixels& p, const Axis& down, const Axis& along, int i, int j,
    const float (&pixel)[N], const float (&top)[N], float (&hit)[N]) {
    const int left = along.begin(j), right = along.end(j);
    const bool sees = (int)at.row < down.end(i) && (int)at.column < right;
    bool any = false;
#pragma unroll
    for (int k = 0; k < N; k++) {
        hit[k] = sees && pixel[k] == top[k] ? 1.0f : 0.0f;
        any |= hit[k] != 0.0f;
    }
    // Most pixels are not the largest, and look no further.
    for (int row = down.begin(i); any && row <= (int)at.row; row++) {
        const int stop = row == (int)at.row ? (int)at.column : right;
        for (int column = left; any && column < stop; column++) {
            float w[N];
            load<N>(x + pixel_at(p, at.image, row, column) + at.channel, w);
            any = false;
#pragma unroll
            for (int k = 0; k < N; k++) {
                if (w[k] == top[k]) hit[k] = 0.0f;
                any |= hit[k] != 0.0f;
            }
        }
    }
}

// dx = the dy of the windows whose largest number a pixel is the first to hold.
template <int N, typename Axis>
__device__ void pass_to_largest(
    const float* x, const float* y, const float* dy, float* dx, const Pixels& p, const Axis& down, const Axis& along,
    const Stages& stages) {
    EACH(i, p.count / N) {
        const Spot<N> at(i, p);
        const int bottom = down.behind(at.row), left = along.first(at.column), right = along.behind(at.column);
        float v[N] = {}, pixel[N], top[N], g[N], hit[N];
        load<N>(x + i * N, pixel);
        for (int row = down.first(at.row); row < bottom; row++)
            for (int column = left; column < right; column++) {
                const unsigned window = result_at(p, at.image, row, column) + at.channel;
                load<N>(y + window, top);
                load<N>(dy + window, g);
                find_hits<N>(x, at, p, down, along, row, column, pixel, top, hit);
                // A product, as in the reference: 0 times what is not finite is not a number.
#pragma unroll
                for (int k = 0; k < N; k++) v[k] += hit[k] * g[k];
            }
        apply<N>(stages, v, i * N);
        store<N>(dx + i * N, v);
    }
}

// -- windows of one size -----------------------------------------------------------------------------------------------

extern "C" __global__ void __launch_bounds__(256, 4) pool(
    const float* x, float* y, const __grid_constant__ Pixels p, const __grid_constant__ Strided to, int largest) {
    const StridedAxis down{to, p.height, p.rows}, along{to, p.width, p.columns};
    if (p.channels % 4 == 0) pool_on<4>(x, y, p, down, along, largest);
    else pool_on<1>(x, y, p, down, along, largest);
}

extern "C" __global__ void __launch_bounds__(256, 4) max_pool_gradient(
    const float* x, const float* y, const float* dy, float* dx, const __grid_constant__ Pixels p,
    const __grid_constant__ Strided to, const __grid_constant__ Stages stages) {
    const StridedAxis down{to, p.height, p.rows}, along{to, p.width, p.columns};
    if (p.channels % 4 == 0) pass_to_largest<4>(x, y, dy, dx, p, down, along, stages);
    else pass_to_largest<1>(x, y, dy, dx, p, down, along, stages);
}

extern "C" __global__ void __launch_bounds__(256, 4) average_pool_gradient(
    const float* dy, float* dx, const __grid_constant__ Pixels p, const __grid_constant__ Strided to,
    const __grid_constant__ Stages stages) {
    const StridedAxis down{to, p.height, p.rows}, along{to, p.width, p.columns};
    if (p.channels % 4 == 0) share_back<4>(dy, dx, p, down, along, stages);
    else share_back<1>(dy, dx, p, down, along, stages);
}

// -- adaptive regions, of which one of all pixels is the global one ----------------------------------------------------

extern "C" __global__ void __launch_bounds__(256, 4) adaptive_pool(
    const float* x, float* y, const __grid_constant__ Pixels p, int largest) {
    const AdaptiveAxis down{(unsigned)p.height, (unsigned)p.rows}, along{(unsigned)p.width, (unsigned)p.columns};
    if (p.channels % 4 == 0) pool_on<4>(x, y, p, down, along, largest);
    else pool_on<1>(x, y, p, down, along, largest);
}

template <int N, typename How>
__device__ void pool_together(const float* x, float* y, const Pixels& p, unsigned shift, float from, float* room) {
    const Place<N> place(p.channels, shift, blockIdx.x);
    const AdaptiveAxis down{(unsigned)p.height, (unsigned)p.rows}, along{(unsigned)p.width, (unsigned)p.columns};
    for (unsigned region = blockIdx.y; region < (unsigned)(p.count / p.channels); region += gridDim.y) {
        unsigned row, column;
        const unsigned image = divide(divide(region, p.by_width, column), p.by_height, row);
        const unsigned top = down.begin(row), left = along.begin(column);
        const unsigned width = along.end(column) - left, area = (down.end(row) - top) * width;
        float v[N], w[N];
#pragma unroll
        for (int j = 0; j < N; j++) v[j] = from;
        if (place.inside) {
            for (unsigned i = place.row; i < area; i += place.step) {
                load<N>(x + pixel_at(p, image, top + i / width, left + i % width) + place.column, w);
#pragma unroll
                for (int j = 0; j < N; j++) v[j] = How::join(v[j], w[j]);
            }
        }
        over_rows<N, How>(v, room, shift);
        if (place.inside && place.row == 0) {
            const float share = from == 0.0f ? 1.0f / area : 1.0f;
#pragma unroll
            for (int j = 0; j < N; j++) v[j] *= share;
            store<N>(y + region * p.channels + place.column, v);
        }
    }
}

// The same for regions of many pixels: the threads of a block take one together.
extern "C" __global__ void __launch_bounds__(256) pool_regions(
    const float* x, float* y, const __grid_constant__ Pixels p, int shift, int largest) {
    __shared__ float room[4 * COLUMN_THREADS];
    if (p.channels % 4 == 0) {
        if (largest) pool_together<4, Greatest>(x, y, p, shift, LOWEST, room);
        else pool_together<4, Sum>(x, y, p, shift, 0.0f, room);
    } else {
        if (largest) pool_together<1, Greatest>(x, y, p, shift, LOWEST, room);
        else pool_together<1, Sum>(x, y, p, shift, 0.0f, room);
    }
}

extern "C" __global__ void __launch_bounds__(256, 4) adaptive_max_pool_gradient(
    const float* x, const float* y, const float* dy, float* dx, const __grid_constant__ Pixels p,
    const __grid_constant__ Stages stages) {
    const AdaptiveAxis down{(unsigned)p.height, (unsigned)p.rows}, along{(unsigned)p.width, (unsigned)p.columns};
    if (p.channels % 4 == 0) pass_to_largest<4>(x, y, dy, dx, p, down, along, stages);
    else pass_to_largest<1>(x, y, dy, dx, p, down, along, stages);
}

extern "C" __global__ void __launch_bounds__(256, 4) adaptive_average_pool_gradient(
    const float* dy, float* dx, const __grid_constant__ Pixels p, const __grid_constant__ Stages stages) {
    const AdaptiveAxis down{(unsigned)p.height, (unsigned)p.rows}, along{(unsigned)p.width, (unsigned)p.columns};
    if (p.channels % 4 == 0) share_back<4>(dy, dx, p, down, along, stages);
    else share_back<1>(dy, dx, p, down, along, stages);
}

// -- fractional regions ------------------------------------------------------------------------------------------------

#define FRACTION_BITS 24
#define FIXED_SIZE 2

enum Regions { FIXED, DISJOINT, OVERLAPPING };

// Where region i of an axis begins before the first is moved to 0; u: the offset times 2^FRACTION_BITS.
__device__ inline long long drawn_begin(long long i, long long u, long long length, long long count, int kind) {
    const long long one = 1ll << FRACTION_BITS, at = i * one + u;
    if (kind == FIXED) return at * (length - FIXED_SIZE) / (max(count - 1, 1ll) * one);
    return (at * length + count * one - 1) / (count * one);
}

__device__ inline void draw_bounds(long long* bounds, long long u, long long length, long long count, int kind) {
    const long long from = drawn_begin(0, u, length, count, kind);
    EACH_IN_BLOCK(i, count) {
        const bool last = i + 1 == (unsigned)count;
        long long begin = drawn_begin(i, u, length, count, kind) - from;
        long long end = last ? length : drawn_begin(i + 1, u, length, count, kind) - from;
        if (kind == FIXED) {
            if (last) begin = length - FIXED_SIZE;
            end = begin + FIXED_SIZE;
        }
        if (kind == OVERLAPPING) end = min(end + 1, length);
        bounds[i] = begin;
        bounds[count + i] = end;
    }
}

// The bounds of both axes, with an offset that is drawn where the given one is negative.
extern "C" __global__ void __launch_bounds__(256) fractional_bounds(
    const unsigned* counters, long long* down, long long* along, int height, int width, int rows, int columns, int kind,
    unsigned stream, int offset) {
    const Key key = stream_key(counters, stream);
    const unsigned drop = 32 - FRACTION_BITS;
    draw_bounds(down, offset < 0 ? random_bits(key, 0) >> drop : (unsigned)offset, height, rows, kind);
    draw_bounds(along, offset < 0 ? random_bits(key, 1) >> drop : (unsigned)offset, width, columns, kind);
}

extern "C" __global__ void __launch_bounds__(256, 4) fractional_max_pool(
    const float* x, float* y, const long long* rows, const long long* columns, const __grid_constant__ Pixels p,
    int most) {
    const DrawnAxis down{rows, p.height, p.rows, most}, along{columns, p.width, p.columns, most};
    if (p.channels % 4 == 0) pool_on<4>(x, y, p, down, along, true);
    else pool_on<1>(x, y, p, down, along, true);
}

extern "C" __global__ void __launch_bounds__(256, 4) fractional_max_pool_gradient(
    const float* x, const float* y, const long long* rows, const long long* columns, const float* dy, float* dx,
    const __grid_constant__ Pixels p, int most, const __grid_constant__ Stages stages) {
    const DrawnAxis down{rows, p.height, p.rows, most}, along{columns, p.width, p.columns, most};
    if (p.channels % 4 == 0) pass_to_largest<4>(x, y, dy, dx, p, down, along, stages);
    else pass_to_largest<1>(x, y, dy, dx, p, down, along, stages);
}
