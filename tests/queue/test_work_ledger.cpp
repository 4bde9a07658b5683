#define BOOST_TEST_MODULE work_ledger
#include <boost/test/unit_test.hpp>

#include <map>
#include <random>
#include <set>

#include "queue/work_ledger.hpp"

using namespace ditbatch;

namespace {

ImageRecord record(std::string id, std::int64_t width_px, std::int64_t steps = 4) {
  ImageRecord made;
  made.id = std::move(id);
  made.width_px = width_px;
  made.height_px = 64;
  made.steps = steps;
  return made;
}

std::vector<ImageRecord> mixed_records(int count) {
  std::vector<ImageRecord> records;
  for (int i = 0; i < count; ++i)
    records.push_back(record("r" + std::to_string(i), 64 + 32 * (i % 3)));
  return records;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_record_is_appended_once_under_random_failures_and_512_replicas) {
  std::mt19937 random(7);
  for (int replicas : {1, 3, 512}) {
    WorkLedger ledger(mixed_records(2000), {.replicas = replicas, .retries = 50});
    std::map<int, Lease> held;
    std::set<std::string> appended;
    double now_s = 0;
    int finished = 0;
    while (finished < replicas) {
      now_s += 0.5;
      finished = 0;
      for (int replica = 0; replica < replicas; ++replica) {
        if (auto const lease = held.find(replica); lease != held.end()) {
          Lease const mine = lease->second;
          held.erase(lease);
          if (random() % 10 == 0) {
            BOOST_TEST(!ledger.failed(mine.record.id, 0, mine.epoch, "x", now_s).has_value());
            BOOST_TEST(!ledger.may_append(mine.record.id, 0, mine.epoch));  // the lease is gone
            continue;
          }
          BOOST_TEST(ledger.may_append(mine.record.id, 0, mine.epoch));
          BOOST_TEST(!ledger.may_append(mine.record.id, 0, mine.epoch));  // once
          BOOST_TEST(appended.insert(mine.record.id).second);
          ledger.published(mine.record.id, 0);
        }
        WorkLedger::Next const next = ledger.next(replica, now_s);
        if (next.lease) held.emplace(replica, *next.lease);
        if (next.answer == WorkLedger::Answer::finished) ++finished;
      }
    }
    BOOST_TEST(appended.size() == 2000U);
    BOOST_TEST(ledger.counts().done == 2000U);
    BOOST_TEST(ledger.counts().pending + ledger.counts().leased + ledger.counts().appended == 0U);
  }
}

BOOST_AUTO_TEST_CASE(a_replica_stays_in_its_bucket_and_leaves_others_theirs) {
  WorkLedger ledger(mixed_records(60), {.replicas = 2});
  std::int64_t const first = ledger.next(0, 0).lease->record.width_px;
  std::int64_t const second = ledger.next(1, 0).lease->record.width_px;
  BOOST_TEST(first != second);
  for (int i = 0; i < 15; ++i) {
    BOOST_TEST(ledger.next(0, 0).lease->record.width_px == first);
    BOOST_TEST(ledger.next(1, 0).lease->record.width_px == second);
  }
}

BOOST_AUTO_TEST_CASE(the_last_items_go_longest_first) {
  WorkLedger ledger({record("short", 64), record("long", 64, 50)}, {.replicas = 2});
  BOOST_TEST(ledger.next(0, 0).lease->record.id == "long");
}

BOOST_AUTO_TEST_CASE(a_failing_record_is_retried_later_and_elsewhere_then_given_up) {
  WorkLedger ledger({record("poison", 64)}, {.replicas = 2, .retries = 1, .backoff_s = 10});
  Lease const first = *ledger.next(0, 0).lease;
  BOOST_TEST(!ledger.failed("poison", 0, first.epoch, "nan", 1).has_value());
  BOOST_TEST((ledger.next(1, 2).answer == WorkLedger::Answer::wait));  // backing off
  Lease const second = *ledger.next(1, 12).lease;
  BOOST_TEST(second.attempt == 2);
  auto const given_up = ledger.failed("poison", 0, second.epoch, "nan", 13);
  BOOST_REQUIRE(given_up.has_value());
  BOOST_TEST(given_up->attempts == 2);
  BOOST_TEST((ledger.next(0, 99).answer == WorkLedger::Answer::finished));
  BOOST_TEST(ledger.counts().failed == 1U);
}

BOOST_AUTO_TEST_CASE(a_late_owner_is_told_to_drop_the_row) {
  WorkLedger ledger({record("a", 64)}, {.replicas = 2, .retries = 3, .backoff_s = 0});
  Lease const late = *ledger.next(0, 0).lease;
  (void)ledger.failed("a", 0, late.epoch, "lease revoked", 0);
  Lease const fresh = *ledger.next(1, 1).lease;
  BOOST_TEST(!ledger.may_append("a", 0, late.epoch));
  BOOST_TEST(ledger.may_append("a", 0, fresh.epoch));
}

BOOST_AUTO_TEST_CASE(a_hopeless_job_hands_out_nothing_more) {
  WorkLedger ledger(mixed_records(10), {.replicas = 1, .retries = 0, .abort_failed = 1});
  for (int i = 0; i < 2; ++i) {
    Lease const lease = *ledger.next(0, 0).lease;
    BOOST_TEST(ledger.failed(lease.record.id, 0, lease.epoch, "nan", 0).has_value());
  }
  BOOST_TEST((ledger.next(0, 0).answer == WorkLedger::Answer::finished));
  BOOST_TEST(ledger.counts().pending == 8U);
}
