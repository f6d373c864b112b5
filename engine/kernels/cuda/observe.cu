// The instruments: what engine/ops/observe.py tells of arrays. Small arrays are done by a block each. A large one takes
// two walks by many blocks: the first for sums, counts and extremes, the second for the squared deviations from the mean
// and the histogram. The last block to finish a walk joins what all have found, in the order of their numbers; counts of
// the histogram are whole numbers and may be added in any order.

#include "observe.cuh"

#define COUNTERS 4096

// The elements of a walk: from `first` on, `span` further on each time, below n.
struct Walk {
    const float* x;
    unsigned n, first, span;
};

// Marks the columns of those of four elements, from `at` on, that are other than zero.
__device__ inline void mark(bool* alive, unsigned units, unsigned at, unsigned seen) {
#pragma unroll 1
    for (unsigned j = 0; j < 4; j++)
        if (seen >> j & 1) {
            const unsigned column = (at + j) % units;
            if (!alive[column]) alive[column] = true;
        }
}

// The first walk. Where whole rows are skipped each time, a thread looks at the same columns all along.
__device__ inline Known first_walk(const Walk& w, unsigned units, float low, float high, bool* alive) {
    const bool same_columns = w.span % units == 0;
    Known known = nothing();
    unsigned seen = 0, i = w.first;
    for (; i + 4 <= w.n; i += w.span) {
        float v[4];
        load4(w.x + i, v);
        count_in(v, low, high, known);
#pragma unroll
        for (int j = 0; j < 4; j++) seen |= (unsigned)(v[j] != 0.0f) << j;
        if (same_columns) continue;
        mark(alive, units, i, seen);
        seen = 0;
    }
#pragma unroll 1
    for (unsigned j = 0; i + j < w.n; j++) {
        const float v[1] = {w.x[i + j]};
        count_in(v, low, high, known);
        seen |= (unsigned)(v[0] != 0.0f) << j;
    }
    mark(alive, units, same_columns ? w.first : i, seen);
    return known;
}

// Equal bins from the least element on: `per_unit` of them; 0 puts everything into the first.
struct Bins {
    float least, per_unit;
    unsigned count, copies;
};

__device__ inline Bins bins_between(float least, float greatest, unsigned count, unsigned copies) {
    const float extent = greatest - least;
    // A range that is zero, or as good as zero.
    const bool none = extent < 1.1754943508222875e-38f * (float)(4 * count + 4);
    return {least, none ? 0.0f : (float)count / extent, count, copies};
}

// Counts an element, in a copy of the histogram that few lanes share.
__device__ inline void tally(float v, const Bins& bins, unsigned* counters) {
    if (!is_finite(v)) return;
    const unsigned bin = min((unsigned)((v - bins.least) * bins.per_unit), bins.count - 1);
    atomicAdd(&counters[bin * bins.copies + threadIdx.x % bins.copies], 1u);
}

// The second walk.
__device__ inline Spread second_walk(const Walk& w, float mean, const Bins& bins, unsigned* counters) {
    Spread spread = {0.0, 0.0};
    unsigned i = w.first;
    for (; i + 4 <= w.n; i += w.span) {
        float v[4];
        load4(w.x + i, v);
        spread_in(v, mean, spread);
        if (bins.count)
#pragma unroll
            for (int j = 0; j < 4; j++) tally(v[j], bins, counters);
    }
#pragma unroll 1
    for (; i < w.n; i++) {
        const float v[1] = {w.x[i]};
        spread_in(v, mean, spread);
        if (bins.count) tally(v[0], bins, counters);
    }
    return spread;
}

// All copies of a bin, in an order in which threads do not wait for one another's memory bank.
__device__ inline unsigned all_copies(const unsigned* counters, unsigned bin, unsigned copies) {
    unsigned sum = 0;
    for (unsigned k = 0; k < copies; k++) sum += counters[bin * copies + (bin + k) % copies];
    return sum;
}

// The statistics that the first walk yields, `apart` elements from one another; mean, least and greatest are returned.
__device__ inline float3 write_first(const Known& k, float* stats, unsigned apart) {
    const bool some = k.finite > 0;
    // Adding zero makes of -0, which lies anywhere among zeros, 0.
    const float3 shown = {some ? (float)(k.sum / k.finite) : 0.0f, some ? k.least + 0.0f : 0.0f,
                          some ? k.greatest + 0.0f : 0.0f};
    if (threadIdx.x == 0) {
        stats[0] = shown.x, stats[2 * apart] = shown.y, stats[3 * apart] = shown.z;
        stats[4 * apart] = (float)k.zeros, stats[5 * apart] = (float)k.saturated, stats[6 * apart] = (float)k.finite;
    }
    return shown;
}

// One array (n elements, rows of `units`), first walk. The grid takes `span` elements at a time. `seen` (units,): all
// false at first; true where a unit is other than zero somewhere.
extern "C" __global__ void __launch_bounds__(256) observe_first(
    const float* x, int n, int units, int span, float low, float high, double* sums, float* extremes, unsigned* numbers,
    bool* seen, unsigned* ticket, float* stats) {
    __shared__ Known room[8];
    __shared__ unsigned turn;
    const unsigned first = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    const Walk walk = {x, first < (unsigned)span ? (unsigned)n : 0, first, (unsigned)span};
    const Parts parts = {sums, extremes, numbers, gridDim.x};
    Known known = over_all(first_walk(walk, units, low, high, seen), room);
    if (threadIdx.x == 0) put(parts, blockIdx.x, known);
    if (!is_last(ticket, gridDim.x, &turn)) return;
    known = nothing();
    EACH_IN_BLOCK(i, gridDim.x) {
        Known other;
        get(parts, i, other);
        known = joined(known, other);
    }
    write_first(over_all(known, room), stats, 1);
}

// The second walk, and which units live. `tallies` (bins,): all zero at first; with `seen` so again afterwards.
extern "C" __global__ void __launch_bounds__(256) observe_second(
    const float* x, int n, int units, int span, int bins, int copies, double* sums, unsigned* numbers, bool* seen,
    long long* tallies, unsigned* ticket, float* stats, bool* alive, long long* histogram) {
    __shared__ unsigned counters[COUNTERS];
    __shared__ Spread room[8];
    __shared__ unsigned counts[8];
    __shared__ unsigned turn;
    EACH_IN_BLOCK(i, bins * copies) counters[i] = 0;
    __syncthreads();
    const unsigned first = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    const Walk walk = {x, first < (unsigned)span ? (unsigned)n : 0, first, (unsigned)span};
    const Parts parts = {sums, nullptr, numbers, gridDim.x};
    const Bins between = bins_between(stats[2], stats[3], bins, copies);
    Spread spread = over_all(second_walk(walk, stats[0], between, counters), room);
    unsigned dead = 0;
    EACH(i, units) {
        dead += !seen[i];
        alive[i] = seen[i];
        seen[i] = false;
    }
    dead = over_block<Sum>(dead, counts);
    if (threadIdx.x == 0) {
        put(parts, blockIdx.x, spread);
        parts.numbers[blockIdx.x] = dead;
    }
    EACH_IN_BLOCK(i, bins) {
        const unsigned sum = all_copies(counters, i, copies);
        if (sum) atomicAdd((unsigned long long*)tallies + i, (unsigned long long)sum);
    }
    if (!is_last(ticket, gridDim.x, &turn)) return;
    spread = {0.0, 0.0}, dead = 0;
    EACH_IN_BLOCK(i, gridDim.x) {
        Spread other;
        get(parts, i, other);
        spread = joined(spread, other);
        dead += parts.numbers[i];
    }
    spread = over_all(spread, room);
    dead = over_block<Sum>(dead, counts);
    if (threadIdx.x == 0) stats[1] = squares_of(spread, stats[6]), stats[7] = (float)dead;
    EACH_IN_BLOCK(i, bins) {
        volatile long long* sum = tallies + i;
        histogram[i] = *sum;
        *sum = 0;
    }
}

// Arrays that are small: each, with both walks, by the block of its number. sizes (arrays, 2): elements and units;
// limits (arrays, 2); stats (8, arrays), alive (arrays, width), histogram (arrays, bins).
extern "C" __global__ void __launch_bounds__(512) observe_many(
    float* const* arrays, const int* sizes, const float* limits, int bins, int copies, int width, float* stats, bool* alive,
    long long* histogram) {
    __shared__ unsigned counters[COUNTERS];
    __shared__ Known room[16];
    __shared__ Spread spreads[16];
    __shared__ unsigned counts[16];
    const unsigned which = blockIdx.x, apart = gridDim.x, units = sizes[2 * which + 1];
    const Walk walk = {arrays[which], (unsigned)sizes[2 * which], 4 * threadIdx.x, 4 * blockDim.x};
    bool* living = alive + which * (unsigned)width;
    stats += which;
    EACH_IN_BLOCK(i, width) living[i] = i >= units;
    EACH_IN_BLOCK(i, bins * copies) counters[i] = 0;
    __syncthreads();
    const Known known = over_all(first_walk(walk, units, limits[2 * which], limits[2 * which + 1], living), room);
    const float3 shown = write_first(known, stats, apart);
    unsigned dead = 0;
    EACH_IN_BLOCK(i, units) dead += !living[i];
    dead = over_block<Sum>(dead, counts);
    const Bins between = bins_between(shown.y, shown.z, bins, copies);
    const Spread spread = over_all(second_walk(walk, shown.x, between, counters), spreads);
    if (threadIdx.x == 0) stats[apart] = squares_of(spread, (float)known.finite), stats[7 * apart] = (float)dead;
    EACH_IN_BLOCK(i, bins) histogram[which * (unsigned)bins + i] = all_copies(counters, i, copies);
}

// -- each unit by itself -----------------------------------------------------------------------------------------------

// The part of an array (n elements, rows of `width`) that a thread looks at: one column, every eighth row of the block's
// part. Rows of few units are joined to such of up to 32 columns.
struct Column {
    const float* x;
    unsigned n, width, column, row, stop;
};

__device__ inline Column column_of(const float* x, unsigned n, unsigned width, unsigned rows) {
    const unsigned column = blockIdx.x * WARP + threadIdx.x % WARP, start = blockIdx.y * rows;
    return {x, n, width, column, start + threadIdx.x / WARP, column < width ? min(start + rows, (n + width - 1) / width) : 0};
}

// Four elements, eight rows from one another; NaN, which is not counted, where there is none.
__device__ inline void load_rows(const Column& c, unsigned row, float (&v)[4]) {
#pragma unroll
    for (unsigned j = 0; j < 4; j++) {
        const unsigned at = (row + 8 * j) * c.width + c.column;
        v[j] = row + 8 * j < c.stop && at < c.n ? c.x[at] : not_a_number();
    }
}

__device__ inline Spread spread_of(const Column& c, float mean) {
    Spread spread = {0.0, 0.0};
    for (unsigned row = c.row; row < c.stop; row += 32) {
        float v[4];
        load_rows(c, row, v);
        spread_in(v, mean, spread);
    }
    return spread;
}

// The parts of a unit that the blocks of a column have found, joined by the warps in turns and then by `over_columns`.
template <typename T>
__device__ T all_parts(const Parts& parts, unsigned unit, unsigned units, T known, T* room) {
    for (unsigned i = threadIdx.x / WARP; unit < units && i < gridDim.y; i += blockDim.x / WARP) {
        T other;
        get(parts, i * units + unit, other);
        known = joined(known, other);
    }
    return over_columns(known, room, WARP);
}

// result (6, units) of n elements, blocks of `rows` rows; but for the squares where those take a second walk, because
// there is more than one block of rows. tickets: one for each block of columns.
extern "C" __global__ void __launch_bounds__(256) observe_units(
    const float* x, int n, int units, int width, int rows, double* sums, float* extremes, unsigned* numbers,
    unsigned* tickets, float* result) {
    __shared__ Known room[256];
    __shared__ Spread spreads[256];
    __shared__ float means[WARP];
    __shared__ unsigned turn;
    const Column column = column_of(x, n, width, rows);
    const unsigned unit = blockIdx.x * WARP + threadIdx.x % WARP, part = min(units, WARP);
    const Parts parts = {sums, extremes, numbers, gridDim.y * (unsigned)units};
    Known known = nothing();
    for (unsigned row = column.row; row < column.stop; row += 32) {
        float v[4];
        load_rows(column, row, v);
        count_in(v, -infinity(), infinity(), known);
    }
    known = over_columns(known, room, part);
    const bool mine = threadIdx.x < part && unit < (unsigned)units;
    if (gridDim.y > 1) {
        if (mine) put(parts, blockIdx.y * units + unit, known);
        if (!is_last(tickets + blockIdx.x, gridDim.y, &turn)) return;
        known = all_parts(parts, unit, units, nothing(), room);
    }
    if (mine) {
        const bool some = known.finite > 0;
        const float mean = some ? (float)(known.sum / known.finite) : 0.0f;
        means[threadIdx.x] = mean;
        result[unit] = mean;
        result[2 * units + unit] = some ? known.least + 0.0f : 0.0f;
        result[3 * units + unit] = some ? known.greatest + 0.0f : 0.0f;
        result[4 * units + unit] = (float)known.zeros;
        result[5 * units + unit] = (float)known.finite;
    }
    if (gridDim.y > 1) return;
    __syncthreads();
    const Spread spread = over_columns(spread_of(column, means[threadIdx.x % WARP % part]), spreads, part);
    if (mine) result[units + unit] = squares_of(spread, (float)known.finite);
}

// The second walk: the squares.
extern "C" __global__ void __launch_bounds__(256) observe_units_second(
    const float* x, int n, int units, int width, int rows, double* sums, unsigned* tickets, float* result) {
    __shared__ Spread room[256];
    __shared__ unsigned turn;
    const Column column = column_of(x, n, width, rows);
    const unsigned unit = blockIdx.x * WARP + threadIdx.x % WARP, part = min(units, WARP);
    const Parts parts = {sums, nullptr, nullptr, gridDim.y * (unsigned)units};
    Spread spread = over_columns(spread_of(column, result[unit % units]), room, part);
    const bool mine = threadIdx.x < part && unit < (unsigned)units;
    if (mine) put(parts, blockIdx.y * units + unit, spread);
    if (!is_last(tickets + blockIdx.x, gridDim.y, &turn)) return;
    spread = all_parts(parts, unit, units, Spread{0.0, 0.0}, room);
    if (mine) result[units + unit] = squares_of(spread, result[5 * units + unit]);
}
