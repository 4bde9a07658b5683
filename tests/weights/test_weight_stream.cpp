// Who reads which bytes: pure plans, for any number of ranks.
#define BOOST_TEST_MODULE weight_stream
#include <boost/test/unit_test.hpp>

#include "core/error.hpp"
#include "weights/parameters.hpp"
#include "weights/weight_stream.hpp"

using namespace ditbatch;

namespace {

Component component_of(std::map<std::string, TensorEntry> tensors) {
  Component component;
  component.folder = "/model/vae";
  component.files = {"/model/vae/1.safetensors", "/model/vae/2.safetensors"};
  component.tensors = std::move(tensors);
  return component;
}

}  // namespace

BOOST_AUTO_TEST_CASE(neighbours_are_read_together_and_what_nobody_wants_is_skipped) {
  Component const component = component_of({{"a", {"F32", {2}, 0, 101, 8}},
                                            {"b", {"BF16", {3}, 0, 109, 6}},
                                            {"encoder", {"F32", {100}, 0, 115, 400}},
                                            {"c", {"F16", {2, 1, 1}, 0, 515, 4}},
                                            {"d", {"F64", {1}, 1, 33, 8}}});
  WeightStream const stream = plan_stream(
      component, {{"d", {1}}, {"old_c", {2}, {"c"}}, {"b", {3}}, {"a", {2}, {}, c10::kDouble}},
      c10::kHalf);
  BOOST_TEST(stream.size_bytes == 26U);
  BOOST_TEST_REQUIRE(stream.extents.size() == 3U);
  BOOST_TEST(stream.extents[0].offset == 101U);
  BOOST_TEST(stream.extents[0].size_bytes == 14U);
  BOOST_TEST(stream.extents[1].offset == 515U);
  BOOST_TEST(stream.extents[1].begin == 14U);
  BOOST_TEST(stream.extents[2].file == 1U);
  BOOST_TEST(stream.tensors[stream.place.at("old_c")].begin == 14U);
  BOOST_TEST((stream.tensors[stream.place.at("a")].wanted == c10::kDouble));
  BOOST_TEST((stream.tensors[stream.place.at("d")].wanted == c10::kHalf));
}

BOOST_AUTO_TEST_CASE(missing_and_misshapen_parameters_are_named) {
  Component const component =
      component_of({{"a", {"F32", {2, 2}, 0, 8, 16}}, {"b", {"F32", {3}, 1, 8, 12}}});
  Problems problems;
  check_parameters(component, {{"a", {2, 2}}, {"old_b", {3}, {"b"}}}, problems);
  BOOST_TEST(problems.empty());
  check_parameters(component, {{"a", {4}}, {"aa", {2, 2}}}, problems);
  BOOST_TEST_REQUIRE(problems.all().size() == 2U);
  std::string const shape = to_string(problems.all()[0]), missing = to_string(problems.all()[1]);
  BOOST_TEST(shape.find("1.safetensors") != std::string::npos, shape);
  BOOST_TEST(shape.find("has shape (2, 2) (config.json asks for (4))") != std::string::npos, shape);
  BOOST_TEST(missing.find("aa: missing from the weights") != std::string::npos, missing);
  BOOST_CHECK_THROW((void)plan_stream(component, {{"a", {5}}}, c10::kFloat), BadInput);
}

BOOST_AUTO_TEST_CASE(a_tensor_that_layers_share_is_read_once) {
  Component const component = component_of({{"a", {"F32", {2}, 0, 8, 8}}});
  WeightStream const stream =
      plan_stream(component, {{"a", {2}}, {"tied", {2}, {"a"}}}, c10::kFloat);
  BOOST_TEST(stream.size_bytes == 8U);
  BOOST_TEST(stream.tensors.at(0).uses == 2);
  BOOST_CHECK_THROW((void)plan_stream(component, {{"b", {2}}}, c10::kFloat), BadInput);
}

BOOST_AUTO_TEST_CASE(every_byte_is_read_by_one_rank_and_shares_are_even) {
  constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
  for (int const ranks : {1, 2, 3, 4, 7, 8, 64, 512, 5000}) {
    for (std::uint64_t const bytes :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4097}, 16 * mib, 16 * mib + 1,
          100 * mib + 13, std::uint64_t{23'802'816'640}}) {
      std::vector<std::uint64_t> read(static_cast<std::size_t>(ranks));
      std::uint64_t at = 0;
      for (ReadRound const& round : share_out(bytes, ranks)) {
        BOOST_REQUIRE(round.size() == read.size());
        std::uint64_t const begin = at;
        for (std::size_t rank = 0; rank < round.size(); ++rank) {
          BOOST_REQUIRE(round[rank].begin == at);
          at += round[rank].size_bytes;
          read[rank] += round[rank].size_bytes;
        }
        BOOST_REQUIRE(at > begin);
        BOOST_REQUIRE(at - begin <= 512 * mib);
      }
      BOOST_TEST(at == bytes);
      // Even to a page a rank and round, for a checkpoint in reach of so many ranks.
      if (bytes > 1000 * mib) {
        BOOST_TEST(*std::max_element(read.begin(), read.end()) <=
                   bytes / static_cast<std::uint64_t>(ranks) + mib);
      }
    }
  }
}
