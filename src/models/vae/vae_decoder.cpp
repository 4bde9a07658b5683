#include "models/vae/vae_decoder.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace ditbatch {

using namespace vae;

namespace {

// [-1, 1] in the model's dtype -> bytes, as diffusers' image processor rounds: half to even.
at::Tensor to_bytes(at::Tensor const& tile) {
  at::Tensor const unit = (tile * 0.5 + 0.5).clamp(0, 1).to(at::kFloat);
  return at::round(unit * 255).to(at::kByte).squeeze(0).permute({1, 2, 0}).contiguous();  // (rows,
                                                                                          // W, 3)
}

}  // namespace

// The parameters in the dtype that the decoder runs in.
class VaeDecoder::Weights final : public WeightSource {
 public:
  Weights(WeightSource& source, VaeConfig const& config)
      : source_(source), upcasts_(config.force_upcast) {}
  [[nodiscard]] at::Tensor take(ParameterSpec const& spec) override {
    at::Tensor const taken = source_.take(spec);
    return upcasts_ && taken.scalar_type() == at::kHalf ? taken.to(at::kFloat) : taken;
  }

 private:
  WeightSource& source_;
  bool upcasts_;
};

VaeDecoder::VaeDecoder(VaeConfig const& config, WeightSource& source)
    : VaeDecoder(config, Weights(source, config)) {}

VaeDecoder::VaeDecoder(VaeConfig const& config, Weights&& source)
    : config_(config),
      conv_in_(take_convolution(source, "decoder.conv_in", config.latent_channels,
                                config.block_channels.back(), 3)),
      mid_1_(take_resnet_block(source, "decoder.mid_block.resnets.0", config.block_channels.back(),
                               config.block_channels.back(), config.norm_groups)),
      mid_2_(take_resnet_block(source, "decoder.mid_block.resnets.1", config.block_channels.back(),
                               config.block_channels.back(), config.norm_groups)),
      norm_out_(take_group_norm(source, "decoder.conv_norm_out", config.block_channels.front(),
                                config.norm_groups)),
      conv_out_(take_convolution(source, "decoder.conv_out", config.block_channels.front(),
                                 config.out_channels, 3)) {
  if (config.post_quant_conv) {
    post_quant_ = take_convolution(source, "post_quant_conv", config.latent_channels,
                                   config.latent_channels, 1);
  }
  if (config.mid_block_attention) {
    mid_attention_ = take_pixel_attention(source, "decoder.mid_block.attentions.0",
                                          config.block_channels.back(), config.norm_groups);
  }
  std::int64_t in = config.block_channels.back();
  std::size_t const levels = config.block_channels.size();
  for (std::size_t level = 0; level < levels; ++level) {
    std::int64_t const out = config.block_channels[levels - 1 - level];
    std::string const name = "decoder.up_blocks." + std::to_string(level);
    UpBlock block;
    for (std::int64_t layer = 0; layer < config.layers_per_block + 1; ++layer) {
      block.resnets.push_back(take_resnet_block(source, name + ".resnets." + std::to_string(layer),
                                                layer == 0 ? in : out, out, config.norm_groups));
    }
    if (level + 1 < levels) {
      block.upsampler = take_convolution(source, name + ".upsamplers.0.conv", out, out, 3);
    }
    up_blocks_.push_back(std::move(block));
    in = out;
  }
}

DecodedImage VaeDecoder::decode(at::Tensor const& latents, TensorComm& comm) const {
  ensure(latents.dim() == 4 && latents.size(0) == 1 && latents.size(1) == config_.latent_channels,
         "the decoder takes the latents of one image");
  RowPlan const plan{make_row_tiles(latents.size(2), comm.size(), comm.rank()), comm};
  std::int64_t width = latents.size(3);
  at::Tensor const scaled =
      latents.to(conv_in_.weight.scalar_type()) / config_.scaling_factor + config_.shift_factor;

  RowMap map = cut(scaled, plan);
  if (post_quant_) map = (*post_quant_)(map, plan);
  map = mid_1_(conv_in_(map, plan), plan, width);
  if (mid_attention_) map = (*mid_attention_)(map, plan, width);
  map = mid_2_(map, plan, width);
  for (UpBlock const& block : up_blocks_) {
    for (ResnetBlock const& resnet : block.resnets) map = resnet(map, plan, width);
    if (block.upsampler) {
      map = (*block.upsampler)(upsample_nearest(map), plan);
      width *= 2;
    }
  }
  map = conv_out_(norm_out_(map, plan, width, Activation::silu), plan);

  std::vector<at::Tensor> bytes, finite;
  for (at::Tensor const& tile : map.own) {
    bytes.push_back(to_bytes(tile));
    finite.push_back(at::isfinite(tile).all().to(at::kFloat).view({1}));
  }
  auto const options = latents.options();
  at::Tensor const own =
      bytes.empty() ? at::empty({0, width, 3}, options.dtype(at::kByte)) : at::cat(bytes);
  at::Tensor const own_finite =
      finite.empty() ? at::empty({0, 1}, options.dtype(at::kFloat)) : at::stack(finite);

  // To the first rank, which alone keeps the image.
  std::vector<at::Tensor> send(static_cast<std::size_t>(comm.size()),
                               at::empty({0}, own.options()));
  std::vector<std::vector<std::int64_t>> shapes(static_cast<std::size_t>(comm.size()), {0});
  send.front() = own;
  if (comm.rank() == 0) {
    for (int rank = 0; rank < comm.size(); ++rank) {
      shapes[static_cast<std::size_t>(rank)] = {plan.tiles.rows_of(rank, map.scale), width, 3};
    }
  }
  std::vector<at::Tensor> const rows = comm.all_to_all(send, shapes);  // comm: replica
  DecodedImage image;
  image.finite = gather_tile_rows(own_finite, plan).min().item<float>() > 0;
  if (comm.rank() == 0) image.pixels = at::cat(rows).to(at::kCPU);
  return image;
}

}  // namespace ditbatch
