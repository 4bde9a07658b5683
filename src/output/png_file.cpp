#include "output/png_file.hpp"

#include <fcntl.h>
#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "core/error.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

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

}  // namespace

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

}  // namespace ditbatch
