#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "manifest/image_record.hpp"
#include "manifest/work_shape.hpp"

namespace ditbatch {

/// One record handed to one replica, for one attempt.
struct Lease {
  ImageRecord record;
  std::uint64_t epoch = 0;  // never used twice; a late owner is known by its old epoch
  int attempt = 0;          // from 1
  double cost = 1;          // WorkShape::cost
};

/// How many of the `rest` records that are not handed out yet one of the replicas takes, at most
/// `most`: near the end batches shrink, so that no replica has several records while another has
/// none.
[[nodiscard]] std::size_t batch_share(std::size_t most, std::size_t rest, int replicas);

/// A record that is given up, for failed.jsonl.
struct FailedRecord {
  std::string id;
  std::uint16_t index = 0;
  int attempts = 0;
  std::string error;
};

struct WorkCounts {
  std::size_t total = 0;  // of this session
  std::size_t done = 0;   // in published shards
  std::size_t appended = 0;
  std::size_t leased = 0;
  std::size_t pending = 0;
  std::size_t failed = 0;           // given up
  std::size_t failed_attempts = 0;  // those of records that came back among them
};

/// Who makes what: the state of the work queue as plain data, without messages, threads or files.
///
/// The order is the manifest's, grouped by bucket within a window; a replica stays in its bucket
/// while that has work, so that it keeps one partial shard. The last items go longest first. Each
/// (id, index) is granted to be appended once, whoever asks.
class WorkLedger {
 public:
  struct Options {
    int replicas = 1;
    int retries = 2;
    std::size_t window = 512;
    double backoff_s = 1.0;               // before the second attempt; doubled for each further one
    std::size_t abort_failed = SIZE_MAX;  // with more failures than this nothing more is handed out
  };
  /// `shape_of` is asked once for each record.
  using ShapeOf = std::function<WorkShape(ImageRecord const&)>;
  WorkLedger(std::vector<ImageRecord> records, ShapeOf const& shape_of, Options options);

  enum class Answer { leased, wait, finished };
  struct Next {
    Answer answer = Answer::finished;
    std::optional<Lease> lease;  // there for Answer::leased
  };
  /// The next record for a replica at this time; `wait` while only others hold work that may come
  /// back.
  [[nodiscard]] Next next(int replica, double now_s);

  /// At most `count` further records to be made together with the one just leased: of its bucket,
  /// never tried before, and no more than the replica's share of the rest. None beside a record
  /// that was tried before: if it is poison, it must not spoil others.
  [[nodiscard]] std::vector<Lease> also(int replica, Lease const& lease, std::size_t count);
  /// WorkShape::most_together of a leased record.
  [[nodiscard]] int most_together(Lease const& lease) const;

  /// Whether this owner may append the row: once for each (id, index), and only under a live lease.
  [[nodiscard]] bool may_append(std::string const& id, std::uint16_t index, std::uint64_t epoch);

  /// A published shard holds the record.
  void published(std::string const& id, std::uint16_t index);

  /// An attempt went wrong. The record comes back soon, elsewhere where there is another replica,
  /// or is given up after `retries`, or where it ended twice with the same error: the same bits on
  /// the same hardware need no third attempt. In a batch of several it is not known whose fault it
  /// was: such an attempt does not count, and the record runs alone from then on.
  std::optional<FailedRecord> failed(std::string const& id, std::uint16_t index,
                                     std::uint64_t epoch, std::string const& error, double now_s);

  /// Why nothing more is handed out though work is left; empty as long as there is hope. A job is
  /// hopeless with more failures than `abort_failed`, or where the first attempts, eight or twice
  /// the replicas if that is more, all failed.
  [[nodiscard]] std::string given_up() const;

  [[nodiscard]] WorkCounts counts() const;

 private:
  enum class State { pending, leased, appended, published, failed };
  struct Item {
    ImageRecord record;
    int bucket = 0;  // a number of the ledger's own
    double cost = 1;
    int most_together = 1;
    State state = State::pending;
    std::uint64_t epoch = 0;
    int attempt = 0;
    double not_before_s = 0;
    int last_replica = -1;
    std::string last_error;
    bool in_batch = false;    // leased together with others
    bool runs_alone = false;  // was in a batch that failed
  };
  /// Takes the item at a place of pending_.
  Lease lease_to(int replica, std::size_t place);
  [[nodiscard]] std::optional<std::size_t> choose(int replica, double now_s) const;

  Options options_;
  std::vector<Item> items_;
  std::map<ImageKey, std::size_t> by_key_;
  std::deque<std::size_t> pending_;  // in the order of the manifest, behind those that come back
  std::vector<std::optional<int>> replica_bucket_;
  std::uint64_t last_epoch_ = 0;
  bool has_appended_ = false;
  std::string last_error_;
  WorkCounts counts_;
};

}  // namespace ditbatch
