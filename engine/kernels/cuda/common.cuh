// What all kernels share: walking arrays, sums over a block in a fixed order, random bits, and wide loads.
//
// No kernel uses atomic operations on floats: every sum is taken in an order that depends on sizes alone, so that the
// same inputs give the same bits.

#pragma once

#define WARP 32
#define FULL 0xffffffffu

// Every index below n once, over the whole grid. Arrays have fewer than 2^31 elements.
#define EACH(i, n) \
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < (unsigned)(n); i += gridDim.x * blockDim.x)

// Every index below n once, over the block.
#define EACH_IN_BLOCK(i, n) for (unsigned i = threadIdx.x; i < (unsigned)(n); i += blockDim.x)

struct Sum {
    template <typename T>
    static __device__ T join(T a, T b) {
        return a + b;
    }
};

// Like fminf and fmaxf, but what is not a number stays.
struct Least {
    static __device__ float join(float a, float b) { return a < b || a != a ? a : b; }
};

struct Greatest {
    static __device__ float join(float a, float b) { return a > b || a != a ? a : b; }
};

// The result of all lanes, in every lane.
template <typename How, typename T>
__device__ T over_warp(T value) {
    for (int step = WARP / 2; step > 0; step /= 2) value = How::join(value, __shfl_xor_sync(FULL, value, step));
    return value;
}

// The result of `lanes` neighbouring lanes, a power of two, in each of them.
template <typename How>
__device__ float over_lanes(float value, int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) value = How::join(value, __shfl_xor_sync(FULL, value, step));
    return value;
}

// The result of all threads, in every thread. `room` has a place for each warp (blockDim.x / 32) and may be used again
// at once. Blocks are whole warps.
template <typename How, typename T>
__device__ T over_block(T value, T* room) {
    value = over_warp<How>(value);
    if (threadIdx.x % WARP == 0) room[threadIdx.x / WARP] = value;
    __syncthreads();
    T all = room[0];
    for (unsigned warp = 1; warp < blockDim.x / WARP; warp++) all = How::join(all, room[warp]);
    __syncthreads();
    return all;
}

// Whether this block is the last of `blocks` to come here, which then sees what all of them wrote before. `finished` is 0
// between launches; `turn` is shared. What others wrote is to be read as volatile: it may have come after a cache was
// filled.
__device__ inline bool is_last(unsigned* finished, unsigned blocks, unsigned* turn) {
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) *turn = atomicAdd(finished, 1u);
    __syncthreads();
    const bool last = *turn + 1 == blocks;
    if (last && threadIdx.x == 0) *finished = 0;
    __threadfence();
    return last;
}

// The sum of what each block of a one-dimensional grid brings (the same in all of its threads): in the last block to
// come here, and nowhere else, it becomes `total`. `partials` has a place for each block; `room` as in over_block.
__device__ inline bool sum_of_blocks(
    float mine, float* partials, unsigned* finished, float* room, unsigned* turn, float& total) {
    if (threadIdx.x == 0) partials[blockIdx.x] = mine;
    if (!is_last(finished, gridDim.x, turn)) return false;
    const volatile float* all = partials;
    float own = 0.0f;
    EACH_IN_BLOCK(i, gridDim.x) own += all[i];
    total = over_block<Sum>(own, room);
    return true;
}

// -- random bits: see engine/random.py ---------------------------------------------------------------------------------

struct Key {
    unsigned first, second;
};

__device__ inline unsigned mix(unsigned x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

// The key of a stream in this step; counters: seed low and high, step low and high.
__device__ inline Key stream_key(const unsigned* counters, unsigned stream) {
    const unsigned weyl = 0x9e3779b9u, combine = 0x2c1b3c6du;
    unsigned v[4], u[2];
#pragma unroll
    for (unsigned j = 0; j < 4; j++) v[j] = counters[j] + stream + j * weyl;
#pragma unroll
    for (unsigned j = 0; j < 2; j++) u[j] = mix(v[j] * combine + v[j + 2]);
    Key key = {u[1] * combine + u[0], u[0] * combine + u[1]};
    return key;
}

// Element `index` of the stream.
__device__ inline unsigned random_bits(Key key, unsigned index) {
    unsigned x = key.first + index * 0x9e3779b9u;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x += key.second;
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
}

// -- four numbers at a time --------------------------------------------------------------------------------------------

// `at` is a multiple of four elements behind an array's beginning.
__device__ inline void load4(const float* at, float (&v)[4]) {
#ifdef SHIM
    shim_aligned(at);
#endif
    const float4 all = *reinterpret_cast<const float4*>(at);
    v[0] = all.x, v[1] = all.y, v[2] = all.z, v[3] = all.w;
}

__device__ inline void store4(float* at, const float (&v)[4]) {
#ifdef SHIM
    shim_aligned(at);
#endif
    *reinterpret_cast<float4*>(at) = make_float4(v[0], v[1], v[2], v[3]);
}

template <int N>
__device__ void load(const float* at, float (&v)[N]) {
    if constexpr (N == 4) load4(at, v);
    else v[0] = *at;
}

template <int N>
__device__ void store(float* at, const float (&v)[N]) {
    if constexpr (N == 4) store4(at, v);
    else *at = v[0];
}
