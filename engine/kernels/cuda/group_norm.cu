// Normalization within each sample, over groups of channels: see engine/ops/group_norm.py. x is (samples, places,
// channels); gamma and beta may be null.
//
// What lies close together is taken from its sums to its results by one warp or block. Elsewhere blocks leave parts of
// sums, of some channels at some places of a sample, whoever is last of a sample joins them to those of groups, and
// another kernel goes on.

#include "groups.cuh"
#include "normalize.cuh"

template <int N>
__device__ void group_norm_on(
    const float* x, const float* gamma, const float* beta, float* mean, float* deviation, float* y, const Groups& g,
    bool block, float epsilon, const Stages& stages, float* room) {
    const unsigned threads = block ? COLUMN_THREADS : WARP, thread = threadIdx.x % threads;
    const unsigned index = blockIdx.x * (COLUMN_THREADS / threads) + threadIdx.x / threads;
    if (index >= (unsigned)(g.samples * g.groups)) return;
    const Unit<N> unit(g, index, thread, threads);
    x += unit.base;
    Moments<N> moments;
    for (unsigned column = unit.column; column < unit.columns; column += unit.apart)
        moments.add(x + column, unit.length, unit.row, unit.rows, unit.step);
    float sum = 0.0f, squares = 0.0f, centers[N];
#pragma unroll
    for (int j = 0; j < N; j++) sum += moments.sum[j];
    const float center = over_team(sum, block, room) / unit.size;
#pragma unroll
    for (int j = 0; j < N; j++) centers[j] = center;
    moments.move_to(centers);
#pragma unroll
    for (int j = 0; j < N; j++) squares += moments.squares[j];
    const float spread = 1.0f / sqrtf(over_team(squares, block, room) / unit.size + epsilon);
    if (thread == 0) {
        mean[index] = center;
        deviation[index] = spread;
    }
    EACH_OF_UNIT(unit, at) {
        float v[N], gain[N], offset[N];
        const unsigned channel = unit.channel_of(g, at);
        load<N>(x + at, v);
        load_or<N>(gamma ? gamma + channel : gamma, 1.0f, gain);
        load_or<N>(beta ? beta + channel : beta, 0.0f, offset);
#pragma unroll
        for (int j = 0; j < N; j++) v[j] = (v[j] - center) * spread * gain[j] + offset[j];
        apply<N>(stages, v, unit.base + at);
        store<N>(y + unit.base + at, v);
    }
}

extern "C" __global__ void __launch_bounds__(256, 3) group_norm(
    const float* x, const float* gamma, const float* beta, float* mean, float* deviation, float* y,
    const __grid_constant__ Groups g, int block, float epsilon, const __grid_constant__ Stages stages) {
    __shared__ float room[COLUMN_THREADS / WARP];
    if (g.of_group % 4 == 0) group_norm_on<4>(x, gamma, beta, mean, deviation, y, g, block, epsilon, stages, room);
    else group_norm_on<1>(x, gamma, beta, mean, deviation, y, g, block, epsilon, stages, room);
}

// Blocks: samples x parts, across.
template <int N>
__device__ void group_statistics_on(
    const float* x, float* parts, unsigned* counters, float* mean, float* deviation, const Groups& g, float epsilon,
    float* room, unsigned* turn) {
    const Place<N> place(g.channels, g.shift, blockIdx.y);
    const unsigned sample = blockIdx.x / g.splits, count = g.of_group * g.splits;
    const unsigned start = blockIdx.x % g.splits * g.part_places, stop = min(start + g.part_places, (unsigned)g.places);
    float* const squares = parts + gridDim.x * g.channels;
    {
        float center[N];
        Moments<N> moments;
        const float* const from = x + sample * g.places * g.channels + place.column;
        if (place.inside) moments.add(from, g.channels, start + place.row, stop, place.step);
        join_block<N>(moments, stop - start, center, room, g.shift);
        if (place.inside && place.row == 0) {
            store<N>(parts + blockIdx.x * g.channels + place.column, moments.sum);
            store<N>(squares + blockIdx.x * g.channels + place.column, moments.squares);
        }
    }
    if (!is_last(counters + sample, g.splits * gridDim.y, turn)) return;
    EACH_GROUP(group, lane, lanes) {
        float total = 0.0f, distances = 0.0f;
        for (unsigned i = lane; i < count; i += lanes) total += parts[part_at(g, sample, group, i)];
        const float size = (float)g.places * g.of_group, center = over_lanes(total, lanes) / size;
        for (unsigned i = lane; i < count; i += lanes) {
            const unsigned at = part_at(g, sample, group, i);
            const float many = min(g.part_places, g.places - (int)(i / g.of_group) * g.part_places);
            const float apart = parts[at] / many - center;
            distances += squares[at] + many * apart * apart;
        }
        distances = over_lanes(distances, lanes);
        if (lane == 0) {
            mean[sample * g.groups + group] = center;
            deviation[sample * g.groups + group] = 1.0f / sqrtf(distances / size + epsilon);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 4) group_norm_statistics(
    const float* x, float* parts, unsigned* counters, float* mean, float* deviation, const __grid_constant__ Groups g,
    float epsilon) {
    __shared__ float room[4 * COLUMN_THREADS];
    __shared__ unsigned turn;
    if (g.channels % 4 == 0) group_statistics_on<4>(x, parts, counters, mean, deviation, g, epsilon, room, &turn);
    else group_statistics_on<1>(x, parts, counters, mean, deviation, g, epsilon, room, &turn);
}

// Blocks: samples x parts, across.
template <int N>
__device__ void group_normalize_on(
    const float* x, const float* gamma, const float* beta, const float* mean, const float* deviation, float* y,
    const Groups& g, const Stages& stages) {
    const Place<N> place(g.channels, g.shift, blockIdx.y);
    if (!place.inside) return;
    const unsigned sample = blockIdx.x / g.splits, before = sample * g.places;
    const unsigned start = blockIdx.x % g.splits * g.part_places, stop = min(start + g.part_places, (unsigned)g.places);
    float center[N], factor[N], gain[N], offset[N];
    load_of_groups<N>(mean, g, sample, place.column, center);
    load_of_groups<N>(deviation, g, sample, place.column, factor);
    load_or<N>(gamma ? gamma + place.column : gamma, 1.0f, gain);
    load_or<N>(beta ? beta + place.column : beta, 0.0f, offset);
#pragma unroll
    for (int j = 0; j < N; j++) factor[j] *= gain[j];
    normalize_rows<N, true>(
        x, y, before + stop, g.channels, place.column, before + start + place.row, place.step, center, factor, offset,
        stages);
}

extern "C" __global__ void __launch_bounds__(256, 4) group_normalize(
    const float* x, const float* gamma, const float* beta, const float* mean, const float* deviation, float* y,
    const __grid_constant__ Groups g, const __grid_constant__ Stages stages) {
    if (g.channels % 4 == 0) group_normalize_on<4>(x, gamma, beta, mean, deviation, y, g, stages);
    else group_normalize_on<1>(x, gamma, beta, mean, deviation, y, g, stages);
}

// -- backwards ---------------------------------------------------------------------------------------------------------
//
// dx = (g - mean(g) - t mean(g t)) rstd with g = gamma dy, t = (x - mean) rstd, and means over a group; dgamma and dbeta
// are the sums of dy t and of dy for each channel. Each g is rounded before it meets a mean, so that what cancels leaves
// nothing.

template <int N>
__device__ void group_gradient_on(
    const float* x, const float* gamma, const float* mean, const float* deviation, const float* dy, float* dx,
    const Groups& g, bool block, const Stages& stages, float* room) {
    const unsigned threads = block ? COLUMN_THREADS : WARP, thread = threadIdx.x % threads;
    const unsigned index = blockIdx.x * (COLUMN_THREADS / threads) + threadIdx.x / threads;
    if (index >= (unsigned)(g.samples * g.groups)) return;
    const Unit<N> unit(g, index, thread, threads);
    const float center = mean[index], spread = deviation[index];
    float ahead = 0.0f, steep = 0.0f;
    x += unit.base, dy += unit.base;
    EACH_OF_UNIT(unit, at) {
        float v[N], d[N], gain[N];
        const unsigned channel = unit.channel_of(g, at);
        load<N>(x + at, v);
        load<N>(dy + at, d);
        load_or<N>(gamma ? gamma + channel : gamma, 1.0f, gain);
#pragma unroll
        for (int j = 0; j < N; j++) {
            ahead += __fmul_rn(d[j], gain[j]);
            steep += d[j] * ((v[j] - center) * spread) * gain[j];
        }
    }
    ahead = over_team(ahead, block, room) / unit.size;
    steep = over_team(steep, block, room) / unit.size;
    EACH_OF_UNIT(unit, at) {
        float v[N], d[N], gain[N];
        const unsigned channel = unit.channel_of(g, at);
        load<N>(x + at, v);
        load<N>(dy + at, d);
        load_or<N>(gamma ? gamma + channel : gamma, 1.0f, gain);
#pragma unroll
        for (int j = 0; j < N; j++)
            d[j] = (__fmul_rn(d[j], gain[j]) - ((v[j] - center) * spread * steep + ahead)) * spread;
        apply<N>(stages, d, unit.base + at);
        store<N>(dx + unit.base + at, d);
    }
}

// dx, by a warp or a block for each group of a sample.
extern "C" __global__ void __launch_bounds__(256, 4) group_norm_gradient(
    const float* x, const float* gamma, const float* mean, const float* deviation, const float* dy, float* dx,
    const __grid_constant__ Groups g, int block, const __grid_constant__ Stages stages) {
    __shared__ float room[COLUMN_THREADS / WARP];
    if (g.of_group % 4 == 0) group_gradient_on<4>(x, gamma, mean, deviation, dy, dx, g, block, stages, room);
    else group_gradient_on<1>(x, gamma, mean, deviation, dy, dx, g, block, stages, room);
}

// Blocks: parts of samples, across.
template <int N>
__device__ void group_gain_on(
    const float* x, const float* mean, const float* deviation, const float* dy, float* parts, unsigned* counters,
    float* dgamma, float* dbeta, const Groups& g, float* room, unsigned* turn) {
    const Place<N> place(g.channels, g.shift, blockIdx.y);
    const unsigned start = blockIdx.x * g.part_places, stop = min(start + g.part_places, (unsigned)g.samples);
    float products[N] = {}, total[N] = {};
    if (place.inside) {
        for (unsigned row = start + place.row; row < stop; row += place.step) {
            const unsigned at = row * g.channels + place.column;
            float v[N], d[N], center[N], spread[N];
            load<N>(x + at, v);
            load<N>(dy + at, d);
            load_of_groups<N>(mean, g, row, place.column, center);
            load_of_groups<N>(deviation, g, row, place.column, spread);
#pragma unroll
            for (int j = 0; j < N; j++) {
                products[j] += d[j] * ((v[j] - center[j]) * spread[j]);
                total[j] += d[j];
            }
        }
    }
    over_rows<N>(products, room, g.shift);
    over_rows<N>(total, room, g.shift);
    if (gridDim.x > 1) {
        if (place.inside && place.row == 0) {
            float* const part = parts + blockIdx.x * g.channels + place.column;
            store<N>(part, products);
            store<N>(part + gridDim.x * g.channels, total);
        }
        if (!is_last(counters + blockIdx.y, gridDim.x, turn)) return;
        join_parts<N>(
            place, parts, gridDim.x, g.channels, gridDim.x * g.channels, products, total, room, g.shift);
    }
    if (!place.inside || place.row) return;
    store<N>(dgamma + place.column, products);
    store<N>(dbeta + place.column, total);
}

// dgamma and dbeta, of samples that have one place.
extern "C" __global__ void __launch_bounds__(256, 4) group_norm_gain(
    const float* x, const float* mean, const float* deviation, const float* dy, float* parts, unsigned* counters,
    float* dgamma, float* dbeta, const __grid_constant__ Groups g) {
    __shared__ float room[4 * COLUMN_THREADS];
    __shared__ unsigned turn;
    if (g.channels % 4 == 0)
        group_gain_on<4>(x, mean, deviation, dy, parts, counters, dgamma, dbeta, g, room, &turn);
    else
        group_gain_on<1>(x, mean, deviation, dy, parts, counters, dgamma, dbeta, g, room, &turn);
}

// Blocks: samples x parts, across.
template <int N>
__device__ void group_sums_on(
    const float* x, const float* gamma, const float* mean, const float* deviation, const float* dy, float* parts,
    float* sums, unsigned* counters, float* ahead, float* steep, float* dgamma, float* dbeta, const Groups& g, float* room,
    unsigned* turn) {
    const Place<N> place(g.channels, g.shift, blockIdx.y);
    const unsigned sample = blockIdx.x / g.splits, from = sample * g.places * g.channels + place.column;
    const unsigned start = blockIdx.x % g.splits * g.part_places, stop = min(start + g.part_places, (unsigned)g.places);
    const unsigned apart = gridDim.x * g.channels;
    float products[N] = {}, total[N] = {};
    if (place.inside) {
        float center[N], spread[N];
        load_of_groups<N>(mean, g, sample, place.column, center);
        load_of_groups<N>(deviation, g, sample, place.column, spread);
        sum_products<N>(
            x + from, dy + from, g.channels, start + place.row, stop, place.step, center, spread, products, total);
    }
    over_rows<N>(products, room, g.shift);
    over_rows<N>(total, room, g.shift);
    if (place.inside && place.row == 0) {
        store<N>(parts + blockIdx.x * g.channels + place.column, products);
        store<N>(parts + apart + blockIdx.x * g.channels + place.column, total);
    }
    if (is_last(counters + sample, g.splits * gridDim.y, turn)) {
        const unsigned far = g.samples * g.channels;
        // Parts become sums of whole channels before gamma comes in.
        for (unsigned block = 0; g.splits > 1 && block < gridDim.y; block++) {
            const Place<N> other(g.channels, g.shift, block);
            const float* const first = parts + sample * g.splits * g.channels;
            join_parts<N>(other, first, g.splits, g.channels, apart, products, total, room, g.shift);
            if (other.inside && other.row == 0) {
                store<N>(sums + sample * g.channels + other.column, products);
                store<N>(sums + far + sample * g.channels + other.column, total);
            }
        }
        __syncthreads();
        const float* const whole = (g.splits > 1 ? sums : parts) + sample * g.channels;
        EACH_GROUP(group, lane, lanes) {
            float flat = 0.0f, tilted = 0.0f;
            for (unsigned i = lane; i < (unsigned)g.of_group; i += lanes) {
                const unsigned channel = group * g.of_group + i;
                const float gain = gamma ? gamma[channel] : 1.0f;
                flat += whole[far + channel] * gain;
                tilted += whole[channel] * gain;
            }
            const float share = 1.0f / ((float)g.places * g.of_group);
            flat = over_lanes(flat, lanes) * share;
            tilted = over_lanes(tilted, lanes) * share;
            if (lane == 0) {
                ahead[sample * g.groups + group] = flat;
                steep[sample * g.groups + group] = tilted;
            }
        }
    }
    if (!dgamma || !is_last(counters + g.samples + blockIdx.y, gridDim.x, turn)) return;
    join_parts<N>(place, parts, gridDim.x, g.channels, apart, products, total, room, g.shift);
    if (!place.inside || place.row) return;
    store<N>(dgamma + place.column, products);
    store<N>(dbeta + place.column, total);
}

// ahead, steep (samples, groups) = means of g and of g t; dgamma and dbeta unless they are null. sums (2, samples,
// channels) is only needed where there is more than one part.
extern "C" __global__ void __launch_bounds__(256, 4) group_norm_sums(
    const float* x, const float* gamma, const float* mean, const float* deviation, const float* dy, float* parts,
    float* sums, unsigned* counters, float* ahead, float* steep, float* dgamma, float* dbeta,
    const __grid_constant__ Groups g) {
    __shared__ float room[4 * COLUMN_THREADS];
    __shared__ unsigned turn;
    if (g.channels % 4 == 0)
        group_sums_on<4>(
            x, gamma, mean, deviation, dy, parts, sums, counters, ahead, steep, dgamma, dbeta, g, room, &turn);
    else
        group_sums_on<1>(
            x, gamma, mean, deviation, dy, parts, sums, counters, ahead, steep, dgamma, dbeta, g, room, &turn);
}

// Blocks: samples x parts, across.
template <int N>
__device__ void group_rest_on(
    const float* x, const float* gamma, const float* mean, const float* deviation, const float* dy, const float* ahead,
    const float* steep, float* dx, const Groups& g, const Stages& stages) {
    const Place<N> place(g.channels, g.shift, blockIdx.y);
    if (!place.inside) return;
    const unsigned sample = blockIdx.x / g.splits, before = sample * g.places;
    const unsigned start = blockIdx.x % g.splits * g.part_places, stop = min(start + g.part_places, (unsigned)g.places);
    float center[N], spread[N], gain[N], offset[N], slope[N], v[N], d[N], result[N];
    load_of_groups<N>(mean, g, sample, place.column, center);
    load_of_groups<N>(deviation, g, sample, place.column, spread);
    load_of_groups<N>(ahead, g, sample, place.column, offset);
    load_of_groups<N>(steep, g, sample, place.column, slope);
    load_or<N>(gamma ? gamma + place.column : gamma, 1.0f, gain);
#pragma unroll
    for (int j = 0; j < N; j++) slope[j] *= spread[j];
    unsigned row = start + place.row, at = (before + row) * g.channels + place.column;
    if (row < stop) {
        load<N>(x + at, v);
        load<N>(dy + at, d);
    }
    while (row < stop) {
#pragma unroll
        for (int j = 0; j < N; j++)
            result[j] = (__fmul_rn(d[j], gain[j]) - ((v[j] - center[j]) * slope[j] + offset[j])) * spread[j];
        const unsigned here = at;
        row += place.step;
        at += place.step * g.channels;
        // On its way while the row before goes through the stages.
        if (row < stop) {
            load<N>(x + at, v);
            load<N>(dy + at, d);
        }
        apply<N>(stages, result, here);
        store<N>(dx + here, result);
    }
}

// dx, the means being known.
extern "C" __global__ void __launch_bounds__(256, 4) group_norm_rest(
    const float* x, const float* gamma, const float* mean, const float* deviation, const float* dy, const float* ahead,
    const float* steep, float* dx, const __grid_constant__ Groups g, const __grid_constant__ Stages stages) {
    if (g.channels % 4 == 0) group_rest_on<4>(x, gamma, mean, deviation, dy, ahead, steep, dx, g, stages);
    else group_rest_on<1>(x, gamma, mean, deviation, dy, ahead, steep, dx, g, stages);
}
