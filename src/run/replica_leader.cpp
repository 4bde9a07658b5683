#include "run/replica_leader.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "manifest/record_identity.hpp"
#include "queue/lease_message.hpp"
#include "run/model_provenance.hpp"
#include "run/record_row.hpp"
#include "supervise/signals.hpp"

namespace ditbatch {

using nlohmann::json;

ReplicaLeader::ReplicaLeader(JobInput const& input, std::string const& part, int session,
                             ChosenDevice const& device, MeshComms const& comms, Trace& trace,
                             FileCalls& file_calls)
    : model_(input.model.identity),
      exactness_(exactness_of(input.config.mesh)),
      hardware_(device.hardware),
      comms_(comms),
      session_(session),
      client_(comms.queue.get(), comms.coordinate.replica, input.config.limits.io_s),
      name_(input.model.name),
      writer_(
          {input.config.job.run_dir, part, comms.coordinate.replica, session, input.config.output,
           image_phase_names(), models_json({model_entry_of(input, device)}), &file_calls},
          client_, trace) {}

void ReplicaLeader::append(Lease const& lease, LedImage image) {
  ShardRow row;
  take_record(lease.record, row);
  row.id = lease.record.id;
  row.index = lease.record.index;
  auto const* bytes = image.pixels.data_ptr<std::uint8_t>();
  row.pixels.assign(bytes, bytes + image.pixels.numel());
  row.identity = newest_identity;
  row.record_sha256 = record_sha256(lease.record, model_, newest_identity, exactness_.method);
  row.record_sha256_1 = record_sha256(lease.record, model_, 1, exactness_.method);
  row.model = name_;
  row.method = exactness_.method;
  row.tokens = image.tokens.tokens;
  row.tokens_cut = image.tokens.cut;
  cut_images_ += row.tokens_cut == EncoderCounts{} ? 0 : 1;
  row.session = static_cast<std::uint16_t>(session_);
  row.replica = static_cast<std::uint16_t>(comms_.coordinate.replica);
  row.finished_ns = unix_time_ns();
  row.attempt = static_cast<std::uint8_t>(lease.attempt);
  row.exact = exactness_.is_exact() ? 1 : 0;
  row.batch_size = static_cast<std::uint16_t>(image.batch_size);
  row.ranks = static_cast<std::uint16_t>(comms_.shape.ranks_per_replica());
  row.layout = layout_name(comms_.shape);
  row.hardware = hardware_;
  row.timing_s = std::move(image.timing_s);
  row.device_ms = std::move(image.device_ms);
  writer_wait_s_ += writer_.append(std::move(row));
  if (stop_signal() != 0) flush_soon();  // how much time is left is not known
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

namespace {

// LibTorch's errors carry their stack, which is of no use to whom the record belongs.
std::string without_stack(std::exception const& error) {
  auto const* torch = dynamic_cast<c10::Error const*>(&error);
  std::string const text = torch != nullptr ? torch->what_without_backtrace() : error.what();
  constexpr int most_lines = 4;
  std::size_t end = 0;
  for (int line = 0; line < most_lines && end != std::string::npos; ++line)
    end = text.find('\n', end + (line > 0 ? 1 : 0));
  return text.substr(0, end);
}

}  // namespace

std::string record_error(std::exception_ptr const& error, std::vector<Lease> const& leases) {
  auto const failed = [&](std::exception const& caught) {
    std::string names;
    for (Lease const& lease : leases)
      names += (names.empty() ? "record " : ", ") + image_name(lease.record.key());
    std::string text = without_stack(caught);
    log_error(names + ": " + text);
    return text;
  };
  if (!error) return {};
  try {
    std::rethrow_exception(error);
  } catch (Error const& caught) {
    if (caught.code() != ExitCode::bad_input) throw;
    return failed(caught);
  } catch (std::logic_error const&) {
    throw;  // std::out_of_range and its like are ours: every record would fail in the same way
  } catch (std::exception const& caught) {
    return failed(caught);
  }
}

namespace {

// By image phase; a device works in the first three alone.
std::vector<float> device_ms_of(MadeImages const& made) {
  std::vector<float> ms(image_phases.size(), 0);
  std::copy(made.device_ms.begin(), made.device_ms.end(), ms.begin());
  return ms;
}

}  // namespace

HandOver hand_over(ReplicaLeader* leader, std::vector<Lease> const& leases, MadeImages const& made,
                   PhaseClock& clock, MeshComms const& comms) {
  json const own{{"images", made.images.size()},
                 {"stages", made.stages},
                 {"error", record_error(made.error, leases)},
                 {"timing_s", clock.take_image_s()},
                 {"device_ms", device_ms_of(made)}};
  // Error texts may hold bytes that are not UTF-8.
  std::string const told = to_text(own);
  std::vector<std::string> const ranks = [&] {
    HostCall const call(clock.activity(), "replica gather");
    return all_gather_strings(comms.replica_host.get(), told);  // comm: replica
  }();
  std::size_t made_by_all = leases.size();
  std::string error;
  std::vector<Stage> stages = made.stages;
  auto const batch = static_cast<float>(leases.size());
  std::vector<float> timing_s, device_ms;
  for (std::string const& rank : ranks) {
    json const parsed = json_of(rank);
    made_by_all = std::min<std::size_t>(made_by_all, parsed.at("images"));
    if (error.empty()) error = parsed.at("error");
    auto const seen = parsed.at("stages").get<std::vector<Stage>>();
    for (std::size_t i = 0; i < std::min(stages.size(), seen.size()); ++i)
      stages[i] = std::min(stages[i], seen[i]);
    for (float const seconds : parsed.at("timing_s")) timing_s.push_back(seconds / batch);
    for (float const ms : parsed.at("device_ms")) device_ms.push_back(ms / batch);
  }
  HandOver const outcome = error.empty() ? HandOver::made : HandOver::failed;
  if (leader == nullptr) return outcome;
  for (std::size_t i = 0; i < leases.size(); ++i) {
    if (i >= made_by_all) {
      leader->failed(leases[i], error);
    } else if (!made.images[i].finite) {
      leader->failed(leases[i], std::string("the image holds NaN or infinity, first in what the ") +
                                    stage_names[static_cast<std::size_t>(stages[i])] + " made");
    } else {
      leader->append(leases[i],
                     {made.images[i].pixels, made.tokens[i], leases.size(), timing_s, device_ms});
    }
  }
  return outcome;
}

}  // namespace ditbatch
