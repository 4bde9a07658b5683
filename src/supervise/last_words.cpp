#include "supervise/last_words.hpp"

#include <mpi.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/exit_code_for.hpp"
#include "core/host_error.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/say.hpp"
#include "core/trace.hpp"
#include "output/plain_file.hpp"
#include "output/run_paths.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

constexpr auto write_limit = std::chrono::seconds(5);

std::mutex folder_mutex;  // guards the folder: threads of a rank may end it at once
std::string folder;

// NCCL's own threads have crashed while a communicator was aborted whose other rank was stopped:
// the job would have ended with 139 instead of its code. Such a thread waits here for the end.
void hold_threads_that_crash() {
  struct sigaction hold {};
  hold.sa_handler = [](int) {
    while (true) ::pause();
  };
  for (int const crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    ::sigaction(crash, &hold, nullptr);
}

bool is_failure(ExitCode code) {
  return code != ExitCode::complete && code != ExitCode::failed_records &&
         code != ExitCode::stopped;
}

json as_json(LastWords const& words) {
  return json{{"code", static_cast<int>(words.code)},
              {"cause", words.cause},
              {"host", words.host},
              {"rank", words.rank ? json(*words.rank) : json(nullptr)},
              {"record", words.record},
              {"read", words.read},
              {"then", words.then}};
}

// One key a line: shell scripts read it, too.
std::string as_text(json const& words) { return to_text(words, 1) + "\n"; }

void write_unless_known(std::string const& session_folder, LastWords const& words) {
  char const* slurm_job = std::getenv("SLURM_JOB_ID");
  json file = as_json(words);
  file["slurm_job"] = slurm_job != nullptr ? slurm_job : "";
  file["unix_ns"] = unix_time_ns();
  std::string const path = paths_in_session(session_folder).end;
  std::filesystem::create_directories(session_folder);  // the run folder of a first start
  std::optional<LastWords> const known = read_last_words(session_folder);
  if (known && is_failure(known->code)) return;
  if (known) {  // the job was done, and its end went wrong
    replace_file(path, as_text(file));
    return;
  }
  // Of ranks that fail at once, one writes.
  std::string const own = path + "." + std::to_string(words.rank.value_or(0));
  replace_file(own, as_text(file));
  if (::link(own.c_str(), path.c_str()) != 0 && errno != EEXIST)
    std::rename(own.c_str(), path.c_str());  // a file system without hard links
  ::unlink(own.c_str());
}

}  // namespace

LastWords last_words_of(std::exception const& error, std::string const& host, int rank) {
  LastWords words;
  words.code = exit_code_for(error);
  if (!host.empty()) words.cause = "rank " + std::to_string(rank) + " on " + host + ": ";
  words.cause += error.what();
  words.rank = rank;
  // Whoever lost a peer does not know which.
  if (words.code != ExitCode::lost_peer) words.host = host;
  if (auto const* about = dynamic_cast<HostError const*>(&error)) words.host = about->host();
  words.read = last_words_place();
  if (is_out_of_threads(error)) {
    words.cause += " (no further thread is granted)";
    words.read = "ulimit -u, and pids.max of the job's cgroup";
    words.then = "raise that limit, or start fewer ranks on the host";
    return words;
  }
  switch (words.code) {
    case ExitCode::bad_input:
      words.then = "mend what the cause names, and start the same command again";
      break;
    case ExitCode::internal:
      words.then = "report this; starting again would most likely end in the same way";
      break;
    case ExitCode::unhealthy:
      words.read = "the line above";
      words.then = "mend it or leave that node out, and start again";
      break;
    default:
      words.then = "start the same command again; it goes on where this one ended";
  }
  return words;
}

std::string last_words_place() {
  std::scoped_lock const lock(folder_mutex);
  return folder.empty() ? "the newest folder under sessions/ of the run folder" : folder;
}

std::string last_words_json(LastWords const& words) { return as_text(as_json(words)); }

std::optional<LastWords> read_last_words(std::string const& session_folder) {
  json const parsed = json_file_or_discarded(paths_in_session(session_folder).end);
  if (!parsed.is_object()) return std::nullopt;
  try {
    LastWords words;
    words.code = static_cast<ExitCode>(parsed.at("code").get<int>());
    words.cause = parsed.at("cause");
    words.host = parsed.at("host");
    if (!parsed.at("rank").is_null()) words.rank = parsed.at("rank").get<int>();
    words.record = parsed.at("record");
    words.read = parsed.at("read");
    words.then = parsed.at("then");
    return words;
  } catch (json::exception const&) {
    return std::nullopt;
  }
}

void keep_last_words_in(std::string const& session_folder) {
  std::scoped_lock const lock(folder_mutex);
  folder = session_folder;
}

// The file system may be what hangs: on a thread of its own, which nobody joins.
void write_last_words(LastWords const& words) noexcept {
  try {
    std::string session_folder;
    {
      std::scoped_lock const lock(folder_mutex);
      session_folder = folder;
    }
    if (session_folder.empty()) return;
    auto const done = std::make_shared<std::atomic<bool>>(false);
    std::thread([session_folder, words, done] {
      try {
        write_unless_known(session_folder, words);
      } catch (std::exception const& error) {
        log_warning(std::string("no end.json: ") + error.what());
      }
      *done = true;
    }).detach();
    auto const until = std::chrono::steady_clock::now() + write_limit;
    while (!*done && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  } catch (std::exception const& error) {
    say_error("no end.json: %s\n", error.what());
  }
}

void say_last_words(LastWords const& words) noexcept {
  say_error("cause: %s\nread: %s\nthen: %s\n", words.cause.c_str(), words.read.c_str(),
            words.then.c_str());
  std::fflush(stderr);
  write_last_words(words);
}

void leave(ExitCode code, std::function<void()> const& abort_collectives) {
  hold_threads_that_crash();
  std::thread([abort_collectives] {
    if (abort_collectives) abort_collectives();
  }).detach();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  int has_mpi = 0;
  MPI_Initialized(&has_mpi);
  if (has_mpi != 0)
    std::thread([code] { MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code)); }).detach();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  ::_exit(static_cast<int>(code));
}

}  // namespace ditbatch
