#pragma once

#include <string>

namespace ditbatch {

/// Remembers what people and launchers send, on every rank: launchers forward signals to all of
/// them, and the default action would kill the others.
///
///     USR1            stop cleanly, with all the time that the images in hand take
///     INT, TERM, HUP  the same, but what is finished is flushed first: little time may be left.
///     After
///                     one of them another INT or TERM ends the process with 128 + its number, once
///                     that flush is done, and a second later at the latest.
///     CONT            what is finished is flushed: mpirun sends it before TERM and KILL
///     USR2            dump, and go on
///     PIPE            nothing: whoever reads what is printed may go
///
/// INT and HUP stay ignored where they are (nohup, a script's background job).
void install_signal_handlers();

/// The first signal that told this process to stop, or 0.
[[nodiscard]] int stop_signal();
/// The second, by which it is to end at once, or 0.
[[nodiscard]] int end_signal();
/// Whether a dump was asked for since the last call.
[[nodiscard]] bool take_dump_request();
/// Whether since the last call a signal came that leaves little time.
[[nodiscard]] bool take_hurry();
/// Whether since the last call the process was told to continue, stopped or not.
[[nodiscard]] bool take_continuation();

/// "SIGINT"
[[nodiscard]] std::string signal_name(int signal);

}  // namespace ditbatch
