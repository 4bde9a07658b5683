#include "output/export_run.hpp"

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
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
    line[name] = value;
  }
  void digest(char const* name, Sha256Digest const& value) { line[name] = to_hex(value); }
  void floats(char const* name, std::vector<float> const& value) { line[name] = value; }
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

void write_png(std::string const& path, ShardRow const& row) {
  std::string const fresh = path + ".new";
  PngWriter out;
  out.file = std::fopen(fresh.c_str(), "wb");
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
  std::string text = parameters_text(row);
  char key[] = "parameters";
  png_text chunk{};
  chunk.compression = PNG_ITXT_COMPRESSION_NONE;  // iTXt: UTF-8
  chunk.key = key;
  chunk.text = text.data();
  chunk.itxt_length = text.size();
  png_set_text(out.png, out.info, &chunk, 1);
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

}  // namespace

std::uint64_t export_imagefolder(std::string const& run_dir, std::string const& out_dir) {
  RunContents const contents = scan_run(run_dir, "");
  std::map<std::string, std::ofstream> metadata;
  std::uint64_t images = 0;
  for (std::string const& file : contents.shards) {
    ShardFile const shard = ShardFile::open(run_dir + "/" + file, H5Access::read);
    std::string const folder = out_dir + "/" + size_folder(shard.width_px(), shard.height_px());
    if (metadata.count(folder) == 0) {
      fs::create_directories(folder);
      metadata[folder].open(folder + "/metadata.jsonl", std::ios::trunc);
    }
    for (std::uint64_t at = 0; at < shard.rows(); ++at) {
      ShardRow const row = shard.read(at, ShardFile::Part::everything);
      std::string const broken = broken_part(row);
      require(broken.empty(), ExitCode::io,
              file + ": row " + std::to_string(at) + " (" + row.id + "): " + broken +
                  " run ditbatch verify");
      // Ids are file names by their pattern; the index keeps the images of one record apart.
      std::string const name = row.id + "-" + std::to_string(row.index) + ".png";
      write_png(folder + "/" + name, row);
      json line{{"file_name", name}};
      visit_columns(row, JsonColumns{line});
      metadata[folder] << line.dump() << "\n";
      images += 1;
    }
  }
  for (auto& [folder, file] : metadata) {
    file.close();
    require(!file.fail(), ExitCode::io,
            "cannot write " + folder + "/metadata.jsonl (" + std::strerror(errno) + ")");
  }
  return images;
}

}  // namespace ditbatch
