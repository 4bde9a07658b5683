#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "ops/cuda/element.hpp"

// The kernels behind map_ops.cpp, in plain pointers: nvcc does not have to read LibTorch.
namespace ditbatch::ops::cuda {

enum class Curve { none, silu };

/// Rows of a map (rows, width, channels), a pixel's channels side by side.
struct MapShape {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  Element element = Element::float32;
};

/// A short list that travels as a kernel's argument, so that nothing is copied to the device.
struct TileList {
  static constexpr int most = 32;
  int count = 0;
  std::int64_t value[most] = {};
};

/// (mean, sum of squared distances) of some values, in float32.
struct Moments {
  float mean;
  float squares;
};

/// What take_moments needs for its chunks, in bytes.
[[nodiscard]] std::size_t moments_scratch_bytes(MapShape const& shape, TileList const& tile_rows);

struct MomentsArguments {
  void const* x = nullptr;
  void const* bias = nullptr;      // (channels), or null
  void const* residual = nullptr;  // as x, or null
  void* sum = nullptr;             // x + bias + residual; null: is not kept. Not one of the inputs
  int groups = 1;
  Moments* moments = nullptr;  // (tiles, groups)
  void* scratch = nullptr;
};

/// Adds, and takes the moments of each tile and group of what it kept (or would have), in one pass.
/// Chunks and their order depend on a tile's own shape alone.
void take_moments(MapShape const& shape, TileList const& tile_rows,
                  MomentsArguments const& arguments, cudaStream_t stream);

/// Moments (tiles, groups) of all tiles -> mean (groups) and 1 / sqrt(variance + eps) (groups),
/// added in double in the order of tiles. `values`: how many values a group has in each tile.
void combine_moments(Moments const* moments, TileList const& values, int groups, double eps,
                     float* mean, float* scale, cudaStream_t stream);

struct NormaliseArguments {
  void const* x = nullptr;
  void const* bias = nullptr;  // (channels), or null
  float const* mean = nullptr;
  float const* scale = nullptr;
  void const* gain = nullptr;    // (channels)
  void const* offset = nullptr;  // (channels)
  int groups = 1;
  Curve curve = Curve::none;
  void* padded = nullptr;  // (rows + 2, width, channels)
};

/// curve((x + bias - mean) * scale * gain + offset) between two rows of zeros.
void normalise(MapShape const& shape, NormaliseArguments const& arguments, cudaStream_t stream);

/// Each pixel becomes 2x2: x -> padded (2 rows + 2, 2 width, channels), the outer rows zeros.
void upsample(MapShape const& shape, void const* x, void* padded, cudaStream_t stream);

}  // namespace ditbatch::ops::cuda
