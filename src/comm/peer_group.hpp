#pragma once

#include <c10/core/Device.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/mpi_comm.hpp"
#include "comm/peer_signals.hpp"

namespace ditbatch {

/// Memory that this process has on the GPU of every rank of a group, mapped into its own addresses.
class PeerMemory;

/// Ranks of one host whose GPUs write to each other's memory, over NVLink or PCIe: kernels and copy
/// engines put each value where it is needed, and an exchange ends with finish_exchange() of
/// comm/peer_signals.cuh.
class PeerGroup {
 public:
  /// Collective over `comm`. Null on all ranks where some rank cannot write to some other's memory:
  /// on several hosts, without peer access, on CPUs, in a group of one, above max_peers. Tried with
  /// real copies.
  [[nodiscard]] static std::unique_ptr<PeerGroup> make(UniqueMpiComm comm, c10::Device device);
  PeerGroup(PeerGroup const&) = delete;
  PeerGroup& operator=(PeerGroup const&) = delete;
  /// Collective. While an error unwinds the stack nothing is freed: other ranks may still write to
  /// this one's memory, and their exchanges may never end.
  ~PeerGroup();

  [[nodiscard]] int size() const { return signals_.ranks; }
  [[nodiscard]] int rank() const { return signals_.rank; }

  /// Memory that is used by turns: an exchange may write to one arena while the other is read.
  enum class Arena { heads, tokens };
  /// At least `bytes` on every rank; element i is rank i's, at the same addresses until a larger
  /// one is asked for. What was given before stays valid. All ranks ask for the same; collective
  /// where it has to grow. Throws on all ranks where one has no memory left.
  [[nodiscard]] std::vector<std::byte*> memory(Arena arena, std::size_t bytes);

  /// For the kernel of the next exchange, which tells `name` to whoever watches.
  [[nodiscard]] PeerSignals signals_for(std::string const& name) const;
  void watch(std::function<DeviceMark(std::string const&)> mark) { mark_ = std::move(mark); }

  /// Collective, after work that failed on some rank: exchanges count from zero again, so that
  /// those of different ranks belong together whatever was left out. Waits for the GPU.
  void start_over();

  /// Lets no kernel wait any more, from any thread; the job is lost.
  void abort() noexcept;

 private:
  PeerGroup(UniqueMpiComm comm, c10::Device device);
  [[nodiscard]] bool works();

  UniqueMpiComm comm_;
  c10::Device device_;
  PeerSignals signals_;
  std::unique_ptr<PeerMemory> signal_memory_;
  std::array<std::vector<std::unique_ptr<PeerMemory>>, 2> arenas_;  // the last one is the largest
  std::function<DeviceMark(std::string const&)> mark_;
  std::uint64_t* given_up_ = nullptr;  // mapped host memory
};

}  // namespace ditbatch
