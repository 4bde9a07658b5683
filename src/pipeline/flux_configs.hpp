#pragma once

#include "manifest/record_rules.hpp"
#include "models/flux/flux_config.hpp"
#include "models/vae/vae_config.hpp"
#include "sample/flow_match_schedule.hpp"
#include "text/clip_encoder.hpp"
#include "text/t5_encoder.hpp"
#include "weights/checkpoint.hpp"

namespace ditbatch {

/// Every config of a FluxPipeline folder, read from its files and proven consistent.
struct FluxConfigs {
  FluxConfig transformer;
  VaeConfig vae;
  T5Config t5;
  ClipConfig clip;
  FlowMatchConfig schedule;
};

/// Reads the configs, checks that the parts fit each other, that every tensor they need is in the
/// files with the right shape (unless weights are random), and that the tokenizers can be read.
[[nodiscard]] FluxConfigs read_flux_configs(Checkpoint const& checkpoint, WeightFiles weight_files,
                                            Problems& problems);

/// What a record may ask of this model.
[[nodiscard]] RecordRules record_rules(FluxConfigs const& configs);

}  // namespace ditbatch
