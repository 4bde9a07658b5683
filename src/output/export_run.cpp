#include "output/export_run.hpp"

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/problem.hpp"
#include "core/thread_pool.hpp"
#include "output/model_entry.hpp"
#include "output/plain_file.hpp"
#include "output/png_file.hpp"
#include "output/require_run_folder.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct JsonColumns {
  json& line;
  void text(char const* name, std::string const& value) { line[name] = value; }
  template <class Number>
  void number(char const* name, Number value) {
    // Readers take JSON numbers above 2^63 as floating point, which would change a seed.
    if constexpr (std::is_same_v<Number, std::uint64_t>)
      line[name] = std::to_string(value);
    else
      line[name] = value;
  }
  void digest(char const* name, Sha256Digest const& value) { line[name] = to_hex(value); }
  void counts(char const* name, EncoderCounts const& value) { line[name] = value; }
  void phases(char const* name, std::vector<float> const& value) { line[name] = value; }
  void floats(char const* name, std::vector<float> const& value) {
    line[json::json_pointer(std::string("/") + name)] = value;  // "group/name": an object in it
  }
};

// Ids of our own runs are file names; a shard from elsewhere must not write outside the folder.
std::string png_name(ShardRow const& row, std::string const& where) {
  static constexpr char const* allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  require(!row.id.empty() && row.id.size() <= 128 &&
              row.id.find_first_not_of(allowed) == std::string::npos,
          ExitCode::io,
          where + ": the id " + in_quotes(row.id) +
              " cannot name a file (ids have 1 to 128 letters, digits, '.', '_' and '-')");
  // The index, always: without it the image 1 of "fox" and the image 0 of "fox-1" were one file.
  return row.id + "-" + std::to_string(row.index) + ".png";
}

// The image that a file of an export shows: "fox-1-0.png" is the image 0 of "fox-1".
std::optional<ImageKey> image_of(fs::path const& file) {
  std::string const stem = file.stem();
  std::size_t const dash = stem.rfind('-');
  if (file.extension() != ".png" || dash == std::string::npos) return std::nullopt;
  ImageChoice const image =
      parse_image_choice(stem.substr(0, dash) + "[" + stem.substr(dash + 1) + "]");
  if (!image.index) return std::nullopt;
  return ImageKey{image.id, *image.index};
}

// The lines but those of images that were taken out.
void clean_metadata(std::string const& path, Tombstones const& taken_out) {
  std::ifstream old(path);
  std::string kept;
  bool is_clean = true;
  for (std::string line; std::getline(old, line);) {
    json const parsed = json_or_discarded(line);
    auto const image = image_of(parsed.is_object() ? parsed.value("file_name", "") : "");
    if (image && taken_out.hold(*image))
      is_clean = false;
    else
      kept += line + "\n";
  }
  if (!is_clean) replace_file(path, kept);
}

// What an earlier export left of them.
void remove_taken_out(std::string const& out_dir, Tombstones const& taken_out) {
  if (taken_out.all.empty() || !fs::exists(out_dir)) return;
  for (fs::directory_entry const& folder : fs::directory_iterator(out_dir)) {
    if (!folder.is_directory()) continue;
    std::vector<fs::path> gone;
    for (fs::directory_entry const& file : fs::directory_iterator(folder)) {
      auto const image = image_of(file.path());
      if (image && taken_out.hold(*image)) gone.push_back(file.path());
    }
    for (fs::path const& file : gone) fs::remove(file);
    clean_metadata(folder.path() / "metadata.jsonl", taken_out);
  }
}

// Lines for one folder, which appear under their name when all are written.
class MetadataFile {
 public:
  explicit MetadataFile(std::string const& folder) : file_(folder + "/metadata.jsonl") {}
  void add(json const& line) { file_.write(to_text(line) + "\n"); }
  void finish() { file_.finish(); }

 private:
  FileReplacement file_;
};

// Pictures are compressed on all cores, and a few of them wait at a time.
class PictureWriter {
 public:
  void write(std::string path, ShardRow row, std::string provenance) {
    waiting_.push_back(
        pool_.submit([path = std::move(path), row = std::move(row),
                      provenance = std::move(provenance)] { write_png(path, row, provenance); }));
    while (waiting_.size() > 4 * pool_.size()) take();
  }
  /// Throws what went wrong with any of them.
  void finish() {
    while (!waiting_.empty()) take();
  }

 private:
  void take() {
    std::future<void> oldest = std::move(waiting_.front());
    waiting_.pop_front();
    oldest.get();
  }
  std::deque<std::future<void>> waiting_;
  ThreadPool pool_;
};

void require_sound(ShardRow const& row, ShardFile const& shard, std::string const& where) {
  std::string const broken = broken_part(row);
  require(broken.empty(), ExitCode::io,
          where + " (" + row.id + "): " + broken + " run ditbatch verify");
  require(row.width == shard.width_px() && row.height == shard.height_px(), ExitCode::io,
          where + " (" + row.id + "): the image is not of its size; run ditbatch verify");
}

}  // namespace

std::uint64_t export_imagefolder(std::string const& run_dir, std::string const& out_dir) {
  require_run_folder(run_dir);
  RunContents const contents = scan_run(run_dir, "");
  std::map<std::string, MetadataFile> metadata;
  PictureWriter pictures;
  std::string models = "[]";
  std::uint64_t images = 0;
  for (std::string const& file : contents.shards) {
    ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
    std::string const folder = out_dir + "/" + size_folder(shard.width_px(), shard.height_px());
    fs::create_directories(folder);
    models = merged_models(models, shard.options().models);
    MetadataFile& lines = metadata.try_emplace(folder, folder).first->second;
    for (std::uint64_t at = 0; at < shard.rows(); ++at) {
      ShardRow row = shard.read(at, ShardFile::Part::everything);
      std::string const where = file + ": row " + std::to_string(at);
      if (contents.taken_out.hold({row.id, row.index})) continue;
      require_sound(row, shard, where);
      std::string const name = png_name(row, where);
      json line{{"file_name", name}};
      visit_columns(row, JsonColumns{line});
      lines.add(line);
      images += 1;
      std::string provenance = entries_of_model(shard.options().models, row.model);
      pictures.write(fs::path(folder) / name, std::move(row), std::move(provenance));
    }
  }
  pictures.finish();
  for (auto& [folder, lines] : metadata) lines.finish();
  remove_taken_out(out_dir, contents.taken_out);
  if (images > 0) replace_file(out_dir + "/provenance.json", "{\"models\": " + models + "}\n");
  return images;
}

}  // namespace ditbatch
