#include "run/run_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/process_age.hpp"
#include "core/read_text_file.hpp"
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

std::string own_slurm_job() {
  char const* job = std::getenv("SLURM_JOB_ID");
  return job != nullptr ? job : "";
}

// All texts of a lock have one length, so that its counter is moved on by one write in place: a
// rename would put a lock that was lost meanwhile back over the new owner's.
std::string lock_text(std::string const& owner, std::uint64_t counter) {
  std::string const digits = std::to_string(counter);
  return owner + ",\"counter\":" + digits + std::string(20 - digits.size(), ' ') + "}";
}

// Null where the file is there already.
UniqueDescriptor create_exclusively(std::string const& path, std::string const& text) {
  UniqueDescriptor file;
  try {
    file = open_file(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW);
  } catch (std::system_error const& error) {
    if (error.code() == std::errc::file_exists) return {};
    throw io_error(path, error);
  }
  try {
    write_at(file.get(), text.data(), text.size(), 0);
  } catch (std::system_error const& error) {
    ::unlink(path.c_str());  // an empty lock names no owner: the next job would wait
    throw Error(ExitCode::io, "cannot write the " + std::to_string(text.size()) + " bytes of " +
                                  path + " (" + error.what() + "; " + free_space_text(path) + ")");
  }
  return file;
}

// Where this process's number counts: the running kernel and the PID namespace. Host names are
// given twice.
std::string pid_space() {
  std::string kernel;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), kernel);
  std::error_code ignored;
  return kernel + " " + std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
}

// Whether Slurm has processes of the job: the next attempt of this very job is its own successor.
bool slurm_runs(std::string const& job) {
  if (job.empty() || job == own_slurm_job() ||
      job.find_first_not_of("0123456789") != std::string::npos)
    return false;
  std::string const command =
      "timeout 30 squeue --noheader --format=%T --jobs=" + job + " 2>/dev/null";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return false;
  std::array<char, 64> line{};
  std::string state = std::fgets(line.data(), line.size(), pipe) != nullptr ? line.data() : "";
  ::pclose(pipe);
  state = state.substr(0, state.find('\n'));
  return state == "RUNNING" || state == "SUSPENDED" || state == "COMPLETING" || state == "STOPPED";
}

// What a lock says of its owner; the defaults where it says nothing, or is no lock of ours.
struct OwnerNote {
  std::string host = "?", space, job;
  long long process = 0, began = -1;
};

OwnerNote parse_note(std::string const& text) {
  OwnerNote note;
  try {
    json const owner = json_of(text);
    note.host = owner.at("host");
    note.process = owner.at("pid");
    note.job = owner.value("job", "");
    note.space = owner.value("pid_space", "");
    note.began = owner.value("began", -1LL);
  } catch (json::exception const&) {
    // An earlier version's, or another program's: it is as silent as it is.
  }
  return note;
}

// Nothing where its process is none that this one could ask for.
std::optional<LockOwnerState> look_for_process(OwnerNote const& owner) {
  if (owner.host != host_name() || owner.space != pid_space()) return std::nullopt;
  auto const began = process_begin_ticks(static_cast<pid_t>(owner.process));
  return began && *began == owner.began ? LockOwnerState::alive : LockOwnerState::gone;
}

}  // namespace

std::string lock_owner_text(std::string const& path) {
  OwnerNote const owner = parse_note(read_text_if_any(path));
  if (owner.process == 0) return "an unknown job";
  return (owner.job.empty() ? "" : "Slurm job " + owner.job + ", ") + "process " +
         std::to_string(owner.process) + " on " + owner.host;
}

std::vector<LockOwnerState> look_for_owners(std::vector<std::string> const& paths) {
  std::vector<std::string> before;
  std::vector<std::optional<LockOwnerState>> known;
  for (std::string const& path : paths) {
    before.push_back(read_text_if_any(path));
    known.push_back(look_for_process(parse_note(before.back())));
  }
  auto const is_unknown = [](auto const& state) { return !state; };
  for (int i = 0; i < 3 && std::any_of(known.begin(), known.end(), is_unknown); ++i) {
    std::this_thread::sleep_for(interval);
    for (std::size_t n = 0; n < paths.size(); ++n) {
      if (!known[n] && read_text_if_any(paths[n]) != before[n]) known[n] = LockOwnerState::alive;
    }
  }
  std::vector<LockOwnerState> states;
  for (std::size_t n = 0; n < paths.size(); ++n) {
    bool const is_in_slurm = !known[n] && slurm_runs(parse_note(before[n]).job);
    LockOwnerState const otherwise = is_in_slurm ? LockOwnerState::alive : LockOwnerState::silent;
    states.push_back(known[n].value_or(otherwise));
  }
  return states;
}

RunLock::RunLock(std::string const& run_dir, std::string const& part) {
  std::filesystem::create_directories(work_folder(run_dir));
  path_ = lock_path(run_dir, part);
  owner_ = to_text(json{{"host", host_name()},
                        {"pid", ::getpid()},
                        {"pid_space", pid_space()},
                        {"began", process_begin_ticks(::getpid()).value_or(0)},
                        {"job", own_slurm_job()},
                        {"nonce", std::random_device{}()}});
  owner_.pop_back();  // the closing brace: the counter follows
  std::string const first = lock_text(owner_, 0);
  file_ = create_exclusively(path_, first);
  if (!file_) {
    (void)read_text_file(path_);  // a pipe or a folder in its place is named
    LockOwnerState const owner = look_for_owners({path_}).front();
    require(owner != LockOwnerState::alive, ExitCode::bad_input,
            path_ + ": the run folder is in use (by " + lock_owner_text(path_) +
                ") wait for that job or end it, or give this one another run_dir");
    has_unproven_predecessor_ = owner == LockOwnerState::silent;
    log_warning("taking over the lock of " + lock_owner_text(path_) +
                (has_unproven_predecessor_ ? ", which gave no sign of life" : ", which is gone"));
    std::filesystem::remove(path_);
    file_ = create_exclusively(path_, first);
    require(
        bool(file_), ExitCode::bad_input,
        path_ +
            ": another job took the stale lock first (both started together) start one job only");
  }
  require_own();
  thread_ = std::thread([this] { beat(); });
}

std::string RunLock::loss() const {
  std::string text(owner_.size(), '\0');
  try {
    UniqueDescriptor const file = open_file(path_, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    read_at(file.get(), text.data(), text.size(), 0);
  } catch (std::system_error const& error) {
    if (error.code() != std::errc::no_such_file_or_directory) throw io_error(path_, error);
    return path_ +
           ": this job's lock is gone (somebody removed it, and another job may run) start "
           "the job again";
  }
  if (text == owner_) return "";
  return path_ + ": the lock is not this job's any more (" + lock_owner_text(path_) +
         " took it over, as this job gave no sign of life for too long) wait for that job";
}

void RunLock::require_own() const {
  std::string const lost = loss();
  require(lost.empty(), ExitCode::io, lost);
}

void RunLock::when_lost(std::function<void(std::exception const&)> told) {
  std::scoped_lock const lock(mutex_);
  told_ = std::move(told);
}

void RunLock::look() {
  try {
    std::string const lost = loss();
    if (!lost.empty() && told_) std::exchange(told_, nullptr)(Error(ExitCode::io, lost));
  } catch (Error const&) {
    // The file system does not answer, which says nothing of the lock.
  }
}

void RunLock::beat() {
  std::uint64_t counter = 0;
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, interval, [this] { return end_; })) {
    look();
    std::string const text = lock_text(owner_, ++counter);
    try {
      write_at(file_.get(), text.data(), text.size(), 0);
      sync_file(file_.get());
    } catch (std::system_error const&) {
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
  try {
    require_own();  // or it is another's, which must not lose it
    remove_file(path_);
  } catch (std::exception const&) {
    // Whoever comes next finds out.
  }
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
