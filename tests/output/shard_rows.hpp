#pragma once

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "output/h5_handle.hpp"
#include "output/output_writer.hpp"
#include "output/run_paths.hpp"
#include "output/shard_file.hpp"

namespace ditbatch::test {

namespace fs = std::filesystem;

/// For each test program: what main() does before any file.
struct PreparedH5 {
  PreparedH5() { prepare_h5(); }
};

/// An empty folder, gone at the end of the test.
class ScratchFolder {
 public:
  ScratchFolder()
      : path_(fs::current_path() /
              ("scratch-" + std::to_string(::getpid()) + "-" + std::to_string(made++) + "-" +
               boost::unit_test::framework::current_test_case().p_name.get())) {
    fs::remove_all(path_);
    fs::create_directories(path_ / ".work");
  }
  ScratchFolder(ScratchFolder const&) = delete;
  ScratchFolder& operator=(ScratchFolder const&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(std::string const& name) const { return path_ / name; }
  [[nodiscard]] std::string text() const { return path_; }

 private:
  inline static int made = 0;  // a test may have several
  fs::path path_;
};

/// A row with other values in every column for every number; noise for pixels, which does not
/// compress.
inline ShardRow make_row(unsigned number, std::uint16_t width = 16, std::uint16_t height = 8,
                         int version = shard_schema_version) {
  std::mt19937 random(number);
  ShardRow row;
  row.version = version;
  row.id = "row" + std::to_string(number);
  row.index = static_cast<std::uint16_t>(random());
  row.prompt = "naïve 東京 🦊 " + std::string(random() % 300, 'p');
  row.prompt_2 = number % 2 == 0 ? "" : "second";
  row.negative_prompt = "line\nand \"quotes\" \\";
  row.scheduler = "auto";
  row.params = "{\"steps\":" + std::to_string(number) + "}";
  row.tags = "[\"a\"]";
  row.metadata = "{}";
  row.seed = (std::uint64_t{random()} << 32U) | random();
  row.width = width;
  row.height = height;
  row.steps = static_cast<std::uint16_t>(random());
  row.guidance_scale = static_cast<float>(random()) / 7;
  row.true_cfg_scale = static_cast<float>(random()) / 7;
  for (auto& byte : row.record_sha256) byte = static_cast<std::uint8_t>(random());
  row.session = static_cast<std::uint16_t>(random());
  row.replica = static_cast<std::uint16_t>(random());
  row.finished_ns = -static_cast<std::int64_t>(random());
  row.attempt = static_cast<std::uint8_t>(random());
  row.exact = static_cast<std::uint8_t>(random());
  row.batch_size = static_cast<std::uint16_t>(random());
  row.ranks = static_cast<std::uint16_t>(random());
  row.layout = "layout" + std::to_string(number);
  row.hardware = "test";
  row.timing_s.assign(random() % 20, static_cast<float>(number));
  row.device_ms.assign(random() % 3, 0.5F);
  row.identity = static_cast<std::uint8_t>(random());
  row.model = "model" + std::to_string(number % 3);
  row.method = number % 2 == 0 ? "" : "pipefusion";
  row.bits = static_cast<std::uint16_t>(random());
  for (EncoderCounts* counts : {&row.tokens, &row.tokens_cut}) {
    for (auto& count : *counts) count = static_cast<std::uint16_t>(random());
  }
  row.phase_s = {static_cast<float>(random()), static_cast<float>(number)};
  row.pixels.resize(std::size_t{width} * height * 3);
  for (auto& byte : row.pixels) byte = static_cast<std::uint8_t>(random());
  seal(row);
  return row;
}

/// Every column as text, to compare rows by.
struct ColumnTexts {
  std::map<std::string, std::string> texts;
  void text(char const* name, std::string const& value) { texts[name] = value; }
  template <class Number>
  void number(char const* name, Number value) {
    texts[name] = std::to_string(value);
  }
  void digest(char const* name, Sha256Digest const& value) { texts[name] = to_hex(value); }
  void counts(char const* name, EncoderCounts const& value) {
    texts[name] = std::string(reinterpret_cast<char const*>(value.data()), sizeof value);
  }
  void phases(char const* name, std::vector<float> const& value) { floats(name, value); }
  void floats(char const* name, std::vector<float> const& value) {
    texts[name] = std::string(reinterpret_cast<char const*>(value.data()), value.size() * 4);
  }
};

inline bool is_same(ShardRow const& a, ShardRow const& b) {
  ColumnTexts in_a, in_b;
  visit_columns(a, in_a);
  visit_columns(b, in_b);
  return in_a.texts == in_b.texts && a.pixels == b.pixels && a.row_sha256 == b.row_sha256;
}

inline ShardOptions small_shard(int compression = 1, int version = shard_schema_version) {
  return {version,
          16,
          8,
          compression,
          {"text", "wait"},
          R"(["model0", {"name": "model1"}, {"name": "model2", "later": []}])"};
}

/// A finished shard with these rows, made in one go.
inline void write_shard(std::string const& path, std::vector<ShardRow> const& rows,
                        int compression = 1) {
  ShardFile shard = ShardFile::create(
      path, small_shard(compression, rows.empty() ? shard_schema_version : rows.front().version));
  for (ShardRow const& row : rows) shard.append(row);
  shard.finish();
}

inline std::vector<ShardRow> make_rows(unsigned first, unsigned count,
                                       int version = shard_schema_version) {
  std::vector<ShardRow> rows;
  for (unsigned i = 0; i < count; ++i) rows.push_back(make_row(first + i, 16, 8, version));
  return rows;
}

inline std::string read_bytes(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(std::string const& path, std::string const& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

/// The ids in the published shards of a run folder, with how often they stand there.
inline std::map<std::string, int> published_ids(std::string const& run_dir) {
  std::map<std::string, int> ids;
  if (!fs::exists(run_dir + "/shards")) return ids;
  for (auto const& entry : fs::recursive_directory_iterator(run_dir + "/shards")) {
    if (entry.path().extension() != ".h5") continue;
    for (RowKey const& key : ShardFile::open(entry.path(), H5Access::read).read_keys())
      ids[key.id] += 1;
  }
  return ids;
}

}  // namespace ditbatch::test
