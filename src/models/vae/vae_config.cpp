#include "models/vae/vae_config.hpp"

namespace ditbatch {

VaeConfig read_vae_config(JsonConfig const& config, Problems& problems) {
  VaeConfig read;
  read.latent_channels = config.get_int("latent_channels", 4, problems, {1, 1024});
  read.out_channels = config.get_int("out_channels", 3, problems, {1, 16});
  read.block_channels = config.get_ints("block_out_channels", {64}, problems, {1, 65536});
  read.layers_per_block = config.get_int("layers_per_block", 1, problems, {0, 64});
  read.norm_groups = config.get_int("norm_num_groups", 32, problems, {1, 65536});
  read.mid_block_attention = config.get_bool("mid_block_add_attention", true, problems);
  read.post_quant_conv = config.get_bool("use_post_quant_conv", true, problems);
  read.force_upcast = config.get_bool("force_upcast", true, problems);
  read.scaling_factor = config.get_double("scaling_factor", 0.18215, problems);
  read.shift_factor = config.get_double("shift_factor", 0, problems);

  if (read.out_channels != 3)
    config.add_problem("out_channels", "not supported (images have 3 channels)", problems);
  if (read.scaling_factor == 0)
    config.add_problem("scaling_factor", "is 0 (latents are divided by it)", problems);
  if (read.block_channels.empty() || read.block_channels.size() > 8) {
    config.add_problem("block_out_channels", "has no or too many levels (1 to 8)", problems);
    read.block_channels = {64};
  }
  for (std::int64_t const channels : read.block_channels) {
    if (channels % read.norm_groups != 0) {
      config.add_problem("norm_num_groups",
                         "does not divide a level's " + std::to_string(channels) + " channels",
                         problems);
    }
  }
  std::string const activation = config.get_string("act_fn", "silu", problems);
  if (activation != "silu" && activation != "swish") {
    config.add_problem(
        "act_fn", "not supported: " + in_quotes(activation) + " (the decoder is built with silu)",
        problems);
  }
  std::vector<std::string> const levels(read.block_channels.size(), "UpDecoderBlock2D");
  if (config.get_strings("up_block_types", {"UpDecoderBlock2D"}, problems) != levels) {
    config.add_problem("up_block_types",
                       "not supported (must be UpDecoderBlock2D at each of " +
                           std::to_string(levels.size()) + " levels)",
                       problems);
  }
  return read;
}

}  // namespace ditbatch
