#pragma once

#include <mpi.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "comm/device.hpp"
#include "comm/mesh_comms.hpp"
#include "comm/mpi_session.hpp"
#include "config/run_config.hpp"
#include "core/activity.hpp"
#include "core/trace.hpp"
#include "supervise/phase_clock.hpp"
#include "supervise/rank_place.hpp"
#include "supervise/verdict.hpp"
#include "supervise/watchdog.hpp"

namespace ditbatch {

/// What every collective command has from its first line on: what this rank does is known, and a
/// rank that is stuck is named. Collective over the session's ranks, at both ends.
struct Supervision {
  /// begin_ns: when the process began, by the steady clock.
  Supervision(MpiSession const& session, LimitsConfig const& limits, std::int64_t begin_ns);
  Supervision(Supervision const&) = delete;
  Supervision& operator=(Supervision const&) = delete;

  MpiSession const& session;
  std::atomic<int> stop_signal{0};  // on rank 0: by which some rank was told to stop
  Trace trace;
  Activity activity;
  Watchdog watchdog;
  PhaseClock clock;
};

/// on_first_rank() where the watchdog looks: who waits for rank 0 is not taken for the cause.
template <class Function>
auto on_first_rank(Supervision& supervision, Function const& function) {
  return on_first_rank(supervision.session, function, &supervision.activity);
}

/// The device of every rank of the session, as [runtime] wants it for a checkpoint of this size;
/// see choose_devices() for what is refused. Collective.
[[nodiscard]] ChosenDevice choose_device(Supervision& supervision, RuntimeConfig const& runtime,
                                         std::uint64_t checkpoint_bytes);

/// On rank 0 every rank's text, elsewhere nothing. Collective over the session's ranks.
[[nodiscard]] std::vector<std::string> gather_strings(Supervision& supervision,
                                                      std::string const& text);

/// Where this rank runs; its replica is not known yet.
[[nodiscard]] RankPlace place_of(MpiSession const& session, ChosenDevice const& device);

/// The device and the communicators that a supervised rank works with. The watchdog knows them from
/// their first collective on, and lets go of them before they end, also when an error unwinds.
class Workplace {
 public:
  /// Collective over `ranks`, the session's or the first of them: as many as the mesh has places.
  /// Dumps of this rank go to `dump_folder`.
  Workplace(Supervision& supervision, ChosenDevice device, MPI_Comm ranks, MeshShape const& mesh,
            RuntimeConfig const& runtime, std::string const& dump_folder);
  Workplace(Workplace const&) = delete;
  Workplace& operator=(Workplace const&) = delete;
  ~Workplace() { watchdog.leave_mesh(); }

  Trace& trace;
  Activity& activity;
  Watchdog& watchdog;
  PhaseClock& clock;
  ChosenDevice device;
  MeshComms comms;
};

}  // namespace ditbatch
