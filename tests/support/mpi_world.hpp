#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include <cstdlib>
#include <string>

#include "comm/mpi_comm.hpp"
#ifdef DITBATCH_CUDA
#include "comm/cuda_device.hpp"
#endif

namespace ditbatch::test {

/// CPU ranks, or with DITBATCH_TEST_DEVICE=cuda ranks that all share one GPU.
inline c10::Device test_device() {
  char const* name = std::getenv("DITBATCH_TEST_DEVICE");
  return name != nullptr && std::string(name) == "cuda" ? c10::Device(c10::kCUDA, 0)
                                                        : c10::Device(c10::kCPU);
}

/// A global fixture: MPI from the first test to the last.
struct MpiWorld {
  MpiWorld() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
#ifdef DITBATCH_CUDA
    if (test_device().is_cuda()) (void)use_cuda_device(test_device(), rank_of(MPI_COMM_WORLD));
#endif
  }
  ~MpiWorld() { MPI_Finalize(); }
};

}  // namespace ditbatch::test
