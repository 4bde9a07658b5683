#include "supervise/watchdog.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "comm/text_message.hpp"
#include "core/exit_code_for.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/say.hpp"
#include "output/plain_file.hpp"
#include "supervise/last_words.hpp"
#include "supervise/phase_clock.hpp"
#include "supervise/signals.hpp"
#include "supervise/stack_dump.hpp"

namespace ditbatch {

namespace {

using nlohmann::json;

constexpr int beat_tag = 1;      // a Beat: to rank 0, and from rank 0 to rank 1
constexpr int suspect_tag = 2;   // a Beat of one that exceeds its limit: to rank 0
constexpr int dump_tag = 3;      // the cause: from the accuser to everyone
constexpr int dumped_tag = 4;    // back to the accuser
constexpr int farewell_tag = 5;  // to rank 0, and from rank 0 to rank 1
constexpr int excused_tag = 6;   // from rank 0 to a suspect: it waits for a writer that moves

constexpr auto tick = std::chrono::milliseconds(20);
constexpr double dump_wait_s = 5;

double seconds_since(std::int64_t begin_ns) {
  return static_cast<double>(now_ns() - begin_ns) * 1e-9;
}

// How long a call of a file system may take.
double write_limit_s(LimitsConfig const& limits) { return phase_limit_s(Phase::drain, limits, 0); }

bool has_stuck_writer(Beat const& beat, LimitsConfig const& limits) {
  return beat.writer.is_busy && beat.writer.still_s > write_limit_s(limits);
}

}  // namespace

Watchdog::Watchdog(Options options, Activity& activity, Trace const& trace)
    : options_(std::move(options)),
      activity_(activity),
      trace_(trace),
      comm_(duplicate(options_.comm)),  // comm: all ranks
      beat_s_(std::clamp(options_.limits.phase_s / 10, 0.1, 5.0)),
      looked_ns_(now_ns()) {
  // comm: all ranks
  std::vector<std::string> const hosts = all_gather_strings(comm_.get(), options_.host);
  // Whoever never sends a sign of life counts as silent since now.
  int const first = options_.rank == 0 ? 1 : 0;
  int const last = options_.rank == 0 ? options_.ranks : options_.rank == 1 ? 1 : 0;
  for (int rank = first; rank < last; ++rank) {
    seen_[rank].beat.rank = rank;
    seen_[rank].beat.host = hosts[static_cast<std::size_t>(rank)];
    seen_[rank].beat.device = "no device yet";
    seen_[rank].beat.phase = "start";
    seen_[rank].came_ns = now_ns();
  }
  thread_ = std::thread([this] { run(); });
}

Watchdog::~Watchdog() {
  is_unwinding_ = std::uncaught_exceptions() > 0;
  if (!is_unwinding_) activity_.enter_phase("end", {}, 0);  // no longer late for anything
  is_ending_ = true;
  if (thread_.joinable()) thread_.join();
}

void Watchdog::set_place(Place place) {
  std::scoped_lock const lock(mutex_);
  place_ = std::move(place);
}

void Watchdog::leave_mesh() noexcept {
  std::scoped_lock const lock(mutex_);
  place_.abort_collectives = nullptr;
  place_.at.reset();
}

std::string Watchdog::dump_folder() const {
  std::scoped_lock const lock(mutex_);
  return place_.dump_folder;
}

void Watchdog::run() noexcept {
  try {
    watch();
  } catch (std::exception const& error) {
    end_job(error);
  }
}

// Each rank says farewell to rank 0, and rank 0, when it has heard all, to rank 1: nobody leaves
// who still watches somebody. A rank that is stopped on its last steps is named like any other;
// else it would hold the rest in MPI_Finalize.
void Watchdog::watch() {
  bool has_said_farewell = false;
  looked_ns_ = now_ns();
  while (true) {
    std::this_thread::sleep_for(tick);
    hear_signals(forgive_pause());
    receive_beats();
    if (take_dump_request()) dump("SIGUSR2");
    if (is_ending_) {
      if (is_unwinding_) return;  // the others may never come: main() ends the job
      bool const watches_nobody = seen_beats().empty();
      if (!has_said_farewell && (options_.rank != 0 || watches_nobody)) {
        has_said_farewell = true;
        if (options_.ranks > 1) send(options_.rank == 0 ? 1 : 0, farewell_tag, "");
      }
      if (watches_nobody) break;
    }
    if (!has_said_farewell) send_beats();
    look_for_trouble();
  }
  // Small messages leave at once; but MPI owns their memory until it says so.
  for (auto& [rank, out] : beats_out_) check_mpi(MPI_Wait(&out.request, MPI_STATUS_IGNORE));
  for (auto& out : others_out_) check_mpi(MPI_Wait(&out->request, MPI_STATUS_IGNORE));
}

// A job that was suspended as a whole and goes on (gang scheduling, a laptop's lid) finds clocks
// that ran while nobody could send or work: that time counts for nothing. -> whether there was any
// since the last call.
bool Watchdog::forgive_pause() {
  std::int64_t const before_ns = std::exchange(looked_ns_, now_ns());
  std::int64_t const pause_ns = looked_ns_ - before_ns;
  if (static_cast<double>(pause_ns) * 1e-9 < std::max(1.0, beat_s_)) return false;
  activity_.forgive(pause_ns);
  if (told_rank_0_ns_) *told_rank_0_ns_ += pause_ns;
  if (excused_ns_) *excused_ns_ += pause_ns;
  std::scoped_lock const lock(mutex_);
  for (auto& [rank, seen] : seen_) seen.came_ns += pause_ns;
  return true;
}

void Watchdog::set_hooks(SignalHooks hooks) {
  std::scoped_lock const lock(hooks_mutex_);
  hooks_ = std::move(hooks);
}

void Watchdog::hear_signals(bool has_paused) {
  // Who was stopped is told to continue as well, and has lost no time.
  bool const is_warned = take_continuation() && !has_paused;
  bool const must_flush = take_hurry() || is_warned;
  std::scoped_lock const lock(hooks_mutex_);
  if (must_flush && hooks_.flush) hooks_.flush();
  if (end_signal() != 0 && (!hooks_.is_flushed || hooks_.is_flushed())) ::_exit(128 + end_signal());
  if (job_signal_ == 0 || has_told_of_stop_ || !hooks_.told_to_stop) return;
  has_told_of_stop_ = true;
  hooks_.told_to_stop(job_signal_);
}

void Watchdog::hear_stop(int signal) {
  job_signal_ = signal;
  if (options_.on_stop_signal) options_.on_stop_signal(signal);
}

std::vector<SeenBeat> Watchdog::seen_beats() const {
  std::scoped_lock const lock(mutex_);
  std::vector<SeenBeat> beats;
  for (auto const& [rank, seen] : seen_) beats.push_back({seen.beat, seconds_since(seen.came_ns)});
  return beats;
}

std::string Watchdog::ranks_json() const {
  json ranks = json::array({json_of(to_message(own_beat()))});
  for (SeenBeat const& seen : seen_beats()) {
    ranks.push_back(json_of(to_message(seen.beat)));
    ranks.back()["silent_s"] = seen.silent_s;
  }
  return to_text(json{{"unix_ns", unix_time_ns()}, {"ranks", std::move(ranks)}}, 1) + "\n";
}

Beat Watchdog::own_beat() const {
  Activity::View const view = activity_.view();
  std::scoped_lock const lock(mutex_);
  return {options_.rank,
          place_.at,
          options_.host,
          place_.device.empty() ? "no device yet" : place_.device,
          view.phase,
          view.record_id,
          view.call,
          view.calls,
          view.phase_begin_ns == 0 ? 0 : seconds_since(view.phase_begin_ns),
          view.call.empty() ? 0 : seconds_since(view.call_begin_ns),
          stop_signal(),
          activity_.file_calls().view()};
}

// Never blocks: a receiver that is stopped takes nothing.
void Watchdog::send(int rank, int tag, std::string text) {
  auto message = std::make_unique<Outgoing>();
  message->text = std::move(text);
  // comm: all ranks
  check_mpi(MPI_Isend(message->text.data(), static_cast<int>(message->text.size()), MPI_CHAR, rank,
                      tag, comm_.get(), &message->request));
  others_out_.push_back(std::move(message));
}

void Watchdog::send_beats() {
  // A signal to stop is passed on at once: a node may be about to go.
  int const own_signal = stop_signal();
  if (now_ns() < next_beat_ns_ && own_signal == told_signal_) return;
  next_beat_ns_ = now_ns() + static_cast<std::int64_t>(beat_s_ * 1e9);
  int const receiver = options_.rank == 0 ? 1 : 0;
  if (options_.ranks > 1) {
    Outgoing& out = beats_out_[receiver];
    int is_sent = 1;
    check_mpi(MPI_Test(&out.request, &is_sent, MPI_STATUS_IGNORE));
    if (is_sent != 0) {
      out.text = to_message(own_beat());
      // comm: ranks 0 and 1
      check_mpi(MPI_Isend(out.text.data(), static_cast<int>(out.text.size()), MPI_CHAR, receiver,
                          beat_tag, comm_.get(), &out.request));
      told_signal_ = own_signal;
    }
  }
  if (options_.rank != 0) return;
  told_signal_ = own_signal;
  if (own_signal != 0) hear_stop(own_signal);
}

void Watchdog::receive_beats() {
  // comm: all ranks
  while (auto const message = try_receive_text(comm_.get(), MPI_ANY_SOURCE, beat_tag)) {
    Beat const beat = beat_from_message(message->text);
    {
      std::scoped_lock const lock(mutex_);
      auto const seen = seen_.find(message->source);
      if (seen != seen_.end()) seen->second = {beat, now_ns()};
    }
    if (beat.stop_signal != 0 && options_.rank == 0) hear_stop(beat.stop_signal);
  }
  // comm: all ranks
  while (auto const message = try_receive_text(comm_.get(), MPI_ANY_SOURCE, farewell_tag)) {
    std::scoped_lock const lock(mutex_);
    seen_.erase(message->source);
  }
  // comm: all ranks
  if (auto const message = try_receive_text(comm_.get(), MPI_ANY_SOURCE, dump_tag)) {
    dump_in_time(message->text);
    send(message->source, dumped_tag, "");
    activity_.abandon();
    // The accuser ends the job; if it dies too, so do we.
    std::this_thread::sleep_for(std::chrono::duration<double>(2 * dump_wait_s));
    leave_now(ExitCode::lost_peer);
  }
}

void Watchdog::look_for_trouble() {
  std::vector<SeenBeat> const beats = seen_beats();
  Beat const own = own_beat();
  bool const late = is_late(own);
  double const unanswered_s = told_rank_0_ns_ ? seconds_since(*told_rank_0_ns_) : 0;
  // Suspended since the last look at the clock, it would take its own pause for another's silence.
  if (forgive_pause()) return;
  if (auto const silent = find_silent(beats, options_.limits.phase_s)) {
    accuse(silent_text(*silent), {silent->beat});
  }
  if (options_.rank == 0) {
    if (late) judge(own);
    // comm: all ranks
    if (auto const message = try_receive_text(comm_.get(), MPI_ANY_SOURCE, suspect_tag))
      judge(beat_from_message(message->text));
    return;
  }
  // comm: all ranks
  if (try_receive_text(comm_.get(), 0, excused_tag)) {
    excused_ns_ = now_ns();
    told_rank_0_ns_.reset();
  }
  if (!late) {
    told_rank_0_ns_.reset();
  } else if (!told_rank_0_ns_) {
    send(0, suspect_tag, to_message(own));
    told_rank_0_ns_ = now_ns();
  } else if (unanswered_s > options_.limits.phase_s + 2 * dump_wait_s) {
    // Rank 0 knows the others, but may be the one that is stuck; rank 1 would have seen that.
    accuse("stuck: " + where_text(own) + "; rank 0 does not answer", {});
  }
}

bool Watchdog::is_late(Beat const& own) const {
  if (has_stuck_writer(own, options_.limits)) return true;
  double const limit_s = activity_.view().limit_s;
  if (limit_s <= 0 || own.in_phase_s <= limit_s) return false;
  return !excused_ns_ || seconds_since(*excused_ns_) > limit_s;
}

// On rank 0.
void Watchdog::judge(Beat const& late) {
  if (has_stuck_writer(late, options_.limits)) accuse("stuck: " + writer_text(late), {late});
  std::vector<SeenBeat> beats = seen_beats();
  beats.push_back({own_beat(), 0});
  std::vector<Beat> const laggards = find_laggards(beats, late);
  bool const moves = std::any_of(laggards.begin(), laggards.end(), [this](Beat const& laggard) {
    return waits_for_slow_writer(laggard, write_limit_s(options_.limits));
  });
  if (!moves) accuse(stuck_text(laggards, late), laggards);
  if (late.rank != options_.rank)
    send(late.rank, excused_tag, "");
  else
    excused_ns_ = now_ns();
}

void Watchdog::accuse(std::string const& cause, std::vector<Beat> const& accused) {
  activity_.abandon();
  log_error(cause);
  for (int rank = 0; rank < options_.ranks; ++rank) {
    if (rank != options_.rank) send(rank, dump_tag, cause);
  }
  dump_in_time(cause);
  std::int64_t const asked_ns = now_ns();
  int expected = options_.ranks - 1;
  for (SeenBeat const& seen : seen_beats()) expected -= seen.silent_s > 4 * beat_s_ ? 1 : 0;
  int answers = 0;
  while (answers < expected && seconds_since(asked_ns) < dump_wait_s) {
    std::this_thread::sleep_for(tick);
    // comm: all ranks
    while (try_receive_text(comm_.get(), MPI_ANY_SOURCE, dumped_tag)) answers += 1;
  }
  std::string const folder = dump_folder();
  LastWords words;
  words.code = ExitCode::lost_peer;
  words.cause = cause;
  words.host = host_of(accused);
  if (accused.size() == 1) {
    words.rank = accused.front().rank;
    words.record = accused.front().record_id;
  }
  words.read = (folder.empty() ? "the lines above" : folder) + " (stacks and last spans of the " +
               std::to_string(answers + 1) + " ranks that answered)";
  words.then = "start the same command again, without that host if it happens twice";
  say_last_words(words);
  leave_now(words.code);
}

void Watchdog::end_job(std::exception const& error) noexcept {
  activity_.abandon();
  say_last_words(last_words_of(error, options_.host, options_.rank));
  leave_now(exit_code_for(error));
}

void Watchdog::dump(std::string const& reason) {
  std::string const folder = dump_folder();
  std::string const text = reason + "\n" + where_text(own_beat()) + "\n\nstacks\n" +
                           stacks_of_all_threads() + "\nlast spans\n" +
                           spans_text(trace_.last(Trace::most_last));
  char name[32];
  std::snprintf(name, sizeof name, "/rank-%04d-%d.txt", options_.rank, dumps_++);
  try {
    if (folder.empty()) {
      say_error("[rank %d] %s", options_.rank, text.c_str());
    } else {
      std::filesystem::create_directories(folder);
      replace_file(folder + name, text);
      log_info("stacks and last spans are in " + folder + name);
    }
  } catch (std::exception const& error) {
    say_error("[rank %d] no dump (%s)\n%s", options_.rank, error.what(), text.c_str());
  }
}

// The file system may be what hangs.
void Watchdog::dump_in_time(std::string const& reason) {
  auto const done = std::make_shared<std::atomic<bool>>(false);
  std::thread([this, reason, done] {
    dump(reason);
    *done = true;
  }).detach();
  std::int64_t const begin_ns = now_ns();
  while (!*done && seconds_since(begin_ns) < dump_wait_s) std::this_thread::sleep_for(tick);
}

void Watchdog::leave_now(ExitCode code) {
  std::function<void()> abort_collectives;
  {
    std::scoped_lock const lock(mutex_);
    abort_collectives = place_.abort_collectives;
  }
  leave(code, abort_collectives);
}

}  // namespace ditbatch
