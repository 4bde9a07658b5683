#include "bench/measure_case.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <memory>

#include "bench/step_floor.hpp"
#include "comm/device.hpp"
#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/nvtx.hpp"
#include "profile/recording.hpp"
#include "queue/work_ledger.hpp"
#if DITBATCH_CUDA
#include "bench/gpu_memory.hpp"
#endif

namespace ditbatch {

namespace {

constexpr int most_floor_repetitions = 5;

double seconds_between(std::int64_t begin_ns, std::int64_t end_ns) {
  return static_cast<double>(end_ns - begin_ns) * 1e-9;
}

struct Batch {
  PhaseWork work;  // the case's name, and what its images cost
  std::vector<ImageRecord> records;
  std::vector<RecordEmbeds> embeds;
};

std::vector<RecordEmbeds> encode(FluxPipeline& pipeline, std::vector<ImageRecord> const& records) {
  std::vector<RecordEmbeds> embeds;
  for (ImageRecord const& record : records) embeds.push_back(pipeline.encode_prompt(record));
  return embeds;
}

struct BatchMoments {
  std::int64_t begin_ns = 0;
  std::int64_t decode_begin_ns = 0;
  std::int64_t end_ns = 0;
};

// What is timed, and all that it asks of the pipeline.
BatchMoments make_images(BenchRank const& rank, Batch const& batch) {
  BatchMoments at;
  rank.clock.enter(Phase::denoise, batch.work);
  at.begin_ns = now_ns();
  std::vector<at::Tensor> noise;
  for (ImageRecord const& record : batch.records)
    noise.push_back(rank.pipeline.initial_latents(record));
  std::vector<at::Tensor> const latents = rank.pipeline.denoise(noise, batch.embeds, batch.records);
  synchronize(rank.device);
  rank.clock.enter(Phase::decode, batch.work);
  at.decode_begin_ns = now_ns();
  for (std::size_t i = 0; i < batch.records.size(); ++i)
    (void)rank.pipeline.decode_latents(latents[i], batch.records[i]);
  synchronize(rank.device);
  at.end_ns = now_ns();
  return at;
}

// Others may take longer: who waits here is not stuck, and who does not come is named.
void meet(BenchRank const& rank) {
  rank.clock.enter(Phase::wait);
  check_mpi(MPI_Barrier(rank.comm));
}

// All ranks of a replica make the same number of images: its first one looks at the clock.
bool goes_on(MeshComms const& mesh, std::int64_t begin_ns, double seconds) {
  int more = seconds_between(begin_ns, now_ns()) < seconds ? 1 : 0;
  check_mpi(MPI_Bcast(&more, 1, MPI_INT, 0, mesh.replica_host.get()));  // comm: replica
  return more != 0;
}

void warm_up(BenchRank const& rank, Batch const& batch) {
  std::int64_t const begin_ns = now_ns();
  do {
    (void)make_images(rank, batch);
  } while (goes_on(rank.mesh, begin_ns, rank.config.bench.warm_up_s));
}

void reset_peak_memory(c10::Device device) {
#if DITBATCH_CUDA
  if (device.is_cuda()) reset_gpu_peak(device);
#else
  (void)device;
#endif
}

// Of the GPU; on CPUs of the process since it began.
std::uint64_t peak_memory_bytes(c10::Device device) {
#if DITBATCH_CUDA
  if (device.is_cuda()) return gpu_peak_bytes(device);
#endif
  (void)device;
  struct rusage usage {};
  (void)::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

ExchangeBytes per_image(ExchangeBytes const& all, int made) {
  auto const images = static_cast<std::uint64_t>(made);
  return {all.ulysses / images, all.ring / images, all.cfg / images, all.branch / images,
          all.replica / images};
}

Branches branches_of(PlannedLayout const& layout) {
  return layout.uses_true_cfg() ? Branches::both : Branches::conditional;
}

std::int64_t bytes_of(Dtype dtype) { return dtype == Dtype::fp32 ? 4 : 2; }

ExchangedImage exchanged_image(BenchRank const& rank, BenchWork const& work) {
  Dtype const dtype = rank.config.model.dtype;
  bool const upcasts = dtype == Dtype::fp16 && rank.configs.vae.force_upcast;
  return {work.width_px,
          work.height_px,
          work.steps,
          work.text_tokens,
          branches_of(rank.layout),
          bytes_of(dtype),
          upcasts ? 4 : bytes_of(dtype)};
}

// The floor of this rank, or nothing where it has no part in the steps.
struct RankFloor {
  std::unique_ptr<StepFloor> step;
  std::int64_t evaluations = 0;  // of a batch
};

RankFloor make_floor(BenchRank const& rank, BenchWork const& work) {
  MeshShape const& mesh = rank.mesh.shape;
  MeshCoordinate const& at = rank.mesh.coordinate;
  RankFloor floor;
  floor.evaluations = work.steps * evaluations_per_step(mesh.cfg, at.cfg, branches_of(rank.layout));
  std::int64_t const token_px = 2 * rank.configs.vae.scale_factor();
  TokenLayout const layout =
      make_token_layout(work.text_tokens, (work.width_px / token_px) * (work.height_px / token_px),
                        {mesh.ring, mesh.ulysses, at.ring, at.ulysses});
  std::vector<StepCall> calls = step_calls(rank.configs.transformer, layout, work.batch);
  if (floor.evaluations == 0 || calls.empty()) return floor;
  Dtype const dtype = rank.config.model.dtype;
  c10::ScalarType const type = dtype == Dtype::bf16   ? c10::kBFloat16
                               : dtype == Dtype::fp16 ? c10::kHalf
                                                      : c10::kFloat;
  floor.step = std::make_unique<StepFloor>(std::move(calls), type, rank.device);
  return floor;
}

Batch make_batch(BenchRank const& rank, BenchWork const& work) {
  Batch batch;
  batch.records = bench_records(rank.config, work, rank.layout.wanted);
  batch.work = {name_of(work), predicted_cost(batch.records.front()) * work.batch};
  rank.clock.enter(Phase::text, batch.work);
  batch.embeds = encode(rank.pipeline, batch.records);
  return batch;
}

std::vector<double> time_encoding(BenchRank const& rank, Batch const& batch) {
  rank.clock.enter(Phase::text, batch.work);
  std::vector<double> seconds;
  for (int i = 0; i < rank.config.bench.repetitions; ++i) {
    std::int64_t const begin_ns = now_ns();
    (void)encode(rank.pipeline, batch.records);
    synchronize(rank.device);
    seconds.push_back(seconds_between(begin_ns, now_ns()));
  }
  return seconds;
}

}  // namespace

RankResult measure_case(BenchRank const& rank, BenchWork const& work) {
  int const repetitions = rank.config.bench.repetitions;
  RankResult result;
  result.rank = rank_of(rank.comm);
  result.replica = rank.mesh.coordinate.replica;
  result.is_leader = rank.mesh.is_leader();
  reset_peak_memory(rank.device);
  Batch const batch = make_batch(rank, work);
  warm_up(rank, batch);

  meet(rank);  // replicas share power and memory: all are timed at once
  rank.counts = {};
  PowerMeter power(rank.gpu_uuid);
  std::int64_t const begin_ns = now_ns();
  for (int i = 0; i < repetitions; ++i) {
    BatchMoments const at = make_images(rank, batch);
    result.batches.push_back({seconds_between(at.begin_ns, at.decode_begin_ns),
                              seconds_between(at.decode_begin_ns, at.end_ns)});
  }
  result.wall_s = seconds_between(begin_ns, now_ns());
  rank.clock.enter(Phase::wait);
  result.power = power.stop();
  result.peak_memory_bytes = peak_memory_bytes(rank.device);

  if (rank.device.is_cpu()) {
    result.counted = per_image(rank.counts.received, repetitions * work.batch);
    result.waiting_s = static_cast<double>(rank.counts.inside_ns) * 1e-9;
  }
  result.bytes = exchange_bytes(rank.configs.transformer, rank.configs.vae, rank.mesh.shape,
                                rank.mesh.coordinate, exchanged_image(rank, work));

  // The floor next, while the device is as warm as the images left it.
  meet(rank);
  open_range("floor");
  if (RankFloor const floor = make_floor(rank, work); floor.step) {
    result.floor_s = measure_floor(*floor.step, floor.evaluations, rank.config.bench.warm_up_s,
                                   std::min(repetitions, most_floor_repetitions));
  }
  close_range();
  result.text_s = time_encoding(rank, batch);
  return result;
}

RecordedKernels record_kernels(BenchRank const& rank, BenchWork const& work) {
  RecordedKernels recorded;
  Batch const batch = make_batch(rank, work);
  warm_up(rank, batch);
  BatchMoments at;
  recorded.kernels = kernels_of([&] {
    meet(rank);
    at = make_images(rank, batch);
  });
  recorded.profile.image =
      profile_of(recorded.kernels, {at.begin_ns, at.decode_begin_ns, at.end_ns});
  recorded.phases = {{"denoise", "", at.begin_ns, at.decode_begin_ns, 0},
                     {"decode", "", at.decode_begin_ns, at.end_ns, 0}};
  meet(rank);
  if (RankFloor const floor = make_floor(rank, work); floor.step) {
    (void)measure_floor(*floor.step, floor.evaluations, rank.config.bench.warm_up_s, 1);
    std::int64_t begin_ns = 0;
    std::int64_t end_ns = 0;
    std::vector<KernelRecord> const kernels = kernels_of([&] {
      begin_ns = now_ns();
      floor.step->run(floor.evaluations);
      end_ns = now_ns();
    });
    recorded.profile.floor = profile_of(kernels, {begin_ns, end_ns, end_ns});
  }
  return recorded;
}

}  // namespace ditbatch
