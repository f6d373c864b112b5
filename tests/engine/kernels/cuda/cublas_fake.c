// Stands in for cuBLAS: the same functions with the same parameters, computing in the processor's memory, and a line of
// text for each call. The declarations are those of cublas_api.h (NVIDIA, cuBLAS, CUDA Toolkit Documentation).
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef enum { SUCCESS = 0 } cublasStatus_t;
typedef enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 } cublasOperation_t;
typedef enum { CUBLAS_POINTER_MODE_HOST = 0 } cublasPointerMode_t;
typedef enum { CUBLAS_ATOMICS_NOT_ALLOWED = 0 } cublasAtomicsMode_t;
typedef enum { CUBLAS_DEFAULT_MATH = 0 } cublasMath_t;
typedef enum { CUDA_R_32F = 0 } cudaDataType;
typedef enum { CUBLAS_COMPUTE_32F = 68 } cublasComputeType_t;
typedef enum { CUBLAS_GEMM_DEFAULT = -1 } cublasGemmAlgo_t;
typedef struct context* cublasHandle_t;
typedef struct CUstream_st* cudaStream_t;

struct context {
    int alive;
};

static struct context the_context;
static char history[4096];
static char failing[64];
static int failure;

#define CALLED(...)                                                                                          \
    do {                                                                                                     \
        size_t used = strlen(history);                                                                       \
        snprintf(history + used, sizeof history - used, "%s", __func__);                                     \
        used = strlen(history);                                                                              \
        snprintf(history + used, sizeof history - used, __VA_ARGS__);                                        \
        strncat(history, "\n", sizeof history - strlen(history) - 1);                                        \
        if (!strcmp(failing, __func__)) return (cublasStatus_t)failure;                                      \
    } while (0)

// What was called since the last time.
const char* take_history(char* room, int size) {
    snprintf(room, size, "%s", history);
    history[0] = 0;
    return room;
}

void fail_in(const char* function, int status) {
    snprintf(failing, sizeof failing, "%s", function);
    failure = status;
}

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
    CALLED("%s", "");
    the_context.alive = 1;
    *handle = &the_context;
    return SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    CALLED(" %d", handle == &the_context && handle->alive);
    handle->alive = 0;
    return SUCCESS;
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
    CALLED(" %d", handle->alive);
    *version = 130102;
    return SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t streamId) {
    CALLED(" %d %p", handle->alive, (void*)streamId);
    return SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t workspaceSizeInBytes) {
    CALLED(" %d %p %zu", handle->alive, workspace, workspaceSizeInBytes);
    return SUCCESS;
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
    CALLED(" %d %d", handle->alive, (int)mode);
    return SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
    CALLED(" %d %d", handle->alive, (int)mode);
    return SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    CALLED(" %d %d", handle->alive, (int)mode);
    return SUCCESS;
}

static void product(cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, float alpha, const float* A,
                    int lda, const float* B, int ldb, float beta, float* C, int ldc) {
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            float sum = 0;
            for (int p = 0; p < k; p++) {
                const float a = transa ? A[p + (size_t)i * lda] : A[i + (size_t)p * lda];
                const float b = transb ? B[j + (size_t)p * ldb] : B[p + (size_t)j * ldb];
                sum += a * b;
            }
            float* c = C + i + (size_t)j * ldc;
            *c = alpha * sum + (beta == 0 ? 0 : beta * *c);
        }
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                            int k, const void* alpha, const void* A, cudaDataType Atype, int lda, const void* B,
                            cudaDataType Btype, int ldb, const void* beta, void* C, cudaDataType Ctype, int ldc,
                            cublasComputeType_t computeType, cublasGemmAlgo_t algo) {
    CALLED(" %d types %d %d %d compute %d algorithm %d", handle->alive, (int)Atype, (int)Btype, (int)Ctype,
           (int)computeType, (int)algo);
    product(transa, transb, m, n, k, *(const float*)alpha, A, lda, B, ldb, *(const float*)beta, C, ldc);
    return SUCCESS;
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                          int m, int n, int k, const void* alpha, const void* A, cudaDataType Atype,
                                          int lda, long long int strideA, const void* B, cudaDataType Btype, int ldb,
                                          long long int strideB, const void* beta, void* C, cudaDataType Ctype, int ldc,
                                          long long int strideC, int batchCount, cublasComputeType_t computeType,
                                          cublasGemmAlgo_t algo) {
    CALLED(" %d types %d %d %d compute %d algorithm %d strides %lld %lld %lld", handle->alive, (int)Atype, (int)Btype,
           (int)Ctype, (int)computeType, (int)algo, strideA, strideB, strideC);
    for (int i = 0; i < batchCount; i++)
        product(transa, transb, m, n, k, *(const float*)alpha, (const float*)A + i * strideA, lda,
                (const float*)B + i * strideB, ldb, *(const float*)beta, (float*)C + i * strideC, ldc);
    return SUCCESS;
}
