#pragma once

#include <mpi.h>

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/mpi_comm.hpp"
#include "comm/mpi_session.hpp"
#include "config/run_config.hpp"
#include "core/activity.hpp"
#include "core/exit_code.hpp"
#include "core/trace.hpp"
#include "supervise/rank_watch.hpp"

namespace ditbatch {

/// Ends a job in which a rank is stuck or gone, and says which one.
///
/// A thread on every rank sends signs of life over a communicator of its own: to rank 0, and rank 0
/// to rank 1. A rank that is silent for `phase_s`, whose main thread exceeds the limit of its
/// phase, or whose writer makes no progress for as long as a file system may stall, is named; who
/// waits for a writer that is slow but moves is not late. Then every rank that still can dumps its
/// stacks and last spans, and the job ends with ExitCode::lost_peer. SIGUSR2 dumps and goes on.
/// Messages and not files: they work before there is a run folder, and on file systems that stall.
class Watchdog {
 public:
  struct Options {
    LimitsConfig limits;
    MPI_Comm comm = MPI_COMM_NULL;  // all ranks that are watched
    int rank = 0;
    int ranks = 1;
    std::string host;
    std::function<void(int)> on_stop_signal;  // on rank 0: some rank was told to stop
  };
  /// Collective over `comm`.
  Watchdog(Options options, Activity& activity, Trace const& trace);
  Watchdog(Watchdog const&) = delete;
  Watchdog& operator=(Watchdog const&) = delete;
  /// Collective, unless it unwinds: waits until all ranks have come here.
  ~Watchdog();

  /// What is known once the mesh is made: where this rank belongs, where dumps go, how those who
  /// wait in a collective are freed (null: not at all).
  struct Place {
    std::optional<MeshCoordinate> at;
    std::string device;
    std::string dump_folder;
    std::function<void()> abort_collectives;
  };
  void set_place(Place place);
  /// Before the communicators end, on every way out: this rank has no place in a mesh any more.
  void leave_mesh() noexcept;

  /// Ends the job because of an error on a thread that nobody waits for: says the cause, frees
  /// whoever waits, exits with the error's code. From any thread.
  [[noreturn]] void end_job(std::exception const& error) noexcept;

  /// Whom signals of this process are told, on the watchdog's thread.
  struct SignalHooks {
    std::function<void()> flush;            // what is finished is to be made durable; does not wait
    std::function<bool()> is_flushed;       // whether it is
    std::function<void(int)> told_to_stop;  // on rank 0, once: by which signal some rank was
  };
  /// When this returns, nobody of before is told any more.
  void set_hooks(SignalHooks hooks);

  /// What every rank does, as JSON; on rank 0.
  [[nodiscard]] std::string ranks_json() const;

 private:
  void run() noexcept;
  void watch();
  [[nodiscard]] bool forgive_pause();
  void hear_signals(bool has_paused);
  void hear_stop(int signal);
  [[nodiscard]] Beat own_beat() const;
  [[nodiscard]] std::string dump_folder() const;
  void send(int rank, int tag, std::string text);
  void receive_beats();
  void send_beats();
  void look_for_trouble();
  void judge(Beat const& late);
  [[nodiscard]] bool is_late(Beat const& own) const;
  [[noreturn]] void accuse(std::string const& cause, std::vector<Beat> const& accused);
  void dump(std::string const& reason);
  void dump_in_time(std::string const& reason);
  [[noreturn]] void leave_now(ExitCode code);

  Options options_;
  Activity& activity_;
  Trace const& trace_;
  UniqueMpiComm comm_;
  double beat_s_;
  std::int64_t next_beat_ns_ = 0;
  std::int64_t looked_ns_;  // at the clock, for the last time
  int told_signal_ = 0;     // the signal to stop that rank 0 knows of
  int job_signal_ = 0;      // on rank 0: of some rank
  bool has_told_of_stop_ = false;
  std::optional<std::int64_t> told_rank_0_ns_;  // that this rank exceeds its limit
  std::optional<std::int64_t> excused_ns_;      // rank 0: it waits for a writer that moves
  struct Outgoing {
    std::string text;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  std::map<int, Outgoing> beats_out_;  // one a receiver: it may be stopped, and must not pile up
  std::vector<std::unique_ptr<Outgoing>> others_out_;
  int dumps_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  Place place_;
  struct Seen {
    Beat beat;
    std::int64_t came_ns = 0;
  };
  std::map<int, Seen> seen_;  // by rank: whose signs of life come here, until their farewell
  [[nodiscard]] std::vector<SeenBeat> seen_beats() const;
  std::mutex hooks_mutex_;  // guards the hooks, also while they are called
  SignalHooks hooks_;
  std::atomic<bool> is_ending_{false};
  std::atomic<bool> is_unwinding_{false};
  std::thread thread_;
};

}  // namespace ditbatch
