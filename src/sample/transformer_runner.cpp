#include "sample/transformer_runner.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace ditbatch {

namespace {

// Sizes in turn keep their graphs; a data set with more sizes than this captures again (0.3 s).
constexpr std::size_t kept_sizes = 8;
// Modulation vectors take 2 MB for each step and image, so few graphs are kept.
constexpr std::size_t kept_modulations = 2;

}  // namespace

TransformerRunner::TransformerRunner(FluxTransformer const& transformer, MeshComms const& comms,
                                     c10::Device device, ops::CudaGraphs graphs,
                                     std::shared_ptr<ops::GraphPool> pool)
    : transformer_(transformer),
      device_(device),
      beside_(device),
      comms_{*comms.ulysses, *comms.ring, beside_},
      graphs_(graphs),
      pool_(std::move(pool)),
      calls_(kept_sizes),
      modulations_(kept_modulations) {}

at::Tensor TransformerRunner::modulate(at::Tensor const& timesteps, at::Tensor const& guidance,
                                       at::Tensor const& pooled) {
  ops::GraphedCall& call = modulations_.get({timesteps.size(0), pooled.size(0)}, [&] {
    auto const run = [this](std::vector<at::Tensor> const& inputs) {
      return std::vector{transformer_.modulate(inputs[0], inputs[1], inputs[2])};
    };
    return ops::GraphedCall(run, graphs_, pool_);
  });
  return call({timesteps, guidance, pooled}).front();
}

ops::GraphedCall TransformerRunner::make_call(TokenLayout const& layout,
                                              std::int64_t packed_width) {
  auto const evaluate = [this,
                         sequence = transformer_.make_sequence(layout, packed_width, device_)](
                            std::vector<at::Tensor> const& inputs) {
    return std::vector{transformer_(inputs[0], inputs[1], inputs[2], sequence, comms_)};
  };
  return {evaluate, graphs_, pool_};
}

at::Tensor TransformerRunner::predict(at::Tensor const& latents, at::Tensor const& text,
                                      at::Tensor const& modulation, TokenLayout const& layout,
                                      std::int64_t packed_width) {
  Key const key{latents.size(0), layout.text.back().end(), layout.image.back().end(), packed_width};
  ops::GraphedCall& call = calls_.get(key, [&] { return make_call(layout, packed_width); });
  return call({latents, text, modulation}).front();
}

}  // namespace ditbatch
