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
        float own[Rule::SLOTS], now = __fmul_rn(p[k], common.keep);
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
    const int stopped = *halt;  // tested when the first loads are under way
    const Piece piece = piece_of_block(pieces);
    const Segment segment = segment_at(segments, piece.segment);
    float* const* row = places + piece.segment * PLACES;
    read_numbers(row, COMMON_NUMBERS + Rule::NUMBERS, numbers);
    if (stopped) return;
    const Common common(numbers, segment.flags);
    const Rule rule(numbers + COMMON_NUMBERS, common.rate, segment.flags);
    float* parameter = row[PARAMETER] + piece.first;
    const float* gradient = row[GRADIENT] + piece.first;
    float* slots[Rule::SLOTS];
#pragma unroll
    for (int j = 0; j < Rule::SLOTS; j++) slots[j] = row[SLOTS_FROM + j] + piece.first;
    float sums[3] = {};
    each_in_piece(piece.count, [&](auto width, unsigned i) {
        update_at<Rule, decltype(width)::N>(rule, common, parameter, gradient, slots, i, sums);
    });
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
    each_in_piece(piece.count, [&](auto width, unsigned i) {
        constexpr int N = decltype(width)::N;
        float p[N], g[N], m[N], s[N];
        load<N>(parameter + i, p), load<N>(gradient + i, g), load<N>(mean + i, m), load<N>(square + i, s);
#pragma unroll
        for (int k = 0; k < N; k++) {
            moments.add(common.seen(g[k], p[k]), m[k], s[k]);
            const float r = direction.along(p[k], m[k], s[k]);
            sums[0] = fmaf(p[k], p[k], sums[0]);
            sums[1] = fmaf(r, r, sums[1]);
        }
        store<N>(mean + i, m), store<N>(square + i, s);
    });
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
    float *norms = row[NORMS], sums[3] = {};
    each_in_piece(piece.count, [&](auto width, unsigned i) {
        constexpr int N = decltype(width)::N;
        float p[N], g[N] = {}, m[N], s[N];
        load<N>(parameter + i, p), load<N>(mean + i, m), load<N>(square + i, s);
        if (norms) load<N>(gradient + i, g);
#pragma unroll
        for (int k = 0; k < N; k++) {
            const float now = fmaf(size, direction.along(p[k], m[k], s[k]), p[k] * common.keep);
            add_squares(sums, g[k], p[k], now);
            p[k] = now;
        }
        store<N>(parameter + i, p);
    });
    write_norms(norms, sums, segment, partials, finished, room, &turn);
}

// -- Muon: the step is a matrix that was brought near to an orthogonal one ---------------------------------------------

// The mean gradients, and the directions x (in the place of a second slot); `norms`: of x, not less than `least`.
extern "C" __global__ void __launch_bounds__(256) muon_direction(
    const int* halt, float* const* places, const int* pieces, const int* segments, float* norms, float least,
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
    const bool nesterov = segment.flags & NESTEROV;
    each_in_piece(piece.count, [&](auto width, unsigned i) {
        constexpr int N = decltype(width)::N;
        float p[N], g[N], m[N];
        load<N>(parameter + i, p), load<N>(gradient + i, g), load<N>(mean + i, m);
#pragma unroll
        for (int k = 0; k < N; k++) {
            const float d = common.seen(g[k], p[k]);
            m[k] = fmaf(rest, d - m[k], m[k]);
            g[k] = nesterov ? fmaf(-rest, m[k] - d, m[k]) : m[k];
            sums[0] = fmaf(g[k], g[k], sums[0]);
        }
        store<N>(mean + i, m), store<N>(x + i, g);
    });
    if (sums_of_segment<1>(sums, segment, partials, finished, room, &turn) && threadIdx.x == 0)
        norms[piece.segment] = Greatest::join(sqrtf(sums[0]), least);
}

// x /= norm.
extern "C" __global__ void __launch_bounds__(256) muon_normalize(
    float* const* places, const int* pieces, const float* norms) {
    const Piece piece = piece_of_block(pieces);
    float* x = places[piece.segment * PLACES + SLOTS_FROM + 1] + piece.first;
    const float norm = norms[piece.segment];
    EACH_IN_BLOCK(i, piece.count) x[i] /= norm;
}

// y += b x + a I, `count` square matrices of `side` rows.
extern "C" __global__ void __launch_bounds__(256) muon_polynomial(
    float* y, const float* x, int count, int side, float a, float b) {
    EACH(i, count * side * side) {
        const unsigned at = i % (side * side);
        y[i] = fmaf(b, x[i], y[i]) + (at / side == at % side ? a : 0.0f);
    }
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
    float *norms = row[NORMS], sums[3] = {};
    each_in_piece(piece.count, [&](auto width, unsigned i) {
        constexpr int N = decltype(width)::N;
        float p[N], g[N] = {}, along[N];
        load<N>(parameter + i, p), load<N>(x + i, along);
        if (norms) load<N>(gradient + i, g);
#pragma unroll
        for (int k = 0; k < N; k++) {
            const float now = fmaf(size, along[k], p[k] * common.keep);
            add_squares(sums, g[k], p[k], now);
            p[k] = now;
        }
        store<N>(parameter + i, p);
    });
    write_norms(norms, sums, segment, partials, finished, room, &turn);
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
    each_in_piece(piece.count, [&](auto width, unsigned i) {
        float v[decltype(width)::N];
        load<decltype(width)::N>(x + i, v);
#pragma unroll
        for (int k = 0; k < decltype(width)::N; k++) sums[0] += fabsf(v[k]), sums[1] = fmaf(v[k], v[k], sums[1]);
    });
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
