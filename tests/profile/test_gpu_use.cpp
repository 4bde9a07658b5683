// How busy a GPU was: what overlapping kernels cover, whatever the order in which they are known.
#define BOOST_TEST_MODULE gpu_use
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>

#include "profile/gpu_use.hpp"

using namespace ditbatch;

namespace {

constexpr std::int64_t us = 1000;
constexpr TimeSpan always{0, 1'000'000 * us};

KernelRecord kernel(std::int64_t begin_us, std::int64_t end_us, char const* name = "gemm") {
  return {name, begin_us * us, end_us * us, 7};
}

GpuUseMeter::Result use_of(std::vector<KernelRecord> const& records, TimeSpan window = always) {
  GpuUseMeter meter;
  meter.add(records);
  return meter.finish(window);
}

std::int64_t busy_us(GpuUseMeter::Result const& result) {
  return std::llround(result.use.busy_s * 1e6);
}

bool lies(BusyStretch const& stretch, std::int64_t begin_us, std::int64_t end_us,
          std::int64_t stretch_busy_us) {
  return stretch.time.begin_ns == begin_us * us && stretch.time.end_ns == end_us * us &&
         stretch.busy_ns == stretch_busy_us * us;
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_moment_is_in_one_piece) {
  // Overlapping, nested, alike, touching, empty, apart.
  std::vector<TimeSpan> const spans{{0, 10},  {5, 20},  {6, 9},   {6, 20},
                                    {20, 25}, {25, 25}, {40, 50}, {41, 60}};
  std::vector<CoveredPiece> const pieces = covered_pieces(spans, {2, 55});
  std::vector<CoveredPiece> const expected{
      {0, {2, 10}}, {1, {10, 20}}, {4, {20, 25}}, {6, {40, 50}}, {7, {50, 55}}};
  BOOST_TEST_REQUIRE(pieces.size() == expected.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    BOOST_TEST(pieces[i].index == expected[i].index);
    BOOST_TEST(pieces[i].time.begin_ns == expected[i].time.begin_ns);
    BOOST_TEST(pieces[i].time.end_ns == expected[i].time.end_ns);
  }
  BOOST_TEST(covered_pieces(spans, {70, 90}).empty());
  BOOST_TEST(covered_pieces({}, {0, 10}).empty());
}

BOOST_AUTO_TEST_CASE(short_gaps_are_bridged_but_are_not_busy) {
  auto const result = use_of({kernel(100, 200), kernel(249, 300), kernel(350, 400)});
  BOOST_TEST(busy_us(result) == 100 + 51 + 50);
  BOOST_TEST_REQUIRE(result.stretches.size() == 2U);  // a gap of 49 us is none, one of 50 us is
  BOOST_TEST(lies(result.stretches[0], 100, 300, 151));
  BOOST_TEST(lies(result.stretches[1], 350, 400, 50));
}

BOOST_AUTO_TEST_CASE(streams_that_overlap_count_once_in_busy_and_in_full_by_class) {
  auto const result =
      use_of({kernel(0, 100), kernel(50, 150, "ncclDevKernel_AllGather"), kernel(60, 70)});
  BOOST_TEST(busy_us(result) == 150);
  auto const us_of = [&](KernelClass kind) {
    return std::llround(result.use.class_s[static_cast<std::size_t>(kind)] * 1e6);
  };
  BOOST_TEST(us_of(KernelClass::gemm) == 110);
  BOOST_TEST(us_of(KernelClass::exchange) == 100);
  BOOST_TEST(us_of(KernelClass::copy) == 0);
}

BOOST_AUTO_TEST_CASE(a_window_clips_what_lies_over_its_edges) {
  std::vector<KernelRecord> const records{kernel(0, 100), kernel(200, 300), kernel(400, 500),
                                          kernel(600, 700)};
  auto const result = use_of(records, {50 * us, 450 * us});
  BOOST_TEST(busy_us(result) == 50 + 100 + 50);
  BOOST_TEST(std::abs(result.use.steady_s - 400e-6) < 1e-12);
  BOOST_TEST(std::abs(result.use.fraction() - 0.5) < 1e-9);
  BOOST_TEST_REQUIRE(result.stretches.size() == 3U);
  BOOST_TEST(lies(result.stretches.front(), 50, 100, 50));
  BOOST_TEST(lies(result.stretches.back(), 400, 450, 50));
  BOOST_TEST(use_of(records, {800 * us, 900 * us}).use.fraction() == 0);
  BOOST_TEST(use_of(records, {900 * us, 800 * us}).use.steady_s == 0);
  BOOST_TEST(use_of({}).use.busy_s == 0);
  BOOST_TEST(use_of({kernel(100, 0)}).use.class_s[0] == 0);  // its end is not known
}

BOOST_AUTO_TEST_CASE(deliveries_add_up_to_what_they_are_together) {
  std::mt19937 random(5);
  std::vector<KernelRecord> all;
  for (std::int64_t i = 0; i < 5000; ++i) {
    std::int64_t const begin_us = 10 * i + static_cast<std::int64_t>(random() % 200);
    all.push_back(kernel(begin_us, begin_us + 1 + static_cast<std::int64_t>(random() % 12)));
  }
  auto const together = use_of(all);
  GpuUseMeter meter;
  for (std::size_t first = 0; first < all.size(); first += 500)
    meter.add({all.begin() + static_cast<std::ptrdiff_t>(first),
               all.begin() + static_cast<std::ptrdiff_t>(first + 500)});
  auto const apart = meter.finish(always);
  BOOST_TEST(together.use.busy_s > 0);
  BOOST_TEST(apart.use.busy_s == together.use.busy_s);
  BOOST_TEST((apart.use.class_s == together.use.class_s));
  BOOST_TEST_REQUIRE(apart.stretches.size() == together.stretches.size());
  BOOST_TEST(apart.stretches.size() < all.size());
  for (std::size_t i = 0; i < apart.stretches.size(); ++i)
    BOOST_TEST(apart.stretches[i].busy_ns == together.stretches[i].busy_ns);
}

BOOST_AUTO_TEST_CASE(kinds_that_are_delivered_late_count_in_full) {
  constexpr std::int64_t second_us = 1'000'000;
  constexpr TimeSpan minutes{0, 400 * second_us * us};
  // Kernels come at once, copies in between them 20 s late; for some minutes.
  GpuUseMeter meter;
  std::vector<KernelRecord> copies;
  for (std::int64_t second = 0; second < 300; ++second) {
    std::vector<KernelRecord> kernels;
    for (std::int64_t i = 0; i < 10; ++i) {
      std::int64_t const at_us = second * second_us + i * 100'000;
      kernels.push_back(kernel(at_us, at_us + 40'000));
      copies.push_back(kernel(at_us + 30'000, at_us + 70'000, "memcpy"));
    }
    meter.add(kernels);
    if (second % 20 == 19) {
      meter.add(copies);
      copies.clear();
    }
  }
  BOOST_TEST(busy_us(meter.finish(minutes)) == 3000 * 70'000);
}

BOOST_AUTO_TEST_CASE(what_comes_far_too_late_is_not_counted_twice) {
  constexpr std::int64_t minute_us = 60'000'000;
  constexpr TimeSpan minutes{0, 10 * minute_us * us};
  GpuUseMeter meter;
  for (std::int64_t i = 0; i < 8; ++i) meter.add({kernel(minute_us * i, minute_us * i + 900)});
  meter.add({kernel(0, 1500)});
  BOOST_TEST(busy_us(meter.finish(minutes)) == 8 * 900);
}
