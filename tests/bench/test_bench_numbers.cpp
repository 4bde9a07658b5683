// What bench computes without measuring: the plan, statistics, FLOP, bytes, tables.
#define BOOST_TEST_MODULE bench_numbers
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "bench/bench_plan.hpp"
#include "bench/bench_report.hpp"
#include "bench/case_summary.hpp"
#include "bench/chrome_trace.hpp"
#include "bench/statistics.hpp"
#include "families/flux/flux_work.hpp"
#include "models/vae/vae_layers.hpp"

using namespace ditbatch;
using nlohmann::json;

namespace {

flux::FluxConfigs flux_dev() {
  flux::FluxConfigs configs;
  configs.transformer.guidance_embeds = true;
  configs.vae.latent_channels = 16;
  configs.vae.block_channels = {128, 256, 512, 512};
  configs.vae.layers_per_block = 2;
  configs.vae.post_quant_conv = false;
  return configs;
}

RunConfig study(std::vector<BenchLayout> const& layouts) {
  RunConfig config;
  config.config_path = "study.toml";
  config.sampling = {1024, 1024, 28, 3.5, 1, "auto", 512};
  config.bench.layouts = layouts;
  config.bench.sizes = {{1024, 1024}, {512, 768}, {1000, 1000}};
  config.bench.batch_sizes = {1, 4};
  return config;
}

bool says(std::string const& text, char const* part) {
  return text.find(part) != std::string::npos;
}

CaseResult made_up(int ulysses, double image_s) {
  CaseResult result;
  result.layout.mesh.ulysses = ulysses;
  result.work = {1024, 1024, 28, 512, 1};
  result.step_flop = {60e12, 15e12};
  result.decode_flop = 10e12;
  for (int rank = 0; rank < ulysses; ++rank) {
    RankResult one;
    one.rank = rank;
    one.is_leader = rank == 0;
    for (int i = 0; i < 3; ++i)
      one.batches.push_back({0, image_s * (0.8 + 0.1 * i), image_s * 0.1});
    one.text_s = {0.04, 0.05, 0.06};
    one.wall_s = 3 * image_s;
    one.floor_s = {image_s * 0.8, image_s * (0.7 + 0.02 * rank), image_s * 0.6};
    one.power = PowerReading{3 * image_s, 60, 1500, 690, 60, 690 * 3 * image_s, 1};
    result.ranks.push_back(one);
  }
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(medians_and_their_intervals) {
  BOOST_TEST(median_of({3, 1, 2}) == 2);
  BOOST_TEST(median_of({4, 1, 2, 3}) == 2.5);
  SampleSummary const one = summarise({7});
  BOOST_TEST((one.median == 7 && one.low == 7 && one.high == 7 && one.confidence == 0));
  SampleSummary const five = summarise({5, 4, 3, 2, 1});
  BOOST_TEST((five.low == 1 && five.high == 5));
  BOOST_TEST(std::abs(five.confidence - (1 - std::pow(2.0, -4))) < 1e-12);
  // Of ten, the second and the ninth: 1 - 2 (1 + 10) / 1024.
  SampleSummary const ten = summarise({10, 9, 8, 7, 6, 5, 4, 3, 2, 1});
  BOOST_TEST((ten.low == 2 && ten.high == 9 && ten.median == 5.5));
  BOOST_TEST(std::abs(ten.confidence - (1 - 22.0 / 1024)) < 1e-12);
  BOOST_TEST((ten.least == 1 && ten.most == 10));
  // Tables of the sign test: of 100, the 40th and the 61st.
  std::vector<double> hundred;
  for (int i = 1; i <= 100; ++i) hundred.push_back(i);
  BOOST_TEST((summarise(hundred).low == 40 && summarise(hundred).high == 61));
}

BOOST_AUTO_TEST_CASE(an_interval_covers_the_median_as_often_as_it_says) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> draw;  // its median is 1
  for (int const size : {6, 11, 24}) {
    int covered = 0;
    constexpr int rounds = 4000;
    double confidence = 0;
    for (int round = 0; round < rounds; ++round) {
      std::vector<double> sample(static_cast<std::size_t>(size));
      for (double& value : sample) value = draw(random);
      SampleSummary const summary = summarise(sample);
      covered += summary.low <= 1 && 1 <= summary.high ? 1 : 0;
      confidence = summary.confidence;
    }
    BOOST_TEST(confidence >= 0.95);
    BOOST_TEST(std::abs(covered / double{rounds} - confidence) < 0.012);
  }
}

BOOST_AUTO_TEST_CASE(flux_dev_takes_74_4_tflop_a_step) {
  StepFlop const step =
      flop_of(flux::step_calls(flux_dev().transformer, make_token_layout(512, 4096, {}), 1));
  // 9 width^2 products and the queries of 512 text rows that the last block leaves out.
  double const unread_gemm = 2.0 * 9 * 3072 * 3072 * 512;
  double const unread_attention = 4.0 * 512 * 4608 * 3072;
  BOOST_TEST(std::abs((step.gemm + unread_gemm) / 1e12 - 59.5) < 0.02);
  BOOST_TEST(std::abs((step.attention + unread_attention) / 1e12 - 14.9) < 0.03);
  BOOST_TEST(std::abs((step.total() + unread_gemm + unread_attention) / 1e12 - 74.4) < 0.05);
  // 9.9 of convolutions, 0.6 of the attention over all pixels.
  BOOST_TEST(std::abs(decoder_flop(flux_dev().vae, 1024, 1024) / 1e12 - 10.47) < 0.05);
}

BOOST_AUTO_TEST_CASE(the_ranks_of_a_branch_share_the_work_of_one) {
  FluxConfig const config = flux_dev().transformer;
  double const whole =
      flop_of(flux::step_calls(config, make_token_layout(77, 1023, {}), 1)).total();
  for (auto const& [ring, ulysses] : {std::array{1, 4}, std::array{3, 1}, std::array{2, 6}}) {
    double sum = 0;
    for (int r = 0; r < ring; ++r) {
      for (int u = 0; u < ulysses; ++u)
        sum +=
            flop_of(flux::step_calls(config, make_token_layout(77, 1023, {ring, ulysses, r, u}), 1))
                .total();
    }
    BOOST_TEST(std::abs(sum / whole - 1) < 1e-9);
  }
  double const batch =
      flop_of(flux::step_calls(config, make_token_layout(77, 1023, {}), 3)).total();
  BOOST_TEST(std::abs(batch / whole - 3) < 1e-9);
  BOOST_TEST(evaluations_per_step(1, 0, Branches::both) == 2);
  BOOST_TEST(evaluations_per_step(2, 1, Branches::both) == 1);
  BOOST_TEST(evaluations_per_step(2, 1, Branches::conditional) == 0);
}

BOOST_AUTO_TEST_CASE(one_rank_exchanges_nothing_and_ulysses_what_it_must) {
  ImageWork const image{1024, 1024, 28, 512, Branches::conditional};
  BOOST_TEST(flux::exchange_bytes(flux_dev(), {2, 2}, image, {}, {}).total() == 0U);
  // 4 ranks: 3/4 of 4608 tokens come with q, k, v of 6 heads; 1152 own tokens with 18 heads.
  ExchangeBytes const quarter =
      flux::exchange_bytes(flux_dev(), {2, 2}, image, {1, 1, 1, 1, 4}, {0, 0, 0, 0, 2});
  // The last block gives no text rows back: 128 of its own with 18 heads.
  BOOST_TEST(quarter.ulysses == 28ULL * (57 * (3456 * 3 * 6 + 1152 * 18) - 128 * 18) * 128 * 2);
  BOOST_TEST((quarter.ring == 0U && quarter.cfg == 0U));
  BOOST_TEST(quarter.branch == 3072U * 64 * 2);
  BOOST_TEST(quarter.replica > 0U);
}

BOOST_AUTO_TEST_CASE(every_layout_is_planned_with_every_size_or_a_reason) {
  RunConfig const config = study({{},
                                  {.ulysses = 4},
                                  {.ranks = 2, .ring = 2},
                                  {.cfg = 2, .ulysses = 2, .true_cfg = true},
                                  {.ulysses = 5},
                                  {.ulysses = 16, .ring = 16},
                                  {.ranks = 64},
                                  {.pipefusion = 2}});
  std::vector<PlannedLayout> const plan = plan_bench(config, {{}, 16, 512}, {24}, 8);
  BOOST_TEST_REQUIRE(plan.size() == 8U);
  BOOST_TEST((plan[0].mesh == MeshShape{8, 1, 1, 1, 1}));
  BOOST_TEST((plan[1].mesh == MeshShape{2, 1, 1, 1, 4}));
  BOOST_TEST((plan[2].mesh == MeshShape{1, 1, 1, 2, 1}));
  BOOST_TEST((plan[3].mesh == MeshShape{2, 2, 1, 1, 2}));
  BOOST_TEST(name_of(plan[3]) == "replica2.cfg2.ring1.ulysses2.true_cfg");
  for (int i : {0, 1, 2, 3}) BOOST_TEST(plan[static_cast<std::size_t>(i)].refusal == "");
  BOOST_TEST(says(plan[4].refusal, "does not divide the model's 24 heads"));
  BOOST_TEST(says(plan[5].refusal, "does not divide"));
  BOOST_TEST(says(plan[6].refusal, "needs 64 ranks, the world has 8"));
  BOOST_TEST(says(plan[7].refusal, "pipefusion"));
  for (PlannedLayout const& layout : plan) {
    BOOST_TEST_REQUIRE(layout.cases.size() == 6U);
    BOOST_TEST(layout.cases[3].work.batch == 4);
    BOOST_TEST((layout.cases[2].work.width_px == 512 && layout.cases[2].work.height_px == 768));
    BOOST_TEST(layout.cases[0].work.steps == 28);
    for (BenchCase const& each : layout.cases) {
      if (!layout.refusal.empty())
        BOOST_TEST(each.refusal == layout.refusal);
      else
        BOOST_TEST(each.refusal.empty() == (each.work.width_px != 1000));
    }
  }
  BOOST_TEST(says(plan[0].cases[4].refusal, "multiples of 16"));
}

BOOST_AUTO_TEST_CASE(without_a_bench_table_the_job_itself_is_measured) {
  RunConfig config;
  config.mesh.ulysses = 2;
  config.sampling = {640, 1024, 28, 3.5, 1, "auto", 512};
  config.sampling.true_cfg_scale = 3;
  std::vector<PlannedLayout> const plan = plan_bench(config, {{}, 16, 512}, {24}, 4);
  BOOST_TEST_REQUIRE(plan.size() == 1U);
  BOOST_TEST((plan[0].mesh == MeshShape{2, 1, 1, 1, 2} && plan[0].uses_true_cfg()));
  BOOST_TEST((plan[0].cases.size() == 1U && plan[0].cases[0].work.width_px == 640));
  std::vector<ImageRecord> const records =
      bench_records(config, {640, 1024, 7, 512, 3}, plan[0].wanted);
  BOOST_TEST((records.size() == 3U && records[2].seed == 2U && flux::uses_true_cfg(records[0])));
  BOOST_TEST((records[1].steps == 7 && records[1].true_cfg_scale == 3.0));
}

BOOST_AUTO_TEST_CASE(summaries_and_tables_agree) {
  BenchStudy made;
  made.name = "study";
  made.repetitions = 3;
  made.machine.hardware = "a, \"b\"";
  made.cases = {made_up(1, 4.0), made_up(4, 1.25)};
  CaseResult refused = made_up(3, 1);
  refused.refusal = "3 does not divide 8, \"so\"";
  refused.ranks.clear();
  made.cases.push_back(refused);

  CaseSummary const four = summary_of(made.cases[1]);
  BOOST_TEST(std::abs(four.image_s.median - 1.25) < 1e-12);
  BOOST_TEST(std::abs(four.denoise_s.median - 1.125) < 1e-12);
  BOOST_TEST(std::abs(*four.floor_s - 1.25 * 0.76) < 1e-12);  // of the slowest rank
  BOOST_TEST(std::abs(*four.floor_fraction - 0.95 / 1.125) < 1e-12);
  BOOST_TEST(std::abs(four.denoise_tflops - 75.0 * 28 / 1.125 / 4) < 1e-9);
  BOOST_TEST(std::abs(*four.joules_per_image - 4 * 690 * 1.25) < 1e-6);
  BOOST_TEST(!four.waiting_share.has_value());
  BOOST_TEST(std::abs(*scaling_efficiency(made, made.cases[1]) - 4.0 / (1.25 * 4)) < 1e-12);
  BOOST_TEST(*scaling_efficiency(made, made.cases[0]) == 1.0);

  json const read = json::parse(bench_json(made));
  BOOST_TEST(read.at("cases").size() == 3U);
  BOOST_TEST(read.at("cases")[1].at("summary").at("image_s").at("median").get<double>() == 1.25);
  BOOST_TEST(read.at("cases")[2].at("refusal") == refused.refusal);
  RankResult const back = rank_result_from_message(to_message(made.cases[1].ranks[3]));
  BOOST_TEST(to_message(back) == to_message(made.cases[1].ranks[3]));

  std::istringstream csv(bench_csv(made));
  std::string header, line;
  std::getline(csv, header);
  std::size_t lines = 0;
  auto const columns = [](std::string const& text) {
    std::string const plain = text.substr(0, text.find('"'));
    return std::count(plain.begin(), plain.end(), ',');
  };
  while (std::getline(csv, line)) {
    BOOST_TEST(columns(line) == columns(header), line);
    lines += 1;
  }
  BOOST_TEST(lines == 3U);
  std::string const text = bench_text(made);
  BOOST_TEST(says(text, "not measured: 3 does not divide 8"));
  BOOST_TEST(says(text, "84.4 %"), text);
}

BOOST_AUTO_TEST_CASE(a_timeline_is_json_in_microseconds) {
  Timeline timeline;
  timeline.tracks.push_back({3, 1, "rank 3: \"x\"", "writer"});
  timeline.events.push_back({"denoise", "fox \xFF", 3, 1, 5'000'000'123, 5'000'001'124});
  timeline.events.push_back({"wait", "", 3, 1, 5'000'000'000, 5'000'000'123});
  json const events = json::parse(chrome_trace_json(timeline)).at("traceEvents");
  BOOST_TEST_REQUIRE(events.size() == 4U);
  BOOST_TEST((events[0].at("ph") == "M" && events[0].at("args").at("name") == "rank 3: \"x\""));
  BOOST_TEST((events[2].at("ph") == "X" && events[2].at("ts") == 0.123));
  BOOST_TEST((events[2].at("dur") == 1.001 && events[2].at("pid") == 3));
  BOOST_TEST((events[3].at("ts") == 0.0 && !events[3].contains("args")));
  BOOST_TEST(json::parse(chrome_trace_json({})).at("traceEvents").empty());
}
