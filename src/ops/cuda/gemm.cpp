#include "ops/cuda/gemm.hpp"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>

#include <array>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/unique_handle.hpp"

namespace ditbatch::ops::cuda {

namespace {

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

template <class Value>
void set(UniqueMatmul const& matmul, cublasLtMatmulDescAttributes_t attribute, Value const& value) {
  check_lt(cublasLtMatmulDescSetAttribute(matmul.get(), attribute, &value, sizeof value),
           "descriptor");
}

template <class Value>
void set(UniquePreference const& preference, cublasLtMatmulPreferenceAttributes_t attribute,
         Value const& value) {
  check_lt(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
           "preference");
}

struct Columns {
  std::int64_t rows, columns, leading, item_stride;
};

UniqueLayout make_layout(GemmShape const& shape, Columns const& columns) {
  cublasLtMatrixLayout_t made = nullptr;
  check_lt(cublasLtMatrixLayoutCreate(&made, data_type(shape.dtype),
                                      static_cast<std::uint64_t>(columns.rows),
                                      static_cast<std::uint64_t>(columns.columns), columns.leading),
           "layout");
  UniqueLayout layout(made);
  if (shape.batch > 1) {
    auto const count = static_cast<std::int32_t>(shape.batch);
    check_lt(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                              sizeof count),
             "batch");
    check_lt(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                              &columns.item_stride, sizeof columns.item_stride),
             "batch stride");
  }
  return layout;
}

// cuBLAS is column-major: out^T (N, M) = weight (N, K) x^T (K, M).
struct Problem {
  UniqueMatmul matmul;
  UniqueLayout weight, x, out;
};

Problem make_problem(GemmShape const& shape, GemmStrides const& strides, void const* bias) {
  Problem problem;
  cublasLtMatmulDesc_t matmul = nullptr;
  check_lt(cublasLtMatmulDescCreate(&matmul, CUBLAS_COMPUTE_32F, CUDA_R_32F), "descriptor");
  problem.matmul.reset(matmul);
  set(problem.matmul, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  bool const has_bias = shape.bias == GemmShape::Bias::present;
  bool const has_gelu = shape.epilogue == Epilogue::gelu_tanh;
  cublasLtEpilogue_t const epilogue =
      has_gelu   ? (has_bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU)
      : has_bias ? CUBLASLT_EPILOGUE_BIAS
                 : CUBLASLT_EPILOGUE_DEFAULT;
  set(problem.matmul, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  if (has_bias) {
    set(problem.matmul, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    set(problem.matmul, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(shape.dtype));
  }
  problem.weight = make_layout(shape, {shape.k, shape.n, shape.k, 0});
  problem.x = make_layout(shape, {shape.k, shape.m, strides.x_row, strides.x_item});
  problem.out = make_layout(shape, {shape.n, shape.m, strides.out_row, strides.out_item});
  return problem;
}

bool splits_k(cublasLtMatmulAlgo_t const& algorithm) {
  std::int32_t split_k = 0;
  std::size_t written = 0;
  check_lt(cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
                                                &split_k, sizeof split_k, &written),
           "split-K");
  return split_k > 1;
}

cublasStatus_t launch(Problem const& problem, GemmOperands const& operands,
                      cublasLtMatmulAlgo_t const& algorithm) {
  at::Tensor const workspace = at::empty({static_cast<std::int64_t>(gemm_workspace_bytes)},
                                         at::TensorOptions().dtype(at::kByte).device(at::kCUDA));
  float const one = 1.0F;
  float const zero = 0.0F;
  return cublasLtMatmul(at::cuda::getCurrentCUDABlasLtHandle(), problem.matmul.get(), &one,
                        operands.weight, problem.weight.get(), operands.x, problem.x.get(), &zero,
                        operands.out, problem.out.get(), operands.out, problem.out.get(),
                        &algorithm, workspace.data_ptr(), gemm_workspace_bytes,
                        at::cuda::getCurrentCUDAStream().stream());
}

bool takes(Problem const& problem, cublasLtMatmulAlgo_t const& algorithm) {
  cublasLtMatmulHeuristicResult_t result{};
  cublasStatus_t const status = cublasLtMatmulAlgoCheck(
      at::cuda::getCurrentCUDABlasLtHandle(), problem.matmul.get(), problem.weight.get(),
      problem.x.get(), problem.out.get(), problem.out.get(), &algorithm, &result);
  return status == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= gemm_workspace_bytes;
}

}  // namespace

GemmStrides contiguous_strides(GemmShape const& shape) {
  return {shape.k, shape.k * shape.m, shape.n, shape.n * shape.m};
}

void run_gemm(GemmShape const& shape, GemmStrides const& strides, GemmOperands const& operands,
              cublasLtMatmulAlgo_t const& algorithm) {
  check_lt(launch(make_problem(shape, strides, operands.bias), operands, algorithm), "matmul");
}

bool try_gemm(GemmShape const& shape, GemmStrides const& strides, GemmOperands const& operands,
              cublasLtMatmulAlgo_t const& algorithm) {
  Problem const problem = make_problem(shape, strides, operands.bias);
  if (!takes(problem, algorithm)) return false;
  if (launch(problem, operands, algorithm) == CUBLAS_STATUS_SUCCESS) return true;
  (void)cudaGetLastError();  // or the next kernel would be blamed
  return false;
}

std::vector<cublasLtMatmulAlgo_t> proposed_algorithms(GemmShape const& shape,
                                                      GemmStrides const& strides) {
  Problem const problem = make_problem(shape, strides, nullptr);
  cublasLtMatmulPreference_t made = nullptr;
  check_lt(cublasLtMatmulPreferenceCreate(&made), "preference");
  UniquePreference const preference(made);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, gemm_workspace_bytes);
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
  auto const alignment = static_cast<std::uint32_t>(shape.alignment_bytes);
  for (auto const attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(preference, attribute, alignment);
  }
  std::array<cublasLtMatmulHeuristicResult_t, 16> results{};
  int count = 0;
  cublasStatus_t const status = cublasLtMatmulAlgoGetHeuristic(
      at::cuda::getCurrentCUDABlasLtHandle(), problem.matmul.get(), problem.weight.get(),
      problem.x.get(), problem.out.get(), problem.out.get(), preference.get(),
      static_cast<int>(results.size()), results.data(), &count);
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return algorithms;
  check_lt(status, "heuristic");
  for (int i = 0; i < count; ++i) {
    cublasLtMatmulHeuristicResult_t const& result = results[static_cast<std::size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS && !splits_k(result.algo))
      algorithms.push_back(result.algo);
  }
  return algorithms;
}

}  // namespace ditbatch::ops::cuda
