#include "doctor/folder_check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/sha256.hpp"
#include "core/trace.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

void require_call(bool is_good, std::string const& what) {
  require(is_good, ExitCode::io,
          what + " fails (" + std::strerror(errno) + ") check permissions, quota and the mount");
}

void write_durably(std::string const& path, std::string const& bytes) {
  int const file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  require_call(file >= 0, path + ": open");
  ssize_t const written = ::write(file, bytes.data(), bytes.size());
  bool const is_whole = written == static_cast<ssize_t>(bytes.size());
  bool const is_flushed = is_whole && ::fsync(file) == 0;
  int const error = is_whole || written < 0 ? errno : ENOSPC;
  ::close(file);
  errno = error;
  require_call(is_whole, path + ": write");
  require_call(is_flushed, path + ": fsync");
}

std::string read_all(std::string const& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// The files of one rank, gone on every way out.
struct TestFiles {
  std::string written, renamed;
  ~TestFiles() {
    ::unlink(written.c_str());
    ::unlink(renamed.c_str());
  }
};

// As a shard is published: written, flushed, renamed, and read back.
double publish_something(TestFiles const& files) {
  std::string bytes(std::size_t{8} << 20U, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((i * 31) % 251);
  std::int64_t const begin_ns = now_ns();
  write_durably(files.written, bytes);
  require_call(::rename(files.written.c_str(), files.renamed.c_str()) == 0,
               files.renamed + ": rename");
  bool const is_same = read_all(files.renamed) == bytes;
  double const seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  require(is_same, ExitCode::io,
          files.renamed + ": 8 MiB were read back changed (just written) check this file system");
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
  std::string const job =
      broadcast_string(comm, std::to_string(unix_time_ns()) + "-" + std::to_string(::getpid()), 0);
  std::string const prefix = ".doctor-" + job + "-";
  std::string const mine = run_dir + "/" + prefix + std::to_string(rank_of(comm));
  TestFiles const files{run_dir + "/.part" + prefix + std::to_string(rank_of(comm)), mine};
  noting_errors([&] {
    fs::create_directories(run_dir);
    result.seconds = publish_something(files);
    auto const free_bytes = static_cast<double>(fs::space(run_dir).available);
    require(free_bytes >= need_bytes, ExitCode::io,
            run_dir + ": " + std::to_string(static_cast<std::uint64_t>(free_bytes)) +
                " bytes are free, and the pixels still to make need up to " +
                std::to_string(static_cast<std::uint64_t>(need_bytes)) +
                " (before compression) make room, or choose another run_dir");
  });
  check_mpi(MPI_Barrier(comm));
  if (result.problems.empty()) noting_errors([&] { result.sees = files_seen(run_dir, prefix); });
  check_mpi(MPI_Barrier(comm));
  return result;
}

}  // namespace ditbatch
