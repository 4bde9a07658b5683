// The work queue between real ranks: rank 0 serves, every rank is the leader of a replica.
#define BOOST_TEST_MODULE work_server
#include <mpi.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>

#include "comm/text_message.hpp"
#include "core/error.hpp"
#include "output/publish.hpp"
#include "output/run_paths.hpp"
#include "queue/channel.hpp"
#include "queue/work_client.hpp"
#include "queue/work_server.hpp"
#include "support/mpi_world.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;

using test::MpiWorld;
BOOST_TEST_GLOBAL_FIXTURE(MpiWorld);

namespace {

constexpr double answer_limit_s = 20;

std::vector<ImageRecord> some_records(int count) {
  std::vector<ImageRecord> records(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    ImageRecord& record = records[static_cast<std::size_t>(i)];
    record.id = "r" + std::to_string(i);
    record.prompt = "a \"fox\" \u2603 " + std::to_string(i);
    record.width_px = record.height_px = 64;
    record.steps = 4;
  }
  return records;
}

// A queue over all ranks, with the files of rank 0.
struct Queue {
  explicit Queue(WorkServer::Options options = {}, int most_together = 1)
      : comm(duplicate(MPI_COMM_WORLD)), folder("work-server") {
    if (rank_of(comm.get()) == 0) {
      auto const shape_of = [&](ImageRecord const& /*record*/) {
        return WorkShape{"64x64", 1, most_together};
      };
      options.comm = comm.get();
      options.leaders = size_of(comm.get());
      options.index_path = folder / "index.jsonl";
      options.failed_path = folder / "failed.jsonl";
      server = std::make_unique<WorkServer>(
          WorkLedger(some_records(12), shape_of,
                     {.replicas = options.leaders, .retries = 1, .backoff_s = 0.01}),
          options);
    }
    client.emplace(comm.get(), rank_of(comm.get()), answer_limit_s);
  }
  UniqueMpiComm comm;
  test::ScratchFolder folder;
  std::optional<WorkClient> client;
  std::unique_ptr<WorkServer> server;  // null on the other ranks
};

// As a replica does, with shards of one row. -> ids that this rank made
std::vector<std::string> work(WorkClient& client, std::string const& fails = "") {
  std::vector<std::string> made;
  while (true) {
    std::vector<Lease> const leases = client.next([] {});
    if (leases.empty()) return made;
    for (Lease const& lease : leases) {
      if (lease.record.id == fails) {
        client.failed(lease, "poison \xFF");
        continue;
      }
      BOOST_TEST(client.may_append(lease.record.id, 0));
      PublishedShard shard;
      shard.file = shard_path({"64x64", client.next_shard_number(64, 64), ""});
      shard.rows = 1;
      shard.keys = {{lease.record.id, 0}};
      client.published(shard);
      made.push_back(lease.record.id);
    }
  }
}

std::size_t sum_of(std::size_t own) {
  std::size_t sum = 0;
  check_mpi(MPI_Allreduce(&own, &sum, 1, MPI_UNSIGNED_LONG, MPI_SUM, MPI_COMM_WORLD));
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_CASE(shards_of_a_size_keep_its_version_and_others_get_the_newest) {
  WorkServer::Options options;
  options.schema_version = {{"64x64", 1}};
  Queue queue(options);
  BOOST_TEST(queue.client->schema_version(64, 64) == 1);
  BOOST_TEST(queue.client->schema_version(96, 64) == shard_schema_version);
  (void)work(*queue.client);
  queue.client->goodbye();
  if (queue.server) queue.server->finish();
}

BOOST_AUTO_TEST_CASE(every_record_is_made_once_and_listed) {
  Queue queue;
  std::size_t const made = work(*queue.client).size();
  queue.client->goodbye();
  BOOST_TEST(sum_of(made) == 12U);
  if (!queue.server) return;
  queue.server->finish();
  BOOST_TEST(queue.server->counts().done == 12U);
  std::set<std::string> files;
  for (IndexLine const& line : read_index_lines(queue.folder / "index.jsonl"))
    files.insert(line.file);
  BOOST_TEST(files.size() == 12U);  // no number was given twice
}

BOOST_AUTO_TEST_CASE(a_batch_and_its_records_arrive_whole) {
  Queue queue({}, 3);
  std::vector<Lease> const leases = queue.client->next([] {});
  BOOST_REQUIRE(!leases.empty());
  BOOST_TEST(leases.size() <= 3U);
  for (Lease const& lease : leases) {
    BOOST_TEST(lease.record.prompt == "a \"fox\" \u2603 " + lease.record.id.substr(1));
    BOOST_TEST(lease.attempt == 1);
  }
  for (Lease const& lease : leases) queue.client->failed(lease, "left to the others");
  (void)work(*queue.client);
  queue.client->goodbye();
  if (queue.server) queue.server->finish();
}

BOOST_AUTO_TEST_CASE(a_record_that_always_fails_is_given_up_and_listed) {
  Queue queue;
  std::size_t const made = work(*queue.client, "r3").size();
  queue.client->goodbye();
  BOOST_TEST(sum_of(made) == 11U);
  if (!queue.server) return;
  queue.server->finish();
  BOOST_TEST(queue.server->counts().failed == 1U);
  std::vector<FailedLine> const failed = read_failed_lines(queue.folder / "failed.jsonl");
  BOOST_REQUIRE_EQUAL(failed.size(), 1U);
  BOOST_TEST(failed.front().id == "r3");
  BOOST_TEST(failed.front().attempts == 2);
}

BOOST_AUTO_TEST_CASE(whoever_lost_the_lease_may_not_append) {
  Queue queue;
  std::vector<Lease> const leases = queue.client->next([] {});
  BOOST_REQUIRE_EQUAL(leases.size(), 1U);
  queue.client->failed(leases.front(), "given back");
  BOOST_TEST(!queue.client->may_append(leases.front().record.id, 0));
  (void)work(*queue.client);
  queue.client->goodbye();
  if (queue.server) queue.server->finish();
}

BOOST_AUTO_TEST_CASE(told_to_stop_it_hands_nothing_out) {
  WorkServer::Options options;
  options.must_stop = [] { return true; };
  Queue queue(options);
  BOOST_TEST(queue.client->next([] {}).empty());
  queue.client->goodbye();
  if (!queue.server) return;
  queue.server->finish();
  BOOST_TEST(queue.server->counts().pending == 12U);
}

// Whatever goes wrong while it answers is the answer: a leader without one would wait for ever.
BOOST_AUTO_TEST_CASE(an_error_of_any_kind_reaches_who_asked) {
  WorkServer::Options options;
  options.must_stop = []() -> bool { throw std::out_of_range("a mistake of ours"); };
  Queue queue(options);
  try {
    (void)queue.client->next([] {});
    BOOST_TEST(false, "no error came");
  } catch (Error const& error) {
    BOOST_TEST((error.code() == ExitCode::internal));
    BOOST_TEST(error.what() == std::string("a mistake of ours"));
  }
  queue.client->goodbye();
  if (queue.server) BOOST_CHECK_THROW(queue.server->finish(), std::out_of_range);
}

// A request that cannot be read has no answer: the thread ends, and says so.
BOOST_AUTO_TEST_CASE(a_thread_that_cannot_go_on_says_why) {
  std::promise<std::string> told;
  WorkServer::Options options;
  options.when_lost = [&](std::exception const& error) { told.set_value(error.what()); };
  Queue queue(options);
  if (!queue.server) {
    check_mpi(MPI_Barrier(MPI_COMM_WORLD));
    return;
  }
  send_text(queue.comm.get(), 0, queue::request_tag, "{\"verb\":");
  auto future = told.get_future();
  BOOST_REQUIRE(future.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  BOOST_TEST(future.get().find("parse error") != std::string::npos);
  BOOST_CHECK_THROW(queue.server->finish(), std::exception);
  check_mpi(MPI_Barrier(MPI_COMM_WORLD));
}
