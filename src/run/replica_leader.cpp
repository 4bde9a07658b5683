#include "run/replica_leader.hpp"

#include <ATen/ATen.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "manifest/record_message.hpp"

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

void ReplicaLeader::append(Lease const& lease, at::Tensor const& pixels,
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
  row.record_sha256 = record_sha256(record, checkpoint_id_);
  row.session = static_cast<std::uint16_t>(session_);
  row.replica = static_cast<std::uint16_t>(comms_.coordinate.replica);
  row.finished_ns = unix_time_ns();
  row.attempt = static_cast<std::uint8_t>(lease.attempt);
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

std::optional<Lease> next_lease(ReplicaLeader* leader, MeshComms const& comms) {
  std::string message;
  if (leader != nullptr) {
    if (auto const lease = leader->next()) {
      message = json{{"record", to_message(lease->record)},
                     {"epoch", lease->epoch},
                     {"attempt", lease->attempt}}
                    .dump();
    }
  }
  message = broadcast_string(comms.replica_host.get(), message, 0);  // comm: replica
  if (message.empty()) return std::nullopt;
  json const parsed = json::parse(message);
  return Lease{record_from_message(parsed.at("record")), parsed.at("epoch"), parsed.at("attempt")};
}

MadeImage catch_record_errors(ImageRecord const& record,
                              std::function<DecodedImage()> const& make) {
  auto const failed = [&](std::exception const& error) {
    log_error("record " + record.id + "[" + std::to_string(record.index) + "]: " + error.what());
    return MadeImage{{}, error.what()};
  };
  try {
    return {make(), ""};
  } catch (Error const& error) {
    if (error.code() != ExitCode::bad_input) throw;
    return failed(error);
  } catch (std::exception const& error) {
    return failed(error);
  }
}

void hand_over(ReplicaLeader* leader, Lease const& lease, MadeImage const& made, PhaseClock& clock,
               MeshComms const& comms) {
  std::vector<float> const own = clock.take_image_s();
  std::string const bytes(reinterpret_cast<char const*>(own.data()), own.size() * sizeof(float));
  std::vector<std::string> const ranks =
      gather_strings(comms.replica_host.get(), bytes, 0);  // comm: replica
  std::vector<std::string> const errors =
      gather_strings(comms.replica_host.get(), made.error, 0);  // comm: replica
  if (leader == nullptr) return;
  for (std::string const& error : errors) {
    if (!error.empty()) return leader->failed(lease, error);
  }
  if (!made.image.finite) return leader->failed(lease, "the decoded image holds NaN or infinity");
  std::vector<float> timing_s(ranks.size() * own.size());
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    std::memcpy(timing_s.data() + rank * own.size(), ranks[rank].data(), ranks[rank].size());
  }
  leader->append(lease, made.image.pixels, std::move(timing_s));
}

}  // namespace ditbatch
