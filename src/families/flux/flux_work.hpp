#pragma once

#include <cstdint>
#include <vector>

#include "families/exchange_bytes.hpp"
#include "families/flux/flux_configs.hpp"
#include "families/step_work.hpp"
#include "mesh/device_mesh.hpp"
#include "mesh/token_layout.hpp"

namespace ditbatch::flux {

/// The tokens of an image over the ranks of a branch, as the rank at this place has them.
[[nodiscard]] TokenLayout layout_of(FluxConfigs const& configs, ImageWork const& image,
                                    MeshShape const& mesh, MeshCoordinate const& at);

/// The matrix products and attention calls of one evaluation of the transformer for `batch` images
/// on one rank, in their order: what no implementation can leave out. Queries, keys and values are
/// one product. The last block has no text rows where nobody reads them. Not in it: what has one
/// row an image (modulation, embedders), which is below a thousandth.
[[nodiscard]] std::vector<StepCall> step_calls(FluxConfig const& config, TokenLayout const& layout,
                                               int batch);

struct ElementBytes {
  std::int64_t transformer = 2;
  std::int64_t vae = 2;  // of the dtype that the decoder runs in
};

/// What a rank receives for one image, from prompt embeddings to pixels: a pure function of layout
/// and model, since a replayed graph makes its calls only once. The same sums as the code in
/// models/ and sample/ exchanges; a test compares them with what a run counts.
[[nodiscard]] ExchangeBytes exchange_bytes(FluxConfigs const& configs, ElementBytes const& element,
                                           ImageWork const& image, MeshShape const& mesh,
                                           MeshCoordinate const& at);

}  // namespace ditbatch::flux
