#include "run/begin_job.hpp"

#include <vector>

#include "config/load_run_config.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "mesh/device_mesh.hpp"
#include "output/plain_file.hpp"
#include "output/scan_run.hpp"
#include "run/session_folder.hpp"
#include "supervise/last_words.hpp"

namespace ditbatch {

namespace {

// Bits are compared within one kind of hardware, so a data set is made on one kind unless the user
// says so.
void refuse_mixed_hardware(RunConfig const& config, std::string const& hardware,
                           Supervision& supervision) {
  // comm: all ranks
  std::vector<std::string> const all =
      gather_strings(supervision, supervision.session.host() + ": " + hardware);
  // comm: all ranks
  on_first_rank(supervision, [&] {
    std::string const first_kind = all.front().substr(all.front().find(": "));
    for (std::string const& one : all) {
      require(
          config.runtime.allow_mixed || one.substr(one.find(": ")) == first_kind,
          ExitCode::unhealthy,
          "the ranks have different hardware: " + all.front() + "; " + one +
              " (their bits may differ) leave one kind out, or write [runtime] allow_mixed = true");
    }
  });
}

}  // namespace

JobStart begin_job(RunConfig const& config, RunOptions const& options, Supervision& supervision) {
  MpiSession const& session = supervision.session;
  JobStart start;
  struct Found {
    std::size_t to_do = 0;
    int session = 0;
  };
  // comm: all ranks
  auto const [to_do, session_number] = on_first_rank(supervision, [&] {
    Problems problems;
    start.input = read_job_input(config, session.size(), options.part, ReadManifest::yes, problems);
    problems.throw_if_any();
    start.office = std::make_unique<Office>(config, options, start.input, supervision.stop_signal);
    Found found{start.office->folder.to_do.size()};
    if (found.to_do == 0) return found;
    found.session = make_session_folder(config.job.run_dir);
    replace_file(session_paths(config.job.run_dir, found.session).run_toml,
                 to_toml(start.input.config));
    return found;
  });
  start.to_do = to_do;
  if (to_do == 0) return start;
  start.session = session_number;
  start.paths = session_paths(config.job.run_dir, session_number);
  keep_last_words_in(start.paths.folder);
  log_to_file(start.paths.logs + "/" + rank_name(session.rank()) + ".log");
  if (start.office) return start;
  Problems problems;
  start.input = read_job_input(config, session.size(), options.part, ReadManifest::no, problems);
  // Rank 0 found nothing wrong, so this is no list that all ranks have heard of and end by: it
  // has to end the others too.
  require(problems.empty(), ExitCode::io,
          problems.empty() ? ""
                           : to_string(problems.all().front()) +
                                 "; only this rank has the problem (rank 0 found none)");
  return start;
}

void describe_session(Supervision& supervision, RunConfig const& config, JobStart const& start,
                      ChosenDevice const& device) {
  RankPlace place = place_of(supervision.session, device);
  place.replica = coordinate_of(start.input.mesh, place.rank).replica;
  // comm: all ranks
  std::vector<std::string> const places = gather_strings(supervision, to_message(place));
  // comm: all ranks
  on_first_rank(supervision, [&] {
    std::vector<RankPlace> ranks;
    for (std::string const& message : places) ranks.push_back(rank_place_from_message(message));
    write_session_file(start.paths.session_json, start.input.mesh, ranks, device.hardware,
                       to_hex(start.input.model.checkpoint.id));
  });
  refuse_mixed_hardware(config, device.hardware, supervision);
}

}  // namespace ditbatch
