#include "supervise/workplace.hpp"

#include <utility>

#include "comm/launcher.hpp"
#include "comm/observed_tensor_comm.hpp"

namespace ditbatch {

Supervision::Supervision(MpiSession const& with, LimitsConfig const& limits, std::int64_t begin_ns)
    : session(with),
      watchdog({limits, with.comm(), with.rank(), with.size(), with.host(),
                [this](int signal) { stop_signal = signal; }},
               activity, trace),
      clock(trace, activity, limits, begin_ns) {}

ChosenDevice choose_device(Supervision& supervision, RuntimeConfig const& runtime,
                           std::uint64_t checkpoint_bytes) {
  HostCall const call(supervision.activity, "world devices");
  return choose_device(supervision.session,
                       {runtime.device, runtime.share_gpu, is_under_slurm(), checkpoint_bytes});
}

std::vector<std::string> gather_strings(Supervision& supervision, std::string const& text) {
  HostCall const call(supervision.activity, "world gather");
  return gather_strings(supervision.session.comm(), text, 0);  // comm: all ranks
}

RankPlace place_of(MpiSession const& session, ChosenDevice const& device) {
  return {session.rank(), 0, session.host(), device.name, device.gpu_uuid, device.driver};
}

Workplace::Workplace(Supervision& supervision, ChosenDevice chosen, MPI_Comm ranks,
                     MeshShape const& mesh, RuntimeConfig const& runtime,
                     std::string const& dump_folder)
    : trace(supervision.trace),
      activity(supervision.activity),
      watchdog(supervision.watchdog),
      clock(supervision.clock),
      device(std::move(chosen)) {
  Watchdog::Place place{coordinate_of(mesh, rank_of(ranks)), device.name, dump_folder, {}};
  activity.begin_mesh();
  watchdog.set_place(place);
  HostCall const call(activity, "mesh splits");
  comms = make_mesh_comms(ranks, mesh, device.device,
                          runtime.peer_memory ? PeerAccess::automatic : PeerAccess::off);
  observe(comms, make_call_observer(activity, device.device));
  place.abort_collectives = [this] { abort_collectives(comms); };
  watchdog.set_place(std::move(place));
}

}  // namespace ditbatch
