#include "queue/work_server.hpp"

#include <chrono>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "comm/text_message.hpp"
#include "core/error.hpp"
#include "core/exit_code_for.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/trace.hpp"
#include "output/shard_row.hpp"
#include "queue/channel.hpp"
#include "queue/lease_message.hpp"

namespace ditbatch {

using nlohmann::json;

WorkServer::WorkServer(WorkLedger ledger, Options options)
    : options_(std::move(options)), ledger_(std::move(ledger)), thread_([this] { serve(); }) {}

WorkServer::~WorkServer() {
  // A leader that died sends no goodbye: while unwinding, do not wait for one.
  if (std::uncaught_exceptions() > 0) cancelled_ = true;
  if (thread_.joinable()) thread_.join();
}

void WorkServer::finish() {
  if (thread_.joinable()) thread_.join();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::string WorkServer::given_up() const {
  std::scoped_lock const lock(mutex_);
  return ledger_.given_up();
}

WorkCounts WorkServer::counts() const {
  std::scoped_lock const lock(mutex_);
  return ledger_.counts();
}

void WorkServer::serve() noexcept {
  try {
    answer_all();
  } catch (std::exception const& error) {
    error_ = std::current_exception();
    if (options_.when_lost) options_.when_lost(error);
  }
}

void WorkServer::answer_all() {
  int leaders_left = options_.leaders;
  while (leaders_left > 0 && !cancelled_) {
    // comm: the leaders
    auto const message = try_receive_text(options_.comm, MPI_ANY_SOURCE, queue::request_tag);
    if (!message) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    json const request = json_of(message->text);
    if (request.at("verb") == "goodbye") {
      leaders_left -= 1;
      continue;
    }
    auto const channel = static_cast<queue::Channel>(request.at("channel").get<int>());
    // A leader waits for its answer: an error here is the answer, or the job would hang.
    json reply;
    try {
      reply = answer(request);
    } catch (std::exception const& error) {
      error_ = std::current_exception();
      reply = json{{"error", error.what()}, {"code", static_cast<int>(exit_code_for(error))}};
    }
    send_text(options_.comm, message->source, queue::reply_tag(channel),  // comm: the leader
              to_text(reply));
  }
}

json WorkServer::next_for(int replica, double now_s) {
  if (options_.must_stop && options_.must_stop()) return json{{"answer", "finished"}};
  WorkLedger::Next const next = ledger_.next(replica, now_s);
  if (next.answer == WorkLedger::Answer::wait) return json{{"answer", "wait"}};
  if (next.answer == WorkLedger::Answer::finished) return json{{"answer", "finished"}};
  std::vector<Lease> leases{*next.lease};
  int const size = ledger_.most_together(*next.lease);
  for (Lease& lease : ledger_.also(replica, *next.lease, static_cast<std::size_t>(size - 1))) {
    leases.push_back(std::move(lease));
  }
  return json{{"answer", "records"}, {"leases", to_json(leases)}};
}

json WorkServer::answer(json const& request) {
  std::string const verb = request.at("verb");
  double const now_s = static_cast<double>(now_ns()) * 1e-9;
  std::scoped_lock const lock(mutex_);

  if (verb == "next") return next_for(request.at("replica"), now_s);
  bool const grants = verb == "may_append" || verb == "shard_number";
  if (grants && options_.require_folder) options_.require_folder();
  if (verb == "may_append") {
    bool const granted =
        ledger_.may_append(request.at("id"), request.at("index"), request.at("epoch"));
    return json{{"granted", granted}};
  }
  if (verb == "shard_number") {
    int& next = options_.next_shard_number[request.at("folder")];
    return json{{"number", next++}};
  }
  if (verb == "schema_version") {
    auto const known = options_.schema_version.find(request.at("folder"));
    bool const is_known = known != options_.schema_version.end();
    return json{{"version", is_known ? known->second : shard_schema_version}};
  }
  if (verb == "published") {
    PublishedShard shard;
    shard.file = request.at("file");
    shard.rows = request.at("rows");
    shard.bytes = request.at("bytes");
    shard.sha256 = request.at("sha256").get<Sha256Digest>();
    for (json const& key : request.at("keys")) {
      shard.keys.push_back({key.at(0), key.at(1)});
      ledger_.published(shard.keys.back().id, shard.keys.back().index);
    }
    append_index_line(options_.index_path, shard);
    return json{{"ok", true}};
  }
  ensure(verb == "failed", "the work server knows the verb of every request");
  auto const given_up = ledger_.failed(request.at("id"), request.at("index"), request.at("epoch"),
                                       request.at("error"), now_s);
  if (!given_up) {
    log_warning("record " + image_name({request.at("id"), request.at("index")}) +
                " comes back soon, on another replica if there is one");
  } else {
    append_failed_line(options_.failed_path, {given_up->id, given_up->index, given_up->attempts,
                                              given_up->error, options_.checkpoint});
    log_warning("record " + image_name({given_up->id, given_up->index}) + " given up after " +
                std::to_string(given_up->attempts) + " attempts: " + given_up->error);
  }
  return json{{"ok", true}};
}

}  // namespace ditbatch
