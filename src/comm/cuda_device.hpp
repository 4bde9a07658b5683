#pragma once

#include <c10/core/Device.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <source_location>
#include <string>
#include <vector>

#include "comm/device.hpp"

namespace ditbatch {

/// Throws Error(unhealthy) with CUDA's text and the place of the call.
void check_cuda(cudaError_t code, std::source_location where = std::source_location::current());

/// What `later` is given from now on begins after all that `earlier` was given so far.
void make_wait(c10::cuda::CUDAStream const& later, c10::cuda::CUDAStream const& earlier);

/// UUIDs of the GPUs that this process sees; empty where there is no driver.
[[nodiscard]] std::vector<std::string> cuda_device_uuids();

/// Makes the device current and pins everything that would let bits depend on the layout. With
/// `shared_as` >= 0 several ranks share the GPU: NCCL must take each for a host of its own.
/// Returns the GPU's name.
[[nodiscard]] std::string use_cuda_device(c10::Device device, int shared_as);

/// The GPU driver's version, "580.159.04"; where its kernel module does not tell, the CUDA version
/// that it supports.
[[nodiscard]] std::string gpu_driver_version();

/// Of CUDA, cuDNN and NCCL, in this order.
[[nodiscard]] std::vector<LibraryVersion> cuda_library_versions();

}  // namespace ditbatch
