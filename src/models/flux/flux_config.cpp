#include "models/flux/flux_config.hpp"

#include <algorithm>
#include <numeric>

namespace ditbatch {

FluxConfig read_flux_config(JsonConfig const& config, Problems& problems) {
  FluxConfig read;
  read.in_channels = config.get_int("in_channels", 64, problems);
  read.double_blocks = config.get_int("num_layers", 19, problems, {0, 1000});
  read.single_blocks = config.get_int("num_single_layers", 38, problems, {0, 1000});
  read.heads = config.get_int("num_attention_heads", 24, problems, {1, 1024});
  read.head_size = config.get_int("attention_head_dim", 128, problems, {2, 1024});
  read.joint_attention_dim = config.get_int("joint_attention_dim", 4096, problems);
  read.pooled_projection_dim = config.get_int("pooled_projection_dim", 768, problems);
  read.guidance_embeds = config.get_bool("guidance_embeds", false, problems);
  read.rope_axes = config.get_ints("axes_dims_rope", {16, 56, 56}, problems, {2, 1024});

  if (config.get_int("patch_size", 1, problems) != 1) {
    config.add_problem(
        "patch_size",
        "not supported (FLUX.1 packs its latents 2x2 before the model, its patch size is 1)",
        problems);
  }
  if (config.get_int("out_channels", read.in_channels, problems) != read.in_channels) {
    config.add_problem("out_channels", "not supported (must equal in_channels for text-to-image)",
                       problems);
  }
  if (read.in_channels % 4 != 0) {
    config.add_problem("in_channels", "not a multiple of 4 (a token is 2x2 latent pixels)",
                       problems);
  }
  std::int64_t const rope_size =
      std::accumulate(read.rope_axes.begin(), read.rope_axes.end(), std::int64_t{0});
  bool const even_axes = std::all_of(read.rope_axes.begin(), read.rope_axes.end(),
                                     [](std::int64_t size) { return size % 2 == 0; });
  if (read.rope_axes.size() != 3 || rope_size != read.head_size || !even_axes) {
    config.add_problem("axes_dims_rope",
                       "does not fit (three even numbers that add up to attention_head_dim " +
                           std::to_string(read.head_size) + ")",
                       problems);
  }
  return read;
}

}  // namespace ditbatch
