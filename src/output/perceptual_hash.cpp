#include "output/perceptual_hash.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "output/cosine_transform.hpp"

namespace ditbatch {

namespace {

constexpr std::int64_t side = cosine_transform_size;  // of the small grey image
constexpr std::int64_t low = 8;                       // frequencies of a direction that count

/// One byte a pixel, row by row.
struct GreyImage {
  std::int64_t width = 0, height = 0;
  std::vector<std::uint8_t> values;
};

// ITU-R 601-2 luma in 16 bits behind the point, as Pillow's convert("L").
GreyImage grey(std::vector<std::uint8_t> const& pixels, std::int64_t width, std::int64_t height) {
  GreyImage image{width, height, std::vector<std::uint8_t>(pixels.size() / 3)};
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    std::uint32_t const luma =
        pixels[3 * i] * 19595U + pixels[3 * i + 1] * 38470U + pixels[3 * i + 2] * 7471U + 0x8000U;
    image.values[i] = static_cast<std::uint8_t>(luma >> 16U);
  }
  return image;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x = x * M_PI;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

// What one value of the small image is made of: the weights of some values from `first` on, with
// 22 bits behind the point.
constexpr unsigned weight_bits = 22;
struct Weights {
  std::int64_t first = 0;
  std::vector<std::int32_t> of;
};

// Pillow's precompute_coeffs() and normalize_coeffs_8bpc() for a whole image.
std::array<Weights, side> weights_from(std::int64_t size) {
  std::array<Weights, side> all;
  double const scale = static_cast<double>(size) / static_cast<double>(side);
  double const filter_scale = std::max(scale, 1.0);
  double const support = 3.0 * filter_scale;
  double const per_filter = 1.0 / filter_scale;
  for (std::int64_t at = 0; at < side; ++at) {
    double const center = (static_cast<double>(at) + 0.5) * scale;
    auto const first = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + 0.5), 0);
    auto const end =
        std::min<std::int64_t>(static_cast<std::int64_t>(center + support + 0.5), size);
    std::vector<double> values;
    double sum = 0;
    for (std::int64_t x = first; x < end; ++x) {
      values.push_back(lanczos((static_cast<double>(x) - center + 0.5) * per_filter));
      sum += values.back();
    }
    Weights& weights = all[static_cast<std::size_t>(at)];
    weights.first = first;
    for (double const value : values) {
      double const share = sum != 0.0 ? value / sum : value;
      weights.of.push_back(
          static_cast<std::int32_t>((share < 0 ? -0.5 : 0.5) + share * (1U << weight_bits)));
    }
  }
  return all;
}

// One value of a line whose values are `step` apart.
std::uint8_t weighted(std::uint8_t const* values, std::int64_t step, Weights const& weights) {
  std::int32_t sum = 1 << (weight_bits - 1);
  values += weights.first * step;
  for (std::size_t i = 0; i < weights.of.size(); ++i)
    sum += values[static_cast<std::int64_t>(i) * step] * weights.of[i];
  return static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255));
}

// Each pass rounds to bytes, and none is made where the size is right.
GreyImage shrink_rows(GreyImage const& image) {
  if (image.width == side) return image;
  auto const weights = weights_from(image.width);
  GreyImage shrunk{side, image.height, {}};
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (Weights const& one : weights)
      shrunk.values.push_back(weighted(image.values.data() + y * image.width, 1, one));
  }
  return shrunk;
}

GreyImage shrink_columns(GreyImage const& image) {
  if (image.height == side) return image;
  auto const weights = weights_from(image.height);
  GreyImage shrunk{image.width, side, {}};
  for (Weights const& one : weights) {
    for (std::int64_t x = 0; x < image.width; ++x)
      shrunk.values.push_back(weighted(image.values.data() + x, image.width, one));
  }
  return shrunk;
}

// Pillow 13 begins with the columns of tall images.
GreyImage shrink(GreyImage const& image) {
  bool const is_tall = image.height > side && image.height - side > 2 * (image.width - side);
  return is_tall ? shrink_rows(shrink_columns(image)) : shrink_columns(shrink_rows(image));
}

}  // namespace

std::uint64_t perceptual_hash(std::vector<std::uint8_t> const& pixels, std::int64_t width_px,
                              std::int64_t height_px) {
  GreyImage const small = shrink(grey(pixels, width_px, height_px));
  // Down the columns first, then along those rows that count.
  std::array<CosineLine, low> rows{};
  for (std::size_t x = 0; x < side; ++x) {
    CosineLine column{};
    for (std::size_t y = 0; y < side; ++y) column[y] = small.values[y * side + x];
    cosine_transform(column);
    for (std::size_t y = 0; y < low; ++y) rows[y][x] = column[y];
  }
  std::vector<double> frequencies;
  for (CosineLine& row : rows) {
    cosine_transform(row);
    frequencies.insert(frequencies.end(), row.begin(), row.begin() + low);
  }
  std::vector<double> sorted = frequencies;
  std::sort(sorted.begin(), sorted.end());
  double const median = (sorted[31] + sorted[32]) / 2;
  std::uint64_t hash = 0;
  for (double const frequency : frequencies)
    hash = hash << 1U | static_cast<std::uint64_t>(frequency > median);
  return hash;
}

}  // namespace ditbatch
