#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/activity.hpp"
#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// A sign of life of one rank: where it is and what it does.
struct Beat {
  int rank = 0;
  std::optional<MeshCoordinate> at;  // none: it has no place in a mesh (yet)
  std::string host;
  std::string device;
  std::string phase;
  std::string record_id;
  std::string call;  // the collective that it stands in
  CallCounts calls;  // collectives entered so far
  double in_phase_s = 0;
  double in_call_s = 0;
  int stop_signal = 0;       // it was told to stop
  FileCalls::View writer{};  // of its files

  [[nodiscard]] int replica() const { return at ? at->replica : 0; }
};
[[nodiscard]] std::string to_message(Beat const& beat);
[[nodiscard]] Beat beat_from_message(std::string const& message);

/// A beat as the watching rank has it.
struct SeenBeat {
  Beat beat;
  double silent_s = 0;  // since it came
};

/// "rank 2 (replica 0, host n1, cpu), phase denoise of record fox-1, in ulysses all_to_all (call
/// 812), for 3.1 s"
[[nodiscard]] std::string where_text(Beat const& beat);
/// "rank 2 (replica 0, host n1, cpu), writing for 31.0 s without progress: fsync of FILE"
[[nodiscard]] std::string writer_text(Beat const& beat);

/// Whether the rank waits for its own writer, which has moved within `limit_s`: slow, not stuck.
[[nodiscard]] bool waits_for_slow_writer(Beat const& beat, double limit_s);

/// The rank that gave no sign of life for longest, if that is longer than `limit_s`.
[[nodiscard]] std::optional<SeenBeat> find_silent(std::vector<SeenBeat> const& beats,
                                                  double limit_s);

/// Whom `reporter`, which exceeds its limit, waits for in the end. A rank that stands in a
/// collective waits for those of the same group who entered fewer of the group's collectives, and
/// with them for whomever they wait for. Branches of a mesh do different work, so counts of
/// different groups are never compared. More than one rank where all have come to the collective
/// that they stand in, or where nothing tells them apart.
[[nodiscard]] std::vector<Beat> find_laggards(std::vector<SeenBeat> const& beats,
                                              Beat const& reporter);

/// The causes that the watchdog gives: a rank that is silent, and the ranks that one that is late
/// waits for.
[[nodiscard]] std::string silent_text(SeenBeat const& silent);
[[nodiscard]] std::string stuck_text(std::vector<Beat> const& laggards, Beat const& reporter);
/// What they have in common, or nothing: a wrong host would be left out of the next attempt.
[[nodiscard]] std::string host_of(std::vector<Beat> const& accused);

}  // namespace ditbatch
