// Records, seeds, parts and hashes against what Python's json and hashlib make of the same file.
#define BOOST_TEST_MODULE manifest_references
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "config/marked_text.hpp"
#include "manifest/read_manifest.hpp"
#include "manifest/record_identity.hpp"
#include "manifest/record_message.hpp"

using namespace ditbatch;
using nlohmann::json;

namespace {

std::string reference_path(std::string const& name) {
  char const* folder = std::getenv("DITBATCH_REFERENCES");
  BOOST_TEST_REQUIRE(folder != nullptr);
  return std::string(folder) + "/" + name;
}

json text_or_null(std::optional<std::string> const& text) {
  return text ? json(*text) : json(nullptr);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_image_is_what_python_says) {
  json const expected = json::parse(test::read_text(reference_path("expected.json")));
  RunConfig config;
  config.job.seed = expected.at("job_seed");
  config.sampling = {1024, 1024, 28, 3.5, 1.0, "auto", 512};
  Problems problems;
  auto const records =
      read_manifest(reference_path("manifest.jsonl"), config, {{}, 16, 512}, problems);
  BOOST_TEST_REQUIRE(problems.empty(), test::listed(problems));
  BOOST_TEST_REQUIRE(records.size() == expected.at("images").size());
  BOOST_TEST(records.size() > 400U);
  Sha256Digest checkpoint{};
  std::iota(checkpoint.begin(), checkpoint.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < records.size(); ++i) {
    ImageRecord const& record = records[i];
    json const& image = expected.at("images")[i];
    BOOST_TEST_CONTEXT(image.dump()) {
      BOOST_TEST(record.id == image.at("id").get<std::string>());
      BOOST_TEST(record.index == image.at("index").get<int>());
      BOOST_TEST(record.line == image.at("line").get<unsigned>());
      BOOST_TEST(record.seed == image.at("seed").get<std::uint64_t>());
      BOOST_TEST(record.prompt == image.at("prompt").get<std::string>());
      BOOST_TEST(text_or_null(record.prompt_2) == image.at("prompt_2"));
      BOOST_TEST(text_or_null(record.negative_prompt) == image.at("negative_prompt"));
      BOOST_TEST(text_or_null(record.negative_prompt_2) == image.at("negative_prompt_2"));
      BOOST_TEST(record.width_px == image.at("width").get<std::int64_t>());
      BOOST_TEST(record.height_px == image.at("height").get<std::int64_t>());
      BOOST_TEST(record.steps == image.at("steps").get<std::int64_t>());
      BOOST_TEST(record.guidance_scale == image.at("guidance_scale").get<double>());
      BOOST_TEST(record.true_cfg_scale == image.at("true_cfg_scale").get<double>());
      BOOST_TEST(record.max_sequence_length == image.at("max_sequence_length").get<std::int64_t>());
      BOOST_TEST(json(record.tags) == image.at("tags"));
      BOOST_TEST(json::parse(record.metadata) == image.at("metadata"));
      ModelIdentity const model{checkpoint, {{"transformer", "bf16"}, {"vae", "fp32"}}};
      BOOST_TEST(to_hex(record_sha256(record, model, 1)) == image.at("sha256").get<std::string>());
      BOOST_TEST(to_hex(record_sha256(record, model, 2)) ==
                 image.at("sha256_2").get<std::string>());
      json const parameters = json::parse(params_json(record));
      for (char const* key :
           {"seed", "width", "height", "steps", "guidance_scale", "true_cfg_scale",
            "max_sequence_length", "scheduler", "negative_prompt_2"}) {
        BOOST_TEST(parameters.at(key) == image.at(key), key);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(parts_are_what_hashlib_says_and_cover_every_id_once) {
  std::ifstream parts(reference_path("parts.txt"));
  std::string id;
  int count = 0;
  int part = 0;
  int lines = 0;
  std::vector<int> sizes(7);
  while (parts >> id >> count >> part) {
    ++lines;
    if (count == 7) ++sizes.at(static_cast<std::size_t>(part));
    for (int i = 0; i < std::min(count, 8); ++i)
      BOOST_TEST_REQUIRE(is_in_part(id, i, count) == (i == part));
    BOOST_TEST_REQUIRE(is_in_part(id, part, count));
  }
  BOOST_TEST(lines > 1600);
  for (int const size : sizes) BOOST_TEST(size > lines / 4 / 7 / 2);  // no part is left empty
}
