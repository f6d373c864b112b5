// Operations on arrays number by number. Whatever has a stage is `elementwise` when it stands alone.

#include "stages.cuh"

// y = stages(x), n numbers; y may be x.
extern "C" __global__ void __launch_bounds__(256) elementwise(
    const float* x, float* y, int n, const __grid_constant__ Stages stages) {
    // Four at a time, so that enough loads are under way; what is left over one by one.
    EACH(i, n / 4) {
        float v[4];
        load4(x + 4 * i, v);
        apply<4>(stages, v, 4 * i);
        store4(y + 4 * i, v);
    }
    EACH(i, n % 4) {
        const unsigned at = n / 4 * 4 + i;
        float v[1] = {x[at]};
        apply<1>(stages, v, at);
        y[at] = v[0];
    }
}

// y = value, n numbers.
extern "C" __global__ void __launch_bounds__(256) fill(float* y, int n, float value) {
    EACH(i, n) y[i] = value;
}

// y = a b, n numbers; y may be either.
extern "C" __global__ void __launch_bounds__(256) multiply(const float* a, const float* b, float* y, int n) {
    EACH(i, n) y[i] = a[i] * b[i];
}
