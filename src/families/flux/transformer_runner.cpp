#include "families/flux/transformer_runner.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace ditbatch::flux {

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
      comms_(comms),
      device_(device),
      beside_(device),
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

ops::GraphedCall TransformerRunner::make_call(TokenLayout const& layout, std::int64_t packed_width,
                                              at::Tensor const& latents) {
  // What evaluations of one size share; a function object can be copied, so they share it.
  std::shared_ptr<SequenceExchange> const exchange = make_sequence_exchange(
      layout, transformer_.config(), latents.size(0), latents.options(), comms_);
  auto const evaluate = [this, exchange,
                         rotary = transformer_.make_rotary_table(layout, packed_width, device_)](
                            std::vector<at::Tensor> const& inputs) {
    return std::vector{transformer_(inputs[0], inputs[1], inputs[2], rotary, *exchange, beside_)};
  };
  return {evaluate, graphs_, pool_};
}

at::Tensor TransformerRunner::predict(at::Tensor const& latents, at::Tensor const& text,
                                      at::Tensor const& modulation, TokenLayout const& layout,
                                      std::int64_t packed_width) {
  Key const key{latents.size(0), layout.text.back().end(), layout.image.back().end(), packed_width};
  ops::GraphedCall& call =
      calls_.get(key, [&] { return make_call(layout, packed_width, latents); });
  return call({latents, text, modulation}).front();
}

}  // namespace ditbatch::flux
