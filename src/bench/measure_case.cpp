#include "bench/measure_case.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "bench/step_floor.hpp"
#include "comm/device.hpp"
#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/nvtx.hpp"
#include "families/dtype.hpp"
#include "families/make_images.hpp"
#include "profile/recording.hpp"
#if DITBATCH_CUDA
#include "bench/gpu_memory.hpp"
#endif

namespace ditbatch {

namespace {

constexpr int most_floor_repetitions = 5;

double seconds_between(std::int64_t begin_ns, std::int64_t end_ns) {
  return static_cast<double>(end_ns - begin_ns) * 1e-9;
}

// What is timed: a batch whose prompts were encoded before. Throws what goes wrong.
BatchMoments make_images(BenchRank const& rank, ImageBatch const& batch) {
  MadeImages const made = ditbatch::make_images(rank.model, batch, rank.device, rank.clock);
  if (made.error) std::rethrow_exception(made.error);
  return made.moments;
}

// Others may take longer: who waits here is not stuck, and who does not come is named.
void meet(BenchRank const& rank) {
  rank.clock.enter(Phase::wait);
  // comm: the layout's ranks
  check_mpi(MPI_Barrier(rank.comm));
}

// All ranks of a replica make the same number of images: its first one looks at the clock.
bool goes_on(MeshComms const& mesh, std::int64_t begin_ns, double seconds) {
  int more = seconds_between(begin_ns, now_ns()) < seconds ? 1 : 0;
  check_mpi(MPI_Bcast(&more, 1, MPI_INT, 0, mesh.replica_host.get()));  // comm: replica
  return more != 0;
}

void warm_up(BenchRank const& rank, ImageBatch const& batch) {
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

ImageWork image_work(BenchRank const& rank, BenchWork const& work) {
  return {work.width_px, work.height_px, work.steps, work.text_tokens,
          rank.layout.uses_true_cfg() ? Branches::both : Branches::conditional};
}

// The floor of this rank, or nothing where it has no part in the steps.
struct RankFloor {
  std::unique_ptr<StepFloor> step;
  std::int64_t evaluations = 0;  // of a batch
};

RankFloor make_floor(BenchRank const& rank, BenchWork const& work) {
  MeshShape const& mesh = rank.mesh.shape;
  MeshCoordinate const& at = rank.mesh.coordinate;
  ImageWork const image = image_work(rank, work);
  RankFloor floor;
  floor.evaluations = work.steps * evaluations_per_step(mesh.cfg, at.cfg, image.branches);
  std::vector<StepCall> calls = rank.plan.family->step_calls(image, work.batch, mesh, at);
  if (floor.evaluations == 0 || calls.empty()) return floor;
  floor.step = std::make_unique<StepFloor>(std::move(calls),
                                           scalar_type_of(rank.config.model.dtype), rank.device);
  return floor;
}

// Encoded, ready to be made again and again.
ImageBatch make_batch(BenchRank const& rank, BenchWork const& work) {
  ImageBatch batch;
  batch.records = bench_records(rank.config, work, rank.layout.wanted);
  batch.cost = rank.plan.family->work_shape(batch.records.front(), {}).cost;
  rank.clock.enter(Phase::text, work_of(batch));
  for (ImageRecord const& record : batch.records)
    batch.prompts.push_back(rank.model.encode_prompt(record));
  return batch;
}

std::vector<double> time_encoding(BenchRank const& rank, ImageBatch const& batch) {
  rank.clock.enter(Phase::text, work_of(batch));
  std::vector<double> seconds;
  for (int i = 0; i < rank.config.bench.repetitions; ++i) {
    std::int64_t const begin_ns = now_ns();
    for (ImageRecord const& record : batch.records) (void)rank.model.encode_prompt(record);
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
  ImageBatch const batch = make_batch(rank, work);
  warm_up(rank, batch);

  meet(rank);  // replicas share power and memory: all are timed at once
  rank.counts = {};
  PowerMeter power(rank.gpu_uuid);
  std::int64_t const begin_ns = now_ns();
  for (int i = 0; i < repetitions; ++i) {
    BatchMoments const at = make_images(rank, batch);
    result.batches.push_back({seconds_between(at.begin_ns, at.denoise_begin_ns),
                              seconds_between(at.denoise_begin_ns, at.decode_begin_ns),
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
  result.bytes = rank.plan.family->exchange_bytes(image_work(rank, work), rank.mesh.shape,
                                                  rank.mesh.coordinate);

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
  ImageBatch const batch = make_batch(rank, work);
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
