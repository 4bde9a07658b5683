#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

namespace ditbatch {

/// The activations that text encoders' configs name.
enum class TextActivation { relu, gelu, gelu_tanh, quick_gelu, silu };

/// By the name of transformers' table; none for one that is not built here.
[[nodiscard]] std::optional<TextActivation> text_activation(std::string const& name);
[[nodiscard]] at::Tensor apply(TextActivation activation, at::Tensor const& x);

}  // namespace ditbatch
