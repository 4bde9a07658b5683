#include "queue/work_ledger.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <utility>

#include "core/error.hpp"

namespace ditbatch {

namespace {

constexpr std::size_t least_hopeless = 8;

}  // namespace

std::size_t batch_share(std::size_t most, std::size_t rest, int replicas) {
  auto const others = static_cast<std::size_t>(replicas);
  return std::min(most, (rest + others - 1) / others);
}

WorkLedger::WorkLedger(std::vector<ImageRecord> records, ShapeOf const& shape_of, Options options)
    : options_(options), replica_bucket_(static_cast<std::size_t>(options.replicas)) {
  items_.reserve(records.size());
  std::unordered_map<std::string, int> buckets;
  for (ImageRecord& record : records) {
    bool const is_new = by_key_.emplace(record.key(), items_.size()).second;
    ensure(is_new, "a record stands in the queue once");
    pending_.push_back(items_.size());
    WorkShape shape = shape_of(record);
    int const bucket =
        buckets.try_emplace(std::move(shape.bucket), static_cast<int>(buckets.size()))
            .first->second;
    items_.push_back({std::move(record), bucket, shape.cost, shape.most_together});
  }
  counts_.total = counts_.pending = items_.size();
}

std::optional<std::size_t> WorkLedger::choose(int replica, double now_s) const {
  std::optional<int> const own = replica_bucket_[static_cast<std::size_t>(replica)];
  std::set<int> others;
  for (std::size_t other = 0; other < replica_bucket_.size(); ++other) {
    if (static_cast<int>(other) != replica && replica_bucket_[other])
      others.insert(*replica_bucket_[other]);
  }

  bool const last_items = pending_.size() <= static_cast<std::size_t>(options_.replicas);
  std::optional<std::size_t> first, of_free_bucket, longest, same_replica;
  std::size_t const window = std::min(pending_.size(), options_.window);
  for (std::size_t place = 0; place < window; ++place) {
    Item const& item = items_[pending_[place]];
    if (item.not_before_s > now_s) continue;
    if (item.last_replica == replica &&
        options_.replicas > 1) {  // a retry goes elsewhere if it can
      if (!same_replica) same_replica = place;
      continue;
    }
    if (item.attempt > 0) return place;  // what went wrong is known soon
    if (own && item.bucket == *own && !last_items) return place;
    if (!first) first = place;
    if (!of_free_bucket && others.count(item.bucket) == 0) of_free_bucket = place;
    if (!longest || item.cost > items_[pending_[*longest]].cost) longest = place;
  }
  if (last_items && longest) return longest;
  if (of_free_bucket) return of_free_bucket;
  return first ? first : same_replica;
}

WorkLedger::Next WorkLedger::next(int replica, double now_s) {
  if (!given_up().empty()) return {Answer::finished, std::nullopt};
  std::optional<std::size_t> const place = choose(replica, now_s);
  if (!place) {
    bool const may_come_back = counts_.pending + counts_.leased > 0;
    return {may_come_back ? Answer::wait : Answer::finished, std::nullopt};
  }
  return {Answer::leased, lease_to(replica, *place)};
}

Lease WorkLedger::lease_to(int replica, std::size_t place) {
  Item& item = items_[pending_[place]];
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(place));
  item.state = State::leased;
  item.epoch = ++last_epoch_;
  item.attempt += 1;
  item.last_replica = replica;
  item.in_batch = false;
  replica_bucket_[static_cast<std::size_t>(replica)] = item.bucket;
  counts_.pending -= 1;
  counts_.leased += 1;
  return {item.record, item.epoch, item.attempt, item.cost};
}

int WorkLedger::most_together(Lease const& lease) const {
  return items_[by_key_.at(lease.record.key())].most_together;
}

std::vector<Lease> WorkLedger::also(int replica, Lease const& lease, std::size_t count) {
  Item& first = items_[by_key_.at(lease.record.key())];
  auto const is_new = [](Item const& item) { return item.attempt == 0 && !item.runs_alone; };
  if (first.attempt > 1 || first.runs_alone) return {};
  std::size_t const share = batch_share(count + 1, pending_.size() + 1, options_.replicas);
  std::vector<Lease> batch;
  std::size_t place = 0;
  while (batch.size() + 1 < share && place < std::min(pending_.size(), options_.window)) {
    Item& item = items_[pending_[place]];
    if (!is_new(item) || item.bucket != first.bucket) {
      ++place;
      continue;
    }
    batch.push_back(lease_to(replica, place));
    item.in_batch = first.in_batch = true;
  }
  return batch;
}

bool WorkLedger::may_append(std::string const& id, std::uint16_t index, std::uint64_t epoch) {
  auto const found = by_key_.find({id, index});
  if (found == by_key_.end()) return false;
  Item& item = items_[found->second];
  if (item.state != State::leased || item.epoch != epoch) return false;
  item.state = State::appended;
  has_appended_ = true;
  counts_.leased -= 1;
  counts_.appended += 1;
  return true;
}

void WorkLedger::published(std::string const& id, std::uint16_t index) {
  auto const found = by_key_.find({id, index});
  if (found == by_key_.end() || items_[found->second].state != State::appended) return;
  items_[found->second].state = State::published;
  counts_.appended -= 1;
  counts_.done += 1;
}

std::optional<FailedRecord> WorkLedger::failed(std::string const& id, std::uint16_t index,
                                               std::uint64_t epoch, std::string const& error,
                                               double now_s) {
  auto const found = by_key_.find({id, index});
  if (found == by_key_.end()) return std::nullopt;
  Item& item = items_[found->second];
  if (item.state != State::leased || item.epoch != epoch) return std::nullopt;
  counts_.leased -= 1;
  if (item.in_batch) {
    item.attempt -= 1;
    item.runs_alone = true;
  } else {
    counts_.failed_attempts += 1;
    last_error_ = error;
    bool const is_known = std::exchange(item.last_error, error) == error;
    if (item.attempt > options_.retries || is_known) {
      item.state = State::failed;
      counts_.failed += 1;
      return FailedRecord{id, index, item.attempt, error};
    }
    item.not_before_s = now_s + options_.backoff_s * std::exp2(item.attempt - 1);
  }
  item.state = State::pending;
  pending_.push_front(found->second);
  counts_.pending += 1;
  return std::nullopt;
}

std::string WorkLedger::given_up() const {
  if (counts_.pending == 0) return "";
  std::size_t const first =
      std::max<std::size_t>(least_hopeless, 2 * static_cast<std::size_t>(options_.replicas));
  std::string reason;
  if (!has_appended_ && counts_.failed_attempts >= first)
    reason = "the first " + std::to_string(counts_.failed_attempts) + " attempts all failed";
  else if (counts_.failed > options_.abort_failed)
    reason = std::to_string(counts_.failed) + " records failed, more than [limits] abort_failed";
  return reason.empty() ? "" : reason + ": " + last_error_.substr(0, last_error_.find('\n'));
}

WorkCounts WorkLedger::counts() const { return counts_; }

}  // namespace ditbatch
