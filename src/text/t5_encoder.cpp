#include "text/t5_encoder.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "text/token_ids.hpp"

namespace ditbatch {

T5Config read_t5_config(JsonConfig const& config, Problems& problems) {
  T5Config read;
  read.vocabulary = config.get_int("vocab_size", 32128, problems, {1, 10'000'000});
  read.width = config.get_int("d_model", 512, problems);
  read.head_size = config.get_int("d_kv", 64, problems, {1, 4096});
  read.heads = config.get_int("num_heads", 8, problems, {1, 4096});
  read.layers = config.get_int("num_layers", 6, problems, {1, 1000});
  read.mlp_width = config.get_int("d_ff", 2048, problems);
  read.position_buckets = config.get_int("relative_attention_num_buckets", 32, problems, {4, 4096});
  read.position_max_distance =
      config.get_int("relative_attention_max_distance", 128, problems, {2, 1'000'000});
  read.norm_eps = config.get_double("layer_norm_epsilon", 1e-6, problems);
  std::string const projection = config.get_string("feed_forward_proj", "relu", problems);
  read.gated = projection.rfind("gated-", 0) == 0;
  // "gated-gelu" has meant the tanh approximation since T5 1.1.
  std::string const name = projection == "gated-gelu" ? "gelu_new"
                           : read.gated               ? projection.substr(6)
                                                      : projection;
  if (auto const activation = text_activation(name)) {
    read.activation = *activation;
  } else {
    config.add_problem("feed_forward_proj",
                       "not supported: " + in_quotes(projection) +
                           " (relu, gelu, gelu_new, silu, or gated- before one of them)",
                       problems);
  }
  if (read.position_max_distance <= read.position_buckets / 4) {
    config.add_problem("relative_attention_max_distance", "too small for the number of buckets",
                       problems);
  }
  return read;
}

T5Encoder::T5Encoder(T5Config const& config, WeightSource& source)
    : config_(config),
      embedding_(source.take(
          {"shared.weight", {config.vocabulary, config.width}, {"encoder.embed_tokens.weight"}})),
      final_norm_(source.take({"encoder.final_layer_norm.weight", {config.width}})) {
  std::int64_t const inner = config.heads * config.head_size;
  // Sums of T5's large models leave the range of float16: transformers keeps this matrix, and with
  // it the residual stream, in float32 there.
  std::optional<c10::ScalarType> const mlp_out_dtype =
      embedding_.scalar_type() == at::kHalf ? std::make_optional(at::kFloat) : std::nullopt;
  for (std::int64_t i = 0; i < config.layers; ++i) {
    std::string const block = "encoder.block." + std::to_string(i) + ".layer.";
    std::string const attention = block + "0.SelfAttention.";
    std::string const mlp = block + "1.DenseReluDense.";
    auto const take = [&](std::string const& name, std::int64_t in, std::int64_t out) {
      return ops::take_linear(source, name, in, out, ops::Bias::none);
    };
    if (i == 0) {
      relative_bias_ = source.take(
          {attention + "relative_attention_bias.weight", {config.position_buckets, config.heads}});
    }
    Layer layer;
    layer.attention_norm = source.take({block + "0.layer_norm.weight", {config.width}});
    layer.q = take(attention + "q", config.width, inner);
    layer.k = take(attention + "k", config.width, inner);
    layer.v = take(attention + "v", config.width, inner);
    layer.o = take(attention + "o", inner, config.width);
    layer.mlp_norm = source.take({block + "1.layer_norm.weight", {config.width}});
    layer.mlp_in = take(mlp + (config.gated ? "wi_0" : "wi"), config.width, config.mlp_width);
    if (config.gated) layer.mlp_linear = take(mlp + "wi_1", config.width, config.mlp_width);
    layer.mlp_out.weight =
        source.take({mlp + "wo.weight", {config.width, config.mlp_width}, {}, mlp_out_dtype});
    layers_.push_back(std::move(layer));
  }
}

// (1, heads, tokens, tokens): near distances have a bucket each, far ones share them
// logarithmically, keys before and after the query have halves of their own.
at::Tensor T5Encoder::position_bias(std::int64_t tokens) const {
  std::int64_t const half = config_.position_buckets / 2;
  std::int64_t const exact = half / 2;
  at::Tensor const places = at::arange(tokens, at::kLong);
  at::Tensor const distance = places.unsqueeze(0) - places.unsqueeze(1);  // key - query
  at::Tensor const magnitude = distance.abs();
  double const log_range =
      std::log(static_cast<double>(config_.position_max_distance) / static_cast<double>(exact));
  at::Tensor const far =
      (exact +
       (at::log(magnitude.to(at::kFloat) / exact) / log_range * (half - exact)).to(at::kLong))
          .clamp_max(half - 1);
  at::Tensor const bucket =
      (distance > 0).to(at::kLong) * half + at::where(magnitude < exact, magnitude, far);
  return at::embedding(relative_bias_, bucket.to(relative_bias_.device()))
      .permute({2, 0, 1})
      .unsqueeze(0);
}

// Rounded to the weight's dtype before the product, as transformers does.
at::Tensor T5Encoder::normed(at::Tensor const& x, at::Tensor const& weight) const {
  return ops::rms_norm(x, {}, config_.norm_eps).to(weight.scalar_type()) * weight;
}

at::Tensor T5Encoder::attend(Layer const& layer, at::Tensor const& x,
                             at::Tensor const& bias) const {
  auto const by_head = [&](at::Tensor const& rows) {  // (1, heads, tokens, head size)
    return rows.view({1, -1, config_.heads, config_.head_size}).transpose(1, 2);
  };
  at::Tensor const h = normed(x, layer.attention_norm);
  // T5 does not scale its scores. Inside, scores and softmax are float32 whatever the dtype.
  at::Tensor const mixed = at::scaled_dot_product_attention(
      by_head(layer.q(h)), by_head(layer.k(h)), by_head(layer.v(h)), bias, 0.0, /*is_causal=*/false,
      /*scale=*/1.0);
  return x + layer.o(mixed.transpose(1, 2).reshape({1, -1, config_.heads * config_.head_size}));
}

at::Tensor T5Encoder::feed_forward(Layer const& layer, at::Tensor const& x) const {
  at::Tensor const h = normed(x, layer.mlp_norm);
  at::Tensor hidden = apply(config_.activation, layer.mlp_in(h));
  if (layer.mlp_linear) hidden = hidden * (*layer.mlp_linear)(h);
  return x + layer.mlp_out(hidden.to(layer.mlp_out.weight.scalar_type()));
}

at::Tensor T5Encoder::tokens_of(std::vector<std::int64_t> const& ids) const {
  check_token_ids(ids, config_.vocabulary);
  return at::tensor(ids, at::kLong).to(embedding_.device()).unsqueeze(0);
}

at::Tensor T5Encoder::encode_tokens(at::Tensor const& tokens, at::Tensor const& bias) const {
  at::Tensor x = at::embedding(embedding_, tokens);  // (1, tokens, width)
  for (Layer const& layer : layers_) x = feed_forward(layer, attend(layer, x, bias));
  return normed(x, final_norm_);
}

at::Tensor T5Encoder::encode(std::vector<std::int64_t> const& ids) const {
  return encode_tokens(tokens_of(ids), position_bias(static_cast<std::int64_t>(ids.size())));
}

}  // namespace ditbatch
