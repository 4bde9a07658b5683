#include "output/verify_run.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/problem.hpp"
#include "core/sha256.hpp"
#include "core/thread_pool.hpp"
#include "output/model_entry.hpp"
#include "output/require_run_folder.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace {

struct Place {
  std::string file;
  std::uint64_t row = 0;
};

std::map<ImageKey, Place> images_of(std::string const& run_dir) {
  require_run_folder(run_dir);
  std::map<ImageKey, Place> images;
  for (std::string const& file : shard_files(run_dir)) {
    std::vector<RowKey> const keys =
        ShardFile::open(shard_in(run_dir, file), H5Access::read).read_keys();
    for (std::size_t row = 0; row < keys.size(); ++row)
      images[{keys[row].id, keys[row].index}] = {file, row};
  }
  return images;
}

// Rows of a run folder; the shard of the last one stays open.
class RowReader {
 public:
  explicit RowReader(std::string run_dir) : run_dir_(std::move(run_dir)) {}
  [[nodiscard]] ShardRow read(Place const& place) {
    if (!shard_ || file_ != place.file) {
      shard_.reset();  // HDF5 opens no file twice
      shard_ = ShardFile::open(shard_in(run_dir_, place.file), H5Access::read);
      file_ = place.file;
    }
    return shard_->read(place.row, ShardFile::Part::everything);
  }

 private:
  std::string run_dir_, file_;
  std::optional<ShardFile> shard_;
};

std::string difference_text(ShardRow const& a, ShardRow const& b) {
  if (a.pixels.size() != b.pixels.size() || a.width != b.width)
    return "sizes differ: " + size_folder(a.width, a.height) + " and " +
           size_folder(b.width, b.height);
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

namespace {

std::string text_of(Place const& place) { return place.file + " row " + std::to_string(place.row); }

// Where each image was seen first, and which must not be seen.
struct SeenImages {
  std::map<ImageKey, Place> places;
  Tombstones taken_out;
};

// A row whose hashes are being compared.
struct RowInHand {
  std::uint64_t row = 0;
  std::shared_ptr<ShardRow const> read;
  std::future<std::string> broken;
};

void note_row(RowInHand& hand, ShardFile const& shard, std::string const& file, SeenImages& seen,
              VerifyReport& report) {
  ShardRow const& read = *hand.read;
  ImageKey const key{read.id, read.index};
  std::string problem = hand.broken.get();
  if (problem.empty() && (read.width != shard.width_px() || read.height != shard.height_px()))
    problem = "the image is not of its size";
  if (problem.empty() && !lists_model(shard.options().models, read.model))
    problem = "its model " + in_quotes(read.model) + " is not in the shard's list of models";
  report.constant_images += is_constant(read) ? 1U : 0U;
  auto const [first, is_new] = seen.places.emplace(key, Place{file, hand.row});
  if (is_new) report.records[key] = {read.record_sha256, read.identity, read.session};
  std::string const named =
      file + ": row " + std::to_string(hand.row) + " (" + image_name(key) + "): ";
  if (!problem.empty()) report.problems.push_back(named + problem);
  if (!is_new) {
    report.problems.push_back(named + "stands in " + text_of(first->second) + " too");
    report.doubled += 1;
  }
  if (seen.taken_out.hold(key))
    report.problems.push_back(named + "was taken out and still stands here (a prune was cut " +
                              "off) run ditbatch prune");
  report.images += 1;
}

// One thread reads, for HDF5 does one thing at a time; all others hash. Rows are noted in order.
void verify_rows(ShardFile const& shard, std::string const& file, ThreadPool& pool,
                 SeenImages& seen, VerifyReport& report) {
  std::deque<RowInHand> hands;
  auto const note_oldest = [&] {
    note_row(hands.front(), shard, file, seen, report);
    hands.pop_front();
  };
  for (std::uint64_t row = 0; row < shard.rows(); ++row) {
    try {
      auto const read =
          std::make_shared<ShardRow const>(shard.read(row, ShardFile::Part::everything));
      hands.push_back({row, read, pool.submit([read] { return broken_part(*read); })});
    } catch (Error const& error) {
      while (!hands.empty()) note_oldest();
      report.problems.push_back(file + ": row " + std::to_string(row) +
                                unreadable_text(shard, row, error));
    }
    while (hands.size() > 2 * pool.size()) note_oldest();
  }
  while (!hands.empty()) note_oldest();
}

void verify_shard(std::string const& run_dir, std::string const& file, ThreadPool& pool,
                  SeenImages& seen, VerifyReport& report) {
  try {
    ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
    if (!shard.is_complete()) report.problems.push_back(file + ": is not marked complete");
    if (!shard.is_even())
      report.problems.push_back(file + ": its columns have different numbers of rows");
    if (size_of_shard(file) != size_folder(shard.width_px(), shard.height_px()))
      report.problems.push_back(file + ": stands in the folder of another image size");
    verify_rows(shard, file, pool, seen, report);
  } catch (Error const& error) {
    report.problems.push_back(file + ": cannot be opened (" + std::string(error.what()) + ")");
  }
}

}  // namespace

VerifyReport verify_run(std::string const& run_dir) {
  require_run_folder(run_dir);
  VerifyReport report;
  ThreadPool pool;
  SeenImages seen{{}, read_tombstones(run_dir)};
  std::map<std::string, IndexLine> index = read_all_indexes(run_dir);
  ShardsFolder const found = list_shards(run_dir);
  for (std::string const& file : found.foreign) report.problems.push_back(foreign_text(file));
  for (std::string const& file : found.shards) {
    report.shards += 1;
    // A shard without a line is as good: the line is written after the shard is published.
    auto const listed = index.find(file);
    std::future<Sha256Digest> bytes;
    if (listed != index.end())
      bytes = pool.submit([path = shard_in(run_dir, file)] { return sha256_of_file(path); });
    std::size_t const first_problem = report.problems.size();
    verify_shard(run_dir, file, pool, seen, report);
    if (listed == index.end()) continue;
    if (listed->second.sha256 != to_hex(bytes.get()))
      report.problems.insert(
          report.problems.begin() + static_cast<std::ptrdiff_t>(first_problem),
          file + ": its bytes are not those that were published (SHA-256 differs from the index)");
    index.erase(listed);
  }
  for (auto const& [file, line] : index)
    report.problems.push_back(file + ": is missing (the index lists it with " +
                              std::to_string(line.rows) + " images)");
  return report;
}

CompareReport compare_runs(std::string const& run_a, std::string const& run_b) {
  CompareReport report;
  std::map<ImageKey, Place> const a = images_of(run_a);
  std::map<ImageKey, Place> b = images_of(run_b);
  RowReader rows_a(run_a), rows_b(run_b);
  for (auto const& [key, place] : a) {
    auto const other = b.find(key);
    if (other == b.end()) {
      report.differences.push_back(image_name(key) + ": missing in " + run_b);
      continue;
    }
    // Not the hashes that stand beside the pixels: those may be of other pixels.
    ShardRow const row_a = rows_a.read(place), row_b = rows_b.read(other->second);
    if (row_a.width == row_b.width && row_a.pixels == row_b.pixels)
      report.identical += 1;
    else
      report.differences.push_back(image_name(key) + ": " + difference_text(row_a, row_b));
    b.erase(other);
  }
  for (auto const& [key, image] : b)
    report.differences.push_back(image_name(key) + ": missing in " + run_a);
  return report;
}

}  // namespace ditbatch
