#include "run/run_job.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/device.hpp"                // choose_device: this rank's GPU or CPU
#include "comm/mesh_comms.hpp"            // MeshComms: one communicator a mesh dimension
#include "comm/mpi_comm.hpp"              // broadcast_string, gather_strings
#include "comm/observed_tensor_comm.hpp"  // which collective a rank stands in
#include "config/quantities.hpp"          // records_of: a limit in records
#include "core/build_info.hpp"
#include "core/log.hpp"
#include "core/process_age.hpp"
#include "families/families.hpp"     // plan_model, load_model: the model behind one interface
#include "families/make_images.hpp"  // encode, draw noise, denoise, decode
#include "output/output_writer.hpp"  // OutputWriter: rows -> verified shards, on a thread of its own
#include "output/trace_file.hpp"
#include "output/write_text.hpp"
#include "queue/work_client.hpp"  // a replica leader's side of the work queue
#include "queue/work_server.hpp"  // rank 0's side
#include "run/progress.hpp"
#include "run/replica_leader.hpp"  // what only the first rank of a replica does
#include "run/run_folder.hpp"      // lock, salvage, what is left to do
#include "run/session_folder.hpp"
#include "run/steady_gpu_use.hpp"  // run --record-kernels
#include "run/stop_request.hpp"
#include "run/summary.hpp"
#include "supervise/phase_clock.hpp"
#include "supervise/verdict.hpp"   // rank 0 checks, all ranks hear the outcome
#include "supervise/watchdog.hpp"  // names a rank that is stuck, and ends the job

namespace ditbatch {

namespace {

// Rank 0's part of a job: the run folder, and whether it must stop.
struct Office {
  Office(RunConfig const& config, RunOptions const& options, JobInput& input,
         std::atomic<int> const& signal)
      : folder(config, options, input),
        stop({config.job.run_dir, options.max_hours, config.limits.drain_s}, signal) {}
  RunFolder folder;
  StopRequest stop;
};

// The watchdog outlives the communicators, also when an error unwinds: it must not abort them any
// more.
struct LetGoOfComms {
  Watchdog& watchdog;
  ~LetGoOfComms() { watchdog.forget_collectives(); }
};

std::unique_ptr<WorkServer> open_queue(Office& office, JobInput const& input,
                                       MeshComms const& comms, c10::Device device) {
  LimitsConfig const& limits = input.config.limits;
  WorkLedger::Options ledger;
  ledger.replicas = comms.shape.replicas;
  ledger.retries = limits.retries;
  // A share of a small job is no record at all: only from some failures on is a job hopeless.
  constexpr std::uint64_t least_hopeless = 10;
  ledger.abort_failed =
      records_of(limits.abort_failed, office.folder.to_do.size() + office.folder.already_done);
  if (limits.abort_failed.unit == RecordLimit::Unit::percent) {
    ledger.abort_failed = std::max<std::size_t>(ledger.abort_failed, least_hopeless);
  }
  WorkServer::Options server;
  server.comm = comms.queue.get();
  server.leaders = comms.shape.replicas;
  server.index_path = office.folder.index_path;
  server.failed_path = office.folder.failed_path;
  server.next_shard_number = office.folder.contents.next_shard_number;
  server.must_stop = [&office] { return office.stop.must_stop(); };
  BatchRule const rule{input.config.runtime.batch_size, device.is_cuda(), comms.shape};
  auto const shape_of = [&](ImageRecord const& record) {
    return input.model.family->work_shape(record, rule);
  };
  return std::make_unique<WorkServer>(WorkLedger(std::move(office.folder.to_do), shape_of, ledger),
                                      server);
}

ImageBatch batch_of(std::vector<Lease> const& leases) {
  ImageBatch batch;
  for (Lease const& lease : leases) batch.records.push_back(lease.record);
  batch.cost = leases.front().cost;
  return batch;
}

std::string rank_name(int rank) {
  char name[16];
  std::snprintf(name, sizeof name, "rank-%04d", rank);
  return name;
}

// Bits are compared within one kind of hardware, so a data set is made on one kind unless the user
// says so.
void refuse_mixed_hardware(RunConfig const& config, std::string const& hardware,
                           MpiSession const& session) {
  std::vector<std::string> const all =
      gather_strings(session.comm(), session.host() + ": " + hardware, 0);
  (void)on_first_rank(session, [&] {
    std::string const first_kind = all.front().substr(all.front().find(": "));
    for (std::string const& one : all) {
      require(
          config.runtime.allow_mixed || one.substr(one.find(": ")) == first_kind,
          ExitCode::unhealthy,
          "the ranks have different hardware: " + all.front() + "; " + one +
              " (their bits may differ) leave one kind out, or write [runtime] allow_mixed = true");
    }
    return std::string();
  });
}

std::string load_text(LoadReport const& load, int ranks) {
  char text[160];
  std::snprintf(text, sizeof text, "loaded in %.2f s: %.3f GB of weights, %.2f GB/s, by %d rank%s",
                load.load_s, static_cast<double>(load.weights_bytes) * 1e-9, load.gb_per_s(), ranks,
                ranks == 1 ? "" : "s");
  return text;
}

std::string first_image_text(double first_image_s) {
  char text[80];
  std::snprintf(text, sizeof text, "first image handed over %.2f s after the start", first_image_s);
  return text;
}

ExitCode exit_code_of(RunConfig const& config, WorkCounts const& counts, RunFolder const& folder) {
  std::size_t const records = counts.total + folder.already_done + folder.known_failed;
  if (counts.failed + folder.known_failed > records_of(config.limits.allow_failed, records))
    return ExitCode::failed_records;
  return counts.done + counts.failed < counts.total ? ExitCode::stopped : ExitCode::complete;
}

}  // namespace

ExitCode run_job(RunConfig const& config, RunOptions const& options, MpiSession const& session,
                 std::int64_t begin_ns) {
  Trace trace;
  Activity activity;
  bool const is_first = session.rank() == 0;
  std::atomic<int> signal_of_any_rank{0};
  Watchdog watchdog({config.limits, session.comm(), session.rank(), session.size(), session.host(),
                     [&signal_of_any_rank](int signal) { signal_of_any_rank = signal; }},
                    activity, trace);
  PhaseClock clock(trace, activity, config.limits, begin_ns);

  // Read and prove everything before a model is loaded: rank 0 checks, all ranks hear the outcome.
  JobInput input;
  std::unique_ptr<Office> office;
  std::string const to_do = on_first_rank(session, [&] {
    Problems problems;
    input = read_job_input(config, session.size(), options.part, ReadManifest::yes, problems);
    problems.throw_if_any();
    office = std::make_unique<Office>(config, options, input, signal_of_any_rank);
    return std::to_string(office->folder.to_do.size());
  });
  if (to_do == "0") {  // without loading the model
    if (!is_first) return ExitCode::complete;
    log_info("nothing to do: all " + std::to_string(office->folder.already_done) +
             " images are published");
    return exit_code_of(config, {}, office->folder);
  }
  if (!is_first) {
    Problems problems;
    input = read_job_input(config, session.size(), options.part, ReadManifest::no, problems);
    // Rank 0 found nothing wrong, so this is no list that all ranks have heard of and end by: it
    // has to end the others too.
    require(problems.empty(), ExitCode::io,
            problems.empty() ? ""
                             : to_string(problems.all().front()) +
                                   "; only this rank has the problem (rank 0 found none)");
  }

  // Every rank its device, its communicators, its session files.
  clock.enter(Phase::load);
  ChosenDevice const device = choose_device(
      session, {config.runtime.device, config.runtime.share_gpu,
                std::getenv("SLURM_JOB_ID") != nullptr, input.model.rank_weight_bytes});
  MeshComms comms =
      make_mesh_comms(session.comm(), input.mesh, device.device,
                      config.runtime.peer_memory ? PeerAccess::automatic : PeerAccess::off);
  observe(comms, make_call_observer(activity, device.device));
  LetGoOfComms const at_the_end{watchdog};
  RankPlace const place{session.rank(), comms.coordinate.replica, session.host(),
                        device.name,    device.gpu_uuid,          device.driver};
  std::vector<std::string> const places = gather_strings(session.comm(), to_message(place), 0);
  int const session_number = std::stoi(on_first_rank(session, [&] {
    int const number = make_session_folder(config.job.run_dir);
    std::vector<RankPlace> ranks;
    for (std::string const& message : places) ranks.push_back(rank_place_from_message(message));
    write_session_files(session_folder(config.job.run_dir, number), input.config, input.mesh, ranks,
                        device.hardware, to_hex(input.model.checkpoint.id));
    return std::to_string(number);
  }));
  std::string const session_path = session_folder(config.job.run_dir, session_number);
  log_to_file(session_path + "/logs/" + rank_name(session.rank()) + ".log");
  watchdog.set_place({comms.coordinate.replica, device.name, session_path + "/dumps",
                      [&comms] { abort_collectives(comms); }});
  refuse_mixed_hardware(config, device.hardware, session);
  log_info("session " + std::to_string(session_number) + ": " + to_do + " images to make, " +
           layout_name(input.mesh) + " on " + device.hardware);
  SteadyGpuUse gpu_use(options.kernels, device.device);
  std::unique_ptr<Model> const model =
      load_model(input.model, config.runtime, comms, device.device);
  log_info(load_text(model->load_report(), session.size()));

  // The straight line: records from the queue to their shards, a batch at a time.
  std::unique_ptr<WorkServer> server;  // ends before the communicators
  std::optional<ProgressLine> progress;
  if (is_first) {
    server = open_queue(*office, input, comms, device.device);
    progress.emplace(ProgressLine::Sources{[&server] { return server->counts(); },
                                           [&watchdog] { return watchdog.ranks_json(); }},
                     office->folder.already_done, session_path);
  }
  std::unique_ptr<ReplicaLeader> leader;  // a null writer on the other ranks
  if (comms.is_leader()) {
    leader = std::make_unique<ReplicaLeader>(input, part_name(options.part), session_number,
                                             device.hardware, comms, trace);
  }
  double first_image_s = 0;
  clock.enter(Phase::wait);
  while (true) {
    std::vector<Lease> const leases = next_leases(leader.get(), comms);
    if (leases.empty()) break;
    ImageBatch const batch = batch_of(leases);
    MadeImages const made = make_images(*model, batch, device.device, clock);
    gpu_use.decoded();
    clock.enter(Phase::hand_over, work_of(batch));
    HandOver const outcome = hand_over(leader.get(), leases, made, clock, comms);
    if (outcome == HandOver::failed && comms.peers) comms.peers->start_over();
    if (first_image_s == 0 && !made.error) {
      first_image_s = process_age_s();
      log_info(first_image_text(first_image_s));
      gpu_use.begin();
    }
    clock.enter(Phase::wait);
  }

  // Everything out of the writers, then the reports.
  clock.enter(Phase::drain);
  if (leader) leader->finish();
  check_mpi(MPI_Barrier(session.comm()));
  if (is_first) server->finish();
  progress.reset();
  GpuUse const gpu = gpu_use.finish(trace);
  write_trace_file(session_path + "/trace/" + rank_name(session.rank()) + ".h5", trace.drain());

  RankTotals totals{session.rank(),
                    session.host(),
                    clock.wall_s(),
                    clock.totals_s(),
                    leader ? leader->writer_wait_s() : 0,
                    gpu};
  std::vector<std::string> const all_totals = gather_strings(session.comm(), to_message(totals), 0);
  std::string const code = on_first_rank(session, [&] {
    JobSummary summary{config.job.name,
                       layout_name(input.mesh),
                       server->counts(),
                       office->folder.already_done,
                       office->folder.beyond_limit,
                       office->stop.reason(),
                       {},
                       model->load_report(),
                       first_image_s};
    for (std::string const& message : all_totals)
      summary.ranks.push_back(rank_totals_from_message(message));
    office->folder.forget_mended_failures(config);
    write_text(session_path + "/summary.json", summary_json(summary));
    std::fputs(summary_text(summary).c_str(), stderr);
    return std::to_string(static_cast<int>(exit_code_of(config, summary.counts, office->folder)));
  });
  return static_cast<ExitCode>(std::stoi(code));
}

}  // namespace ditbatch
