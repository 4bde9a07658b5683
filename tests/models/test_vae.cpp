// The row-sharded VAE decoder against diffusers' AutoencoderKL, which decoded just before
// (make_vae_references.py), and against itself on other numbers of ranks.
#define BOOST_TEST_MODULE vae
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>

#include "comm/self_tensor_comm.hpp"
#include "models/vae/vae_decoder.hpp"
#include "support/component_folder.hpp"
#include "support/reference_file.hpp"
#include "support/thread_tensor_comm.hpp"
#include "weights/parameters.hpp"

using namespace ditbatch;

namespace {

std::vector<std::string> const vaes{"like-flux", "plain",       "negative-shift",
                                    "one-level", "five-levels", "defaults"};
std::vector<std::string> const sizes{"5x7", "7x4", "9x3", "13x6", "1x5", "3x2", "16x8"};

// Where the decoder runs: every test here holds on a GPU too.
c10::Device test_device() {
  char const* name = std::getenv("DITBATCH_TEST_DEVICE");
  return name != nullptr && std::string(name) == "cuda" ? c10::Device(c10::kCUDA, 0)
                                                        : c10::Device(c10::kCPU);
}

struct OneThread {
  OneThread() { at::set_num_threads(1); }
};
BOOST_TEST_GLOBAL_FIXTURE(OneThread);

struct Folder {
  Component component;
  VaeConfig config;
  std::map<std::string, at::Tensor> references;

  explicit Folder(std::string const& name)
      : component(test::open_component(path_of(name), "diffusion_pytorch_model.safetensors")),
        references(test::load_references(path_of(name) + "/references.safetensors")) {
    Problems problems;
    config = read_vae_config(component.config, problems);
    problems.throw_if_any();
  }
  static std::string path_of(std::string const& name) {
    return std::getenv("DITBATCH_VAE_DIR") + ("/" + name);
  }

  [[nodiscard]] VaeDecoder decoder(c10::ScalarType dtype) const {
    return VaeDecoder(config,
                      *test::weights_for<VaeDecoder>(component, config, dtype, test_device()));
  }
  [[nodiscard]] at::Tensor latents(std::string const& size, c10::ScalarType dtype) const {
    return references.at("latents." + size).to(test_device(), dtype);
  }
};

DecodedImage decode_alone(VaeDecoder const& decoder, at::Tensor const& latents) {
  SelfTensorComm self;
  return decoder.decode(latents, self);
}

struct Difference {
  double largest = 0;
  double unequal = 0;  // fraction of values
  double rms = 0;
};

Difference difference(at::Tensor const& pixels, at::Tensor const& reference) {
  BOOST_REQUIRE(pixels.sizes() == reference.sizes());
  at::Tensor const apart = (pixels.to(at::kDouble) - reference.to(at::kDouble)).abs();
  return {apart.max().item<double>(), (apart > 0).to(at::kDouble).mean().item<double>(),
          std::sqrt(apart.square().mean().item<double>())};
}

}  // namespace

BOOST_DATA_TEST_CASE(images_agree_with_diffusers, boost::unit_test::data::make(vaes), name) {
  Folder const folder(name);
  VaeDecoder const decoder = folder.decoder(at::kFloat);
  for (std::string const& size : sizes) {
    DecodedImage const made = decode_alone(decoder, folder.latents(size, at::kFloat));
    at::Tensor const reference = folder.references.at("image." + size);
    BOOST_TEST_REQUIRE(reference.std().item<float>() > 20.0F);  // an image, not a flat colour
    BOOST_TEST(made.finite);
    BOOST_TEST((made.pixels.scalar_type() == at::kByte && made.pixels.is_contiguous() &&
                made.pixels.is_cpu()));
    Difference const found = difference(made.pixels, reference);
    BOOST_TEST_MESSAGE(name << " " << size << ": largest " << found.largest << ", unequal "
                            << found.unequal);
    BOOST_TEST(found.largest <= 1.0);
    BOOST_TEST(found.unequal <= 2e-3);
  }
}

// In bfloat16 both are away from float32; this decoder must not be further away than diffusers is.
BOOST_DATA_TEST_CASE(bfloat16_is_as_near_to_float32_as_diffusers,
                     boost::unit_test::data::make(vaes), name) {
  Folder const folder(name);
  VaeDecoder const decoder = folder.decoder(at::kBFloat16);
  double ours = 0, theirs = 0;
  for (std::string const& size : sizes) {
    at::Tensor const reference = folder.references.at("image." + size);
    at::Tensor const pixels = decode_alone(decoder, folder.latents(size, at::kBFloat16)).pixels;
    ours += std::pow(difference(pixels, reference).rms, 2) * static_cast<double>(reference.numel());
    theirs += std::pow(difference(folder.references.at("bf16." + size), reference).rms, 2) *
              static_cast<double>(reference.numel());
  }
  BOOST_TEST_MESSAGE(name << ": squared error " << ours / theirs << " of diffusers'");
  BOOST_TEST(ours <= 1.25 * theirs);  // 1 dB
}

BOOST_DATA_TEST_CASE(float16_decodes_in_float32_where_the_config_says_so,
                     boost::unit_test::data::make(vaes), name) {
  Folder const folder(name);
  BOOST_TEST(folder.config.force_upcast == (name != "one-level"));
  VaeDecoder const decoder = folder.decoder(at::kHalf);
  for (std::string const& size : sizes) {
    Difference const found =
        difference(decode_alone(decoder, folder.latents(size, at::kHalf)).pixels,
                   folder.references.at("upcast." + size));
    if (folder.config.force_upcast) {
      BOOST_TEST(found.largest <= 1.0);
      BOOST_TEST(found.unequal <= 2e-3);
    } else {
      BOOST_TEST(found.rms < 1.0);
    }
  }
}

BOOST_DATA_TEST_CASE(every_number_of_ranks_gives_the_same_bits, boost::unit_test::data::make(vaes),
                     name) {
  // On a GPU each thread sets cuDNN up anew, which takes most of the time.
  std::vector<std::string> cut_sizes{"5x7", "13x6"};
  if (!test_device().is_cuda()) cut_sizes.insert(cut_sizes.end(), {"1x5", "16x8"});
  Folder const folder(name);
  for (c10::ScalarType const dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    if (dtype == at::kHalf && folder.config.force_upcast) continue;  // that is float32 again
    VaeDecoder const decoder = folder.decoder(dtype);
    for (std::string const& size : cut_sizes) {
      at::Tensor const latents = folder.latents(size, dtype);
      DecodedImage const alone = decode_alone(decoder, latents);
      for (int const ranks : {2, 3, 8, 11}) {
        auto const images =
            test::on_ranks(ranks, [&](TensorComm& comm) { return decoder.decode(latents, comm); });
        BOOST_TEST(at::equal(images.front().pixels, alone.pixels),
                   name << " " << size << " " << dtype << " on " << ranks << " ranks");
        for (std::size_t rank = 1; rank < images.size(); ++rank)
          BOOST_TEST(!images[rank].pixels.defined());
      }
    }
  }
}

// The last convolution made so loud that some pixels, and no whole tile, leave the range of
// float32.
BOOST_AUTO_TEST_CASE(a_few_bad_pixels_are_seen) {
  class LoudWeights final : public WeightSource {
   public:
    LoudWeights(WeightSource& source, double gain) : source_(source), gain_(gain) {}
    [[nodiscard]] at::Tensor take(ParameterSpec const& spec) override {
      at::Tensor const taken = source_.take(spec);
      return spec.name == "decoder.conv_out.weight" ? taken * gain_ : taken;
    }

   private:
    WeightSource& source_;
    double gain_;
  };
  Folder const folder("plain");
  auto const is_finite = [&](double gain) {
    auto const source =
        test::weights_for<VaeDecoder>(folder.component, folder.config, at::kFloat, test_device());
    LoudWeights loud(*source, gain);
    VaeDecoder const decoder(folder.config, loud);
    DecodedImage const image = decode_alone(decoder, folder.latents("16x8", at::kFloat));
    return image.finite;
  };
  BOOST_TEST(is_finite(1e37));
  BOOST_TEST(!is_finite(2.5e38));
}

// Tiles are cut by the size of the image, so the cut itself must not show either.
BOOST_AUTO_TEST_CASE(tiles_cover_the_map_and_do_not_depend_on_ranks) {
  for (std::int64_t const rows : {1, 2, 7, 8, 9, 13, 64, 129}) {
    auto const alone = make_row_tiles(rows, 1, 0);
    BOOST_TEST(alone.tiles.size() == static_cast<std::size_t>(std::min<std::int64_t>(rows, 8)));
    for (int const ranks : {1, 2, 3, 5, 8, 20}) {
      auto const shared = make_row_tiles(rows, ranks, ranks - 1);
      BOOST_TEST((shared.tiles == alone.tiles));
      std::int64_t covered = 0;
      for (int rank = 0; rank < ranks; ++rank) covered += shared.rows_of(rank, 1);
      BOOST_TEST(covered == rows);
      for (std::size_t tile = 0; tile < shared.tiles.size(); ++tile) {
        Shard const run =
            shared
                .owners[static_cast<std::size_t>(shared.owner_of(static_cast<std::int64_t>(tile)))];
        BOOST_TEST((run.offset <= static_cast<std::int64_t>(tile) &&
                    static_cast<std::int64_t>(tile) < run.end()));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(one_bad_value_is_seen_by_every_rank) {
  Folder const folder("like-flux");
  VaeDecoder const decoder = folder.decoder(at::kFloat);
  for (float const bad : {std::nanf(""), INFINITY, -INFINITY}) {
    at::Tensor const latents = folder.latents("13x6", at::kFloat).clone();
    latents[0][3][12][5] = bad;
    for (DecodedImage const& image :
         test::on_ranks(5, [&](TensorComm& comm) { return decoder.decode(latents, comm); })) {
      BOOST_TEST(!image.finite);
    }
  }
}

BOOST_DATA_TEST_CASE(the_constructor_asks_for_what_the_files_hold,
                     boost::unit_test::data::make(vaes), name) {
  Folder const folder(name);
  std::vector<ParameterSpec> const specs = parameters_of<VaeDecoder>(folder.config, at::kFloat);
  Problems problems;
  check_parameters(folder.component, specs, problems);
  BOOST_TEST(problems.empty());
  // Every tensor of the decoder's side is used, so no layer is left out.
  std::size_t decoder_tensors = 0;
  for (auto const& [key, entry] : folder.component.tensors) {
    decoder_tensors +=
        key.rfind("decoder.", 0) == 0 || key.rfind("post_quant_conv.", 0) == 0 ? 1 : 0;
  }
  BOOST_TEST(specs.size() == decoder_tensors);
}
