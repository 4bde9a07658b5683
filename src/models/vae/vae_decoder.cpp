#include "models/vae/vae_decoder.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace ditbatch {

using namespace vae;

namespace {

// [-1, 1] in the model's dtype -> bytes, as diffusers' image processor rounds: half to even.
at::Tensor to_bytes(at::Tensor const& rows) {
  at::Tensor const unit = (rows * 0.5 + 0.5).clamp(0, 1).to(at::kFloat);
  return at::round(unit * 255).to(at::kByte).contiguous();  // (rows, W, 3)
}

// This rank's rows (own rows, W, 3) -> the whole image on the first rank, undefined elsewhere.
at::Tensor gather_on_first(at::Tensor const& own, std::int64_t scale, RowPlan const& plan) {
  auto const ranks = static_cast<std::size_t>(plan.comm.size());
  std::vector<at::Tensor> send(ranks, at::empty({0}, own.options()));
  std::vector<std::vector<std::int64_t>> shapes(ranks, {0});
  send.front() = own;
  if (plan.comm.rank() == 0) {
    for (int rank = 0; rank < plan.comm.size(); ++rank) {
      shapes[static_cast<std::size_t>(rank)] = {plan.tiles.rows_of(rank, scale), own.size(1), 3};
    }
  }
  std::vector<at::Tensor> const rows = plan.comm.all_to_all(send, shapes);  // comm: replica
  return plan.comm.rank() == 0 ? at::cat(rows) : at::Tensor();
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
                                config.block_channels.back())),
      mid_1_(take_resnet_block(source, "decoder.mid_block.resnets.0", config.block_channels.back(),
                               config.block_channels.back(), config.norm_groups)),
      mid_2_(take_resnet_block(source, "decoder.mid_block.resnets.1", config.block_channels.back(),
                               config.block_channels.back(), config.norm_groups)),
      norm_out_(take_group_norm(source, "decoder.conv_norm_out", config.block_channels.front(),
                                config.norm_groups)),
      conv_out_(take_convolution(source, "decoder.conv_out", config.block_channels.front(),
                                 config.out_channels)) {
  if (config.post_quant_conv) {
    post_quant_ = take_pixel_linear(source, "post_quant_conv", config.latent_channels,
                                    config.latent_channels);
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
      block.upsampler = take_convolution(source, name + ".upsamplers.0.conv", out, out);
    }
    up_blocks_.push_back(std::move(block));
    in = out;
  }
}

DeviceImage VaeDecoder::decode_on_device(at::Tensor const& latents, TensorComm& comm) const {
  ensure(latents.dim() == 4 && latents.size(0) == 1 && latents.size(1) == config_.latent_channels,
         "the decoder takes the latents of one image");
  RowPlan const plan{make_row_tiles(latents.size(2), comm.size(), comm.rank()), comm};
  std::int64_t const groups = config_.norm_groups;
  at::Tensor const scaled =
      latents.to(conv_in_.weight.scalar_type()) / config_.scaling_factor + config_.shift_factor;

  RowMap map = cut(scaled, plan);
  if (post_quant_) map.rows = (*post_quant_)(map, plan);
  map = add(conv_in_({ops::pad_rows(map.rows), map.scale}, plan), {}, plan, groups);
  map = mid_1_(map, plan);
  if (mid_attention_) map = (*mid_attention_)(map, plan);
  map = mid_2_(map, plan);
  for (UpBlock const& block : up_blocks_) {
    for (ResnetBlock const& resnet : block.resnets) map = resnet(map, plan);
    if (block.upsampler)
      map = add((*block.upsampler)(upsample_nearest(map), plan), {}, plan, groups);
  }
  map = conv_out_(norm_out_(map, plan, ops::Activation::silu), plan);

  at::Tensor const rows = map.bias.defined() ? map.rows + map.bias : map.rows;
  at::Tensor const own_finite = at::isfinite(rows).all().to(at::kFloat).view({1});
  DeviceImage image;
  image.pixels = gather_on_first(to_bytes(rows), map.scale, plan);
  image.finite = comm.all_gather_rows(own_finite, std::vector<std::int64_t>(comm.size(), 1))
                     .min();  // comm: replica
  return image;
}

DecodedImage VaeDecoder::decode(at::Tensor const& latents, TensorComm& comm) const {
  return to_host(decode_on_device(latents, comm));
}

DecodedImage to_host(DeviceImage const& image) {
  DecodedImage decoded;
  decoded.finite = image.finite.item<float>() > 0;
  if (image.pixels.defined()) decoded.pixels = image.pixels.to(at::kCPU);
  return decoded;
}

}  // namespace ditbatch
