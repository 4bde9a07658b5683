#include "queue/work_server.hpp"

#include <chrono>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "comm/text_message.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/trace.hpp"
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

WorkCounts WorkServer::counts() const {
  std::scoped_lock const lock(mutex_);
  return ledger_.counts();
}

void WorkServer::serve() {
  int leaders_left = options_.leaders;
  while (leaders_left > 0 && !cancelled_) {
    auto const request = try_receive_text(options_.comm, MPI_ANY_SOURCE, queue::request_tag);
    if (!request) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    json const parsed = json::parse(request->text);
    if (parsed.at("verb") == "goodbye") {
      leaders_left -= 1;
      continue;
    }
    // A leader waits for its answer: an error here is the answer, or the job would hang.
    std::string reply;
    try {
      reply = answer(request->text);
    } catch (Error const& error) {
      error_ = std::current_exception();
      reply = json{{"error", error.what()}, {"code", static_cast<int>(error.code())}}.dump();
    }
    auto const channel = static_cast<queue::Channel>(parsed.at("channel").get<int>());
    send_text(options_.comm, request->source, queue::reply_tag(channel), reply);
  }
}

std::string WorkServer::next_for(int replica, double now_s) {
  if (options_.must_stop && options_.must_stop()) return json{{"answer", "finished"}}.dump();
  WorkLedger::Next const next = ledger_.next(replica, now_s);
  if (next.answer == WorkLedger::Answer::wait) return json{{"answer", "wait"}}.dump();
  if (next.answer == WorkLedger::Answer::finished) return json{{"answer", "finished"}}.dump();
  std::vector<Lease> leases{*next.lease};
  int const size = ledger_.most_together(*next.lease);
  for (Lease& lease : ledger_.also(replica, *next.lease, static_cast<std::size_t>(size - 1))) {
    leases.push_back(std::move(lease));
  }
  return json{{"answer", "records"}, {"leases", to_message(leases)}}.dump();
}

std::string WorkServer::answer(std::string const& text) {
  json const request = json::parse(text);
  std::string const verb = request.at("verb");
  double const now_s = static_cast<double>(now_ns()) * 1e-9;
  std::scoped_lock const lock(mutex_);

  if (verb == "next") return next_for(request.at("replica"), now_s);
  if (verb == "may_append") {
    bool const granted =
        ledger_.may_append(request.at("id"), request.at("index"), request.at("epoch"));
    return json{{"granted", granted}}.dump();
  }
  if (verb == "shard_number") {
    int& next = options_.next_shard_number[request.at("folder")];
    return json{{"number", next++}}.dump();
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
    return json{{"ok", true}}.dump();
  }
  ensure(verb == "failed", "the work server knows the verb of every request");
  auto const given_up = ledger_.failed(request.at("id"), request.at("index"), request.at("epoch"),
                                       request.at("error"), now_s);
  if (given_up) {
    append_failed_line(options_.failed_path,
                       {given_up->id, given_up->index, given_up->attempts, given_up->error});
    log_warning("record " + image_name({given_up->id, given_up->index}) + " given up after " +
                std::to_string(given_up->attempts) + " attempts: " + given_up->error);
  }
  return json{{"ok", true}}.dump();
}

}  // namespace ditbatch
