#include <boost/test/unit_test.hpp>

#include "models/vae/vae_config.hpp"

using namespace ditbatch;

namespace {

struct Read {
  VaeConfig config;
  std::vector<Problem> problems;
};

Read read(std::string const& text) {
  Problems problems;
  JsonConfig const json = JsonConfig::parse("vae/config.json", text, problems);
  VaeConfig const config = read_vae_config(json, problems);
  return {config, problems.all()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vae_config)

BOOST_AUTO_TEST_CASE(absent_keys_have_the_defaults_of_the_class) {
  Read const made = read("{}");
  BOOST_TEST(made.problems.empty());
  BOOST_TEST((made.config.block_channels == std::vector<std::int64_t>{64}));
  BOOST_TEST(made.config.latent_channels == 4);
  BOOST_TEST(made.config.norm_groups == 32);
  BOOST_TEST(made.config.layers_per_block == 1);
  BOOST_TEST(made.config.scaling_factor == 0.18215);
  BOOST_TEST(made.config.shift_factor == 0.0);
  BOOST_TEST(
      (made.config.mid_block_attention && made.config.post_quant_conv && made.config.force_upcast));
  BOOST_TEST(made.config.scale_factor() == 1);
}

BOOST_AUTO_TEST_CASE(a_null_shift_is_none) {
  BOOST_TEST(read(R"({"shift_factor": null})").config.shift_factor == 0.0);
  BOOST_TEST(read(R"({"shift_factor": -0.5})").config.shift_factor == -0.5);
}

BOOST_AUTO_TEST_CASE(the_scale_follows_from_the_levels) {
  Read const made = read(R"({"block_out_channels": [32, 64, 64, 64],
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]})");
  BOOST_TEST(made.problems.empty());
  BOOST_TEST(made.config.scale_factor() == 8);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_built_is_named) {
  struct Case {
    std::string text, field;
  };
  for (Case const& wrong :
       {Case{R"({"up_block_types": ["AttnUpDecoderBlock2D"]})", "up_block_types"},
        Case{R"({"block_out_channels": [64, 64]})", "up_block_types"},  // one level by default
        Case{R"({"act_fn": "relu"})", "act_fn"},
        Case{R"({"norm_num_groups": 5})", "norm_num_groups"},
        Case{R"({"norm_num_groups": 0})", "norm_num_groups"},
        Case{R"({"out_channels": 4})", "out_channels"},
        Case{R"({"scaling_factor": 0})", "scaling_factor"},
        Case{R"({"scaling_factor": "0.18"})", "scaling_factor"},
        Case{R"({"latent_channels": -4})", "latent_channels"},
        Case{R"({"block_out_channels": []})", "block_out_channels"},
        Case{R"({"block_out_channels": [64, 1.5]})", "block_out_channels"},
        Case{R"({"mid_block_add_attention": "yes"})", "mid_block_add_attention"}}) {
    auto const problems = read(wrong.text).problems;
    BOOST_TEST_REQUIRE(!problems.empty(), wrong.text);
    bool named = false;
    for (Problem const& problem : problems)
      named = named || problem.field.find(wrong.field) != std::string::npos;
    BOOST_TEST(named, wrong.text << " gave " << to_string(problems.front()));
  }
}

BOOST_AUTO_TEST_SUITE_END()
