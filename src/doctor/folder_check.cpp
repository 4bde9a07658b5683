#include "doctor/folder_check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
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

// As a shard is published: written, flushed, renamed, and read back.
double publish_something(std::string const& run_dir, int rank) {
  std::string bytes(std::size_t{8} << 20U, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>((i * 31 + static_cast<std::size_t>(rank)) % 251);
  std::string const written = run_dir + "/.doctor-" + std::to_string(rank) + ".part";
  std::string const renamed = run_dir + "/.doctor-" + std::to_string(rank);
  std::int64_t const begin_ns = now_ns();
  write_durably(written, bytes);
  require_call(::rename(written.c_str(), renamed.c_str()) == 0, renamed + ": rename");
  bool const is_same = read_all(renamed) == bytes;
  double const seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  ::unlink(renamed.c_str());
  require(is_same, ExitCode::io,
          renamed + ": 8 MiB were read back changed (just written) check this file system");
  return seconds;
}

}  // namespace

FolderCheck check_folder(MPI_Comm comm, std::string const& run_dir, double need_bytes) {
  FolderCheck result;
  int const rank = rank_of(comm);
  auto const noting_errors = [&result](auto const& body) {
    try {
      body();
    } catch (std::exception const& error) {
      result.problems.emplace_back(error.what());
    }
  };
  noting_errors([&] {
    fs::create_directories(run_dir);
    result.seconds = publish_something(run_dir, rank);
    auto const free_bytes = static_cast<double>(fs::space(run_dir).available);
    require(free_bytes >= need_bytes, ExitCode::io,
            run_dir + ": " + std::to_string(static_cast<std::uint64_t>(free_bytes)) +
                " bytes are free, and the pixels still to make need up to " +
                std::to_string(static_cast<std::uint64_t>(need_bytes)) +
                " (before compression) make room, or choose another run_dir");
  });

  // The first rank leaves a file that all others have to find.
  std::string const shared = run_dir + "/.doctor-shared";
  std::string const content = std::to_string(now_ns()) + "-" + std::to_string(::getpid());
  if (rank == 0) noting_errors([&] { write_durably(shared, content); });
  std::string const expected = broadcast_string(comm, content, 0);
  if (rank != 0 && read_all(shared) != expected) {
    result.problems.push_back(run_dir +
                              ": the first rank's file is not there (not a shared file system, or "
                              "another folder) use one that all nodes mount");
  }
  check_mpi(MPI_Barrier(comm));
  if (rank == 0) ::unlink(shared.c_str());
  return result;
}

}  // namespace ditbatch
