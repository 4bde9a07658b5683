#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "comm/mesh_comms.hpp"
#include "config/run_config.hpp"
#include "manifest/image_record.hpp"
#include "models/flux/flux_transformer.hpp"
#include "models/vae/vae_decoder.hpp"
#include "pipeline/flux_configs.hpp"
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

/// FLUX.1 on the ranks of one replica: which encoders, transformer, VAE and schedule belong
/// together. Every method is a collective of the replica: all its ranks call it with the same
/// record.
class FluxPipeline {
 public:
  FluxPipeline(Checkpoint const& checkpoint, FluxConfigs const& configs, ModelConfig const& model,
               MeshComms& comms, c10::Device device);

  /// Encodes on the first rank of each branch, then sends to the others of the branch.
  [[nodiscard]] RecordEmbeds encode_prompt(ImageRecord const& record);

  /// The record's noise, packed, full size on every rank: (1, tokens, in_channels).
  [[nodiscard]] at::Tensor initial_latents(ImageRecord const& record) const;

  /// Packed latents after all steps, full size on every rank of the replica.
  [[nodiscard]] at::Tensor denoise(at::Tensor const& noise, RecordEmbeds const& embeds,
                                   ImageRecord const& record);

  /// Packed latents (1, tokens, in_channels) -> pixels on the replica's first rank.
  [[nodiscard]] DecodedImage decode_latents(at::Tensor const& latents, ImageRecord const& record);

 private:
  struct Encoders {
    std::unique_ptr<Tokenizer> t5_tokenizer;
    std::unique_ptr<Tokenizer> clip_tokenizer;
    T5Encoder t5;
    ClipTextEncoder clip;
  };
  [[nodiscard]] PromptEmbeds encode(std::string const& clip_prompt, std::string const& t5_prompt,
                                    std::int64_t max_sequence_length);

  FluxConfigs configs_;
  MeshComms& comms_;
  c10::Device device_;
  c10::ScalarType dtype_;
  std::optional<Encoders> encoders_;  // on the first rank of each branch only
  FluxTransformer transformer_;
  VaeDecoder vae_;
};

}  // namespace ditbatch
