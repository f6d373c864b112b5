// The update phase: norms, clipping, penalties and the optimizers' rules. All arrays of a rule are updated by one launch,
// each in one pass: what is read and written is parameter, gradient and slots, once. What changes the state does nothing
// once a loss was not finite: then `halt` is not 0.

#include "segments.cuh"
#include "rules.cuh"

// The addresses of an update, a row for each segment: its arrays, and the numbers that the host writes before a step.
#define PARAMETER 0
#define GRADIENT 1
#define NORMS 2
#define SLOTS_FROM 3
#define NUMBERS_FROM 6
#define PLACES 18

// -- rules -------------------------------------------------------------------------------------------------------------

// The squares of gradient (as it arrived), parameter (as it was) and update.
__device__ inline void add_squares(float (&sums)[3], float gradient, float old, float now) {
    sums[0] = fmaf(gradient, gradient, sums[0]);
    sums[1] = fmaf(old, old, sums[1]);
    sums[2] = fmaf(now - old, now - old, sums[2]);
}

__device__ inline void write_norms(
    float* norms, float (&sums)[3], const Segment& segment, float* partials, unsigned* finished, float* room,
    unsigned* turn) {
    if (!norms) return;
    if (sums_of_segment<3>(sums, segment, partials, finished, room, turn) && threadIdx.x == 0) {
#pragma unroll
        for (int k = 0; k < 3; k++) norms[k] = sums[k];
    }
}

// The numbers of a segment's rule, into shared memory.
__device__ inline void read_numbers(float* const* row, int count, float* numbers) {
    if (threadIdx.x < (unsigned)count) numbers[threadIdx.x] = *row[NUMBERS_FROM + threadIdx.x];
    __syncthreads();
}

template <typename Rule, int N>
__device__ void update_at(
    const Rule& rule, const Common& common, float* parameter, const float* gradient, float* (&slots)[Rule::SLOTS],
    unsigned i, float (&sums)[3]) {
    float p[N], g[N], s[Rule::SLOTS][N];
    load<N>(parameter + i, p);
    load<N>(gradient + i, g);
#pragma unroll
    for (int j = 0; j < Rule::SLOTS; j++) load<N>(slots[j] + i, s[j]);
#pragma unroll
    for (int k = 0; k < N; k++) {
        float own[Rule::SLOTS], now = p[k] * common.keep;
#pragma unroll
        for (int j = 0; j < Rule::SLOTS; j++) own[j] = s[j][k];
        rule.step(common.seen(g[k], p[k]), now, own);
        add_squares(sums, g[k], p[k], now);
        p[k] = now;
#pragma unroll
        for (int j = 0; j < Rule::SLOTS; j++) s[j][k] = own[j];
    }
    store<N>(parameter + i, p);
#pragma unroll
    for (int j = 0; j < Rule::SLOTS; j++) store<N>(slots[j] + i, s[j]);
}

template <typename Rule>
__device__ void update(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished,
    float* numbers, float* room, unsigned* turn) {
    if (*halt) return;
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    float* const* row = places + piece.segment * PLACES;
    read_numbers(row, COMMON_NUMBERS + Rule::NUMBERS, numbers);
    const Common common(numbers, segment.flags);
    const Rule rule(numbers + COMMON_NUMBERS, common.rate, segment.flags);
    float* parameter = row[PARAMETER] + piece.first;
    const float* gradient = row[GRADIENT] + piece.first;
    float* slots[Rule::SLOTS];
#pragma unroll
    for (int j = 0; j < Rule::SLOTS; j++) slots[j] = row[SLOTS_FROM + j] + piece.first;
    float sums[3] = {};
    EACH_IN_BLOCK(i, piece.count / 4) update_at<Rule, 4>(rule, common, parameter, gradient, slots, 4 * i, sums);
    EACH_IN_BLOCK(i, piece.count % 4)
        update_at<Rule, 1>(rule, common, parameter, gradient, slots, piece.count / 4 * 4 + i, sums);
    write_norms(row[NORMS], sums, segment, partials, finished, room, turn);
}

#define SHARED                 \
    __shared__ float numbers[16], room[WARP]; \
    __shared__ unsigned turn

extern "C" __global__ void __launch_bounds__(256) update_sgd(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<SGD>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_adam(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<Adam>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_rate_inside(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<RateInside>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_adagrad(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<Adagrad>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_adadelta(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<Adadelta>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_rmsprop(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<RMSprop>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_centered_rmsprop(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<CenteredRMSprop>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_amsgrad(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<AMSGrad>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_nadam(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<Nadam>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_radam(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<RAdam>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_adamax(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<Adamax>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

extern "C" __global__ void __launch_bounds__(256) update_lion(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* partials, unsigned* finished) {
    SHARED;
    update<Lion>(halt, places, pieces, segments, partials, finished, numbers, room, &turn);
}

// -- LAMB: the whole array's norms scale the step ----------------------------------------------------------------------

struct Direction {
    float mean_correction, square_correction, epsilon, decay;

    __device__ Direction(const float* n, int flags)
        : mean_correction(n[3]), square_correction(n[4]), epsilon(n[5]), decay(flags & HAS_DECAY ? n[6] : 0.0f) {}
    // Without decay a parameter that is infinite must not make it so.
    __device__ float along(float p, float mean, float square) const {
        const float r = mean / mean_correction / (sqrtf(square) / square_correction + epsilon);
        return decay != 0.0f ? fmaf(decay, p, r) : r;
    }
};

// The moments, and by how much each array's step is stretched.
extern "C" __global__ void __launch_bounds__(256) lamb_moments(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* ratios, float* partials,
    unsigned* finished) {
    SHARED;
    if (*halt) return;
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    float* const* row = places + piece.segment * PLACES;
    read_numbers(row, 12, numbers);
    const Common common(numbers, segment.flags);
    const Moments moments(numbers + COMMON_NUMBERS);
    const Direction direction(numbers + COMMON_NUMBERS, segment.flags);
    const float* parameter = row[PARAMETER] + piece.first;
    const float* gradient = row[GRADIENT] + piece.first;
    float *mean = row[SLOTS_FROM] + piece.first, *square = row[SLOTS_FROM + 1] + piece.first;
    float sums[2] = {};
    EACH_IN_BLOCK(i, piece.count) {
        const float p = parameter[i];
        float m = mean[i], s = square[i];
        moments.add(common.seen(gradient[i], p), m, s);
        mean[i] = m, square[i] = s;
        const float r = direction.along(p, m, s);
        sums[0] = fmaf(p, p, sums[0]);
        sums[1] = fmaf(r, r, sums[1]);
    }
    if (!(segment.flags & HAS_DECAY)) return;
    if (sums_of_segment<2>(sums, segment, partials, finished, room, &turn) && threadIdx.x == 0)
        ratios[piece.segment] = sums[0] == 0.0f || sums[1] == 0.0f ? 1.0f : sqrtf(sums[0] / sums[1]);
}

// p = keep p - rate ratio r.
extern "C" __global__ void __launch_bounds__(256) lamb_step(
    const int* halt, float* const* places, const int* pieces, const int* segments, const float* ratios, float* partials,
    unsigned* finished) {
    SHARED;
    if (*halt) return;
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    float* const* row = places + piece.segment * PLACES;
    read_numbers(row, 12, numbers);
    const Common common(numbers, segment.flags);
    const Direction direction(numbers + COMMON_NUMBERS, segment.flags);
    const float size = -common.rate * (segment.flags & HAS_DECAY ? ratios[piece.segment] : 1.0f);
    float* parameter = row[PARAMETER] + piece.first;
    const float* gradient = row[GRADIENT] + piece.first;
    const float *mean = row[SLOTS_FROM] + piece.first, *square = row[SLOTS_FROM + 1] + piece.first;
    float sums[3] = {};
    EACH_IN_BLOCK(i, piece.count) {
        const float p = parameter[i], now = fmaf(size, direction.along(p, mean[i], square[i]), p * common.keep);
        if (row[NORMS]) add_squares(sums, gradient[i], p, now);
        parameter[i] = now;
    }
    write_norms(row[NORMS], sums, segment, partials, finished, room, &turn);
}

// -- Muon: the step is a matrix that was brought near to an orthogonal one ---------------------------------------------

// The mean gradient, and the direction x (in the place of a second slot); `norm` = its norm, not less than `least`.
extern "C" __global__ void __launch_bounds__(256) muon_direction(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* norm, float least,
    float* partials, unsigned* finished) {
    SHARED;
    if (*halt) return;
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    float* const* row = places + piece.segment * PLACES;
    read_numbers(row, COMMON_NUMBERS + 2, numbers);
    const Common common(numbers, segment.flags);
    const float rest = numbers[COMMON_NUMBERS + 1];
    const float *parameter = row[PARAMETER] + piece.first, *gradient = row[GRADIENT] + piece.first;
    float *mean = row[SLOTS_FROM] + piece.first, *x = row[SLOTS_FROM + 1] + piece.first;
    float sums[1] = {};
    EACH_IN_BLOCK(i, piece.count) {
        const float d = common.seen(gradient[i], parameter[i]), m = fmaf(rest, d - mean[i], mean[i]);
        const float along = segment.flags & NESTEROV ? fmaf(-rest, m - d, m) : m;
        mean[i] = m;
        x[i] = along;
        sums[0] = fmaf(along, along, sums[0]);
    }
    if (sums_of_segment<1>(sums, segment, partials, finished, room, &turn) && threadIdx.x == 0)
        *norm = Greatest::join(sqrtf(sums[0]), least);
}

// x /= norm, n numbers.
extern "C" __global__ void __launch_bounds__(256) muon_normalize(float* x, const float* norm, int n) {
    const float by = *norm;
    EACH(i, n) x[i] /= by;
}

// y += b x + a I, square matrices of `size` rows.
extern "C" __global__ void __launch_bounds__(256) muon_polynomial(
    float* y, const float* x, int size, float a, float b) {
    EACH(i, size * size) y[i] = fmaf(b, x[i], y[i]) + (i / size == i % size ? a : 0.0f);
}

// p = keep p - rate factor x.
extern "C" __global__ void __launch_bounds__(256) muon_step(
    const int* halt, float* const* places, const int* pieces, const int* segments, float factor, float* partials,
    unsigned* finished) {
    SHARED;
    if (*halt) return;
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    float* const* row = places + piece.segment * PLACES;
    read_numbers(row, COMMON_NUMBERS, numbers);
    const Common common(numbers, segment.flags);
    const float size = -common.rate * factor;
    float* parameter = row[PARAMETER] + piece.first;
    const float *gradient = row[GRADIENT] + piece.first, *x = row[SLOTS_FROM + 1] + piece.first;
    float sums[3] = {};
    EACH_IN_BLOCK(i, piece.count) {
        const float p = parameter[i], now = fmaf(size, x[i], p * common.keep);
        if (row[NORMS]) add_squares(sums, gradient[i], p, now);
        parameter[i] = now;
    }
    write_norms(row[NORMS], sums, segment, partials, finished, room, &turn);
}

// -- sums over arrays --------------------------------------------------------------------------------------------------

// For each segment, which is several arrays: sum x² where its flags say so, else l1 sum |x| + l2 sum x². `results` has the
// address of each result, of its l1 and of its l2, or 0 for what is left out.
extern "C" __global__ void __launch_bounds__(256) sum_of_arrays(
    const float* const* arrays, float* const* results, const int* pieces, const int* segments, float* partials,
    unsigned* finished) {
    __shared__ float room[WARP];
    __shared__ unsigned turn;
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    const float* x = arrays[piece.array] + piece.first;
    float sums[2] = {};
    EACH_IN_BLOCK(i, piece.count / 4) {
        float v[4];
        load4(x + 4 * i, v);
#pragma unroll
        for (int k = 0; k < 4; k++) sums[0] += fabsf(v[k]), sums[1] = fmaf(v[k], v[k], sums[1]);
    }
    EACH_IN_BLOCK(i, piece.count % 4) {
        const float v = x[piece.count / 4 * 4 + i];
        sums[0] += fabsf(v), sums[1] = fmaf(v, v, sums[1]);
    }
    if (!sums_of_segment<2>(sums, segment, partials, finished, room, &turn) || threadIdx.x > 0) return;
    float* const* row = results + piece.segment * 3;
    const float absolute = row[1] ? *row[1] * sums[0] : 0.0f, squared = row[2] ? *row[2] * sums[1] : 0.0f;
    *row[0] = segment.flags ? sums[1] : absolute + squared;
}

// For each of `count` rows of addresses: scale = min(1, largest norm / (sqrt(squared norm) + 1e-6)).
extern "C" __global__ void __launch_bounds__(256) clip_scale(float* const* places, int count) {
    EACH(i, count) {
        const float scale = *places[3 * i + 1] / (sqrtf(*places[3 * i]) + 1e-6f);
        *places[3 * i + 2] = scale > 1.0f ? 1.0f : scale;
    }
}
