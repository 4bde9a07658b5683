#include "text/clip_encoder.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.hpp"
#include "text/token_ids.hpp"

namespace ditbatch {

ClipConfig read_clip_config(JsonConfig const& config, Problems& problems) {
  ClipConfig read;
  read.vocabulary = config.get_int("vocab_size", 49408, problems, {1, 10'000'000});
  read.width = config.get_int("hidden_size", 512, problems);
  read.heads = config.get_int("num_attention_heads", 8, problems, {1, 4096});
  read.layers = config.get_int("num_hidden_layers", 12, problems, {0, 1000});
  read.mlp_width = config.get_int("intermediate_size", 2048, problems);
  read.positions = config.get_int("max_position_embeddings", 77, problems, {1, 100'000});
  read.eos_token = config.get_int("eos_token_id", 49407, problems, {0, 10'000'000});
  read.norm_eps = config.get_double("layer_norm_eps", 1e-5, problems);
  std::string const name = config.get_string("hidden_act", "quick_gelu", problems);
  if (auto const activation = text_activation(name)) {
    read.activation = *activation;
  } else {
    config.add_problem(
        "hidden_act",
        "not supported: " + in_quotes(name) + " (quick_gelu, gelu, gelu_new, relu or silu)",
        problems);
  }
  if (read.width % read.heads != 0)
    config.add_problem("num_attention_heads", "does not divide hidden_size", problems);
  return read;
}

namespace {

// Published folders prefix every name, transformers 5 does not.
at::Tensor take(WeightSource& source, std::string const& name,
                std::vector<std::int64_t> const& shape) {
  return source.take({name, shape, {"text_model." + name}});
}

ops::Linear take_linear(WeightSource& source, std::string const& name, std::int64_t in,
                        std::int64_t out) {
  return {take(source, name + ".weight", {out, in}), take(source, name + ".bias", {out})};
}

}  // namespace

ClipTextEncoder::ClipTextEncoder(ClipConfig const& config, WeightSource& source)
    : config_(config),
      tokens_(take(source, "embeddings.token_embedding.weight", {config.vocabulary, config.width})),
      positions_(
          take(source, "embeddings.position_embedding.weight", {config.positions, config.width})) {
  auto const take_norm = [&](std::string const& name) {
    return Norm{take(source, name + ".weight", {config.width}),
                take(source, name + ".bias", {config.width})};
  };
  for (std::int64_t i = 0; i < config.layers; ++i) {
    std::string const name = "encoder.layers." + std::to_string(i) + ".";
    layers_.push_back({take_norm(name + "layer_norm1"),
                       take_linear(source, name + "self_attn.q_proj", config.width, config.width),
                       take_linear(source, name + "self_attn.k_proj", config.width, config.width),
                       take_linear(source, name + "self_attn.v_proj", config.width, config.width),
                       take_linear(source, name + "self_attn.out_proj", config.width, config.width),
                       take_norm(name + "layer_norm2"),
                       take_linear(source, name + "mlp.fc1", config.width, config.mlp_width),
                       take_linear(source, name + "mlp.fc2", config.mlp_width, config.width)});
  }
  final_norm_ = take_norm("final_layer_norm");
}

at::Tensor ClipTextEncoder::normed(at::Tensor const& x, Norm const& norm) const {
  return ops::layer_norm(x, config_.norm_eps, norm.weight, norm.bias);
}

ClipTextEncoder::Tokens ClipTextEncoder::tokens_of(std::vector<std::int64_t> const& ids) const {
  check_token_ids(ids, config_.vocabulary);
  require(static_cast<std::int64_t>(ids.size()) <= config_.positions, ExitCode::bad_input,
          "a prompt of " + std::to_string(ids.size()) +
              " tokens does not fit CLIP (max_position_embeddings is " +
              std::to_string(config_.positions) + ") the tokenizer belongs to another model");
  // Configs from before transformers 4.31 say 2 whatever the end token is: then it is the largest
  // id.
  auto const end = config_.eos_token == 2 ? std::max_element(ids.begin(), ids.end())
                                          : std::find(ids.begin(), ids.end(), config_.eos_token);
  std::int64_t const row = end == ids.end() ? 0 : end - ids.begin();
  auto const on_device = [&](at::Tensor const& values) { return values.to(tokens_.device()); };
  return {on_device(at::tensor(ids, at::kLong)).unsqueeze(0),
          on_device(at::tensor({row}, at::kLong))};
}

at::Tensor ClipTextEncoder::encode_tokens(Tokens const& tokens) const {
  std::int64_t const count = tokens.ids.size(1);
  at::Tensor x =
      at::embedding(tokens_, tokens.ids) + positions_.narrow(0, 0, count);  // (1, tokens, width)
  auto const by_head = [&](at::Tensor const& rows) {
    return rows.view({1, count, config_.heads, -1}).transpose(1, 2);
  };
  for (Layer const& layer : layers_) {
    at::Tensor const h = normed(x, layer.attention_norm);
    at::Tensor const attended = at::scaled_dot_product_attention(
        by_head(layer.q(h)), by_head(layer.k(h)), by_head(layer.v(h)), std::nullopt, 0.0,
        /*is_causal=*/true);
    x = x + layer.o(attended.transpose(1, 2).reshape({1, count, config_.width}));
    x = x + layer.mlp_out(apply(config_.activation, layer.mlp_in(normed(x, layer.mlp_norm))));
  }
  return normed(x, final_norm_).index_select(1, tokens.end).squeeze(1);
}

at::Tensor ClipTextEncoder::encode_pooled(std::vector<std::int64_t> const& ids) const {
  return encode_tokens(tokens_of(ids));
}

}  // namespace ditbatch
