#include "bench/run_bench.hpp"

#include <chrono>
#include <ctime>
#include <filesystem>
#include <optional>
#include <thread>

#include "bench/bench_plan.hpp"
#include "bench/bench_report.hpp"
#include "bench/counting_tensor_comm.hpp"
#include "bench/kernel_timeline.hpp"
#include "bench/measure_case.hpp"
#include "comm/device.hpp"
#include "comm/mpi_comm.hpp"
#include "config/load_run_config.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/say.hpp"
#include "families/dtype.hpp"
#include "families/families.hpp"
#include "families/model.hpp"
#include "output/plain_file.hpp"
#include "profile/recording.hpp"
#include "supervise/verdict.hpp"
#include "supervise/workplace.hpp"
#if DITBATCH_CUDA
#include "bench/gpu_memory.hpp"
#endif

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

ModelPlan open_model(ModelConfig const& model) {
  Problems problems;
  ModelPlan plan = plan_model(model, problems);
  problems.throw_if_any();
  return plan;
}

std::string make_out_dir(std::string const& wanted) {
  std::string name = wanted;
  if (name.empty()) {
    std::time_t const now = std::time(nullptr);
    std::tm local{};
    char text[40];
    std::strftime(text, sizeof text, "bench-%Y%m%d-%H%M%S", ::localtime_r(&now, &local));
    name = text;
  }
  std::error_code error;
  fs::create_directories(name, error);
  require(!error, ExitCode::io,
          name + " cannot be made (" + error.message() + ") name another folder with --out");
  return fs::absolute(name);
}

// The ranks that a layout leaves out wait for days without a core of their own.
void meet_asleep(Supervision& supervision) {
  HostCall const call(supervision.activity, "world meet");
  MPI_Comm const comm = supervision.session.comm();
  MPI_Request all_are_here = MPI_REQUEST_NULL;
  // comm: all ranks
  check_mpi(MPI_Ibarrier(comm, &all_are_here));
  for (int done = 0; done == 0;) {
    check_mpi(MPI_Test(&all_are_here, &done, MPI_STATUS_IGNORE));
    if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// The study on rank 0, and where it goes; null elsewhere.
class Notebook {
 public:
  Notebook(std::string out_dir, BenchStudy study)
      : out_dir_(std::move(out_dir)), study_(std::move(study)) {}
  void add(CaseResult result) {
    study_.cases.push_back(std::move(result));
    replace_file(out_dir_ + "/bench.json", bench_json(study_));
    replace_file(out_dir_ + "/bench.csv", bench_csv(study_));
  }
  void add_timeline(std::string const& name, Timeline const& timeline) const {
    replace_file(out_dir_ + "/timeline-" + name + ".json", chrome_trace_json(timeline));
  }
  [[nodiscard]] BenchStudy const& study() const { return study_; }

 private:
  std::string out_dir_;
  BenchStudy study_;
};

// A case without its ranks: the work, why it cannot be done, or else what a step and the decoder
// compute for one image, on however many ranks.
CaseResult describe(ModelPlan const& plan, PlannedLayout const& layout, BenchCase const& of) {
  CaseResult result;
  result.layout = layout;
  result.layout.cases.clear();
  result.work = of.work;
  result.refusal = of.refusal;
  if (!result.refusal.empty()) return result;
  ImageWork const image{of.work.width_px, of.work.height_px, of.work.steps, of.work.text_tokens};
  StepFlop const flop = flop_of(plan.family->step_calls(image, 1, {}, {}));
  double const branches = layout.uses_true_cfg() ? 2 : 1;
  result.step_flop = {branches * flop.gemm, branches * flop.attention};
  result.decode_flop = plan.family->decoder_flop(image);
  return result;
}

// Of several ranks, one that fails alone would leave the others in a collective: the job ends. A
// rank that is alone can go on with the next case, for want of memory for example.
template <class Measure>
std::string error_of(MPI_Comm comm, Measure const& measure) {
  if (size_of(comm) > 1) {
    measure();
    return "";
  }
  try {
    measure();
    return "";
  } catch (Error const&) {
    throw;
  } catch (std::exception const& error) {
    std::string const text = error.what();
    return text.substr(0, text.find('\n'));
  }
}

void measure_one(BenchRank const& rank, BenchCase const& of, BenchOptions::Kernels kernels,
                 std::string const& rank_name, Notebook* notebook) {
  CaseResult result = describe(rank.plan, rank.layout, of);
  RankResult mine;
  RecordedKernels recorded;
  result.refusal = error_of(rank.comm, [&] {
    mine = measure_case(rank, of.work);
    if (kernels == BenchOptions::Kernels::leave) return;
    recorded = record_kernels(rank, of.work);
    if (!recorded.kernels.empty()) mine.profile = recorded.profile;
  });
  rank.clock.enter(Phase::wait);
  // comm: the layout's ranks
  for (std::string const& message : gather_strings(rank.comm, to_message(mine), 0))
    result.ranks.push_back(rank_result_from_message(message));
  bool const shows = !recorded.kernels.empty() && mine.replica == 0;
  // comm: the layout's ranks
  std::vector<std::string> const timelines = gather_strings(
      rank.comm,
      shows ? timeline_message(mine.rank, rank_name, recorded.kernels, recorded.phases) : "", 0);
  if (notebook == nullptr) return;
  Timeline const timeline = timeline_from_messages(timelines);
  std::string const name = name_of(rank.layout) + "." + name_of(of.work);
  if (!timeline.events.empty()) notebook->add_timeline(name, timeline);
  log_info(result.refusal.empty() ? name + ": " + std::to_string(mine.batches.size()) +
                                        " batches in " + std::to_string(mine.wall_s) + " s"
                                  : name + " was not measured: " + result.refusal);
  notebook->add(std::move(result));
}

// On every rank but the first, which has shown that it can be read: what this rank alone cannot
// read must end the study, or the others would wait.
ModelPlan open_model_like_first(ModelConfig const& model, MpiSession const& session) {
  try {
    return open_model(model);
  } catch (BadInput const& error) {
    throw Error(ExitCode::io, "rank " + std::to_string(session.rank()) + " on " + session.host() +
                                  " cannot read what rank 0 can: " + error.what());
  }
}

// What a study has on every rank, from its first layout to its last.
struct Study {
  Supervision& supervision;
  RunConfig const& config;
  ModelPlan const& plan;
  ChosenDevice const& device;
  std::string const& out_dir;
  BenchOptions::Kernels kernels;
};

// The study as it begins, on rank 0; nothing elsewhere.
std::optional<Notebook> open_notebook(Study const& study) {
  MpiSession const& session = study.supervision.session;
  // comm: all ranks
  std::vector<std::string> const places =
      gather_strings(study.supervision, to_message(place_of(session, study.device)));
  if (session.rank() != 0) return std::nullopt;
  BenchStudy begun{study.config.job.name,       study.plan.checkpoint.folder,
                   to_toml(study.config),       study.config.bench.repetitions,
                   {study.device.hardware, {}}, {}};
  for (std::string const& message : places)
    begun.machine.ranks.push_back(rank_place_from_message(message));
  return Notebook(study.out_dir, std::move(begun));
}

// All cases of a layout, on the ranks that it takes.
void measure_layout(Study const& study, PlannedLayout const& layout, MPI_Comm group,
                    Notebook* notebook) {
  MpiSession const& session = study.supervision.session;
  ChosenDevice const& device = study.device;
  study.supervision.clock.enter(Phase::load);
  ExchangeCounts counts;
  Workplace work(study.supervision, device, group, layout.mesh, study.config.runtime,
                 study.out_dir + "/dumps");
  count_exchanges(work.comms, counts);
  std::unique_ptr<Model> const model =
      load_model(study.plan, study.config.runtime, work.comms, device.device);
  BenchRank const rank{study.config, study.plan, layout,     group,         work.comms,
                       counts,       *model,     work.clock, device.device, device.gpu_uuid};
  std::string const rank_name =
      "rank " + std::to_string(session.rank()) + ": host " + session.host() + ", " + device.name;
  for (BenchCase const& each : layout.cases) {
    if (each.refusal.empty())
      measure_one(rank, each, study.kernels, rank_name, notebook);
    else if (notebook != nullptr)
      notebook->add(describe(study.plan, layout, each));
    release_cached_memory(device.device);
  }
}

}  // namespace

ExitCode run_bench(RunConfig const& given, BenchOptions const& options, MpiSession const& session,
                   std::int64_t begin_ns) {
  Supervision supervision(session, given.limits, begin_ns);
  RunConfig config = given;
  if (config.model.dtype == Dtype::automatic) {
    // comm: all ranks
    config.model.dtype = on_first_rank(
        supervision, [&] { return usual_dtype(would_use_gpus(config.runtime.device)); });
  }
  ModelPlan plan;
  // comm: all ranks
  std::string const out_dir = on_first_rank(supervision, [&] {
    require(options.kernels == BenchOptions::Kernels::leave || KernelRecorder::is_available(),
            ExitCode::usage,
            "--profile needs CUPTI (this build has none) build with the preset cuda and CUPTI");
    plan = open_model(config.model);
    return make_out_dir(options.out_dir);
  });
  if (session.rank() != 0) plan = open_model_like_first(config.model, session);

  RunConfig const effective = with_sampling_defaults(config, plan.rules.defaults);
  ChosenDevice const device = choose_device(supervision, config.runtime, plan.rank_weight_bytes);
  require(options.kernels == BenchOptions::Kernels::leave || device.device.is_cuda(),
          ExitCode::usage, "--profile needs GPU ranks (kernels are a GPU's) leave it out");
  if (options.kernels == BenchOptions::Kernels::record) (void)wake_recorder();
  Study const study{supervision, effective, plan, device, out_dir, options.kernels};
  std::optional<Notebook> notebook = open_notebook(study);

  for (PlannedLayout const& layout : plan_bench(effective, plan.rules, plan.mesh, session.size())) {
    bool const is_in = layout.refusal.empty() && session.rank() < layout.mesh.size();
    UniqueMpiComm const group = split(session.comm(), is_in ? 0 : 1);  // comm: all ranks
    if (is_in) {
      measure_layout(study, layout, group.get(), notebook ? &*notebook : nullptr);
    } else if (notebook) {
      for (BenchCase const& each : layout.cases) notebook->add(describe(plan, layout, each));
    }
    release_cached_memory(device.device);
    supervision.clock.enter(Phase::wait);
    meet_asleep(supervision);
  }
  if (notebook) {
    say("%s", bench_text(notebook->study()).c_str());
    say("written to %s\n", out_dir.c_str());
  }
  return ExitCode::complete;
}

}  // namespace ditbatch
