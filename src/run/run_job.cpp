#include "run/run_job.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/mesh_comms.hpp"         // MeshComms: one communicator a mesh dimension
#include "config/load_run_config.hpp"  // dtype_name
#include "config/quantities.hpp"       // records_of: a limit in records
#include "core/log.hpp"
#include "core/process_age.hpp"
#include "families/families.hpp"     // plan_model, load_model: the model behind one interface
#include "families/make_images.hpp"  // encode, draw noise, denoise, decode
#include "output/output_writer.hpp"  // OutputWriter: rows -> verified shards, on a thread of its own
#include "output/run_paths.hpp"
#include "output/trace_file.hpp"
#include "queue/work_client.hpp"  // a replica leader's side of the work queue
#include "queue/work_server.hpp"  // rank 0's side
#include "run/begin_job.hpp"      // input, run folder, session: before a model is loaded
#include "run/end_job.hpp"        // everything out of the writers, then the reports
#include "run/progress.hpp"
#include "run/replica_leader.hpp"   // what only the first rank of a replica does
#include "run/steady_gpu_use.hpp"   // run --record-kernels
#include "supervise/workplace.hpp"  // phases, the watchdog, the device, the communicators

namespace ditbatch {

namespace {

std::unique_ptr<WorkServer> open_queue(Office& office, JobInput const& input, Workplace& work) {
  MeshComms const& comms = work.comms;
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
  server.checkpoint = to_hex(input.model.checkpoint.id).substr(0, 16);
  server.next_shard_number = office.folder.contents.next_shard_number;
  server.schema_version = office.folder.contents.schema_version;
  server.when_lost = [&work](std::exception const& error) { work.watchdog.end_job(error); };
  server.must_stop = [&office] { return office.stop.must_stop(); };
  server.require_folder = [&office] { office.folder.lock().require_own(); };
  BatchRule const rule{input.config.runtime.batch_size, work.device.device.is_cuda(), comms.shape};
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

std::string load_text(LoadReport const& load, int ranks) {
  char text[160];
  std::snprintf(text, sizeof text, "loaded in %.2f s: %.3f GB of weights, %.2f GB/s, by %d rank%s",
                load.load_s, static_cast<double>(load.weights_bytes) * 1e-9, load.gb_per_s(), ranks,
                ranks == 1 ? "" : "s");
  return text;
}

bool has_good_image(MadeImages const& made) {
  return std::any_of(made.images.begin(), made.images.end(),
                     [](auto const& image) { return image.finite; });
}

// What the queue knows of the job, on rank 0.
JobSummary summary_of(JobInput const& input, WorkServer const* server) {
  JobSummary summary;
  summary.name = input.config.job.name;
  summary.layout = layout_name(input.mesh);
  if (server == nullptr) return summary;
  summary.counts = server->counts();
  summary.given_up = server->given_up();
  return summary;
}

RankTotals totals_of(MpiSession const& session, PhaseClock const& clock,
                     ReplicaLeader const* leader, GpuUse const& gpu) {
  RankTotals totals{session.rank(), session.host(), clock.wall_s(), clock.totals_s()};
  totals.gpu = gpu;
  if (leader == nullptr) return totals;
  totals.writer_wait_s = leader->writer_wait_s();
  totals.constant_images = leader->constant_images();
  totals.cut_images = leader->cut_images();
  return totals;
}

std::string first_image_text(double first_image_s) {
  char text[80];
  std::snprintf(text, sizeof text, "first image handed over %.2f s after the start", first_image_s);
  return text;
}

}  // namespace

ExitCode run_job(RunConfig const& config, RunOptions const& options, MpiSession const& session,
                 std::int64_t begin_ns) {
  Supervision supervision(session, config.limits, begin_ns);
  PhaseClock& clock = supervision.clock;
  JobStart const start = begin_job(config, options, supervision);
  if (start.to_do == 0) return end_without_work(config, start);
  JobInput const& input = start.input;

  // Every rank its device, its session files, its communicators, its weights.
  clock.enter(Phase::load);
  ChosenDevice const device =
      choose_device(supervision, config.runtime, input.model.rank_weight_bytes);
  describe_session(supervision, config, start, device);
  log_info("session " + std::to_string(start.session) + ": " + std::to_string(start.to_do) +
           " images to make, " + layout_name(input.mesh) + " in " +
           dtype_name(input.config.model.dtype) + " on " + device.hardware);
  TraceWriter trace_file(trace_path(start.paths, session.rank()), supervision.trace);
  Workplace work(supervision, device, session.comm(), input.mesh, config.runtime,
                 start.paths.dumps);
  MeshComms& comms = work.comms;
  SteadyGpuUse gpu_use(options.kernels, device.device);
  std::unique_ptr<Model> const model =
      load_model(input.model, config.runtime, comms, device.device);
  log_info(load_text(model->load_report(), session.size()));

  // The straight line: records from the queue to their shards, a batch at a time.
  std::unique_ptr<WorkServer> server;  // ends before the communicators
  std::optional<ProgressLine> progress;
  if (start.office) {
    server = open_queue(*start.office, input, work);
    progress.emplace(
        ProgressLine::Sources{[&server] { return server->counts(); },
                              [&work] { return work.watchdog.ranks_json(); }},
        OtherImages{start.office->folder.already_done, start.office->folder.beyond_limit},
        start.paths);
  }
  std::unique_ptr<ReplicaLeader> leader;  // a null writer on the other ranks
  if (comms.is_leader()) {
    leader = std::make_unique<ReplicaLeader>(input, part_name(options.part), start.session, device,
                                             comms, work.trace, work.activity.file_calls());
  }
  std::shared_ptr<void> ears = hear_of_trouble(start, work, leader.get(), server.get());
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
    // comm: branch
    if (outcome == HandOver::failed && comms.peers) comms.peers->start_over();
    if (first_image_s == 0 && has_good_image(made)) {
      first_image_s = process_age_s();
      log_info(first_image_text(first_image_s));
      gpu_use.begin();
    }
    clock.enter(Phase::wait);
  }

  // Everything out of the writers, then the reports.
  drain(supervision, leader.get(), server.get());
  ears.reset();  // how the job ended is told below
  progress.reset();
  GpuUse const gpu = gpu_use.finish(work.trace);
  trace_file.finish();
  RankTotals const totals = totals_of(session, clock, leader.get(), gpu);
  JobSummary summary = summary_of(input, server.get());
  summary.load = model->load_report();
  summary.first_image_s = first_image_s;
  return report(supervision, config, start, totals, std::move(summary));
}

}  // namespace ditbatch
