#include "run/end_job.hpp"

#include <mpi.h>

#include <cstdio>
#include <string>
#include <vector>

#include "comm/mpi_comm.hpp"
#include "config/quantities.hpp"
#include "core/log.hpp"
#include "output/plain_file.hpp"
#include "supervise/last_words.hpp"

namespace ditbatch {

namespace {

ExitCode exit_code_of(RunConfig const& config, WorkCounts const& counts, RunFolder const& folder) {
  std::size_t const records = counts.total + folder.already_done + folder.known_failed;
  if (counts.failed + folder.known_failed > records_of(config.limits.allow_failed, records))
    return ExitCode::failed_records;
  return counts.done + counts.failed < counts.total ? ExitCode::stopped : ExitCode::complete;
}

// How the job came to its end, for end.json.
LastWords words_for(ExitCode code, JobSummary const& summary, SessionPaths const& paths) {
  LastWords words;
  words.code = code;
  words.read = paths.summary;
  if (!summary.stop_reason.empty() && code == ExitCode::stopped) {
    words.cause = "told to stop by " + summary.stop_reason;
    words.then = "start the same command again; it goes on where this one ended";
  } else if (code == ExitCode::stopped) {
    words.cause = "work is left (too many records failed, see [limits] abort_failed)";
    words.then = "see failed.jsonl in the run folder, and start again";
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
  if (!start.office) return ExitCode::complete;
  RunFolder const& folder = start.office->folder;
  log_info("nothing to do: all " + std::to_string(folder.already_done) + " images are published");
  return exit_code_of(config, {}, folder);
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
    summary.stop_reason = start.office->stop.reason();
    folder.forget_mended_failures(config);
    replace_file(start.paths.summary, summary_json(summary));
    std::fputs(summary_text(summary).c_str(), stderr);
    ExitCode const code = exit_code_of(config, summary.counts, folder);
    write_last_words(words_for(code, summary, start.paths));
    return code;
  });
}

}  // namespace ditbatch
