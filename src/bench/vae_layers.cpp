#include "bench/vae_layers.hpp"

namespace ditbatch {

namespace {

using Kind = VaeLayer::Kind;

void add_resnet(std::vector<VaeLayer>& layers, std::int64_t in, std::int64_t out,
                std::int64_t scale) {
  layers.push_back({Kind::group_norm, in, in, scale});
  layers.push_back({Kind::convolution_3x3, in, out, scale});
  layers.push_back({Kind::group_norm, out, out, scale});
  layers.push_back({Kind::convolution_3x3, out, out, scale});
  if (in != out) layers.push_back({Kind::convolution_1x1, in, out, scale});
}

}  // namespace

std::vector<VaeLayer> decoder_layers(VaeConfig const& config) {
  std::int64_t const coarsest = config.block_channels.back();
  std::vector<VaeLayer> layers;
  if (config.post_quant_conv)
    layers.push_back({Kind::convolution_1x1, config.latent_channels, config.latent_channels, 1});
  layers.push_back({Kind::convolution_3x3, config.latent_channels, coarsest, 1});
  add_resnet(layers, coarsest, coarsest, 1);
  if (config.mid_block_attention) {
    layers.push_back({Kind::group_norm, coarsest, coarsest, 1});
    layers.push_back({Kind::pixel_attention, coarsest, coarsest, 1});
  }
  add_resnet(layers, coarsest, coarsest, 1);

  std::int64_t in = coarsest;
  std::int64_t scale = 1;
  std::size_t const levels = config.block_channels.size();
  for (std::size_t level = 0; level < levels; ++level) {
    std::int64_t const out = config.block_channels[levels - 1 - level];
    for (std::int64_t layer = 0; layer < config.layers_per_block + 1; ++layer) {
      add_resnet(layers, layer == 0 ? in : out, out, scale);
    }
    if (level + 1 < levels) {
      scale *= 2;
      layers.push_back({Kind::convolution_3x3, out, out, scale});
    }
    in = out;
  }
  layers.push_back({Kind::group_norm, in, in, scale});
  layers.push_back({Kind::convolution_3x3, in, config.out_channels, scale});
  return layers;
}

}  // namespace ditbatch
