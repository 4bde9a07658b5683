#include "models/flux/flux_blocks.hpp"

#include <ATen/ATen.h>

namespace ditbatch::flux {

namespace {

constexpr double norm_eps = 1e-6;
constexpr std::int64_t mlp_ratio = 4;

struct ProjectionNames {
  char const* q;
  char const* k;
  char const* v;
  char const* q_norm;
  char const* k_norm;
};
constexpr ProjectionNames own_names{"to_q", "to_k", "to_v", "norm_q", "norm_k"};
constexpr ProjectionNames added_names{"add_q_proj", "add_k_proj", "add_v_proj", "norm_added_q",
                                      "norm_added_k"};

Projections take_projections(WeightSource& source, std::string const& attention,
                             FluxConfig const& config, ProjectionNames const& names) {
  std::int64_t const width = config.width();
  return {ops::take_linear(source, attention + names.q, width, width),
          ops::take_linear(source, attention + names.k, width, width),
          ops::take_linear(source, attention + names.v, width, width),
          source.take({attention + names.q_norm + ".weight", {config.head_size}}),
          source.take({attention + names.k_norm + ".weight", {config.head_size}})};
}

struct QueryKeyValue {
  at::Tensor q, k, v;  // (tokens, heads, head size)
};

QueryKeyValue project(Projections const& weights, at::Tensor const& tokens,
                      FluxConfig const& config) {
  std::vector<std::int64_t> const by_head{tokens.size(0), config.heads, config.head_size};
  return {ops::rms_norm(weights.q(tokens).view(by_head), weights.q_norm, norm_eps),
          ops::rms_norm(weights.k(tokens).view(by_head), weights.k_norm, norm_eps),
          weights.v(tokens).view(by_head)};
}

// Rotates queries and keys, and attends over the whole sequence: (tokens, width), text then image.
at::Tensor attend(QueryKeyValue const& own, BlockContext const& context) {
  RotaryTable const& rotary = context.rotary;
  at::Tensor const q = ops::apply_rotary(own.q.unsqueeze(0), rotary.cos, rotary.sin).squeeze(0);
  at::Tensor const k = ops::apply_rotary(own.k.unsqueeze(0), rotary.cos, rotary.sin).squeeze(0);
  return sequence_attention(q, k, own.v, context.layout, context.comms).reshape({q.size(0), -1});
}

// The MLP half of a double-stream block: x + gate * mlp(modulated norm of x).
at::Tensor feed_forward(StreamWeights const& weights, at::Tensor const& x,
                        std::vector<at::Tensor> const& modulation) {
  at::Tensor const hidden = weights.mlp_in(modulated_norm(x, modulation[3], modulation[4]));
  at::Tensor out = x + modulation[5] * weights.mlp_out(ops::gelu_tanh(hidden));
  // As in diffusers: float16 must not overflow into infinity here.
  return out.scalar_type() == at::kHalf ? out.clamp(-65504, 65504) : out;
}

StreamWeights take_stream(WeightSource& source, std::string const& block, FluxConfig const& config,
                          ProjectionNames const& names, char const* norm, char const* attention_out,
                          char const* mlp) {
  std::int64_t const width = config.width();
  return {ops::take_linear(source, block + norm + ".linear", width, 6 * width),
          take_projections(source, block + "attn.", config, names),
          ops::take_linear(source, block + attention_out, width, width),
          ops::take_linear(source, block + mlp + ".net.0.proj", width, mlp_ratio * width),
          ops::take_linear(source, block + mlp + ".net.2", mlp_ratio * width, width)};
}

}  // namespace

at::Tensor modulated_norm(at::Tensor const& x, at::Tensor const& shift, at::Tensor const& scale) {
  return ops::layer_norm(x, norm_eps) * (1 + scale) + shift;
}

DoubleBlock::DoubleBlock(WeightSource& source, std::string const& name, FluxConfig const& config)
    : text_(take_stream(source, name, config, added_names, "norm1_context", "attn.to_add_out",
                        "ff_context")),
      image_(take_stream(source, name, config, own_names, "norm1", "attn.to_out.0", "ff")) {}

Streams DoubleBlock::operator()(Streams const& streams, BlockContext const& context) const {
  // shift, scale, gate of attention; shift, scale, gate of the MLP: (1, width) each
  std::vector<at::Tensor> const text_mod = text_.modulation(context.conditioning).chunk(6, 1);
  std::vector<at::Tensor> const image_mod = image_.modulation(context.conditioning).chunk(6, 1);

  QueryKeyValue const text = project(
      text_.attention, modulated_norm(streams.text, text_mod[0], text_mod[1]), context.config);
  QueryKeyValue const image = project(
      image_.attention, modulated_norm(streams.image, image_mod[0], image_mod[1]), context.config);
  at::Tensor const attended =
      attend({at::cat({text.q, image.q}), at::cat({text.k, image.k}), at::cat({text.v, image.v})},
             context);

  std::int64_t const text_rows = streams.text.size(0);
  at::Tensor const image_x =
      streams.image +
      image_mod[2] * image_.attention_out(attended.narrow(0, text_rows, streams.image.size(0)));
  at::Tensor const text_x =
      streams.text + text_mod[2] * text_.attention_out(attended.narrow(0, 0, text_rows));
  return {feed_forward(text_, text_x, text_mod), feed_forward(image_, image_x, image_mod)};
}

SingleBlock::SingleBlock(WeightSource& source, std::string const& name, FluxConfig const& config)
    : modulation_(
          ops::take_linear(source, name + "norm.linear", config.width(), 3 * config.width())),
      attention_(take_projections(source, name + "attn.", config, own_names)),
      mlp_in_(
          ops::take_linear(source, name + "proj_mlp", config.width(), mlp_ratio * config.width())),
      out_(ops::take_linear(source, name + "proj_out", (1 + mlp_ratio) * config.width(),
                            config.width())) {}

at::Tensor SingleBlock::operator()(at::Tensor const& tokens, BlockContext const& context) const {
  std::vector<at::Tensor> const modulation =
      modulation_(context.conditioning).chunk(3, 1);  // shift, scale, gate
  at::Tensor const normed = modulated_norm(tokens, modulation[0], modulation[1]);
  at::Tensor const attended = attend(project(attention_, normed, context.config), context);
  at::Tensor const hidden = ops::gelu_tanh(mlp_in_(normed));
  at::Tensor out = tokens + modulation[2] * out_(at::cat({attended, hidden}, 1));
  return out.scalar_type() == at::kHalf ? out.clamp(-65504, 65504) : out;
}

}  // namespace ditbatch::flux
