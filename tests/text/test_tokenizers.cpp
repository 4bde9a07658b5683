// Token ids equal to those of transformers, for every prompt of make_tokenizer_references.py.
#define BOOST_TEST_MODULE tokenizers
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "text/tokenizer.hpp"

using namespace ditbatch;

namespace {

std::vector<std::string> const tokenizers{"clip-legacy", "clip-json", "clip-published", "t5-legacy",
                                          "t5-json"};

std::unique_ptr<Tokenizer> open(std::string const& name) {
  std::string const folder = std::string(std::getenv("DITBATCH_TOKENIZER_DIR")) + "/" + name;
  Problems problems;
  auto tokenizer = name.rfind("clip", 0) == 0 ? open_clip_tokenizer(folder, problems)
                                              : open_t5_tokenizer(folder, problems);
  problems.throw_if_any();
  return tokenizer;
}

}  // namespace

BOOST_DATA_TEST_CASE(every_prompt_has_the_ids_of_transformers,
                     boost::unit_test::data::make(tokenizers), name) {
  auto const tokenizer = open(name);
  std::ifstream file(std::string(std::getenv("DITBATCH_TOKENIZER_DIR")) + "/" + name + ".jsonl");
  std::string line;
  int prompts = 0;
  int different = 0;
  while (std::getline(file, line)) {
    auto const reference = nlohmann::json::parse(line);
    std::vector<std::int64_t> const expected = reference.at("ids");
    std::string const prompt = reference.at("prompt");
    std::vector<std::int64_t> const made = tokenizer->encode(prompt, expected.size());
    ++prompts;
    if (made == expected) continue;
    if (++different <= 10) {
      std::size_t const at = static_cast<std::size_t>(
          std::mismatch(made.begin(), made.end(), expected.begin()).first - made.begin());
      BOOST_TEST_MESSAGE(name << " differs at token " << at << ": " << made[at] << " for "
                              << expected[at] << " in "
                              << reference.at("prompt").dump(-1, ' ', true).substr(0, 300));
    }
  }
  BOOST_TEST_MESSAGE(name << ": " << prompts << " prompts, " << different << " differ");
  BOOST_TEST(prompts >= 2000);
  BOOST_TEST(different == 0);
}
