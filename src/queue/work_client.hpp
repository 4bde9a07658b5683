#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "output/output_writer.hpp"
#include "queue/channel.hpp"
#include "queue/work_ledger.hpp"

namespace ditbatch {

/// A replica leader's side of the work queue. The main thread takes records, the writer thread asks
/// before it appends a row and before it publishes a shard.
class WorkClient final : public PublishGate {
 public:
  /// The server answers at once, unless the file system under its index stalls: after
  /// `answer_limit_s` without an answer every call throws Error(lost_peer).
  WorkClient(MPI_Comm comm, int replica, double answer_limit_s)
      : comm_(comm), replica_(replica), answer_limit_s_(answer_limit_s) {}

  /// The next records, to be made together; none when the work is done or the job was told to stop.
  /// Waits while records of other replicas may still come back; `while_waiting` is called between
  /// the questions, and may throw. Main thread.
  [[nodiscard]] std::vector<Lease> next(std::function<void()> const& while_waiting);
  /// An attempt went wrong. Main thread.
  void failed(Lease const& lease, std::string const& error);
  /// No more questions will come. Main thread, after the writer has finished.
  void goodbye();

  [[nodiscard]] bool may_append(std::string const& id, std::uint16_t index) override;
  [[nodiscard]] int schema_version(std::int64_t width_px, std::int64_t height_px) override;
  [[nodiscard]] int next_shard_number(std::int64_t width_px, std::int64_t height_px) override;
  void published(PublishedShard const& shard) override;

 private:
  /// Throws the server's error, if that is the answer.
  nlohmann::json ask(queue::Channel channel, std::string const& request);

  MPI_Comm comm_;
  int replica_;
  double answer_limit_s_;
  std::mutex mutex_;  // guards epochs_, which both threads use
  std::map<std::pair<std::string, std::uint16_t>, std::uint64_t> epochs_;
};

}  // namespace ditbatch
