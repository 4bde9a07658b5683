#pragma once

#include "config/run_config.hpp"
#include "manifest/image_record.hpp"
#include "models/flux/flux_config.hpp"
#include "models/vae/vae_config.hpp"
#include "sample/flow_match_schedule.hpp"
#include "text/clip_encoder.hpp"
#include "text/t5_encoder.hpp"
#include "weights/checkpoint.hpp"

namespace ditbatch::flux {

/// Every config of a FluxPipeline folder, read from its files and proven consistent.
struct FluxConfigs {
  FluxConfig transformer;
  VaeConfig vae;
  T5Config t5;
  ClipConfig clip;
  FlowMatchConfig schedule;

  /// Side of an image token: 2x2 latent pixels.
  [[nodiscard]] std::int64_t token_px() const { return 2 * vae.scale_factor(); }
  [[nodiscard]] std::int64_t image_tokens(std::int64_t width_px, std::int64_t height_px) const {
    return (width_px / token_px()) * (height_px / token_px());
  }
};

/// Reads the configs, checks that the parts fit each other, that every tensor they need is in the
/// files with the right shape (unless weights are random), and that the tokenizers can be read.
[[nodiscard]] FluxConfigs read_flux_configs(Checkpoint const& checkpoint, WeightFiles weight_files,
                                            Problems& problems);

/// In which the VAE decodes: float16 that asks for it is raised to float32.
[[nodiscard]] Dtype vae_dtype(FluxConfigs const& configs, Dtype dtype);

/// As in diffusers: the unconditional branch runs only for a scale above 1 and a negative prompt
/// that is there (an empty one counts).
[[nodiscard]] bool uses_true_cfg(ImageRecord const& record);

}  // namespace ditbatch::flux
