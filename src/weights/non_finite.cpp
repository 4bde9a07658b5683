#include "weights/non_finite.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace ditbatch {

namespace {

// NaN and infinity have an exponent of ones alone: without their sign, as integers, they are the
// largest. A maximum over integers needs no branch, so the compiler makes vectors of it.
template <class Word>
bool reaches(at::Tensor const& tensor, Word infinity) {
  auto const* words = static_cast<Word const*>(tensor.const_data_ptr());
  auto const count = tensor.numel();
  Word largest = 0;
  for (std::int64_t i = 0; i < count; ++i)
    largest = std::max<Word>(largest, words[i] & std::numeric_limits<Word>::max());
  return largest >= infinity;
}

}  // namespace

bool has_non_finite(at::Tensor const& tensor) {
  switch (tensor.scalar_type()) {
    case at::kBFloat16:
      return reaches<std::int16_t>(tensor, 0x7f80);
    case at::kHalf:
      return reaches<std::int16_t>(tensor, 0x7c00);
    case at::kFloat:
      return reaches<std::int32_t>(tensor, 0x7f800000);
    case at::kDouble:
      return reaches<std::int64_t>(tensor, 0x7ff0000000000000);
    default:
      return false;
  }
}

std::string non_finite_text(at::Tensor const& tensor) {
  at::Tensor const places = at::isfinite(tensor).logical_not().nonzero().cpu();  // (count, axes)
  std::string index;
  for (std::int64_t axis = 0; places.size(0) > 0 && axis < places.size(1); ++axis)
    index += (axis > 0 ? ", " : "") + std::to_string(places[0][axis].item<std::int64_t>());
  return std::to_string(places.size(0)) + " of " + std::to_string(tensor.numel()) +
         " values are NaN or infinity, the first at [" + index + "]";
}

}  // namespace ditbatch
