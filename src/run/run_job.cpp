#include "run/run_job.hpp"

#include <map>
#include <optional>
#include <string>

#include "comm/device.hpp"            // choose_device: this rank's GPU or CPU
#include "comm/mesh_comms.hpp"        // MeshComms: one communicator a mesh dimension
#include "comm/mpi_comm.hpp"          // gather_strings, broadcast_string
#include "core/log.hpp"
#include "manifest/record_message.hpp"
#include "output/output_writer.hpp"   // OutputWriter: rows -> shards, on a thread of its own
#include "output/scan_run.hpp"        // what the published shards hold
#include "pipeline/flux_pipeline.hpp" // encode, draw noise, denoise, decode
#include "queue/work_client.hpp"      // a replica leader's side of the queue
#include "queue/work_server.hpp"      // rank 0's side
#include "run/phase_clock.hpp"
#include "run/progress.hpp"
#include "run/run_folder.hpp"         // lock, session folder, what is left to do
#include "run/summary.hpp"

namespace ditbatch {

ExitCode run_job(RunConfig const& config, RunOptions const& options, MpiSession const& session,
                 std::int64_t begin_ns) {
  Trace trace;
  PhaseClock clock(trace, begin_ns);
  bool const is_first = session.rank() == 0;
  return ExitCode::internal;
}

}  // namespace ditbatch
