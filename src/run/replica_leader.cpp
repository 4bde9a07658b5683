#include "run/replica_leader.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "manifest/record_identity.hpp"
#include "manifest/record_message.hpp"
#include "queue/lease_message.hpp"

namespace ditbatch {

using nlohmann::json;

ReplicaLeader::ReplicaLeader(RunConfig const& config, Sha256Digest const& checkpoint_id,
                             std::string const& part, int session, std::string hardware,
                             MeshComms const& comms, Trace& trace)
    : checkpoint_id_(checkpoint_id),
      hardware_(std::move(hardware)),
      comms_(comms),
      session_(session),
      client_(comms.queue.get(), comms.coordinate.replica, config.limits.io_s),
      writer_({config.job.run_dir, part, comms.coordinate.replica, session, config.output,
               image_phase_names()},
              client_, trace) {}

void ReplicaLeader::append(Lease const& lease, at::Tensor const& pixels, std::size_t batch_size,
                           std::vector<float> timing_s) {
  ImageRecord const& record = lease.record;
  ShardRow row;
  auto const* bytes = pixels.data_ptr<std::uint8_t>();
  row.pixels.assign(bytes, bytes + pixels.numel());
  row.id = record.id;
  row.index = record.index;
  row.prompt = record.prompt;
  row.prompt_2 = record.prompt_2.value_or("");
  row.negative_prompt = record.negative_prompt.value_or("");
  row.scheduler = record.scheduler;
  row.params = params_json(record);
  row.tags = json(record.tags).dump();
  row.metadata = record.metadata;
  row.seed = record.seed;
  row.width = static_cast<std::uint16_t>(record.width_px);
  row.height = static_cast<std::uint16_t>(record.height_px);
  row.steps = static_cast<std::uint16_t>(record.steps);
  row.guidance_scale = static_cast<float>(record.guidance_scale);
  row.true_cfg_scale = static_cast<float>(record.true_cfg_scale);
  row.record_sha256 = record_sha256(record, {checkpoint_id_, {}}, 1);
  row.session = static_cast<std::uint16_t>(session_);
  row.replica = static_cast<std::uint16_t>(comms_.coordinate.replica);
  row.finished_ns = unix_time_ns();
  row.attempt = static_cast<std::uint8_t>(lease.attempt);
  row.batch_size = static_cast<std::uint16_t>(batch_size);
  row.ranks = static_cast<std::uint16_t>(comms_.shape.ranks_per_replica());
  row.layout = layout_name(comms_.shape);
  row.hardware = hardware_;
  row.timing_s = std::move(timing_s);
  writer_wait_s_ += writer_.append(std::move(row));
}

void ReplicaLeader::finish() {
  writer_.finish();
  client_.goodbye();
}

std::vector<Lease> next_leases(ReplicaLeader* leader, MeshComms const& comms) {
  std::string const message = leader != nullptr ? to_message(leader->next()) : "";
  return leases_from_message(
      broadcast_string(comms.replica_host.get(), message, 0));  // comm: replica
}

std::string catch_record_errors(std::vector<Lease> const& leases,
                                std::function<void()> const& make) {
  auto const failed = [&](std::exception const& error) {
    std::string names;
    for (Lease const& lease : leases)
      names += (names.empty() ? "record " : ", ") + image_name(lease.record.key());
    log_error(names + ": " + error.what());
    return std::string(error.what());
  };
  try {
    make();
    return {};
  } catch (Error const& error) {
    if (error.code() != ExitCode::bad_input) throw;
    return failed(error);
  } catch (std::exception const& error) {
    return failed(error);
  }
}

HandOver hand_over(ReplicaLeader* leader, std::vector<Lease> const& leases, MadeImages const& made,
                   PhaseClock& clock, MeshComms const& comms) {
  json const own{
      {"images", made.images.size()}, {"error", made.error}, {"timing_s", clock.take_image_s()}};
  // Error texts may hold bytes that are not UTF-8.
  std::vector<std::string> const ranks = all_gather_strings(
      comms.replica_host.get(),
      own.dump(-1, ' ', false, json::error_handler_t::replace));  // comm: replica
  std::size_t made_by_all = leases.size();
  std::string error;
  std::vector<float> timing_s;
  for (std::string const& rank : ranks) {
    json const parsed = json::parse(rank);
    made_by_all = std::min<std::size_t>(made_by_all, parsed.at("images"));
    if (error.empty()) error = parsed.at("error");
    for (float const seconds : parsed.at("timing_s"))
      timing_s.push_back(seconds / static_cast<float>(leases.size()));
  }
  HandOver const outcome = error.empty() ? HandOver::made : HandOver::failed;
  if (leader == nullptr) return outcome;
  for (std::size_t i = 0; i < leases.size(); ++i) {
    if (i >= made_by_all) {
      leader->failed(leases[i], error);
    } else if (!made.images[i].finite) {
      leader->failed(leases[i], "the decoded image holds NaN or infinity");
    } else {
      leader->append(leases[i], made.images[i].pixels, leases.size(), timing_s);
    }
  }
  return outcome;
}

}  // namespace ditbatch
