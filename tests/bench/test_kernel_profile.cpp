// The kernels of an image by class, and the time that none of them takes.
#define BOOST_TEST_MODULE kernel_profile
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "bench/chrome_trace.hpp"
#include "bench/kernel_profile.hpp"
#include "bench/kernel_timeline.hpp"

using namespace ditbatch;

namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr char const* gemm = "nvjet_tst_256x128_64x4_2x1_h_bz_coopA_bias_TNT";
constexpr char const* attention = "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16";
constexpr char const* nccl = "ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)";
constexpr char const* norm =
    "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::BFloat16, float>";

bool is_near(double a, double b) { return std::abs(a - b) < 1e-9; }

}  // namespace

BOOST_AUTO_TEST_CASE(classes_add_up_and_overlaps_count_once_as_busy) {
  // 0..40 ms denoise, 40..60 decode; a kernel before the image is not of it.
  std::vector<KernelRecord> const records{
      {gemm, 90 * ms, 99 * ms, 7},           {attention, 120 * ms, 125 * ms, 7},
      {gemm, 101 * ms, 111 * ms, 7},         {nccl, 105 * ms, 115 * ms, 8},
      {norm, 125 * ms, 126 * ms, 7},         {norm, 141 * ms, 151 * ms, 7},
      {"conv_fprop", 151 * ms, 158 * ms, 7}, {nccl, 158 * ms, 159 * ms, 8}};
  KernelProfile const profile = profile_of(records, {100 * ms, 140 * ms, 160 * ms});
  BOOST_TEST((is_near(profile.wall_ms, 60) && is_near(profile.denoise_ms, 40)));
  BOOST_TEST(is_near(profile.ms_of(KernelClass::gemm), 10));
  BOOST_TEST(is_near(profile.ms_of(KernelClass::attention), 5));
  BOOST_TEST(is_near(profile.ms_of(KernelClass::exchange), 11));
  BOOST_TEST(is_near(profile.ms_of(KernelClass::elementwise), 1));
  BOOST_TEST(is_near(profile.ms_of(KernelClass::decode), 17));
  BOOST_TEST(is_near(profile.busy_ms, 14 + 6 + 18));
  BOOST_TEST(is_near(profile.exchange_exposed_ms, 4 + 1));
  BOOST_TEST_REQUIRE(profile.exchange_us.size() == 2U);
  BOOST_TEST((is_near(profile.exchange_us[0], 10'000) && is_near(profile.exchange_us[1], 1000)));
  BOOST_TEST_REQUIRE(profile.gaps.size() == 4U);
  BOOST_TEST((is_near(profile.gaps[0].ms, 15) && is_near(profile.gaps[0].at_ms, 26)));
  BOOST_TEST((profile.gaps[0].after == norm && profile.gaps[0].before == norm));
  BOOST_TEST(is_near(profile.gaps[1].ms, 5));
  double gaps_ms = 0;
  for (KernelGap const& gap : profile.gaps) gaps_ms += gap.ms;
  BOOST_TEST(is_near(gaps_ms + profile.busy_ms, profile.wall_ms));
  BOOST_TEST((profile.kernels[0].name == gemm || profile.kernels[0].name == norm ||
              profile.kernels[0].name == nccl));
  BOOST_TEST(profile_of({}, {0, 5, 10}).busy_ms == 0);
}

BOOST_AUTO_TEST_CASE(waiting_is_what_an_exchange_takes_longer_than_on_the_last_rank) {
  std::vector<double> const first{100, 60, 80}, second{90, 75, 80}, third{95, 60, 200}, fewer{1, 2};
  BOOST_TEST(is_near(waiting_ms({&first, &second, &third}).value(), 0.010));
  BOOST_TEST(is_near(waiting_ms({&third, &first, &second}).value(), 0.125));
  BOOST_TEST(is_near(waiting_ms({&first}).value(), 0));
  BOOST_TEST(!waiting_ms({&first, &fewer}).has_value());
}

BOOST_AUTO_TEST_CASE(a_ranks_kernels_become_rows_that_do_not_overlap) {
  std::vector<KernelRecord> const records{
      {gemm, 20, 40, 7}, {norm, 38, 50, 7}, {norm, 45, 48, 7}, {nccl, 22, 44, 9}};
  Timeline const timeline = timeline_from_messages(
      {"", timeline_message(2, "rank 2", records, {{"denoise", "", 10, 60, 0}}), ""});
  BOOST_TEST(timeline.tracks.size() == 3U);          // phases and two streams
  BOOST_TEST_REQUIRE(timeline.events.size() == 4U);  // one lies within another of its stream
  for (TimelineEvent const& a : timeline.events) {
    BOOST_TEST((a.process == 2 && a.begin_ns < a.end_ns));
    for (TimelineEvent const& b : timeline.events) {
      if (&a == &b || a.thread != b.thread) continue;
      BOOST_TEST((a.end_ns <= b.begin_ns || b.end_ns <= a.begin_ns));
    }
  }
}
