#include "doctor/folder_check.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/sha256.hpp"
#include "core/trace.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

std::string read_all(std::string const& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// The file of one rank, gone on every way out.
struct TestFile {
  std::string path;
  ~TestFile() { ::unlink(path.c_str()); }
};

// As everything is written into the run folder: flushed, renamed; and read back.
double publish_something(std::string const& path) {
  std::string bytes(std::size_t{8} << 20U, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((i * 31) % 251);
  std::int64_t const begin_ns = now_ns();
  replace_file(path, bytes);
  bool const is_same = read_all(path) == bytes;
  double const seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  require(is_same, ExitCode::io,
          path + ": 8 MiB were read back changed (just written) check this file system");
  return seconds;
}

// "the files of 8 ranks (1a2b3c4d)": how many, and a hash of which.
std::string files_seen(std::string const& run_dir, std::string const& prefix) {
  std::set<std::string> names;
  for (auto const& entry : fs::directory_iterator(run_dir)) {
    std::string const name = entry.path().filename();
    if (name.rfind(prefix, 0) == 0) names.insert(name);
  }
  std::string list;
  for (std::string const& name : names) list += name + "\n";
  return "the test files of " + std::to_string(names.size()) + " ranks (" +
         to_hex(sha256(list)).substr(0, 8) + ")";
}

}  // namespace

FolderCheck check_folder(MPI_Comm comm, std::string const& run_dir, double need_bytes) {
  FolderCheck result;
  auto const noting_errors = [&result](auto const& body) {
    try {
      body();
    } catch (std::exception const& error) {
      result.problems.emplace_back(error.what());
    }
  };
  // The parts of an array job may do the same in the same folder at the same time.
  // comm: healthy ranks
  std::string const job =
      broadcast_string(comm, std::to_string(unix_time_ns()) + "-" + std::to_string(::getpid()), 0);
  std::string const prefix = ".doctor-" + job + "-";
  TestFile const file{run_dir + "/" + prefix + std::to_string(rank_of(comm))};
  noting_errors([&] {
    fs::create_directories(run_dir);
    result.seconds = publish_something(file.path);
    auto const free_bytes = static_cast<double>(fs::space(run_dir).available);
    require(free_bytes >= need_bytes, ExitCode::io,
            run_dir + ": " + std::to_string(static_cast<std::uint64_t>(free_bytes)) +
                " bytes are free, and the pixels still to make need up to " +
                std::to_string(static_cast<std::uint64_t>(need_bytes)) +
                " (before compression) make room, or choose another run_dir");
  });
  // comm: healthy ranks
  check_mpi(MPI_Barrier(comm));
  if (result.problems.empty()) noting_errors([&] { result.sees = files_seen(run_dir, prefix); });
  // comm: healthy ranks
  check_mpi(MPI_Barrier(comm));
  return result;
}

}  // namespace ditbatch
