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
#include "manifest/image_record.hpp"
#include "models/flux/flux_transformer.hpp"
#include "models/vae/vae_decoder.hpp"
#include "ops/graphed_call.hpp"
#include "pipeline/component_loader.hpp"
#include "pipeline/flux_configs.hpp"
#include "sample/denoise.hpp"
#include "sample/transformer_runner.hpp"
#include "text/clip_encoder.hpp"
#include "text/t5_encoder.hpp"
#include "text/tokenizer.hpp"

namespace ditbatch {

/// What the transformer is told about one prompt.
struct PromptEmbeds {
  at::Tensor t5;    // (1, max_sequence_length, joint_attention_dim)
  at::Tensor clip;  // (1, pooled_projection_dim)
};

/// The prompts of a record as this rank needs them: those of its own CFG branch, or of both where
/// one rank runs both. Undefined tensors elsewhere.
struct RecordEmbeds {
  PromptEmbeds conditional;
  PromptEmbeds unconditional;
};

struct PipelineOptions {
  ops::CudaGraphs cuda_graphs = ops::CudaGraphs::on;
};

/// FLUX.1 on the ranks of one replica: which encoders, transformer, VAE and schedule belong
/// together. Every method is a collective of the replica: all its ranks call it with the same
/// record.
class FluxPipeline {
 public:
  /// Loads the weights: collective over the world, unlike what follows.
  FluxPipeline(Checkpoint const& checkpoint, FluxConfigs const& configs, ModelConfig const& model,
               MeshComms& comms, c10::Device device, PipelineOptions const& options = {});
  FluxPipeline(FluxPipeline const&) = delete;
  FluxPipeline& operator=(FluxPipeline const&) = delete;

  [[nodiscard]] LoadReport const& load_report() const { return load_report_; }

  /// Encodes on the first rank of each branch, then sends to the others of the branch.
  [[nodiscard]] RecordEmbeds encode_prompt(ImageRecord const& record);

  /// The record's noise, packed, full size on every rank: (tokens, in_channels).
  [[nodiscard]] at::Tensor initial_latents(ImageRecord const& record) const;

  /// Packed latents after all steps, full size on every rank of the replica, for records of one
  /// bucket and text length: one noise (tokens, in_channels) and result each. A record's bits do
  /// not depend on the others. On GPUs it returns when the work is enqueued.
  [[nodiscard]] std::vector<at::Tensor> denoise(std::vector<at::Tensor> const& noise,
                                                std::vector<RecordEmbeds> const& embeds,
                                                std::vector<ImageRecord> const& records);

  /// Packed latents (tokens, in_channels) -> pixels on the replica's first rank.
  [[nodiscard]] DecodedImage decode_latents(at::Tensor const& latents, ImageRecord const& record);

 private:
  FluxPipeline(ComponentLoader loader, Checkpoint const& checkpoint, FluxConfigs const& configs,
               MeshComms& comms, c10::Device device, PipelineOptions const& options);
  struct Encoders {
    std::unique_ptr<Tokenizer> t5_tokenizer;
    std::unique_ptr<Tokenizer> clip_tokenizer;
    T5Encoder t5;
    ClipTextEncoder clip;
    RecentMap<std::int64_t, ops::GraphedCall> t5_calls{4};  // by number of tokens
    RecentMap<std::int64_t, ops::GraphedCall> clip_calls{4};
  };
  [[nodiscard]] PromptEmbeds encode_on_device(std::string const& clip_prompt,
                                              std::string const& t5_prompt,
                                              std::int64_t max_sequence_length);
  [[nodiscard]] BranchInputs branch_inputs(std::vector<PromptEmbeds> const& prompts,
                                           std::vector<ImageRecord> const& records,
                                           TokenLayout const& layout, Schedule const& schedule);
  [[nodiscard]] PromptEmbeds encode(std::string const& clip_prompt, std::string const& t5_prompt,
                                    std::int64_t max_sequence_length);

  FluxConfigs configs_;
  MeshComms& comms_;
  c10::Device device_;
  c10::ScalarType dtype_;
  PipelineOptions options_;
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

}  // namespace ditbatch
