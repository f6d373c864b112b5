// CUDA C++ on a CPU, far enough to run our kernels: each thread of a block is a fiber of its own, barriers and exchanges
// between lanes wait for all who take part, and blocks come one after the other. Slow and exact in what it demands:
//
// - a barrier that some threads of the block never reach, or an exchange that some lanes of the warp never reach, is told;
// - shared memory holds nonsense (NaN) when a block begins;
// - threads and blocks run in one of several orders, so that results which depend on the order are found out;
// - atomics exist for integers alone.

#pragma once
#define SHIM

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __noinline__
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static __attribute__((section("shared_memory")))

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct float3 { float x, y, z; };
struct alignas(16) int4 { int x, y, z, w; };
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

namespace shim {

enum State { READY, AT_BARRIER, AT_EXCHANGE, DONE };

const int MOST = 1024;
const size_t STACK = 64 << 10;

struct Fiber {
    jmp_buf at;
    ucontext_t context;
    char* stack;
    State state;
    unsigned exchanges;  // how many it has taken part in: they alternate between two buffers
};

static Fiber fibers[MOST];
static jmp_buf scheduler;
static int current, alive;
static bool failed;
static char complaint[256];
static uint64_t lanes[2][MOST];
static void (*kernel)(void**);
static void** arguments;

static inline void complain(const char* what) {
    if (!failed) snprintf(complaint, sizeof complaint, "%s (block %u, thread %u)", what, blockIdx.x, threadIdx.x);
    failed = true;
}

static inline void wait(State state) {
    fibers[current].state = state;
    if (!_setjmp(fibers[current].at)) _longjmp(scheduler, 1);
}

static void life() {
    for (;;) {
        kernel(arguments);
        wait(DONE);
    }
}

static inline void resume(int i) {
    current = i;
    threadIdx.x = i % blockDim.x;
    threadIdx.y = i / blockDim.x % blockDim.y;
    threadIdx.z = i / blockDim.x / blockDim.y;
    if (_setjmp(scheduler)) return;
    if (fibers[i].stack) _longjmp(fibers[i].at, 1);
    fibers[i].stack = (char*)malloc(STACK);
    getcontext(&fibers[i].context);
    fibers[i].context.uc_stack.ss_sp = fibers[i].stack;
    fibers[i].context.uc_stack.ss_size = STACK;
    fibers[i].context.uc_link = nullptr;
    makecontext(&fibers[i].context, life, 0);
    setcontext(&fibers[i].context);
}

// The i-th of n in an order: 0 forward, 1 backward, otherwise strides that are coprime to n.
static inline unsigned place(unsigned i, unsigned n, int order) {
    if (order == 0) return i;
    if (order == 1) return n - 1 - i;
    unsigned stride = 2 * order + 1;
    while (n % stride == 0) stride += 2;
    // n may share other factors with the stride: fall back to a rotation, which is an order as well.
    unsigned a = stride, b = n;
    while (b) { unsigned t = a % b; a = b; b = t; }
    return a == 1 ? (unsigned)((uint64_t)i * stride % n) : (i + n / 2) % n;
}

extern "C" char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));

static void run_block(int threads, int order) {
    if (__start_shared_memory) memset(__start_shared_memory, 0xff, __stop_shared_memory - __start_shared_memory);
    for (int i = 0; i < threads; i++) fibers[i].state = READY, fibers[i].exchanges = 0;
    alive = threads;
    while (alive && !failed) {
        bool progress = false;
        for (int k = 0; k < threads; k++) {
            int i = place(k, threads, order);
            if (fibers[i].state != READY) continue;
            progress = true;
            resume(i);
            if (fibers[i].state == DONE) alive--;
        }
        // Lanes go on when all of their warp have arrived.
        for (int first = 0; first < threads; first += 32) {
            int last = first + 32 < threads ? first + 32 : threads, here = 0;
            for (int i = first; i < last; i++) here += fibers[i].state == AT_EXCHANGE;
            if (here == last - first && here == 32) {
                for (int i = first; i < last; i++) fibers[i].state = READY;
                progress = true;
            }
        }
        int waiting = 0;
        for (int i = 0; i < threads; i++) waiting += fibers[i].state == AT_BARRIER;
        if (waiting && waiting == threads) {
            for (int i = 0; i < threads; i++) fibers[i].state = READY;
            progress = true;
        }
        if (!progress && alive) {
            current = 0;
            complain(waiting ? "a barrier is not reached by all threads of the block"
                             : "an exchange is not reached by all lanes of a warp");
        }
    }
    if (failed)
        for (int i = 0; i < threads; i++) free(fibers[i].stack), fibers[i].stack = nullptr;
}

template <typename T>
static inline T exchange(T value, unsigned from) {
    static_assert(sizeof(T) <= 8, "");
    unsigned turn = fibers[current].exchanges++ & 1, warp = current / 32 * 32;
    uint64_t raw = 0;
    memcpy(&raw, &value, sizeof value);
    lanes[turn][current] = raw;
    wait(AT_EXCHANGE);
    raw = lanes[turn][warp + (from & 31)];
    memcpy(&value, &raw, sizeof value);
    return value;
}

}  // namespace shim

static inline void shim_aligned(const float* at) {
    if ((uintptr_t)at % 16 == 0) return;
    shim::complain("a load or store of four numbers is not aligned");
    // The host would not do it either, and die of it.
    shim::wait(shim::DONE);
}

static inline void __syncthreads() { shim::wait(shim::AT_BARRIER); }
static inline void __threadfence() {}
static inline void __syncwarp(unsigned mask = 0xffffffffu) { shim::exchange(0, 0); }

#define SHIM_LANE (shim::current & 31)
template <typename T>
static inline T __shfl_sync(unsigned mask, T value, int lane) { return shim::exchange(value, lane); }
template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits) { return shim::exchange(value, SHIM_LANE ^ bits); }
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned by) {
    return shim::exchange(value, SHIM_LANE + by < 32 ? SHIM_LANE + by : SHIM_LANE);
}
template <typename T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned by) {
    return shim::exchange(value, SHIM_LANE >= (int)by ? SHIM_LANE - by : SHIM_LANE);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    unsigned all = 0;
    for (int lane = 0; lane < 32; lane++) all |= (unsigned)(shim::exchange(predicate != 0, lane) != 0) << lane;
    return all;
}
static inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
static inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == 0xffffffffu; }

// Integers alone: sums of floats by atomics would depend on the order of threads.
template <typename T>
static inline T shim_add(T* at, T value) { T old = *at; *at = old + value; return old; }
static inline int atomicAdd(int* at, int value) { return shim_add(at, value); }
static inline unsigned atomicAdd(unsigned* at, unsigned value) { return shim_add(at, value); }
static inline unsigned long long atomicAdd(unsigned long long* at, unsigned long long value) { return shim_add(at, value); }
static inline int atomicMax(int* at, int v) { int o = *at; *at = o > v ? o : v; return o; }
static inline unsigned atomicMax(unsigned* at, unsigned v) { unsigned o = *at; *at = o > v ? o : v; return o; }
static inline int atomicMin(int* at, int v) { int o = *at; *at = o < v ? o : v; return o; }
static inline unsigned atomicMin(unsigned* at, unsigned v) { unsigned o = *at; *at = o < v ? o : v; return o; }
static inline unsigned atomicInc(unsigned* at, unsigned most) { unsigned o = *at; *at = o >= most ? 0 : o + 1; return o; }
static inline int atomicOr(int* at, int v) { int o = *at; *at = o | v; return o; }
static inline unsigned atomicOr(unsigned* at, unsigned v) { unsigned o = *at; *at = o | v; return o; }

static inline float __int_as_float(int bits) { float f; memcpy(&f, &bits, 4); return f; }
static inline int __float_as_int(float f) { int bits; memcpy(&bits, &f, 4); return bits; }
static inline float __uint_as_float(unsigned bits) { float f; memcpy(&f, &bits, 4); return f; }
static inline unsigned __float_as_uint(float f) { unsigned bits; memcpy(&bits, &f, 4); return bits; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
static inline float cospif(float x) { return (float)cos(x * M_PI); }
static inline float sinpif(float x) { return (float)sin(x * M_PI); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
template <typename T>
static inline T __ldg(const T* at) { return *at; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
static inline long long min(long long a, long long b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
static inline long long max(long long a, long long b) { return a > b ? a : b; }

// Runs a kernel over a grid; returns what was wrong, or null.
extern "C" const char* shim_launch(void (*kernel)(void**), const unsigned* grid, unsigned threads, void** arguments, int order) {
    using namespace shim;
    shim::kernel = kernel;
    shim::arguments = arguments;
    failed = false;
    if (threads < 1 || threads > MOST) return "a block has 1 to 1024 threads";
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads, 1, 1};
    unsigned total = grid[0] * grid[1] * grid[2];
    for (unsigned b = 0; b < total && !failed; b++) {
        unsigned at = place(b, total, order);
        blockIdx = {at % grid[0], at / grid[0] % grid[1], at / grid[0] / grid[1]};
        run_block(threads, order);
    }
    return failed ? complaint : nullptr;
}
