#include "queue/work_client.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "comm/text_message.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"
#include "output/run_paths.hpp"
#include "queue/lease_message.hpp"

namespace ditbatch {

using nlohmann::json;
using queue::Channel;

namespace {

constexpr int server_rank = 0;

std::string request_for(Channel channel, char const* verb, json fields) {
  fields["channel"] = static_cast<int>(channel);
  fields["verb"] = verb;
  // Error texts may hold bytes that are not UTF-8: replace them rather than fail while reporting.
  return to_text(fields);
}

}  // namespace

json WorkClient::ask(Channel channel, std::string const& request) {
  // comm: rank 0
  send_text(comm_, server_rank, queue::request_tag, request);
  // comm: rank 0
  auto const answer = wait_for_text(comm_, server_rank, queue::reply_tag(channel), answer_limit_s_);
  require(answer.has_value(), ExitCode::lost_peer,
          "the work queue on rank 0 did not answer for " +
              std::to_string(static_cast<long>(answer_limit_s_)) +
              " s (its process is stuck, or the file system of the run folder stalls) see [limits] "
              "io_s");
  json reply = json_of(*answer);
  if (reply.contains("error"))
    throw Error(static_cast<ExitCode>(reply.at("code").get<int>()), reply.at("error"));
  return reply;
}

std::vector<Lease> WorkClient::next(std::function<void()> const& while_waiting) {
  while (true) {
    while_waiting();
    json const reply =
        ask(Channel::main, request_for(Channel::main, "next", {{"replica", replica_}}));
    std::string const answer = reply.at("answer");
    if (answer == "finished") return {};
    if (answer == "wait") {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    std::vector<Lease> leases = leases_from_json(reply.at("leases"));
    std::scoped_lock const lock(mutex_);
    for (Lease const& lease : leases) epochs_[{lease.record.id, lease.record.index}] = lease.epoch;
    return leases;
  }
}

void WorkClient::failed(Lease const& lease, std::string const& error) {
  (void)ask(Channel::main, request_for(Channel::main, "failed",
                                       {{"id", lease.record.id},
                                        {"index", lease.record.index},
                                        {"epoch", lease.epoch},
                                        {"error", error}}));
}

void WorkClient::goodbye() {
  // comm: rank 0
  send_text(comm_, server_rank, queue::request_tag,
            request_for(Channel::main, "goodbye", json::object()));
}

bool WorkClient::may_append(std::string const& id, std::uint16_t index) {
  std::uint64_t epoch = 0;
  {
    std::scoped_lock const lock(mutex_);
    auto const found = epochs_.find({id, index});
    ensure(found != epochs_.end(), "only a leased record is appended");
    epoch = found->second;
    epochs_.erase(found);
  }
  return ask(Channel::writer, request_for(Channel::writer, "may_append",
                                          {{"id", id}, {"index", index}, {"epoch", epoch}}))
      .at("granted");
}

int WorkClient::schema_version(std::int64_t width_px, std::int64_t height_px) {
  return ask(Channel::writer, request_for(Channel::writer, "schema_version",
                                          {{"folder", size_folder(width_px, height_px)}}))
      .at("version");
}

int WorkClient::next_shard_number(std::int64_t width_px, std::int64_t height_px) {
  return ask(Channel::writer, request_for(Channel::writer, "shard_number",
                                          {{"folder", size_folder(width_px, height_px)}}))
      .at("number");
}

void WorkClient::published(PublishedShard const& shard) {
  json keys = json::array();
  for (auto const& key : shard.keys) keys.push_back({key.id, key.index});
  (void)ask(Channel::writer, request_for(Channel::writer, "published",
                                         {{"file", shard.file},
                                          {"rows", shard.rows},
                                          {"bytes", shard.bytes},
                                          {"sha256", shard.sha256},
                                          {"keys", std::move(keys)}}));
}

}  // namespace ditbatch
