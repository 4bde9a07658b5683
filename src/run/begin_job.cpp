#include "run/begin_job.hpp"

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "config/load_run_config.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "mesh/device_mesh.hpp"
#include "output/plain_file.hpp"
#include "output/scan_run.hpp"
#include "run/notices.hpp"
#include "run/session_folder.hpp"
#include "supervise/last_words.hpp"

namespace ditbatch {

namespace {

constexpr std::size_t most_prompts_looked_at = 2000;  // a fifth of a second

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

// The first line in which two configurations differ; both have all keys.
std::string first_difference(std::string const& text, std::string const& other) {
  std::istringstream lines(text), other_lines(other);
  std::string line, other_line;
  while (line == other_line && std::getline(lines, line) && std::getline(other_lines, other_line)) {
  }
  return "`" + line + "`, not `" + other_line + "`";
}

// A rank that reads another file, or has other variables, would make other images.
void require_same_config(RunConfig const& config, Supervision& supervision) {
  std::string const own = to_toml(config);
  // comm: all ranks
  std::vector<std::string> const all =
      gather_strings(supervision, supervision.session.host() + "\n" + own);
  // comm: all ranks
  on_first_rank(supervision, [&] {
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      std::size_t const end_of_host = all[rank].find('\n');
      std::string const config_of_rank = all[rank].substr(end_of_host + 1);
      if (config_of_rank == own) continue;
      throw Error(
          ExitCode::bad_input,
          "rank " + std::to_string(rank) + " on " + all[rank].substr(0, end_of_host) +
              " has another configuration than rank 0: " + first_difference(config_of_rank, own) +
              " (it reads another file, or other variables) start all ranks with the same");
    }
  });
}

}  // namespace

JobStart begin_job(RunConfig const& given, RunOptions const& options, Supervision& supervision) {
  MpiSession const& session = supervision.session;
  require_same_config(given, supervision);
  RunConfig config = given;
  // comm: all ranks
  config.model.dtype = on_first_rank(supervision, [&] { return settle_dtype(given); });
  JobStart start;
  struct Found {
    std::size_t to_do = 0;
    int session = 0;
    bool is_barred = false;
  };
  // comm: all ranks
  Found const found_by_first = on_first_rank(supervision, [&] {
    if (std::filesystem::exists(stop_path(config.job.run_dir))) return Found{0, 0, true};
    Problems problems;
    start.input = read_job_input(config, session.size(), options.part, ReadManifest::yes, problems);
    problems.throw_if_any();
    for (Notice const& notice : find_notices(start.input, most_prompts_looked_at)) {
      start.notices.push_back(to_string(notice));
      log_warning(start.notices.back());
    }
    start.office = std::make_unique<Office>(config, options, start.input, supervision.stop_signal);
    Found found{start.office->folder.to_do.size()};
    if (found.to_do == 0) return found;
    found.session = make_session_folder(config.job.run_dir);
    replace_file(session_paths(config.job.run_dir, found.session).run_toml,
                 to_toml(start.input.config));
    return found;
  });
  start.to_do = found_by_first.to_do;
  start.is_barred = found_by_first.is_barred;
  if (start.to_do == 0) return start;
  start.session = found_by_first.session;
  start.paths = session_paths(config.job.run_dir, start.session);
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
