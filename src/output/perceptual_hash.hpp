#pragma once

#include <cstdint>
#include <vector>

namespace ditbatch {

/// The 64 bits of ImageHash's `phash(image)` on PyPI with its default sizes, for PIL's image of
/// these pixels: images that look alike differ in few bits. Bit by bit the same, so that hashes of
/// the column and hashes that a user computes can be compared: grey as Pillow's mode L, Pillow 13's
/// Lanczos filter on bytes to 32x32 (older ones round tall images otherwise), the cosine transform
/// of scipy.fftpack (pocketfft) in its order of operations, and a bit for each of the 8x8 lowest
/// frequencies that is above their median. The first frequency is the highest bit, so that
/// `format(phash, "016x")` is `str(phash(image))`.
///
/// An image of one colour has no frequency but the first: 0x8000000000000000, and 0 if it is black.
///
/// `pixels`: (height, width, 3), at least one.
[[nodiscard]] std::uint64_t perceptual_hash(std::vector<std::uint8_t> const& pixels,
                                            std::int64_t width_px, std::int64_t height_px);

}  // namespace ditbatch
