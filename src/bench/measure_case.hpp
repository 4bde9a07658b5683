#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include "bench/bench_result.hpp"
#include "bench/counting_tensor_comm.hpp"
#include "config/run_config.hpp"
#include "core/trace.hpp"
#include "families/families.hpp"
#include "supervise/phase_clock.hpp"

namespace ditbatch {

/// What a rank needs to measure the cases of one layout.
struct BenchRank {
  RunConfig const& config;
  ModelPlan const& plan;
  PlannedLayout const& layout;
  MPI_Comm comm = MPI_COMM_NULL;  // all ranks of the layout
  MeshComms& mesh;
  ExchangeCounts& counts;  // of what goes through `mesh`
  Model& model;
  PhaseClock& clock;  // tells the watchdog and profilers what this rank does
  c10::Device device;
  std::string gpu_uuid;  // empty on CPUs
};

/// Images back to back, after making them for `warm_up_s`; then the prompts' encoding alone, and
/// the floor in the same state of warmth. Collective over the layout's ranks.
[[nodiscard]] RankResult measure_case(BenchRank const& rank, BenchWork const& work);

/// One image, and one run of the floor, with every kernel recorded.
struct RecordedKernels {
  RankProfile profile;
  std::vector<KernelRecord> kernels;  // of the image
  std::vector<Span> phases;           // of the image
};
/// Collective over the layout's ranks, on GPUs, in builds with CUPTI.
[[nodiscard]] RecordedKernels record_kernels(BenchRank const& rank, BenchWork const& work);

}  // namespace ditbatch
