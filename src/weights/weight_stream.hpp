#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "weights/checkpoint.hpp"
#include "weights/weight_source.hpp"

namespace ditbatch {

/// The bytes of all tensors that a model wants of a component, one after another in the order of
/// its files: reading the stream from its begin to its end touches no other byte and none twice.
struct WeightStream {
  struct Tensor {
    std::vector<std::int64_t> shape;  // the model's; the file's may have ones at its end
    c10::ScalarType stored;           // dtype in the file
    c10::ScalarType wanted;           // dtype in the model
    std::uint64_t begin = 0;          // of its first byte in the stream
    std::uint64_t size_bytes = 0;     // as stored
    int uses = 1;                     // how often the model asks for it
  };
  /// Bytes that stand together both in a file and in the stream.
  struct Extent {
    std::size_t file = 0;      // index into `files`
    std::uint64_t offset = 0;  // in the file
    std::uint64_t begin = 0;   // in the stream
    std::uint64_t size_bytes = 0;
  };
  std::vector<std::string> files;
  std::vector<Tensor> tensors;               // by their place in the stream
  std::vector<Extent> extents;               // likewise
  std::map<std::string, std::size_t> place;  // parameter name -> index into `tensors`
  std::uint64_t size_bytes = 0;
};

/// Throws BadInput with all parameters that are missing or do not fit. `dtype` counts where a spec
/// names none.
[[nodiscard]] WeightStream plan_stream(Component const& component,
                                       std::vector<ParameterSpec> const& wanted,
                                       c10::ScalarType dtype);

/// Part of a stream.
struct StreamRange {
  std::uint64_t begin = 0;
  std::uint64_t size_bytes = 0;
};

/// Neighbouring parts of a stream, one a rank: what the ranks of a group read at the same time, and
/// then give each other.
using ReadRound = std::vector<StreamRange>;

/// Divides a stream among ranks: every byte belongs to one rank in one round, shares within a round
/// are equal but at the end, and a round is small enough to be held beside the weights.
[[nodiscard]] std::vector<ReadRound> share_out(std::uint64_t stream_bytes, int ranks);

}  // namespace ditbatch
