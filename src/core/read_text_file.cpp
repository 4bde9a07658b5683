#include "core/read_text_file.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/error.hpp"

namespace ditbatch {

std::optional<std::string> read_text_file(std::string const& path) {
  struct stat status {};
  bool const is_there = ::stat(path.c_str(), &status) == 0;
  if (!is_there && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  require(is_there, ExitCode::io, path + ": cannot be read (" + std::strerror(errno) + ")");
  require(S_ISREG(status.st_mode), ExitCode::bad_input,
          path + ": is no plain file (a pipe, a folder or a device has its name) take it away");
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  require(file.is_open() && !file.bad(), ExitCode::io,
          path + ": cannot be read (" + std::strerror(errno) + ") check the file system");
  return text.str();
}

std::string read_text_if_any(std::string const& path) {
  try {
    return read_text_file(path).value_or("");
  } catch (Error const&) {
    return "";
  }
}

}  // namespace ditbatch
