#pragma once

namespace ditbatch {

/// Remembers SIGUSR1 and SIGTERM (stop cleanly) and SIGUSR2 (dump, and go on). On every rank:
/// launchers forward signals to all of them, and the default action would kill the others.
void install_signal_handlers();

/// The signal that told this process to stop, or 0.
[[nodiscard]] int stop_signal();
/// Whether a dump was asked for since the last call.
[[nodiscard]] bool take_dump_request();

}  // namespace ditbatch
