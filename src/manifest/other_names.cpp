#include "manifest/other_names.hpp"

#include <algorithm>
#include <array>

namespace ditbatch::manifest {

namespace {

struct Meaning {
  std::string_view other;
  std::string_view own;
};

// diffusers, the webuis, ComfyUI, the columns of data sets.
constexpr std::array<Meaning, 38> meanings{{
    {"batch_size", "num_images, or [runtime] batch_size of the configuration"},
    {"caption", "prompt"},
    {"cfg", "guidance_scale or true_cfg_scale"},
    {"cfg_scale", "guidance_scale or true_cfg_scale"},
    {"count", "num_images"},
    {"description", "prompt"},
    {"file_name", "id"},
    {"filename", "id"},
    {"guidance", "guidance_scale"},
    {"h", "height"},
    {"image_id", "id"},
    {"key", "id"},
    {"lora", "loras"},
    {"n", "num_images"},
    {"n_iter", "num_images"},
    {"n_samples", "num_images"},
    {"name", "id"},
    {"neg_prompt", "negative_prompt"},
    {"negative", "negative_prompt"},
    {"negativeprompt", "negative_prompt"},
    {"noise_seed", "seed"},
    {"num_images_per_prompt", "num_images"},
    {"num_inference_steps", "steps"},
    {"num_samples", "num_images"},
    {"num_steps", "steps"},
    {"positive_prompt", "prompt"},
    {"random_seed", "seed"},
    {"resolution", "width and height"},
    {"sample_steps", "steps"},
    {"sampler", "scheduler"},
    {"sampler_name", "scheduler"},
    {"sampling_steps", "steps"},
    {"size", "width and height"},
    {"text", "prompt"},
    {"uid", "id"},
    {"uncond", "negative_prompt"},
    {"uuid", "id"},
    {"w", "width"},
}};

}  // namespace

std::string_view own_name_of(std::string_view other) {
  auto const found = std::find_if(meanings.begin(), meanings.end(),
                                  [&](Meaning const& meaning) { return meaning.other == other; });
  return found == meanings.end() ? std::string_view() : found->own;
}

}  // namespace ditbatch::manifest
