// Batch normalization: see engine/ops/normalization.py; and the weights of filters, for which gamma, beta and running
// statistics are missing (null). Matrices are (rows, columns), columns are walked as moments.cuh says.
//
// Where rows are few one kernel does everything, and reads x for the second time from the caches. Where they are many,
// blocks leave parts of sums (2, parts, columns), whoever is last joins them, and a second kernel normalizes.

#include "normalize.cuh"

// What follows from a column's mean and its sum of squared distances; squares = the reciprocal deviation.
template <int N>
__device__ void keep_statistics(
    const Place<N>& place, const float (&center)[N], float (&squares)[N], float* running_mean, float* running_variance,
    float* mean, float* deviation, unsigned rows, float momentum, float epsilon) {
    const float share = 1.0f / rows, unbiased = momentum / (rows > 1 ? rows - 1 : 1);
    const bool writes = place.inside && place.row == 0;
    if (writes && running_mean) {
        float m[N], v[N];
        load<N>(running_mean + place.column, m);
        load<N>(running_variance + place.column, v);
#pragma unroll
        for (int j = 0; j < N; j++) {
            m[j] = m[j] * (1.0f - momentum) + center[j] * momentum;
            v[j] = v[j] * (1.0f - momentum) + squares[j] * unbiased;
        }
        store<N>(running_mean + place.column, m);
        store<N>(running_variance + place.column, v);
    }
#pragma unroll
    for (int j = 0; j < N; j++) squares[j] *= share;
    deviations<N>(squares, epsilon);
    if (writes) {
        store<N>(mean + place.column, center);
        store<N>(deviation + place.column, squares);
    }
}

template <int N>
__device__ void batch_norm_on(
    const float* x, const float* gamma, const float* beta, float* running_mean, float* running_variance, float* mean,
    float* deviation, float* y, unsigned rows, unsigned columns, unsigned shift, float momentum, float epsilon,
    const Stages& stages, float* room) {
    const Place<N> place(columns, shift, blockIdx.x);
    Moments<N> moments;
    if (place.inside) moments.add(x + place.column, columns, place.row, rows, place.step);
    float center[N], offset[N], gain[N];
    join_block<N>(moments, rows, center, room, shift);
    keep_statistics<N>(
        place, center, moments.squares, running_mean, running_variance, mean, deviation, rows, momentum, epsilon);
    if (!place.inside) return;
    load_or<N>(gamma ? gamma + place.column : gamma, 1.0f, gain);
    load_or<N>(beta ? beta + place.column : beta, 0.0f, offset);
#pragma unroll
    for (int j = 0; j < N; j++) gain[j] *= moments.squares[j];
    normalize_rows<N, false>(x, y, rows, columns, place.column, place.row, place.step, center, gain, offset, stages);
}

extern "C" __global__ void __launch_bounds__(256, 4) batch_norm(
    const int* halt, const float* x, const float* gamma, const float* beta, float* running_mean, float* running_variance,
    float* mean, float* deviation, float* y, int rows, int columns, int shift, float momentum, float epsilon,
    const __grid_constant__ Stages stages) {
    __shared__ float room[4 * COLUMN_THREADS];
    if (*halt) return;
    if (columns % 4 == 0)
        batch_norm_on<4>(
            x, gamma, beta, running_mean, running_variance, mean, deviation, y, rows, columns, shift, momentum, epsilon,
            stages, room);
    else
        batch_norm_on<1>(
            x, gamma, beta, running_mean, running_variance, mean, deviation, y, rows, columns, shift, momentum, epsilon,
            stages, room);
}

template <int N>
__device__ void statistics_on(
    const float* x, float* parts, unsigned* counters, float* running_mean, float* running_variance, float* mean,
    float* deviation, unsigned rows, unsigned columns, unsigned part_rows, unsigned shift, float momentum, float epsilon,
    float* room, unsigned* turn) {
    const Place<N> place(columns, shift, blockIdx.x);
    const unsigned count = gridDim.y, start = blockIdx.y * part_rows, stop = min(start + part_rows, rows);
    float center[N];
    {
        Moments<N> moments;
        if (place.inside) moments.add(x + place.column, columns, start + place.row, stop, place.step);
        join_block<N>(moments, stop - start, center, room, shift);
        if (place.inside && place.row == 0) {
            float* const part = parts + blockIdx.y * columns + place.column;
            store<N>(part, moments.sum);
            store<N>(part + count * columns, moments.squares);
        }
    }
    if (!is_last(counters + blockIdx.x, count, turn)) return;
    Moments<N> moments;
    float part[N];
    if (place.inside) {
        for (unsigned i = place.row; i < count; i += place.step) {
            load<N>(parts + i * columns + place.column, part);
#pragma unroll
            for (int j = 0; j < N; j++) moments.sum[j] += part[j];
        }
    }
    over_rows<N>(moments.sum, room, shift);
#pragma unroll
    for (int j = 0; j < N; j++) center[j] = moments.sum[j] / rows;
    if (place.inside) {
        for (unsigned i = place.row; i < count; i += place.step) {
            const float many = min(part_rows, rows - i * part_rows);
            float squares[N];
            load<N>(parts + i * columns + place.column, part);
            load<N>(parts + (count + i) * columns + place.column, squares);
#pragma unroll
            for (int j = 0; j < N; j++) {
                const float apart = part[j] / many - center[j];
                moments.squares[j] += squares[j] + many * apart * apart;
            }
        }
    }
    over_rows<N>(moments.squares, room, shift);
    keep_statistics<N>(
        place, center, moments.squares, running_mean, running_variance, mean, deviation, rows, momentum, epsilon);
}

extern "C" __global__ void __launch_bounds__(256, 4) batch_norm_statistics(
    const int* halt, const float* x, float* parts, unsigned* counters, float* running_mean, float* running_variance,
    float* mean, float* deviation, int rows, int columns, int part_rows, int shift, float momentum, float epsilon) {
    __shared__ float room[4 * COLUMN_THREADS];
    __shared__ unsigned turn;
    if (*halt) return;
    if (columns % 4 == 0)
        statistics_on<4>(
            x, parts, counters, running_mean, running_variance, mean, deviation, rows, columns, part_rows, shift,
            momentum, epsilon, room, &turn);
    else
        statistics_on<1>(
            x, parts, counters, running_mean, running_variance, mean, deviation, rows, columns, part_rows, shift,
            momentum, epsilon, room, &turn);
}

template <int N>
__device__ void normalize_on(
    const float* x, const float* gamma, const float* beta, const float* mean, const float* spread, float* y,
    unsigned rows, unsigned columns, unsigned shift, bool is_variance, float epsilon, const Stages& stages) {
    const Place<N> place(columns, shift, blockIdx.x);
    if (!place.inside) return;
    float center[N], factor[N], offset[N], gain[N];
    load<N>(mean + place.column, center);
    load<N>(spread + place.column, factor);
    load_or<N>(gamma ? gamma + place.column : gamma, 1.0f, gain);
    load_or<N>(beta ? beta + place.column : beta, 0.0f, offset);
    if (is_variance) deviations<N>(factor, epsilon);
#pragma unroll
    for (int j = 0; j < N; j++) factor[j] *= gain[j];
    const unsigned row = blockIdx.y * place.step + place.row, step = gridDim.y * place.step;
    normalize_rows<N, true>(x, y, rows, columns, place.column, row, step, center, factor, offset, stages);
}

// y = (x - mean) rstd gamma + beta, where `spread` is rstd or the variance that it follows from; y may be x.
extern "C" __global__ void __launch_bounds__(256, 4) normalize(
    const float* x, const float* gamma, const float* beta, const float* mean, const float* spread, float* y, int rows,
    int columns, int shift, int is_variance, float epsilon, const __grid_constant__ Stages stages) {
    if (columns % 4 == 0)
        normalize_on<4>(x, gamma, beta, mean, spread, y, rows, columns, shift, is_variance, epsilon, stages);
    else
        normalize_on<1>(x, gamma, beta, mean, spread, y, rows, columns, shift, is_variance, epsilon, stages);
}

// -- backwards ---------------------------------------------------------------------------------------------------------

// What the statistics are: of the batch, constants, or those of weights. Distances of the last are multiplied with the
// reciprocal deviation one by one, sums of the others once.
enum Kind { BATCH, CONSTANT, WEIGHTS };

// With what every distance from the mean is multiplied, and with what their sum. `deviation` held the variance of
// constants.
template <int N>
__device__ void factors(int kind, float epsilon, float (&deviation)[N], float (&each)[N], float (&whole)[N]) {
    if (kind == CONSTANT) deviations<N>(deviation, epsilon);
#pragma unroll
    for (int j = 0; j < N; j++) {
        each[j] = kind == WEIGHTS ? deviation[j] : 1.0f;
        whole[j] = kind == WEIGHTS ? 1.0f : deviation[j];
    }
}

// dx = (dy - (x - mean) slope - shift) factor with what follows from the sums, then stages, for the rows from `row` on;
// of statistics that are constants dx = dy factor. dx may be dy. AHEAD as of normalize_rows.
template <int N, bool AHEAD>
__device__ void pass_back(
    const float* x, const float* gamma, const float* dy, float* dx, unsigned rows, unsigned columns, unsigned column,
    unsigned row, unsigned step, const float (&center)[N], const float (&deviation)[N], const float (&dgamma)[N],
    const float (&dbeta)[N], bool constant, const Stages& stages) {
    const float share = 1.0f / rows;
    float slope[N], offset[N], factor[N], v[N], g[N], result[N];
    load_or<N>(gamma ? gamma + column : gamma, 1.0f, factor);
#pragma unroll
    for (int j = 0; j < N; j++) {
        slope[j] = dgamma[j] * deviation[j] * share;
        offset[j] = dbeta[j] * share;
        factor[j] *= deviation[j];
        v[j] = 0.0f;
    }
    if (AHEAD && row < rows) {
        if (!constant) load<N>(x + row * columns + column, v);
        load<N>(dy + row * columns + column, g);
    }
    while (row < rows) {
        const unsigned index = row * columns + column;
        if (!AHEAD) {
            if (!constant) load<N>(x + index, v);
            load<N>(dy + index, g);
        }
#pragma unroll
        for (int j = 0; j < N; j++)
            result[j] = (constant ? g[j] : g[j] - ((v[j] - center[j]) * slope[j] + offset[j])) * factor[j];
        row += step;
        if (AHEAD && row < rows) {
            if (!constant) load<N>(x + row * columns + column, v);
            load<N>(dy + row * columns + column, g);
        }
        apply<N>(stages, result, index);
        store<N>(dx + index, result);
    }
}

template <int N>
__device__ void gradient_on(
    const float* x, const float* gamma, const float* mean, const float* spread, const float* dy, float* dx,
    float* dgamma, float* dbeta, unsigned rows, unsigned columns, unsigned shift, int kind, float epsilon,
    const Stages& stages, float* room) {
    const Place<N> place(columns, shift, blockIdx.x);
    float center[N], deviation[N], each[N], whole[N], products[N] = {}, total[N] = {};
    if (place.inside) {
        load<N>(mean + place.column, center);
        load<N>(spread + place.column, deviation);
        factors<N>(kind, epsilon, deviation, each, whole);
        sum_products<N>(
            x + place.column, dy + place.column, columns, place.row, rows, place.step, center, each, products, total);
    }
    over_rows<N>(products, room, shift);
    over_rows<N>(total, room, shift);
    if (!place.inside) return;
#pragma unroll
    for (int j = 0; j < N; j++) products[j] *= whole[j];
    if (place.row == 0 && dgamma) {
        store<N>(dgamma + place.column, products);
        store<N>(dbeta + place.column, total);
    }
    pass_back<N, false>(
        x, gamma, dy, dx, rows, columns, place.column, place.row, place.step, center, deviation, products, total,
        kind == CONSTANT, stages);
}

// `spread` is rstd; of constants it is their variance. dgamma and dbeta may be null.
extern "C" __global__ void __launch_bounds__(256, 4) batch_norm_gradient(
    const float* x, const float* gamma, const float* mean, const float* spread, const float* dy, float* dx,
    float* dgamma, float* dbeta, int rows, int columns, int shift, int kind, float epsilon,
    const __grid_constant__ Stages stages) {
    __shared__ float room[4 * COLUMN_THREADS];
    if (columns % 4 == 0)
        gradient_on<4>(
            x, gamma, mean, spread, dy, dx, dgamma, dbeta, rows, columns, shift, kind, epsilon, stages, room);
    else
        gradient_on<1>(
            x, gamma, mean, spread, dy, dx, dgamma, dbeta, rows, columns, shift, kind, epsilon, stages, room);
}

template <int N>
__device__ void gradient_sums_on(
    const float* x, const float* mean, const float* spread, const float* dy, float* parts, unsigned* counters, float* dgamma,
    float* dbeta, unsigned rows, unsigned columns, unsigned part_rows, unsigned shift, int kind, float epsilon,
    float* room, unsigned* turn) {
    const Place<N> place(columns, shift, blockIdx.x);
    const unsigned count = gridDim.y, start = blockIdx.y * part_rows, stop = min(start + part_rows, rows);
    float center[N], deviation[N], each[N], whole[N], products[N] = {}, total[N] = {};
    if (place.inside) {
        load<N>(mean + place.column, center);
        load<N>(spread + place.column, deviation);
        factors<N>(kind, epsilon, deviation, each, whole);
        sum_products<N>(
            x + place.column, dy + place.column, columns, start + place.row, stop, place.step, center, each, products,
            total);
    }
    over_rows<N>(products, room, shift);
    over_rows<N>(total, room, shift);
    if (place.inside && place.row == 0) {
        float* const part = parts + blockIdx.y * columns + place.column;
        store<N>(part, products);
        store<N>(part + count * columns, total);
    }
    if (!is_last(counters + blockIdx.x, count, turn)) return;
    join_parts<N>(place, parts, count, columns, count * columns, products, total, room, shift);
    if (!place.inside || place.row) return;
#pragma unroll
    for (int j = 0; j < N; j++) products[j] *= whole[j];
    store<N>(dgamma + place.column, products);
    store<N>(dbeta + place.column, total);
}

extern "C" __global__ void __launch_bounds__(256, 4) batch_norm_gradient_sums(
    const float* x, const float* mean, const float* spread, const float* dy, float* parts, unsigned* counters, float* dgamma,
    float* dbeta, int rows, int columns, int part_rows, int shift, int kind, float epsilon) {
    __shared__ float room[4 * COLUMN_THREADS];
    __shared__ unsigned turn;
    if (columns % 4 == 0)
        gradient_sums_on<4>(
            x, mean, spread, dy, parts, counters, dgamma, dbeta, rows, columns, part_rows, shift, kind, epsilon,
            room, &turn);
    else
        gradient_sums_on<1>(
            x, mean, spread, dy, parts, counters, dgamma, dbeta, rows, columns, part_rows, shift, kind, epsilon,
            room, &turn);
}

template <int N>
__device__ void gradient_rest_on(
    const float* x, const float* gamma, const float* mean, const float* spread, const float* dy, const float* dgamma,
    const float* dbeta, float* dx, unsigned rows, unsigned columns, unsigned shift, int kind, float epsilon,
    const Stages& stages) {
    const Place<N> place(columns, shift, blockIdx.x);
    if (!place.inside) return;
    float center[N], deviation[N], products[N], total[N];
    load<N>(mean + place.column, center);
    load<N>(spread + place.column, deviation);
    if (kind == CONSTANT) deviations<N>(deviation, epsilon);
    load<N>(dgamma + place.column, products);
    load<N>(dbeta + place.column, total);
    const unsigned row = blockIdx.y * place.step + place.row, step = gridDim.y * place.step;
    pass_back<N, true>(
        x, gamma, dy, dx, rows, columns, place.column, row, step, center, deviation, products, total,
        kind == CONSTANT, stages);
}

// dx, the sums being known.
extern "C" __global__ void __launch_bounds__(256, 4) batch_norm_gradient_rest(
    const float* x, const float* gamma, const float* mean, const float* spread, const float* dy, const float* dgamma,
    const float* dbeta, float* dx, int rows, int columns, int shift, int kind, float epsilon,
    const __grid_constant__ Stages stages) {
    if (columns % 4 == 0)
        gradient_rest_on<4>(
            x, gamma, mean, spread, dy, dgamma, dbeta, dx, rows, columns, shift, kind, epsilon, stages);
    else
        gradient_rest_on<1>(
            x, gamma, mean, spread, dy, dgamma, dbeta, dx, rows, columns, shift, kind, epsilon, stages);
}
