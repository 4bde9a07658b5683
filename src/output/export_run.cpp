#include "output/export_run.hpp"

#include <fcntl.h>
#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/problem.hpp"
#include "output/model_entry.hpp"
#include "output/plain_file.hpp"
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

std::string parameters_text(ShardRow const& row) {
  std::string text = row.prompt + "\n";
  if (!row.negative_prompt.empty()) text += "Negative prompt: " + row.negative_prompt + "\n";
  char numbers[192];
  std::snprintf(numbers, sizeof numbers,
                "Steps: %u, CFG scale: %g, Seed: %llu, Size: %ux%u, True CFG scale: %g", row.steps,
                static_cast<double>(row.guidance_scale), static_cast<unsigned long long>(row.seed),
                row.width, row.height, static_cast<double>(row.true_cfg_scale));
  return text + numbers;
}

struct PngWriter {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::FILE* file = nullptr;
  ~PngWriter() {
    if (png != nullptr) png_destroy_write_struct(&png, &info);
    if (file != nullptr) std::fclose(file);
  }
};

[[noreturn]] void png_failed(png_structp, char const* message) {
  throw Error(ExitCode::io, std::string("PNG cannot be written (") + message + ", " +
                                std::strerror(errno) + ") check space and quota");
}

// iTXt chunks, which are UTF-8. `png_set_text` copies.
void set_text(PngWriter const& out, std::string key, std::string text) {
  png_text chunk{};
  chunk.compression = PNG_ITXT_COMPRESSION_NONE;
  chunk.key = key.data();
  chunk.text = text.data();
  chunk.itxt_length = text.size();
  png_set_text(out.png, out.info, &chunk, 1);
}

void write_png(std::string const& path, ShardRow const& row, std::string const& provenance) {
  std::string const fresh = path + ".new";
  PngWriter out;
  naming_file(fresh, [&] {
    remove_file(fresh);  // what lies there is of an export that died, or a link laid out for us
    UniqueDescriptor file = open_file(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    out.file = ::fdopen(file.get(), "wb");
    if (out.file != nullptr) (void)file.release();
  });
  require(out.file != nullptr, ExitCode::io,
          "cannot create " + fresh + " (" + std::strerror(errno) + ")");
  out.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, png_failed,
                                    [](png_structp, char const*) {});
  ensure(out.png != nullptr, "libpng starts");
  out.info = png_create_info_struct(out.png);
  png_init_io(out.png, out.file);
  png_set_compression_level(out.png, 3);
  png_set_IHDR(out.png, out.info, row.width, row.height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  set_text(out, "parameters", parameters_text(row));
  set_text(out, "provenance", provenance);
  png_write_info(out.png, out.info);
  std::size_t const stride = std::size_t{row.width} * 3;
  for (std::size_t y = 0; y < row.height; ++y)
    png_write_row(out.png, row.pixels.data() + y * stride);
  png_write_end(out.png, out.info);
  bool const closed = std::fclose(out.file) == 0;
  out.file = nullptr;
  require(closed, ExitCode::io, "cannot write " + fresh + " (" + std::strerror(errno) + ")");
  fs::rename(fresh, path);
}

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

void require_sound(ShardRow const& row, ShardFile const& shard, std::string const& where) {
  std::string const broken = broken_part(row);
  require(broken.empty(), ExitCode::io,
          where + " (" + row.id + "): " + broken + " run ditbatch verify");
  require(row.width == shard.width_px() && row.height == shard.height_px(), ExitCode::io,
          where + " (" + row.id + "): the image is not of its size; run ditbatch verify");
}

}  // namespace

std::uint64_t export_imagefolder(std::string const& run_dir, std::string const& out_dir) {
  require(fs::is_directory(run_dir), ExitCode::io,
          run_dir + ": no run folder is there (no such folder) check the path");
  RunContents const contents = scan_run(run_dir, "");
  std::map<std::string, MetadataFile> metadata;
  std::string models = "[]";
  std::uint64_t images = 0;
  for (std::string const& file : contents.shards) {
    ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
    std::string const folder = out_dir + "/" + size_folder(shard.width_px(), shard.height_px());
    fs::create_directories(folder);
    models = merged_models(models, shard.options().models);
    MetadataFile& lines = metadata.try_emplace(folder, folder).first->second;
    for (std::uint64_t at = 0; at < shard.rows(); ++at) {
      ShardRow const row = shard.read(at, ShardFile::Part::everything);
      std::string const where = file + ": row " + std::to_string(at);
      if (contents.taken_out.hold({row.id, row.index})) continue;
      require_sound(row, shard, where);
      std::string const name = png_name(row, where);
      write_png(fs::path(folder) / name, row, entries_of_model(shard.options().models, row.model));
      json line{{"file_name", name}};
      visit_columns(row, JsonColumns{line});
      lines.add(line);
      images += 1;
    }
  }
  for (auto& [folder, lines] : metadata) lines.finish();
  remove_taken_out(out_dir, contents.taken_out);
  if (images > 0) replace_file(out_dir + "/provenance.json", "{\"models\": " + models + "}\n");
  return images;
}

}  // namespace ditbatch
