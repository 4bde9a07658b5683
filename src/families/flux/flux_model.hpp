#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "config/run_config.hpp"
#include "core/recent_map.hpp"
#include "families/component_loader.hpp"
#include "families/flux/flux_configs.hpp"
#include "families/flux/flux_tokens.hpp"
#include "families/flux/transformer_runner.hpp"
#include "families/model.hpp"
#include "manifest/image_record.hpp"
#include "models/flux/flux_transformer.hpp"
#include "models/vae/vae_decoder.hpp"
#include "ops/graphed_call.hpp"
#include "sample/flow_match_schedule.hpp"
#include "text/clip_encoder.hpp"
#include "text/t5_encoder.hpp"

namespace ditbatch::flux {

/// FLUX.1 on the ranks of one replica: which encoders, transformer, VAE and schedule belong
/// together. A prompt's conditioning is T5's hidden states, (1, max_sequence_length,
/// joint_attention_dim), and CLIP's pooled row, (1, pooled_projection_dim). Latents are packed:
/// (tokens, in_channels).
class FluxModel final : public Model {
 public:
  /// Loads the weights: collective over the world, unlike what follows.
  FluxModel(Checkpoint const& checkpoint, FluxConfigs const& configs, ModelConfig const& model,
            MeshComms& comms, c10::Device device, ops::CudaGraphs graphs);
  FluxModel(FluxModel const&) = delete;
  FluxModel& operator=(FluxModel const&) = delete;

  [[nodiscard]] LoadReport const& load_report() const override { return load_report_; }
  [[nodiscard]] TokenCounts count_tokens(ImageRecord const& record) const override;
  /// Encodes on the first rank of each branch, then sends to the others of the branch.
  [[nodiscard]] Conditioning encode_prompt(ImageRecord const& record) override;
  [[nodiscard]] at::Tensor initial_latents(ImageRecord const& record) const override;
  [[nodiscard]] std::vector<at::Tensor> denoise(std::vector<at::Tensor> const& noise,
                                                std::vector<Conditioning> const& prompts,
                                                std::vector<ImageRecord> const& records) override;
  [[nodiscard]] DecodedImage decode_latents(at::Tensor const& latents,
                                            ImageRecord const& record) override;

 private:
  FluxModel(ComponentLoader loader, Checkpoint const& checkpoint, FluxConfigs const& configs,
            MeshComms& comms, c10::Device device, ops::CudaGraphs graphs);
  struct Encoders {
    FluxTokenizers tokenizers;
    T5Encoder t5;
    ClipTextEncoder clip;
    RecentMap<std::int64_t, ops::GraphedCall> t5_calls{4};  // by number of tokens
    RecentMap<std::int64_t, ops::GraphedCall> clip_calls{4};
  };
  struct Prompt {
    std::string const& clip;
    std::string const& t5;
    std::int64_t max_sequence_length = 0;
  };
  /// T5's and CLIP's part of a conditioning, on every rank of the branch.
  [[nodiscard]] std::vector<at::Tensor> encode(Prompt const& prompt);
  [[nodiscard]] std::vector<at::Tensor> encode_on_device(Prompt const& prompt);

  /// One branch of the guidance for a batch of images.
  struct BranchInputs {
    at::Tensor text;        // (B, own text tokens, width), projected
    at::Tensor modulation;  // (steps, B, all vectors)
  };
  [[nodiscard]] BranchInputs branch_inputs(int branch, std::vector<Conditioning> const& prompts,
                                           std::vector<ImageRecord> const& records,
                                           TokenLayout const& layout, Schedule const& schedule);

  FluxConfigs configs_;
  MeshComms& comms_;
  c10::Device device_;
  c10::ScalarType dtype_;
  ops::CudaGraphs graphs_;
  std::optional<Encoders> encoders_;  // on the first rank of each branch only
  FluxTransformer transformer_;
  VaeDecoder vae_;
  std::shared_ptr<ops::GraphPool> graph_pool_;
  TransformerRunner runner_;
  struct MapSize {
    std::int64_t height = 0, width = 0;
    friend bool operator==(MapSize const&, MapSize const&) = default;
  };
  RecentMap<MapSize, ops::GraphedCall> decode_calls_{8};  // by size of the latents
  LoadReport load_report_;
};

}  // namespace ditbatch::flux
