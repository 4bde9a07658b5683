#include "bench/step_work.hpp"

#include "bench/vae_layers.hpp"

namespace ditbatch {

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

}  // namespace

double GemmCall::flop() const {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
}

double AttentionCall::flop() const {
  return 4.0 * static_cast<double>(images) * static_cast<double>(queries) *
         static_cast<double>(keys) * static_cast<double>(heads * head_size);
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

StepFlop flop_of(std::vector<StepCall> const& calls) {
  StepFlop sum;
  for (StepCall const& call : calls) {
    if (auto const* gemm = std::get_if<GemmCall>(&call)) sum.gemm += gemm->flop();
    if (auto const* attention = std::get_if<AttentionCall>(&call))
      sum.attention += attention->flop();
  }
  return sum;
}

double decoder_flop(VaeConfig const& config, std::int64_t width_px, std::int64_t height_px) {
  std::int64_t const full = config.scale_factor();
  double const latent_pixels =
      static_cast<double>(width_px / full) * static_cast<double>(height_px / full);
  double sum = 0;
  for (VaeLayer const& layer : decoder_layers(config)) {
    double const pixels = latent_pixels * static_cast<double>(layer.scale * layer.scale);
    double const weights = static_cast<double>(layer.in) * static_cast<double>(layer.out);
    switch (layer.kind) {
      case VaeLayer::Kind::convolution_3x3:
        sum += 2 * 9 * pixels * weights;
        break;
      case VaeLayer::Kind::convolution_1x1:
        sum += 2 * pixels * weights;
        break;
      case VaeLayer::Kind::pixel_attention:  // q, k, v, out, and the products with all pixels
        sum += 4 * 2 * pixels * weights + 4 * pixels * pixels * static_cast<double>(layer.in);
        break;
      case VaeLayer::Kind::group_norm:
        break;
    }
  }
  return sum;
}

int evaluations_per_step(int cfg_degree, int cfg, Branches branches) {
  if (branches == Branches::conditional) return cfg == 0 ? 1 : 0;
  return cfg_degree == 2 ? 1 : 2;
}

}  // namespace ditbatch
