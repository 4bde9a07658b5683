#pragma once

#include <functional>
#include <optional>
#include <string>

#include "comm/mesh_comms.hpp"
#include "config/run_config.hpp"
#include "core/sha256.hpp"
#include "models/vae/vae_decoder.hpp"
#include "output/output_writer.hpp"
#include "queue/work_client.hpp"
#include "run/phase_clock.hpp"

namespace ditbatch {

/// What only the first rank of a replica has: the line to the work queue and the writer of its
/// shards.
class ReplicaLeader {
 public:
  ReplicaLeader(RunConfig const& config, Sha256Digest const& checkpoint_id, std::string const& part,
                int session, std::string hardware, MeshComms const& comms, Trace& trace);

  /// Throws the writer's error, if it met one: a row that it took and will never append is still
  /// leased to this replica, and the queue would let it wait for ever.
  [[nodiscard]] std::optional<Lease> next() {
    return client_.next([this] { writer_.check(); });
  }
  void failed(Lease const& lease, std::string const& error) { client_.failed(lease, error); }
  /// timing_s: seconds of each rank of the replica in each of image_phases, row-major.
  void append(Lease const& lease, at::Tensor const& pixels, std::vector<float> timing_s);
  /// Publishes what is left and says goodbye to the queue.
  void finish();
  /// How long append() was held up by a full queue.
  [[nodiscard]] double writer_wait_s() const { return writer_wait_s_; }

 private:
  Sha256Digest checkpoint_id_;
  std::string hardware_;
  MeshComms const& comms_;
  int session_;
  double writer_wait_s_ = 0;
  WorkClient client_;
  OutputWriter writer_;
};

// Collectives of a replica; `leader` is null on all its ranks but the first.

/// The next record, on every rank of the replica.
[[nodiscard]] std::optional<Lease> next_lease(ReplicaLeader* leader, MeshComms const& comms);

/// An image, or what went wrong with its record on this rank.
struct MadeImage {
  DecodedImage image;
  std::string error;  // empty: none
};

/// Calls `make`; what it throws because of the record (no memory, an operator that refuses) becomes
/// the result. A lost peer, the file system and our own mistakes go through: they are not the
/// record's. Where only one rank of a replica fails, the others wait for it in a collective, and
/// the watchdog ends the job.
[[nodiscard]] MadeImage catch_record_errors(ImageRecord const& record,
                                            std::function<DecodedImage()> const& make);

/// Gathers the ranks' timing and gives the image to the writer, or the failure to the queue.
void hand_over(ReplicaLeader* leader, Lease const& lease, MadeImage const& made, PhaseClock& clock,
               MeshComms const& comms);

}  // namespace ditbatch
