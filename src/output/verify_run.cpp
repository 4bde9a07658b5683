#include "output/verify_run.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> shard_files(std::string const& run_dir) {
  std::vector<std::string> files;
  std::error_code error;
  for (auto const& entry : fs::recursive_directory_iterator(run_dir + "/shards", error)) {
    if (entry.path().extension() == ".h5") files.push_back(fs::relative(entry.path(), run_dir));
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::map<std::string, std::string> hashes_of_index(std::string const& run_dir) {
  std::map<std::string, std::string> hashes;
  std::error_code error;
  for (auto const& entry : fs::directory_iterator(run_dir, error)) {
    std::string const name = entry.path().filename();
    if (name.rfind("index", 0) != 0 || entry.path().extension() != ".jsonl") continue;
    std::ifstream file(entry.path());
    std::string line;
    while (std::getline(file, line)) {
      auto const parsed = nlohmann::json::parse(line, nullptr, false);
      if (parsed.is_object()) hashes[parsed.value("file", "")] = parsed.value("sha256", "");
    }
  }
  return hashes;
}

struct Place {
  std::string file;
  std::uint64_t row = 0;
};

std::map<ImageKey, Place> places_of(std::string const& run_dir) {
  std::map<ImageKey, Place> places;
  for (std::string const& file : shard_files(run_dir)) {
    ShardFile const shard = ShardFile::open(run_dir + "/" + file, H5Access::read);
    for (std::uint64_t row = 0; row < shard.rows(); ++row) {
      ShardRow const read = shard.read(row, ShardFile::Part::columns);
      places[{read.id, read.index}] = {file, row};
    }
  }
  return places;
}

std::string name_of(ImageKey const& key) { return key.id + "[" + std::to_string(key.index) + "]"; }

std::string difference_text(ShardRow const& a, ShardRow const& b) {
  if (a.pixels.size() != b.pixels.size() || a.width != b.width) return "sizes differ";
  int largest = 0;
  double squares = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    int const difference = std::abs(int{a.pixels[i]} - int{b.pixels[i]});
    largest = std::max(largest, difference);
    squares += static_cast<double>(difference) * difference;
  }
  double const mean = squares / static_cast<double>(a.pixels.size());
  char text[96];
  std::snprintf(text, sizeof text, "largest difference %d, PSNR %.2f dB", largest,
                10 * std::log10(255.0 * 255.0 / mean));
  return text;
}

}  // namespace

VerifyReport verify_run(std::string const& run_dir) {
  VerifyReport report;
  std::map<ImageKey, Place> seen;
  std::map<std::string, std::string> const index = hashes_of_index(run_dir);
  for (std::string const& file : shard_files(run_dir)) {
    std::string const full = run_dir + "/" + file;
    report.shards += 1;
    auto const listed = index.find(file);
    if (listed != index.end() && listed->second != to_hex(sha256_of_file(full))) {
      report.problems.push_back(
          file + ": its bytes are not those that were published (SHA-256 differs from the index)");
    }
    try {
      ShardFile const shard = ShardFile::open(full, H5Access::read);
      if (!shard.is_complete()) report.problems.push_back(file + ": is not marked complete");
      for (std::uint64_t row = 0; row < shard.rows(); ++row) {
        std::string const where = file + ": row " + std::to_string(row);
        try {
          ShardRow const read = shard.read(row, ShardFile::Part::everything);
          std::string const broken = broken_part(read);
          if (!broken.empty()) report.problems.push_back(where + " (" + read.id + "): " + broken);
          auto const [first, is_new] =
              seen.emplace(ImageKey{read.id, read.index}, Place{file, row});
          if (!is_new) {
            report.problems.push_back(where + " (" + name_of(first->first) + "): stands in " +
                                      first->second.file + " row " +
                                      std::to_string(first->second.row) + " too");
          }
          report.images += 1;
        } catch (Error const& error) {
          report.problems.push_back(where + ": cannot be read (" + error.what() + ")");
        }
      }
    } catch (Error const& error) {
      report.problems.push_back(file + ": cannot be opened (" + std::string(error.what()) + ")");
    }
  }
  return report;
}

CompareReport compare_runs(std::string const& run_a, std::string const& run_b) {
  CompareReport report;
  std::map<ImageKey, Place> const a = places_of(run_a);
  std::map<ImageKey, Place> b = places_of(run_b);
  auto const read = [](std::string const& run, Place const& place, ShardFile::Part part) {
    return ShardFile::open(run + "/" + place.file, H5Access::read).read(place.row, part);
  };
  for (auto const& [key, place] : a) {
    auto const other = b.find(key);
    if (other == b.end()) {
      report.differences.push_back(name_of(key) + ": missing in " + run_b);
      continue;
    }
    if (read(run_a, place, ShardFile::Part::columns).sha256 ==
        read(run_b, other->second, ShardFile::Part::columns).sha256) {
      report.identical += 1;
    } else {
      report.differences.push_back(
          name_of(key) + ": " +
          difference_text(read(run_a, place, ShardFile::Part::everything),
                          read(run_b, other->second, ShardFile::Part::everything)));
    }
    b.erase(other);
  }
  for (auto const& [key, place] : b)
    report.differences.push_back(name_of(key) + ": missing in " + run_a);
  return report;
}

}  // namespace ditbatch
