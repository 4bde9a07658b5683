#include "doctor/gemm_check.hpp"

#include <ATen/Functions.h>

#include <cstdint>
#include <vector>

#include "comm/device.hpp"
#include "core/sha256.hpp"
#include "core/trace.hpp"

namespace ditbatch {

namespace {

// (rows, columns) in [-1, 1), by integers alone: the same values on every device.
at::Tensor made_up_matrix(std::int64_t rows, std::int64_t columns, std::int64_t seed,
                          at::TensorOptions const& options) {
  at::Tensor const i = at::arange(rows * columns, options.dtype(at::kLong));
  at::Tensor const scattered =
      ((i + seed) * 1103515245 + 12345).remainder(2147483647).remainder(512);
  return ((scattered - 256).to(at::kFloat) / 256).to(options.dtype()).view({rows, columns});
}

}  // namespace

GemmCheck check_gemm(c10::Device device, double seconds) {
  bool const on_gpu = device.is_cuda();
  std::int64_t const size = on_gpu ? 4096 : 256;
  std::int64_t const inner = on_gpu ? 16384 : 256;
  auto const options = at::TensorOptions(device).dtype(on_gpu ? at::kBFloat16 : at::kFloat);
  at::Tensor const a = made_up_matrix(size, inner, 1, options);
  at::Tensor const b = made_up_matrix(inner, size, 2, options);
  at::Tensor const first = at::mm(a, b);
  synchronize(device);

  GemmCheck result;
  at::Tensor differing = at::zeros({}, options.dtype(at::kLong));
  constexpr int batch = 8;  // the device stays busy while the host looks at the clock
  std::int64_t const begin_ns = now_ns();
  double gemm_s = 0;
  while (static_cast<double>(now_ns() - begin_ns) / 1e9 < seconds || result.repetitions == 0) {
    std::int64_t const batch_begin_ns = now_ns();
    std::vector<at::Tensor> products;
    for (int i = 0; i < batch; ++i) products.push_back(at::mm(a, b));
    synchronize(device);
    gemm_s += static_cast<double>(now_ns() - batch_begin_ns) / 1e9;
    for (at::Tensor const& product : products) differing += (product != first).any();
    result.repetitions += batch;
  }
  result.differing = static_cast<int>(differing.item<std::int64_t>());
  auto const operations = 2.0 * static_cast<double>(size * size * inner);
  result.tflops = operations * result.repetitions / gemm_s / 1e12;
  at::Tensor const host = first.cpu().contiguous();
  result.sha256 = to_hex(sha256(host.const_data_ptr(), host.nbytes()));
  return result;
}

}  // namespace ditbatch
