#pragma once

#include <exception>
#include <string>
#include <vector>

#include "comm/device.hpp"
#include "comm/mesh_comms.hpp"
#include "config/run_config.hpp"
#include "families/exactness.hpp"
#include "families/make_images.hpp"
#include "output/output_writer.hpp"
#include "queue/work_client.hpp"
#include "run/job_input.hpp"
#include "supervise/phase_clock.hpp"

namespace ditbatch {

/// What only the first rank of a replica has: the line to the work queue and the writer of its
/// shards.
class ReplicaLeader {
 public:
  ReplicaLeader(JobInput const& input, std::string const& part, int session,
                ChosenDevice const& device, MeshComms const& comms, Trace& trace,
                FileCalls& file_calls);

  /// What to make together next; none at the end. Throws the writer's error, if it met one: a row
  /// that it took and will never append is still leased to this replica, and the queue would let it
  /// wait for ever.
  [[nodiscard]] std::vector<Lease> next() {
    return client_.next([this] { writer_.check(); });
  }
  void failed(Lease const& lease, std::string const& error) { client_.failed(lease, error); }
  /// An image (H, W, 3) of a batch.
  struct LedImage {
    at::Tensor pixels;
    TokenCounts tokens;
    std::size_t batch_size = 1;
    // Of each rank of the replica in each of image_phases, row-major; this image's share.
    std::vector<float> timing_s;
    std::vector<float> device_ms;
  };
  void append(Lease const& lease, LedImage image);
  /// What was appended is to be flushed now. Does not wait. From any thread, as is_flushed().
  void flush_soon() { writer_.flush_soon(); }
  [[nodiscard]] bool is_flushed() { return writer_.is_flushed(); }
  /// Publishes what is left and says goodbye to the queue.
  void finish();
  /// How long append() was held up by a full queue.
  [[nodiscard]] double writer_wait_s() const { return writer_wait_s_; }
  /// Of the images that were written, those whose bytes are all the same.
  [[nodiscard]] std::uint64_t constant_images() const { return writer_.constant_images(); }
  /// Those whose prompts had more tokens than an encoder reads.
  [[nodiscard]] std::uint64_t cut_images() const { return cut_images_; }

 private:
  ModelIdentity model_;
  Exactness exactness_;
  std::string hardware_;
  MeshComms const& comms_;
  int session_;
  double writer_wait_s_ = 0;
  std::uint64_t cut_images_ = 0;
  WorkClient client_;
  std::string name_;
  OutputWriter writer_;
};

// Collectives of a replica; `leader` is null on all its ranks but the first.

/// The records to make together next, on every rank of the replica; none at the end.
[[nodiscard]] std::vector<Lease> next_leases(ReplicaLeader* leader, MeshComms const& comms);

/// What went wrong with a batch because of its records (no memory, an operator that refuses), or
/// "". A lost peer, the file system and our own mistakes are not the records': they are thrown.
/// Where only one rank of a replica fails, the others wait for it in a collective, and the watchdog
/// ends the job.
[[nodiscard]] std::string record_error(std::exception_ptr const& error,
                                       std::vector<Lease> const& leases);

/// Whether all ranks of the replica made their part; the same on all of them.
enum class HandOver { made, failed };

/// Gathers the ranks' timing and gives the images to the writer, the failures to the queue. Each
/// row gets an equal share of the batch's time.
[[nodiscard]] HandOver hand_over(ReplicaLeader* leader, std::vector<Lease> const& leases,
                                 MadeImages const& made, PhaseClock& clock, MeshComms const& comms);

}  // namespace ditbatch
