#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include <cstdlib>
#include <string>

#include "comm/mpi_comm.hpp"
#if DITBATCH_CUDA
#include "comm/cuda_device.hpp"
#endif

namespace ditbatch::test {

/// CPU ranks; with DITBATCH_TEST_DEVICE=cuda ranks that all share one GPU, with cuda-each ranks
/// that have one each.
inline c10::Device test_device() {
  char const* const value = std::getenv("DITBATCH_TEST_DEVICE");
  std::string const name = value == nullptr ? "cpu" : value;
  if (name == "cpu") return c10::Device(c10::kCPU);
  int const own = name == "cuda-each" ? rank_of(MPI_COMM_WORLD) : 0;
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(own));
}

/// A global fixture: MPI from the first test to the last.
struct MpiWorld {
  MpiWorld() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
#if DITBATCH_CUDA
    if (test_device().is_cuda()) {
      bool const is_shared = std::string(std::getenv("DITBATCH_TEST_DEVICE")) == "cuda";
      (void)use_cuda_device(test_device(), is_shared ? rank_of(MPI_COMM_WORLD) : -1);
    }
#endif
  }
  ~MpiWorld() { MPI_Finalize(); }
};

}  // namespace ditbatch::test
