// Losses, as means over the batch, and their gradients by the predictions: see engine/ops/loss.py, weighted_loss.py,
// margin_loss.py and robust_loss.py. A loss is one launch: the last block to come adds up what all of them found.

#include "stages.cuh"

#define LOWEST -3.402823466e38f  // of all finite numbers

// -- losses of rows ----------------------------------------------------------------------------------------------------
//
// A row belongs to `lanes` threads side by side: to 1, 2, 4, ... 32 of a warp, or to the whole block.

template <typename How>
__device__ float over_row(float value, unsigned lanes, float* room) {
    return lanes > WARP ? over_block<How>(value, room) : over_lanes<How>(value, lanes);
}

// Every row for its threads, as `row`, from `first` on (which is below `rows` where `row` is not: all threads take part
// in exchanges).
#define EACH_ROW(first, row, rows, lanes)                                                               \
    for (unsigned first = blockIdx.x * (blockDim.x / lanes), row = first + threadIdx.x / lanes; first < (unsigned)(rows); \
         first += gridDim.x * (blockDim.x / lanes), row += gridDim.x * (blockDim.x / lanes))

// What a loss asks of a row: the share of each class, what a score adds, and the row's loss.

// The right class is a number; any other number than a class's is none of them.
struct Right {
    const long long* labels;
    unsigned label;

    __device__ void begin(const float*, unsigned row, unsigned columns) {
        const long long given = labels[row];
        label = given >= 0 && given < columns ? (unsigned)given : columns;
    }
    __device__ float share(unsigned, unsigned j) const { return j == label ? 1.0f : 0.0f; }
    // What is not finite makes the loss so too: 0 times it is not a number.
    __device__ float term(float share, unsigned, float, float shifted) const { return share * shifted; }
    __device__ float finish(float terms, float, float log_total) const { return log_total - terms; }
};

// The classes' shares are given.
struct Shares {
    const float* shares;

    __device__ void begin(const float*, unsigned, unsigned) {}
    __device__ float share(unsigned index, unsigned) const { return shares[index]; }
    __device__ float term(float share, unsigned, float, float shifted) const { return share * shifted; }
    __device__ float finish(float terms, float, float log_total) const { return log_total - terms; }
};

// The same, with shares whose sum is not 1.
struct WeightedShares : Shares {
    __device__ float finish(float terms, float whole, float log_total) const { return whole * log_total - terms; }
};

// How far scores come too near to the right one's, or above it.
struct Margin {
    const long long* labels;
    float margin;
    int squared;
    unsigned label;
    float right;

    __device__ void begin(const float* z, unsigned row, unsigned columns) {
        const long long given = labels[row];
        label = given >= 0 && given < columns ? (unsigned)given : columns;
        right = label < columns ? z[row * columns + label] : 0.0f;
    }
    __device__ float violation(unsigned j, float z) const {
        const float v = z - right + margin;
        return (v > 0.0f || v != v ? v : 0.0f) * (j == label ? 0.0f : 1.0f);
    }
    __device__ float share(unsigned, unsigned) const { return 0.0f; }
    __device__ float term(float, unsigned j, float z, float) const {
        const float v = violation(j, z);
        return squared ? v * v : v;
    }
    __device__ float finish(float terms, float, float) const { return terms; }
};

// p = softmax of each row of z; returns the sum of the rows' losses that this block has found. Rows are read twice: each
// thread holds its sum relative to the largest number that it has met so far (Milakov, Gimelshein: Online normalizer
// calculation for softmax, 2018).
template <typename Of>
__device__ float softmax_rows(Of of, const float* z, float* p, int rows, unsigned columns, unsigned lanes, float* room) {
    const unsigned lane = threadIdx.x % lanes;
    float found = 0.0f;
    EACH_ROW(first, row, rows, lanes) {
        const unsigned begin = row * columns, end = row < (unsigned)rows ? columns : 0;
        if (end) of.begin(z, row, columns);
        float largest = LOWEST, total = 0.0f, terms = 0.0f, whole = 0.0f;
#pragma unroll 4
        for (unsigned j = lane; j < end; j += lanes) {
            const float score = z[begin + j];
            if (score > largest) {
                total *= expf(largest - score);
                largest = score;
            }
            total += expf(score - largest);
        }
        const float most = over_row<Greatest>(largest, lanes, room);
        total = over_row<Sum>(total * expf(largest - most), lanes, room);
        // Not unrolled: registers for it are not left on every generation, and it reads what is in the cache.
#pragma unroll 1
        for (unsigned j = lane; j < end; j += lanes) {
            const float score = z[begin + j], shifted = score - most, share = of.share(begin + j, j);
            p[begin + j] = expf(shifted) / total;
            terms += of.term(share, j, score, shifted);
            whole += share;
        }
        terms = over_row<Sum>(terms, lanes, room);
        whole = over_row<Sum>(whole, lanes, room);
        if (end && lane == 0) found += of.finish(terms, whole, logf(total));
    }
    return over_block<Sum>(found, room);
}

// loss = mean over the rows of log sum exp z_j - z_label, p = softmax of z (rows, columns).
extern "C" __global__ void __launch_bounds__(1024) softmax_cross_entropy(
    const float* z, const long long* labels, float* loss, float* p, int rows, int columns, int lanes, float* partials,
    unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    float total;
    const float mine = softmax_rows(Right{labels, 0}, z, p, rows, columns, lanes, room);
    if (sum_of_blocks(mine, partials, finished, room, &turn, total)) *loss = total / rows;
}

// The same with the classes' shares (rows, columns).
extern "C" __global__ void __launch_bounds__(1024, 1) soft_target_cross_entropy(
    const float* z, const float* shares, float* loss, float* p, int rows, int columns, int lanes, float* partials,
    unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    float total;
    const float mine = softmax_rows(Shares{shares}, z, p, rows, columns, lanes, room);
    if (sum_of_blocks(mine, partials, finished, room, &turn, total)) *loss = total / rows;
}

// loss = sum of -t log p, by the divisor, with weighted shares t.
extern "C" __global__ void __launch_bounds__(1024, 1) weighted_cross_entropy(
    const float* z, const float* shares, const float* divisor, float* loss, float* p, int rows, int columns, int lanes,
    float* partials, unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    float total;
    const float mine = softmax_rows(WeightedShares{{shares}}, z, p, rows, columns, lanes, room);
    if (sum_of_blocks(mine, partials, finished, room, &turn, total)) *loss = total / *divisor;
}

// loss = factor times the sum of max(0, z_j - z_label + margin), or of its square; p = softmax of z.
extern "C" __global__ void __launch_bounds__(1024) multi_margin(
    const float* z, const long long* labels, float* loss, float* p, int rows, int columns, int lanes, float margin,
    int squared, float factor, float* partials, unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    float total;
    const float mine = softmax_rows(Margin{labels, margin, squared}, z, p, rows, columns, lanes, room);
    if (sum_of_blocks(mine, partials, finished, room, &turn, total)) *loss = total * factor;
}

// dz = stages(dloss factor (p - one hot)).
extern "C" __global__ void __launch_bounds__(256) softmax_cross_entropy_gradient(
    const float* p, const long long* labels, const float* dloss, float* dz, int n, int columns, float factor,
    const __grid_constant__ Stages stages) {
    const float scale = *dloss * factor;
    EACH(i, n / 4) {
        float v[4];
        load4(p + 4 * i, v);
        unsigned row = 4 * i / columns, column = 4 * i - row * columns;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            v[k] = (v[k] - (labels[row] == column ? 1.0f : 0.0f)) * scale;
            if (++column == columns) column = 0, row++;
        }
        apply<4>(stages, v, 4 * i);
        store4(dz + 4 * i, v);
    }
    EACH(i, n % 4) {
        const unsigned at = n / 4 * 4 + i;
        float v[1] = {(p[at] - (labels[at / columns] == at % columns ? 1.0f : 0.0f)) * scale};
        apply<1>(stages, v, at);
        dz[at] = v[0];
    }
}

// dz = stages(dloss (p sum of the row's shares - shares) / divisor).
extern "C" __global__ void __launch_bounds__(1024) weighted_cross_entropy_gradient(
    const float* p, const float* shares, const float* divisor, const float* dloss, float* dz, int rows, int columns,
    int lanes, const __grid_constant__ Stages stages) {
    __shared__ float room[WARP];
    const float scale = *dloss / *divisor;
    EACH_ROW(first, row, rows, lanes) {
        const unsigned begin = row * columns, end = row < (unsigned)rows ? columns : 0;
        float whole = 0.0f;
        for (unsigned j = threadIdx.x % lanes; j < end; j += lanes) whole += shares[begin + j];
        whole = over_row<Sum>(whole, lanes, room);
        for (unsigned j = threadIdx.x % lanes; j < end; j += lanes) {
            float v[1] = {(p[begin + j] * whole - shares[begin + j]) * scale};
            apply<1>(stages, v, begin + j);
            dz[begin + j] = v[0];
        }
    }
}

// dz_j = stages(dloss factor d_j), d_j = 1 where the margin is violated or twice by how much, and for the right class
// less their sum.
extern "C" __global__ void __launch_bounds__(1024) multi_margin_gradient(
    const float* z, const long long* labels, const float* dloss, float* dz, int rows, int columns, int lanes,
    float margin, int squared, float factor, const __grid_constant__ Stages stages) {
    __shared__ float room[WARP];
    const float scale = *dloss * factor;
    Margin of = {labels, margin, squared};
    EACH_ROW(first, row, rows, lanes) {
        const unsigned begin = row * columns, end = row < (unsigned)rows ? columns : 0;
        if (end) of.begin(z, row, columns);
        float whole = 0.0f;
        for (unsigned pass = 0; pass < 2; pass++) {
            for (unsigned j = threadIdx.x % lanes; j < end; j += lanes) {
                const float by = of.violation(j, z[begin + j]), d = squared ? by + by : by > 0.0f ? 1.0f : by;
                if (pass == 0) {
                    whole += d;
                    continue;
                }
                float v[1] = {(d - whole * (j == of.label ? 1.0f : 0.0f)) * scale};
                apply<1>(stages, v, begin + j);
                dz[begin + j] = v[0];
            }
            if (pass == 0) whole = over_row<Sum>(whole, lanes, room);
        }
    }
}

// The targets of a loss with smoothing and weights: t = weight (keep s + spread), with s one hot where there are labels,
// and else the shares given. The divisor is the sum of the right classes' weights where `by_weights`, else `rows`.
extern "C" __global__ void __launch_bounds__(256) class_shares(
    const long long* labels, const float* shares, const float* weights, float* t, float* divisor, int rows, int columns,
    float keep, float spread, int by_weights, float* partials, unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    EACH(i, rows * columns) {
        const unsigned column = i % columns;
        const float s = labels ? (labels[i / columns] == column ? 1.0f : 0.0f) : shares[i];
        const float weight = weights ? weights[column] : 1.0f;
        t[i] = s * weight * keep + weight * spread;
    }
    float mine = 0.0f, total;
    if (by_weights) EACH(i, rows) {
        const long long label = labels[i];
        if (label >= 0 && label < columns) mine += weights[label];
    }
    mine = over_block<Sum>(mine, room);
    if (sum_of_blocks(mine, partials, finished, room, &turn, total))
        *divisor = by_weights ? (total > 1e-30f ? total : 1e-30f) : rows;
}

// -- losses of numbers -------------------------------------------------------------------------------------------------

enum Distance { SQUARED, ABSOLUTE, HUBER };

__device__ inline float target_at(const void* targets, int whole_numbers, unsigned i) {
    return whole_numbers ? (float)((const long long*)targets)[i] : ((const float*)targets)[i];
}

__device__ inline void load_targets(const void* targets, int whole_numbers, unsigned i, float (&t)[4]) {
    if (!whole_numbers) load4((const float*)targets + i, t);
    else
#pragma unroll
        for (int k = 0; k < 4; k++) t[k] = target_at(targets, 1, i + k);
}

__device__ inline float distance_of(int kind, float delta, float d) {
    const float size = fabsf(d);
    if (kind == SQUARED) return d * d;
    if (kind == ABSOLUTE) return size;
    const float least = size < delta ? size : delta;
    return size * least - 0.5f * least * least;
}

// The derivative by d; half of it for the squared distance.
__device__ inline float slope_of(int kind, float delta, float d) {
    if (kind == SQUARED) return d;
    if (kind == ABSOLUTE) return d > 0.0f ? 1.0f : d < 0.0f ? -1.0f : d;
    return d > delta ? delta : d < -delta ? -delta : d;
}

// loss = factor times the sum over n numbers of the distance between prediction and target. Targets are float, or long
// long where they are `whole_numbers`.
extern "C" __global__ void __launch_bounds__(256) distance_loss(
    const float* y, const void* targets, int whole_numbers, float* loss, int n, int kind, float delta, float factor,
    float* partials, unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    float mine = 0.0f, total;
    EACH(i, n / 4) {
        float v[4], t[4];
        load4(y + 4 * i, v);
        load_targets(targets, whole_numbers, 4 * i, t);
#pragma unroll
        for (int k = 0; k < 4; k++) mine += distance_of(kind, delta, v[k] - t[k]);
    }
    EACH(i, n % 4) {
        const unsigned at = n / 4 * 4 + i;
        mine += distance_of(kind, delta, y[at] - target_at(targets, whole_numbers, at));
    }
    mine = over_block<Sum>(mine, room);
    if (sum_of_blocks(mine, partials, finished, room, &turn, total)) *loss = total * factor;
}

// result = stages(dloss factor slope(y - target)).
extern "C" __global__ void __launch_bounds__(256) distance_gradient(
    const float* y, const void* targets, int whole_numbers, const float* dloss, float* result, int n, int kind,
    float delta, float factor, const __grid_constant__ Stages stages) {
    const float scale = *dloss * factor;
    EACH(i, n / 4) {
        float v[4], t[4];
        load4(y + 4 * i, v);
        load_targets(targets, whole_numbers, 4 * i, t);
#pragma unroll
        for (int k = 0; k < 4; k++) v[k] = slope_of(kind, delta, v[k] - t[k]) * scale;
        apply<4>(stages, v, 4 * i);
        store4(result + 4 * i, v);
    }
    EACH(i, n % 4) {
        const unsigned at = n / 4 * 4 + i;
        float v[1] = {slope_of(kind, delta, y[at] - target_at(targets, whole_numbers, at)) * scale};
        apply<1>(stages, v, at);
        result[at] = v[0];
    }
}

// loss = mean over n numbers of max(z, 0) - z t + log(1 + exp(-|z|)), p = 1 / (1 + exp(-z)).
extern "C" __global__ void __launch_bounds__(256) binary_cross_entropy(
    const float* z, const void* targets, int whole_numbers, float* loss, float* p, int n, float* partials,
    unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    float mine = 0.0f, total;
    EACH(i, n) {
        const float score = z[i], e = expf(-fabsf(score));
        mine += log1pf(e) - score * target_at(targets, whole_numbers, i) + (score > 0.0f ? score : 0.0f);
        p[i] = (score >= 0.0f ? 1.0f : e) / (1.0f + e);
    }
    mine = over_block<Sum>(mine, room);
    if (sum_of_blocks(mine, partials, finished, room, &turn, total)) *loss = total / n;
}
