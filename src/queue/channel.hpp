#pragma once

namespace ditbatch::queue {

/// Between a replica leader and the server thread on rank 0, over a communicator of the queue's
/// own. A request carries its channel, and the reply comes on that channel's tag: a leader's main
/// thread and its writer thread ask at the same time without taking each other's answers.
enum class Channel : int { main = 0, writer = 1 };

inline constexpr int request_tag = 1;
[[nodiscard]] constexpr int reply_tag(Channel channel) { return 2 + static_cast<int>(channel); }

}  // namespace ditbatch::queue
