#define BOOST_TEST_MODULE work_ledger
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <utility>

#include "manifest/record_message.hpp"
#include "queue/lease_message.hpp"
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

// As a family of models would: sizes, steps and lengths of text run apart.
WorkShape shape_of(ImageRecord const& made) {
  bool const is_guided = made.negative_prompt.has_value();
  return {nlohmann::json{made.width_px, made.steps, made.max_sequence_length, is_guided}.dump(),
          static_cast<double>(made.width_px * made.steps * (is_guided ? 2 : 1)), 4};
}

WorkLedger make_ledger(std::vector<ImageRecord> records, WorkLedger::Options options) {
  return {std::move(records), shape_of, options};
}

std::vector<ImageRecord> mixed_records(int count) {
  std::vector<ImageRecord> records;
  for (int i = 0; i < count; ++i)
    records.push_back(record("r" + std::to_string(i), 64 + 32 * (i % 3)));
  return records;
}

// What a replica gets when it asks for a batch of at most `size`.
std::vector<Lease> batch(WorkLedger& ledger, int replica, std::size_t size, double now_s = 0) {
  WorkLedger::Next const next = ledger.next(replica, now_s);
  if (!next.lease) return {};
  std::vector<Lease> leases{*next.lease};
  for (Lease const& lease : ledger.also(replica, *next.lease, size - 1)) leases.push_back(lease);
  return leases;
}

using Ids = std::vector<std::string>;

Ids ids_of(std::vector<Lease> const& leases) {
  Ids ids;
  for (Lease const& lease : leases) ids.push_back(lease.record.id);
  return ids;
}

void append_all(WorkLedger& ledger, std::vector<Lease> const& leases) {
  for (Lease const& lease : leases) BOOST_TEST(ledger.may_append(lease.record.id, 0, lease.epoch));
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_record_is_appended_once_under_random_failures_and_512_replicas) {
  std::mt19937 random(7);
  for (int replicas : {1, 3, 512}) {
    WorkLedger ledger = make_ledger(mixed_records(2000), {.replicas = replicas, .retries = 50});
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
            BOOST_TEST(
                !ledger.failed(mine.record.id, 0, mine.epoch, std::to_string(random()), now_s)
                     .has_value());
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
  WorkLedger ledger = make_ledger(mixed_records(60), {.replicas = 2});
  std::int64_t const first = ledger.next(0, 0).lease->record.width_px;
  std::int64_t const second = ledger.next(1, 0).lease->record.width_px;
  BOOST_TEST(first != second);
  for (int i = 0; i < 15; ++i) {
    BOOST_TEST(ledger.next(0, 0).lease->record.width_px == first);
    BOOST_TEST(ledger.next(1, 0).lease->record.width_px == second);
  }
}

BOOST_AUTO_TEST_CASE(the_last_items_go_longest_first) {
  WorkLedger ledger = make_ledger({record("short", 64), record("long", 64, 50)}, {.replicas = 2});
  BOOST_TEST(ledger.next(0, 0).lease->record.id == "long");
}

BOOST_AUTO_TEST_CASE(a_failing_record_is_retried_later_and_elsewhere_then_given_up) {
  WorkLedger ledger =
      make_ledger({record("poison", 64)}, {.replicas = 2, .retries = 1, .backoff_s = 10});
  Lease const first = *ledger.next(0, 0).lease;
  BOOST_TEST(!ledger.failed("poison", 0, first.epoch, "out of memory", 1).has_value());
  BOOST_TEST((ledger.next(1, 2).answer == WorkLedger::Answer::wait));  // backing off
  Lease const second = *ledger.next(1, 12).lease;
  BOOST_TEST(second.attempt == 2);
  auto const given_up = ledger.failed("poison", 0, second.epoch, "nan", 13);
  BOOST_REQUIRE(given_up.has_value());
  BOOST_TEST(given_up->attempts == 2);
  BOOST_TEST((ledger.next(0, 99).answer == WorkLedger::Answer::finished));
  BOOST_TEST(ledger.counts().failed == 1U);
}

BOOST_AUTO_TEST_CASE(the_same_error_twice_needs_no_third_attempt) {
  WorkLedger ledger = make_ledger(mixed_records(3), {.replicas = 2, .retries = 5, .backoff_s = 0});
  Lease const first = *ledger.next(0, 0).lease;
  BOOST_TEST(!ledger.failed(first.record.id, 0, first.epoch, "nan", 0).has_value());
  Lease const second = *ledger.next(1, 1).lease;  // before the others, on another replica
  BOOST_TEST(second.record.id == first.record.id);
  auto const given_up = ledger.failed(second.record.id, 0, second.epoch, "nan", 1);
  BOOST_REQUIRE(given_up.has_value());
  BOOST_TEST(given_up->attempts == 2);
  BOOST_TEST(ledger.counts().failed_attempts == 2U);
}

// As with weights that hold NaN.
BOOST_AUTO_TEST_CASE(where_the_first_records_all_fail_the_job_is_given_up) {
  for (bool const one_is_made : {false, true}) {
    WorkLedger ledger =
        make_ledger(mixed_records(1000), {.replicas = 2, .retries = 2, .backoff_s = 0});
    if (one_is_made) {
      Lease const made = *ledger.next(0, 0).lease;
      BOOST_TEST(ledger.may_append(made.record.id, 0, made.epoch));
    }
    int attempts = 0;
    for (; attempts < 100; ++attempts) {
      WorkLedger::Next const next = ledger.next(attempts % 2, attempts);
      if (next.answer == WorkLedger::Answer::finished) break;
      (void)ledger.failed(next.lease->record.id, 0, next.lease->epoch, "nan\nat a line", attempts);
    }
    BOOST_TEST(attempts == (one_is_made ? 100 : 8));
    BOOST_TEST(ledger.given_up() == (one_is_made ? "" : "the first 8 attempts all failed: nan"));
  }
}

// Whose fault a failed batch is, is not known: its records run alone before the job is hopeless.
BOOST_AUTO_TEST_CASE(a_batch_that_fails_is_no_reason_to_give_up) {
  std::vector<ImageRecord> records;
  for (int i = 0; i < 40; ++i) records.push_back(record("b" + std::to_string(i), 64));
  WorkLedger batches = make_ledger(records, {.replicas = 1, .retries = 2, .backoff_s = 0});
  for (Lease const& lease : batch(batches, 0, 16))
    BOOST_TEST(!batches.failed(lease.record.id, 0, lease.epoch, "nan", 0).has_value());
  BOOST_TEST(batches.given_up().empty());
}

BOOST_AUTO_TEST_CASE(a_late_owner_is_told_to_drop_the_row) {
  WorkLedger ledger = make_ledger({record("a", 64)}, {.replicas = 2, .retries = 3, .backoff_s = 0});
  Lease const late = *ledger.next(0, 0).lease;
  (void)ledger.failed("a", 0, late.epoch, "lease revoked", 0);
  Lease const fresh = *ledger.next(1, 1).lease;
  BOOST_TEST(!ledger.may_append("a", 0, late.epoch));
  BOOST_TEST(ledger.may_append("a", 0, fresh.epoch));
}

BOOST_AUTO_TEST_CASE(a_hopeless_job_hands_out_nothing_more) {
  WorkLedger ledger =
      make_ledger(mixed_records(10), {.replicas = 1, .retries = 0, .abort_failed = 1});
  for (int i = 0; i < 2; ++i) {
    Lease const lease = *ledger.next(0, 0).lease;
    BOOST_TEST(ledger.failed(lease.record.id, 0, lease.epoch, "nan", 0).has_value());
  }
  BOOST_TEST((ledger.next(0, 0).answer == WorkLedger::Answer::finished));
  BOOST_TEST(ledger.counts().pending == 8U);
}

BOOST_AUTO_TEST_CASE(a_batch_is_of_one_bucket_and_in_the_order_of_the_manifest) {
  std::vector<ImageRecord> records = mixed_records(30);
  records[3].max_sequence_length = 77;
  records[6].negative_prompt = "";
  records[6].true_cfg_scale = 2;
  records[9].steps = 5;
  WorkLedger ledger = make_ledger(std::move(records), {.replicas = 1});
  BOOST_TEST(ids_of(batch(ledger, 0, 4)) == (Ids{"r0", "r12", "r15", "r18"}));
  BOOST_TEST(ids_of(batch(ledger, 0, 1)) == (Ids{"r21"}));
  BOOST_TEST(ids_of(batch(ledger, 0, 64)) == (Ids{"r24", "r27"}));
  BOOST_TEST(ledger.counts().leased == 7U);
  BOOST_TEST(ledger.counts().pending == 23U);
}

BOOST_AUTO_TEST_CASE(batches_shrink_so_that_replicas_share_the_rest_evenly) {
  BOOST_TEST(batch_share(4, 1000, 8) == 4U);
  BOOST_TEST(batch_share(4, 5, 2) == 3U);
  BOOST_TEST(batch_share(4, 8, 8) == 1U);
  BOOST_TEST(batch_share(4, 1, 8) == 1U);
  // Replicas that work equally fast end as early as if each image were handed out by itself.
  for (int replicas : {1, 2, 3, 7}) {
    for (std::size_t count = 1; count < 60; ++count) {
      std::vector<ImageRecord> records;
      for (std::size_t i = 0; i < count; ++i)
        records.push_back(record("r" + std::to_string(i), 64));
      WorkLedger ledger = make_ledger(std::move(records), {.replicas = replicas});
      auto const workers = static_cast<std::size_t>(replicas);
      std::vector<std::size_t> busy_until(workers);
      while (true) {
        auto const idle = std::min_element(busy_until.begin(), busy_until.end());
        auto const leases = batch(ledger, static_cast<int>(idle - busy_until.begin()), 4);
        if (leases.empty()) break;
        append_all(ledger, leases);
        *idle += leases.size();
      }
      BOOST_TEST(*std::max_element(busy_until.begin(), busy_until.end()) ==
                     (count + workers - 1) / workers,
                 count << " images on " << replicas);
    }
  }
}

BOOST_AUTO_TEST_CASE(records_of_a_failed_batch_run_alone_and_have_all_their_attempts) {
  WorkLedger ledger =
      make_ledger({record("a", 64), record("poison", 64), record("c", 64), record("d", 64)},
                  {.replicas = 1, .retries = 1, .backoff_s = 10});
  std::vector<Lease> const leases = batch(ledger, 0, 3);
  BOOST_TEST(ids_of(leases) == (Ids{"a", "poison", "c"}));
  append_all(ledger, {leases[0]});  // its image was made before the error
  for (std::size_t i : {1U, 2U})
    BOOST_TEST(!ledger.failed(leases[i].record.id, 0, leases[i].epoch, "nan", 0).has_value());
  BOOST_TEST(!ledger.may_append("c", 0, leases[2].epoch));  // that lease is gone

  // Suspects get nobody beside them, and are put beside nobody.
  Ids order;
  for (double now_s = 1; order.size() < 3; ++now_s) {
    std::vector<Lease> const alone = batch(ledger, 0, 3, now_s);
    BOOST_TEST_REQUIRE(alone.size() == 1U);
    BOOST_TEST(alone[0].attempt == 1);
    order.push_back(alone[0].record.id);
    if (alone[0].record.id == "poison") {
      BOOST_TEST(!ledger.failed("poison", 0, alone[0].epoch, "nan", now_s).has_value());
    } else {
      append_all(ledger, alone);
    }
  }
  BOOST_TEST(order == (Ids{"c", "poison", "d"}));
  BOOST_TEST((batch(ledger, 0, 3, 5).empty()));  // the poison backs off
  std::vector<Lease> const again = batch(ledger, 0, 3, 99);
  BOOST_TEST_REQUIRE(ids_of(again) == (Ids{"poison"}));
  BOOST_TEST(again[0].attempt == 2);
  BOOST_TEST(ledger.failed("poison", 0, again[0].epoch, "nan", 99).has_value());
  BOOST_TEST(ledger.counts().appended == 3U);
  BOOST_TEST(ledger.counts().failed == 1U);
}

BOOST_AUTO_TEST_CASE(every_record_is_appended_once_in_batches_that_fail_at_random) {
  std::mt19937 random(11);
  for (int replicas : {1, 3, 64}) {
    WorkLedger ledger = make_ledger(mixed_records(1000), {.replicas = replicas, .retries = 50});
    std::map<int, std::vector<Lease>> held;
    std::set<std::string> appended;
    double now_s = 0;
    int finished = 0;
    while (finished < replicas) {
      now_s += 0.5;
      finished = 0;
      for (int replica = 0; replica < replicas; ++replica) {
        std::vector<Lease> const mine = std::exchange(held[replica], {});
        std::size_t const made = random() % 5 == 0 ? random() % (mine.size() + 1) : mine.size();
        for (std::size_t i = 0; i < mine.size(); ++i) {
          std::string const& id = mine[i].record.id;
          if (i >= made) {
            BOOST_TEST(
                !ledger.failed(id, 0, mine[i].epoch, std::to_string(random()), now_s).has_value());
            continue;
          }
          BOOST_TEST(ledger.may_append(id, 0, mine[i].epoch));
          BOOST_TEST(appended.insert(id).second);
          ledger.published(id, 0);
        }
        WorkLedger::Next const next = ledger.next(replica, now_s);
        if (next.answer == WorkLedger::Answer::finished) ++finished;
        if (!next.lease) continue;
        held[replica] = ledger.also(replica, *next.lease, random() % 6);
        held[replica].push_back(*next.lease);
      }
    }
    BOOST_TEST(appended.size() == 1000U);
    BOOST_TEST(ledger.counts().done == 1000U);
    BOOST_TEST(ledger.counts().pending + ledger.counts().leased + ledger.counts().appended == 0U);
  }
}

BOOST_AUTO_TEST_CASE(leases_travel_as_one_text) {
  BOOST_TEST(leases_from_message(to_message(std::vector<Lease>{})).empty());
  ImageRecord second = record("b", 96);
  second.prompt = "a \"fox\"\n\xC3\xBC";
  second.negative_prompt = "";
  second.index = 7;
  second.seed = UINT64_MAX;
  second.guidance_scale = 0.1;
  std::vector<Lease> const sent{{record("a", 64), 3, 1, 7.5}, {second, UINT64_MAX, 4}};
  std::vector<Lease> const came = leases_from_message(to_message(sent));
  BOOST_TEST_REQUIRE(came.size() == 2U);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    BOOST_TEST((to_json(came[i].record) == to_json(sent[i].record)));
    BOOST_TEST(came[i].epoch == sent[i].epoch);
    BOOST_TEST(came[i].attempt == sent[i].attempt);
    BOOST_TEST(came[i].cost == sent[i].cost);
  }
  BOOST_TEST(came[1].record.prompt == second.prompt);
}
