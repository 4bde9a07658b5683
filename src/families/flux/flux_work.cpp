#include "families/flux/flux_work.hpp"

#include "mesh/token_layout.hpp"
#include "models/vae/vae_layers.hpp"

namespace ditbatch::flux {

namespace {

constexpr std::int64_t mlp_ratio = 4;

// The stream's half of a double-stream block before attention, and what follows it.
void add_stream_in(std::vector<StepCall>& calls, std::int64_t rows, std::int64_t width) {
  calls.emplace_back(GemmCall{rows, width, 3 * width});
}
void add_stream_out(std::vector<StepCall>& calls, std::int64_t rows, std::int64_t width) {
  calls.emplace_back(GemmCall{rows, width, width});
  calls.emplace_back(GemmCall{rows, width, mlp_ratio * width});
  calls.emplace_back(GemmCall{rows, mlp_ratio * width, width});
}

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

}  // namespace

TokenLayout layout_of(FluxConfigs const& configs, ImageWork const& image, MeshShape const& mesh,
                      MeshCoordinate const& at) {
  return make_token_layout(image.text_tokens, configs.image_tokens(image.width_px, image.height_px),
                           {mesh.ring, mesh.ulysses, at.ring, at.ulysses});
}

std::vector<StepCall> step_calls(FluxConfig const& config, TokenLayout const& layout, int batch) {
  std::int64_t const width = config.width();
  std::int64_t const text = layout.own_text().size * batch;
  std::int64_t const image = layout.own_image().size * batch;
  std::int64_t keys = 0;
  for (int ring = 0; ring < layout.ring_degree; ++ring)
    keys += layout.ring_text_tokens(ring) + layout.ring_image_tokens(ring);
  auto const attend = [&](std::int64_t queries) {
    return AttentionCall{batch, queries, keys, config.heads / layout.ulysses_degree,
                         config.head_size};
  };
  std::int64_t const image_queries = layout.ring_image_tokens(layout.ring);
  std::int64_t const all_queries = layout.ring_text_tokens(layout.ring) + image_queries;

  std::vector<StepCall> calls{GemmCall{image, config.in_channels, width}};
  for (std::int64_t block = 0; block < config.double_blocks; ++block) {
    add_stream_in(calls, text, width);
    add_stream_in(calls, image, width);
    calls.emplace_back(attend(all_queries));
    add_stream_out(calls, text, width);
    add_stream_out(calls, image, width);
  }
  for (std::int64_t block = 0; block < config.single_blocks; ++block) {
    bool const is_last = block + 1 == config.single_blocks;
    std::int64_t const rows = is_last ? image : text + image;
    calls.emplace_back(GemmCall{text + image, width, 3 * width});
    calls.emplace_back(attend(is_last ? image_queries : all_queries));
    calls.emplace_back(GemmCall{rows, width, mlp_ratio * width});
    calls.emplace_back(GemmCall{rows, (1 + mlp_ratio) * width, width});
  }
  calls.emplace_back(GemmCall{image, width, config.in_channels});
  std::erase_if(calls, [](StepCall const& call) {  // a rank without such rows
    return std::visit([](auto const& each) { return each.flop() == 0; }, call);
  });
  return calls;
}

ExchangeBytes exchange_bytes(FluxConfigs const& configs, ElementBytes const& element,
                             ImageWork const& image, MeshShape const& mesh,
                             MeshCoordinate const& at) {
  FluxConfig const& transformer = configs.transformer;
  TokenLayout const layout = layout_of(configs, image, mesh, at);
  std::int64_t const tokens = configs.image_tokens(image.width_px, image.height_px);
  std::int64_t const token_bytes = transformer.in_channels * element.transformer;
  std::int64_t const own_image = layout.own_image().size;
  int const evaluations = evaluations_per_step(mesh.cfg, at.cfg, image.branches);

  ExchangeBytes const a_block = block_bytes(transformer, layout, element.transformer);
  // The last block gives no text rows back: nobody reads them.
  std::uint64_t const unread =
      transformer.single_blocks == 0
          ? 0
          : bytes((mesh.ulysses - 1) * layout.own_text().size * (transformer.heads / mesh.ulysses) *
                  transformer.head_size * element.transformer);
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
  received.replica = decoder_bytes(configs.vae, {image.width_px, image.height_px, element.vae},
                                   mesh.ranks_per_replica(), world_rank_of(mesh, place));
  return received;
}

}  // namespace ditbatch::flux
