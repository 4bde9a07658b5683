#pragma once

#include <array>
#include <cstddef>

namespace ditbatch {

inline constexpr std::size_t cosine_transform_size = 32;
using CosineLine = std::array<double, cosine_transform_size>;

/// The discrete cosine transform of type 2 of 32 values, not normalised, in place: to the last bit
/// what scipy.fftpack.dct() gives.
void cosine_transform(CosineLine& line);

}  // namespace ditbatch
