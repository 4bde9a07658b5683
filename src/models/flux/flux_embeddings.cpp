#include "models/flux/flux_embeddings.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ditbatch::flux {

namespace {

constexpr std::int64_t sinusoid_channels = 256;
constexpr double rotary_theta = 10000.0;

Mlp take_mlp(WeightSource& source, std::string const& name, std::int64_t in, std::int64_t width) {
  return {ops::take_linear(source, name + ".linear_1", in, width),
          ops::take_linear(source, name + ".linear_2", width, width)};
}

}  // namespace

TimeTextEmbedding take_time_text_embedding(WeightSource& source, FluxConfig const& config) {
  TimeTextEmbedding taken;
  std::string const name = "time_text_embed.";
  taken.timestep = take_mlp(source, name + "timestep_embedder", sinusoid_channels, config.width());
  if (config.guidance_embeds) {
    taken.guidance =
        take_mlp(source, name + "guidance_embedder", sinusoid_channels, config.width());
  }
  taken.text =
      take_mlp(source, name + "text_embedder", config.pooled_projection_dim, config.width());
  return taken;
}

at::Tensor sinusoidal_embedding(at::Tensor const& value) {
  std::int64_t const half = sinusoid_channels / 2;
  auto const options = at::TensorOptions().dtype(at::kFloat).device(value.device());
  at::Tensor const exponent = at::arange(half, options) * (-std::log(10000.0)) / half;
  at::Tensor const angle =
      value.to(at::kFloat).unsqueeze(1) * at::exp(exponent).unsqueeze(0);  // (1, half)
  return at::cat({at::cos(angle), at::sin(angle)}, 1);
}

at::Tensor TimeTextEmbedding::operator()(at::Tensor const& time, at::Tensor const& guidance_1000,
                                         at::Tensor const& pooled) const {
  at::ScalarType const dtype = pooled.scalar_type();
  at::Tensor embedding = timestep(sinusoidal_embedding(time).to(dtype)).unsqueeze(1);  // (T, 1, W)
  if (guidance) {
    embedding = embedding + (*guidance)(sinusoidal_embedding(guidance_1000).to(dtype)).unsqueeze(0);
  }
  return embedding + text(pooled).unsqueeze(0);
}

ops::RotaryTable make_rotary_table(FluxConfig const& config, TokenLayout const& layout,
                                   std::int64_t packed_width, c10::Device device) {
  auto const wide = at::TensorOptions().dtype(at::kDouble);
  Shard const text = layout.own_text();
  Shard const image = layout.own_image();
  at::Tensor const place = at::arange(image.offset, image.end(), wide);
  at::Tensor const row = at::floor(place / packed_width);
  at::Tensor const column = place - row * packed_width;
  at::Tensor const none = at::zeros({text.size}, wide);
  std::vector<at::Tensor> const positions{at::zeros({text.size + image.size}, wide),
                                          at::cat({none, row}), at::cat({none, column})};
  std::vector<at::Tensor> angles;  // (tokens, axis size / 2) each
  for (std::size_t axis = 0; axis < positions.size(); ++axis) {
    std::int64_t const size = config.rope_axes[axis];
    at::Tensor const frequency = 1.0 / at::pow(rotary_theta, at::arange(0, size, 2, wide) / size);
    angles.push_back(at::outer(positions[axis], frequency));
  }
  at::Tensor const angle =
      at::cat(angles, 1).repeat_interleave(2, 1);  // each pair of channels alike
  return {at::cos(angle).to(at::kFloat).to(device), at::sin(angle).to(at::kFloat).to(device)};
}

}  // namespace ditbatch::flux
