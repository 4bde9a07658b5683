// A build without CUDA has no GPU to write to.
#include "comm/peer_group.hpp"
#include "comm/peer_memory.hpp"
#include "core/error.hpp"

namespace ditbatch {

PeerMemory::~PeerMemory() = default;

std::unique_ptr<PeerGroup> PeerGroup::make(UniqueMpiComm /*comm*/, c10::Device /*device*/) {
  return nullptr;
}
PeerGroup::~PeerGroup() = default;
std::vector<std::byte*> PeerGroup::memory(Arena /*arena*/, std::size_t /*bytes*/) {
  ensure(false, "a build without CUDA has no peer memory");
  return {};
}
PeerSignals PeerGroup::signals_for(std::string const& /*name*/) const { return signals_; }
void PeerGroup::start_over() {}
void PeerGroup::abort() noexcept {}

}  // namespace ditbatch
