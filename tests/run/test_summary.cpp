// What a job says at its end: seconds that add up, and how busy the GPUs were.
#define BOOST_TEST_MODULE summary
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "run/summary.hpp"

using namespace ditbatch;

namespace {

RankTotals rank_totals(int rank, double denoise_s, double writer_wait_s, GpuUse const& gpu) {
  RankTotals totals;
  totals.rank = rank;
  totals.host = "node";
  totals.phase_s[static_cast<std::size_t>(Phase::denoise)] = denoise_s;
  totals.phase_s[static_cast<std::size_t>(Phase::drain)] = 1;
  totals.wall_s = denoise_s + 1;
  totals.writer_wait_s = writer_wait_s;
  totals.gpu = gpu;
  return totals;
}

GpuUse gpu_use(double busy_s, double steady_s) {
  GpuUse use;
  use.busy_s = busy_s;
  use.steady_s = steady_s;
  use.class_s[static_cast<std::size_t>(KernelClass::gemm)] = busy_s;
  return use;
}

JobSummary summary_of(std::vector<RankTotals> ranks) {
  JobSummary summary;
  summary.name = "job";
  for (RankTotals const& totals : ranks)  // as they come from other ranks
    summary.ranks.push_back(rank_totals_from_message(to_message(totals)));
  return summary;
}

bool has(std::string const& text, std::string const& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_parts_stand_beside_the_whole) {
  JobSummary const summary = summary_of({rank_totals(0, 20, 0, {}), rank_totals(1, 22, 0.5, {})});
  std::string const text = summary_text(summary);
  BOOST_TEST(has(text, "  denoise                21.00      22.00  (1)"), text);
  BOOST_TEST(has(text, "  sum                    22.00  of 22.00"), text);
  BOOST_TEST(has(text, "  writer wait             0.25       0.50  (1) within hand_over"), text);
  BOOST_TEST(text.find("GPU") == std::string::npos, text);
  auto const json = nlohmann::json::parse(summary_json(summary));
  BOOST_TEST(json.at("gpu_busy_fraction") == 0.0);
  BOOST_TEST(json.at("ranks").at(0).at("gpu_steady_s") == 0.0);
  BOOST_TEST(json.at("ranks").at(0).at("gpu_class_s").empty());
}

BOOST_AUTO_TEST_CASE(constant_images_of_all_ranks_are_told) {
  std::vector<RankTotals> ranks{rank_totals(0, 1, 0, {}), rank_totals(1, 1, 0, {})};
  BOOST_TEST(summary_text(summary_of(ranks)).find("constant") == std::string::npos);
  ranks[0].constant_images = 2;
  ranks[1].constant_images = 1;
  JobSummary const summary = summary_of(ranks);
  BOOST_TEST(has(summary_text(summary),
                 "  3 of them are constant: all bytes are the same (pixel_std is 0)"));
  BOOST_TEST(nlohmann::json::parse(summary_json(summary)).at("images_constant") == 3);
}

BOOST_AUTO_TEST_CASE(the_least_busy_gpu_speaks_for_all) {
  // Rank 2's kernels could not be recorded.
  JobSummary const summary =
      summary_of({rank_totals(0, 20, 0, gpu_use(9.9, 10)), rank_totals(1, 20, 0, gpu_use(7.2, 9)),
                  rank_totals(2, 20, 0, {})});
  std::string const text = summary_text(summary);
  BOOST_TEST(has(text, "  GPU busy 80.0 % of the steady 9.0 s (rank 1; least of all ranks)"), text);
  auto const json = nlohmann::json::parse(summary_json(summary));
  BOOST_TEST(json.at("gpu_busy_fraction").get<double>() == 7.2 / 9);
  auto const& rank = json.at("ranks").at(1);
  BOOST_TEST((rank.at("gpu_busy_s") == 7.2 && rank.at("gpu_steady_s") == 9.0));
  BOOST_TEST((rank.at("gpu_class_s") == nlohmann::json{{"gemm", 7.2}}));
}
