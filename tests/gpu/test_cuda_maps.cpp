// On a GPU: the passes over a decoder's maps agree with plain ATen, a tile's bits do not depend on
// the tiles that share the call, and a decoder of them gives the same image on any number of ranks
// and from a graph.
#define BOOST_TEST_MODULE cuda_maps
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>

#include <boost/test/unit_test.hpp>
#include <numeric>

#include "comm/cuda_device.hpp"
#include "comm/self_tensor_comm.hpp"
#include "models/vae/vae_decoder.hpp"
#include "ops/convolution.hpp"
#include "ops/map_ops.hpp"
#include "support/thread_tensor_comm.hpp"
#include "weights/parameters.hpp"

using namespace ditbatch;

namespace {

struct Gpu {
  Gpu() { (void)use_cuda_device(c10::Device(c10::kCUDA, 0), -1); }
};
BOOST_TEST_GLOBAL_FIXTURE(Gpu);

std::vector<at::ScalarType> const dtypes{at::kFloat, at::kBFloat16, at::kHalf};

struct MapCase {
  std::int64_t channels, groups, width;
  ops::TileRows tile_rows;
  double mean = 0;
  [[nodiscard]] std::int64_t rows() const {
    return std::accumulate(tile_rows.begin(), tile_rows.end(), std::int64_t{0});
  }
};

// 16 bytes of channels at a time and one by one, groups within 16 bytes and across, more columns
// than a block has threads, tiles of one row and of many chunks.
std::vector<MapCase> const cases{
    {32, 32, 1, {1}},           {32, 32, 13, {1, 1, 3}}, {128, 32, 37, {2, 1, 5}},
    {128, 32, 200, {64, 63}},   {256, 32, 33, {4, 3}},   {512, 32, 16, {2, 2, 1}},
    {96, 32, 7, {3, 2}},        {36, 6, 11, {1, 4, 2}},  {12, 4, 5, {7}},
    {2304, 32, 3, {2, 1}},      {301, 7, 9, {2, 2}},     {128, 32, 64, {16, 16}, 20},
    {64, 32, 65, {9, 8}, -500},
};

std::string label(MapCase const& map, at::ScalarType dtype) {
  return std::to_string(map.channels) + " channels, " + std::to_string(map.rows()) + "x" +
         std::to_string(map.width) + ", " + at::toString(dtype);
}

at::Tensor drawn(std::vector<std::int64_t> const& shape, at::ScalarType dtype, double mean = 0) {
  return (at::randn(shape, at::TensorOptions().device(at::kCUDA)) + mean).to(dtype);
}

ops::BiasedRows drawn_rows(MapCase const& map, at::ScalarType dtype) {
  return {drawn({map.rows(), map.width, map.channels}, dtype, map.mean),
          drawn({map.channels}, dtype)};
}

double largest(at::Tensor const& x) { return x.abs().max().item<double>(); }

// Where the result is one rounding away from the exact one.
double rounding_of(at::ScalarType dtype) {
  return dtype == at::kFloat ? 2e-5 : dtype == at::kHalf ? 6e-4 : 4.2e-3;
}

VaeConfig small_config() {
  VaeConfig config;
  config.latent_channels = 4;
  config.block_channels = {32, 64, 64};
  return config;
}

}  // namespace

BOOST_AUTO_TEST_CASE(moments_agree_with_plain_ones_in_double) {
  for (at::ScalarType const dtype : dtypes) {
    for (MapCase const& map : cases) {
      ops::BiasedRows const x = drawn_rows(map, dtype);
      at::Tensor const made = ops::tile_moments(x, map.tile_rows, map.groups);
      at::Tensor const exact = ops::plain::tile_moments(x, map.tile_rows, map.groups);
      at::Tensor const mean_error = made.select(2, 0) - exact.select(2, 0);
      BOOST_TEST(largest(mean_error) < 1e-5 + 2e-7 * std::abs(map.mean), label(map, dtype));
      at::Tensor const squares = exact.select(2, 1);
      BOOST_TEST(largest((made.select(2, 1) - squares) / (squares + 1e-3)) < 1e-4,
                 label(map, dtype));
    }
  }
}

BOOST_AUTO_TEST_CASE(sums_are_those_of_plain_aten_and_so_are_their_moments) {
  for (at::ScalarType const dtype : dtypes) {
    for (MapCase const& map : cases) {
      ops::BiasedRows const x = drawn_rows(map, dtype);
      at::Tensor const residual = drawn(x.rows.sizes().vec(), dtype);
      for (ops::BiasedRows const& addend : {x, ops::BiasedRows{x.rows, {}}}) {
        for (at::Tensor const& added : {residual, at::Tensor()}) {
          ops::SummedRows const made = ops::add_rows(addend, added, map.tile_rows, map.groups);
          BOOST_TEST(at::equal(made.rows, ops::plain::add_rows(addend, added)), label(map, dtype));
          BOOST_TEST(at::equal(made.moments,
                               ops::tile_moments({made.rows, {}}, map.tile_rows, map.groups)),
                     label(map, dtype));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(tiles_combine_to_the_moments_of_the_map) {
  for (MapCase const& map : cases) {
    ops::BiasedRows const x = drawn_rows(map, at::kFloat);
    std::vector<std::int64_t> values;
    for (std::int64_t const rows : map.tile_rows)
      values.push_back(rows * map.width * map.channels / map.groups);
    at::Tensor const moments = ops::plain::tile_moments(x, map.tile_rows, map.groups);
    ops::GroupScale const made = ops::combine_moments(moments, values, 1e-6);
    ops::GroupScale const plain = ops::plain::combine_moments(moments, values, 1e-6);
    at::Tensor const wide = (x.rows.to(at::kDouble) + x.bias.to(at::kDouble))
                                .permute({2, 0, 1})
                                .reshape({map.groups, -1});
    at::Tensor const exact = at::rsqrt(wide.var(1, /*unbiased=*/false) + 1e-6);
    BOOST_TEST(largest(made.mean - plain.mean) <= 2e-7 * (1 + std::abs(map.mean)));
    BOOST_TEST(largest(made.scale / plain.scale - 1) < 1e-6);
    BOOST_TEST(largest(made.scale.to(at::kDouble) / exact - 1) < 1e-4, label(map, at::kFloat));
  }
}

BOOST_AUTO_TEST_CASE(normalised_maps_are_one_rounding_from_float32) {
  for (at::ScalarType const dtype : dtypes) {
    for (MapCase const& map : cases) {
      ops::BiasedRows const x = drawn_rows(map, dtype);
      ops::GroupAffine const affine{drawn({map.channels}, dtype, 1), drawn({map.channels}, dtype)};
      ops::GroupScale const over_map{drawn({map.groups}, at::kFloat, map.mean),
                                     drawn({map.groups}, at::kFloat).abs() + 0.1};
      ops::BiasedRows const wide{x.rows.to(at::kFloat), x.bias.to(at::kFloat)};
      ops::GroupAffine const wide_affine{affine.gain.to(at::kFloat), affine.offset.to(at::kFloat)};
      for (ops::Activation const activation : {ops::Activation::none, ops::Activation::silu}) {
        at::Tensor const made = ops::normalise_rows(x, over_map, affine, activation);
        at::Tensor const exact =
            ops::plain::normalise_rows(wide, over_map, wide_affine, activation);
        BOOST_TEST_REQUIRE((made.sizes() == exact.sizes() && made.scalar_type() == dtype));
        double const error = largest((made.to(at::kFloat) - exact) / (exact.abs() + 1));
        BOOST_TEST(error < rounding_of(dtype) * (1 + std::abs(map.mean) / 10),
                   label(map, dtype) << ": " << error);
        BOOST_TEST(largest(made[0]) == 0);
        BOOST_TEST(largest(made[-1]) == 0);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(bad_values_stay_bad) {
  for (double const bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    at::Tensor const x = drawn({6, 8, 64}, at::kBFloat16);
    x[3][2][5].fill_(bad);
    at::Tensor const moments = ops::tile_moments({x, {}}, {6}, 32);
    ops::GroupScale const over_map = ops::combine_moments(moments, {96}, 1e-6);
    ops::GroupAffine const affine{at::ones({64}, x.options()), at::zeros({64}, x.options())};
    at::Tensor const made = ops::normalise_rows({x, {}}, over_map, affine, ops::Activation::silu);
    BOOST_TEST(!at::isfinite(made).all().item<bool>());
  }
}

BOOST_AUTO_TEST_CASE(upsampled_maps_equal_plain_ones) {
  for (at::ScalarType const dtype : dtypes) {
    for (MapCase const& map : cases) {
      at::Tensor const x = drawn_rows(map, dtype).rows;
      BOOST_TEST(at::equal(ops::upsample_rows(x), ops::plain::upsample_rows(x)), label(map, dtype));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_tile_does_not_depend_on_the_others) {
  for (at::ScalarType const dtype : dtypes) {
    for (MapCase const& map : cases) {
      ops::BiasedRows const x = drawn_rows(map, dtype);
      ops::GroupAffine const affine{drawn({map.channels}, dtype, 1), drawn({map.channels}, dtype)};
      ops::SummedRows const all = ops::add_rows(x, x.rows, map.tile_rows, map.groups);
      ops::GroupScale const over_map{drawn({map.groups}, at::kFloat),
                                     drawn({map.groups}, at::kFloat).abs()};
      at::Tensor const normed = ops::normalise_rows(x, over_map, affine, ops::Activation::silu);
      std::int64_t begin = 0;
      for (std::size_t tile = 0; tile < map.tile_rows.size(); ++tile) {
        std::int64_t const rows = map.tile_rows[tile];
        ops::BiasedRows const own{x.rows.narrow(0, begin, rows), x.bias};
        ops::SummedRows const alone = ops::add_rows(own, own.rows, {rows}, map.groups);
        BOOST_TEST(at::equal(alone.rows, all.rows.narrow(0, begin, rows)), label(map, dtype));
        BOOST_TEST(at::equal(alone.moments[0], all.moments[static_cast<std::int64_t>(tile)]),
                   label(map, dtype));
        at::Tensor const own_normed =
            ops::normalise_rows(own, over_map, affine, ops::Activation::silu);
        BOOST_TEST(at::equal(ops::inner_rows(own_normed), normed.narrow(0, begin + 1, rows)),
                   label(map, dtype));
        begin += rows;
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(convolved_tiles_agree_with_the_whole_map_and_do_not_depend_on_each_other) {
  struct Case {
    std::int64_t in, out, width;
  };
  for (at::ScalarType const dtype : dtypes) {
    for (Case const c : {Case{64, 64, 33}, Case{4, 32, 7}, Case{128, 3, 40}, Case{12, 20, 5}}) {
      ops::TileRows const tiles{3, 1, 2};
      at::Tensor const padded = ops::pad_rows(drawn({6, c.width, c.in}, dtype));
      at::Tensor const weight =
          (drawn({c.out, c.in, 3, 3}, at::kFloat) / std::sqrt(9.0 * static_cast<double>(c.in)))
              .to(dtype);
      at::Tensor const bias = drawn({c.out}, dtype);
      at::Tensor const prepared = ops::convolution_weight(weight);
      ops::BiasedRows const made = ops::convolve_3x3(padded, tiles, prepared, bias);
      at::Tensor const exact = at::conv2d(ops::as_planes(padded).unsqueeze(0).to(at::kDouble),
                                          weight.to(at::kDouble), {}, 1, at::IntArrayRef{0, 1})
                                   .squeeze(0)
                                   .permute({1, 2, 0});
      double const error = largest((made.rows.to(at::kDouble) - exact) / (exact.abs() + 1));
      BOOST_TEST(error < rounding_of(dtype), c.in << " to " << c.out << ": " << error);
      BOOST_TEST(at::equal(made.bias, bias));
      std::int64_t begin = 0;
      for (std::int64_t const rows : tiles) {
        at::Tensor const alone =
            ops::convolve_3x3(padded.narrow(0, begin, rows + 2).clone(), {rows}, prepared, bias)
                .rows;
        BOOST_TEST(at::equal(alone, made.rows.narrow(0, begin, rows)), c.in << " to " << c.out);
        begin += rows;
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(every_number_of_ranks_decodes_to_the_same_bits) {
  for (at::ScalarType const dtype : {at::kFloat, at::kBFloat16}) {
    VaeDecoder const decoder(small_config(), *random_weights(1, dtype, c10::Device(c10::kCUDA, 0)));
    at::Tensor const latents = drawn({1, 4, 21, 9}, dtype);
    SelfTensorComm self;
    DecodedImage const alone = decoder.decode(latents, self);
    BOOST_TEST(alone.finite);
    for (int const ranks : {2, 3, 9}) {
      auto const images =
          test::on_ranks(ranks, [&](TensorComm& comm) { return decoder.decode(latents, comm); });
      BOOST_TEST(at::equal(images.front().pixels, alone.pixels),
                 at::toString(dtype) << " on " << ranks << " ranks");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_captured_decoder_replays) {
  c10::cuda::CUDAStreamGuard const guard(c10::cuda::getStreamFromPool());
  VaeDecoder const decoder(small_config(),
                           *random_weights(1, at::kBFloat16, c10::Device(c10::kCUDA, 0)));
  SelfTensorComm self;
  at::Tensor const latents = drawn({1, 4, 16, 8}, at::kBFloat16);
  (void)decoder.decode(latents, self);  // what is chosen once is chosen before the capture
  at::cuda::CUDAGraph graph;
  graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  DeviceImage const image = decoder.decode_on_device(latents, self);
  graph.capture_end();
  for (int i = 0; i < 3; ++i) {
    latents.copy_(drawn({1, 4, 16, 8}, at::kBFloat16));
    graph.replay();
    DecodedImage const replayed = to_host(image);
    DecodedImage const eager = decoder.decode(latents, self);
    BOOST_TEST(replayed.finite);
    BOOST_TEST(at::equal(replayed.pixels, eager.pixels));
  }
}
