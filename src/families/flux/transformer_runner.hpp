#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <tuple>

#include "comm/mesh_comms.hpp"
#include "comm/side_stream.hpp"
#include "core/recent_map.hpp"
#include "models/flux/flux_transformer.hpp"
#include "ops/graphed_call.hpp"

namespace ditbatch::flux {

/// Evaluates the transformer step after step and image after image: keeps what images of one size
/// share, on GPUs the whole evaluation as one CUDA graph.
class TransformerRunner {
 public:
  /// All of them outlive the runner.
  TransformerRunner(FluxTransformer const& transformer, MeshComms const& comms, c10::Device device,
                    ops::CudaGraphs graphs, std::shared_ptr<ops::GraphPool> pool);

  /// FluxTransformer's evaluation. A collective of the branch.
  [[nodiscard]] at::Tensor predict(at::Tensor const& latents, at::Tensor const& text,
                                   at::Tensor const& modulation, TokenLayout const& layout,
                                   std::int64_t packed_width);

  /// FluxTransformer::modulate(), whose many small products are one launch too.
  [[nodiscard]] at::Tensor modulate(at::Tensor const& timesteps, at::Tensor const& guidance,
                                    at::Tensor const& pooled);

 private:
  // Images, text tokens, image tokens and width of the whole sequence: the rank's shard follows.
  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
  [[nodiscard]] ops::GraphedCall make_call(TokenLayout const& layout, std::int64_t packed_width,
                                           at::Tensor const& latents);

  FluxTransformer const& transformer_;
  MeshComms const& comms_;
  c10::Device device_;
  SideStream beside_;
  ops::CudaGraphs graphs_;
  std::shared_ptr<ops::GraphPool> pool_;
  RecentMap<Key, ops::GraphedCall> calls_;
  using StepsAndImages = std::tuple<std::int64_t, std::int64_t>;
  RecentMap<StepsAndImages, ops::GraphedCall> modulations_;
};

}  // namespace ditbatch::flux
