#include "models/flux/flux_blocks.hpp"

#include <ATen/ATen.h>

namespace ditbatch::flux {

namespace {

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

ops::Linear take_qkv(WeightSource& source, std::string const& attention, FluxConfig const& config,
                     ProjectionNames const& names) {
  std::int64_t const width = config.width();
  return ops::join({ops::take_linear(source, attention + names.q, width, width),
                    ops::take_linear(source, attention + names.k, width, width),
                    ops::take_linear(source, attention + names.v, width, width)});
}

ops::QueryKeyNorms take_norms(WeightSource& source, std::string const& attention,
                              FluxConfig const& config, ProjectionNames const& names) {
  return {source.take({attention + names.q_norm + ".weight", {config.head_size}}),
          source.take({attention + names.k_norm + ".weight", {config.head_size}})};
}

struct StreamNames {
  ProjectionNames projections;
  char const* norm;
  char const* attention_out;
  char const* mlp;
};
constexpr StreamNames text_names{added_names, "norm1_context", "attn.to_add_out", "ff_context"};
constexpr StreamNames image_names{own_names, "norm1", "attn.to_out.0", "ff"};

StreamWeights take_stream(WeightSource& source, std::string const& block, FluxConfig const& config,
                          ModulationLayers& modulation, StreamNames const& names) {
  std::int64_t const width = config.width();
  StreamWeights taken;
  taken.modulation = modulation.take(source, block + names.norm + ".linear", width, 6);
  taken.qkv = take_qkv(source, block + "attn.", config, names.projections);
  taken.norms = take_norms(source, block + "attn.", config, names.projections);
  taken.attention_out = ops::take_linear(source, block + names.attention_out, width, width);
  std::string const mlp = block + names.mlp;
  taken.mlp_in = ops::take_linear(source, mlp + ".net.0.proj", width, mlp_ratio * width);
  taken.mlp_out = ops::take_linear(source, mlp + ".net.2", mlp_ratio * width, width);
  return taken;
}

// (B, S, 3, heads, head size) for qkv, whose linear layers write (B, S, 3 x width).
at::Tensor empty_qkv(at::Tensor const& tokens, FluxConfig const& config) {
  return at::empty({tokens.size(0), tokens.size(1), 3, config.heads, config.head_size},
                   tokens.options());
}

}  // namespace

DoubleBlock::DoubleBlock(WeightSource& source, std::string const& name, FluxConfig const& config,
                         ModulationLayers& modulation)
    : text_(take_stream(source, name, config, modulation, text_names)),
      image_(take_stream(source, name, config, modulation, image_names)) {}

ops::NormModulation DoubleBlock::first_norm(at::Tensor const& modulation) const {
  return {{text_.modulation.vector(modulation, 0), image_.modulation.vector(modulation, 0)},
          {text_.modulation.vector(modulation, 1), image_.modulation.vector(modulation, 1)}};
}

at::Tensor DoubleBlock::operator()(at::Tensor const& tokens, at::Tensor const& normed,
                                   BlockContext const& context,
                                   ops::NormModulation const& next) const {
  std::int64_t const text_rows = context.text_rows();
  std::int64_t const image_rows = tokens.size(1) - text_rows;
  std::int64_t const width = tokens.size(2);
  // Each stream's rows through its own layer, from one joint buffer into another.
  auto const project = [&](ops::Linear StreamWeights::*layer, at::Tensor const& x,
                           at::Tensor const& out, ops::Epilogue epilogue) {
    (text_.*layer).into(x.narrow(1, 0, text_rows), out.narrow(1, 0, text_rows), epilogue);
    (image_.*layer)
        .into(x.narrow(1, text_rows, image_rows), out.narrow(1, text_rows, image_rows), epilogue);
  };
  auto const vectors = [&](std::int64_t index) {
    return ops::ChannelVectors{text_.modulation.vector(context.modulation, index),
                               image_.modulation.vector(context.modulation, index)};
  };

  at::Tensor const qkv = empty_qkv(tokens, context.config);
  project(&StreamWeights::qkv, normed, qkv.flatten(2), ops::Epilogue::none);
  ops::norm_and_rotate(qkv, text_.norms, image_.norms, context.rotary, text_rows);
  at::Tensor const attended = attend(gather_inputs(qkv, context.layout, context.comms, Rows::all),
                                     context.layout, context.comms, Rows::all);

  at::Tensor const delta = at::empty(tokens.sizes(), tokens.options());
  project(&StreamWeights::attention_out, attended, delta, ops::Epilogue::none);
  at::Tensor const between =
      ops::add_gated_then_norm(tokens, delta, vectors(2), {vectors(3), vectors(4)}, text_rows);

  at::Tensor const hidden =
      at::empty({tokens.size(0), tokens.size(1), mlp_ratio * width}, tokens.options());
  project(&StreamWeights::mlp_in, between, hidden, ops::Epilogue::gelu_tanh);
  project(&StreamWeights::mlp_out, hidden, delta, ops::Epilogue::none);
  return ops::add_gated_then_norm(tokens, delta, vectors(5), next, text_rows);
}

SingleBlock::SingleBlock(WeightSource& source, std::string const& name, FluxConfig const& config,
                         ModulationLayers& modulation)
    : modulation_(modulation.take(source, name + "norm.linear", config.width(), 3)),
      qkv_(take_qkv(source, name + "attn.", config, own_names)),
      norms_(take_norms(source, name + "attn.", config, own_names)),
      mlp_in_(
          ops::take_linear(source, name + "proj_mlp", config.width(), mlp_ratio * config.width())),
      out_(ops::take_linear(source, name + "proj_out", (1 + mlp_ratio) * config.width(),
                            config.width())) {}

ops::NormModulation SingleBlock::first_norm(at::Tensor const& modulation) const {
  return modulation_.norm(modulation, 0, 1);
}

at::Tensor SingleBlock::operator()(at::Tensor const& tokens, at::Tensor const& normed,
                                   BlockContext const& context, ops::NormModulation const& next,
                                   Rows rows) const {
  std::int64_t const width = tokens.size(2);
  std::int64_t const begin = rows == Rows::image_only ? context.text_rows() : 0;
  std::int64_t const count = tokens.size(1) - begin;

  at::Tensor const qkv = empty_qkv(tokens, context.config);
  qkv_.into(normed, qkv.flatten(2));
  ops::norm_and_rotate(qkv, norms_, norms_, context.rotary, 0);

  // What the last layer reads: attention and MLP side by side, (B, rows, width + 4 x width). The
  // MLP needs no other rank: the exchange hides behind its product.
  at::Tensor const joined =
      at::empty({tokens.size(0), count, (1 + mlp_ratio) * width}, tokens.options());
  bool const is_split = context.layout.ulysses_degree > 1 || context.layout.ring_degree > 1;
  AttentionInputs inputs;
  auto const gather = [&] { return gather_inputs(qkv, context.layout, context.comms, rows); };
  if (is_split) {
    context.comms.beside.begin([&] {
      AttentionInputs const gathered = gather();
      return std::vector{gathered.q, gathered.kv};
    });
  }
  mlp_in_.into(normed.narrow(1, begin, count), joined.narrow(2, width, mlp_ratio * width),
               ops::Epilogue::gelu_tanh);
  if (is_split) {
    std::vector<at::Tensor> const gathered = context.comms.beside.join();
    inputs = {gathered[0], gathered[1]};
  } else {
    inputs = gather();
  }
  ops::copy_rows(attend(inputs, context.layout, context.comms, rows), joined.narrow(2, 0, width));
  at::Tensor const delta = at::empty({tokens.size(0), count, width}, tokens.options());
  out_.into(joined, delta);
  at::Tensor const gate = modulation_.vector(context.modulation, 2);
  return ops::add_gated_then_norm(tokens.narrow(1, begin, count), delta, {gate, gate}, next, 0);
}

}  // namespace ditbatch::flux
