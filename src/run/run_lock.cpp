#include "run/run_lock.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "core/error.hpp"
#include "core/log.hpp"
#include "output/plain_file.hpp"
#include "output/run_paths.hpp"

namespace ditbatch {

namespace {

using nlohmann::json;
constexpr auto interval = std::chrono::seconds(2);

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string read_file(std::string const& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool create_exclusively(std::string const& path, std::string const& text) {
  UniqueDescriptor file;
  try {
    file = open_file(path, O_CREAT | O_EXCL | O_WRONLY);
  } catch (std::system_error const& error) {
    if (error.code() == std::errc::file_exists) return false;
    throw io_error(path, error);
  }
  try {
    write_at(file.get(), text.data(), text.size(), 0);
  } catch (std::system_error const& error) {
    ::unlink(path.c_str());  // an empty lock names no owner: the next job would wait
    throw Error(ExitCode::io, "cannot write the " + std::to_string(text.size()) + " bytes of " +
                                  path + " (" + error.what() + "; " + free_space_text(path) + ")");
  }
  return true;
}

// A lock is stale if its owner is provably gone, or does not move for three intervals.
bool is_stale(std::string const& path) {
  std::string const before = read_file(path);
  json const owner = json::parse(before, nullptr, false);
  if (owner.is_object() && owner.value("host", "") == host_name()) {
    auto const process = owner.value("pid", 0);
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) return true;
  }
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(interval);
    if (read_file(path) != before) return false;
  }
  return true;
}

std::string describe(std::string const& path) {
  json const owner = json::parse(read_file(path), nullptr, false);
  if (!owner.is_object()) return "an unknown job";
  std::string const job = owner.value("job", "");
  return (job.empty() ? "" : "Slurm job " + job + ", ") + "process " +
         std::to_string(owner.value("pid", 0)) + " on " + owner.value("host", "?");
}

}  // namespace

RunLock::RunLock(std::string const& run_dir, std::string const& part) {
  std::filesystem::create_directories(work_folder(run_dir));
  path_ = lock_path(run_dir, part);
  char const* slurm_job = std::getenv("SLURM_JOB_ID");
  owner_ = json{{"host", host_name()},
                {"pid", ::getpid()},
                {"job", slurm_job != nullptr ? slurm_job : ""},
                {"nonce", std::random_device{}()}}
               .dump();
  owner_.pop_back();  // the closing brace: the counter follows
  std::string const first = owner_ + ",\"counter\":0}";
  if (!create_exclusively(path_, first)) {
    require(is_stale(path_), ExitCode::bad_input,
            path_ + ": the run folder is in use (by " + describe(path_) +
                ") wait for that job, or give this one another run_dir or --part");
    log_warning("taking over the lock of " + describe(path_) + ", which is gone");
    std::filesystem::remove(path_);
    require(
        create_exclusively(path_, first), ExitCode::bad_input,
        path_ +
            ": another job took the stale lock first (both started together) start one job only");
  }
  require(read_file(path_) == first, ExitCode::bad_input,
          path_ + ": the lock is not ours after all (another job wrote it) start one job only");
  thread_ = std::thread([this] { beat(); });
}

void RunLock::beat() {
  std::uint64_t counter = 0;
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, interval, [this] { return end_; })) {
    try {
      replace_file(path_, owner_ + ",\"counter\":" + std::to_string(++counter) + "}");
    } catch (Error const&) {
      // The next one may come through; who looks waits for three.
    }
  }
}

RunLock::~RunLock() {
  {
    std::scoped_lock const lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

std::vector<std::unique_ptr<RunLock>> lock_all_parts(std::string const& run_dir) {
  std::vector<std::string> parts{""};
  for (PartFile const& file : lock_files(run_dir)) {
    if (!file.part.empty()) parts.push_back(file.part);
  }
  std::vector<std::unique_ptr<RunLock>> locks;
  for (std::string const& part : parts) locks.push_back(std::make_unique<RunLock>(run_dir, part));
  return locks;
}

}  // namespace ditbatch
