#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include <string>
#include <vector>

#include "comm/tensor_comm.hpp"

namespace ditbatch {

/// GB/s between pinned host memory and the GPU, the slower direction. Throws Error(unhealthy) where
/// the bytes came back changed.
[[nodiscard]] double host_copy_gb_s(c10::Device gpu);

struct LinkCheck {
  int previous = -1;            // rank of `group` that sends to this one; -1 in a group of one
  double gb_s = 0;              // from there
  std::vector<int> exchanged;   // ranks of `group` that sent known values here
  std::vector<int> wrong_from;  // those of them whose values came changed
};

/// Collective over `group`, whose host side is `comm`: every rank sends known values to all others
/// (in a large group to those 1, 2, 4, ... places further), then much to its next.
[[nodiscard]] LinkCheck check_links(TensorComm& group, MPI_Comm comm, c10::Device device);

}  // namespace ditbatch
