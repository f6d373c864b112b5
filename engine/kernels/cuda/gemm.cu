// Products of matrices, plain or transposed: see gemm.cuh. Each kernel's name says the size of its tiles.

#include "gemm.cuh"

template <class T>
__device__ void multiply_matrices(
    const float* a, const float* b, float* y, const Gemm& g, const Stages& stages, float* room) {
    const Place at_a = place<T::ROWS, T::DEPTH>(g.a_inner == 1), at_b = place<T::COLUMNS, T::DEPTH>(g.b_inner == 1);
    const LeftMatrix left(a, g, first_row<T>(g) + at_a.outer);
    const RightMatrix right(b, g, first_column<T>(g) + at_b.outer);
    tile<T>(left, at_a, right, at_b, room, y, g, stages);
}

extern "C" __global__ void __launch_bounds__(256, 2) gemm_128x128(
    const float* a, const float* b, float* y, const __grid_constant__ Gemm g, const __grid_constant__ Stages stages) {
    typedef Tile<128, 128, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    multiply_matrices<T>(a, b, y, g, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) gemm_64x64(
    const float* a, const float* b, float* y, const __grid_constant__ Gemm g, const __grid_constant__ Stages stages) {
    typedef Tile<64, 64, 16> T;
    __shared__ float4 room[T::ROOM / 4];
    multiply_matrices<T>(a, b, y, g, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) gemm_128x32(
    const float* a, const float* b, float* y, const __grid_constant__ Gemm g, const __grid_constant__ Stages stages) {
    typedef Tile<128, 32, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    multiply_matrices<T>(a, b, y, g, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) gemm_128x16(
    const float* a, const float* b, float* y, const __grid_constant__ Gemm g, const __grid_constant__ Stages stages) {
    typedef Tile<128, 16, 8> T;
    __shared__ float4 room[T::ROOM / 4];
    multiply_matrices<T>(a, b, y, g, stages, (float*)room);
}

extern "C" __global__ void __launch_bounds__(256, 2) gemm_32x32(
    const float* a, const float* b, float* y, const __grid_constant__ Gemm g, const __grid_constant__ Stages stages) {
    typedef Tile<32, 32, 32> T;
    __shared__ float4 room[T::ROOM / 4];
    multiply_matrices<T>(a, b, y, g, stages, (float*)room);
}
