#pragma once

#include <cstdint>

#include "bench/step_work.hpp"
#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// Bytes that come to a rank from others, by mesh dimension.
struct ExchangeBytes {
  std::uint64_t ulysses = 0;
  std::uint64_t ring = 0;
  std::uint64_t cfg = 0;
  std::uint64_t branch = 0;
  std::uint64_t replica = 0;  // the decoder
  [[nodiscard]] std::uint64_t total() const { return ulysses + ring + cfg + branch + replica; }
  friend bool operator==(ExchangeBytes const&, ExchangeBytes const&) = default;
};

/// The image that is made, as far as its exchanges go.
struct ExchangedImage {
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  std::int64_t steps = 0;
  std::int64_t text_tokens = 0;
  Branches branches = Branches::conditional;
  std::int64_t element_bytes = 2;      // of the transformer's dtype
  std::int64_t vae_element_bytes = 2;  // of the dtype that the decoder runs in
};

/// What a rank receives for one image, from prompt embeddings to pixels: a pure function of layout
/// and model, since a replayed graph makes its calls only once. The same sums as the code in
/// models/ and sample/ exchanges; a test compares them with what a run counts.
[[nodiscard]] ExchangeBytes exchange_bytes(FluxConfig const& transformer, VaeConfig const& vae,
                                           MeshShape const& mesh, MeshCoordinate const& at,
                                           ExchangedImage const& image);

}  // namespace ditbatch
