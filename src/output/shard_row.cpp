#include "output/shard_row.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "output/perceptual_hash.hpp"

namespace ditbatch {

namespace {

// name, NUL, size in bytes (8, little endian), bytes: no two rows have the same serialisation.
struct Hasher {
  Sha256 hash;
  void add(char const* name, void const* data, std::uint64_t size_bytes) {
    hash.update(name, std::strlen(name) + 1)
        .update(&size_bytes, sizeof size_bytes)
        .update(data, size_bytes);
  }
  void text(char const* name, std::string const& value) { add(name, value.data(), value.size()); }
  template <class Number>
  void number(char const* name, Number value) {
    add(name, &value, sizeof value);
  }
  void digest(char const* name, Sha256Digest const& value) {
    add(name, value.data(), value.size());
  }
  void counts(char const* name, EncoderCounts const& value) {
    add(name, value.data(), sizeof value);
  }
  void phases(char const* name, std::vector<float> const& value) { floats(name, value); }
  void floats(char const* name, std::vector<float> const& value) {
    add(name, value.data(), value.size() * sizeof(float));
  }
};

float standard_deviation(std::vector<std::uint8_t> const& pixels) {
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;
  for (std::uint64_t const value : pixels) {
    sum += value;
    squares += value * value;
  }
  auto const count = static_cast<double>(pixels.size());
  double const mean = static_cast<double>(sum) / count;
  return static_cast<float>(
      std::sqrt(std::max(0.0, static_cast<double>(squares) / count - mean * mean)));
}

}  // namespace

std::vector<float> slowest_ranks(std::vector<float> const& timing_s, std::size_t phases) {
  std::vector<float> slowest(phases, 0.0F);
  for (std::size_t i = 0; i < timing_s.size(); ++i)
    slowest[i % phases] = std::max(slowest[i % phases], timing_s[i]);
  return slowest;
}

Sha256Digest hash_columns(ShardRow const& row) {
  Hasher hasher;
  visit_columns(row, hasher);
  return hasher.hash.finish();
}

void seal(ShardRow& row) {
  row.sha256 = sha256(row.pixels.data(), row.pixels.size());
  row.pixel_std = standard_deviation(row.pixels);
  row.phash = perceptual_hash(row.pixels, row.width, row.height);
  row.row_sha256 = hash_columns(row);
}

std::string broken_part(ShardRow const& row) {
  if (sha256(row.pixels.data(), row.pixels.size()) != row.sha256)
    return "the pixels do not match sha256";
  if (hash_columns(row) != row.row_sha256) return "the columns do not match row_sha256";
  return "";
}

}  // namespace ditbatch
