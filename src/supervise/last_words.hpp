#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <string>

#include "core/exit_code.hpp"

namespace ditbatch {

/// How a job ended: for people on stderr, for programs as end.json in the session's folder.
struct LastWords {
  ExitCode code = ExitCode::complete;
  std::string cause;
  std::string host;         // the one to leave out, or empty: none is to blame
  std::optional<int> rank;  // whose end it was
  std::string record;       // that it worked on; empty: none
  std::string read;         // where more is said
  std::string then;         // what to do next
};
/// Of a rank that an error ends; host: where it runs, empty if that is not known yet.
[[nodiscard]] LastWords last_words_of(std::exception const& error, std::string const& host,
                                      int rank);
/// {"code", "cause", "host", "rank", "record", "read", "then"}, one key a line; end.json has
/// "slurm_job" and "unix_ns" as well.
[[nodiscard]] std::string last_words_json(LastWords const& words);
/// None where there is no such file, or it holds something else.
[[nodiscard]] std::optional<LastWords> read_last_words(std::string const& session_folder);

/// From now on this process leaves its last words in the folder of a session.
void keep_last_words_in(std::string const& session_folder);

/// Writes end.json, if a session is open. The first failure of a job is its cause, what follows
/// from it on other ranks is not: a file that names a failure is left as it is. Returns after some
/// seconds even where the file system hangs. Never throws.
void write_last_words(LastWords const& words) noexcept;

/// The folder that say_last_words() writes to, or what to call it where none is known.
[[nodiscard]] std::string last_words_place();

/// The same, after telling "cause", "read" and "then" on stderr.
void say_last_words(LastWords const& words) noexcept;

/// Ends this process and the job, whatever other threads and ranks do: frees who waits in a
/// collective (null: nobody), aborts MPI, and exits after two seconds at most. Both may wait for a
/// rank that is gone, so each gets a thread and a second. A crash of another thread meanwhile does
/// not change the code.
[[noreturn]] void leave(ExitCode code, std::function<void()> const& abort_collectives);

}  // namespace ditbatch
