#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/problem.hpp"

namespace ditbatch {

/// One entry of a safetensors header, proven to lie within its file.
struct SafetensorsEntry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t offset = 0;  // of the first byte in the file
  std::uint64_t size_bytes = 0;
};

struct SafetensorsHeader {
  std::string path;
  std::uint64_t file_bytes = 0;
  std::string text;  // the header as it stands in the file
  std::map<std::string, SafetensorsEntry> tensors;
};

/// Reads and proves a header: the length fits the file, shapes do not overflow, sizes are those of
/// shape and dtype, and the tensors cover the data without gap or overlap. Reads no weights. Each
/// fault is a problem that names the tensor; then nothing is returned. Format:
/// https://huggingface.co/docs/safetensors
[[nodiscard]] std::optional<SafetensorsHeader> read_safetensors_header(std::string const& path,
                                                                       Problems& problems);

/// ATen's type for a parameter dtype ("F32", "BF16", "F16", "F64"); none for what is not a
/// parameter.
[[nodiscard]] std::optional<c10::ScalarType> parameter_type(std::string const& dtype);

}  // namespace ditbatch
