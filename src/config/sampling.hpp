#pragma once

#include <cstdint>
#include <string>

#include "core/term.hpp"

namespace ditbatch {

/// How an image is made: what [sampling] gives as defaults and a record may say for itself.
///
/// The values here are the neutral ones: a record's identity has a field only where its value is
/// another. They must never change, or every image that is published would count as changed. A
/// width, height and number of steps of 0 are not given: the model's family has defaults of its
/// own (RecordRules).
struct Sampling {
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  std::int64_t steps = 0;
  double guidance_scale = 0;
  double true_cfg_scale = 1;
  std::string scheduler = "auto";
  std::int64_t max_sequence_length = 512;
};

inline constexpr std::int64_t largest_side_px = 65535;  // a shard's column is uint16

/// Every field of Sampling, by its name in [sampling] and in a manifest, with its bounds. Config,
/// manifest, message, identity, bucket and shard row all go through this one list: a new field is
/// its member, its line here with its text, and what the model does with it.
template <class Visitor, class AnySampling>
void visit_sampling(Visitor& visitor, AnySampling& sampling) {
  visitor.side(
      Term("width", v0_1, "of the image; a multiple of the family's size rule (FLUX.1: 16)", "px"),
      sampling.width_px, 1, largest_side_px);
  visitor.side(Term("height", v0_1, "of the image; as width", "px"), sampling.height_px, 1,
               largest_side_px);
  visitor.integer(Term("steps", v0_1, "of denoising"), sampling.steps, 1, 1000);
  visitor.number(Term("guidance_scale", v0_1,
                      "what the model is told where it was trained with one (FLUX.1-dev)"),
                 sampling.guidance_scale, 0, 1000);
  visitor.number(Term("true_cfg_scale", v0_1,
                      "weight of the prompt against the negative prompt; above 1, with a negative "
                      "prompt, each step runs the model twice"),
                 sampling.true_cfg_scale, 0, 1000);
  visitor.scheduler(
      Term("scheduler", v0_1,
           "`auto`: the one that the checkpoint names, the only choice in this version"),
      sampling.scheduler);
  visitor.text_tokens(
      Term("max_sequence_length", v0_1,
           "to which T5's part of the prompt is padded, and beyond which it is cut", "tokens"),
      sampling.max_sequence_length, 1, 4096);
}

}  // namespace ditbatch
