// The text encoders against transformers, which ran just before (make_encoder_references.py).
#define BOOST_TEST_MODULE encoders
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>

#include "support/component_folder.hpp"
#include "support/reference_file.hpp"
#include "text/clip_encoder.hpp"
#include "text/t5_encoder.hpp"
#include "weights/parameters.hpp"

using namespace ditbatch;
using test::relative_difference;

namespace {

std::vector<std::string> const t5s{"like-flux", "original", "few-buckets", "many-buckets", "loud"};
std::vector<std::string> const clips{"like-flux", "new-end-token", "short", "legacy-gelu"};
constexpr std::int64_t prompts = 6;

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
  std::map<std::string, at::Tensor> references;
  explicit Folder(std::string const& name)
      : component(test::open_component(path_of(name), "model.safetensors")),
        references(test::load_references(path_of(name) + "/references.safetensors")) {}
  static std::string path_of(std::string const& name) {
    return std::getenv("DITBATCH_ENCODER_DIR") + ("/" + name);
  }

  template <class Reader>
  [[nodiscard]] auto checked(Reader const& read) const {
    Problems problems;
    auto const config = read(component.config, problems);
    problems.throw_if_any();
    return config;
  }
  [[nodiscard]] T5Encoder t5(c10::ScalarType dtype) const {
    T5Config const config = checked(read_t5_config);
    return T5Encoder(config,
                     *test::weights_for<T5Encoder>(component, config, dtype, test_device()));
  }
  [[nodiscard]] ClipTextEncoder clip(c10::ScalarType dtype) const {
    ClipConfig const config = checked(read_clip_config);
    return ClipTextEncoder(
        config, *test::weights_for<ClipTextEncoder>(component, config, dtype, test_device()));
  }
  [[nodiscard]] std::vector<std::int64_t> ids(std::int64_t prompt) const {
    at::Tensor const values = references.at("ids." + std::to_string(prompt)).to(at::kLong);
    auto const* first = values.data_ptr<std::int64_t>();
    return {first, first + values.numel()};
  }
  [[nodiscard]] at::Tensor made_by_transformers(char const* dtype, std::int64_t prompt) const {
    return references.at(dtype + ("." + std::to_string(prompt)));
  }
};

// Over all prompts: the error against float32 of ours, over that of transformers in the same dtype.
template <class Encode>
double error_ratio(Folder const& folder, char const* dtype, Encode const& encode) {
  double ours = 0, theirs = 0;
  for (std::int64_t i = 0; i < prompts; ++i) {
    at::Tensor const exact = folder.made_by_transformers("f32", i).to(at::kDouble);
    at::Tensor const made = encode(folder.ids(i)).to(at::kCPU);
    BOOST_TEST_REQUIRE((made.sizes() == exact.sizes()));
    BOOST_TEST(at::isfinite(made).all().item<bool>());
    ours += (made.to(at::kDouble) - exact).square().sum().item<double>();
    theirs += (folder.made_by_transformers(dtype, i).to(at::kDouble) - exact)
                  .square()
                  .sum()
                  .item<double>();
  }
  double const ratio = std::sqrt(ours / theirs);
  BOOST_TEST_MESSAGE(folder.component.folder << " " << dtype << ": error " << ratio
                                             << " of transformers'");
  return ratio;
}

template <class Encode>
double worst_difference(Folder const& folder, Encode const& encode) {
  double worst = 0;
  for (std::int64_t i = 0; i < prompts; ++i) {
    at::Tensor const reference = folder.made_by_transformers("f32", i);
    at::Tensor const made = encode(folder.ids(i)).to(at::kCPU);
    BOOST_TEST_REQUIRE((made.sizes() == reference.sizes()));
    BOOST_TEST_REQUIRE(reference.abs().max().item<float>() > 0.1F);
    worst = std::max(worst, relative_difference(made, reference));
  }
  BOOST_TEST_MESSAGE(folder.component.folder << " f32: " << worst);
  return worst;
}

}  // namespace

BOOST_DATA_TEST_CASE(t5_agrees_with_transformers, boost::unit_test::data::make(t5s), name) {
  Folder const folder("t5/" + name);
  T5Encoder const encoder = folder.t5(at::kFloat);
  BOOST_TEST(worst_difference(folder, [&](auto const& ids) { return encoder.encode(ids); }) < 1e-5);
}

BOOST_DATA_TEST_CASE(t5_in_16_bits_is_as_near_as_transformers, boost::unit_test::data::make(t5s),
                     name) {
  Folder const folder("t5/" + name);
  T5Encoder const bf16 = folder.t5(at::kBFloat16);
  BOOST_TEST(error_ratio(folder, "bf16", [&](auto const& ids) { return bf16.encode(ids); }) < 1.15);
  T5Encoder const f16 = folder.t5(at::kHalf);
  BOOST_TEST(error_ratio(folder, "f16", [&](auto const& ids) { return f16.encode(ids); }) < 1.15);
  BOOST_TEST((f16.encode(folder.ids(0)).scalar_type() == at::kHalf));
}

BOOST_DATA_TEST_CASE(clip_agrees_with_transformers, boost::unit_test::data::make(clips), name) {
  Folder const folder("clip/" + name);
  ClipTextEncoder const encoder = folder.clip(at::kFloat);
  BOOST_TEST(worst_difference(folder, [&](auto const& ids) { return encoder.encode_pooled(ids); }) <
             1e-5);
}

BOOST_DATA_TEST_CASE(clip_in_16_bits_is_as_near_as_transformers,
                     boost::unit_test::data::make(clips), name) {
  Folder const folder("clip/" + name);
  ClipTextEncoder const bf16 = folder.clip(at::kBFloat16);
  BOOST_TEST(error_ratio(folder, "bf16", [&](auto const& ids) { return bf16.encode_pooled(ids); }) <
             1.15);
  ClipTextEncoder const f16 = folder.clip(at::kHalf);
  BOOST_TEST(error_ratio(folder, "f16", [&](auto const& ids) { return f16.encode_pooled(ids); }) <
             1.15);
}

BOOST_AUTO_TEST_CASE(clip_pools_the_row_of_the_end_token) {
  // The prompts differ after their first end token only, which a causal encoder's row there cannot
  // see.
  Folder const folder("clip/new-end-token");
  ClipTextEncoder const encoder = folder.clip(at::kFloat);
  std::vector<std::int64_t> ids = folder.ids(0);
  at::Tensor const pooled = encoder.encode_pooled(ids);
  ids.back() = 7;
  BOOST_TEST(relative_difference(encoder.encode_pooled(ids), pooled) < 1e-5);
  ids.front() = ids.front() == 7 ? 8 : 7;
  BOOST_TEST(relative_difference(encoder.encode_pooled(ids), pooled) > 1e-2);
}

BOOST_AUTO_TEST_CASE(token_ids_of_another_model_are_refused) {
  Folder const t5_folder("t5/like-flux"), clip_folder("clip/short");
  T5Encoder const t5 = t5_folder.t5(at::kFloat);
  ClipTextEncoder const clip = clip_folder.clip(at::kFloat);
  std::vector<std::int64_t> const too_many(21, 5);
  auto const is_bad_input = [](Error const& error) { return error.code() == ExitCode::bad_input; };
  BOOST_CHECK_EXCEPTION((void)t5.encode({5, 300}), Error, is_bad_input);
  BOOST_CHECK_EXCEPTION((void)t5.encode({-1}), Error, is_bad_input);
  BOOST_CHECK_EXCEPTION((void)t5.encode({}), Error, is_bad_input);
  BOOST_CHECK_EXCEPTION((void)clip.encode_pooled({90}), Error, is_bad_input);
  BOOST_CHECK_EXCEPTION((void)clip.encode_pooled(too_many), Error, is_bad_input);
}

BOOST_AUTO_TEST_CASE(constructors_ask_for_what_the_files_hold) {
  auto const check = [](Folder const& folder, std::vector<ParameterSpec> const& specs) {
    Problems problems;
    check_parameters(folder.component, specs, problems);
    BOOST_TEST(problems.empty(), folder.component.folder);
    BOOST_TEST(specs.size() == folder.component.tensors.size(), folder.component.folder);
  };
  for (std::string const& name : t5s) {
    Folder const folder("t5/" + name);
    check(folder, parameters_of<T5Encoder>(folder.checked(read_t5_config), at::kFloat));
  }
  for (std::string const& name : clips) {
    Folder const folder("clip/" + name);
    check(folder, parameters_of<ClipTextEncoder>(folder.checked(read_clip_config), at::kFloat));
  }
}

BOOST_AUTO_TEST_CASE(configs_that_cannot_be_built_are_named) {
  auto const fields = [](std::string const& text, auto const& read) {
    Problems problems;
    (void)read(JsonConfig::parse("config.json", text, problems), problems);
    std::string named;
    for (Problem const& problem : problems.all()) named += problem.field + " ";
    return named;
  };
  BOOST_TEST(fields("{}", read_t5_config).empty());
  BOOST_TEST(fields("{}", read_clip_config).empty());
  for (char const* wrong :
       {"feed_forward_proj\": \"gated-tanh\"", "feed_forward_proj\": \"wide-relu\"", "d_model\": 0",
        "num_layers\": 0", "layer_norm_epsilon\": \"1e-6\"",
        "relative_attention_max_distance\": 4"}) {
    std::string const text = std::string("{\"") + wrong + "}";
    std::string const key = std::string(wrong).substr(0, std::string(wrong).find('"'));
    BOOST_TEST(fields(text, read_t5_config).find(key) != std::string::npos, text);
  }
  for (char const* wrong : {"hidden_act\": \"tanh\"", "num_attention_heads\": 7",
                            "eos_token_id\": [1]", "hidden_size\": 1.5"}) {
    std::string const text = std::string("{\"") + wrong + "}";
    std::string const key = std::string(wrong).substr(0, std::string(wrong).find('"'));
    BOOST_TEST(fields(text, read_clip_config).find(key) != std::string::npos, text);
  }
}
