// Kernels by class.
#define BOOST_TEST_MODULE kernel_class
#include <boost/test/unit_test.hpp>

#include "profile/kernel_class.hpp"

using namespace ditbatch;

BOOST_AUTO_TEST_CASE(kernels_are_told_apart_by_their_names) {
  auto const check = [](char const* name, KernelClass kind) {
    BOOST_TEST(kernel_class_names[static_cast<std::size_t>(class_of_kernel(name))] ==
                   kernel_class_names[static_cast<std::size_t>(kind)],
               name);
  };
  check("nvjet_tst_256x128_64x4_2x1_h_bz_coopA_bias_TNT", KernelClass::gemm);
  check("void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64>",
        KernelClass::gemm);
  check("void cublasLt::splitKreduce_kernel<32, 16, int, float>", KernelClass::gemm);
  check("cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16", KernelClass::attention);
  check("fmha_cutlassF_bf16_aligned_64x128_rf_sm80", KernelClass::attention);
  check("ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)", KernelClass::exchange);
  check("void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<float, float>",
        KernelClass::elementwise);
  check("void at::native::vectorized_elementwise_kernel<4, at::native::GeluCUDAKernelImpl>",
        KernelClass::elementwise);
  check("ditbatch::modulated_norm_kernel(float const*)", KernelClass::elementwise);
  check("void at::native::elementwise_kernel<128, 4, at::native::direct_copy_kernel_cuda>",
        KernelClass::copy);
  check("void at::native::(anonymous namespace)::CatArrayBatchedCopy<c10::BFloat16>",
        KernelClass::copy);
  check("memcpy", KernelClass::copy);
  check("somebody_elses_kernel", KernelClass::other);
}
