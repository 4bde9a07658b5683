#include "bench/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/error.hpp"

namespace ditbatch {

namespace {

constexpr double wanted_confidence = 0.95;

// P(exactly `below` of `count` values lie below the median), by logarithms: 2^-count underflows.
double probability(std::size_t below, std::size_t count) {
  auto const n = static_cast<double>(count);
  auto const k = static_cast<double>(below);
  return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) -
                  n * std::log(2.0));
}

double sorted_median(std::vector<double> const& sorted) {
  std::size_t const middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

}  // namespace

double median_of(std::vector<double> values) {
  ensure(!values.empty(), "a median is of at least one value");
  std::sort(values.begin(), values.end());
  return sorted_median(values);
}

SampleSummary summarise(std::vector<double> values) {
  ensure(!values.empty(), "a summary is of at least one value");
  std::sort(values.begin(), values.end());
  std::size_t const count = values.size();
  SampleSummary summary;
  summary.median = sorted_median(values);
  summary.least = values.front();
  summary.most = values.back();
  // Outside of the pair (place, count - 1 - place) lie at most `place` values on one side.
  std::size_t place = 0;
  double one_side = probability(0, count);
  while (2 * (place + 1) < count) {
    double const wider = one_side + probability(place + 1, count);
    if (1 - 2 * wider < wanted_confidence) break;
    one_side = wider;
    ++place;
  }
  summary.low = values[place];
  summary.high = values[count - 1 - place];
  summary.confidence = std::max(0.0, 1 - 2 * one_side);
  return summary;
}

}  // namespace ditbatch
