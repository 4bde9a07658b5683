#pragma once

#include <cuda_runtime_api.h>

namespace ditbatch::ops::cuda {

/// Makes kernels of a captured graph's small memory sets, which cuBLASLt and cuDNN put before many
/// of their kernels: between two kernels a memory set holds a GPU up for 11 microseconds, a kernel
/// for 2. To be called before the graph is instantiated.
void make_memsets_kernels(cudaGraph_t graph);

}  // namespace ditbatch::ops::cuda
