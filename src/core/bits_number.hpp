#pragma once

#include <cstdint>

namespace ditbatch {

/// Raised by a commit that changes a bit of any image of any record on hardware where it could be
/// made before: another order of additions, another kernel, a mended error of the sampling. Not
/// raised for what is new alone: a family, a layout or a GPU that no image was made with. Rows
/// carry it, so that images with different bits for one record can be told from broken ones.
inline constexpr std::uint16_t bits_number = 1;

}  // namespace ditbatch
