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

at::Tensor attend(AttentionInputs const& inputs) {
  return ops::attention(inputs.q, inputs.kv.select(2, 0), inputs.kv.select(2, 1));
}

// Of a sequence that is split, `first` on the stream beside while `second` runs here; else one
// after another.
template <class First, class Second>
void run_both(BlockContext const& context, First const& first, Second const& second) {
  if (!context.exchange.is_split()) {
    first();
    second();
    return;
  }
  try {
    context.beside.begin(first);
    second();
  } catch (...) {
    context.beside.join();  // what both used is freed now
    throw;
  }
  context.beside.join();
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
  std::int64_t const text_rows = context.text_rows;
  std::int64_t const image_rows = tokens.size(1) - text_rows;
  std::int64_t const width = tokens.size(2);
  // The rows of one stream through its own layer, from one joint buffer into another.
  struct Projection {
    ops::Linear StreamWeights::*layer;
    at::Tensor const& x;
    at::Tensor const& out;
    ops::Epilogue epilogue = ops::Epilogue::none;
  };
  auto const text = [&](Projection const& p) {
    (text_.*p.layer).into(p.x.narrow(1, 0, text_rows), p.out.narrow(1, 0, text_rows), p.epilogue);
  };
  auto const image = [&](Projection const& p) {
    (image_.*p.layer)
        .into(p.x.narrow(1, text_rows, image_rows), p.out.narrow(1, text_rows, image_rows),
              p.epilogue);
  };
  // Few text rows keep few multiprocessors busy, and few image rows leave some of them idle.
  auto const both = [&](std::vector<Projection> const& projections) {
    auto const all_of = [&](auto const& stream) {
      for (Projection const& each : projections) stream(each);
    };
    run_both(
        context, [&] { all_of(text); }, [&] { all_of(image); });
  };
  auto const vectors = [&](std::int64_t index) {
    return ops::ChannelVectors{text_.modulation.vector(context.modulation, index),
                               image_.modulation.vector(context.modulation, index)};
  };

  at::Tensor const qkv = empty_qkv(tokens, context.config);
  at::Tensor const qkv_rows = qkv.flatten(2);
  both({{&StreamWeights::qkv, normed, qkv_rows}});
  SequenceExchange& exchange = context.exchange;
  AttentionInputs const inputs =
      exchange.share_heads({qkv, text_.norms, image_.norms, context.rotary, text_rows}, Rows::all);
  at::Tensor const attended = exchange.return_tokens(
      attend(inputs), exchange.token_buffer(tokens.size(1), width, tokens), Rows::all);

  at::Tensor const delta = at::empty(tokens.sizes(), tokens.options());
  both({{&StreamWeights::attention_out, attended, delta}});
  at::Tensor const between =
      ops::add_gated_then_norm(tokens, delta, vectors(2), {vectors(3), vectors(4)}, text_rows);

  at::Tensor const hidden =
      at::empty({tokens.size(0), tokens.size(1), mlp_ratio * width}, tokens.options());
  both({{&StreamWeights::mlp_in, between, hidden, ops::Epilogue::gelu_tanh},
        {&StreamWeights::mlp_out, hidden, delta}});
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
  std::int64_t const begin = rows == Rows::image_only ? context.text_rows : 0;
  std::int64_t const count = tokens.size(1) - begin;

  at::Tensor const qkv = empty_qkv(tokens, context.config);
  qkv_.into(normed, qkv.flatten(2));

  // What the last layer reads: attention and MLP side by side, (B, rows, width + 4 x width). The
  // MLP needs no other rank: the exchange hides behind its product.
  SequenceExchange& exchange = context.exchange;
  at::Tensor const joined = exchange.token_buffer(count, (1 + mlp_ratio) * width, tokens);
  at::Tensor const attended = joined.narrow(2, 0, width);
  AttentionInputs inputs;
  run_both(
      context,
      [&] {
        inputs = exchange.share_heads(
            {qkv, norms_, norms_, context.rotary, context.text_rows, Meanwhile::product}, rows);
      },
      [&] {
        mlp_in_.into(normed.narrow(1, begin, count), joined.narrow(2, width, mlp_ratio * width),
                     ops::Epilogue::gelu_tanh);
      });
  at::Tensor const returned = exchange.return_tokens(attend(inputs), attended, rows);
  if (!returned.is_same(attended)) ops::copy_rows(returned, attended);
  at::Tensor const delta = at::empty({tokens.size(0), count, width}, tokens.options());
  out_.into(joined, delta);
  at::Tensor const gate = modulation_.vector(context.modulation, 2);
  return ops::add_gated_then_norm(tokens.narrow(1, begin, count), delta, {gate, gate}, next, 0);
}

}  // namespace ditbatch::flux
