#include "models/vae/vae_layers.hpp"

#include "mesh/row_tiles.hpp"

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

double decoder_flop(VaeConfig const& config, std::int64_t width_px, std::int64_t height_px) {
  std::int64_t const full = config.scale_factor();
  double const latent_pixels =
      static_cast<double>(width_px / full) * static_cast<double>(height_px / full);
  double sum = 0;
  for (VaeLayer const& layer : decoder_layers(config)) {
    double const pixels = latent_pixels * static_cast<double>(layer.scale * layer.scale);
    double const weights = static_cast<double>(layer.in) * static_cast<double>(layer.out);
    switch (layer.kind) {
      case VaeLayer::Kind::convolution_3x3:
        sum += 2 * 9 * pixels * weights;
        break;
      case VaeLayer::Kind::convolution_1x1:
        sum += 2 * pixels * weights;
        break;
      case VaeLayer::Kind::pixel_attention:  // q, k, v, out, and the products with all pixels
        sum += 4 * 2 * pixels * weights + 4 * pixels * pixels * static_cast<double>(layer.in);
        break;
      case VaeLayer::Kind::group_norm:
        break;
    }
  }
  return sum;
}

std::uint64_t decoder_bytes(VaeConfig const& config, DecodedSize const& image, int ranks,
                            int rank) {
  if (ranks == 1) return 0;
  std::int64_t const full = config.scale_factor();
  std::int64_t const height = image.height_px / full;
  std::int64_t const width = image.width_px / full;
  RowTiles const tiles = make_row_tiles(height, ranks, rank);
  Shard const own = tiles.own();
  auto const count = static_cast<std::int64_t>(tiles.tiles.size());
  std::int64_t const neighbours =
      own.size == 0 ? 0 : (own.offset > 0 ? 1 : 0) + (own.end() < count ? 1 : 0);
  std::int64_t const foreign_tiles = count - own.size;
  std::int64_t const foreign_pixels = (height - tiles.rows_of(rank, 1)) * width;
  constexpr std::int64_t float_bytes = 4;

  std::int64_t sum = 0;
  for (VaeLayer const& layer : decoder_layers(config)) {
    switch (layer.kind) {
      case VaeLayer::Kind::convolution_3x3:  // a row above and one below
        sum += neighbours * layer.in * width * layer.scale * image.element_bytes;
        break;
      case VaeLayer::Kind::group_norm:  // each tile's sums and squared distances
        sum += 2 * foreign_tiles * config.norm_groups * float_bytes;
        break;
      case VaeLayer::Kind::pixel_attention:  // keys and values of all pixels
        sum += 2 * foreign_pixels * layer.in * image.element_bytes;
        break;
      case VaeLayer::Kind::convolution_1x1:
        break;
    }
  }
  sum += (ranks - 1) * float_bytes;  // are every rank's rows finite?
  if (rank == 0) sum += 3 * foreign_pixels * full * full;
  return static_cast<std::uint64_t>(sum);
}

}  // namespace ditbatch
