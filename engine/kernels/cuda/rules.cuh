// The optimizers' rules for one element: see engine/ops/update.py and engine/ops/rules.py. Products and sums are fused by
// hand (__fmul_rn is a product that the compiler joins to no sum), so that an element's bits depend on nothing but its own
// numbers: not on where in an array it lies, nor on which arrays are updated with it.

#pragma once

// Flags of an update, as update.py has them.
enum Flag { HAS_L1 = 1, HAS_L2 = 2, HAS_DECAY = 4, HAS_CLIP = 8, NESTEROV = 16, INSIDE = 32 };

// Numbers that every update reads, before those of its rule.
#define COMMON_NUMBERS 5

__device__ inline float sign_of(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

struct Common {
    float rate, l1, l2, keep, clip;
    bool penalized;

    __device__ Common(const float* n, int flags)
        : rate(n[0]),
          l1(flags & HAS_L1 ? n[1] : 0.0f),
          l2(flags & HAS_L2 ? 2.0f * n[2] : 0.0f),
          keep(flags & HAS_DECAY ? n[3] : 1.0f),
          clip(flags & HAS_CLIP ? n[4] : 1.0f),
          penalized(flags & (HAS_L1 | HAS_L2)) {}

    // The gradient that the rule sees: clipped, with the penalties' gradients. Without penalties a parameter that is
    // infinite must not make it so: 0 times infinity is not a number.
    __device__ float seen(float g, float p) const {
        const float clipped = __fmul_rn(g, clip);
        return penalized ? fmaf(l2, p, fmaf(l1, sign_of(p), clipped)) : clipped;
    }
};

// Every rule has its slots, its numbers, and a step: by the gradient d that it sees it changes the parameter p, of which
// the decoupled decay is taken already, and the slots s.

struct SGD {
    static const int SLOTS = 1, NUMBERS = 1;
    float rate, momentum;
    bool nesterov;

    __device__ SGD(const float* n, float rate, int flags) : rate(-rate), momentum(n[0]), nesterov(flags & NESTEROV) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        s[0] = fmaf(momentum, s[0], d);
        p = fmaf(rate, nesterov ? fmaf(momentum, s[0], d) : s[0], p);
    }
};

struct RateInside {
    static const int SLOTS = 1, NUMBERS = 1;
    float rate, momentum;
    bool nesterov;

    __device__ RateInside(const float* n, float rate, int flags)
        : rate(-rate), momentum(n[0]), nesterov(flags & NESTEROV) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        const float along = rate * d;
        s[0] = fmaf(momentum, s[0], along);
        p += nesterov ? fmaf(momentum, s[0], along) : s[0];
    }
};

// Exponential means of the gradient and of its square.
struct Moments {
    float mean_rest, square_keep, square_rest;

    __device__ Moments(const float* n) : mean_rest(n[0]), square_keep(n[1]), square_rest(n[2]) {}
    __device__ void add(float d, float& mean, float& square) const {
        mean = fmaf(mean_rest, d - mean, mean);
        square = fmaf(square_rest, d * d, square_keep * square);
    }
};

// m / (sqrt(s) / correction + epsilon) is computed with one division less; so too below.
struct Adam {
    static const int SLOTS = 2, NUMBERS = 6;
    Moments moments;
    float size, epsilon;

    __device__ Adam(const float* n, float, int) : moments(n), size(-n[3] * n[4]), epsilon(n[5] * n[4]) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        moments.add(d, s[0], s[1]);
        p = fmaf(size, s[0] / (sqrtf(s[1]) + epsilon), p);
    }
};

struct AMSGrad {
    static const int SLOTS = 3, NUMBERS = 6;
    Moments moments;
    float size, epsilon;

    __device__ AMSGrad(const float* n, float, int) : moments(n), size(-n[3] * n[4]), epsilon(n[5] * n[4]) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        moments.add(d, s[0], s[1]);
        s[2] = Greatest::join(s[2], s[1]);
        p = fmaf(size, s[0] / (sqrtf(s[2]) + epsilon), p);
    }
};

struct Nadam {
    static const int SLOTS = 2, NUMBERS = 7;
    Moments moments;
    float of_gradient, of_mean, epsilon;

    __device__ Nadam(const float* n, float, int)
        : moments(n), of_gradient(n[3] * n[5]), of_mean(n[4] * n[5]), epsilon(n[6] * n[5]) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        moments.add(d, s[0], s[1]);
        p -= fmaf(of_gradient, d, of_mean * s[0]) / (sqrtf(s[1]) + epsilon);
    }
};

struct RAdam {
    static const int SLOTS = 2, NUMBERS = 6;
    Moments moments;
    float plain, adaptive, epsilon;

    __device__ RAdam(const float* n, float, int) : moments(n), plain(n[3]), adaptive(n[4]), epsilon(n[5]) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        moments.add(d, s[0], s[1]);
        p = fmaf(-s[0], plain + adaptive / (sqrtf(s[1]) + epsilon), p);
    }
};

struct Adamax {
    static const int SLOTS = 2, NUMBERS = 4;
    float mean_rest, keep, size, epsilon;

    __device__ Adamax(const float* n, float, int) : mean_rest(n[0]), keep(n[1]), size(-n[2]), epsilon(n[3]) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        s[0] = fmaf(mean_rest, d - s[0], s[0]);
        s[1] = Greatest::join(keep * s[1], fabsf(d) + epsilon);
        p = fmaf(size, s[0] / s[1], p);
    }
};

struct Lion {
    static const int SLOTS = 1, NUMBERS = 2;
    float rate, step_rest, mean_rest;

    __device__ Lion(const float* n, float rate, int) : rate(-rate), step_rest(n[0]), mean_rest(n[1]) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        p = fmaf(rate, sign_of(fmaf(step_rest, d - s[0], s[0])), p);
        s[0] = fmaf(mean_rest, d - s[0], s[0]);
    }
};

// sqrt(s) + epsilon, or sqrt(s + epsilon).
struct Root {
    float inner, outer;

    __device__ Root(float epsilon, int flags)
        : inner(flags & INSIDE ? epsilon : 0.0f), outer(flags & INSIDE ? 0.0f : epsilon) {}
    __device__ float of(float s) const { return sqrtf(s + inner) + outer; }
};

struct Adagrad {
    static const int SLOTS = 1, NUMBERS = 1;
    float rate;
    Root root;

    __device__ Adagrad(const float* n, float rate, int flags) : rate(-rate), root(n[0], flags) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        s[0] = fmaf(d, d, s[0]);
        p = fmaf(rate, d / root.of(s[0]), p);
    }
};

struct Adadelta {
    static const int SLOTS = 2, NUMBERS = 3;
    float rate, rho, rest, epsilon;

    __device__ Adadelta(const float* n, float rate, int) : rate(-rate), rho(n[0]), rest(n[1]), epsilon(n[2]) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        s[0] = fmaf(rest, d * d, rho * s[0]);
        const float along = d * (sqrtf(s[1] + epsilon) / sqrtf(s[0] + epsilon));
        s[1] = fmaf(rest, along * along, rho * s[1]);
        p = fmaf(rate, along, p);
    }
};

struct RMSprop {
    static const int SLOTS = 2, NUMBERS = 4;
    float rate, alpha, rest, momentum;
    Root root;

    __device__ RMSprop(const float* n, float rate, int flags)
        : rate(-rate), alpha(n[0]), rest(n[1]), momentum(n[2]), root(n[3], flags) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        s[0] = fmaf(rest, d * d, alpha * s[0]);
        s[1] = fmaf(momentum, s[1], d / root.of(s[0]));
        p = fmaf(rate, s[1], p);
    }
};

struct CenteredRMSprop {
    static const int SLOTS = 3, NUMBERS = 4;
    float rate, alpha, rest, momentum;
    Root root;

    __device__ CenteredRMSprop(const float* n, float rate, int flags)
        : rate(-rate), alpha(n[0]), rest(n[1]), momentum(n[2]), root(n[3], flags) {}
    __device__ void step(float d, float& p, float (&s)[SLOTS]) const {
        s[0] = fmaf(rest, d * d, alpha * s[0]);
        s[1] = fmaf(rest, d - s[1], s[1]);
        // Where a gradient hardly varies, rounding may leave less than nothing.
        const float left = fmaf(-s[1], s[1], s[0]);
        s[2] = fmaf(momentum, s[2], d / root.of(left < 0.0f ? 0.0f : left));
        p = fmaf(rate, s[2], p);
    }
};
