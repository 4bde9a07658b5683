#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/tensor_comm.hpp"
#include "weights/checkpoint.hpp"
#include "weights/weight_source.hpp"

namespace ditbatch {

/// The parameters of one model, all of them on the device already.
struct LoadedWeights {
  std::unique_ptr<WeightSource> source;  // lets go of a tensor when the model takes it
  std::uint64_t bytes_read = 0;          // from files, by this rank
};

/// Loads `wanted` from a component's files, converted to `dtype` (or the spec's own) on `device`.
///
/// Collective over `group`, whose ranks name the same component and specs: each reads its share of
/// the bytes and they give each other the rest, so that every byte is read once. A rank that cannot
/// read throws while the others wait for it: that error has to end the job.
///
/// Beside the weights the device holds one round of pieces (at most 512 MiB) and, where files have
/// another dtype, one tensor in it. Throws BadInput where parameters do not fit the headers (on all
/// ranks alike), Error(io) or Error(bad_input) where a file cannot be read, has become shorter, or
/// holds NaN or infinity in the wanted dtype: named with its tensor.
[[nodiscard]] LoadedWeights load_weights(Component const& component,
                                         std::vector<ParameterSpec> const& wanted,
                                         c10::ScalarType dtype, c10::Device device,
                                         TensorComm& group);

}  // namespace ditbatch
