#pragma once

#include <cstdint>

#include "config/sampling.hpp"

namespace ditbatch {

/// What a record may ask of a model, and what it gets where it says nothing.
struct RecordRules {
  Sampling defaults;                // where neither the record nor [sampling] says anything
  std::int64_t size_multiple = 16;  // of width and height
  std::int64_t most_text_tokens = 4096;
  bool uses_guidance = true;  // whether guidance_scale has an effect
};

}  // namespace ditbatch
