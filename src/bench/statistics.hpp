#pragma once

#include <vector>

namespace ditbatch {

/// A sample, summarised without assuming any distribution.
struct SampleSummary {
  double median = 0;
  double low = 0;  // confidence interval of the median
  double high = 0;
  double confidence = 0;  // its probability; below 0.95 only where the sample is too small for it
  double least = 0;
  double most = 0;
};

/// The median of a sample that is not empty; of an even number, the mean of the middle two.
[[nodiscard]] double median_of(std::vector<double> values);

/// The interval is the narrowest pair of order statistics, the same number of places from both
/// ends, that holds the median with a probability of at least 95 %: each value lies below it with
/// probability 1/2, so the number that do is binomial. Fewer than six values have no such pair;
/// they get the least and the greatest, with the probability 1 - 2^(1-n) that these hold it.
[[nodiscard]] SampleSummary summarise(std::vector<double> values);

}  // namespace ditbatch
