// A filter that moves over an image: see windows.py, which declares the same structures.

#pragma once
#include "common.cuh"

// Division by a number that is known when a program is bound, of numbers below 2^31 (Granlund and Montgomery 1994,
// "Division by invariant integers using multiplication", figure 4.1).
struct Divisor {
    unsigned by, magic, shift;
};

__device__ inline unsigned divide(unsigned n, const Divisor& d, unsigned& rest) {
    const unsigned quotient = (__umulhi(n, d.magic) + n) >> d.shift;
    rest = n - quotient * d.by;
    return quotient;
}

struct Windows {
    int height, width, channels;  // of the image; channels are those of all groups
    int rows, columns;  // how many windows lie below and beside one another
    int filter_height, filter_width;
    int stride, top, left, dilation;  // top, left: zeros above and beside the image
    int group;  // channels of a group
    Divisor by_width, by_height, by_channels, by_columns, by_rows, by_stride, by_group;
};

static_assert(sizeof(Windows) == 132, "as in windows.py");

// Where a window of the image begins, and the pixel at its corner; that may lie outside, in the zeros.
struct Corner {
    int offset, y, x;
};

__device__ inline Corner corner(unsigned window, const Windows& w) {
    unsigned row, column;
    const unsigned image = divide(divide(window, w.by_columns, column), w.by_rows, row);
    const int y = row * w.stride - w.top, x = column * w.stride - w.left;
    return {(((int)image * w.height + y) * w.width + x) * w.channels, y, x};
}

// What of a window stands under an element of the filter: how far behind the window's beginning, and the pixel.
struct Tap {
    int offset, place;  // place: rows down << 16 | columns to the right
};

__device__ inline Tap tap(const int* taps, unsigned element) { return {taps[2 * element], taps[2 * element + 1]}; }

__device__ inline bool inside(const Corner& at, const Tap& tap, const Windows& w) {
    // Negative numbers are very large ones here.
    return (unsigned)(at.y + (tap.place >> 16)) < (unsigned)w.height &&
           (unsigned)(at.x + (tap.place & 0xffff)) < (unsigned)w.width;
}

// N channels of the image under the filter; zeros outside of it.
template <int N>
__device__ void look(const float* image, const Corner& at, const Tap& tap, const Windows& w, float (&v)[N]) {
    if (inside(at, tap, w)) {
        load<N>(image + at.offset + tap.offset, v);
    } else {
#pragma unroll
        for (int j = 0; j < N; j++) v[j] = 0.0f;
    }
}
