// Writes a run folder with generated rows, for the tests that read it with other programs:
//   make_shards RUN_DIR ROWS.json [VERSION [IMAGES_PER_SHARD]]    rows as a JSON list of {id,
//   index, width, height, value, prompt, ...}, in a version of the schema
// Pixels are (value + 7 y + 3 x + 5 c) mod 251, which the reader computes by itself; or noise, of
// which deflate saves nothing, where a row says so.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.hpp"
#include "output/h5_handle.hpp"
#include "output/output_writer.hpp"
#include "output/run_paths.hpp"

using namespace ditbatch;

namespace {

class OpenGate final : public PublishGate {
 public:
  OpenGate(std::string index, int version) : index_(std::move(index)), version_(version) {}
  bool may_append(std::string const&, std::uint16_t) override { return true; }
  int next_shard_number(std::int64_t width_px, std::int64_t height_px) override {
    return next_[size_folder(width_px, height_px)]++;
  }
  int schema_version(std::int64_t, std::int64_t) override { return version_; }
  void published(PublishedShard const& shard) override { append_index_line(index_, shard); }

 private:
  std::string index_;
  int version_;
  std::map<std::string, int> next_;
};

ShardRow row_of(nlohmann::json const& made) {
  ShardRow row;
  row.id = made.at("id");
  row.index = made.at("index");
  row.width = made.at("width");
  row.height = made.at("height");
  row.prompt = made.at("prompt");
  row.negative_prompt = made.value("negative_prompt", "");
  row.metadata = made.value("metadata", "{}");
  row.tags = made.value("tags", "[]");
  row.params = "{\"steps\": 3}";
  row.scheduler = "auto";
  row.seed = made.at("seed");
  row.steps = 3;
  row.guidance_scale = 3.5F;
  row.session = 1;
  row.finished_ns = 1'700'000'000'000'000'000;
  row.layout = made.at("layout");
  row.hardware = "test";
  row.ranks = made.at("ranks");
  row.timing_s.assign(std::size_t{5} * row.ranks, 0.25F);
  int const value = made.at("value");
  if (made.value("noise", false)) {
    std::mt19937 random(static_cast<unsigned>(value));
    row.pixels.resize(std::size_t{row.width} * row.height * 3);
    for (auto& byte : row.pixels) byte = static_cast<std::uint8_t>(random());
    return row;
  }
  for (int y = 0; y < row.height; ++y) {
    for (int x = 0; x < row.width; ++x) {
      for (int c = 0; c < 3; ++c)
        row.pixels.push_back(static_cast<std::uint8_t>((value + 7 * y + 3 * x + 5 * c) % 251));
    }
  }
  return row;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  prepare_h5();
  std::string const run_dir = argv[1];
  nlohmann::json const rows = nlohmann::json::parse(std::ifstream(argv[2]));
  Trace trace;
  OpenGate gate(index_path(run_dir, ""), argc > 3 ? std::atoi(argv[3]) : shard_schema_version);
  try {
    WriterOptions options;
    options.run_dir = run_dir;
    options.output.images_per_shard = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 5;
    options.output.flush_s = argc > 4 ? 60 : 0;  // 0: after every row
    options.phase_names = {"text", "denoise", "decode", "hand_over", "wait"};
    OutputWriter writer(options, gate, trace);
    for (auto const& row : rows) {
      writer.append(row_of(row));
      std::printf("%s\n", row.at("id").get<std::string>().c_str());
      std::fflush(stdout);
    }
    writer.finish();
  } catch (Error const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::fflush(nullptr);
    ::_exit(static_cast<int>(error.code()));  // HDF5's exit handler would write again, and crash
  }
  return 0;
}
