#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <cublasLt.h>

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "core/error.hpp"
#include "core/unique_handle.hpp"
#include "ops/cuda/cuda_ops.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr std::int64_t canonical_rows =
    4608;                                // FLUX.1 at 1024x1024: what the algorithms are chosen for
constexpr std::int64_t least_rows = 64;  // short calls are padded
constexpr std::size_t workspace_bytes = std::size_t{32} << 20U;

void check_lt(cublasStatus_t status, char const* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(ExitCode::unhealthy, std::string("cuBLASLt failed in ") + what + " (" +
                                       cublasLtGetStatusString(status) +
                                       ") look at the GPU and the driver");
}

template <class T, cublasStatus_t (*Destroy)(T)>
struct LtTraits {
  using Handle = T;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { (void)Destroy(handle); }
};
using UniqueMatmul = UniqueHandle<LtTraits<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>>;
using UniqueLayout = UniqueHandle<LtTraits<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>>;
using UniquePreference =
    UniqueHandle<LtTraits<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>>;

cudaDataType_t data_type(at::ScalarType type) {
  switch (type) {
    case at::kBFloat16:
      return CUDA_R_16BF;
    case at::kHalf:
      return CUDA_R_16F;
    default:
      return CUDA_R_32F;
  }
}

UniqueLayout make_layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  check_lt(cublasLtMatrixLayoutCreate(&layout, type, static_cast<std::uint64_t>(rows),
                                      static_cast<std::uint64_t>(columns), rows),
           "layout");
  return UniqueLayout(layout);
}

// cuBLAS is column-major: out^T (N, M) = weight (N, K) x^T (K, M).
struct Problem {
  UniqueMatmul matmul;
  UniqueLayout weight, x, out;
};

Problem make_problem(std::int64_t m, std::int64_t n, std::int64_t k, at::ScalarType dtype,
                     void const* bias) {
  Problem problem;
  cublasLtMatmulDesc_t matmul = nullptr;
  check_lt(cublasLtMatmulDescCreate(&matmul, CUBLAS_COMPUTE_32F, CUDA_R_32F), "descriptor");
  problem.matmul.reset(matmul);
  cublasOperation_t const transposed = CUBLAS_OP_T;
  check_lt(cublasLtMatmulDescSetAttribute(matmul, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                          sizeof transposed),
           "transpose");
  cudaDataType_t const type = data_type(dtype);
  if (bias != nullptr) {
    cublasLtEpilogue_t const epilogue = CUBLASLT_EPILOGUE_BIAS;
    check_lt(cublasLtMatmulDescSetAttribute(matmul, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                            sizeof epilogue),
             "epilogue");
    check_lt(cublasLtMatmulDescSetAttribute(matmul, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                            sizeof bias),
             "bias");
    check_lt(cublasLtMatmulDescSetAttribute(matmul, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type,
                                            sizeof type),
             "bias type");
  }
  problem.weight = make_layout(type, k, n);
  problem.x = make_layout(type, k, m);
  problem.out = make_layout(type, n, m);
  return problem;
}

// One algorithm for a weight shape: the heuristic's first that keeps K whole.
cublasLtMatmulAlgo_t choose_algorithm(cublasLtHandle_t handle, std::int64_t n, std::int64_t k,
                                      at::ScalarType dtype, void const* bias) {
  Problem const problem = make_problem(canonical_rows, n, k, dtype, bias);
  cublasLtMatmulPreference_t made = nullptr;
  check_lt(cublasLtMatmulPreferenceCreate(&made), "preference");
  UniquePreference const preference(made);
  check_lt(cublasLtMatmulPreferenceSetAttribute(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                &workspace_bytes, sizeof workspace_bytes),
           "workspace");
  std::uint32_t const no_reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  check_lt(cublasLtMatmulPreferenceSetAttribute(made, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                &no_reduction, sizeof no_reduction),
           "reduction");
  std::array<cublasLtMatmulHeuristicResult_t, 16> results{};
  int count = 0;
  check_lt(cublasLtMatmulAlgoGetHeuristic(handle, problem.matmul.get(), problem.weight.get(),
                                          problem.x.get(), problem.out.get(), problem.out.get(),
                                          preference.get(), static_cast<int>(results.size()),
                                          results.data(), &count),
           "heuristic");
  for (int i = 0; i < count; ++i) {
    std::int32_t split_k = 0;
    std::size_t written = 0;
    check_lt(cublasLtMatmulAlgoConfigGetAttribute(&results[static_cast<std::size_t>(i)].algo,
                                                  CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &split_k,
                                                  sizeof split_k, &written),
             "split-K");
    if (split_k <= 1) return results[static_cast<std::size_t>(i)].algo;
  }
  throw Error(ExitCode::unhealthy,
              "cuBLASLt offers no algorithm without split-K for K " + std::to_string(k) + ", N " +
                  std::to_string(n) +
                  " (a row's bits would depend on the layout) try another CUDA version");
}

// Chosen once a process: what is cached is a pure function of its key.
cublasLtMatmulAlgo_t algorithm_for(cublasLtHandle_t handle, int device, std::int64_t n,
                                   std::int64_t k, at::ScalarType dtype, void const* bias) {
  static std::mutex mutex;
  static std::map<std::tuple<int, std::int64_t, std::int64_t, at::ScalarType, bool>,
                  cublasLtMatmulAlgo_t>
      cache;
  std::scoped_lock const lock(mutex);
  auto const key = std::tuple(device, n, k, dtype, bias != nullptr);
  auto const found = cache.find(key);
  if (found != cache.end()) return found->second;
  return cache.emplace(key, choose_algorithm(handle, n, k, dtype, bias)).first->second;
}

}  // namespace

at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
  std::int64_t const k = weight.size(1);
  std::int64_t const n = weight.size(0);
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = n;
  at::Tensor rows = x.reshape({-1, k}).contiguous();  // (M, K)
  std::int64_t const count = rows.size(0);
  if (count == 0) return at::empty(shape, x.options());
  if (count < least_rows) {
    at::Tensor const padded = at::zeros({least_rows, k}, rows.options());
    padded.narrow(0, 0, count).copy_(rows);
    rows = padded;
  }
  std::int64_t const m = rows.size(0);
  at::Tensor const out = at::empty({m, n}, rows.options());
  void const* bias_data = bias.defined() ? bias.data_ptr() : nullptr;
  cublasLtHandle_t const handle = at::cuda::getCurrentCUDABlasLtHandle();
  cublasLtMatmulAlgo_t const algorithm =
      algorithm_for(handle, x.get_device(), n, k, x.scalar_type(), bias_data);
  Problem const problem = make_problem(m, n, k, x.scalar_type(), bias_data);
  at::Tensor const workspace =
      at::empty({static_cast<std::int64_t>(workspace_bytes)}, rows.options().dtype(at::kByte));
  float const one = 1.0F;
  float const zero = 0.0F;
  check_lt(
      cublasLtMatmul(handle, problem.matmul.get(), &one, weight.data_ptr(), problem.weight.get(),
                     rows.data_ptr(), problem.x.get(), &zero, out.data_ptr(), problem.out.get(),
                     out.data_ptr(), problem.out.get(), &algorithm, workspace.data_ptr(),
                     workspace_bytes, at::cuda::getCurrentCUDAStream().stream()),
      "matmul");
  return out.narrow(0, 0, count).reshape(shape);
}

}  // namespace ditbatch::ops::cuda
