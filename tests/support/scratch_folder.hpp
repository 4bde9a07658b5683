#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace ditbatch::test {

/// A folder of its own for a test, removed at the end.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::string const& name)
      : path_(std::filesystem::temp_directory_path() /
              ("ditbatch-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ScratchFolder(ScratchFolder const&) = delete;
  ScratchFolder& operator=(ScratchFolder const&) = delete;
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(std::string const& name) const { return path_ / name; }
  [[nodiscard]] std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_file(std::string const& path, std::string const& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace ditbatch::test
