#include "text/activation.hpp"

#include "ops/ops.hpp"

namespace ditbatch {

std::optional<TextActivation> text_activation(std::string const& name) {
  if (name == "relu") return TextActivation::relu;
  if (name == "gelu") return TextActivation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return TextActivation::gelu_tanh;
  if (name == "quick_gelu") return TextActivation::quick_gelu;
  if (name == "silu" || name == "swish") return TextActivation::silu;
  return std::nullopt;
}

at::Tensor apply(TextActivation activation, at::Tensor const& x) {
  switch (activation) {
    case TextActivation::relu:
      return ops::relu(x);
    case TextActivation::gelu:
      return ops::gelu(x);
    case TextActivation::gelu_tanh:
      return ops::gelu_tanh(x);
    case TextActivation::quick_gelu:
      return ops::quick_gelu(x);
    case TextActivation::silu:
      break;
  }
  return ops::silu(x);
}

}  // namespace ditbatch
