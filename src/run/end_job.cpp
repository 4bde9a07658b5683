#include "run/end_job.hpp"

#include <mpi.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "comm/mpi_comm.hpp"
#include "config/quantities.hpp"
#include "core/log.hpp"
#include "core/say.hpp"
#include "output/plain_file.hpp"
#include "supervise/last_words.hpp"
#include "supervise/signals.hpp"

namespace ditbatch {

namespace {

// A job that was stopped goes on, whatever failed until then; one that gave up does not.
ExitCode exit_code_of(RunConfig const& config, JobSummary const& summary, RunFolder const& folder) {
  WorkCounts const& counts = summary.counts;
  if (!summary.given_up.empty()) return ExitCode::failed_records;
  if (counts.done + counts.failed < counts.total) return ExitCode::stopped;
  std::size_t const records = counts.total + folder.already_done + folder.known_failed;
  bool const too_many =
      counts.failed + folder.known_failed > records_of(config.limits.allow_failed, records);
  return too_many ? ExitCode::failed_records : ExitCode::complete;
}

std::string then_after_stop(std::string const& run_dir) {
  std::error_code ignored;
  bool const is_barred = std::filesystem::exists(stop_path(run_dir), ignored);
  return (is_barred ? "remove " + stop_path(run_dir) + " and " : std::string()) +
         "start the same command again; it goes on where this one ended";
}

// Of a job that goes on when it is started again.
LastWords words_after_stop(std::string const& reason, std::size_t left, std::string const& run_dir,
                           std::string const& read) {
  LastWords words;
  words.code = ExitCode::stopped;
  words.cause = "stopped by " + reason + ", " + std::to_string(left) + " images left";
  words.read = read;
  words.then = then_after_stop(run_dir);
  return words;
}

// Of a job that was told to stop and goes on for now; it may not come to its end.
LastWords words_in_advance(int signal, JobStart const& start, WorkCounts const& counts) {
  std::size_t const left = counts.total + start.office->folder.beyond_limit - counts.done -
                           counts.appended - counts.failed;
  return words_after_stop(signal_name(signal), left, start.input.config.job.run_dir,
                          start.paths.folder);
}

// How the job came to its end, for end.json.
LastWords words_for(ExitCode code, JobSummary const& summary, std::string const& run_dir,
                    SessionPaths const& paths) {
  if (code == ExitCode::stopped)
    return words_after_stop(summary.stop_reason, images_left(summary), run_dir, paths.summary);
  LastWords words;
  words.code = code;
  words.read = paths.summary;
  if (!summary.given_up.empty()) {
    words.cause = "given up with " + std::to_string(images_left(summary)) +
                  " images left: " + summary.given_up;
    words.then = "mend the cause (failed.jsonl and logs/ tell more), and start with --retry-failed";
  } else if (code == ExitCode::failed_records) {
    words.cause = "more records failed than [limits] allow_failed";
    words.then = "see failed.jsonl in the run folder, and run with --retry-failed";
  } else {
    words.cause = "the work is done";
    words.then = "nothing";
  }
  return words;
}

}  // namespace

ExitCode end_without_work(RunConfig const& config, JobStart const& start) {
  if (start.is_barred) {
    log_info("told to stop by " + stop_path(config.job.run_dir) + ": nothing was loaded or made (" +
             then_after_stop(config.job.run_dir) + ")");
    return ExitCode::stopped;
  }
  if (!start.office) return ExitCode::complete;
  RunFolder const& folder = start.office->folder;
  log_info("nothing to do: " + std::string(folder.known_failed == 0 ? "all " : "") +
           std::to_string(folder.already_done) + " images are published" +
           (folder.taken_out > 0 ? ", " + std::to_string(folder.taken_out) + " taken out" : ""));
  if (folder.known_failed > 0)
    log_warning(std::to_string(folder.known_failed) + " images failed before and are left out (" +
                folder.first_failure + "; " + folder.failed_path +
                " lists all) start with --retry-failed to try them again");
  JobSummary nothing_made;
  return exit_code_of(config, nothing_made, folder);
}

std::shared_ptr<void> hear_of_trouble(JobStart const& start, Workplace& work, ReplicaLeader* leader,
                                      WorkServer* server) {
  Watchdog::SignalHooks hooks;
  if (leader != nullptr) {
    hooks.flush = [leader] { leader->flush_soon(); };
    hooks.is_flushed = [leader] { return leader->is_flushed(); };
  }
  if (server != nullptr) {
    hooks.told_to_stop = [&start, server](int signal) {
      log_info(
          "told to stop by " + signal_name(signal) +
          ": the images in hand are finished first; after SIGINT or SIGTERM another ends at once");
      write_last_words(words_in_advance(signal, start, server->counts()));
    };
  }
  work.watchdog.set_hooks(std::move(hooks));
  RunLock* const lock = start.office ? &start.office->folder.lock() : nullptr;
  if (lock != nullptr)
    lock->when_lost([&work](std::exception const& error) { work.watchdog.end_job(error); });
  return {&work.watchdog, [lock](Watchdog* told) {
            if (lock != nullptr) lock->when_lost(nullptr);
            told->set_hooks({});
          }};
}

void drain(Supervision& supervision, ReplicaLeader* leader, WorkServer* server) {
  supervision.clock.enter(Phase::drain);
  if (leader != nullptr) leader->finish();
  {
    HostCall const call(supervision.activity, "world barrier");
    check_mpi(MPI_Barrier(supervision.session.comm()));  // comm: all ranks
  }
  if (server != nullptr) server->finish();
}

ExitCode report(Supervision& supervision, RunConfig const& config, JobStart const& start,
                RankTotals const& own, JobSummary summary) {
  // comm: all ranks
  std::vector<std::string> const all_totals = gather_strings(supervision, to_message(own));
  // comm: all ranks
  return on_first_rank(supervision, [&] {
    RunFolder& folder = start.office->folder;
    for (std::string const& message : all_totals)
      summary.ranks.push_back(rank_totals_from_message(message));
    summary.already_done = folder.already_done;
    summary.beyond_limit = folder.beyond_limit;
    summary.taken_out = folder.contents.taken_out.images();
    summary.notices = start.notices;
    summary.stop_reason =
        summary.given_up.empty() ? start.office->stop.reason() : "given up: " + summary.given_up;
    folder.forget_mended_failures(config);
    replace_file(start.paths.summary, summary_json(summary));
    say_error("%s", summary_text(summary).c_str());
    ExitCode const code = exit_code_of(config, summary, folder);
    LastWords const words = words_for(code, summary, config.job.run_dir, start.paths);
    if (code == ExitCode::complete)
      write_last_words(words);
    else
      say_last_words(words);
    return code;
  });
}

}  // namespace ditbatch
