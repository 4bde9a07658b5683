#include "bench/exchange_bytes.hpp"

#include "bench/vae_layers.hpp"
#include "mesh/row_tiles.hpp"
#include "mesh/token_layout.hpp"

namespace ditbatch {

namespace {

std::uint64_t bytes(std::int64_t count) { return static_cast<std::uint64_t>(count); }

// One block's attention on one rank: queries, keys and values come for own heads, results for own
// tokens; a ring slice gathers the keys and values of the others.
ExchangeBytes block_bytes(FluxConfig const& config, TokenLayout const& layout,
                          std::int64_t element_bytes) {
  ExchangeBytes received;
  std::int64_t const heads = config.heads / layout.ulysses_degree;
  std::int64_t const per_token = heads * config.head_size * element_bytes;
  std::int64_t const own = layout.own_text().size + layout.own_image().size;
  std::int64_t const slice =
      layout.ring_text_tokens(layout.ring) + layout.ring_image_tokens(layout.ring);
  if (layout.ulysses_degree > 1) {
    received.ulysses += bytes(3 * (slice - own) * per_token);
    received.ulysses += bytes((layout.ulysses_degree - 1) * own * per_token);
  }
  for (int ring = 0; ring < layout.ring_degree; ++ring) {
    if (ring == layout.ring) continue;
    std::int64_t const rows = layout.ring_text_tokens(ring) + layout.ring_image_tokens(ring);
    received.ring += bytes(2 * rows * per_token);
  }
  return received;
}

// The row-sharded decoder on all ranks of the replica.
std::uint64_t decoder_bytes(VaeConfig const& config, ExchangedImage const& image, int ranks,
                            int rank) {
  if (ranks == 1) return 0;
  std::int64_t const full = config.scale_factor();
  std::int64_t const height = image.height_px / full;
  std::int64_t const width = image.width_px / full;
  RowTiles const tiles = make_row_tiles(height, ranks, rank);
  Shard const own = tiles.own();
  auto const count = static_cast<std::int64_t>(tiles.tiles.size());
  std::int64_t const neighbours =
      own.size == 0 ? 0 : (own.offset > 0 ? 1 : 0) + (own.end() < count ? 1 : 0);
  std::int64_t const foreign_tiles = count - own.size;
  std::int64_t const foreign_pixels = (height - tiles.rows_of(rank, 1)) * width;
  constexpr std::int64_t float_bytes = 4;

  std::int64_t sum = 0;
  for (VaeLayer const& layer : decoder_layers(config)) {
    switch (layer.kind) {
      case VaeLayer::Kind::convolution_3x3:  // a row above and one below
        sum += neighbours * layer.in * width * layer.scale * image.vae_element_bytes;
        break;
      case VaeLayer::Kind::group_norm:  // each tile's sums and squared distances
        sum += 2 * foreign_tiles * config.norm_groups * float_bytes;
        break;
      case VaeLayer::Kind::pixel_attention:  // keys and values of all pixels
        sum += 2 * foreign_pixels * layer.in * image.vae_element_bytes;
        break;
      case VaeLayer::Kind::convolution_1x1:
        break;
    }
  }
  sum += (ranks - 1) * float_bytes;  // are every rank's rows finite?
  if (rank == 0) sum += 3 * foreign_pixels * full * full;
  return bytes(sum);
}

}  // namespace

ExchangeBytes exchange_bytes(FluxConfig const& transformer, VaeConfig const& vae,
                             MeshShape const& mesh, MeshCoordinate const& at,
                             ExchangedImage const& image) {
  std::int64_t const token_px = 2 * vae.scale_factor();
  std::int64_t const tokens = (image.width_px / token_px) * (image.height_px / token_px);
  TokenLayout const layout =
      make_token_layout(image.text_tokens, tokens, {mesh.ring, mesh.ulysses, at.ring, at.ulysses});
  std::int64_t const token_bytes = transformer.in_channels * image.element_bytes;
  std::int64_t const own_image = layout.own_image().size;
  int const evaluations = evaluations_per_step(mesh.cfg, at.cfg, image.branches);

  ExchangeBytes const a_block = block_bytes(transformer, layout, image.element_bytes);
  // The last block gives no text rows back: nobody reads them.
  std::uint64_t const unread =
      transformer.single_blocks == 0
          ? 0
          : bytes((mesh.ulysses - 1) * layout.own_text().size * (transformer.heads / mesh.ulysses) *
                  transformer.head_size * image.element_bytes);
  std::uint64_t const passes = bytes(image.steps * evaluations);
  std::uint64_t const blocks = bytes(transformer.double_blocks + transformer.single_blocks);
  ExchangeBytes received;
  received.ulysses = passes * (blocks * a_block.ulysses - unread);
  received.ring = passes * blocks * a_block.ring;
  if (mesh.cfg == 2 && image.branches == Branches::both)
    received.cfg = bytes(image.steps * own_image * token_bytes);
  if (mesh.cfg == 2 && image.branches == Branches::conditional && at.cfg == 1)
    received.cfg = bytes(tokens * token_bytes);
  if (evaluations > 0) received.branch = bytes((tokens - own_image) * token_bytes);
  MeshCoordinate place = at;
  place.replica = 0;
  received.replica =
      decoder_bytes(vae, image, mesh.ranks_per_replica(), world_rank_of(mesh, place));
  return received;
}

}  // namespace ditbatch
